//! Pause: SIGSTOP; SIGCONT at the end.

use serde::{Deserialize, Serialize};

use crate::capability::Capability;
use crate::evidence::{self, Finding};
use crate::fault::Class;
use crate::kind::{Drawing, Effect, Facts, FaultKind, Refinement, Ways};
use crate::measured::Measured;
use crate::stage::{Stage, Step};
use crate::surface::{ProcessState, SurfaceError};

/// SIGSTOP; SIGCONT at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// The nodes affected.
    pub nodes: Vec<String>,
}

impl FaultKind for Pause {
    const FACTS: Facts = Facts {
        name: "pause",
        family: "pause",
        class: Class::Process,
        is_usual: true,
        ways: Ways::TARGETS,
        needs: &[Capability::Pause],
    };

    fn draw(way: &Refinement, drawing: &mut Drawing<'_>) -> Option<Self> {
        Some(Self { nodes: drawing.target(way)? })
    }
}

impl Effect for Pause {
    fn nodes(&self) -> &[String] {
        &self.nodes
    }

    fn wanted_state(&self) -> Option<ProcessState> {
        Some(ProcessState::Stopped)
    }

    fn begin<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a, Result<(), SurfaceError>> {
        Box::pin(async move {
            for node in &self.nodes {
                stage.surface().pause(node).await?;
            }
            Ok(())
        })
    }

    fn end<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a> {
        Box::pin(stage.resume(&self.nodes))
    }

    fn finding(&self, measured: &Measured) -> Finding {
        evidence::process("stopped", &self.nodes, &measured.affected, &measured.running)
    }
}
