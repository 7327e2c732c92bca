//! What one operation means in a model: which element a write brings, and which elements a read shows.
//!
//! - **set, register, cart**: the function says it, the value is the element or the list of elements.
//! - **list-append, rw-register**: a transaction of one micro-operation, `[["append", k, v]]`, `[["w", k, v]]` or
//!   `[["r", k, result]]`, as Jepsen records them (Kingsbury and Alvaro, "Elle", VLDB 2020). A register's result is null, a
//!   value, or a list of siblings.
//! - **counter**: `inc n` and `dec n`. Numbers are no names, so a sum says little of which changes it has. But a counter
//!   of this bench is mergeable (the PN-counter of Shapiro et al., "A comprehensive study of convergent and commutative
//!   replicated data types", 2011): for each process the sum of its increments and that of its decrements, merged by the
//!   greater. A process makes its changes one after the other, so these two sums name how many of them are there: a read that
//!   tells its parts lists changes just as a read of a set lists elements.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

use super::model::Model;
use crate::history::{Event, EventType, Operation, Phase, only_micro};

/// The field of an event in which a read of a counter tells its parts.
const PARTS: &str = "parts";

/// What an operation does to its key.
pub(crate) enum Meaning<'h> {
    /// It brings an element.
    Write(&'h Value),
    /// It replaces what is there and leaves nothing.
    Delete,
    /// It takes an element out.
    Remove(&'h Value),
    /// It adds so much to a counter; less than nothing for a decrement.
    Change(i64),
    /// It shows what is there.
    Read,
    /// It is not of the model.
    Nothing,
}

impl Model {
    /// What an operation means.
    pub(crate) fn meaning<'h>(self, operation: &Operation<'h>) -> Meaning<'h> {
        let argument = operation.argument();
        if operation.phase() == Phase::Replica {
            return Meaning::Read;
        }
        match (self, operation.f()) {
            (Model::ListAppend | Model::RwRegister, _) => self.of_transaction(argument),
            (_, "read") => Meaning::Read,
            (Model::Set | Model::Cart, "add") | (Model::Register, "write") => Meaning::Write(argument),
            (Model::Register, "delete") => Meaning::Delete,
            (Model::Cart, "remove") => Meaning::Remove(argument),
            (Model::Counter, "inc") => argument.as_i64().map_or(Meaning::Nothing, Meaning::Change),
            (Model::Counter, "dec") => {
                argument.as_i64().and_then(i64::checked_neg).map_or(Meaning::Nothing, Meaning::Change)
            }
            _ => Meaning::Nothing,
        }
    }

    fn of_transaction(self, value: &Value) -> Meaning<'_> {
        match (self, only_micro(value)) {
            (Model::ListAppend, Some(("append", _, element))) => Meaning::Write(element),
            (Model::RwRegister, Some(("w", _, element))) => Meaning::Write(element),
            (_, Some(("r", _, _))) => Meaning::Read,
            _ => Meaning::Nothing,
        }
    }

    /// The key of an operation that does not name it: a transaction's micro-operation does.
    pub(crate) fn key_within<'h>(self, operation: &Operation<'h>) -> Option<Cow<'h, str>> {
        match (self, only_micro(operation.argument())?.1) {
            (Model::ListAppend | Model::RwRegister, Value::String(key)) => Some(Cow::Borrowed(key)),
            (Model::ListAppend | Model::RwRegister, key) => Some(Cow::Owned(key.to_string())),
            _ => None,
        }
    }

    /// What a write does, in a word: `add`, `write`, `append`, `inc`.
    pub(crate) fn verb<'h>(self, operation: &Operation<'h>) -> &'h str {
        match self {
            Model::ListAppend => "append",
            Model::RwRegister => "write",
            _ => operation.f(),
        }
    }

    /// The elements that a client's read shows; none if the value is not what it should be. Of nothing read none.
    pub(crate) fn shown(self, completion: &Event) -> Option<Vec<&Value>> {
        let result = match self {
            Model::ListAppend | Model::RwRegister => match only_micro(&completion.value) {
                Some(("r", _, result)) => result,
                _ => return None,
            },
            _ => &completion.value,
        };
        match result {
            Value::Null => Some(Vec::new()),
            Value::Array(elements) => Some(elements.iter().collect()),
            single if self == Model::RwRegister => Some(vec![single]),
            _ => None,
        }
    }
}

/// The values of all versions that a replica holds; null is a tombstone.
pub(crate) fn versions(value: &Value) -> Option<Vec<&Value>> {
    match value {
        Value::Null => Some(Vec::new()),
        Value::Array(versions) => versions.iter().map(|version| version.as_object()?.get("value")).collect(),
        _ => None,
    }
}

/// The parts of a counter that an operation's completion tells.
pub(crate) fn parts_of(completion: &Event) -> Option<Parts> {
    parts(completion.extra.get(PARTS)?)
}

/// By process: the sum of its increments, and that of its decrements.
pub(crate) type Parts = BTreeMap<u64, (u64, u64)>;

/// Parts as they stand in a history: `{"3": [12, 4]}`.
pub(crate) fn parts(value: &Value) -> Option<Parts> {
    let part = |(process, sums): (&String, &Value)| match sums.as_array()?.as_slice() {
        [inc, dec] => Some((process.parse().ok()?, (inc.as_u64()?, dec.as_u64()?))),
        _ => None,
    };
    value.as_object()?.iter().map(part).collect()
}

/// Which changes of a counter two sums of a process stand for.
#[derive(Debug, Default)]
pub(crate) struct Sums(BTreeMap<u64, Vec<Step>>);

/// A change of a process, with its sums when it is done.
#[derive(Clone, Copy, Debug)]
struct Step {
    write: u32,
    sums: (u64, u64),
    failed: bool,
}

impl Sums {
    /// Takes the next change of a process: what certainly failed is in no later sum.
    pub fn push(&mut self, operation: &Operation<'_>, write: u32, change: i64) {
        let steps = self.0.entry(operation.process).or_default();
        let before = steps.iter().rev().find(|step| !step.failed).map_or((0, 0), |step| step.sums);
        let (up, down) = (change.max(0).unsigned_abs(), change.min(0).unsigned_abs());
        let sums = (before.0.saturating_add(up), before.1.saturating_add(down));
        steps.push(Step { write, sums, failed: operation.outcome() == EventType::Fail });
    }

    /// The changes that these sums of a process have, ascending; none if no number of them comes to that.
    pub fn changes(&self, process: u64, sums: (u64, u64)) -> Option<Vec<u32>> {
        if sums == (0, 0) {
            return Some(Vec::new());
        }
        let steps = self.0.get(&process)?;
        // Where a change failed and a later one came to the same, it was the later one.
        let last = steps.iter().rposition(|step| step.sums == sums && !step.failed);
        let last = last.or_else(|| steps.iter().rposition(|step| step.sums == sums))?;
        let shown = steps[..=last].iter().enumerate().filter(|(at, step)| !step.failed || *at == last);
        Some(shown.map(|(_, step)| step.write).collect())
    }
}
