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
//! Keys. The key is the event's `key`, which may be any data; keys are names, and equal keys have equal names. A Jepsen
//! history that was made by `independent` has values `[k v]` instead: see [`super::KeySource`].

use std::borrow::Cow;

use serde_json::Value;

use super::event::{Event, Phase};
use super::key_source::KeySource;
use super::op::{Kind, Op, OpId, Origin, OriginId, Origins};
use super::process::{NAMED, ProcessName};
use super::unit_of_time::UnitOfTime;
use super::values::{Datum, Sym, TooManyValues, ValueId, Values};

/// Where a text ends in the middle of an event, or before it is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Torn {
    /// The line, from 1.
    pub line: u64,
    /// The column in bytes, from 1.
    pub column: u64,
}

/// What a history does not say. What depends on it cannot be judged, and is never valid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unsaid {
    /// When operations were invoked: there are only completions, and no order is known but that of each process.
    pub invocations: bool,
    /// Who invoked them: each operation is taken for a process of its own.
    pub processes: bool,
}

/// A history: what every client saw, and what the nemesis did.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The operations of workloads, in the order of invocation: `call` ascends.
    pub ops: Vec<Op>,
    /// How many events there are, of whatever process.
    pub events: u32,
    /// How many events are not kept here: those of a workload that was not selected, or of no client.
    pub passed_over: u64,
    /// Where the keys come from.
    pub key_source: KeySource,
    /// Whether every event had a time; an event without one has that of the one before it.
    pub timed: bool,
    /// Whether it is the first part of a history: a text that was cut off or damaged, or of which a limit ended the reading.
    pub is_part: bool,
    /// Where a last event was cut off while it was written; it is left out.
    pub torn: Option<Torn>,
    /// What it does not say of its operations.
    pub unsaid: Unsaid,
    pub(super) unit_of_time: UnitOfTime,
    pub(crate) initial: Initial,
    /// The earliest time of an event, and the latest.
    pub(super) start_ns: u64,
    pub(super) end_ns: u64,
    /// Reads of single replicas and of the ring, and probes, in the order of invocation.
    pub(super) aside: Vec<Op>,
    /// The events of the nemesis, in their order.
    pub(super) nemesis: Vec<Event>,
    pub(crate) values: Values,
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
    /// How long after they were due operations were invoked, where a load was open-loop, in ns, ascending.
    pub(super) lates_ns: Vec<(OpId, u64)>,
    /// The parts of the sum that a read of a counter shows: operation and map, ascending.
    pub(super) parts: Vec<(OpId, ValueId)>,
    /// The names of the processes from [`NAMED`] on.
    pub(super) process_names: Vec<Sym>,
}

/// What objects begin with, as far as that was said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Initial {
    /// All but those below.
    pub of_all: ValueId,
    /// Single ones.
    pub of_keys: Vec<OfKey>,
    /// A value called nil that is not nil: what is read as nil of an object that begins with something else.
    pub unwritten_nil: ValueId,
}

