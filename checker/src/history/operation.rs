//! One operation, with everything that its history records about it.
//!
//! A process does one thing at a time, so the completion of an invocation is the next event of the same process. An
//! invocation without one is an operation that may still take effect: the same as `info`.

use super::columns::History;
use super::event::{EventType, Phase};
use super::op::{Kind, Op, OpId, Origin};
use super::process::ProcessName;
use super::values::{Datum, ValueId};

/// The function of a transaction.
const TRANSACTION: &str = "txn";

/// Functions that return what they find, where nil is that they found nothing.
const FINDS: [&str; 6] = ["read", "get", "dequeue", "pop", "peek", "extract-min"];

/// What a client did, and the outcome. Cheap to copy.
#[derive(Clone, Copy)]
pub struct Operation<'h> {
    history: &'h History,
    id: OpId,
}

impl std::fmt::Debug for Operation<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Operation").field(self.op()).finish()
    }
}

impl<'h> Operation<'h> {
    pub(super) fn new(history: &'h History, id: OpId) -> Self {
        Self { history, id }
    }

    /// The history that it belongs to.
    pub fn history(&self) -> &'h History {
        self.history
    }

    fn op(&self) -> &'h Op {
        self.history.op(self.id)
    }

    fn origin(&self) -> Origin {
        self.history.origin(self.op().origin)
    }

    /// The process, as a number that identifies it.
    pub fn process(&self) -> u64 {
        self.op().process.into()
    }

    /// What the process is called.
    pub fn process_name(&self) -> ProcessName {
        self.history.process_name(self.op().process)
    }

    /// The index of the event of its invocation.
    pub fn invoked(&self) -> u64 {
        self.history.event_index(self.op().call)
    }

    /// When it was invoked, ns.
    pub fn invoked_ns(&self) -> u64 {
        self.op().called_ns
    }

    /// The index of the event of its completion, which may be an `info`; none if it never completed.
    pub fn completed(&self) -> Option<u64> {
        self.history.completion_of(self.id).map(|position| self.history.event_index(position))
    }

    /// When it completed, ns.
    pub fn completed_ns(&self) -> Option<u64> {
        Some(self.op().returned_ns).filter(|_| self.history.completion_of(self.id).is_some())
    }

    /// When it completed, or when it was invoked if it never did, ns.
    pub(crate) fn last_ns(&self) -> u64 {
        self.completed_ns().unwrap_or(self.invoked_ns())
    }

    /// `Ok`, `Fail`, or `Info` (also when it never completed).
    pub fn outcome(&self) -> EventType {
        match self.op().kind {
            Kind::Ok => EventType::Ok,
            Kind::Fail => EventType::Fail,
            Kind::Info => EventType::Info,
        }
    }

    /// Whether it is known to have happened.
    pub fn is_ok(&self) -> bool {
        self.op().is_ok()
    }

    /// The index of the event of its completion, if that is `ok`.
    pub fn acknowledged(&self) -> Option<u64> {
        self.completed().filter(|_| self.is_ok())
    }

    /// The function.
    pub fn f(&self) -> &'h str {
        self.history.text(self.op().f)
    }

    /// The function as people name the operation: that of the micro-operation, if it is a transaction of one.
    pub fn label(&self) -> &'h str {
        match self.history.only_micro(self.argument()) {
            Some((f, _, _)) if self.f() == TRANSACTION => f,
            _ => self.f(),
        }
    }

    /// The key operated on.
    pub fn key(&self) -> Option<&'h str> {
        self.op().key.is_some().then(|| self.history.text(self.op().key))
    }

    /// The workload that it belongs to.
    pub fn workload(&self) -> Option<&'h str> {
        let workload = self.origin().workload;
        workload.is_some().then(|| self.history.text(workload))
    }

    /// The part of the run.
    pub fn phase(&self) -> Phase {
        self.origin().phase
    }

    /// The node that was asked.
    pub fn node(&self) -> Option<&'h str> {
        let node = self.origin().node;
        node.is_some().then(|| self.history.text(node))
    }

    /// The argument.
    pub fn argument(&self) -> ValueId {
        self.op().argument
    }

    /// The value of the completion; nil if there is none.
    pub fn result(&self) -> ValueId {
        self.op().result
    }

    /// Why it was not `ok`.
    pub fn error(&self) -> Option<&'h str> {
        self.history.error_of(self.id)
    }

    /// The values that a write's context covered, if its completion records them.
    pub fn past(&self) -> Option<&'h [ValueId]> {
        self.history.past_of(self.id)
    }

    /// The round of a replica read; 0 where none is recorded.
    pub fn round(&self) -> u64 {
        self.history.round_of(self.id).unwrap_or(0)
    }

    /// The parts of the sum that a read of a counter returned: a map.
    pub fn parts(&self) -> Option<ValueId> {
        self.history.parts_of(self.id)
    }

    /// From invocation to completion, or from when it was due in a load that was open-loop, ns.
    pub fn latency_ns(&self) -> Option<u64> {
        let late_ns = self.history.late_ns_of(self.id).unwrap_or(0);
        self.completed_ns().map(|completed| completed.saturating_sub(self.invoked_ns()).saturating_add(late_ns))
    }

    /// Whether it changes nothing that is stored: a read (a watch, a poll of logs or the choice of them), or a transaction of
    /// reads.
    pub fn only_reads(&self) -> bool {
        match self.history.micros(self.argument()) {
            Some(mut micros) if self.f() == TRANSACTION => micros.all(|(f, _, _)| f == "r"),
            _ => matches!(self.f(), "read" | "watch" | "poll" | "assign"),
        }
    }
}

