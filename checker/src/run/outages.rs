//! Outages: times in which faults left too few nodes running for the store to serve anything, as when the power of all
//! of them is gone.
//!
//! A function that never succeeds while faults are active makes a run inconclusive, as the claims were then not tried
//! under faults. In an outage this is not so. Nothing can succeed then, and what such a fault tries is whether that
//! survives which was acknowledged before it, and whether the store serves again. So there a function has to succeed
//! before an outage and after it instead. An operation in any other part of a fault still has to.

use std::collections::BTreeSet;

use super::faults::Windows;
use super::findings::{FaultFinding, OperationStatistics};
use super::kinds::is_stop;
use crate::history::{Operation, Phase};

/// What was tried this often and never succeeded is not known to do anything. Of fewer it may be chance: compare-and-sets may all
/// meet another value.
const TRIES_MIN: u64 = 20;
/// How much of an error is shown.
const ERROR_CHARS_MAX: usize = 200;

/// The functions that never succeeded, or were invoked while faults were active and never succeeded then, a sentence each.
pub(crate) fn doubts(
    operations: &[Operation<'_>],
    faults: &[FaultFinding],
    statistics: &[OperationStatistics],
    unnamed: &str,
    nodes_to_serve: usize,
) -> Vec<String> {
    // A foreign history was not planned to try each function while faults are active.
    if faults.iter().any(|fault| fault.foreign) {
        return Vec::new();
    }
    let tried = Tried { faults: Windows::new(faults), outages: outages(operations, faults, nodes_to_serve) };
    let never = statistics.iter().filter(|found| found.invoked_in_faults > 0 && found.ok_in_faults == 0);
    let doubtful = never.filter(|found| !never_succeeded(found) && !tried.by(&of(operations, found, unnamed)));
    let sentence = |found: &OperationStatistics| {
        let OperationStatistics { workload, f, .. } = found;
        format!("No `{f}` of `{workload}` succeeded while faults were active.")
    };
    let useless = statistics.iter().filter(|found| never_succeeded(found) && found.workload != unnamed);
    let useless = useless.map(|found| {
        let OperationStatistics { workload, f, .. } = found;
        let first = of(operations, found, unnamed).iter().find_map(Operation::error).map(bounded);
        let first = first.map_or_else(String::new, |error| format!(" The first: {error}."));
        format!("No `{f}` of `{workload}` succeeded: {} were tried.{first}", found.fail + found.info)
    });
    useless.chain(doubtful.map(sentence)).collect()
}

/// The beginning of an error, without the point at its end.
fn bounded(error: &str) -> &str {
    let end = error.char_indices().nth(ERROR_CHARS_MAX).map_or(error.len(), |(end, _)| end);
    error[..end].trim_end_matches(['.', ' '])
}

fn never_succeeded(found: &OperationStatistics) -> bool {
    found.ok == 0 && found.fail + found.info >= TRIES_MIN
}

/// The operations of the main phase that these statistics count.
fn of<'h>(operations: &[Operation<'h>], found: &OperationStatistics, unnamed: &str) -> Vec<Operation<'h>> {
    let is_counted = |operation: &&Operation<'h>| {
        operation.phase() == Phase::Main
            && operation.workload().unwrap_or(unnamed) == found.workload
            && operation.label() == found.f
    };
    operations.iter().filter(is_counted).copied().collect()
}

/// When faults were active, and in which part of that nothing could succeed.
struct Tried {
    faults: Windows,
    /// From when to when, ns since the run began, in order.
    outages: Vec<(u64, u64)>,
}

impl Tried {
    /// Whether a function that never succeeded while faults were active was tried by outages.
    fn by(&self, operations: &[Operation<'_>]) -> bool {
        let is_in_outage = |time: u64| self.outages.iter().any(|(from, to)| (*from..=*to).contains(&time));
        let mut invoked_in_faults =
            operations.iter().map(Operation::invoked_ns).filter(|invoked| self.faults.contain(*invoked));
        invoked_in_faults.all(is_in_outage) && self.outages.iter().any(|outage| is_survived(*outage, operations))
    }
}

/// Whether something succeeded before an outage, and something else after it.
fn is_survived((from, to): (u64, u64), operations: &[Operation<'_>]) -> bool {
    let ok = || operations.iter().filter(|operation| operation.is_ok());
    ok().any(|operation| operation.completed_ns().is_some_and(|completed| completed < from))
        && ok().any(|operation| operation.invoked_ns() > to)
}

/// The times in which proved faults left fewer nodes running, of those that were ever asked, than the store needs.
/// Time: O(faults²).
fn outages(operations: &[Operation<'_>], faults: &[FaultFinding], nodes_to_serve: usize) -> Vec<(u64, u64)> {
    let nodes: BTreeSet<&str> = operations.iter().filter_map(Operation::node).collect();
    let stopping: Vec<Stopping<'_>> = faults.iter().filter_map(Stopping::of).collect();
    let moments: BTreeSet<u64> = stopping.iter().flat_map(|fault| [fault.from, fault.to]).collect();
    let moments: Vec<u64> = moments.into_iter().collect();
    let is_outage = |span: &&[u64]| {
        let active = stopping.iter().filter(|fault| fault.from <= span[0] && fault.to >= span[1]);
        let stopped: BTreeSet<&str> = active.flat_map(|fault| fault.nodes.iter().map(String::as_str)).collect();
        nodes.difference(&stopped).count() < nodes_to_serve
    };
    moments.windows(2).filter(is_outage).map(|span| (span[0], span[1])).collect()
}

/// A proved fault whose nodes did not run while it lasted.
struct Stopping<'f> {
    from: u64,
    to: u64,
    nodes: &'f [String],
}

impl<'f> Stopping<'f> {
    fn of(fault: &'f FaultFinding) -> Option<Self> {
        let is_stopping = fault.proved && is_stop(&fault.kind);
        let (from, to) = (fault.start_ns?, fault.stop_ns?);
        is_stopping.then_some(Self { from, to, nodes: &fault.nodes })
    }
}
