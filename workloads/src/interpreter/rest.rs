//! After the heal: waiting until the replicas agree, and reading everything once more.
//!
//! Convergence is seen from outside: every replica of every key is read by itself, in rounds, until one round finds
//! them all alike and another one after it finds the same again. A single agreeing round would not do: its reads are
//! not at one moment. What the final reads then show may be a stale answer or something that came back: one more round
//! after them tells which.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use checker::history::{EventType, Phase};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde_json::{Value, json};

use super::{Actor, Interpreter, Site, bounded, within};
use crate::store::ReplicaVersion;
use crate::workload::{Corrupt, Outcome, Workload};

/// Whether the healed cluster came to rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rest {
    /// All replicas of all keys were found alike, twice with nothing changed in between.
    pub converged: bool,
    /// Rounds of reads.
    pub rounds: u64,
    /// From the call to the end of the first of the two rounds; to giving up if they did not converge.
    pub took: Duration,
    /// Replica reads that met bytes which are no value of the workload.
    pub corrupt: u64,
}

/// What came of the final reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FinalReads {
    /// Pairs of key and node that were read.
    pub pairs: u64,
    /// Of these, the pairs whose every attempt failed.
    pub failed: u64,
}

pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(100);
pub(super) const PAUSE_MAX: Duration = Duration::from_secs(2);
pub(super) const FINAL_RETRIES: u32 = 3;

/// One replica to read: of a key of a workload, on a node.
struct Place<'i> {
    actor: &'i Actor,
    key: String,
    node: String,
}

/// The versions of each key, if all its replicas agree on them.
type Agreed = BTreeMap<String, Value>;

