//! `queue`: clients enqueue unique elements and dequeue them; at the end every queue is drained. What was acknowledged
//! comes out, and nothing else.
//!
//! Jepsen's `total-queue` test. `dequeue` is `ok` with the element, or with null if the queue was empty. `drain`
//! dequeues until the queue is empty, and is `ok` with the list of what it took, which is known as a whole only then.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::key_window::KeyWindow;
use crate::workload::{Invocation, Unique, Visit, Workload, probe_key};

/// `enqueue` in 55 operations of 100, `dequeue` in 45, so queues are seldom empty.
#[derive(Debug)]
pub struct Queue {
    window: KeyWindow,
    unique: Unique,
}

impl Queue {
    /// Queues in use at a time, by default.
    pub const KEYS: u64 = 2;
    /// Elements after which a queue gives way to a new one, by default.
    pub const ELEMENTS_PER_KEY: u64 = 2_000;
    const ENQUEUE_PERCENT: u32 = 55;

    /// `keys` queues in use at a time, each for `elements_per_key` elements; at least one of either.
    pub fn new(keys: u64, elements_per_key: u64, unique: Unique) -> Self {
        Self { window: KeyWindow::new("queue", keys, elements_per_key), unique }
    }
}

impl Workload for Queue {
    fn name(&self) -> &'static str {
        "queue"
    }

    fn functions(&self) -> &'static [&'static str] {
        &["enqueue", "dequeue", "drain"]
    }

    fn keys(&self) -> Vec<String> {
        self.window.keys()
    }

    fn next(&mut self, rng: &mut ChaCha8Rng, _process: u64) -> Invocation {
        match rng.random_ratio(Self::ENQUEUE_PERCENT, 100) {
            true => Invocation::of("enqueue", self.window.key_to_fill(rng), self.unique.next()),
            false => Invocation::of("dequeue", self.window.key(rng), Value::Null),
        }
    }

    fn final_visits(&self) -> Vec<Visit> {
        let drain = |key| Visit::once(Invocation::of("drain", key, Value::Null));
        self.keys().into_iter().map(drain).collect()
    }

    fn probe(&self, node: &str, number: u64) -> Option<Visit> {
        Some(Visit::once(Invocation::of("enqueue", probe_key(node), number)))
    }
}
