//! `g-counter` and `pn-counter`: clients add to the one counter that there is, the second also negative numbers, and read its
//! sum now and then. At the end every node must have the sum of all that was acknowledged.
//!
//! Maelstrom's workloads of these names. `kv-counter` asks for more, of a store that has several counters.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::workload::{Invocation, Visit, Workload};

/// `add` in half of the operations, `read` in the other half.
#[derive(Debug)]
pub struct OneCounter {
    name: &'static str,
    least: i64,
}

/// The one counter.
const KEY: &str = "counter-0";

impl OneCounter {
    const ADD_PERCENT: u32 = 50;
    /// The most that is added at a time, and of `pn-counter` taken away.
    const ADD_MAX: i64 = 5;

    /// A counter that only grows.
    pub fn growing() -> Self {
        Self { name: "g-counter", least: 0 }
    }

    /// A counter that grows and shrinks.
    pub fn up_and_down() -> Self {
        Self { name: "pn-counter", least: -Self::ADD_MAX }
    }
}

impl Workload for OneCounter {
    fn name(&self) -> &'static str {
        self.name
    }

    fn functions(&self) -> &'static [&'static str] {
        &["add", "read"]
    }

    fn keys(&self) -> Vec<String> {
        vec![KEY.to_owned()]
    }

    fn next(&mut self, rng: &mut ChaCha8Rng, _process: u64) -> Invocation {
        match rng.random_ratio(Self::ADD_PERCENT, 100) {
            true => Invocation::of("add", KEY, rng.random_range(self.least..=Self::ADD_MAX)),
            false => Invocation::of("read", KEY, Value::Null),
        }
    }

    /// Nothing is added: the sum stays as it is.
    fn probe(&self, _node: &str, _number: u64) -> Option<Visit> {
        Some(Visit::once(Invocation::of("add", KEY, 0)))
    }
}
