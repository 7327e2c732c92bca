//! Rolling restart: each node in its turn is killed and started again, as by an administrator who changes a setting.

use serde::{Deserialize, Serialize};

use crate::capability::Capability;
use crate::evidence::{self, Finding};
use crate::fault::Class;
use crate::kind::{Drawing, Effect, Facts, FaultKind, Refinement, Ways, equal_turns_ms};
use crate::measured::Measured;
use crate::stage::{Stage, Step};
use crate::surface::{ProcessState, SurfaceError};

/// Each node in its turn is killed and started again; only one is down at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restart {
    /// The nodes, in the order in which they are restarted.
    pub nodes: Vec<String>,
}

impl FaultKind for Restart {
    const FACTS: Facts = Facts {
        name: "restart",
        family: "restart",
        class: Class::Process,
        is_usual: false,
        ways: Ways::Alone,
        needs: &[Capability::Kill],
    };

    fn draw(_: &Refinement, drawing: &mut Drawing<'_>) -> Option<Self> {
        Some(Self { nodes: drawing.shuffled() })
    }
}

impl Effect for Restart {
    fn nodes(&self) -> &[String] {
        &self.nodes
    }

    fn begin<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a, Result<(), SurfaceError>> {
        Box::pin(take_down(stage, self.nodes.first()))
    }

    /// Each node is down for the same part of the time.
    fn turns_ms(&self, for_ms: u64) -> Vec<u64> {
        equal_turns_ms(self.nodes.len(), for_ms)
    }

    /// The next node is taken down only if the one before is up again.
    fn turn<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a, Result<(), SurfaceError>> {
        Box::pin(async move {
            let turn = stage.measured().turns as usize;
            if let Some(before) = self.nodes.get(turn.saturating_sub(1)) {
                stage.surface().restart(before).await?;
            }
            take_down(stage, self.nodes.get(turn)).await
        })
    }

    fn end<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a> {
        Box::pin(stage.restart(&self.nodes))
    }

    fn finding(&self, measured: &Measured) -> Finding {
        evidence::process("dead", &self.nodes, &measured.affected, &measured.running)
    }
}

/// Kills a node, and notes whether it is dead.
async fn take_down(stage: &mut Stage<'_>, node: Option<&String>) -> Result<(), SurfaceError> {
    let Some(node) = node else { return Ok(()) };
    stage.kill(std::slice::from_ref(node)).await?;
    stage.note_affected(std::slice::from_ref(node), ProcessState::Dead).await;
    Ok(())
}
