//! The verdict: what was claimed, what was found, and the operations that prove it.
//!
//! Verdicts merge by the worst: `valid < inconclusive < invalid` (Jepsen's `checker.clj` merges the same way). Every
//! property is measured; only a claimed one can make the run invalid.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::checks::registry::CheckName;
pub use crate::finding::Anomaly;
pub use crate::outcome::Outcome;
pub use crate::run::findings::{APDEX_SATISFIED_MS, FaultFinding, OperationStatistics};

/// One property judged for one workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PropertyResult {
    /// The property.
    pub property: CheckName,
    /// The workload judged; none where the check spans all.
    pub workload: Option<String>,
    /// Whether the configuration claims it.
    pub claimed: bool,
    /// What was found, whether claimed or not.
    pub outcome: Outcome,
    /// The finding in a sentence with its figures.
    pub summary: String,
    /// The figures by name: `attempted`, `acknowledged`, `recovered`, `lost`, `stale`, `never-read`, `duplicated`,
    /// ...; times end in `_ms`.
    pub figures: BTreeMap<String, f64>,
    /// The violations, at most [`Limits::anomalies_max`](crate::limits::Limits::anomalies_max) of them.
    pub anomalies: Vec<Anomaly>,
    /// How many there were in all.
    pub anomalies_total: u64,
    /// The strongest consistency models that what was found does not rule out; asked for by name, one may be refuted all the
    /// same. Only checks of transactions fill it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strongest: Vec<String>,
}

/// The judgement of a whole history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The merged outcome.
    pub outcome: Outcome,
    /// Why it is not `valid`, a sentence each; empty for a valid run.
    pub reasons: Vec<String>,
    /// Each property for each workload.
    pub properties: Vec<PropertyResult>,
    /// Each fault of the plan.
    pub faults: Vec<FaultFinding>,
    /// Each function of each workload, in the main phase.
    pub statistics: Vec<OperationStatistics>,
}
