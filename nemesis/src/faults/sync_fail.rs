//! Failing syncs: every sync of the disk fails, and a node that knows what that means ends at its first; started again on a
//! working disk at the end. One that goes on is not ended: what it acknowledges is judged like the rest.

use serde::{Deserialize, Serialize};

use crate::capability::Capability;
use crate::disk;
use crate::evidence::{self, Finding};
use crate::fault::Class;
use crate::kind::{Drawing, Effect, Facts, FaultKind, Refinement, Ways};
use crate::measured::{DiskReading, Measured, rise};
use crate::stage::{Share, Stage, Step};
use crate::surface::{DiskRule, ProcessState};
use crate::target::few;
use crate::words::count;

/// Every sync of the disk fails; the nodes that ended are started again on a working disk at the end.
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
        ways: Ways::Names { usual: &["sync-fail"], others: &[] },
        needs: &[Capability::Kill, Capability::SyncErrors],
    };

    /// Members alone: others have nothing to sync.
    fn draw(_: &Refinement, drawing: &mut Drawing<'_>) -> Option<Self> {
        Some(Self { nodes: few(drawing.members, drawing.draw) })
    }
}

impl Effect for SyncFail {
    fn errors_in_logs(&self) -> &'static [&'static str] {
        &disk::INPUT_OUTPUT
    }

    fn nodes(&self) -> &[String] {
        &self.nodes
    }

    fn wanted_state(&self) -> Option<ProcessState> {
        Some(ProcessState::Dead)
    }

    fn share(&self) -> Share {
        Share::Disk(DiskRule { sync_error_percent: 100, ..DiskRule::default() })
    }

    fn may_kill(&self) -> bool {
        true
    }

    fn end<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a> {
        Box::pin(async move {
            stage.relieve(self.share(), &[], &self.nodes).await;
            disk::restart_all(stage, &self.nodes).await;
        })
    }

    fn finding(&self, measured: &Measured) -> Finding {
        let (ended, went_on): (Vec<String>, Vec<String>) =
            self.nodes.iter().cloned().partition(|node| measured.affected.contains(node));
        let mut process = evidence::process("dead", &ended, &measured.affected, &measured.running);
        if !went_on.is_empty() {
            let ended = if ended.is_empty() { String::new() } else { format!("{}; ", process.evidence) };
            process.evidence = format!("{ended}{} went on", went_on.join(" "));
            process.add("nodes", self.nodes.len() as u64);
        }
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
