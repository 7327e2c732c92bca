//! `list-append`: transactions that append to a list, or read one (Kingsbury and Alvaro, "Elle", VLDB 2020), each of
//! one key, since a key-value store has no other transactions.
//!
//! A list is stored as one value. An append is a get, then a put of the longer list with the context, so without
//! compare-and-set two concurrent writers would create two siblings. Hence each key has one writer
//! (`single_writer.rs`). What can still go wrong is that a writer's get misses its own last append, and then there are
//! two siblings as well.
//!
//! Siblings are merged, so that a client never loses an append: first their common prefix, then the rest in ascending
//! order, which is the order in which the one writer appended them. A list that was read from a single sibling is then
//! not a prefix of later lists, which is what the isolation check detects.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::client::{Attempt, Completion, Operation};
use crate::meaning::{Corrupt, get, put};
use crate::single_writer::{OwnedKeys, SingleWriter};
use crate::store::{Context, Store};
use crate::transaction;
use crate::workload::Unique;

/// Six operations of ten append, if the process owns a key or can get one (`single_writer.rs`); all others read.
#[derive(Debug)]
pub struct ListAppend {
    owned_keys: OwnedKeys,
}

impl ListAppend {
    /// Lists in use at a time, by default: one for each client, since a read returns everything that was appended.
    pub const KEYS: u64 = 10;
    /// Appends after which a list gives way to a new one, by default.
    pub const ELEMENTS_PER_KEY: u64 = 100;

    /// `keys` lists in use at a time, each for `elements_per_key` appends; at least one of either.
    pub fn new(keys: u64, elements_per_key: u64, unique: Unique) -> Self {
        Self { owned_keys: OwnedKeys::new("list", Self::CHANGE, unique, keys, elements_per_key) }
    }
}

impl SingleWriter for ListAppend {
    const NAME: &'static str = "list-append";
    const CHANGE: &'static str = "append";

    fn owned_keys(&self) -> &OwnedKeys {
        &self.owned_keys
    }

    fn owned_keys_mut(&mut self) -> &mut OwnedKeys {
        &mut self.owned_keys
    }

    async fn read(store: &dyn Store, node: &str, operation: &Operation, attempt: &Attempt) -> Completion {
        match fetch(store, node, operation, attempt).await {
            Ok((list, _)) => transaction::read_completion(operation, &list.into()),
            Err(completion) => completion,
        }
    }

    async fn change(
        store: &dyn Store,
        node: &str,
        operation: &Operation,
        attempt: &Attempt,
        element: u64,
    ) -> Completion {
        match fetch(store, node, operation, attempt).await {
            Ok((mut list, context)) => {
                list.push(element);
                put(store, node, operation, attempt, context.as_ref(), encode(&list)).await
            }
            Err(completion) => completion,
        }
    }

    fn decode(bytes: &[u8]) -> Result<Value, Corrupt> {
        decode(bytes).map(Value::from)
    }
}

/// The list, its siblings merged, and their context.
async fn fetch(
    store: &dyn Store,
    node: &str,
    operation: &Operation,
    attempt: &Attempt,
) -> Result<(Vec<u64>, Option<Context>), Completion> {
    let versions = get(store, node, operation, attempt).await?;
    Ok((merge(&operation.siblings(&versions.values, decode)?), versions.context))
}

/// The common prefix of all lists, then their other elements in ascending order, each once. No siblings are the empty
/// list.
pub fn merge(siblings: &[Vec<u64>]) -> Vec<u64> {
    let Some(first) = siblings.first() else { return Vec::new() };
    let common =
        |length: usize, other: &Vec<u64>| first[..length].iter().zip(other).take_while(|(a, b)| a == b).count();
    let prefix = siblings.iter().fold(first.len(), common);
    let rest: BTreeSet<u64> = siblings.iter().flat_map(|list| &list[prefix..]).copied().collect();
    first[..prefix].iter().copied().chain(rest).collect()
}

/// Reads stored bytes: a JSON list of numbers, in its own order.
pub fn decode(bytes: &[u8]) -> Result<Vec<u64>, Corrupt> {
    serde_json::from_slice(bytes).map_err(|error| Corrupt::new("a list of numbers", bytes, error))
}

/// The bytes to store.
pub fn encode(list: &[u64]) -> Vec<u8> {
    serde_json::to_vec(list).expect("a list of numbers is always JSON")
}
