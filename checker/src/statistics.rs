//! Counts, latencies and availability of each function of each workload, in the main phase.
//!
//! Latencies are exact quantiles of the `ok` operations (nearest rank). Time: O(n log n).

use std::collections::BTreeMap;

use crate::faults::Windows;
use crate::finding::{ms, quantile};
use crate::history::{EventType, Operation, Phase};
use crate::verdict::{FaultFinding, OperationStatistics};

/// Statistics by workload and function. `unnamed` is the workload of operations that name none.
pub(crate) fn statistics(
    operations: &[Operation<'_>],
    faults: &[FaultFinding],
    unnamed: &str,
) -> Vec<OperationStatistics> {
    let windows = Windows::new(faults);
    let mut groups: BTreeMap<(&str, &str), (OperationStatistics, Vec<f64>)> = BTreeMap::new();
    for operation in operations.iter().filter(|operation| operation.phase() == Phase::Main) {
        let workload = operation.workload().unwrap_or(unnamed);
        let (found, latencies) = groups.entry((workload, operation.f())).or_default();
        count(found, operation, windows.contain(operation.invoke.time));
        latencies.extend(operation.ok().and(operation.latency_ns()).map(ms));
    }
    groups.into_iter().map(|((workload, f), group)| finish(workload, f, group)).collect()
}

fn count(found: &mut OperationStatistics, operation: &Operation<'_>, in_faults: bool) {
    match operation.outcome() {
        EventType::Ok => found.ok += 1,
        EventType::Fail => found.fail += 1,
        EventType::Info | EventType::Invoke => found.info += 1,
    }
    if in_faults {
        found.invoked_in_faults += 1;
        found.ok_in_faults += u64::from(operation.ok().is_some());
    }
}

fn finish(workload: &str, f: &str, (found, mut latencies): (OperationStatistics, Vec<f64>)) -> OperationStatistics {
    latencies.sort_by(f64::total_cmp);
    OperationStatistics {
        workload: workload.to_owned(),
        f: f.to_owned(),
        latency_p50_ms: quantile(&latencies, 0.5),
        latency_p99_ms: quantile(&latencies, 0.99),
        latency_p999_ms: quantile(&latencies, 0.999),
        latency_max_ms: quantile(&latencies, 1.0),
        ..found
    }
}

impl OperationStatistics {
    /// The share of operations invoked while a fault was active that succeeded, 0 to 1; none if there were none.
    pub fn availability_in_faults(&self) -> Option<f64> {
        share(self.ok_in_faults, self.invoked_in_faults)
    }

    /// The share of operations invoked while no fault was active that succeeded, 0 to 1; none if there were none.
    pub fn availability_outside_faults(&self) -> Option<f64> {
        let invoked = self.ok + self.fail + self.info;
        share(self.ok.saturating_sub(self.ok_in_faults), invoked.saturating_sub(self.invoked_in_faults))
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
