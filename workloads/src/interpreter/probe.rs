//! Probes: a write through each node once the replicas have converged, to see whether all nodes serve writes again.
//!
//! Final reads show that a node serves reads; a write quorum can be lost on its own. A workload says which of its
//! operations is such a write; where none does, each node has a key of its own, `probe-NODE`, that no workload uses. So
//! probes do not change what the final reads return.

use checker::history::Phase;

use super::Interpreter;
use super::visit::NodeVisit;
use crate::workload::{Invocation, PROBE, Visit, probe_key};

/// The result of the probes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Probes {
    /// Nodes that were probed.
    pub nodes: u64,
    /// Of these, the nodes for which every attempt failed.
    pub failed: u64,
}

impl Interpreter<'_> {
    /// Writes through each node, with a few retries if a write fails; as many nodes at a time as there are clients.
    /// None are probed, and the history says so, where neither a workload nor the client knows how.
    pub async fn probes(&self) -> Probes {
        let probes: Vec<NodeVisit<'_>> =
            (1..).zip(&self.nodes).map(|(number, node)| self.probe(node, number)).collect();
        if probes.iter().any(|probe| probe.seeded.is_none()) && !self.client.can(PROBE, "write") {
            self.leave_out("probe", "neither a workload nor the client says how to probe a node with a write");
            return Probes::default();
        }
        Probes { nodes: probes.len() as u64, failed: self.make(Phase::Probe, &probes).await }
    }

    /// The probe of the first workload that has one.
    fn probe<'i>(&'i self, node: &'i str, number: u64) -> NodeVisit<'i> {
        let of_workload = self.workloads.iter().find_map(|seeded| {
            let visit = seeded.workload.borrow().probe(node, number)?;
            Some(NodeVisit { seeded: Some(seeded), node, visit })
        });
        let write = || Visit::once(Invocation::of("write", probe_key(node), number));
        of_workload.unwrap_or_else(|| NodeVisit { seeded: None, node, visit: write() })
    }
}
