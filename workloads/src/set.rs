//! `set`: clients add unique elements to a few sets and read them back. An element that was acknowledged and is gone
//! is a lost write.
//!
//! Jepsen's set test, as its 2013 Riak analysis ran it: each add is a read-modify-write of one value.

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::client::{Attempt, Completion, Operation};
use crate::elements;
use crate::key_window::KeyWindow;
use crate::meaning::{Corrupt, Meaning};
use crate::store::Store;
use crate::workload::{Invocation, Unique, Workload};

const FUNCTIONS: &[&str] = &["add", "read"];

/// `add` in four operations of five, `read` in the fifth.
#[derive(Debug)]
pub struct Set {
    window: KeyWindow,
    unique: Unique,
}

impl Set {
    /// Sets in use at a time, by default.
    pub const KEYS: u64 = 4;
    /// Adds after which a set gives way to a new one, by default.
    pub const ELEMENTS_PER_KEY: u64 = 500;
    const ADD_PERCENT: u32 = 80;

    /// `keys` sets in use at a time, each for `elements_per_key` adds; at least one of either.
    pub fn new(keys: u64, elements_per_key: u64, unique: Unique) -> Self {
        Self { window: KeyWindow::new("set", keys, elements_per_key), unique }
    }
}

impl Workload for Set {
    fn name(&self) -> &'static str {
        "set"
    }

    fn functions(&self) -> &'static [&'static str] {
        FUNCTIONS
    }

    fn keys(&self) -> Vec<String> {
        self.window.keys()
    }

    fn next(&mut self, rng: &mut ChaCha8Rng, _process: u64) -> Invocation {
        if rng.random_ratio(Self::ADD_PERCENT, 100) {
            Invocation::of("add", self.window.key_to_fill(rng), self.unique.next())
        } else {
            Invocation::of("read", self.window.key(rng), Value::Null)
        }
    }
}

/// A set is one stored value: its siblings merge by union.
#[derive(Debug)]
pub struct StoredSet;

impl Meaning for StoredSet {
    fn functions(&self) -> &'static [&'static str] {
        FUNCTIONS
    }

    fn perform<'a>(
        &'a self,
        store: &'a dyn Store,
        node: &'a str,
        operation: &'a Operation,
        attempt: &'a Attempt,
    ) -> LocalBoxFuture<'a, Completion> {
        match operation.f {
            "read" => elements::read(store, node, operation, attempt).boxed_local(),
            "add" => elements::add(store, node, operation, attempt).boxed_local(),
            _ => futures::future::ready(operation.unknown()).boxed_local(),
        }
    }

    fn decode(&self, bytes: &[u8]) -> Result<Value, Corrupt> {
        elements::decode(bytes).map(|elements| elements::to_value(&elements))
    }
}
