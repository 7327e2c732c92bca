//! What checks that walk over a history have in common: the operations of each key, and how they are named.

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::Finding;
use crate::history::{History, Op, Sym, ValueId};
use crate::objects::completion::written;

/// The operations of a key, as positions in [`History::ops`].
pub(crate) type ByKey<'r> = BTreeMap<&'r str, Vec<usize>>;

/// Operations by key, in the order of invocation. Functions that the check does not know are refused, since their effect
/// on the object is unknown.
pub(crate) fn by_key<'r>(records: &'r History, functions: &[&str]) -> Result<ByKey<'r>, String> {
    let known: Vec<Sym> = functions.iter().filter_map(|name| records.sym(name)).collect();
    if records.ops.iter().any(|op| !known.contains(&op.f)) {
        return Err(unknown_functions(records, functions));
    }
    let mut keys: BTreeMap<Sym, Vec<usize>> = BTreeMap::new();
    for (at, op) in records.ops.iter().enumerate() {
        keys.entry(op.key).or_default().push(at);
    }
    Ok(keys.into_iter().map(|(key, ops)| (records.text(key), ops)).collect())
}

/// What is said where operations have other functions than a model knows: all of those are named.
pub(crate) fn unknown_functions(records: &History, known: &[&str]) -> String {
    const SHOWN_MAX: usize = 8;
    let names: BTreeSet<&str> = records.ops.iter().map(|op| records.text(op.f)).collect();
    let others: Vec<String> =
        names.iter().filter(|name| !known.contains(name)).map(|name| format!("`{}`", name.escape_debug())).collect();
    let more = others.len().saturating_sub(SHOWN_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let (others, known) = (others[..others.len().min(SHOWN_MAX)].join(", "), known.join(", "));
    let are = if known.contains(", ") { "functions are" } else { "function is" };
    format!("the model knows no {others}{more}: its {are} {known}; --rename maps names")
}

/// Whether an operation has this function.
pub(crate) fn is(records: &History, op: &Op, name: &str) -> bool {
    records.text(op.f) == name
}

/// What operations that are `ok` with `false` leave open, counted.
#[derive(Default)]
pub(crate) struct Denials(u64);

impl Denials {
    /// The value that a change brought, and whether it is known to have happened.
    pub(crate) fn change(&mut self, records: &History, op: &Op) -> (ValueId, bool) {
        match written(records, op) {
            Ok(value) => (value, op.is_ok()),
            Err(_) => {
                self.0 += 1;
                (op.argument, false)
            }
        }
    }

    /// Says how many there are, if there are any.
    pub(crate) fn doubt(&self, finding: &mut Finding) {
        if self.0 > 0 {
            finding.doubt(format!("{} changes are `ok` with false: one that did nothing must be `fail`", self.0));
        }
    }
}

/// The elements of a list or a set; nil is none: of what an object begins with.
pub(crate) fn elements(records: &History, value: ValueId) -> Option<&[ValueId]> {
    if value.is_nil() { Some(&[]) } else { records.datum(value).elements() }
}

/// Reads that are `ok` without a value. What they showed is not known, whatever the object begins with.
#[derive(Default)]
pub(crate) struct Unread {
    count: u64,
    /// The index of the first one's completion.
    first: Option<u64>,
}

impl Unread {
    /// Whether an `ok` read has no value; it is counted then.
    pub(crate) fn is(&mut self, records: &History, op: &Op) -> bool {
        let is_unread = op.result.is_nil();
        if is_unread {
            self.count += 1;
            self.first.get_or_insert_with(|| records.event_index(op.ret));
        }
        is_unread
    }

    /// Says how many there are, if there are any.
    pub(crate) fn doubt(&self, finding: &mut Finding) {
        if let Some(index) = self.first {
            let Self { count, .. } = self;
            finding.doubt(format!(
                "{count} reads are `ok` without a value (index {index}): what they showed is not recorded"
            ));
        }
    }
}

/// ` of KEY`, or nothing for an operation without a key.
pub(crate) fn of(key: &str) -> String {
    if key.is_empty() { String::new() } else { format!(" of {key}") }
}

/// A time of the history in seconds, for people.
pub(crate) fn seconds(ns: u64) -> String {
    format!("{:.3} s", ns as f64 / 1e9)
}
