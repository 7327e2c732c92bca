//! After the heal: waiting until the replicas agree, and reading every key once more.
//!
//! Convergence is observed from outside: every replica of every key is read by itself, in rounds, until one round finds
//! all replicas equal and the next round finds the same versions again. A single agreeing round is not enough, since
//! its reads do not happen at one moment. A final read that differs may be a stale answer or a version that came back:
//! one more round after the final reads shows which. A client that reads no replica by itself shows none of this.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use checker::history::{EventType, Phase};
use serde_json::{Value, json};

use super::visit::{FIRST_PAUSE, NodeVisit, PAUSE_MAX};
use super::{EventFields, Interpreter, SeededWorkload, bounded, within};
use crate::client::{Replicas, Unread, Version};

/// Whether the replicas of the healed cluster converged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convergence {
    /// All replicas of all keys were equal in two consecutive rounds, with the same versions.
    pub converged: bool,
    /// The number of rounds.
    pub rounds: u64,
    /// The time until the end of the first of the two rounds, or until giving up if the replicas did not converge.
    pub took: Duration,
    /// Replica reads that returned bytes which are not a value of the workload.
    pub corrupt: u64,
}

/// The result of the final reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FinalReads {
    /// The number of pairs of a final visit (usually a read of a key) and a node.
    pub pairs: u64,
    /// The number of pairs for which every attempt failed.
    pub failed: u64,
}

/// A key to read on a node.
struct KeyAtNode<'i> {
    seeded: &'i SeededWorkload,
    key: String,
    node: String,
}

/// The versions of each key, if all its replicas agree on them.
type Agreed = BTreeMap<String, Value>;

