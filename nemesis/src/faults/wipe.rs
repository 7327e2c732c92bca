//! Wipe: SIGKILL, and the disk is emptied; started again with an empty disk at the end.

use serde::{Deserialize, Serialize};

use crate::capability::Capability;
use crate::disk;
use crate::evidence::{self, Finding};
use crate::fault::Class;
use crate::kind::{Drawing, Effect, Facts, FaultKind, Refinement, Ways};
use crate::measured::{DiskReading, Measured};
use crate::stage::{Stage, Step};
use crate::surface::{ProcessState, SurfaceError};
use crate::words::count;

/// SIGKILL, and the disk is emptied; started again with an empty disk at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wipe {
    /// The nodes affected.
    pub nodes: Vec<String>,
}

impl FaultKind for Wipe {
    const FACTS: Facts = Facts {
        name: "wipe",
        family: "wipe",
        class: Class::Process,
        is_usual: false,
        ways: Ways::VictimOrTarget,
        needs: &[Capability::Kill, Capability::Wipe],
    };

    fn draw(way: &Refinement, drawing: &mut Drawing<'_>) -> Option<Self> {
        Some(Self { nodes: drawing.target(way)? })
    }
}

impl Effect for Wipe {
    fn nodes(&self) -> &[String] {
        &self.nodes
    }

    fn wanted_state(&self) -> Option<ProcessState> {
        Some(ProcessState::Dead)
    }

    fn begin<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a, Result<(), SurfaceError>> {
        Box::pin(async move {
            stage.kill(&self.nodes).await?;
            disk::read_before(stage, &self.nodes).await?;
            for node in &self.nodes {
                stage.surface().wipe(node).await?;
            }
            disk::read_after(stage, &self.nodes).await
        })
    }

    fn end<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a> {
        Box::pin(disk::restart_all(stage, &self.nodes))
    }

    fn finding(&self, measured: &Measured) -> Finding {
        let process = evidence::process("dead", &self.nodes, &measured.affected, &measured.running);
        judge(process, &measured.disks_of(&self.nodes))
    }
}

/// Every disk must have held something before, and nothing after.
fn judge(process: Finding, disks: &[DiskReading]) -> Finding {
    let sum = |count: fn(&DiskReading) -> u64| disks.iter().map(count).fold(0, u64::saturating_add);
    let (bytes, left) = (sum(|disk| disk.before.bytes), sum(|disk| disk.after.bytes));
    let wiped = bytes.saturating_sub(left);
    let each = disks.iter().all(|disk| disk.before.bytes > 0 && disk.after.bytes == 0);
    let mut finding = process.and(each, &format!("{} taken off their disks, {left} left", count(wiped, "byte")));
    finding.add("wiped_bytes", wiped);
    finding
}
