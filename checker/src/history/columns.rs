//! A history as columns of numbers: what every fast checker reads.
//!
//! An operation is 48 bytes: who, what, on which key, between which two events, with which argument and result. Names
//! are [`Sym`]s and values are [`ValueId`]s. A scalar has one id, so equal scalars are equal ids and nothing is
//! compared twice; a small integer is its own id and takes no room at all. A million operations on a register are
//! about 50 MB.
//!
//! Only operations of clients are here. Events of the nemesis, and reads of single replicas, of the ring and of probes
//! ([`crate::history::Phase`]), are passed over and counted.
//!
//! Keys. The key is the event's `key`. A Jepsen history that was made by `independent` has none and values `[k v]`
//! instead: if no event has a key, there is a `read`, the value of every invocation is a list of two whose first is a
//! scalar other than nil, the second is nil for every `read`, a list of two for every `cas`, and every `ok` has the
//! list of two with the same first, then the first becomes the key and the second the value
//! ([`History::keys_were_in_values`]).

use super::op::Op;
use super::values::{Datum, Sym, ValueId, Values};

/// A history without what no checker of operations needs.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// In the order of invocation: `call` ascends.
    pub ops: Vec<Op>,
    /// How many events there are, those passed over included.
    pub events: u32,
    /// How many events were passed over: the nemesis, single replicas, the ring, probes.
    pub passed_over: u64,
    /// Whether keys were found as the first halves of values; see the module.
    pub keys_were_in_values: bool,
    /// Whether every event had a time; an event without one has that of the one before it.
    pub timed: bool,
    pub(super) values: Values,
    /// Original indices by position; empty while each is its position.
    pub(super) indices: Vec<u64>,
    /// Where an `info` was recorded, by operation, ascending; [`Op::ret`] does not tell.
    pub(super) infos: Vec<(u32, u32)>,
    /// What the completion of an operation says of its causal past: operation and list, ascending.
    pub(super) pasts: Vec<(u32, ValueId)>,
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
    pub fn names(&self) -> usize {
        self.values.names()
    }

    /// The index that the history itself gives to the event at a position.
    pub fn event_index(&self, position: u32) -> u64 {
        self.indices.get(position as usize).copied().unwrap_or(u64::from(position))
    }

    /// Whether an operation is a read that showed a list.
    pub fn reads_list(&self, op: &Op) -> bool {
        op.result.is_list() && op.is_ok() && self.text(op.f) == "read"
    }

    /// The history's indices of an operation's events, for [`crate::finding::Anomaly::events`].
    pub fn events_of(&self, op: usize) -> impl Iterator<Item = u64> {
        let Op { call, ret, .. } = self.ops[op];
        let info = self.infos.binary_search_by_key(&(op as u32), |entry| entry.0).ok().map(|at| self.infos[at].1);
        let completion = if ret == Op::NEVER { info } else { Some(ret) };
        [Some(call), completion].into_iter().flatten().map(|position| self.event_index(position))
    }

    /// The history's indices of several operations' events, ascending, each once.
    pub fn events_of_all(&self, ops: impl IntoIterator<Item = usize>) -> Vec<u64> {
        let mut events: Vec<u64> = ops.into_iter().flat_map(|op| self.events_of(op)).collect();
        events.sort_unstable();
        events.dedup();
        events
    }

    /// The values that the context of a write covered, where its completion tells (`past`, see
    /// [`crate::history::Event::past`]).
    pub fn past(&self, op: usize) -> Option<&[ValueId]> {
        let at = self.pasts.binary_search_by_key(&(op as u32), |entry| entry.0).ok()?;
        match self.datum(self.pasts[at].1) {
            Datum::List(values) => Some(values),
            _ => None,
        }
    }

    /// A value as people write it: JSON, with a keyword as its name.
    pub fn show(&self, value: ValueId) -> String {
        self.values.show(value)
    }

    /// The integer's id, if it can occur: a value that no operation has may have none.
    pub fn find_int(&self, value: i64) -> Option<ValueId> {
        self.values.find_int(value)
    }

    /// The memory that it takes, in bytes, near enough.
    pub fn memory_bytes(&self) -> u64 {
        let ops = self.ops.capacity() * size_of::<Op>();
        let aside = (self.infos.capacity() + self.pasts.capacity() + self.indices.capacity()) * 8;
        (ops + aside) as u64 + self.values.memory_bytes()
    }
}
