//! Replace: SIGKILL, and the disk is lost; at the end a new member on an empty disk takes the node's place, as an
//! administrator would have it who cannot bring the machine back. Other than with `wipe` the cluster is told: the dead
//! member is removed from it and the new one is added.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::capability::Capability;
use crate::disk;
use crate::evidence::{self, Finding};
use crate::fault::Class;
use crate::kind::{Drawing, Effect, Facts, FaultKind, Refinement, Ways};
use crate::measured::Measured;
use crate::stage::{Stage, Step};
use crate::surface::{ProcessState, SurfaceError};

/// SIGKILL, and the disk is lost; at the end a new member takes the node's place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replace {
    /// The nodes affected.
    pub nodes: Vec<String>,
}

impl FaultKind for Replace {
    const FACTS: Facts = Facts {
        name: "replace",
        family: "replace",
        class: Class::Process,
        is_usual: false,
        ways: Ways::VictimOrTarget,
        needs: &[Capability::Kill, Capability::Replace],
    };

    fn draw(way: &Refinement, drawing: &mut Drawing<'_>) -> Option<Self> {
        Some(Self { nodes: drawing.target(way)? })
    }
}

impl Effect for Replace {
    fn nodes(&self) -> &[String] {
        &self.nodes
    }

    fn wanted_state(&self) -> Option<ProcessState> {
        Some(ProcessState::Dead)
    }

    fn begin<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a, Result<(), SurfaceError>> {
        Box::pin(async move {
            for node in &self.nodes {
                let member = stage.surface().member(node).await?;
                stage.measured().members_before.insert(node.clone(), member);
            }
            stage.kill(&self.nodes).await?;
            for node in &self.nodes {
                stage.surface().replace(node).await?;
            }
            Ok(())
        })
    }

    fn end<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a> {
        Box::pin(async move {
            disk::restart_all(stage, &self.nodes).await;
            for node in &self.nodes {
                let member = stage.asked(node, |surface, node| surface.member(node)).await;
                stage.measured().members_after.extend(member.map(|member| (node.clone(), member)));
            }
        })
    }

    fn finding(&self, measured: &Measured) -> Finding {
        let process = evidence::process("dead", &self.nodes, &measured.affected, &measured.running);
        judge(process, &self.nodes, &measured.members_before, &measured.members_after)
    }
}

/// From who each node said that it is before and after: each must be another member.
fn judge(process: Finding, nodes: &[String], before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> Finding {
    let said = |node: &String| match (before.get(node), after.get(node)) {
        (Some(before), Some(after)) => (before != after, format!("{node} was member {before:x} and is {after:x}")),
        _ => (false, format!("{node} did not say which member it is before and after")),
    };
    let (are_others, words): (Vec<bool>, Vec<String>) = nodes.iter().map(said).unzip();
    let replaced = are_others.iter().filter(|is_other| **is_other).count() as u64;
    let mut finding =
        process.and(!nodes.is_empty() && are_others.into_iter().all(|is_other| is_other), &words.join(", "));
    finding.add("replaced_members", replaced);
    finding
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_needs_another_member_in_the_place_of_a_dead_one() {
        let one = |member: Option<u64>| member.map(|member| ("n1".to_owned(), member)).into_iter().collect();
        let judged = |dead, before, after| {
            let process = Finding::new(dead, "seen dead".to_owned(), []);
            judge(process, &["n1".to_owned()], &one(before), &one(after))
        };
        let finding = judged(true, Some(10), Some(11));
        assert!(finding.proved && finding.evidence.contains("n1 was member a and is b"), "{finding:?}");
        assert_eq!(finding.figures["replaced_members"], 1);
        assert!(!judged(true, Some(10), Some(10)).proved, "it came back as it was");
        assert!(!judged(false, Some(10), Some(11)).proved, "it was never seen dead");
        assert!(!judged(true, None, Some(11)).proved && !judged(true, Some(10), None).proved);
    }
}