/// A micro-operation: function, key, value.
pub type Micro<'h> = (&'h str, ValueId, ValueId);

impl History {
    /// Every operation of every client, including those aside from workloads, in the order of invocation.
    pub fn operations(&self) -> Vec<Operation<'_>> {
        let mut ids: Vec<OpId> = (0..self.ops.len()).map(OpId::workload).collect();
        ids.extend((0..self.aside.len()).map(OpId::aside));
        ids.sort_by_key(|id| self.op(*id).call);
        ids.into_iter().map(|id| Operation::new(self, id)).collect()
    }

    /// The operation of a workload at a position in [`History::ops`].
    pub fn operation(&self, op: usize) -> Operation<'_> {
        Operation::new(self, OpId::workload(op))
    }

    /// What an operation did, in words: `write 1 of key x`, `read of key x -> nil`. Whether it failed is not said.
    pub fn in_words(&self, op: usize) -> String {
        let Op { f, key, argument, result, .. } = self.ops[op];
        let f = self.text(f);
        let of_key = if key.is_some() { format!(" of key {}", self.text(key)) } else { String::new() };
        let asked = if argument.is_nil() { String::new() } else { format!(" {}", self.show(argument)) };
        // A nil is what a read found, and all that most others answer.
        let says_nothing = !(result.is_nil() && FINDS.contains(&f)) && self.is_equal(argument, result);
        let shown = match self.ops[op].is_ok() && !says_nothing {
            true => format!(" -> {}", self.show(result)),
            false => String::new(),
        };
        format!("{f}{asked}{of_key}{shown}")
    }

    /// The micro-operations of a transaction; none if the value is not a list of them.
    pub fn micros(&self, value: ValueId) -> Option<impl Iterator<Item = Micro<'_>>> {
        let Datum::List(micros) = self.datum(value) else { return None };
        let all: Option<Vec<Micro<'_>>> = micros.iter().map(|micro| self.micro(*micro)).collect();
        all.map(Vec::into_iter)
    }

    /// A value as a micro-operation, if it is one.
    pub(crate) fn micro(&self, micro: ValueId) -> Option<Micro<'_>> {
        match self.datum(micro) {
            Datum::List(&[f, key, value]) => match self.datum(f) {
                Datum::Text(f) => Some((f, key, value)),
                _ => None,
            },
            _ => None,
        }
    }

    /// The micro-operation of a transaction that has exactly one.
    pub fn only_micro(&self, value: ValueId) -> Option<Micro<'_>> {
        match self.datum(value) {
            Datum::List(&[one]) => self.micro(one),
            _ => None,
        }
    }
}
