//! Rolling pause: each node in its turn is stopped and goes on, as virtual machines are when they are moved to other hosts.

use serde::{Deserialize, Serialize};

use crate::capability::Capability;
use crate::evidence::{self, Finding};
use crate::fault::Class;
use crate::kind::{Drawing, Effect, Facts, FaultKind, Refinement, Ways, equal_turns_ms};
use crate::measured::Measured;
use crate::stage::{Stage, Step};
use crate::surface::{ProcessState, SurfaceError};

/// Each node in its turn gets SIGSTOP, and SIGCONT when the next one does; only one is stopped at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollingPause {
    /// The nodes, in the order in which they are stopped.
    pub nodes: Vec<String>,
}

impl FaultKind for RollingPause {
    const FACTS: Facts = Facts {
        name: "rolling-pause",
        family: "rolling-pause",
        class: Class::Process,
        is_usual: false,
        ways: Ways::Alone,
        needs: &[Capability::Pause],
    };

    fn draw(_: &Refinement, drawing: &mut Drawing<'_>) -> Option<Self> {
        Some(Self { nodes: drawing.shuffled() })
    }
}

impl Effect for RollingPause {
    fn nodes(&self) -> &[String] {
        &self.nodes
    }

    fn begin<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a, Result<(), SurfaceError>> {
        Box::pin(stop(stage, self.nodes.first()))
    }

    /// Each node is stopped for the same part of the time.
    fn turns_ms(&self, for_ms: u64) -> Vec<u64> {
        equal_turns_ms(self.nodes.len(), for_ms)
    }

    fn turn<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a, Result<(), SurfaceError>> {
        Box::pin(async move {
            let turn = stage.measured().turns as usize;
            if let Some(before) = self.nodes.get(turn.saturating_sub(1)) {
                stage.surface().resume(before).await?;
            }
            stop(stage, self.nodes.get(turn)).await
        })
    }

    /// All of them are told to go on: a turn may have been left out.
    fn end<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a> {
        Box::pin(stage.resume(&self.nodes))
    }

    fn finding(&self, measured: &Measured) -> Finding {
        evidence::process("stopped", &self.nodes, &measured.affected, &measured.running)
    }
}

/// Stops a node, and notes whether it is.
async fn stop(stage: &mut Stage<'_>, node: Option<&String>) -> Result<(), SurfaceError> {
    let Some(node) = node else { return Ok(()) };
    stage.surface().pause(node).await?;
    stage.note_affected(std::slice::from_ref(node), ProcessState::Stopped).await;
    Ok(())
}
