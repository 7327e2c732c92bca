//! The verdict: what was claimed, what was found, and the operations that prove it.
//!
//! Verdicts merge by the worst: `valid < inconclusive < invalid` (Jepsen's `checker.clj` merges the same way). Every
//! property is measured; only a claimed one can make the run invalid.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::objects::Model;

/// How a check, or a whole run, came out. Ordered by severity, so merging is `max`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Every claim held, and the run was fit to show it.
    #[default]
    Valid,
    /// Nothing claimed was broken, but the run cannot vouch for it: a fault without evidence, no successful operation.
    Inconclusive,
    /// A claimed property was violated.
    Invalid,
}

impl Outcome {
    /// The worse of the two.
    pub fn merge(self, other: Self) -> Self {
        self.max(other)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Outcome::Valid => "valid",
            Outcome::Inconclusive => "inconclusive",
            Outcome::Invalid => "invalid",
        })
    }
}

/// A property that a system may claim. The names are those of the command line and of `verdict.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Property {
    /// Every acknowledged write is, at the end, read back or superseded by a write that had seen it.
    NoLostWrites,
    /// A process reads its own acknowledged writes, or something causally newer (Terry et al. 1994).
    ReadYourWrites,
    /// After the heal, every replica, read by itself, returns the same versions.
    Convergence,
    /// An acknowledged write survives the crash of every node that holds it.
    Durability,
    /// What a process has read it reads again, or something causally newer (Terry et al. 1994).
    MonotonicReads,
    /// What an acknowledged write or delete has replaced is not there again at the end.
    NoResurrection,
    /// One write is one version, and only concurrent versions are siblings.
    SiblingsBounded,
    /// After the heal all nodes say the same of who the members are.
    RingAgreement,
    /// After the heal every node serves reads and writes.
    Availability,
    /// Who sees a write sees what its process had written to the key before it (Terry et al. 1994).
    MonotonicWrites,
    /// Who sees a write sees what its process had seen of the key before it (Terry et al. 1994).
    WritesFollowReads,
    /// A read sees all that happened before it, over all keys (Lamport 1978; Ahamad et al. 1995).
    Causal,
    /// Each read of a counter lies between what was acknowledged before it and what was attempted until its end.
    CounterBounds,
    /// The transactions of each key have an order that explains every read.
    Serializable,
    /// The same, and the order is that of each process (Daudjee and Salem 2004).
    StrongSessionSerializable,
    /// The same, and the order is that of real time.
    StrictSerializable,
}

impl Property {
    /// Every property, in the order in which reports show them.
    pub const ALL: [Property; 16] = [
        Property::NoLostWrites,
        Property::ReadYourWrites,
        Property::MonotonicReads,
        Property::MonotonicWrites,
        Property::WritesFollowReads,
        Property::Causal,
        Property::CounterBounds,
        Property::Serializable,
        Property::StrongSessionSerializable,
        Property::StrictSerializable,
        Property::Convergence,
        Property::Durability,
        Property::NoResurrection,
        Property::SiblingsBounded,
        Property::RingAgreement,
        Property::Availability,
    ];

    /// Whether operations of this model can show it; the others are not judged by it.
    pub fn is_of(self, model: Model) -> bool {
        match self {
            Property::CounterBounds => model == Model::Counter,
            Property::Serializable | Property::StrongSessionSerializable | Property::StrictSerializable => {
                model.is_transactional()
            }
            _ => true,
        }
    }

    /// The name used at the command line.
    pub fn name(self) -> &'static str {
        match self {
            Property::NoLostWrites => "no-lost-writes",
            Property::ReadYourWrites => "read-your-writes",
            Property::Convergence => "convergence",
            Property::Durability => "durability",
            Property::MonotonicReads => "monotonic-reads",
            Property::NoResurrection => "no-resurrection",
            Property::SiblingsBounded => "siblings-bounded",
            Property::RingAgreement => "ring-agreement",
            Property::Availability => "availability",
            Property::MonotonicWrites => "monotonic-writes",
            Property::WritesFollowReads => "writes-follow-reads",
            Property::Causal => "causal",
            Property::CounterBounds => "counter-bounds",
            Property::Serializable => "serializable",
            Property::StrongSessionSerializable => "strong-session-serializable",
            Property::StrictSerializable => "strict-serializable",
        }
    }
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The name given is no property's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown property '{0}': known are {known}", known = Property::ALL.map(Property::name).join(", "))]
pub struct UnknownProperty(pub String);

