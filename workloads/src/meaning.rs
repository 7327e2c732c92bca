//! What the operations of a workload mean to a store that has only get, put and delete, and how stored bytes are read.
//!
//! An operation that changes a key is a read-modify-write: get, then put with the context that the get returned. Which
//! of the two was under way when things went wrong decides the outcome. Before the put is sent nothing can have
//! happened (`fail`); from then on only the store's answer decides, and without an answer the outcome is unknown
//! (`info`).

use futures::future::LocalBoxFuture;
use serde_json::Value;

use crate::client::{Attempt, Completion, Operation};
use crate::store::{Context, Store, StoreError, Versions};

/// The operations of one workload, by get, put and delete.
pub trait Meaning {
    /// Its functions.
    fn functions(&self) -> &'static [&'static str];

    /// Performs an operation through a node.
    fn perform<'a>(
        &'a self,
        store: &'a dyn Store,
        node: &'a str,
        operation: &'a Operation,
        attempt: &'a Attempt,
    ) -> LocalBoxFuture<'a, Completion>;

    /// Decodes one stored value into the form that it has in a history.
    fn decode(&self, bytes: &[u8]) -> Result<Value, Corrupt>;
}

impl Operation {
    /// The key, as the store names it.
    fn stored_key(&self) -> Result<&str, Completion> {
        self.key.as_deref().ok_or_else(|| self.fail(format!("'{}' of {} names no key", self.f, self.workload)))
    }

    /// The argument as an element, item or register value.
    pub(crate) fn argument(&self) -> Result<u64, Completion> {
        self.value
            .as_u64()
            .ok_or_else(|| self.fail(format!("the argument of '{}' is not a number: {}", self.f, self.value)))
    }

    /// The completion of an operation that read bytes which are not a value, before it wrote anything.
    fn corrupt(&self, corrupt: &Corrupt) -> Completion {
        let key = self.key.as_deref().unwrap_or_default();
        Completion { corrupt: true, ..self.fail(format!("{key}: {corrupt}")) }
    }

    /// The siblings that its get returned, each decoded; the failed completion if one of them is not a value.
    pub(crate) fn siblings<T>(
        &self,
        values: &[Vec<u8>],
        decode: impl Fn(&[u8]) -> Result<T, Corrupt>,
    ) -> Result<Vec<T>, Completion> {
        let siblings: Result<Vec<T>, Corrupt> = values.iter().map(|bytes| decode(bytes)).collect();
        siblings.map_err(|corrupt| self.corrupt(&corrupt))
    }
}

/// The get of an operation. If it goes wrong, the operation has changed nothing: `fail`.
pub(crate) async fn get(
    store: &dyn Store,
    node: &str,
    operation: &Operation,
    attempt: &Attempt,
) -> Result<Versions, Completion> {
    let key = operation.stored_key()?;
    attempt.reading("get");
    store.get(node, key).await.map_err(|error| operation.fail(format!("get: {error}")))
}

/// The put of an operation, which decides the outcome.
pub(crate) async fn put(
    store: &dyn Store,
    node: &str,
    operation: &Operation,
    attempt: &Attempt,
    context: Option<&Context>,
    bytes: Vec<u8>,
) -> Completion {
    match operation.stored_key() {
        Ok(key) => {
            attempt.writing("put");
            outcome(operation, "put", store.put(node, key, context, bytes).await)
        }
        Err(completion) => completion,
    }
}

/// The delete of an operation, which decides the outcome.
pub(crate) async fn delete(
    store: &dyn Store,
    node: &str,
    operation: &Operation,
    attempt: &Attempt,
    context: Option<&Context>,
) -> Completion {
    match operation.stored_key() {
        Ok(key) => {
            // A delete is a put of nothing: histories have always called it so where it was not answered in time.
            attempt.writing("put");
            outcome(operation, "delete", store.delete(node, key, context).await)
        }
        Err(completion) => completion,
    }
}

fn outcome(operation: &Operation, what: &str, result: Result<(), StoreError>) -> Completion {
    match result {
        Ok(()) => operation.ok(operation.value.clone()),
        Err(StoreError::Refused(why)) => operation.fail(format!("{what}: {why}")),
        Err(StoreError::Unknown(why)) => operation.info(format!("{what}: {why}")),
    }
}

/// The store returned bytes that this workload never wrote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stored bytes are not {expected}: {reason} ({length} bytes, beginning {beginning:?})")]
pub struct Corrupt {
    /// What was expected: `a list of elements`.
    pub expected: &'static str,
    /// What is wrong with the bytes.
    pub reason: String,
    /// The number of bytes.
    pub length: usize,
    /// The first bytes.
    pub beginning: String,
}

impl Corrupt {
    const BEGINNING_BYTES_MAX: usize = 24;

    pub(crate) fn new(expected: &'static str, bytes: &[u8], reason: impl ToString) -> Self {
        let beginning = &bytes[..bytes.len().min(Self::BEGINNING_BYTES_MAX)];
        Self {
            expected,
            reason: reason.to_string(),
            length: bytes.len(),
            beginning: String::from_utf8_lossy(beginning).into_owned(),
        }
    }
}
