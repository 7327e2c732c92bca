//! `register`: clients overwrite, delete and read a few multi-valued registers.
//!
//! Each written value is unique, and a write's completion records its past: the values that its own get returned and
//! that its context therefore covers. From these alone the causal order of all writes is known without asking the
//! store, and with it whether a value that is gone was superseded or lost. A delete records its past in the same way.
//!
//! After a delete, a register is often left alone for a while, so that a store which drops deleted keys has the time to
//! drop it; then it is written again. Now and then a register is left alone for good, and a new one takes its place.
//! Reads go on in either case.

use std::collections::BTreeMap;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::client::{Attempt, Completion, Operation};
use crate::meaning::{Corrupt, Meaning, delete, get, put};
use crate::store::{Context, Store};
use crate::workload::{Invocation, Unique, Workload};

const FUNCTIONS: &[&str] = &["write", "delete", "read"];

/// `write` in four operations of ten, `delete` in one, `read` in the rest.
#[derive(Debug)]
pub struct Register {
    unique: Unique,
    /// The registers that are written, by number.
    live: Vec<u64>,
    /// The number of the next new one.
    next: u64,
    /// Deleted registers that are left alone, each with the number of operations of this workload that remain.
    resting: BTreeMap<u64, u32>,
    rests: usize,
    deletes: u64,
}

impl Register {
    /// The number of registers, by default.
    pub const KEYS: u64 = 5;
    const WRITE_PERCENT: u32 = 40;
    const DELETE_PERCENT: u32 = 10;
    /// How long a deleted register is left alone, in turn, in operations.
    const REST_OPERATIONS: [u32; 3] = [200, 600, 1200];
    /// One delete in this number is the register's last change ...
    const DELETES_A_LAST: u64 = 10;
    /// ... until this many registers have been used.
    const KEYS_MAX: u64 = 200;

    /// `keys` registers, at least one.
    pub fn new(keys: u64, unique: Unique) -> Self {
        let keys = keys.max(1);
        Self { unique, live: (0..keys).collect(), next: keys, resting: BTreeMap::new(), rests: 0, deletes: 0 }
    }

    /// The index in `live` of a register to change: one that is not left alone.
    fn index_to_change(&self, rng: &mut ChaCha8Rng) -> usize {
        let awake = |index: &usize| !self.resting.contains_key(&self.live[*index]);
        let awake: Vec<usize> = (0..self.live.len()).filter(awake).collect();
        assert!(!awake.is_empty(), "every register is left alone: {:?}", self.resting);
        // Fewer than half of the registers are left alone at a time, so this is not empty.
        awake[rng.random_range(0..awake.len())]
    }

    /// Any register that is written, or sometimes one that is no longer written.
    fn key_to_read(&self, rng: &mut ChaCha8Rng) -> u64 {
        match self.live.get(rng.random_range(0..=self.live.len())) {
            Some(live) => *live,
            None => rng.random_range(0..self.next),
        }
    }

    fn key_to_write(&self, rng: &mut ChaCha8Rng) -> u64 {
        self.live[self.index_to_change(rng)]
    }

    /// A register to delete, which is then left alone for a while or for good. This does not depend on the outcome of
    /// the delete: what clients invoke must not depend on the answers.
    fn key_to_delete(&mut self, rng: &mut ChaCha8Rng) -> u64 {
        let index = self.index_to_change(rng);
        let key = self.live[index];
        self.deletes += 1;
        if self.deletes.is_multiple_of(Self::DELETES_A_LAST) && self.next < Self::KEYS_MAX {
            self.live[index] = self.next;
            self.next += 1;
        } else if 2 * (self.resting.len() + 1) < self.live.len() {
            let operations = Self::REST_OPERATIONS[self.rests % Self::REST_OPERATIONS.len()];
            self.rests += 1;
            self.resting.insert(key, operations);
        }
        key
    }
}

impl Workload for Register {
    fn name(&self) -> &'static str {
        "register"
    }

    fn functions(&self) -> &'static [&'static str] {
        FUNCTIONS
    }

    fn keys(&self) -> Vec<String> {
        (0..self.next).map(name).collect()
    }

    fn next(&mut self, rng: &mut ChaCha8Rng, _process: u64) -> Invocation {
        self.resting.retain(|_, left| {
            *left -= 1;
            *left > 0
        });
        let chance = rng.random_range(0..100);
        if chance < Self::WRITE_PERCENT {
            Invocation::of("write", name(self.key_to_write(rng)), self.unique.next())
        } else if chance < Self::WRITE_PERCENT + Self::DELETE_PERCENT {
            Invocation::of("delete", name(self.key_to_delete(rng)), Value::Null)
        } else {
            Invocation::of("read", name(self.key_to_read(rng)), Value::Null)
        }
    }
}

