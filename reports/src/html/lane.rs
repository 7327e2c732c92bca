//! The faults of a run in lanes: one for each kind, with rows in which none overlap.

use std::collections::BTreeMap;

use checker::verdict::FaultFinding;

use super::section::window;
use crate::format::abbreviate;

/// The most faults drawn, and the most rows that overlapping faults of one kind take.
const FAULTS_MAX: usize = 300;
const LANE_ROWS_MAX: usize = 4;

/// The faults of one kind, in rows in which none overlap.
pub(super) struct Lane<'a> {
    pub(super) kind: &'a str,
    /// Each with its row.
    pub(super) faults: Vec<(usize, &'a FaultFinding)>,
    pub(super) rows: usize,
}

/// A lane for each kind of fault that started.
pub(super) fn lanes(faults: &[FaultFinding], end_ns: u64) -> Vec<Lane<'_>> {
    let mut kinds: BTreeMap<&str, Vec<&FaultFinding>> = BTreeMap::new();
    for fault in faults.iter().filter(|f| f.start_ns.is_some()).take(FAULTS_MAX) {
        kinds.entry(&fault.kind).or_default().push(fault);
    }
    kinds.into_iter().map(|(kind, faults)| lane(kind, faults, end_ns)).collect()
}

/// Puts each fault into the first row that is free when it starts; past the last row they overlap.
fn lane<'a>(kind: &'a str, mut faults: Vec<&'a FaultFinding>, end_ns: u64) -> Lane<'a> {
    faults.sort_by_key(|f| (f.start_ns, f.fault));
    let mut free_at = [0; LANE_ROWS_MAX];
    let mut placed = Vec::with_capacity(faults.len());
    for fault in faults {
        let Some((start, stop)) = force(fault, end_ns) else {
            continue;
        };
        let row = free_at.iter().position(|free| *free <= start).unwrap_or(LANE_ROWS_MAX - 1);
        free_at[row] = free_at[row].max(stop);
        placed.push((row, fault));
    }
    let rows = placed.iter().map(|(row, _)| row + 1).max().unwrap_or(1);
    Lane { kind, faults: placed, rows }
}

/// When a fault was in force; one that was never healed lasts to the end of the run.
pub(super) fn force(fault: &FaultFinding, end_ns: u64) -> Option<(u64, u64)> {
    let start = fault.start_ns?;
    Some((start, fault.stop_ns.unwrap_or(end_ns).max(start)))
}

/// The text shown when a fault is pointed at.
pub(super) fn fault_title(fault: &FaultFinding, end_ns: u64) -> String {
    let proof = match (fault.proved, fault.foreign) {
        (true, _) => "proved: ",
        (false, true) => "",
        (false, false) => "not proved: ",
    };
    let (detail, evidence) = (abbreviate(&fault.detail, 120), abbreviate(&fault.evidence, 200));
    format!("{} {}: {detail}\n{}\n{proof}{evidence}", fault.kind, fault.fault, window(fault, None, end_ns))
}
