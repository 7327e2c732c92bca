//! `cas-register`, and `lin-kv` as Maelstrom calls it: clients read, write, and compare-and-set a few registers. Written
//! values are unique, so a read shows which write it saw, and linearizability is decided quickly.
//!
//! Jepsen's register test (Kingsbury, "etcd and Consul", 2014), with fresh values instead of a few that come again.
//! `cas` has the list of the expected and the new value: the expected one is what a client saw last, so many succeed.
//! One that finds another value has changed nothing: `fail`.

use std::collections::BTreeMap;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::client::{Completion, Operation, Outcome};
use crate::key_window::KeyWindow;
use crate::workload::{Invocation, Unique, Visit, Workload, probe_key};

/// `read` in four operations of ten, `cas` in three (a `write` instead while no value is known), `write` in three.
#[derive(Debug)]
pub struct CasRegister {
    name: &'static str,
    window: KeyWindow,
    unique: Unique,
    /// The value of each register in use that was seen last.
    seen: BTreeMap<String, Value>,
}

impl CasRegister {
    /// Registers in use at a time, by default.
    pub const KEYS: u64 = 5;
    /// Operations after which a register gives way to a new one, by default: what is open for ever after an `info`
    /// makes each further operation on the same register dearer to check.
    pub const OPERATIONS_PER_KEY: u64 = 200;
    const READ_PERCENT: u32 = 40;
    const CAS_PERCENT: u32 = 30;

    /// `keys` registers in use at a time, each for `operations_per_key` operations; at least one of either.
    pub fn new(keys: u64, operations_per_key: u64, unique: Unique) -> Self {
        Self::called("cas-register", KeyWindow::new("cas", keys, operations_per_key), unique)
    }

    /// The same under Maelstrom's name.
    pub fn lin_kv(keys: u64, operations_per_key: u64, unique: Unique) -> Self {
        Self::called("lin-kv", KeyWindow::new("kv", keys, operations_per_key), unique)
    }

    fn called(name: &'static str, window: KeyWindow, unique: Unique) -> Self {
        Self { name, window, unique, seen: BTreeMap::new() }
    }

    fn change(&mut self, key: String, compares: bool) -> Invocation {
        let value = self.unique.next();
        match self.seen.get(&key).filter(|_| compares) {
            Some(expected) => {
                let both = json!([expected, value]);
                Invocation::of("cas", key, both)
            }
            None => Invocation::of("write", key, value),
        }
    }
}

impl Workload for CasRegister {
    fn name(&self) -> &'static str {
        self.name
    }

    fn functions(&self) -> &'static [&'static str] {
        &["read", "write", "cas"]
    }

    fn keys(&self) -> Vec<String> {
        self.window.keys()
    }

    fn next(&mut self, rng: &mut ChaCha8Rng, _process: u64) -> Invocation {
        let key = self.window.key_to_fill(rng);
        let draw = rng.random_range(0..100);
        if draw < Self::READ_PERCENT {
            return Invocation::of("read", key, Value::Null);
        }
        self.change(key, draw < Self::READ_PERCENT + Self::CAS_PERCENT)
    }

    fn observe(&mut self, operation: &Operation, completion: &Completion) {
        self.seen.retain(|key, _| self.window.is_in_use(key));
        let Some(key) = operation.key.as_ref().filter(|key| self.window.is_in_use(key)) else { return };
        let now = match (operation.f, completion.outcome) {
            ("read", Outcome::Ok) => completion.value.clone(),
            ("write", Outcome::Ok) => operation.value.clone(),
            ("cas", Outcome::Ok) => operation.value[1].clone(),
            _ => return,
        };
        if !now.is_null() {
            self.seen.insert(key.clone(), now);
        }
    }

    fn probe(&self, node: &str, number: u64) -> Option<Visit> {
        Some(Visit::once(Invocation::of("write", probe_key(node), number)))
    }
}
