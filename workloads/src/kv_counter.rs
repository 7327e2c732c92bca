//! `kv-counter`: clients add to a few counters, each add being one operation of the store, and read their sums, which
//! must be those of one counter that does one thing at a time.
//!
//! `counter` asks for less, of a store that has only get and put: there the sums of processes merge.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::key_window::KeyWindow;
use crate::workload::{Invocation, Visit, Workload, probe_key};

/// `add` in six operations of ten, `read` in four.
#[derive(Debug)]
pub struct KvCounter {
    window: KeyWindow,
}

impl KvCounter {
    /// Counters in use at a time, by default.
    pub const KEYS: u64 = 5;
    /// Operations after which a counter gives way to a new one, by default. Sums do not show which additions are in
    /// them, so a search has to find out: few operations keep it short.
    pub const OPERATIONS_PER_KEY: u64 = 100;
    const ADD_PERCENT: u32 = 60;
    /// An addition is from 1 to this.
    const ADD_MAX: u64 = 9;

    /// `keys` counters in use at a time, each for `operations_per_key` operations; at least one of either.
    pub fn new(keys: u64, operations_per_key: u64) -> Self {
        Self { window: KeyWindow::new("kv-counter", keys, operations_per_key) }
    }
}

impl Workload for KvCounter {
    fn name(&self) -> &'static str {
        "kv-counter"
    }

    fn functions(&self) -> &'static [&'static str] {
        &["add", "read"]
    }

    fn keys(&self) -> Vec<String> {
        self.window.keys()
    }

    fn next(&mut self, rng: &mut ChaCha8Rng, _process: u64) -> Invocation {
        let key = self.window.key_to_fill(rng);
        match rng.random_ratio(Self::ADD_PERCENT, 100) {
            true => Invocation::of("add", key, rng.random_range(1..=Self::ADD_MAX)),
            false => Invocation::of("read", key, Value::Null),
        }
    }

    fn probe(&self, node: &str, number: u64) -> Option<Visit> {
        Some(Visit::once(Invocation::of("add", probe_key(node), number)))
    }
}