impl Interpreter<'_> {
    /// Reads every replica of every key in rounds until they agree for good, or `rest_limit` is reached (and one
    /// operation time-out for the reads then under way). Without a replica to read nothing can be seen to converge.
    pub async fn rest(&self) -> Rest {
        let begin = self.clock.now();
        let deadline = begin.saturating_add(self.settings.rest_limit);
        // Where nobody says, keys are looked for where they were at first, and the reads show whether that is right.
        let keys: Vec<String> = self.actors.iter().flat_map(|actor| actor.workload.borrow().keys()).collect();
        let _ = within(self.clock, deadline, self.store.locate(&keys)).await;
        let places = self.replicas();
        let first_process = self.take_processes(self.settings.concurrency);
        let mut rest = Rest { converged: false, rounds: 0, took: Duration::ZERO, corrupt: 0 };
        let (mut before, mut pause) = (None, FIRST_PAUSE);
        while !places.is_empty() {
            rest.rounds += 1;
            let agreed = self.round(&places, first_process, &mut rest, deadline).await;
            if agreed.is_some() && agreed == before {
                return Rest { converged: true, ..rest };
            }
            rest.took = self.clock.now() - begin;
            if self.clock.now() >= deadline {
                break;
            }
            before = agreed;
            self.clock.sleep_until(deadline.min(self.clock.now() + pause)).await;
            pause = PAUSE_MAX.min(pause * 2);
        }
        rest
    }

    /// Reads every replica of every key once more, in a round after the `rest` that was taken, so that it shows whether
    /// anything came back after the final reads had begun. Bounded like the rest.
    pub async fn last_look(&self, rest: Rest) {
        let deadline = self.clock.now().saturating_add(self.settings.rest_limit);
        let first_process = self.take_processes(self.settings.concurrency);
        let mut rest = Rest { rounds: rest.rounds + 1, ..rest };
        self.round(&self.replicas(), first_process, &mut rest, deadline).await;
    }

    /// Reads each key through each node, with a few retries where that fails.
    pub async fn final_reads(&self) -> FinalReads {
        let places = self.places(|_| self.nodes.clone());
        let first_process = self.take_processes(self.settings.concurrency);
        let failed = RefCell::new(0);
        self.in_lanes(&places, first_process, async |place, process| {
            let read = self.final_read(place, process).await;
            *failed.borrow_mut() += u64::from(!read);
        })
        .await;
        FinalReads { pairs: places.len() as u64, failed: failed.into_inner() }
    }

    async fn final_read(&self, place: &Place<'_>, process: u64) -> bool {
        let invocation = place.actor.workload.borrow().final_read(&place.key);
        let mut pause = FIRST_PAUSE;
        for attempt in 0..=FINAL_RETRIES {
            let completion = self.operate(place.actor, process, Phase::Final, &place.node, &invocation).await;
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

    /// One round. None if a read failed, a key's replicas differ, or time ran out before all were read.
    async fn round(
        &self,
        places: &[Place<'_>],
        first_process: u64,
        rest: &mut Rest,
        deadline: Duration,
    ) -> Option<Agreed> {
        let hard_deadline = deadline.saturating_add(self.settings.operation_timeout);
        let (round, agreed, corrupt) = (rest.rounds, RefCell::new(Some(Agreed::new())), RefCell::new(0));
        self.in_lanes(places, first_process, async |place, process| {
            let read = match self.clock.now() < hard_deadline {
                true => self.read_replica(place, process, round, hard_deadline).await,
                false => Err(Unread::Failed),
            };
            *corrupt.borrow_mut() += u64::from(matches!(read, Err(Unread::Corrupt)));
            compare(&mut agreed.borrow_mut(), &place.key, read.ok());
        })
        .await;
        rest.corrupt += corrupt.into_inner();
        agreed.into_inner()
    }

    /// One node's versions of a key as a sorted list, recorded.
    async fn read_replica(
        &self,
        place: &Place<'_>,
        process: u64,
        round: u64,
        hard_deadline: Duration,
    ) -> Result<Value, Unread> {
        let Place { actor, key, node } = place;
        let (phase, round) = (Phase::Replica, Some(round));
        let site = Site { process, phase, node, workload: Some(actor.name), f: "read", key, round };
        self.record(&site, EventType::Invoke, Value::Null, |_| {});
        let deadline = hard_deadline.min(self.clock.now().saturating_add(self.settings.operation_timeout));
        let versions = within(self.clock, deadline, self.store.read_replica(node, key)).await;
        let decoded = match versions {
            None => Err((Unread::Failed, "no answer in time".to_owned())),
            Some(Err(error)) => Err((Unread::Failed, error.to_string())),
            Some(Ok(versions)) => decode(actor.workload.borrow().as_ref(), versions)
                .map_err(|corrupt| (Unread::Corrupt, format!("{key} on {node}: {corrupt}"))),
        };
        match decoded {
            Ok(versions) => {
                self.record(&site, EventType::Ok, versions.clone(), |_| {});
                Ok(versions)
            }
            Err((unread, error)) => {
                self.record(&site, EventType::Fail, Value::Null, |event| event.error = Some(bounded(&error)));
                Err(unread)
            }
        }
    }

    fn replicas(&self) -> Vec<Place<'_>> {
        self.places(|key| self.store.replicas(key))
    }

    fn places(&self, nodes: impl Fn(&str) -> Vec<String>) -> Vec<Place<'_>> {
        let keys = self.actors.iter().flat_map(|actor| {
            let keys = actor.workload.borrow().keys();
            keys.into_iter().map(move |key| (actor, key))
        });
        let places = keys.flat_map(|(actor, key)| {
            let place = |node| Place { actor, key: key.clone(), node };
            nodes(&key).into_iter().map(place).collect::<Vec<_>>()
        });
        places.collect()
    }

    /// Visits every place once, as many at a time as there are clients, each under its own process.
    async fn in_lanes<'p>(&self, places: &'p [Place<'p>], first_process: u64, visit: impl AsyncFn(&'p Place<'p>, u64)) {
        let left = RefCell::new(places.iter());
        let lane = async |lane| {
            loop {
                let Some(place) = left.borrow_mut().next() else { break };
                visit(place, first_process + lane).await;
            }
        };
        let mut lanes: FuturesUnordered<_> = (0..self.settings.concurrency).map(lane).collect();
        while lanes.next().await.is_some() {}
    }
}

/// Why a replica's versions are not known.
enum Unread {
    Failed,
    Corrupt,
}

/// Takes one more replica's versions into account.
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
