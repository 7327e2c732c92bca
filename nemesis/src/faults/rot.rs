//! Rot: killed, and a bit flipped in each of some rows; started again at the end, without the damaged rows.

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
use crate::words::count;

/// The most rows that may rot on a node in one fault.
pub const ROTTEN_ROWS_MAX: u64 = 1_000_000;

/// Killed, and a bit flipped in each of some rows; started again at the end, without the damaged rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rot {
    /// The nodes affected.
    pub nodes: Vec<String>,
    /// The number of rows on each node.
    pub rows: u64,
}

impl FaultKind for Rot {
    const FACTS: Facts = Facts {
        name: "rot",
        family: "disk",
        class: Class::Process,
        is_usual: false,
        ways: Ways::Names { usual: &["rot"], others: &[] },
        needs: &[Capability::Kill, Capability::RottenRows],
    };

    /// Always on the same node: what two replicas have acknowledged is then still on the other one.
    fn draw(_: &Refinement, drawing: &mut Drawing<'_>) -> Option<Self> {
        Some(Self { nodes: drawing.victim()?, rows: drawing.draw.log_uniform(1, 100) })
    }
}

impl Effect for Rot {
    fn nodes(&self) -> &[String] {
        &self.nodes
    }

    fn detail(&self, _: &[String]) -> String {
        format!("{}, {} rows each", self.nodes.join(" "), self.rows)
    }

    fn check_amounts(&self) -> Result<(), Problem> {
        check_amount("rows", self.rows, 1..=ROTTEN_ROWS_MAX as i64, "1 to 1,000,000")
    }

    fn wanted_state(&self) -> Option<ProcessState> {
        Some(ProcessState::Dead)
    }

    fn begin<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a, Result<(), SurfaceError>> {
        Box::pin(async move {
            stage.ledger().disks_rotten.extend(self.nodes.iter().cloned());
            stage.kill(&self.nodes).await?;
            disk::read_before(stage, &self.nodes).await?;
            for node in &self.nodes {
                stage.surface().rot(node, self.rows).await?;
            }
            disk::read_after(stage, &self.nodes).await
        })
    }

    fn end<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a> {
        Box::pin(async move {
            for node in &self.nodes {
                let started = restart(stage, node).await;
                disk::note_return(stage, node, started);
            }
            stage.note_running(&self.nodes).await;
        })
    }

    fn finding(&self, measured: &Measured) -> Finding {
        let process = evidence::process("dead", &self.nodes, &measured.affected, &measured.running);
        judge(process, &measured.disks_of(&self.nodes))
    }
}

/// Starts a node whose rows have rotted: it must refuse to start, and is then started without those rows.
///
/// # Errors
/// When the node starts although rows have rotted, or does not start without them.
async fn restart(stage: &mut Stage<'_>, node: &str) -> Result<(), SurfaceError> {
    disk::read_end(stage, node).await?;
    let rows = stage.measured().disks.get(node).map_or(0, |disk| disk.rise(|disk| disk.rotten_rows));
    let started = match stage.state_of(node).await {
        Some(ProcessState::Running) => Ok(()),
        _ => match (stage.surface().restart(node).await, rows) {
            (Ok(()), 0) => Ok(()),
            (Ok(()), rows) => Err(SurfaceError(format!("it took {rows} rotten rows for good"))),
            (Err(_), _) => stage.surface().restart_without_damaged(node).await,
        },
    };
    disk::read_end(stage, node).await?;
    started
}

/// Rows must have rotted, and the nodes must have been started without exactly these.
fn judge(process: Finding, disks: &[DiskReading]) -> Finding {
    let rotten = rise(disks, |disk| disk.rotten_rows);
    let dropped = rise(disks, |disk| disk.dropped_rows);
    let measured = format!("{} rotten, started without {dropped}", count(rotten, "row"));
    let mut finding = process.and(rotten > 0 && dropped == rotten, &measured);
    finding.add("rotten_rows", rotten);
    finding.add("dropped_rows", dropped);
    finding
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_words() {
        let rot = Rot { nodes: vec!["n2".into(), "n3".into()], rows: 7 };
        assert_eq!(rot.detail(&[]), "n2 n3, 7 rows each");
    }
}
