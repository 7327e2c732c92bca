//! Failing syncs: every sync of the disk fails, and the node ends at its first; started again on a working disk at the
//! end.

use serde::{Deserialize, Serialize};

use crate::disk;
use crate::evidence::{self, Finding};
use crate::fault::Class;
use crate::kind::{Drawing, Effect, Facts, FaultKind, Refinement, Ways};
use crate::measured::{DiskReading, Measured, rise};
use crate::stage::{Stage, Step};
use crate::surface::{ProcessState, SurfaceError};
use crate::target::few;
use crate::words::count;

/// Every sync of the disk fails, and the node ends at its first; started again on a working disk at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyncFail {
    /// The nodes affected.
    pub nodes: Vec<String>,
}

impl FaultKind for SyncFail {
    const FACTS: Facts = Facts {
        name: "sync-fail",
        family: "disk",
        class: Class::Process,
        is_usual: false,
        ways: Ways::Names(&["sync-fail"]),
    };

    /// Members alone: others have nothing to sync.
    fn draw(_: &Refinement, drawing: &mut Drawing<'_>) -> Option<Self> {
        Some(Self { nodes: few(drawing.members, drawing.draw) })
    }
}

impl Effect for SyncFail {
    fn nodes(&self) -> &[String] {
        &self.nodes
    }

    fn wanted_state(&self) -> Option<ProcessState> {
        Some(ProcessState::Dead)
    }

    fn begin<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a, Result<(), SurfaceError>> {
        Box::pin(async move {
            stage.expect_death(&self.nodes);
            stage.ledger().disks_failing.extend(self.nodes.iter().cloned());
            disk::read_before(stage, &self.nodes).await?;
            for node in &self.nodes {
                stage.surface().fail_syncs(node, true).await?;
            }
            disk::read_after(stage, &self.nodes).await
        })
    }

    fn end<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a> {
        Box::pin(async move {
            for node in &self.nodes {
                let mended = match stage.surface().fail_syncs(node, false).await {
                    Ok(()) => disk::restart(stage, node).await,
                    Err(error) => Err(error),
                };
                disk::note_return(stage, node, mended);
            }
            stage.note_running(&self.nodes).await;
        })
    }

    fn finding(&self, measured: &Measured) -> Finding {
        let process = evidence::process("dead", &self.nodes, &measured.affected, &measured.running);
        judge(process, &measured.disks_of(&self.nodes))
    }
}

/// A sync must have failed on every disk.
fn judge(process: Finding, disks: &[DiskReading]) -> Finding {
    let failed = rise(disks, |disk| disk.failed_syncs);
    let each = disks.iter().all(|disk| disk.rise(|disk| disk.failed_syncs) > 0);
    let mut finding = process.and(each, &format!("{} failed", count(failed, "sync")));
    finding.add("failed_syncs", failed);
    finding
}
