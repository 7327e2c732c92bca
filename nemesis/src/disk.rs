//! What faults of disks have in common.
//!
//! Of some the node dies. Each of those is a process fault as well: its nodes must be seen dead while it lasts and
//! running again afterwards. The disk's own counters are read before the fault was injected, right after, and when the
//! node was started again. Others are rules on the disks of nodes that go on, or may.

use crate::evidence::Finding;
use crate::measured::{DiskReading, Measured, rise};
use crate::stage::Stage;
use crate::surface::{DiskStatistics, ProcessState, SurfaceError};
use crate::words::{count, grouped};

/// EIO as programs word it: by the C library, and by the one of Go.
pub(crate) const INPUT_OUTPUT: [&str; 2] = ["Input/output error", "input/output error"];
/// ENOSPC.
pub(crate) const NO_SPACE: [&str; 2] = ["No space left on device", "no space left on device"];

/// Reads the disks before the fault is injected.
///
/// # Errors
/// When a disk cannot be read: the fault could not be proved.
pub(crate) async fn read_before(stage: &mut Stage<'_>, nodes: &[String]) -> Result<(), SurfaceError> {
    for node in nodes {
        let disk = stage.surface().disk_statistics(node).await?;
        let reading = stage.measured().disks.entry(node.clone()).or_default();
        (reading.before, reading.after, reading.end) = (disk, disk, disk);
    }
    Ok(())
}

/// Reads the disks once the fault was injected.
///
/// # Errors
/// When a disk cannot be read: the fault could not be proved.
pub(crate) async fn read_after(stage: &mut Stage<'_>, nodes: &[String]) -> Result<(), SurfaceError> {
    for node in nodes {
        let disk = stage.surface().disk_statistics(node).await?;
        stage.measured().disks.entry(node.clone()).or_default().after = disk;
    }
    Ok(())
}

/// Reads a disk at the end of its fault.
///
/// # Errors
/// When it cannot be read.
pub(crate) async fn read_end(stage: &mut Stage<'_>, node: &str) -> Result<(), SurfaceError> {
    let disk = stage.surface().disk_statistics(node).await?;
    stage.measured().disks.entry(node.to_owned()).or_default().end = disk;
    Ok(())
}

/// Starts a node from what is on its disk, unless it runs, and reads the disk's counters.
///
/// # Errors
/// When the node does not start or its disk cannot be read.
pub(crate) async fn restart(stage: &mut Stage<'_>, node: &str) -> Result<(), SurfaceError> {
    read_end(stage, node).await?;
    let started = match stage.state_of(node).await {
        Some(ProcessState::Running) => Ok(()),
        _ => stage.surface().restart(node).await,
    };
    read_end(stage, node).await?;
    started
}

/// Brings back the nodes of a fault that took nothing but what was on their disks.
pub(crate) async fn restart_all(stage: &mut Stage<'_>, nodes: &[String]) {
    for node in nodes {
        let started = restart(stage, node).await;
        note_return(stage, node, started);
    }
    stage.note_running(nodes).await;
}

/// Notes that a node could not be brought back, if it could not.
pub(crate) fn note_return(stage: &mut Stage<'_>, node: &str, result: Result<(), SurfaceError>) {
    stage.note_failure(&format!("bringing back {node} failed"), result);
}

/// The finding on the disks of a fault that is a rule on them, or why they could not be measured.
pub(crate) fn judge(measured: &Measured, nodes: &[String], judge: impl FnOnce(&[DiskReading]) -> Finding) -> Finding {
    match nodes.iter().find(|node| !measured.disks_at_end.contains(*node)) {
        Some(node) => Finding::failed(format!("the disk of {node} could not be measured at the end")),
        None => judge(&measured.disks_of(nodes)),
    }
}

/// A fault that strikes a share of the calls must have struck one: `call` and `struck` say what happened, as in
/// "3 reads failed".
pub(crate) fn judge_struck(
    measured: &Measured,
    nodes: &[String],
    call: &str,
    struck: &str,
    figure: &str,
    counted: fn(&DiskStatistics) -> u64,
) -> Finding {
    judge(measured, nodes, |disks| {
        let calls = rise(disks, counted);
        let hit = disks.iter().filter(|disk| disk.rise(counted) > 0).count() as u64;
        let of = format!("on {} of {}", grouped(hit), count(disks.len() as u64, "node"));
        Finding::new(calls > 0, format!("{} {struck} {of}", count(calls, call)), [(figure, calls), ("nodes_hit", hit)])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_must_be_struck_and_the_disks_be_read() {
        let nodes = ["n1".to_owned(), "n2".to_owned()];
        let measured = |failed_reads| {
            let end = DiskStatistics { failed_reads, ..DiskStatistics::default() };
            let mut measured = Measured::default();
            measured.disks.insert("n2".to_owned(), DiskReading { end, ..DiskReading::default() });
            measured.disks_at_end.extend(nodes.iter().cloned());
            measured
        };
        let judge = |measured: &Measured| {
            judge_struck(measured, &nodes, "read", "failed", "failed_reads", |disk| disk.failed_reads)
        };
        let finding = judge(&measured(3));
        assert_eq!((finding.proved, finding.evidence.as_str()), (true, "3 reads failed on 1 of 2 nodes"));
        assert!(!judge(&measured(0)).proved);
        let blind = judge(&Measured { disks_at_end: Default::default(), ..measured(3) });
        assert!(!blind.proved && blind.evidence.contains("n1 could not be measured"), "{blind:?}");
    }
}
