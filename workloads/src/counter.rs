//! `counter` and `grow-counter`: clients add to a few counters, the first also subtracts, and read their sums.
//!
//! The stored value is a mergeable counter (PN-counter, G-counter: Shapiro et al., "A comprehensive study of convergent
//! and commutative replicated data types", 2011, 3.1): for each client process the sum of its increments and that of
//! its decrements; siblings merge by the greater of each. A change is a get, then a put of the merged parts with the
//! context, with the process's own part changed. A process keeps its own sums itself instead of taking them from a get,
//! since a stale get would make it take back acknowledged changes. A read returns the sum of all parts, and also
//! records the parts, which show the changes that are in it.

use std::cell::RefCell;
use std::collections::BTreeMap;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::client::{Attempt, Completion, Operation, Outcome};
use crate::key_window::KeyWindow;
use crate::meaning::{Corrupt, Meaning, get, put};
use crate::store::{Context, Store};
use crate::workload::{Invocation, Workload};

const FUNCTIONS: &[&str] = &["inc", "dec", "read"];
const GROWING: &[&str] = &["inc", "read"];

/// The sums of one process's changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// The sum of its increments.
    pub up: u64,
    /// The sum of its decrements.
    pub down: u64,
}

/// A counter's value, by process.
pub type Parts = BTreeMap<u64, Part>;

/// `inc` in 70 operations of 100, or `inc` in 40 and `dec` in 30; `read` in the rest.
#[derive(Debug)]
pub struct Counter {
    name: &'static str,
    dec_percent: u32,
    window: KeyWindow,
}

/// The acknowledged changes of each process to each counter: at most one entry for each change, so less than the
/// history that records it.
type Own = BTreeMap<(String, u64), Part>;

impl Counter {
    /// Counters in use at a time, by default.
    pub const KEYS: u64 = 4;
    /// Changes after which a counter gives way to a new one, by default.
    pub const CHANGES_PER_KEY: u64 = 500;
    const CHANGE_PERCENT: u32 = 70;
    const DEC_PERCENT: u32 = 30;
    /// A change is from 1 to this.
    const CHANGE_MAX: u64 = 9;

    /// Counters that are added to and subtracted from: `keys` in use at a time, each for `changes_per_key` changes; at
    /// least one of either.
    pub fn up_and_down(keys: u64, changes_per_key: u64) -> Self {
        Self::new("counter", Self::DEC_PERCENT, keys, changes_per_key)
    }

    /// Counters that are only added to.
    pub fn growing(keys: u64, changes_per_key: u64) -> Self {
        Self::new("grow-counter", 0, keys, changes_per_key)
    }

    fn new(name: &'static str, dec_percent: u32, keys: u64, changes_per_key: u64) -> Self {
        Self { name, dec_percent, window: KeyWindow::new(name, keys, changes_per_key) }
    }
}

impl Workload for Counter {
    fn name(&self) -> &'static str {
        self.name
    }

    fn functions(&self) -> &'static [&'static str] {
        if self.dec_percent == 0 { GROWING } else { FUNCTIONS }
    }

    fn keys(&self) -> Vec<String> {
        self.window.keys()
    }

    fn next(&mut self, rng: &mut ChaCha8Rng, _process: u64) -> Invocation {
        let draw = rng.random_range(0..100);
        if draw >= Self::CHANGE_PERCENT {
            return Invocation::of("read", self.window.key(rng), Value::Null);
        }
        let f = if draw < self.dec_percent { "dec" } else { "inc" };
        let by = rng.random_range(1..=Self::CHANGE_MAX);
        Invocation::of(f, self.window.key_to_fill(rng), by)
    }
}

/// A counter is one stored value: the sums of each process, whose siblings merge by the greater of each.
#[derive(Debug, Default)]
pub struct StoredCounter {
    own: RefCell<Own>,
}

impl Meaning for StoredCounter {
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
            "read" => read(store, node, operation, attempt).boxed_local(),
            "inc" | "dec" => change(store, node, operation, attempt, &self.own).boxed_local(),
            _ => futures::future::ready(operation.unknown()).boxed_local(),
        }
    }

    fn decode(&self, bytes: &[u8]) -> Result<Value, Corrupt> {
        decode(bytes).map(|parts| to_value(&parts))
    }
}

async fn read(store: &dyn Store, node: &str, operation: &Operation, attempt: &Attempt) -> Completion {
    match fetch(store, node, operation, attempt).await {
        Ok((parts, _)) => {
            attempt.set_parts(to_value(&parts));
            operation.ok(sum(&parts).into())
        }
        Err(completion) => completion,
    }
}

async fn change(
    store: &dyn Store,
    node: &str,
    operation: &Operation,
    attempt: &Attempt,
    own: &RefCell<Own>,
) -> Completion {
    let own_part = (operation.key.clone().unwrap_or_default(), operation.process);
    let prepared = async {
        let by = operation.argument()?;
        let mut part = own.borrow().get(&own_part).copied().unwrap_or_default();
        let sum = if operation.f == "inc" { &mut part.up } else { &mut part.down };
        *sum = sum.checked_add(by).ok_or_else(|| operation.fail("the sum is beyond 64 bits"))?;
        let (mut parts, context) = fetch(store, node, operation, attempt).await?;
        parts.insert(own_part.1, part);
        Ok((parts, part, context))
    };
    let (parts, part, context) = match prepared.await {
        Ok(prepared) => prepared,
        Err(completion) => return completion,
    };
    let completion = put(store, node, operation, attempt, context.as_ref(), encode(&parts)).await;
    if completion.outcome == Outcome::Ok {
        own.borrow_mut().insert(own_part, part);
    }
    completion
}

/// The parts, siblings merged, and their context.
async fn fetch(
    store: &dyn Store,
    node: &str,
    operation: &Operation,
    attempt: &Attempt,
) -> Result<(Parts, Option<Context>), Completion> {
    let versions = get(store, node, operation, attempt).await?;
    Ok((merge(operation.siblings(&versions.values, decode)?), versions.context))
}

/// The greater of each sum. No siblings are a counter without changes.
pub fn merge(siblings: impl IntoIterator<Item = Parts>) -> Parts {
    let mut merged = Parts::new();
    for (process, part) in siblings.into_iter().flatten() {
        let known = merged.entry(process).or_default();
        *known = Part { up: known.up.max(part.up), down: known.down.max(part.down) };
    }
    merged
}

/// All increments minus all decrements, clamped to 64 bits.
pub fn sum(parts: &Parts) -> i64 {
    let sum: i128 = parts.values().map(|part| i128::from(part.up) - i128::from(part.down)).sum();
    i64::try_from(sum).unwrap_or(if sum < 0 { i64::MIN } else { i64::MAX })
}

/// Reads stored bytes: a JSON object, process to the two sums.
pub fn decode(bytes: &[u8]) -> Result<Parts, Corrupt> {
    let read: Result<BTreeMap<u64, (u64, u64)>, _> = serde_json::from_slice(bytes);
    let read = read.map_err(|error| Corrupt::new("the parts of a counter", bytes, error))?;
    Ok(read.into_iter().map(|(process, (up, down))| (process, Part { up, down })).collect())
}

/// The bytes to store.
pub fn encode(parts: &Parts) -> Vec<u8> {
    to_value(parts).to_string().into_bytes()
}

/// As histories show them: `{"3": [12, 4]}`.
pub fn to_value(parts: &Parts) -> Value {
    let part = |(process, part): (&u64, &Part)| (process.to_string(), Value::from(vec![part.up, part.down]));
    Value::Object(parts.iter().map(part).collect())
}
