//! A workload: what clients are asked to do, and in which order. What an operation means is the client's part
//! ([`crate::client`]), or of a store with get and put alone that of a [`Meaning`](crate::meaning::Meaning).

use std::cell::Cell;
use std::rc::Rc;

use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::client::{Completion, Operation};

/// A generator of operations.
pub trait Workload {
    /// Its name on the command line and in every event, unique among the workloads.
    fn name(&self) -> &'static str;

    /// The functions of its operations: a client must know all of them.
    fn functions(&self) -> &'static [&'static str];

    /// Every key that an invocation has named or may name next, in the order in which they came into use.
    fn keys(&self) -> Vec<String>;

    /// The next operation, for a client process to invoke.
    fn next(&mut self, rng: &mut ChaCha8Rng, process: u64) -> Invocation;

    /// Reports the outcome of one of its own operations.
    fn observe(&mut self, _operation: &Operation, _completion: &Completion) {}

    /// Reports that a client process has ended (after an `info`, in any workload): it invokes nothing more.
    fn ended(&mut self, _process: u64) {}

    /// What shows, after the run, what has become of everything: each visit is made through each node. Usually a read
    /// of each key.
    fn final_visits(&self) -> Vec<Visit> {
        let read = |key| Visit::once(Invocation::of("read", key, Value::Null));
        self.keys().into_iter().map(read).collect()
    }

    /// What shows that a node serves writes again, and leaves what the final visits show as it is. `number` counts the
    /// nodes from 1. None: a write to a key of its own, which no workload uses (the `write` of [`PROBE`]).
    fn probe(&self, _node: &str, _number: u64) -> Option<Visit> {
        None
    }
}

/// The name under which clients know a write that is no workload's: [`Workload::probe`].
pub const PROBE: &str = "probe";

/// The key that probes a node.
pub(crate) fn probe_key(node: &str) -> String {
    format!("probe-{node}")
}

/// An operation as it is invoked, by whatever process.
#[derive(Clone, Debug, PartialEq)]
pub struct Invocation {
    /// The function: `read`, `write`, `cas`, `add`, `txn`, ...
    pub f: &'static str,
    /// The key operated on; none where the value names the keys.
    pub key: Option<String>,
    /// The argument; null for a read or a delete, micro-operations for a `txn`.
    pub value: Value,
}

impl Invocation {
    /// An operation on a key.
    pub fn of(f: &'static str, key: impl Into<String>, value: impl Into<Value>) -> Self {
        Self { f, key: Some(key.into()), value: value.into() }
    }

    /// An operation whose value names the keys, if it has any.
    pub fn without_key(f: &'static str, value: impl Into<Value>) -> Self {
        Self { f, key: None, value: value.into() }
    }

    /// It as an operation of a process.
    pub fn by(self, workload: &'static str, process: u64) -> Operation {
        let Self { f, key, value } = self;
        Operation { workload, process, f, key, value }
    }
}

/// Operations that one process invokes one after the other, through one node.
#[derive(Clone, Debug)]
pub struct Visit {
    /// In this order. If one of them is not `ok`, the visit has failed, and may be made again from its beginning.
    pub invocations: Vec<Invocation>,
    /// The last is repeated until its result is like this; none: it is invoked once.
    pub until: Option<fn(&Value) -> bool>,
}

impl Visit {
    /// One operation.
    pub fn once(invocation: Invocation) -> Self {
        Self { invocations: vec![invocation], until: None }
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
