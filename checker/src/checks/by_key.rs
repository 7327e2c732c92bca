//! What checks that walk over a history have in common: the operations of each key, and how they are named.

use std::collections::BTreeMap;

use crate::history::{Datum, History, Op, Sym, ValueId};

/// The operations of a key, as positions in [`History::ops`].
pub(crate) type ByKey<'r> = BTreeMap<&'r str, Vec<usize>>;

/// Operations by key, in the order of invocation. Refused are functions that the law does not know, since what they do to
/// the object is unknown.
pub(crate) fn by_key<'r>(records: &'r History, functions: &[&str]) -> Result<ByKey<'r>, String> {
    let known: Vec<Sym> = functions.iter().filter_map(|name| records.sym(name)).collect();
    if let Some(other) = records.ops.iter().find(|op| !known.contains(&op.f)) {
        let known = functions.join(", ");
        let f = records.text(other.f);
        return Err(format!("the model knows no `{f}`: its functions are {known}"));
    }
    let mut keys: BTreeMap<Sym, Vec<usize>> = BTreeMap::new();
    for (at, op) in records.ops.iter().enumerate() {
        keys.entry(op.key).or_default().push(at);
    }
    Ok(keys.into_iter().map(|(key, ops)| (records.text(key), ops)).collect())
}

/// Whether an operation has this function.
pub(crate) fn is(records: &History, op: &Op, name: &str) -> bool {
    records.text(op.f) == name
}

/// The elements of a list; nothing read is no elements.
pub(crate) fn elements(records: &History, value: ValueId) -> Option<&[ValueId]> {
    match records.datum(value) {
        Datum::Nil => Some(&[]),
        Datum::List(elements) => Some(elements),
        _ => None,
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
