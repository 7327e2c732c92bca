//! Power: a power failure of all of its nodes at once. What their disks had not synced may be lost; started again at the
//! end.

use serde::{Deserialize, Serialize};

use crate::disk;
use crate::evidence::{self, Finding};
use crate::fault::Class;
use crate::kind::{Drawing, Effect, Facts, FaultKind, Refinement, Ways};
use crate::measured::{DiskReading, Measured, rise};
use crate::stage::{Stage, Step};
use crate::surface::{ProcessState, SurfaceError};
use crate::target::Target;

/// A power failure of all of them at once: what their disks had not synced may be lost; started again at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Power {
    /// The nodes affected.
    pub nodes: Vec<String>,
}

impl FaultKind for Power {
    const FACTS: Facts =
        Facts { name: "power", family: "disk", class: Class::Process, is_usual: false, ways: Ways::Names(&["power"]) };

    fn draw(_: &Refinement, drawing: &mut Drawing<'_>) -> Option<Self> {
        Some(Self { nodes: without_power(drawing)? })
    }
}

/// The whole building, or some of its racks. Not always all: without a running node no operation can succeed.
pub(super) fn without_power(drawing: &mut Drawing<'_>) -> Option<Vec<String>> {
    let target = if drawing.draw.below(3) == 0 { Target::All } else { Target::Majority };
    target.resolve(drawing.nodes, drawing.draw).ok()
}

impl Effect for Power {
    fn nodes(&self) -> &[String] {
        &self.nodes
    }

    fn wanted_state(&self) -> Option<ProcessState> {
        Some(ProcessState::Dead)
    }

    /// The disks count a power failure when it happens, so they are read before it.
    fn begin<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a, Result<(), SurfaceError>> {
        Box::pin(async move {
            disk::read_before(stage, &self.nodes).await?;
            stage.kill(&self.nodes).await?;
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

/// That the nodes were dead is the power failure; the figures say what became of what was not synced.
fn judge(process: Finding, disks: &[DiskReading]) -> Finding {
    let lost = rise(disks, |disk| disk.lost_batches);
    let torn = rise(disks, |disk| disk.torn_batches);
    let kept = rise(disks, |disk| disk.kept_batches);
    let measured = format!("of what was not synced {lost} batches lost ({torn} torn), {kept} kept");
    let mut finding = process.and(true, &measured);
    for (name, value) in [("lost_batches", lost), ("torn_batches", torn), ("kept_batches", kept)] {
        finding.add(name, value);
    }
    finding
}
