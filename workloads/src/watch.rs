//! `watch`: clients put and delete keys, each of which gives the store its next revision, and watch what has changed
//! from a revision on. At the end every node is asked for all changes since the first.
//!
//! Etcd's robustness tests, in the form that the check `watch` reads:
//!
//! | `f` | value | `ok` |
//! |---|---|---|
//! | `put` | `["watch-0", 5]` | the revision |
//! | `delete` | `"watch-0"` | the revision; null if there was nothing to delete |
//! | `watch` | the revision from which on it asks | the responses until nothing more came for a while |
//!
//! A response is a list of `[revision, "put", key, value]` or `[revision, "delete", key]`. A watch is of all keys that
//! begin with `watch-`. A process watches on from where its last watch ended.

use std::collections::BTreeMap;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::client::{Completion, Operation, Outcome};
use crate::workload::{Invocation, Unique, Visit, Workload, probe_key};

/// `put` in half of all operations, `delete` in one of ten, `watch` in four of ten.
#[derive(Debug)]
pub struct Watch {
    keys: u64,
    unique: Unique,
    /// The revision from which on each process watches next, once it has seen a change.
    next: BTreeMap<u64, i64>,
    /// The greatest of these so far, where a new process begins: it need not see again what others have seen.
    newest: i64,
}

impl Watch {
    /// The number of keys, by default.
    pub const KEYS: u64 = 5;
    const PUT_PERCENT: u32 = 50;
    const DELETE_PERCENT: u32 = 10;
    const FIRST_REVISION: i64 = 1;

    /// `keys` keys, at least one.
    pub fn new(keys: u64, unique: Unique) -> Self {
        Self { keys: keys.max(1), unique, next: BTreeMap::new(), newest: Self::FIRST_REVISION }
    }

    fn put(key: String, value: u64) -> Invocation {
        Invocation::without_key("put", json!([key, value]))
    }
}

impl Workload for Watch {
    fn name(&self) -> &'static str {
        "watch"
    }

    fn functions(&self) -> &'static [&'static str] {
        &["put", "delete", "watch"]
    }

    fn keys(&self) -> Vec<String> {
        (0..self.keys).map(name).collect()
    }

    fn next(&mut self, rng: &mut ChaCha8Rng, process: u64) -> Invocation {
        let (draw, key) = (rng.random_range(0..100), name(rng.random_range(0..self.keys)));
        if draw < Self::PUT_PERCENT {
            Self::put(key, self.unique.next())
        } else if draw < Self::PUT_PERCENT + Self::DELETE_PERCENT {
            Invocation::without_key("delete", key)
        } else {
            let from = self.next.get(&process).copied().unwrap_or(self.newest);
            Invocation::without_key("watch", from)
        }
    }

    fn observe(&mut self, operation: &Operation, completion: &Completion) {
        if let ("watch", Outcome::Ok) = (operation.f, completion.outcome) {
            let responses = completion.value.as_array().into_iter().flatten();
            let changes = responses.filter_map(Value::as_array).flatten();
            if let Some(last) = changes.filter_map(|change| change[0].as_i64()).max() {
                let next = last.saturating_add(1);
                self.next.insert(operation.process, next);
                self.newest = self.newest.max(next);
            }
        }
    }

    fn ended(&mut self, process: u64) {
        self.next.remove(&process);
    }

    fn final_visits(&self) -> Vec<Visit> {
        vec![Visit::once(Invocation::without_key("watch", Self::FIRST_REVISION))]
    }

    fn probe(&self, node: &str, number: u64) -> Option<Visit> {
        Some(Visit::once(Self::put(probe_key(node), number)))
    }
}

fn name(key: u64) -> String {
    format!("watch-{key}")
}
