//! Laws of single workloads that are decided by a walk over the history, without a search for an order.
//!
//! Each is necessary for its object to be correct, and each violation is told by the two or three operations that break
//! it. The definitions are those of Jepsen's checkers where there is one, and said in each file.

pub mod bank;
pub mod dirty_reads;
pub mod long_fork;
pub mod monotonic;
pub mod set_full;
pub mod staleness;
pub mod total_queue;
pub mod unique_ids;

use std::collections::BTreeMap;

use crate::decision::Decision;
use crate::records::{Datum, Op, Records, Sym, ValueId};

/// The operations of a key, as positions in [`Records::ops`].
type ByKey<'r> = BTreeMap<&'r str, Vec<usize>>;

/// Operations by key, in the order of invocation. Refused are functions that the law does not know, since what they do to
/// the object is unknown.
fn by_key<'r>(records: &'r Records, functions: &[&str]) -> Result<ByKey<'r>, Decision> {
    let known: Vec<Sym> = functions.iter().filter_map(|name| records.sym(name)).collect();
    if let Some(other) = records.ops.iter().find(|op| !known.contains(&op.f)) {
        let known = functions.join(", ");
        let f = records.text(other.f);
        return Err(Decision::inconclusive(format!("the model knows no `{f}`: its functions are {known}")));
    }
    let mut keys: BTreeMap<Sym, Vec<usize>> = BTreeMap::new();
    for (at, op) in records.ops.iter().enumerate() {
        keys.entry(op.key).or_default().push(at);
    }
    Ok(keys.into_iter().map(|(key, ops)| (records.text(key), ops)).collect())
}

/// Whether an operation has this function.
fn is(records: &Records, op: &Op, name: &str) -> bool {
    records.text(op.f) == name
}

/// The elements of a list; nothing read is no elements.
fn elements(records: &Records, value: ValueId) -> Option<&[ValueId]> {
    match records.datum(value) {
        Datum::Nil => Some(&[]),
        Datum::List(elements) => Some(elements),
        _ => None,
    }
}

/// ` of KEY`, or nothing for an operation without a key.
fn of(key: &str) -> String {
    if key.is_empty() { String::new() } else { format!(" of {key}") }
}

/// The key as a violation has it.
fn named(key: &str) -> Option<String> {
    (!key.is_empty()).then(|| key.to_owned())
}

/// A time of the history in seconds, for people.
fn seconds(ns: u64) -> String {
    format!("{:.3} s", ns as f64 / 1e9)
}

/// The value at a share of the sorted ones (nearest rank); none of nothing.
fn quantile(sorted: &[u64], share: f64) -> Option<u64> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get(((last as f64) * share).round() as usize).copied()
}
