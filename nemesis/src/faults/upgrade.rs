//! Upgrade: killed, and at the end started again with the next version of the peer protocol. A rolling upgrade is a
//! sequence of such faults; none of them is undone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::capability::Capability;
use crate::evidence::Finding;
use crate::fault::Class;
use crate::kind::{Drawing, Effect, Facts, FaultKind, Refinement, Ways};
use crate::measured::Measured;
use crate::stage::{Stage, Step};
use crate::surface::{ProcessState, SurfaceError};

/// Killed, and at the end started again with the next version of the peer protocol. A rolling upgrade is a sequence of
/// such faults; none of them is undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upgrade {
    /// The nodes affected.
    pub nodes: Vec<String>,
}

impl FaultKind for Upgrade {
    /// Not usual: the cluster has to be started with a version that has a successor.
    const FACTS: Facts = Facts {
        name: "upgrade",
        family: "upgrade",
        class: Class::Process,
        is_usual: false,
        ways: Ways::Alone,
        needs: &[Capability::Kill, Capability::Upgrade],
    };

    /// The first node that no planned fault upgrades.
    fn draw(_: &Refinement, drawing: &mut Drawing<'_>) -> Option<Self> {
        let is_upgraded = |node: &&String| {
            drawing.earlier.iter().any(|fault| fault.kind == Self::FACTS.name && fault.nodes.contains(node))
        };
        let next = drawing.nodes.iter().find(|node| !is_upgraded(node))?;
        Some(Self { nodes: vec![next.clone()] })
    }
}

impl Effect for Upgrade {
    fn nodes(&self) -> &[String] {
        &self.nodes
    }

    fn wanted_state(&self) -> Option<ProcessState> {
        Some(ProcessState::Dead)
    }

    fn begin<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a, Result<(), SurfaceError>> {
        Box::pin(async move {
            for node in &self.nodes {
                let version = stage.surface().protocol_version(node).await?;
                stage.surface().upgrade(node).await?;
                stage.measured().versions_before.insert(node.clone(), version);
            }
            stage.kill(&self.nodes).await
        })
    }

    fn end<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a> {
        Box::pin(async move {
            stage.restart(&self.nodes).await;
            for node in &self.nodes {
                let version = stage.asked(node, |surface, node| surface.protocol_version(node)).await;
                stage.measured().versions_after.extend(version.map(|version| (node.clone(), version)));
            }
        })
    }

    fn finding(&self, measured: &Measured) -> Finding {
        let versions =
            |node: &String| (measured.versions_before.get(node).copied(), measured.versions_after.get(node).copied());
        let versions = self.nodes.iter().map(|node| (node.clone(), versions(node))).collect();
        judge(&versions, self.nodes.iter().all(|node| measured.affected.contains(node)))
    }
}

/// From the protocol version that each node reported before and after (none if it did not answer), and whether all
/// nodes were seen dead in between: each must have been killed, and report a later version than before.
fn judge(versions: &BTreeMap<String, (Option<u64>, Option<u64>)>, all_dead: bool) -> Finding {
    let mut finding = Finding { proved: all_dead && !versions.is_empty(), ..Finding::default() };
    let mut reports = Vec::new();
    for (node, versions) in versions {
        let (Some(before), Some(after)) = *versions else {
            finding.proved = false;
            reports.push(format!("{node} did not say which version it speaks before and after"));
            continue;
        };
        finding.proved &= after > before;
        finding.add(&format!("{node}_before"), before);
        finding.add(&format!("{node}_after"), after);
        reports.push(format!("{node} said version {before} before and {after} after"));
    }
    let seen = if all_dead { "" } else { "; not all were seen dead between" };
    finding.evidence = format!("{}{seen}", reports.join(", "));
    finding
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_needs_a_later_version_after_a_restart() {
        let one = |before, after, dead| judge(&BTreeMap::from([("n1".to_owned(), (before, after))]), dead);
        let finding = one(Some(1), Some(2), true);
        assert_eq!(finding.evidence, "n1 said version 1 before and 2 after");
        assert!(finding.proved && finding.figures["n1_after"] == 2);
        assert!(!one(Some(2), Some(2), true).proved && !one(Some(1), Some(2), false).proved);
        assert!(!one(None, Some(2), true).proved && !one(Some(1), None, true).proved);
        assert!(!judge(&BTreeMap::new(), true).proved);
    }
}
