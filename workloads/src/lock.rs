//! `lock` and `fenced-lock`: client processes acquire locks and release them; no two may hold one at a time. A fenced
//! lock's `acquire` returns a token (an integer, or `{"fence": n}`) above all before it.
//!
//! Jepsen's tests of locks (Kingsbury, "Hazelcast 3.8.3", 2017). Who holds a lock releases it next. `acquire` is `fail`
//! if another holds the lock: a client does not wait for it. After an `info`, or where the holder has ended, nobody
//! knows whether the lock is free, and a new one takes its place. So there is nothing to be read at the end, and no
//! probe: one that is not answered could leave a lock that nobody can take any more.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::client::{Completion, Operation, Outcome};
use crate::key_window::KeyWindow;
use crate::workload::{Invocation, Visit, Workload};

/// A process that holds a lock releases it; any other acquires one.
#[derive(Debug)]
pub struct Lock {
    name: &'static str,
    window: KeyWindow,
    /// The lock that each process holds.
    held: BTreeMap<u64, String>,
}

impl Lock {
    /// Locks in use at a time, by default: so few that processes meet.
    pub const KEYS: u64 = 2;
    /// Acquisitions after which a lock gives way to a new one, by default.
    pub const ACQUISITIONS_PER_KEY: u64 = 200;

    /// Locks without tokens: `keys` in use at a time, each for `acquisitions_per_key`; at least one of either.
    pub fn plain(keys: u64, acquisitions_per_key: u64) -> Self {
        Self::new("lock", keys, acquisitions_per_key)
    }

    /// Locks whose acquisition returns a token.
    pub fn fenced(keys: u64, acquisitions_per_key: u64) -> Self {
        Self::new("fenced-lock", keys, acquisitions_per_key)
    }

    fn new(name: &'static str, keys: u64, acquisitions_per_key: u64) -> Self {
        Self { name, window: KeyWindow::new(name, keys, acquisitions_per_key), held: BTreeMap::new() }
    }
}

impl Workload for Lock {
    fn name(&self) -> &'static str {
        self.name
    }

    fn functions(&self) -> &'static [&'static str] {
        &["acquire", "release"]
    }

    fn keys(&self) -> Vec<String> {
        self.window.keys()
    }

    fn next(&mut self, rng: &mut ChaCha8Rng, process: u64) -> Invocation {
        match self.held.get(&process) {
            Some(held) => Invocation::of("release", held.clone(), Value::Null),
            None => Invocation::of("acquire", self.window.key_to_fill(rng), Value::Null),
        }
    }

    fn observe(&mut self, operation: &Operation, completion: &Completion) {
        let Some(key) = &operation.key else { return };
        match (operation.f, completion.outcome) {
            ("acquire", Outcome::Ok) => {
                self.held.insert(operation.process, key.clone());
            }
            ("release", Outcome::Ok) => {
                self.held.remove(&operation.process);
            }
            // It may have been taken away, as where a lease has run out.
            ("release", Outcome::Fail) => {
                self.held.remove(&operation.process);
                self.window.retire(key);
            }
            (_, Outcome::Info) => self.window.retire(key),
            _ => {}
        }
    }

    fn ended(&mut self, process: u64) {
        if let Some(held) = self.held.remove(&process) {
            self.window.retire(&held);
        }
    }

    fn final_visits(&self) -> Vec<Visit> {
        Vec::new()
    }
}
