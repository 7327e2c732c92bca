//! Join: a spare becomes a member, by an administrator's command. Not undone at the end.

use serde::{Deserialize, Serialize};

use crate::capability::Capability;
use crate::evidence::Finding;
use crate::fault::Class;
use crate::kind::{Change, Drawing, Effect, Facts, FaultKind, Refinement, Ways};
use crate::measured::Measured;
use crate::membership;
use crate::stage::{Stage, Step};
use crate::surface::SurfaceError;

/// Commanded to join the cluster. Not undone at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Join {
    /// The nodes affected.
    pub nodes: Vec<String>,
}

impl FaultKind for Join {
    const FACTS: Facts = Facts {
        name: "join",
        family: "membership",
        class: Class::Membership,
        is_usual: false,
        ways: Ways::Names { usual: &["join"], others: &[] },
        needs: &[Capability::Membership],
    };

    fn fits(_: &Refinement, drawing: &Drawing<'_>) -> bool {
        membership::next_to_join(drawing).is_some()
    }

    fn draw(_: &Refinement, drawing: &mut Drawing<'_>) -> Option<Self> {
        Some(Self { nodes: vec![membership::next_to_join(drawing)?] })
    }
}

impl Effect for Join {
    fn nodes(&self) -> &[String] {
        &self.nodes
    }

    fn change(&self) -> Option<Change> {
        Some(Change::Join)
    }

    fn begin<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a, Result<(), SurfaceError>> {
        Box::pin(async move {
            for node in &self.nodes {
                stage.surface().join(node).await?;
            }
            stage.measured().membership.0 = membership::ask_nodes(stage, Change::Join, &self.nodes).await;
            Ok(())
        })
    }

    fn measure<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a> {
        Box::pin(async move {
            stage.measured().membership.1 = membership::ask_nodes(stage, Change::Join, &self.nodes).await;
        })
    }

    fn finding(&self, measured: &Measured) -> Finding {
        membership::finding(measured.membership)
    }
}
