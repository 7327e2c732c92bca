//! Power: a power failure of all of its nodes at once. What their disks had not synced may be lost; started again at the
//! end.

use serde::{Deserialize, Serialize};

use crate::capability::Capability;
use crate::disk;
use crate::evidence::{self, Finding};
use crate::fault::Class;
use crate::kind::{Drawing, Effect, Facts, FaultKind, Refinement, Ways};
use crate::measured::{DiskReading, Measured, rise};
use crate::stage::{Stage, Step};
use crate::surface::{Loss, ProcessState, SurfaceError};
use crate::target::Target;
use crate::words::count;

/// A power failure of all of them at once: what their disks had not synced may be lost; started again at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Power {
    /// The nodes affected.
    pub nodes: Vec<String>,
}

impl FaultKind for Power {
    const FACTS: Facts = Facts {
        name: "power",
        family: "disk",
        class: Class::Process,
        is_usual: false,
        ways: Ways::Names { usual: &["power"], others: &[] },
        needs: &[Capability::Kill, Capability::PowerFailure],
    };

    fn draw(_: &Refinement, drawing: &mut Drawing<'_>) -> Option<Self> {
        Some(Self { nodes: drawn(drawing)? })
    }
}

/// The whole building, or some of its racks. Not always all: without a running node no operation can succeed.
pub(super) fn drawn(drawing: &mut Drawing<'_>) -> Option<Vec<String>> {
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

    fn begin<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a, Result<(), SurfaceError>> {
        Box::pin(fail(stage, &self.nodes, Loss::Usual))
    }

    fn end<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a> {
        Box::pin(disk::restart_all(stage, &self.nodes))
    }

    fn finding(&self, measured: &Measured) -> Finding {
        finding(measured, &self.nodes)
    }
}

/// Fails the power of nodes. The disks count a power failure when it happens, so they are read before it.
///
/// # Errors
/// What the surface could not do.
pub(super) async fn fail(stage: &mut Stage<'_>, nodes: &[String], loss: Loss) -> Result<(), SurfaceError> {
    disk::read_before(stage, nodes).await?;
    stage.expect_death(nodes);
    stage.surface().fail_power(nodes, loss).await?;
    disk::read_after(stage, nodes).await
}

/// The finding of a power failure of nodes, whatever it takes.
pub(super) fn finding(measured: &Measured, nodes: &[String]) -> Finding {
    let process = evidence::process("dead", nodes, &measured.affected, &measured.running);
    judge(process, &measured.disks_of(nodes))
}

/// Every disk must have counted a power failure; the figures say what became of what was not synced.
fn judge(process: Finding, disks: &[DiskReading]) -> Finding {
    let lost = rise(disks, |disk| disk.lost_batches);
    let torn = rise(disks, |disk| disk.torn_batches);
    let kept = rise(disks, |disk| disk.kept_batches);
    let each = disks.iter().all(|disk| disk.rise(|disk| disk.power_failures) > 0);
    let (bytes, files) = (rise(disks, |disk| disk.lost_bytes), rise(disks, |disk| disk.lost_files));
    let measured = match bytes {
        0 => format!("of what was not synced {lost} batches lost ({torn} torn), {kept} kept"),
        _ => format!("of what was not synced {} lost in {}", count(bytes, "byte"), count(files, "file")),
    };
    let mut finding = process.and(each, &measured);
    if bytes > 0 {
        finding.add("lost_bytes", bytes);
        finding.add("lost_files", files);
    }
    for (name, value) in [("lost_batches", lost), ("torn_batches", torn), ("kept_batches", kept)] {
        finding.add(name, value);
    }
    finding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::DiskStatistics;

    #[test]
    fn it_needs_a_power_failure_of_every_disk() {
        let disk = |power_failures, lost_bytes| DiskReading {
            end: DiskStatistics { power_failures, lost_bytes, lost_files: 2, ..Default::default() },
            ..Default::default()
        };
        let seen = || Finding { proved: true, evidence: "n1 n2 seen dead".into(), ..Finding::default() };
        let finding = judge(seen(), &[disk(1, 4096), disk(1, 0)]);
        assert_eq!(finding.evidence, "n1 n2 seen dead; of what was not synced 4,096 bytes lost in 4 files");
        assert!(finding.proved && finding.figures["lost_bytes"] == 4096);
        assert!(!judge(seen(), &[disk(1, 4096), disk(0, 0)]).proved, "killed is not without power");
    }
}
