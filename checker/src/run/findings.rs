//! What is said of a run beside its checks: each fault, and counts and latencies.

use serde::{Deserialize, Serialize};

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

/// The ids of the faults that were active at any time from `from_ns` to `to_ns`, both included.
pub fn active_between(faults: &[FaultFinding], from_ns: u64, to_ns: u64) -> Vec<u64> {
    let active = |fault: &&FaultFinding| {
        fault.start_ns.is_some_and(|start| start <= to_ns) && fault.stop_ns.is_none_or(|stop| stop >= from_ns)
    };
    faults.iter().filter(active).map(|fault| fault.fault).collect()
}
