//! After the heal: waiting until the replicas agree, and reading every key once more.
//!
//! Convergence is observed from outside: every replica of every key is read by itself, in rounds, until one round finds
//! all replicas equal and the next round finds the same versions again. A single agreeing round is not enough, since
//! its reads do not happen at one moment. A final read that differs may be a stale answer or a version that came back:
//! one more round after the final reads shows which.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use checker::history::{EventType, Phase};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde_json::{Value, json};

use super::{EventFields, Interpreter, SeededWorkload, bounded, within};
use crate::store::ReplicaVersion;
use crate::workload::{Corrupt, Outcome, Workload};

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
    /// The number of pairs of key and node.
    pub pairs: u64,
    /// The number of pairs for which every attempt failed.
    pub failed: u64,
}

pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(100);
pub(super) const PAUSE_MAX: Duration = Duration::from_secs(2);
pub(super) const FINAL_RETRIES: u32 = 3;

/// A key to read on a node, or through it.
struct KeyAtNode<'i> {
    seeded: &'i SeededWorkload,
    key: String,
    node: String,
}

/// The versions of each key, if all its replicas agree on them.
type Agreed = BTreeMap<String, Value>;

impl Interpreter<'_> {
    /// Reads every replica of every key in rounds until two rounds agree, or until `rest_limit` is reached (plus one
    /// operation time-out for the reads then under way). Without any replica to read the result is not converged.
    pub async fn await_convergence(&self) -> Convergence {
        let begin = self.clock.now();
        let deadline = begin.saturating_add(self.settings.rest_limit);
        // If no node answers, the initial replicas of each key are read, and the reads show whether they are the right
        // ones.
        let keys: Vec<String> = self.workloads.iter().flat_map(|seeded| seeded.workload.borrow().keys()).collect();
        let _ = within(self.clock, deadline, self.store.locate(&keys)).await;
        let keys_at_nodes = self.replicas();
        let first_process = self.take_processes(self.settings.concurrency);
        let mut result = Convergence { converged: false, rounds: 0, took: Duration::ZERO, corrupt: 0 };
        let (mut before, mut pause) = (None, FIRST_PAUSE);
        while !keys_at_nodes.is_empty() {
            result.rounds += 1;
            let agreed = self.round(&keys_at_nodes, first_process, &mut result, deadline).await;
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
        let deadline = self.clock.now().saturating_add(self.settings.rest_limit);
        let first_process = self.take_processes(self.settings.concurrency);
        let mut result = Convergence { rounds: before.rounds + 1, ..before };
        self.round(&self.replicas(), first_process, &mut result, deadline).await;
    }

    /// Reads each key through each node, with a few retries if a read fails.
    pub async fn final_reads(&self) -> FinalReads {
        let keys_at_nodes = self.keys_at(|_| self.nodes.clone());
        let first_process = self.take_processes(self.settings.concurrency);
        let failed = RefCell::new(0);
        self.in_lanes(&keys_at_nodes, first_process, async |key_at_node, process| {
            let read = self.final_read(key_at_node, process).await;
            *failed.borrow_mut() += u64::from(!read);
        })
        .await;
        FinalReads { pairs: keys_at_nodes.len() as u64, failed: failed.into_inner() }
    }

    async fn final_read(&self, key_at_node: &KeyAtNode<'_>, process: u64) -> bool {
        let invocation = key_at_node.seeded.workload.borrow().final_read(&key_at_node.key);
        let mut pause = FIRST_PAUSE;
        for attempt in 0..=FINAL_RETRIES {
            let completion =
                self.operate(key_at_node.seeded, process, Phase::Final, &key_at_node.node, &invocation).await;
            if completion.outcome == Outcome::Ok {
                return true;
            }
            if attempt < FINAL_RETRIES {
                self.clock.sleep_until(self.clock.now() + pause).await;
                pause = PAUSE_MAX.min(pause * 2);
            }
        }
        false
    }

    /// One round of replica reads. None if a read failed, a key's replicas differ, or time ran out before all were
    /// read.
    async fn round(
        &self,
        keys_at_nodes: &[KeyAtNode<'_>],
        first_process: u64,
        result: &mut Convergence,
        deadline: Duration,
    ) -> Option<Agreed> {
        let hard_deadline = deadline.saturating_add(self.settings.operation_timeout);
        let (round, agreed, corrupt) = (result.rounds, RefCell::new(Some(Agreed::new())), RefCell::new(0));
        self.in_lanes(keys_at_nodes, first_process, async |key_at_node, process| {
            let read = match self.clock.now() < hard_deadline {
                true => self.read_replica(key_at_node, process, round, hard_deadline).await,
                false => Err(Unread::Failed),
            };
            *corrupt.borrow_mut() += u64::from(matches!(read, Err(Unread::Corrupt)));
            compare(&mut agreed.borrow_mut(), &key_at_node.key, read.ok());
        })
        .await;
        result.corrupt += corrupt.into_inner();
        agreed.into_inner()
    }

    /// Reads and records one node's versions of a key, as a list sorted by id.
    async fn read_replica(
        &self,
        key_at_node: &KeyAtNode<'_>,
        process: u64,
        round: u64,
        hard_deadline: Duration,
    ) -> Result<Value, Unread> {
        let KeyAtNode { seeded, key, node } = key_at_node;
        let (phase, round) = (Phase::Replica, Some(round));
        let fields = EventFields { process, phase, node, workload: Some(seeded.name), f: "read", key, round };
        self.record(&fields, EventType::Invoke, Value::Null, |_| {});
        let deadline = hard_deadline.min(self.clock.now().saturating_add(self.settings.operation_timeout));
        let versions = within(self.clock, deadline, self.store.read_replica(node, key)).await;
        let decoded = match versions {
            None => Err((Unread::Failed, "no answer in time".to_owned())),
            Some(Err(error)) => Err((Unread::Failed, error.to_string())),
            Some(Ok(versions)) => decode(seeded.workload.borrow().as_ref(), versions)
                .map_err(|corrupt| (Unread::Corrupt, format!("{key} on {node}: {corrupt}"))),
        };
        match decoded {
            Ok(versions) => {
                self.record(&fields, EventType::Ok, versions.clone(), |_| {});
                Ok(versions)
            }
            Err((unread, error)) => {
                self.record(&fields, EventType::Fail, Value::Null, |event| event.error = Some(bounded(&error)));
                Err(unread)
            }
        }
    }

    fn replicas(&self) -> Vec<KeyAtNode<'_>> {
        self.keys_at(|key| self.store.replicas(key))
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

    /// Visits every key at every node once, as many at a time as there are clients, each lane as a process of its own.
    async fn in_lanes<'p>(
        &self,
        keys_at_nodes: &'p [KeyAtNode<'p>],
        first_process: u64,
        visit: impl AsyncFn(&'p KeyAtNode<'p>, u64),
    ) {
        let left = RefCell::new(keys_at_nodes.iter());
        let lane = async |lane| {
            loop {
                let Some(key_at_node) = left.borrow_mut().next() else { break };
                visit(key_at_node, first_process + lane).await;
            }
        };
        let mut lanes: FuturesUnordered<_> = (0..self.settings.concurrency).map(lane).collect();
        while lanes.next().await.is_some() {}
    }
}

/// Why a replica's versions are unknown.
enum Unread {
    Failed,
    Corrupt,
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

fn decode(workload: &dyn Workload, mut versions: Vec<ReplicaVersion>) -> Result<Value, Corrupt> {
    versions.sort_by(|a, b| a.id.cmp(&b.id));
    let shown = versions.into_iter().map(|version| {
        let value = version.value.map(|bytes| workload.decode(&bytes)).transpose()?;
        Ok(json!({"id": version.id, "value": value}))
    });
    shown.collect::<Result<Vec<Value>, Corrupt>>().map(Value::from)
}
