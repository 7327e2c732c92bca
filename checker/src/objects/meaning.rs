//! The meaning of one operation in a model: which element a write adds, and which elements a read contains.
//!
//! - **set, register, cart**: the function determines it; the value is the element or the list of elements.
//! - **list-append, rw-register**: a transaction of one micro-operation, `[["append", k, v]]`, `[["w", k, v]]` or
//!   `[["r", k, result]]`, as Jepsen records them (Kingsbury and Alvaro, "Elle", VLDB 2020). A register's result is
//!   null, a value, or a list of siblings.
//! - **counter**: `inc n` and `dec n`. Amounts need not be unique, so a sum alone does not show which changes it
//!   contains. But a counter of this bench is mergeable (the PN-counter of Shapiro et al., "A comprehensive study of
//!   convergent and commutative replicated data types", 2011): it has, for each process, the sum of its increments and
//!   that of its decrements, and takes the greater of each when it merges. A process makes its changes one after the
//!   other, so its two sums determine how many of its changes are contained. So a read that reports these parts lists
//!   changes, just as a read of a set lists elements.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::model::Model;
use crate::history::{Datum, EventType, History, Operation, Phase, ValueId};

/// What an operation does to its key.
pub(crate) enum Meaning {
    /// It adds an element.
    Write(ValueId),
    /// It replaces what is there by nothing.
    Delete,
    /// It removes an element.
    Remove(ValueId),
    /// It adds this number to a counter; negative for a decrement.
    Change(i64),
    /// It returns what is there.
    Read,
    /// It is not an operation of the model.
    Nothing,
}

impl Model {
    /// What an operation means.
    pub(crate) fn meaning(self, operation: &Operation<'_>) -> Meaning {
        let argument = operation.argument();
        let number = || match operation.history().datum(argument) {
            Datum::Int(number) => Some(number),
            _ => None,
        };
        if operation.phase() == Phase::Replica {
            return Meaning::Read;
        }
        match (self, operation.f()) {
            (Model::ListAppend | Model::RwRegister, _) => self.of_transaction(operation),
            (_, "read") => Meaning::Read,
            (Model::Set | Model::Cart, "add") | (Model::Register, "write") => Meaning::Write(argument),
            (Model::Register, "delete") => Meaning::Delete,
            (Model::Cart, "remove") => Meaning::Remove(argument),
            (Model::Counter, "inc") => number().map_or(Meaning::Nothing, Meaning::Change),
            (Model::Counter, "dec") => number().and_then(i64::checked_neg).map_or(Meaning::Nothing, Meaning::Change),
            _ => Meaning::Nothing,
        }
    }

    fn of_transaction(self, operation: &Operation<'_>) -> Meaning {
        match (self, operation.history().only_micro(operation.argument())) {
            (Model::ListAppend, Some(("append", _, element))) => Meaning::Write(element),
            (Model::RwRegister, Some(("w", _, element))) => Meaning::Write(element),
            (_, Some(("r", _, _))) => Meaning::Read,
            _ => Meaning::Nothing,
        }
    }

    /// The key of a transaction, which only its micro-operation names.
    pub(crate) fn key_within<'h>(self, operation: &Operation<'h>) -> Option<Cow<'h, str>> {
        if !self.is_transactional() {
            return None;
        }
        let history = operation.history();
        let (_, key, _) = history.only_micro(operation.argument())?;
        Some(history.key_name(key))
    }

    /// What a write does, in a word: `add`, `write`, `append`, `inc`.
    pub(crate) fn verb<'h>(self, operation: &Operation<'h>) -> &'h str {
        match self {
            Model::ListAppend => "append",
            Model::RwRegister => "write",
            _ => operation.f(),
        }
    }

    /// The elements that a client's read contains, empty for a nil result; none if the value does not fit the model.
    pub(crate) fn shown<'h>(self, read: &Operation<'h>) -> Option<Cow<'h, [ValueId]>> {
        let history = read.history();
        let result = match self {
            Model::ListAppend | Model::RwRegister => match history.only_micro(read.result()) {
                Some(("r", _, result)) => result,
                _ => return None,
            },
            _ => read.result(),
        };
        match history.datum(result) {
            Datum::Nil => Some(Cow::Borrowed(&[])),
            Datum::List(elements) | Datum::Set(elements) => Some(Cow::Borrowed(elements)),
            _ if self == Model::RwRegister => Some(Cow::Owned(vec![result])),
            _ => None,
        }
    }
}