/// What one object begins with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OfKey {
    /// The key's name.
    pub name: Sym,
    /// The key as a value, as transactions have it.
    pub key: ValueId,
    /// What it begins with.
    pub value: ValueId,
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

    /// Whether a value is a list, a set or a map, which [`super::Identities`] compares.
    #[inline]
    pub fn has_parts(&self, value: ValueId) -> bool {
        self.values.has_parts(value)
    }

    /// A name's text; that of [`Sym::NONE`] is empty.
    pub fn text(&self, name: Sym) -> &str {
        self.values.name(name)
    }

    /// What the object of this key begins with; nil if nothing was said of it. [`History::begin_with`] says it.
    pub fn initial(&self, key: Sym) -> ValueId {
        let Initial { of_all, of_keys, .. } = &self.initial;
        of_keys.iter().find(|of_key| of_key.name == key).map_or(*of_all, |of_key| of_key.value)
    }

    /// The same of a key in a transaction.
    pub fn initial_of_value(&self, key: ValueId) -> ValueId {
        let Initial { of_all, of_keys, .. } = &self.initial;
        of_keys.iter().find(|of_key| self.is_equal(of_key.key, key)).map_or(*of_all, |of_key| of_key.value)
    }

    /// A value called nil that nobody wrote; see [`Initial::unwritten_nil`].
    pub(crate) fn unwritten_nil(&self) -> ValueId {
        self.initial.unwritten_nil
    }

    /// Everything that an object begins with.
    pub(crate) fn initials(&self) -> impl Iterator<Item = ValueId> {
        [self.initial.of_all].into_iter().chain(self.initial.of_keys.iter().map(|of_key| of_key.value))
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

    /// Whether an operation is an `ok` read whose result is a list or a set.
    pub fn reads_list(&self, op: &Op) -> bool {
        op.result.is_list() && op.is_ok() && self.text(op.f) == "read"
    }

    /// Whether an operation may have shown what a change brought: the change had been invoked when the operation completed. Where
    /// no invocation is recorded, nobody knows.
    pub fn may_show(&self, op: usize, change: usize) -> bool {
        self.unsaid.invocations || self.ops[change].call < self.ops[op].ret
    }

    /// Whether an operation is known to have completed before another was invoked.
    pub fn is_before(&self, op: usize, other: usize) -> bool {
        !self.unsaid.invocations && self.ops[op].ret < self.ops[other].call
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

    /// Whether an operation belongs to a phase.
    pub(crate) fn is_of(&self, op: &Op, phase: Phase) -> bool {
        self.origin(op.origin).phase == phase
    }

    /// The values that the context of a write covered, if its completion records them (see [`Event::past`]).
    pub fn past(&self, op: usize) -> Option<&[ValueId]> {
        self.past_of(OpId::workload(op))
    }

    pub(super) fn past_of(&self, op: OpId) -> Option<&[ValueId]> {
        self.datum(find(&self.pasts, op)?).elements()
    }

    pub(super) fn error_of(&self, op: OpId) -> Option<&str> {
        find(&self.errors, op).map(|error| self.text(error))
    }

    pub(super) fn round_of(&self, op: OpId) -> Option<u64> {
        find(&self.rounds, op)
    }

    pub(super) fn late_ns_of(&self, op: OpId) -> Option<u64> {
        find(&self.lates_ns, op)
    }

    pub(super) fn parts_of(&self, op: OpId) -> Option<ValueId> {
        find(&self.parts, op)
    }

    /// The process that a value names; none if no event is of one that has this name.
    pub(crate) fn process_called(&self, name: ValueId) -> Option<u32> {
        if let Datum::Int(number) = self.datum(name)
            && let Ok(number) = u32::try_from(number)
            && number < NAMED
        {
            return Some(number);
        }
        let name = self.sym(&self.key_name(name))?;
        let place = self.process_names.iter().position(|known| *known == name)?;
        Some(NAMED + place as u32)
    }

    /// What a process is called.
    pub fn process_name(&self, process: u32) -> ProcessName {
        let named = process.checked_sub(NAMED).and_then(|at| self.process_names.get(at as usize));
        match named {
            Some(name) => ProcessName::Name(self.text(*name).to_owned()),
            None => ProcessName::Number(process.into()),
        }
    }

    /// What the process of the operation at a position is called.
    pub fn process_of(&self, op: usize) -> ProcessName {
        self.process_name(self.ops[op].process)
    }

    /// A value as JSON.
    pub fn json(&self, value: ValueId) -> Value {
        self.values.json(value)
    }

    /// A value as people write it: JSON, but a keyword is its name.
    pub fn show(&self, value: ValueId) -> String {
        self.values.show(value)
    }

    /// A value in a notation that equal values share, and no others.
    pub fn notation(&self, value: ValueId) -> String {
        self.values.notation(value)
    }

    /// What a value is called as a key: its notation, a string without quotes where nothing else is written like that.
    pub fn key_name(&self, value: ValueId) -> Cow<'_, str> {
        self.values.plain_notation(value)
    }

    /// The memory that it takes, in bytes, approximately.
    pub fn memory_bytes(&self) -> u64 {
        let ops = self.ops.capacity() * size_of::<Op>();
        let beside = self.infos.capacity() + self.pasts.capacity() + self.errors.capacity() + self.parts.capacity();
        let beside = (beside + self.indices.capacity() + 2 * self.rounds.capacity() + 2 * self.lates_ns.capacity()) * 8;
        let aside = self.aside.capacity() * size_of::<Op>() + self.nemesis.len() * size_of::<Event>();
        (ops + beside + aside) as u64 + self.values.memory_bytes()
    }
}
