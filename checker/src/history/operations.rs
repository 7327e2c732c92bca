//! Invocations paired with their completions.
//!
//! A process does one thing at a time, so the completion of an invocation is the next event of the same process. An
//! invocation without one is an operation that may still take effect: the same as `info`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::event::{Event, EventType, Phase, Process};
use super::micros::{TRANSACTION, only_micro};

/// What a client did and what came of it.
#[derive(Clone, Copy, Debug)]
pub struct Operation<'h> {
    /// The process.
    pub process: u64,
    /// Where it began; carries the argument.
    pub invoke: &'h Event,
    /// Where it ended, with the result; none if it never did.
    pub completion: Option<&'h Event>,
}

/// Pairs the events of every client; in the order of invocation. A completion without an invocation is passed over.
pub(super) fn pair(events: &[Event]) -> Vec<Operation<'_>> {
    let mut operations: Vec<Operation<'_>> = Vec::new();
    let mut open: BTreeMap<u64, usize> = BTreeMap::new();
    for event in events {
        let Process::Client(process) = event.process else {
            continue;
        };
        if event.kind == EventType::Invoke {
            open.insert(process, operations.len());
            operations.push(Operation { process, invoke: event, completion: None });
        } else if let Some(position) = open.remove(&process) {
            operations[position].completion = Some(event);
        }
    }
    operations
}

impl<'h> Operation<'h> {
    /// `Ok`, `Fail`, or `Info` (also when it never completed).
    pub fn outcome(&self) -> EventType {
        self.completion.map_or(EventType::Info, |event| event.kind)
    }

    /// The completion, if it is `ok`.
    pub fn ok(&self) -> Option<&'h Event> {
        self.completion.filter(|event| event.kind == EventType::Ok)
    }

    /// The function.
    pub fn f(&self) -> &'h str {
        &self.invoke.f
    }

    /// The function as people tell operations apart: that of the micro-operation, if it is a transaction of one.
    pub fn label(&self) -> &'h str {
        match only_micro(self.argument()) {
            Some((f, _, _)) if self.f() == TRANSACTION => f,
            _ => self.f(),
        }
    }

    /// The key operated on.
    pub fn key(&self) -> Option<&'h str> {
        self.invoke.key.as_deref()
    }

    /// The workload that it belongs to.
    pub fn workload(&self) -> Option<&'h str> {
        self.invoke.workload.as_deref()
    }

    /// The part of the run.
    pub fn phase(&self) -> Phase {
        self.invoke.phase
    }

    /// The node that was asked.
    pub fn node(&self) -> Option<&'h str> {
        self.invoke.node.as_deref()
    }

    /// The argument.
    pub fn argument(&self) -> &'h Value {
        &self.invoke.value
    }

    /// The values that a write's context covered, where the completion tells.
    pub fn past(&self) -> Option<&'h [Value]> {
        self.completion.and_then(|event| event.past.as_deref())
    }

    /// The round of a replica read; 0 where none is told.
    pub fn round(&self) -> u64 {
        self.invoke.extra.get("round").and_then(Value::as_u64).unwrap_or(0)
    }

    /// From invocation to completion, ns.
    pub fn latency_ns(&self) -> Option<u64> {
        self.completion.map(|event| event.time.saturating_sub(self.invoke.time))
    }
}
