//! A workload: a generator of operations, what each of them does to a store, and how the stored bytes are read.
//!
//! An operation that changes a key is a read-modify-write: get, then put with the context that the get returned. Which
//! of the two was under way when things went wrong decides the outcome. Before the put is sent nothing can have
//! happened (`fail`); from then on only the store's answer decides, and without an answer the outcome is unknown
//! (`info`). An [`Attempt`] keeps that stage outside the operation's future, so that it is still known when the future
//! is dropped at the client's time-out.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use checker::history::EventType;
use futures::future::LocalBoxFuture;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::store::{Context, Store, StoreError, Versions};

/// What clients do, and what it means.
pub trait Workload {
    /// Its name on the command line and in every event, unique among the workloads.
    fn name(&self) -> &'static str;

    /// Every key that an invocation has named or may name next, in the order in which they came into use.
    fn keys(&self) -> Vec<String>;

    /// The generator: the next operation, for a client process to invoke.
    fn next(&mut self, rng: &mut ChaCha8Rng, process: u64) -> Invocation;

    /// Performs the operation through `node`. The future borrows nothing of the workload, whose generator goes on
    /// meanwhile. Dropping it abandons the operation, and then [`Attempt::timed_out`] gives the outcome.
    fn perform<'a>(
        &self,
        store: &'a dyn Store,
        node: &'a str,
        invocation: &'a Invocation,
        attempt: &'a Attempt,
    ) -> LocalBoxFuture<'a, Completion>;

    /// Reports the outcome of one of its own operations to the generator.
    fn observe(&mut self, _invocation: &Invocation, _completion: &Completion) {}

    /// Reports to the generator that a client process has ended (after an `info`, in any workload): it invokes nothing
    /// more.
    fn ended(&mut self, _process: u64) {}

    /// Decodes one stored value into the form that it has in a history.
    fn decode(&self, bytes: &[u8]) -> Result<Value, Corrupt>;

    /// An ordinary read of the key, for the final reads after the run.
    fn final_read(&self, key: &str) -> Invocation {
        Invocation { f: "read", key: key.to_owned(), value: Value::Null }
    }
}

/// An operation as it is invoked.
#[derive(Clone, Debug, PartialEq)]
pub struct Invocation {
    /// The function: `read`, `write`, `delete`, `add`, `remove`, `inc`, `dec`, `txn`.
    pub f: &'static str,
    /// The key operated on.
    pub key: String,
    /// The argument; null for a read or a delete, micro-operations for a `txn`.
    pub value: Value,
}

impl Invocation {
    /// The argument as an element, item or register value.
    pub(crate) fn argument(&self) -> Result<u64, Completion> {
        self.value
            .as_u64()
            .ok_or_else(|| self.fail(format!("the argument of '{}' is not a number: {}", self.f, self.value)))
    }

    /// The completion of an operation that certainly did not happen.
    pub(crate) fn fail(&self, error: impl Into<String>) -> Completion {
        Completion { outcome: Outcome::Fail, value: self.value.clone(), error: Some(error.into()), corrupt: false }
    }

    /// The completion of an operation of unknown outcome: it may have happened, or still may.
    pub(crate) fn info(&self, error: impl Into<String>) -> Completion {
        Completion { outcome: Outcome::Info, ..self.fail(error) }
    }

    /// The completion of an operation that read bytes which are not a value, before it wrote anything.
    pub(crate) fn corrupt(&self, corrupt: &Corrupt) -> Completion {
        Completion { corrupt: true, ..self.fail(format!("{}: {corrupt}", self.key)) }
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

/// The outcome of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It happened.
    Ok,
    /// It certainly did not happen, and will not.
    Fail,
    /// Unknown: it may have happened, or still may.
    Info,
}

impl From<Outcome> for EventType {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Ok => EventType::Ok,
            Outcome::Fail => EventType::Fail,
            Outcome::Info => EventType::Info,
        }
    }
}

/// How an operation completed. The past of a write is kept in its [`Attempt`].
#[derive(Clone, Debug, PartialEq)]
pub struct Completion {
    /// Whether it happened.
    pub outcome: Outcome,
    /// A read's result; the argument of everything else.
    pub value: Value,
    /// Why it is not `ok`.
    pub error: Option<String>,
    /// The store returned bytes that are not a value of this workload.
    pub corrupt: bool,
}

