//! Leave: a member leaves, by an administrator's command. Not undone at the end.

use serde::{Deserialize, Serialize};

use crate::capability::Capability;
use crate::evidence::Finding;
use crate::fault::Class;
use crate::kind::{Change, Drawing, Effect, Facts, FaultKind, Refinement, Ways};
use crate::measured::Measured;
use crate::membership;
use crate::stage::{Stage, Step};
use crate::surface::SurfaceError;

/// Commanded to leave the cluster. Not undone at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leave {
    /// The nodes affected.
    pub nodes: Vec<String>,
}

impl FaultKind for Leave {
    const FACTS: Facts = Facts {
        name: "leave",
        family: "membership",
        class: Class::Membership,
        is_usual: false,
        ways: Ways::Names { usual: &["leave"], others: &[] },
        needs: &[Capability::Membership],
    };

    fn fits(_: &Refinement, drawing: &Drawing<'_>) -> bool {
        membership::next_to_leave(drawing).is_some()
    }

    fn draw(_: &Refinement, drawing: &mut Drawing<'_>) -> Option<Self> {
        Some(Self { nodes: vec![membership::next_to_leave(drawing)?] })
    }
}

impl Effect for Leave {
    fn nodes(&self) -> &[String] {
        &self.nodes
    }

    fn change(&self) -> Option<Change> {
        Some(Change::Leave)
    }

    fn begin<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a, Result<(), SurfaceError>> {
        Box::pin(async move {
            for node in &self.nodes {
                stage.surface().leave(node).await?;
            }
            stage.measured().membership.0 = membership::ask_nodes(stage, Change::Leave, &self.nodes).await;
            Ok(())
        })
    }

    fn measure<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a> {
        Box::pin(async move {
            stage.measured().membership.1 = membership::ask_nodes(stage, Change::Leave, &self.nodes).await;
        })
    }

    fn finding(&self, measured: &Measured) -> Finding {
        membership::finding(measured.membership)
    }
}
