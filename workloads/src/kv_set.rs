//! `kv-set`: clients add unique elements to a set or two, each add being one operation of the store, and read them all
//! now and then. At the end every element that was acknowledged must be there.
//!
//! Jepsen's `set-full` test. `set` asks the same of a store that has only get and put, whose clients read a value, add
//! to it and write it back.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::key_window::KeyWindow;
use crate::workload::{Invocation, Unique, Visit, Workload, probe_key};

/// `add` in four operations of five, `read` in the fifth.
#[derive(Debug)]
pub struct KvSet {
    window: KeyWindow,
    unique: Unique,
}

impl KvSet {
    /// Sets in use at a time, by default.
    pub const KEYS: u64 = 2;
    /// Adds after which a set gives way to a new one, by default.
    pub const ELEMENTS_PER_KEY: u64 = 500;
    const ADD_PERCENT: u32 = 80;

    /// `keys` sets in use at a time, each for `elements_per_key` adds; at least one of either.
    pub fn new(keys: u64, elements_per_key: u64, unique: Unique) -> Self {
        Self { window: KeyWindow::new("kv-set", keys, elements_per_key), unique }
    }
}

impl Workload for KvSet {
    fn name(&self) -> &'static str {
        "kv-set"
    }

    fn functions(&self) -> &'static [&'static str] {
        &["add", "read"]
    }

    fn keys(&self) -> Vec<String> {
        self.window.keys()
    }

    fn next(&mut self, rng: &mut ChaCha8Rng, _process: u64) -> Invocation {
        match rng.random_ratio(Self::ADD_PERCENT, 100) {
            true => Invocation::of("add", self.window.key_to_fill(rng), self.unique.next()),
            false => Invocation::of("read", self.window.key(rng), Value::Null),
        }
    }

    fn probe(&self, node: &str, number: u64) -> Option<Visit> {
        Some(Visit::once(Invocation::of("add", probe_key(node), number)))
    }
}
