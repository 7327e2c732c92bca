//! What the history records of the nemesis: the plan, each fault's start and stop, and the heal.

use serde_json::{Value, json};

use crate::evidence::EvidenceRecord;
use crate::faults::PlannedFault;

/// A nemesis event of the history: process `nemesis`, type `info`.
#[derive(Clone, Debug, PartialEq)]
pub struct NemesisEvent {
    /// `plan`, `start-KIND`, `stop-KIND` or `heal`.
    pub f: String,
    /// Its content; see docs/history.md.
    pub value: Value,
}

impl NemesisEvent {
    /// Everything is healed and the clients have stopped: the replica phase begins.
    pub fn heal() -> Self {
        Self { f: "heal".to_owned(), value: Value::Null }
    }

    /// The fault with this plan entry is in force; `nodes` are all nodes of the cluster.
    pub(crate) fn start(planned: &PlannedFault, nodes: &[String]) -> Self {
        let fault = &planned.fault;
        let value = json!({"fault": planned.id, "detail": fault.detail(nodes), "nodes": fault.nodes(nodes)});
        Self { f: format!("start-{}", fault.kind()), value }
    }

    /// The fault has ended, with this evidence.
    pub(crate) fn stop(record: &EvidenceRecord) -> Self {
        let value = json!({"fault": record.fault, "proved": record.proved, "evidence": record.evidence});
        Self { f: format!("stop-{}", record.kind), value }
    }
}
