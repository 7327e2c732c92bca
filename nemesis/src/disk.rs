//! Faults of disks that a node does not survive: what they have in common.
//!
//! Each is a process fault as well: its nodes must be seen dead while it lasts and running again afterwards. The disk's
//! own counters are read before the fault was injected, right after, and when the node was started again.

use crate::stage::Stage;
use crate::surface::{ProcessState, SurfaceError};

/// Reads the disks before the fault is injected.
///
/// # Errors
/// When a disk cannot be read: the fault could not be proved.
pub(crate) async fn read_before(stage: &mut Stage<'_>, nodes: &[String]) -> Result<(), SurfaceError> {
    for node in nodes {
        let disk = stage.surface().disk(node).await?;
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
        let disk = stage.surface().disk(node).await?;
        stage.measured().disks.entry(node.clone()).or_default().after = disk;
    }
    Ok(())
}

/// Reads a disk at the end of its fault.
///
/// # Errors
/// When it cannot be read.
pub(crate) async fn read_end(stage: &mut Stage<'_>, node: &str) -> Result<(), SurfaceError> {
    let disk = stage.surface().disk(node).await?;
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