/// The values of all versions that a replica holds; nil is a tombstone.
pub(crate) fn versions(read: &Operation<'_>) -> Option<Vec<ValueId>> {
    let history = read.history();
    match history.datum(read.result()) {
        Datum::Nil => Some(Vec::new()),
        Datum::List(versions) => versions.iter().map(|version| field(history, *version, "value")).collect(),
        _ => None,
    }
}

/// A field of a map.
fn field(history: &History, map: ValueId, name: &str) -> Option<ValueId> {
    let Datum::Map(entries) = history.datum(map) else { return None };
    let is = |key: ValueId| history.datum(key) == Datum::Text(name);
    entries.iter().find(|[key, _]| is(*key)).map(|[_, value]| *value)
}

/// The parts of a counter that a read reports.
pub(crate) fn parts_of(read: &Operation<'_>) -> Option<Parts> {
    parts(read.history(), read.parts()?)
}

/// For each process: the sum of its increments, and that of its decrements.
pub(crate) type Parts = BTreeMap<u64, (u64, u64)>;

/// Parts as a history records them: `{"3": [12, 4]}`.
pub(crate) fn parts(history: &History, value: ValueId) -> Option<Parts> {
    let number = |value: ValueId| match history.datum(value) {
        Datum::Int(number) => u64::try_from(number).ok(),
        Datum::Text(digits) => digits.parse().ok(),
        _ => None,
    };
    let part = |[process, sums]: &[ValueId; 2]| match history.datum(*sums) {
        Datum::List(&[inc, dec]) => Some((number(*process)?, (number(inc)?, number(dec)?))),
        _ => None,
    };
    match history.datum(value) {
        Datum::Map(entries) => entries.iter().map(part).collect(),
        _ => None,
    }
}

/// Finds the changes of a counter that the two sums of a process stand for.
#[derive(Debug, Default)]
pub(crate) struct Sums(BTreeMap<u64, Vec<Step>>);

/// A change of a process, with the process's sums after it.
#[derive(Clone, Copy, Debug)]
struct Step {
    write: u32,
    sums: (u64, u64),
    failed: bool,
}

impl Sums {
    /// Adds the next change of a process. A change that certainly failed is in no later sum.
    pub(crate) fn push(&mut self, operation: &Operation<'_>, write: u32, change: i64) {
        let steps = self.0.entry(operation.process()).or_default();
        let before = steps.iter().rev().find(|step| !step.failed).map_or((0, 0), |step| step.sums);
        let (up, down) = (change.max(0).unsigned_abs(), change.min(0).unsigned_abs());
        let sums = (before.0.saturating_add(up), before.1.saturating_add(down));
        debug_assert!(before.0 <= sums.0 && before.1 <= sums.1, "the sums of a process only grow");
        debug_assert!(steps.last().is_none_or(|step| step.write < write), "changes are added in the order of writes");
        steps.push(Step { write, sums, failed: operation.outcome() == EventType::Fail });
    }

    /// The changes that these sums of a process contain, ascending; none if no number of changes has these sums.
    pub(crate) fn changes(&self, process: u64, sums: (u64, u64)) -> Option<Vec<u32>> {
        if sums == (0, 0) {
            return Some(Vec::new());
        }
        let steps = self.0.get(&process)?;
        // A failed change may have the same sums as a later one that did not fail; then it is the later one.
        let last = steps.iter().rposition(|step| step.sums == sums && !step.failed);
        let last = last.or_else(|| steps.iter().rposition(|step| step.sums == sums))?;
        let shown = steps[..=last].iter().enumerate().filter(|(at, step)| !step.failed || *at == last);
        Some(shown.map(|(_, step)| step.write).collect())
    }
}
