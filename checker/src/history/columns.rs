//! A history as columns of numbers: what every check reads.
//!
//! An operation takes 48 bytes: process, function, key, the two events between which it ran, argument and result. Names
//! are [`Sym`]s and values are [`ValueId`]s. Equal scalars have equal ids, so comparing two is comparing two numbers; a
//! small integer is its own id and takes no memory at all. A million operations on a register take about 50 MB.
//!
//! Operations of workloads are in [`History::ops`]. Reads of single replicas and of the ring, and probes (see
//! [`Phase`]), are kept apart from them, and so are the events of the nemesis. What few operations have (an error, a
//! causal past, a round, the parts of a counter) is in sparse lists, one for each.
//!
//! Keys. The key is the event's `key`. A Jepsen history that was made by `independent` has none and values `[k v]`
//! instead: if no event has a key, there is a `read`, the value of every invocation is a list of two whose first is a
//! scalar other than nil, the second is nil for every `read`, a list of two for every `cas`, and every `ok` has the
//! list of two with the same first, then the first becomes the key and the second the value
//! ([`History::keys_were_in_values`]).

use serde_json::Value;

use super::event::{Event, Phase};
use super::op::{Kind, Op, OpId, Origin, OriginId, Origins};
use super::values::{Datum, Sym, TooManyValues, ValueId, Values};

/// A history: what every client saw, and what the nemesis did.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The operations of workloads, in the order of invocation: `call` ascends.
    pub ops: Vec<Op>,
    /// How many events there are, of whatever process.
    pub events: u32,
    /// How many events are not kept here: those of a workload that was not selected, or of no client.
    pub passed_over: u64,
    /// Whether the keys were found as the first halves of values; see the module.
    pub keys_were_in_values: bool,
    /// Whether every event had a time; an event without one has that of the one before it.
    pub timed: bool,
    /// Whether it is the first part of a history: a text that was cut off or damaged, or of which a limit ended the reading.
    pub is_part: bool,
    /// The line of a last event that was cut off while it was written, and is left out.
    pub torn: Option<u64>,
    pub(super) end_ns: u64,
    /// Reads of single replicas and of the ring, and probes, in the order of invocation.
    pub(super) aside: Vec<Op>,
    /// The events of the nemesis, in their order.
    pub(super) nemesis: Vec<Event>,
    pub(super) values: Values,
    pub(super) origins: Origins,
    /// The index that the history gives each event, by position; empty while each is equal to its position.
    pub(super) indices: Vec<u64>,
    /// Where an `info` was recorded, by operation, ascending; [`Op::ret`] does not contain it.
    pub(super) infos: Vec<(OpId, u32)>,
    /// The causal past that the completion of an operation records: operation and list, ascending.
    pub(super) pasts: Vec<(OpId, ValueId)>,
    /// Why an operation did not succeed, ascending.
    pub(super) errors: Vec<(OpId, Sym)>,
    /// The rounds of replica reads, ascending.
    pub(super) rounds: Vec<(OpId, u64)>,
    /// The parts of the sum that a read of a counter shows: operation and map, ascending.
    pub(super) parts: Vec<(OpId, ValueId)>,
}

/// The entry of an operation in a list that ascends by operation. O(log n).
pub(super) fn find<T: Copy>(list: &[(OpId, T)], op: OpId) -> Option<T> {
    list.binary_search_by_key(&op, |entry| entry.0).ok().map(|at| list[at].1)
}