/// A register is one stored number, with its siblings.
#[derive(Debug)]
pub struct StoredRegister;

impl Meaning for StoredRegister {
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
            "write" => write(store, node, operation, attempt).boxed_local(),
            "delete" => remove(store, node, operation, attempt).boxed_local(),
            _ => futures::future::ready(operation.unknown()).boxed_local(),
        }
    }

    fn decode(&self, bytes: &[u8]) -> Result<Value, Corrupt> {
        decode(bytes).map(Value::from)
    }
}

async fn read(store: &dyn Store, node: &str, operation: &Operation, attempt: &Attempt) -> Completion {
    match fetch(store, node, operation, attempt).await {
        Ok((siblings, _)) => operation.ok(siblings.into()),
        Err(completion) => completion,
    }
}

async fn write(store: &dyn Store, node: &str, operation: &Operation, attempt: &Attempt) -> Completion {
    match operation.argument() {
        Ok(value) => overwrite(store, node, operation, attempt, value).await,
        Err(completion) => completion,
    }
}

/// Gets the siblings, then puts the value with their context, and records them as the write's past.
pub(crate) async fn overwrite(
    store: &dyn Store,
    node: &str,
    operation: &Operation,
    attempt: &Attempt,
    value: u64,
) -> Completion {
    let (siblings, context) = match fetch(store, node, operation, attempt).await {
        Ok(fetched) => fetched,
        Err(completion) => return completion,
    };
    attempt.set_past(siblings.into_iter().map(Value::from).collect());
    put(store, node, operation, attempt, context.as_ref(), encode(value)).await
}

async fn remove(store: &dyn Store, node: &str, operation: &Operation, attempt: &Attempt) -> Completion {
    let (siblings, context) = match fetch(store, node, operation, attempt).await {
        Ok(fetched) => fetched,
        Err(completion) => return completion,
    };
    attempt.set_past(siblings.into_iter().map(Value::from).collect());
    delete(store, node, operation, attempt, context.as_ref()).await
}

/// The sibling values, sorted, and their context.
pub(crate) async fn fetch(
    store: &dyn Store,
    node: &str,
    operation: &Operation,
    attempt: &Attempt,
) -> Result<(Vec<u64>, Option<Context>), Completion> {
    let versions = get(store, node, operation, attempt).await?;
    let mut siblings = operation.siblings(&versions.values, decode)?;
    siblings.sort_unstable();
    Ok((siblings, versions.context))
}

/// Reads stored bytes: a number in decimal digits.
pub fn decode(bytes: &[u8]) -> Result<u64, Corrupt> {
    serde_json::from_slice(bytes).map_err(|error| Corrupt::new("a number", bytes, error))
}

/// The bytes to store.
pub fn encode(value: u64) -> Vec<u8> {
    value.to_string().into_bytes()
}

fn name(key: u64) -> String {
    format!("register-{key}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng;

    use super::*;

    /// Register and function of each change, in order.
    fn changes(operations: usize) -> Vec<(String, &'static str)> {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut register = Register::new(5, Unique::default());
        let next = (0..operations).map(|_| register.next(&mut rng, 0));
        next.map(|invocation| (invocation.key.expect("it names a register"), invocation.f)).collect()
    }

    /// After a delete no client changes the register for at least that long; then it is written again.
    #[test]
    fn some_deleted_registers_are_left_alone_for_a_while() {
        let changes = changes(10_000);
        let mut rests = BTreeMap::new();
        for (at, (key, _)) in changes.iter().enumerate().filter(|(_, (_, f))| *f == "delete") {
            let again = changes[at + 1..].iter().position(|(other, f)| other == key && *f != "read");
            for shortest in Register::REST_OPERATIONS {
                *rests.entry(shortest).or_insert(0) +=
                    u32::from(again.is_some_and(|again| again + 1 >= shortest as usize));
            }
        }
        assert!(rests.values().all(|count| *count >= 2), "{rests:?}");
    }

    #[test]
    fn some_deleted_registers_are_left_alone_for_good_and_new_ones_take_their_place() {
        let changes = changes(10_000);
        let last: BTreeMap<&String, &str> =
            changes.iter().filter(|(_, f)| *f != "read").map(|(key, f)| (key, *f)).collect();
        let gone = last.values().filter(|f| **f == "delete").count();
        assert!((50..=200).contains(&gone), "{gone} of {}", last.len());
        let read: BTreeSet<&String> =
            changes[9_000..].iter().filter(|(_, f)| *f == "read").map(|(key, _)| key).collect();
        assert!(read.len() > 20, "they are read: {}", read.len());
    }
}
