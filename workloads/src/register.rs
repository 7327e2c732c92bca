//! `register`: clients overwrite, delete and read a few multi-valued registers.
//!
//! Each written value is unique, and a write's completion carries its past: the values that its own get returned and
//! that its context therefore covers. From these alone the causal order of all writes is known without asking the
//! store, and with it whether a value that is gone was superseded or lost. A delete tells its past likewise.
//!
//! A register that was deleted is often left alone for a while, so that a store which forgets deleted keys comes to
//! forgetting it; then it is written again. Reads go on meanwhile.

use std::collections::BTreeMap;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::store::{Context, Store};
use crate::workload::{Attempt, Completion, Corrupt, Invocation, Unique, Workload, delete, get, put};

/// `write` in four operations of ten, `delete` in one, `read` in the rest.
#[derive(Debug)]
pub struct Register {
    keys: u64,
    unique: Unique,
    /// Deleted registers that are left alone, each for so many more operations of this workload.
    resting: BTreeMap<String, u32>,
    rests: usize,
}

impl Register {
    /// Registers, by default.
    pub const KEYS: u64 = 5;
    const WRITE_PERCENT: u32 = 40;
    const DELETE_PERCENT: u32 = 10;
    /// How long a deleted register is left alone, in turn, in operations.
    const REST_OPERATIONS: [u32; 3] = [200, 600, 1200];

    /// `keys` registers, at least one.
    pub fn new(keys: u64, unique: Unique) -> Self {
        Self { keys: keys.max(1), unique, resting: BTreeMap::new(), rests: 0 }
    }

    /// A register to change: one that is not left alone.
    fn key_to_change(&self, rng: &mut ChaCha8Rng) -> String {
        let awake: Vec<String> = self.keys().into_iter().filter(|key| !self.resting.contains_key(key)).collect();
        // Fewer than half of them rest.
        awake[rng.random_range(0..awake.len())].clone()
    }

    /// Whatever will come of the delete: what clients ask must not hang on the answers.
    fn let_rest(&mut self, key: &str) {
        if 2 * (self.resting.len() as u64 + 1) < self.keys {
            let operations = Self::REST_OPERATIONS[self.rests % Self::REST_OPERATIONS.len()];
            self.rests += 1;
            self.resting.insert(key.to_owned(), operations);
        }
    }
}

impl Workload for Register {
    fn name(&self) -> &'static str {
        "register"
    }

    fn keys(&self) -> Vec<String> {
        (0..self.keys).map(name).collect()
    }

    fn next(&mut self, rng: &mut ChaCha8Rng, _process: u64) -> Invocation {
        self.resting.retain(|_, left| {
            *left -= 1;
            *left > 0
        });
        let chance = rng.random_range(0..100);
        if chance < Self::WRITE_PERCENT {
            Invocation { f: "write", key: self.key_to_change(rng), value: self.unique.next().into() }
        } else if chance < Self::WRITE_PERCENT + Self::DELETE_PERCENT {
            let key = self.key_to_change(rng);
            self.let_rest(&key);
            Invocation { f: "delete", key, value: Value::Null }
        } else {
            Invocation { f: "read", key: name(rng.random_range(0..self.keys)), value: Value::Null }
        }
    }

    fn perform<'a>(
        &self,
        store: &'a dyn Store,
        node: &'a str,
        invocation: &'a Invocation,
        attempt: &'a Attempt,
    ) -> LocalBoxFuture<'a, Completion> {
        match invocation.f {
            "read" => read(store, node, invocation).boxed_local(),
            "write" => write(store, node, invocation, attempt).boxed_local(),
            "delete" => remove(store, node, invocation, attempt).boxed_local(),
            other => futures::future::ready(invocation.fail(format!("a register has no '{other}'"))).boxed_local(),
        }
    }

    fn decode(&self, bytes: &[u8]) -> Result<Value, Corrupt> {
        decode(bytes).map(Value::from)
    }
}

async fn read(store: &dyn Store, node: &str, invocation: &Invocation) -> Completion {
    match fetch(store, node, invocation).await {
        Ok((siblings, _)) => Completion::ok(siblings.into()),
        Err(completion) => completion,
    }
}

async fn write(store: &dyn Store, node: &str, invocation: &Invocation, attempt: &Attempt) -> Completion {
    let prepared = async {
        let value = invocation.argument()?;
        Ok((value, fetch(store, node, invocation).await?))
    };
    let (value, (siblings, context)) = match prepared.await {
        Ok(prepared) => prepared,
        Err(completion) => return completion,
    };
    attempt.covers(siblings.into_iter().map(Value::from).collect());
    put(store, node, invocation, attempt, context.as_ref(), encode(value)).await
}

async fn remove(store: &dyn Store, node: &str, invocation: &Invocation, attempt: &Attempt) -> Completion {
    let (siblings, context) = match fetch(store, node, invocation).await {
        Ok(fetched) => fetched,
        Err(completion) => return completion,
    };
    attempt.covers(siblings.into_iter().map(Value::from).collect());
    delete(store, node, invocation, attempt, context.as_ref()).await
}

/// The sibling values, sorted, and their context.
async fn fetch(
    store: &dyn Store,
    node: &str,
    invocation: &Invocation,
) -> Result<(Vec<u64>, Option<Context>), Completion> {
    let versions = get(store, node, invocation).await?;
    let siblings: Result<Vec<u64>, Corrupt> = versions.values.iter().map(|bytes| decode(bytes)).collect();
    let mut siblings = siblings.map_err(|corrupt| invocation.corrupt(&corrupt))?;
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
    use rand::SeedableRng;

    use super::*;

    /// After a delete nobody changes the register for a while, and then somebody does; most registers never rest.
    #[test]
    fn a_deleted_register_is_left_alone_for_a_while() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut register = Register::new(5, Unique::default());
        for key in 0..5 {
            register.let_rest(&name(key));
        }
        assert_eq!(register.resting.len(), 2);
        let mut changes_before = |register: &mut Register, operations: u32, key: &str| {
            let next = (0..operations).map(|_| register.next(&mut rng, 0));
            next.filter(|invocation| invocation.f != "read" && invocation.key == key).count()
        };
        assert_eq!(changes_before(&mut register, Register::REST_OPERATIONS[0] - 1, "register-0"), 0);
        assert!(changes_before(&mut register, 200, "register-0") > 0, "then it is written again");
        assert_eq!(changes_before(&mut register, 200, "register-1"), 0, "not all rest equally long");
    }
}