impl History {
    /// What a value is.
    pub fn datum(&self, value: ValueId) -> Datum<'_> {
        self.values.datum(value)
    }

    /// A name's text; that of [`Sym::NONE`] is empty.
    pub fn text(&self, name: Sym) -> &str {
        self.values.name(name)
    }

    /// The symbol of a name, if it occurs.
    pub fn sym(&self, name: &str) -> Option<Sym> {
        self.values.find(name)
    }

    /// How many names there are; every symbol's index is below it.
    pub(crate) fn names(&self) -> usize {
        self.values.names()
    }

    /// The index that the history itself gives to the event at a position.
    pub fn event_index(&self, position: u32) -> u64 {
        self.indices.get(position as usize).copied().unwrap_or(u64::from(position))
    }

    /// Whether an operation is an `ok` read whose result is a list.
    pub fn reads_list(&self, op: &Op) -> bool {
        op.result.is_list() && op.is_ok() && self.text(op.f) == "read"
    }

    /// The history's indices of an operation's events, for [`crate::finding::Anomaly::events`].
    pub fn events_of(&self, op: usize) -> impl Iterator<Item = u64> {
        let completion = self.completion_of(OpId::workload(op));
        [Some(self.ops[op].call), completion].into_iter().flatten().map(|position| self.event_index(position))
    }

    /// The event at which an operation completed, which may be an `info`.
    pub(super) fn completion_of(&self, op: OpId) -> Option<u32> {
        match self.op(op).ret {
            Op::NEVER => find(&self.infos, op),
            position => Some(position),
        }
    }

    pub(super) fn op(&self, op: OpId) -> &Op {
        if op.is_aside() { &self.aside[op.position()] } else { &self.ops[op.position()] }
    }

    /// The events of the nemesis, in their order.
    pub fn nemesis(&self) -> &[Event] {
        &self.nemesis
    }

    /// The time of the last event, ns; 0 if there is none.
    pub fn end_ns(&self) -> u64 {
        self.end_ns
    }

    /// The operations of one workload as a history of their own; all of it where no operation belongs to another. Those
    /// that name no workload are of `unnamed`.
    ///
    /// # Errors
    /// When there are too many values; not if the whole could be held.
    pub fn of_workload(&self, workload: &str, unnamed: &str) -> Result<History, TooManyValues> {
        let is_of_it = |op: &Op| match self.text(self.origin(op.origin).workload) {
            "" => unnamed == workload,
            name => name == workload,
        };
        let ops: Vec<usize> = (0..self.ops.len()).filter(|at| is_of_it(&self.ops[*at])).collect();
        if ops.len() == self.ops.len() { Ok(self.clone()) } else { self.only(&ops) }
    }

    /// The history as it was before the invocation of the operation at a position: what was open then counts as what never
    /// completed, whatever came of it later.
    pub fn first(mut self, ops: usize) -> Self {
        let Some(before) = self.ops.get(ops).map(|op| op.call) else { return self };
        let (index, end_ns) = (self.event_index(before), self.ops[ops].called_ns);
        self.ops.truncate(ops);
        self.aside.retain(|op| op.call < before);
        self.nemesis.retain(|event| event.index < index);
        for op in self.ops.iter_mut().chain(&mut self.aside).filter(|op| op.ret != Op::NEVER && op.ret >= before) {
            *op = Op { kind: Kind::Info, ret: Op::NEVER, result: ValueId::NIL, returned_ns: u64::MAX, ..*op };
        }
        // The sparse lists may keep entries of operations that are gone, but no `info` is recorded that came later.
        self.infos.retain(|(_, position)| *position < before);
        Self { events: before, is_part: true, torn: None, end_ns, ..self }
    }

    /// Only what clients did while the workload ran, without the phases after the heal.
    pub fn of_main_phase(mut self) -> Self {
        let (origins, ops) = (&self.origins, &mut self.ops);
        // The main phase is a prefix, since operations are in the order of invocation. So positions stay as they are,
        // and the sparse lists may keep entries of operations that are gone.
        let main = ops.iter().take_while(|op| origins.get(op.origin).phase == Phase::Main).count();

        ops.truncate(main);
        self.aside.clear();
        self.torn = None;
        self
    }

    /// Node, workload and phase of an operation.
    pub fn origin(&self, origin: OriginId) -> Origin {
        self.origins.get(origin)
    }

    /// The names of the workloads that occur, in alphabetical order.
    pub fn workloads(&self) -> Vec<&str> {
        let named = self.origins.iter().map(|origin| self.text(origin.workload)).filter(|name| !name.is_empty());
        let names: std::collections::BTreeSet<&str> = named.collect();
        names.into_iter().collect()
    }

    /// The values that the context of a write covered, if its completion records them (see [`Event::past`]).
    pub fn past(&self, op: usize) -> Option<&[ValueId]> {
        self.past_of(OpId::workload(op))
    }

    pub(super) fn past_of(&self, op: OpId) -> Option<&[ValueId]> {
        match self.datum(find(&self.pasts, op)?) {
            Datum::List(values) => Some(values),
            _ => None,
        }
    }

    pub(super) fn error_of(&self, op: OpId) -> Option<&str> {
        find(&self.errors, op).map(|error| self.text(error))
    }

    pub(super) fn round_of(&self, op: OpId) -> Option<u64> {
        find(&self.rounds, op)
    }

    pub(super) fn parts_of(&self, op: OpId) -> Option<ValueId> {
        find(&self.parts, op)
    }

    /// A value as JSON.
    pub fn json(&self, value: ValueId) -> Value {
        self.values.json(value)
    }

    /// A value as people write it: JSON, but a keyword is its name.
    pub fn show(&self, value: ValueId) -> String {
        self.values.show(value)
    }

    /// The memory that it takes, in bytes, approximately.
    pub fn memory_bytes(&self) -> u64 {
        let ops = self.ops.capacity() * size_of::<Op>();
        let beside = self.infos.capacity() + self.pasts.capacity() + self.errors.capacity() + self.parts.capacity();
        let beside = (beside + self.indices.capacity() + 2 * self.rounds.capacity()) * 8;
        let aside = self.aside.capacity() * size_of::<Op>() + self.nemesis.len() * size_of::<Event>();
        (ops + beside + aside) as u64 + self.values.memory_bytes()
    }
}
