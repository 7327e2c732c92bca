//! `g-set` and `broadcast`: clients add unique elements to the one set that there is, or broadcast unique messages, and read
//! all of them now and then. At the end every node must have every element that was acknowledged.
//!
//! Maelstrom's workloads of these names. There is no probe: an element that is added would change what the final visits show.
//! `kv-set` asks the same of a store that has several sets.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::workload::{Invocation, Unique, Workload};

/// A change in half of the operations, `read` in the other half.
#[derive(Debug)]
pub struct OneSet {
    name: &'static str,
    functions: &'static [&'static str; 2],
    unique: Unique,
}

/// The one set.
const KEY: &str = "set-0";

impl OneSet {
    const CHANGE_PERCENT: u32 = 50;

    /// Elements are added.
    pub fn grow_only(unique: Unique) -> Self {
        Self { name: "g-set", functions: &["add", "read"], unique }
    }

    /// Messages are broadcast.
    pub fn broadcast(unique: Unique) -> Self {
        Self { name: "broadcast", functions: &["broadcast", "read"], unique }
    }
}

impl Workload for OneSet {
    fn name(&self) -> &'static str {
        self.name
    }

    fn functions(&self) -> &'static [&'static str] {
        self.functions
    }

    fn keys(&self) -> Vec<String> {
        vec![KEY.to_owned()]
    }

    fn next(&mut self, rng: &mut ChaCha8Rng, _process: u64) -> Invocation {
        match rng.random_ratio(Self::CHANGE_PERCENT, 100) {
            true => Invocation::of(self.functions[0], KEY, self.unique.next()),
            false => Invocation::of("read", KEY, Value::Null),
        }
    }
}
