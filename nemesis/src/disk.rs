//! Disk faults: how they are injected, and what proves that a disk was emptied, lost unsynced writes, failed or rotted.
//!
//! A node does not survive any of them, so each is a process fault as well: its nodes must be seen dead while it lasts
//! and running again afterwards. The disk's own counters are measured in addition.

use std::collections::{BTreeMap, BTreeSet};

use crate::evidence::{self, Finding};
use crate::fault::Fault;
use crate::surface::{DiskStatistics, Surface, SurfaceError};

/// A disk's counters before a fault, once it was injected, and at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskReading {
    /// While the node was dead or about to die, before the fault was injected.
    pub before: DiskStatistics,
    /// Once the fault was injected.
    pub after: DiskStatistics,
    /// When the node was started again.
    pub end: DiskStatistics,
}

impl DiskReading {
    /// By how much a counter has grown from before the fault to its end.
    fn rise(&self, count: fn(&DiskStatistics) -> u64) -> u64 {
        count(&self.end).saturating_sub(count(&self.before))
    }
}

/// Injects the part of a disk fault that changes disks. Killing the nodes and reading the counters before and after is
/// up to the caller.
///
/// # Errors
/// What the surface could not do.
pub(crate) async fn inject(fault: &Fault, surface: &dyn Surface) -> Result<(), SurfaceError> {
    match fault {
        Fault::Wipe { nodes } => {
            for node in nodes {
                surface.wipe(node).await?;
            }
        }
        Fault::Rot { nodes, rows } => {
            for node in nodes {
                surface.rot(node, *rows).await?;
            }
        }
        Fault::SyncFail { nodes } => {
            for node in nodes {
                surface.fail_syncs(node, true).await?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Starts a node whose rows have rotted: it must refuse to start, and is then started without those rows.
///
/// # Errors
/// When the node starts although rows have rotted, or does not start without them.
pub(crate) async fn restart_rotten(
    node: &str,
    reading: &DiskReading,
    surface: &dyn Surface,
) -> Result<(), SurfaceError> {
    match (surface.restart(node).await, reading.rise(|disk| disk.rotten_rows)) {
        (Ok(()), 0) => Ok(()),
        (Ok(()), rows) => Err(SurfaceError(format!("it took {rows} rotten rows for good"))),
        (Err(_), _) => surface.restart_without_damaged(node).await,
    }
}

/// The finding of a disk fault: the nodes seen dead and running again, and what each node's disk counted.
pub(crate) fn finding(
    fault: &Fault,
    affected: &BTreeSet<String>,
    running: &BTreeSet<String>,
    readings: &BTreeMap<String, DiskReading>,
) -> Finding {
    let mut finding = evidence::process("dead", fault.own_nodes(), affected, running);
    let reading = |node: &String| readings.get(node).copied().unwrap_or_default();
    let readings: Vec<DiskReading> = fault.own_nodes().iter().map(reading).collect();
    let sum = |count: &dyn Fn(&DiskReading) -> u64| readings.iter().map(count).fold(0, u64::saturating_add);
    let (proved, measured) = match fault {
        Fault::Wipe { .. } => {
            let (bytes, left) = (sum(&|disk| disk.before.bytes), sum(&|disk| disk.after.bytes));
            finding.add("wiped_bytes", bytes.saturating_sub(left));
            let each = readings.iter().all(|disk| disk.before.bytes > 0 && disk.after.bytes == 0);
            (each, format!("{} taken off their disks, {left} left", evidence::count(bytes - left.min(bytes), "byte")))
        }
        Fault::Power { .. } => {
            let lost = sum(&|disk| disk.rise(|disk| disk.lost_batches));
            let torn = sum(&|disk| disk.rise(|disk| disk.torn_batches));
            let kept = sum(&|disk| disk.rise(|disk| disk.kept_batches));
            for (name, value) in [("lost_batches", lost), ("torn_batches", torn), ("kept_batches", kept)] {
                finding.add(name, value);
            }
            (true, format!("of what was not synced {lost} batches lost ({torn} torn), {kept} kept"))
        }
        Fault::SyncFail { .. } => {
            let failed = sum(&|disk| disk.rise(|disk| disk.failed_syncs));
            finding.add("failed_syncs", failed);
            let each = readings.iter().all(|disk| disk.rise(|disk| disk.failed_syncs) > 0);
            (each, format!("{} failed", evidence::count(failed, "sync")))
        }
        Fault::Rot { .. } => {
            let rotten = sum(&|disk| disk.rise(|disk| disk.rotten_rows));
            let dropped = sum(&|disk| disk.rise(|disk| disk.dropped_rows));
            finding.add("rotten_rows", rotten);
            finding.add("dropped_rows", dropped);
            let measured = format!("{} rotten, started without {dropped}", evidence::count(rotten, "row"));
            (rotten > 0 && dropped == rotten, measured)
        }
        _ => return finding,
    };
    finding.proved &= proved;
    finding.evidence = format!("{}; {measured}", finding.evidence);
    finding
}
