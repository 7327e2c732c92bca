//! A client of the store under test: an operation goes in, its completion comes out.
//!
//! What an operation means is between the workload, which invents it, and the client, which does it: `cas` of a
//! `cas-register`, `dequeue` of a `queue`. A store that has no such operations but only get and put is a client all the
//! same, by [`GetPut`](crate::get_put::GetPut).
//!
//! The outcome is what counts. `ok`: it happened. `fail`: it certainly did not, and will not. `info`: nobody knows. A
//! client that stops waiting knows less than it did inside the operation, so an [`Attempt`] keeps outside the
//! operation's future whether anything was sent that may take effect.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use checker::history::EventType;
use futures::future::LocalBoxFuture;
use serde_json::Value;

/// A client of the whole cluster.
///
/// No retries and no redirects: each operation is sent once, to the node that is named, and what came of it is told as
/// it is.
pub trait Client {
    /// The names of all nodes, in a fixed order.
    fn nodes(&self) -> Vec<String>;

    /// Whether it can do this function of this workload (both as [`Operation`] names them).
    fn can(&self, workload: &str, f: &str) -> bool;

    /// Does an operation through a node. Dropping the future abandons the operation, and then [`Attempt::timed_out`]
    /// gives the outcome.
    fn invoke<'a>(
        &'a self,
        node: &'a str,
        operation: &'a Operation,
        attempt: &'a Attempt,
    ) -> LocalBoxFuture<'a, Completion>;

    /// The client of one process, if the store keeps a session for each process; none otherwise.
    fn for_process(&self, _process: u64) -> Option<Box<dyn Client + '_>> {
        None
    }

    /// The replicas, if each can be read by itself.
    fn replicas(&self) -> Option<&dyn Replicas> {
        None
    }
}

/// The answer of a replica.
pub type ReplicaFuture<'a, T> = LocalBoxFuture<'a, Result<T, Unread>>;

/// A store whose replicas can be read one by one, without the others' help.
pub trait Replicas {
    /// Asks the store which nodes hold these keys now, for [`Replicas::replicas`] to return. A store that never moves
    /// its keys has nothing to ask.
    fn locate<'a>(&'a self, _keys: &'a [String]) -> ReplicaFuture<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// The nodes that should hold the key once the replicas have converged.
    fn replicas(&self, key: &str) -> Vec<String>;

    /// The versions of a workload's key that one node holds, read from that node alone, in any order.
    fn read_replica<'a>(
        &'a self,
        node: &'a str,
        workload: &'static str,
        key: &'a str,
    ) -> ReplicaFuture<'a, Vec<Version>>;
}

/// One version that a replica holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    /// The store's identifier of the version, equal on every replica that holds this version.
    pub id: String,
    /// Its value as histories show it; null for a tombstone.
    pub value: Value,
}

/// Why a replica's versions are unknown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    /// It did not answer, or refused.
    #[error("{0}")]
    Failed(String),
    /// It holds bytes that are no value of the workload.
    #[error("{0}")]
    Corrupt(String),
}

/// An operation, as a process invokes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// The workload that it is of.
    pub workload: &'static str,
    /// The client process.
    pub process: u64,
    /// The function: `read`, `cas`, `txn`.
    pub f: &'static str,
    /// The key operated on; none where the value names the keys, as in a transaction.
    pub key: Option<String>,
    /// The argument; null if there is none.
    pub value: Value,
}

/// Functions that change nothing, in whatever workload. A transaction is one of them if all it does is `r`.
const READS: [&str; 2] = ["read", "watch"];

impl Operation {
    /// Whether it changes nothing, whatever becomes of it. Not so a `poll` or a `dequeue`, after which others are read.
    pub fn only_reads(&self) -> bool {
        let is_read = |micro: &Value| micro.get(0).and_then(Value::as_str) == Some("r");
        match self.f {
            "txn" => self.value.as_array().is_some_and(|micros| micros.iter().all(is_read)),
            f => READS.contains(&f),
        }
    }

    /// The completion of an operation that happened, with its result.
    pub fn ok(&self, value: Value) -> Completion {
        Completion { outcome: Outcome::Ok, value, error: None, corrupt: false }
    }

    /// The completion of an operation that certainly did not happen.
    pub fn fail(&self, error: impl Into<String>) -> Completion {
        Completion { outcome: Outcome::Fail, value: self.value.clone(), error: Some(error.into()), corrupt: false }
    }

    /// The completion of an operation of unknown outcome: it may have happened, or still may.
    pub fn info(&self, error: impl Into<String>) -> Completion {
        Completion { outcome: Outcome::Info, ..self.fail(error) }
    }

    /// The completion of an operation whose function its client does not know.
    pub fn unknown(&self) -> Completion {
        self.fail(format!("this client has no '{}' of {}", self.f, self.workload))
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

/// How far an operation has come, with the request that is under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// The client does not say: all may have been sent.
    #[default]
    Unsaid,
    /// Nothing was sent that could change anything.
    Reading(&'static str),
    /// A request was sent that may take effect.
    Writing(&'static str),
}

/// One attempt at an operation, seen from outside its future.
#[derive(Debug, Default)]
pub struct Attempt {
    stage: Cell<Stage>,
    past: RefCell<Option<Vec<Value>>>,
    parts: RefCell<Option<Value>>,
}

impl Attempt {
    /// How far it has come.
    pub fn stage(&self) -> Stage {
        self.stage.get()
    }

    /// Says that a request is about to be sent which changes nothing. After one that may take effect that changes
    /// nothing any more: what was sent cannot be taken back.
    pub fn reading(&self, request: &'static str) {
        if !matches!(self.stage.get(), Stage::Writing(_)) {
            self.stage.set(Stage::Reading(request));
        }
    }

    /// Says that a request is about to be sent which may take effect.
    pub fn writing(&self, request: &'static str) {
        self.stage.set(Stage::Writing(request));
    }

    /// The completion when the client stopped waiting: what was sent may still happen. Of a client that does not say
    /// what it sent, whatever may change something is `info`.
    pub fn timed_out(&self, operation: &Operation, after: Duration) -> Completion {
        let ms = after.as_millis();
        match self.stage.get() {
            Stage::Reading(request) => operation.fail(format!("no answer to the {request} within {ms} ms")),
            Stage::Writing(request) => operation.info(format!("no answer to the {request} within {ms} ms")),
            Stage::Unsaid if operation.only_reads() => operation.fail(format!("no answer within {ms} ms")),
            Stage::Unsaid => operation.info(format!("no answer within {ms} ms")),
        }
    }

    /// The values that the write replaces as far as its client has read them; none for functions that record no past.
    pub fn past(&self) -> Option<Vec<Value>> {
        self.past.borrow().clone()
    }

    /// What each process has contributed to the sum that was read; none for functions that show no sum.
    pub fn parts(&self) -> Option<Value> {
        self.parts.borrow().clone()
    }

    /// Keeps the parts of the sum that was read.
    pub fn set_parts(&self, parts: Value) {
        *self.parts.borrow_mut() = Some(parts);
    }

    /// Keeps the values that the write's context covers.
    pub fn set_past(&self, past: Vec<Value>) {
        *self.past.borrow_mut() = Some(past);
    }

    /// Takes the past out.
    pub(crate) fn take_past(&self) -> Option<Vec<Value>> {
        self.past.take()
    }

    /// Takes the parts out.
    pub(crate) fn take_parts(&self) -> Option<Value> {
        self.parts.take()
    }
}