impl Completion {
    /// The completion of an operation that happened.
    pub(crate) fn ok(value: Value) -> Self {
        Self { outcome: Outcome::Ok, value, error: None, corrupt: false }
    }
}

/// How far an operation has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// Nothing was sent that could change anything.
    #[default]
    Reading,
    /// The put was sent.
    Writing,
}

/// One attempt at an operation, seen from outside its future.
#[derive(Debug, Default)]
pub struct Attempt {
    process: u64,
    stage: Cell<Stage>,
    past: RefCell<Option<Vec<Value>>>,
    parts: RefCell<Option<Value>>,
}

impl Attempt {
    /// An attempt by a client process.
    pub fn by(process: u64) -> Self {
        Self { process, ..Self::default() }
    }

    /// The client process that makes it.
    pub fn process(&self) -> u64 {
        self.process
    }

    /// How far it has come.
    pub fn stage(&self) -> Stage {
        self.stage.get()
    }

    /// The values that the write's context covers, once they have been read; none for functions that record no past.
    pub fn past(&self) -> Option<Vec<Value>> {
        self.past.borrow().clone()
    }

    /// What each process has contributed to the sum that was read; none for functions that show no sum.
    pub fn parts(&self) -> Option<Value> {
        self.parts.borrow().clone()
    }

    /// The completion when the client stopped waiting: a put that was sent may still happen.
    pub fn timed_out(&self, invocation: &Invocation, after: Duration) -> Completion {
        let ms = after.as_millis();
        match self.stage.get() {
            Stage::Reading => invocation.fail(format!("no answer to the get within {ms} ms")),
            Stage::Writing => invocation.info(format!("no answer to the put within {ms} ms")),
        }
    }

    /// Takes the past out.
    pub(crate) fn take_past(&self) -> Option<Vec<Value>> {
        self.past.take()
    }

    /// Takes the parts out.
    pub(crate) fn take_parts(&self) -> Option<Value> {
        self.parts.take()
    }

    /// Keeps the parts of the sum that was read.
    pub(crate) fn set_parts(&self, parts: Value) {
        *self.parts.borrow_mut() = Some(parts);
    }

    /// Keeps the values that the write's context covers.
    pub(crate) fn set_past(&self, past: Vec<Value>) {
        *self.past.borrow_mut() = Some(past);
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

/// The get of an operation. If it goes wrong, the operation has changed nothing: `fail`.
pub(crate) async fn get(store: &dyn Store, node: &str, invocation: &Invocation) -> Result<Versions, Completion> {
    store.get(node, &invocation.key).await.map_err(|error| invocation.fail(format!("get: {error}")))
}

/// The put of an operation, which decides the outcome.
pub(crate) async fn put(
    store: &dyn Store,
    node: &str,
    invocation: &Invocation,
    attempt: &Attempt,
    context: Option<&Context>,
    bytes: Vec<u8>,
) -> Completion {
    attempt.stage.set(Stage::Writing);
    outcome(invocation, "put", store.put(node, &invocation.key, context, bytes).await)
}

/// The delete of an operation, which decides the outcome.
pub(crate) async fn delete(
    store: &dyn Store,
    node: &str,
    invocation: &Invocation,
    attempt: &Attempt,
    context: Option<&Context>,
) -> Completion {
    attempt.stage.set(Stage::Writing);
    outcome(invocation, "delete", store.delete(node, &invocation.key, context).await)
}

fn outcome(invocation: &Invocation, what: &str, result: Result<(), StoreError>) -> Completion {
    match result {
        Ok(()) => Completion::ok(invocation.value.clone()),
        Err(StoreError::Refused(why)) => invocation.fail(format!("{what}: {why}")),
        Err(StoreError::Unknown(why)) => invocation.info(format!("{what}: {why}")),
    }
}

/// Hands out each number from 1 once. Clones share the count, so values are unique across the workloads of a run.
#[derive(Clone, Debug, Default)]
pub struct Unique(Rc<Cell<u64>>);

impl Unique {
    /// A number greater than all before it.
    pub fn next(&self) -> u64 {
        self.0.set(self.0.get() + 1);
        self.0.get()
    }
}
