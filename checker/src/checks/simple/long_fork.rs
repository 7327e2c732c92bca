//! No two reads see two writes in different orders.
//!
//! Parallel snapshot isolation allows this anomaly, snapshot isolation does not (Sovran et al., SOSP 2011): one read
//! sees a write of x and not yet one of y, and another read sees the write of y and not yet that of x. Every key is
//! written at most once, so what a read saw of a group of keys is a set, and the sets of all reads of a group must form
//! a chain: sorted by size, each is a subset of the next. Two neighbours of which that is not true prove a fork.
//! Workload and condition are those of Jepsen's `long-fork`. O(r log r) for r micro-operations read.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::checks::check::{Check, Context, Nature, Scope, View};
use crate::finding::{Draft, Finding};
use crate::history::{Datum, History, Identities, ValueId};
use crate::limits::Limits;
use crate::objects::Object;

/// Checks that reads agree on the order of writes.
pub(crate) struct LongFork;

impl Check for LongFork {
    fn name(&self) -> &'static str {
        "long-fork"
    }

    fn about(&self) -> &'static str {
        "[w k v] once for each k, reads of several k: reads agree on the order of writes"
    }

    fn scope(&self) -> Scope {
        Scope::Workload
    }

    fn objects(&self) -> &'static [Object] {
        &[Object::MultiRegister]
    }

    fn nature(&self) -> Nature {
        Nature::LASTING.needing(200)
    }

    fn judge(&self, view: &View<'_>, context: &Context<'_>) -> Finding {
        view.by_records(|records| check(records, &context.limits))
    }
}

/// What a read saw of a group of keys: for each, in the order of keys, whether it was written.
struct Seen {
    op: usize,
    written: Vec<bool>,
}

/// Checks operations whose values are lists of micro-operations `[w k v]` and `[r k v]`.
pub(crate) fn check(records: &History, limits: &Limits<'_>) -> Finding {
    let groups = match groups(records) {
        Ok(groups) => groups,
        Err(problem) => return Finding::undecided(problem),
    };
    let mut finding = Finding::default();
    let reads: usize = groups.values().map(Vec::len).sum();
    let count = groups.len();
    for (keys, mut seen) in groups {
        seen.sort_by_key(|seen| (seen.written.iter().filter(|written| **written).count(), seen.op));
        for pair in seen.windows(2) {
            fork(records, &keys, pair, limits, &mut finding);
        }
    }
    if reads == 0 {
        finding.doubt("no read of several keys succeeded");
    }
    finding.headline = format!("long-fork: {reads} reads of {count} groups of keys, {} forks", finding.violations);
    finding.figure("reads", reads as f64);
    finding.figure("groups", count as f64);
    finding
}

/// The reads that succeeded and read at least two keys, grouped by these keys.
fn groups(records: &History) -> Result<BTreeMap<Vec<ValueId>, Vec<Seen>>, String> {
    let mut writes: FxHashMap<ValueId, usize> = FxHashMap::default();
    let mut groups: BTreeMap<Vec<ValueId>, Vec<Seen>> = BTreeMap::new();
    let mut same = Identities::new(records);
    for (at, op) in records.ops.iter().enumerate() {
        let value = if op.is_ok() { op.result } else { op.argument };
        let Datum::List(operations) = records.datum(value) else {
            return Err(format!("index {} has no list of micro-operations", records.event_index(op.call)));
        };
        let mut read: Vec<(ValueId, bool)> = Vec::new();
        for operation in operations {
            match records.micro(*operation) {
                Some(("r" | "read", key, value)) => {
                    let is_written = !records.is_equal(value, records.initial_of_value(key));
                    read.push((same.of(key), is_written));
                }
                Some(("w" | "write", key, _)) if writes.insert(same.of(key), at).is_none() => {}
                Some(("w" | "write", key, _)) => {
                    return Err(format!(
                        "the key {} is written twice: long-fork needs keys written once",
                        records.show(key)
                    ));
                }
                _ => return Err(format!("{} is neither [r k v] nor [w k v]", records.show(*operation))),
            }
        }
        if op.is_ok() && read.len() > 1 {
            read.sort_unstable();
            let (keys, written) = read.into_iter().unzip();
            groups.entry(keys).or_default().push(Seen { op: at, written });
        }
    }
    Ok(groups)
}

/// Adds a violation if neither of two reads saw everything that the other saw.
fn fork(records: &History, keys: &[ValueId], pair: &[Seen], limits: &Limits<'_>, finding: &mut Finding) {
    let [one, other] = pair else { return };
    debug_assert!(
        one.written.len() == keys.len() && other.written.len() == keys.len(),
        "the reads of a group read the same keys"
    );
    let only = |one: &Seen, other: &Seen| (0..keys.len()).find(|at| one.written[*at] && !other.written[*at]);
    let (Some(first), Some(second)) = (only(one, other), only(other, one)) else { return };
    finding.violated(limits, || {
        let (a, b) = (records.process_of(one.op), records.process_of(other.op));
        let (x, y) = (records.show(keys[first]), records.show(keys[second]));
        let explanation = format!(
            "Process {a} saw the write of {x} and not that of {y}, process {b} that of {y} and not that of {x}: they do not \
             agree which was first."
        );
        Draft::at(records, "long-fork", "", [one.op, other.op], explanation)
    });
}
