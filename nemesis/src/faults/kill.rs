//! Kill: SIGKILL for all of its nodes at once; started again from disk at the end.

use serde::{Deserialize, Serialize};

use crate::capability::Capability;
use crate::evidence::{self, Finding};
use crate::fault::Class;
use crate::kind::{Drawing, Effect, Facts, FaultKind, Refinement, Ways};
use crate::measured::Measured;
use crate::stage::{Stage, Step};
use crate::surface::{ProcessState, SurfaceError};

/// SIGKILL for all at once; started again from disk at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kill {
    /// The nodes affected.
    pub nodes: Vec<String>,
}

impl FaultKind for Kill {
    const FACTS: Facts = Facts {
        name: "kill",
        family: "kill",
        class: Class::Process,
        is_usual: true,
        ways: Ways::TARGETS,
        needs: &[Capability::Kill],
    };

    fn draw(way: &Refinement, drawing: &mut Drawing<'_>) -> Option<Self> {
        Some(Self { nodes: drawing.target(way)? })
    }
}

impl Effect for Kill {
    fn nodes(&self) -> &[String] {
        &self.nodes
    }

    fn wanted_state(&self) -> Option<ProcessState> {
        Some(ProcessState::Dead)
    }

    fn begin<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a, Result<(), SurfaceError>> {
        Box::pin(stage.kill(&self.nodes))
    }

    fn end<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a> {
        Box::pin(stage.restart(&self.nodes))
    }

    fn finding(&self, measured: &Measured) -> Finding {
        evidence::process("dead", &self.nodes, &measured.affected, &measured.running)
    }
}