impl FromStr for Property {
    type Err = UnknownProperty;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Property::ALL.into_iter().find(|p| p.name() == text).ok_or_else(|| UnknownProperty(text.to_owned()))
    }
}

/// One violation, explained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Anomaly {
    /// What it is called: `lost-write`, `stale-read`, `diverged-key`, ...
    pub kind: String,
    /// Where.
    pub key: Option<String>,
    /// The process that was wronged, where there is one.
    pub process: Option<u64>,
    /// What happened and why it is a violation, in a sentence or two that name values, nodes and times.
    pub explanation: String,
    /// Indices of the history events that prove it, in order: of the fewest operations that are a violation by themselves.
    /// Judged as a history of their own they break the same property in the same way, and without any one of them they do not.
    /// What others would have had to do, and did not, is said of the whole history, in the explanation.
    pub events: Vec<u64>,
    /// Indices of the events of further operations that help to understand it, in order: the last read that saw a lost write.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub context: Vec<u64>,
    /// Ids of the faults that were active between the first and the last of them.
    pub faults: Vec<u64>,
    /// The first moment concerned, ns since the run began.
    pub from_ns: u64,
    /// The last moment concerned, ns since the run began.
    pub to_ns: u64,
}

/// One property judged for one workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PropertyResult {
    /// The property.
    pub property: Property,
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
    /// The violations, at most [`Options::anomalies_max`](crate::Options::anomalies_max) of them.
    pub anomalies: Vec<Anomaly>,
    /// How many there were in all.
    pub anomalies_total: u64,
}

/// One fault of the plan, as the history tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultFinding {
    /// Its id in the plan.
    pub fault: u64,
    /// Its kind: `partition`, `kill`, ...
    pub kind: String,
    /// What it was to do: `{n1 n2} | {n3 n4 n5}`.
    pub detail: String,
    /// The nodes it touches.
    pub nodes: Vec<String>,
    /// When it took effect, ns since the run began; none if it never started.
    pub start_ns: Option<u64>,
    /// When it was healed; none if it never was.
    pub stop_ns: Option<u64>,
    /// Whether it measurably took effect.
    pub proved: bool,
    /// What was measured, in words.
    pub evidence: String,
    /// Whether it is of a history that this bench did not record: its nemesis says when faults began and ended, and nothing of
    /// what they did. Such a fault was not planned here, so nothing is inconclusive for want of evidence.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub foreign: bool,
}

/// Counts and latencies of one function of one workload.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OperationStatistics {
    /// The workload.
    pub workload: String,
    /// The function.
    pub f: String,
    /// Completed `ok`.
    pub ok: u64,
    /// Completed `fail`.
    pub fail: u64,
    /// Completed `info`, or never.
    pub info: u64,
    /// Completed `ok` of those invoked while a fault was active.
    pub ok_in_faults: u64,
    /// Invoked while a fault was active.
    pub invoked_in_faults: u64,
    /// Median latency of `ok`, ms.
    pub latency_p50_ms: f64,
    /// 99th percentile of `ok`, ms.
    pub latency_p99_ms: f64,
    /// 99.9th percentile of `ok`, ms.
    pub latency_p999_ms: f64,
    /// Slowest `ok`, ms.
    pub latency_max_ms: f64,
    /// Median latency of `ok` of those invoked while a fault was active, ms.
    #[serde(default)]
    pub latency_in_faults_p50_ms: f64,
    /// 99th percentile of the same, ms.
    #[serde(default)]
    pub latency_in_faults_p99_ms: f64,
    /// Apdex, 0 to 1: the share of operations that were `ok` within [`APDEX_SATISFIED_MS`], and half of those within four times
    /// that. What failed or is unknown satisfied nobody.
    #[serde(default)]
    pub apdex: f64,
    /// The harvest of reads, 0 to 1, in the mean: the share of what was acknowledged before a read that it shows (Fox and Brewer,
    /// HotOS 1999). None for other functions, and where no read owed anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub harvest: Option<f64>,
    /// The same of reads invoked while a fault was active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub harvest_in_faults: Option<f64>,
    /// The same of the other reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub harvest_outside_faults: Option<f64>,
}

/// Within this time an operation satisfies (Apdex technical specification 1.1, 2007, where it is called T).
pub const APDEX_SATISFIED_MS: f64 = 100.0;

/// The whole judgement of a history.
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