impl Interpreter<'_> {
    /// Reads every replica of every key in rounds until two rounds agree, or until `rest_limit` is reached (plus one
    /// operation time-out for the reads then under way). Without any replica to read the result is not converged. None,
    /// and the history says so, if the client reads no replica by itself: that the cluster has come to rest then shows in
    /// the visits that follow, which are made again for as long.
    pub async fn await_convergence(&self) -> Option<Convergence> {
        match self.client.replicas() {
            Some(replicas) => Some(self.convergence(replicas).await),
            None => {
                self.leave_out("replica", "the client reads no replica by itself");
                self.patient_until.set(self.clock.now().saturating_add(self.settings.rest_limit));
                None
            }
        }
    }

    async fn convergence(&self, replicas: &dyn Replicas) -> Convergence {
        let begin = self.clock.now();
        let deadline = begin.saturating_add(self.settings.rest_limit);
        // If no node answers, the initial replicas of each key are read, and the reads show whether they are the right
        // ones.
        let keys: Vec<String> = self.workloads.iter().flat_map(|seeded| seeded.workload.borrow().keys()).collect();
        let _ = within(self.clock, deadline, replicas.locate(&keys)).await;
        let keys_at_nodes = self.keys_at(|key| replicas.replicas(key));
        let first_process = self.take_processes(self.settings.concurrency);
        let mut result = Convergence { converged: false, rounds: 0, took: Duration::ZERO, corrupt: 0 };
        let (mut before, mut pause) = (None, FIRST_PAUSE);
        while !keys_at_nodes.is_empty() {
            result.rounds += 1;
            let agreed = self.round(replicas, &keys_at_nodes, first_process, &mut result, deadline).await;
            if agreed.is_some() && agreed == before {
                return Convergence { converged: true, ..result };
            }
            result.took = self.clock.now() - begin;
            if self.clock.now() >= deadline {
                break;
            }
            before = agreed;
            self.clock.sleep_until(deadline.min(self.clock.now() + pause)).await;
            pause = PAUSE_MAX.min(pause * 2);
        }
        result
    }

    /// Reads every replica of every key once more, in a round after those of `before`, which shows whether anything
    /// came back after the final reads had begun. Takes at most as long as [`Interpreter::await_convergence`].
    pub async fn read_replicas_again(&self, before: Convergence) {
        let Some(replicas) = self.client.replicas() else { return };
        let deadline = self.clock.now().saturating_add(self.settings.rest_limit);
        let first_process = self.take_processes(self.settings.concurrency);
        let mut result = Convergence { rounds: before.rounds + 1, ..before };
        let keys_at_nodes = self.keys_at(|key| replicas.replicas(key));
        self.round(replicas, &keys_at_nodes, first_process, &mut result, deadline).await;
    }

    /// Makes the final visits of each workload through each node (usually a read of each key), with a few retries where
    /// one fails.
    pub async fn final_reads(&self) -> FinalReads {
        let mut visits = Vec::new();
        for seeded in &self.workloads {
            let of_workload = seeded.workload.borrow().final_visits();
            visits.extend(of_workload.into_iter().flat_map(|visit| {
                let through = |node| NodeVisit { seeded: Some(seeded), node, visit: visit.clone() };
                self.nodes.iter().map(|node| through(node)).collect::<Vec<_>>()
            }));
        }
        FinalReads { pairs: visits.len() as u64, failed: self.make(Phase::Final, &visits).await }
    }

    /// One round of replica reads. None if a read failed, a key's replicas differ, or time ran out before all were
    /// read.
    async fn round(
        &self,
        replicas: &dyn Replicas,
        keys_at_nodes: &[KeyAtNode<'_>],
        first_process: u64,
        result: &mut Convergence,
        deadline: Duration,
    ) -> Option<Agreed> {
        let hard_deadline = deadline.saturating_add(self.settings.operation_timeout);
        let (round, agreed, corrupt) = (result.rounds, RefCell::new(Some(Agreed::new())), RefCell::new(0));
        self.in_lanes(keys_at_nodes, first_process, async |key_at_node, process| {
            let read = match self.clock.now() < hard_deadline {
                true => self.read_replica(replicas, key_at_node, (*process, round), hard_deadline).await,
                false => Err(Unread::Failed("no time was left".to_owned())),
            };
            *corrupt.borrow_mut() += u64::from(matches!(read, Err(Unread::Corrupt(_))));
            compare(&mut agreed.borrow_mut(), &key_at_node.key, read.ok());
        })
        .await;
        result.corrupt += corrupt.into_inner();
        agreed.into_inner()
    }

    /// Reads and records one node's versions of a key, as a list sorted by id.
    async fn read_replica(
        &self,
        replicas: &dyn Replicas,
        key_at_node: &KeyAtNode<'_>,
        (process, round): (u64, u64),
        hard_deadline: Duration,
    ) -> Result<Value, Unread> {
        let KeyAtNode { seeded, key, node } = key_at_node;
        let (phase, round, key) = (Phase::Replica, Some(round), key.as_str());
        let fields =
            EventFields { process, phase, node, workload: Some(seeded.name), f: "read", key: Some(key), round };
        self.record(&fields, EventType::Invoke, Value::Null, |_| {});
        let deadline = hard_deadline.min(self.clock.now().saturating_add(self.settings.operation_timeout));
        let versions = within(self.clock, deadline, replicas.read_replica(node, seeded.name, key)).await;
        let versions = versions.unwrap_or_else(|| Err(Unread::Failed("no answer in time".to_owned())));
        match versions.map(shown) {
            Ok(versions) => {
                self.record(&fields, EventType::Ok, versions.clone(), |_| {});
                Ok(versions)
            }
            Err(unread) => {
                let error = Some(bounded(&unread.to_string()));
                self.record(&fields, EventType::Fail, Value::Null, |event| event.error = error);
                Err(unread)
            }
        }
    }

    fn keys_at(&self, nodes: impl Fn(&str) -> Vec<String>) -> Vec<KeyAtNode<'_>> {
        let keys = self.workloads.iter().flat_map(|seeded| {
            let keys = seeded.workload.borrow().keys();
            keys.into_iter().map(move |key| (seeded, key))
        });
        let keys_at_nodes = keys.flat_map(|(seeded, key)| {
            let key_at_node = |node| KeyAtNode { seeded, key: key.clone(), node };
            nodes(&key).into_iter().map(key_at_node).collect::<Vec<_>>()
        });
        keys_at_nodes.collect()
    }
}

/// Compares one more replica's versions with those of the other replicas of its key.
fn compare(agreed: &mut Option<Agreed>, key: &str, versions: Option<Value>) {
    let alike = match (agreed.as_mut(), versions) {
        (Some(agreed), Some(versions)) => *agreed.entry(key.to_owned()).or_insert_with(|| versions.clone()) == versions,
        _ => false,
    };
    if !alike {
        *agreed = None;
    }
}

/// As histories show the versions of a replica.
fn shown(mut versions: Vec<Version>) -> Value {
    versions.sort_by(|a, b| a.id.cmp(&b.id));
    versions.into_iter().map(|Version { id, value }| json!({"id": id, "value": value})).collect()
}
