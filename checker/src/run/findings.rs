//! What is reported about a run besides its checks: each fault, and counts and latencies.

use serde::{Deserialize, Serialize};

/// One fault of the plan, as the history records it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultFinding {
    /// Its id in the plan.
    pub fault: u64,
    /// Its kind: `partition`, `kill`, ...
    pub kind: String,
    /// What it was planned to do: `{n1 n2} | {n3 n4 n5}`.
    pub detail: String,
    /// The nodes that it affects.
    pub nodes: Vec<String>,
    /// When it began, ns since the run began; none if it never started.
    pub start_ns: Option<u64>,
    /// When it was healed; none if it never was.
    pub stop_ns: Option<u64>,
    /// Whether there is evidence that it took effect.
    pub proved: bool,
    /// The evidence, in words.
    pub evidence: String,
    /// Whether another bench recorded the history: its nemesis records when faults began and ended, but not their
    /// effect. Such a fault was not planned here, so its lack of evidence makes nothing inconclusive.
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
    /// Apdex, 0 to 1: the share of operations that were `ok` within [`APDEX_SATISFIED_MS`], plus half the share of
    /// those that were `ok` within four times that. Operations that failed or are unknown do not count.
    #[serde(default)]
    pub apdex: f64,
    /// The mean harvest of reads, 0 to 1: of what was acknowledged before a read, the share that it shows (Fox and
    /// Brewer, HotOS 1999). None for other functions, and if nothing was acknowledged before any read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub harvest: Option<f64>,
    /// The same for reads invoked while a fault was active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub harvest_in_faults: Option<f64>,
    /// The same for the other reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub harvest_outside_faults: Option<f64>,
}

/// The latency up to which an operation is satisfactory (T in the Apdex technical specification 1.1, 2007).
pub const APDEX_SATISFIED_MS: f64 = 100.0;

/// The ids of the faults that were active at any time from `from_ns` to `to_ns`, both included.
pub(crate) fn active_between(faults: &[FaultFinding], from_ns: u64, to_ns: u64) -> Vec<u64> {
    let active = |fault: &&FaultFinding| {
        fault.start_ns.is_some_and(|start| start <= to_ns) && fault.stop_ns.is_none_or(|stop| stop >= from_ns)
    };
    faults.iter().filter(active).map(|fault| fault.fault).collect()
}
