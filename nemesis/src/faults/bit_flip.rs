//! Bit flip: killed, and bits flipped at random in the files on its disk; started again at the end.
//!
//! A store that notices refuses to start. As an administrator would, the node's disk is then replaced by an empty one:
//! the other replicas have what was on it.

use serde::{Deserialize, Serialize};

use crate::capability::Capability;
use crate::disk;
use crate::evidence::{self, Finding};
use crate::fault::Class;
use crate::kind::{Drawing, Effect, Facts, FaultKind, Refinement, Ways};
use crate::measured::{DiskReading, Measured, rise};
use crate::problem::{Problem, check_amount};
use crate::stage::{Stage, Step};
use crate::surface::{ProcessState, SurfaceError};
use crate::words::{count, grouped};

/// The most bits that may be flipped on a node in one fault.
pub const BITS_MAX: u64 = 1_000_000;

/// Killed, and bits flipped in its files; started again at the end, with an empty disk if it refuses this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BitFlip {
    /// The nodes affected.
    pub nodes: Vec<String>,
    /// The number of bits on each node.
    pub bits: u64,
}

impl FaultKind for BitFlip {
    const FACTS: Facts = Facts {
        name: "bit-flip",
        family: "disk",
        class: Class::Process,
        is_usual: false,
        ways: Ways::Names { usual: &[], others: &["bit-flip"] },
        needs: &[Capability::Kill, Capability::FlippedBits, Capability::Wipe],
    };

    /// Always on the same node: what two replicas have acknowledged is then still on the other one.
    fn draw(_: &Refinement, drawing: &mut Drawing<'_>) -> Option<Self> {
        Some(Self { nodes: drawing.victim()?, bits: drawing.draw.log_uniform(1, 100) })
    }
}

impl Effect for BitFlip {
    fn nodes(&self) -> &[String] {
        &self.nodes
    }

    fn detail(&self, _: &[String]) -> String {
        format!("{}, {} each", self.nodes.join(" "), count(self.bits, "bit"))
    }

    fn check_amounts(&self) -> Result<(), Problem> {
        check_amount("bits", self.bits, 1..=BITS_MAX as i64, "1 to 1,000,000")
    }

    fn wanted_state(&self) -> Option<ProcessState> {
        Some(ProcessState::Dead)
    }

    fn begin<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a, Result<(), SurfaceError>> {
        Box::pin(async move {
            stage.kill(&self.nodes).await?;
            disk::read_before(stage, &self.nodes).await?;
            for node in &self.nodes {
                stage.surface().flip_bits(node, self.bits).await?;
            }
            disk::read_after(stage, &self.nodes).await
        })
    }

    fn end<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a> {
        Box::pin(async move {
            for node in &self.nodes {
                let started = restart_or_replace(stage, node).await;
                disk::note_return(stage, node, started);
            }
            stage.note_running(&self.nodes).await;
        })
    }

    fn finding(&self, measured: &Measured) -> Finding {
        let process = evidence::process("dead", &self.nodes, &measured.affected, &measured.running);
        judge(process, &measured.disks_of(&self.nodes), measured.disks_replaced.len() as u64)
    }
}

/// Starts a node, with an empty disk if it refuses its own.
async fn restart_or_replace(stage: &mut Stage<'_>, node: &str) -> Result<(), SurfaceError> {
    if disk::restart(stage, node).await.is_ok() {
        return Ok(());
    }
    if stage.state_of(node).await != Some(ProcessState::Dead) {
        stage.kill(&[node.to_owned()]).await?;
    }
    stage.surface().wipe(node).await?;
    stage.measured().disks_replaced.insert(node.to_owned());
    stage.surface().restart(node).await
}

/// A bit must have been flipped on every disk.
fn judge(process: Finding, disks: &[DiskReading], replaced: u64) -> Finding {
    let flipped = rise(disks, |disk| disk.flipped_bits);
    let each = disks.iter().all(|disk| disk.rise(|disk| disk.flipped_bits) > 0);
    let measured = format!("{} flipped, {} refused to start with them", count(flipped, "bit"), grouped(replaced));
    let mut finding = process.and(each, &measured);
    finding.add("flipped_bits", flipped);
    finding.add("disks_replaced", replaced);
    finding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::DiskStatistics;

    #[test]
    fn it_needs_a_flipped_bit_on_every_disk() {
        let disk = |flipped_bits| DiskReading {
            end: DiskStatistics { flipped_bits, ..Default::default() },
            ..Default::default()
        };
        let seen = || Finding { proved: true, evidence: "n1 seen dead".into(), ..Finding::default() };
        let finding = judge(seen(), &[disk(3), disk(1)], 1);
        assert_eq!(finding.evidence, "n1 seen dead; 4 bits flipped, 1 refused to start with them");
        assert!(finding.proved && !judge(seen(), &[disk(3), disk(0)], 0).proved);
    }
}
