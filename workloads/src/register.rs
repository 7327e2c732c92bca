//! `register`: clients overwrite and read a few multi-valued registers.
//!
//! Each written value is unique, and a write's completion carries its past: the values that its own get returned and
//! that its context therefore covers. From these alone the causal order of all writes is known without asking the
//! store, and with it whether a value that is gone was superseded or lost.

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::store::{Context, Store};
use crate::workload::{Attempt, Completion, Corrupt, Invocation, Unique, Workload, get, put};

/// `write` in every other operation, `read` in the rest.
#[derive(Debug)]
pub struct Register {
    keys: u64,
    unique: Unique,
}

impl Register {
    /// Registers, by default.
    pub const KEYS: u64 = 5;
    const WRITE_PERCENT: u32 = 50;

    /// `keys` registers, at least one.
    pub fn new(keys: u64, unique: Unique) -> Self {
        Self { keys: keys.max(1), unique }
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
        let write = rng.random_ratio(Self::WRITE_PERCENT, 100);
        let key = name(rng.random_range(0..self.keys));
        match write {
            true => Invocation { f: "write", key, value: self.unique.next().into() },
            false => Invocation { f: "read", key, value: Value::Null },
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
