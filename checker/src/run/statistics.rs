//! Counts, latencies and availability of each function of each workload, in the main phase.
//!
//! Availability is the yield (Fox and Brewer, HotOS 1999): the share of operations that were answered, both while
//! faults were active and otherwise. The harvest of the answers is reported beside it ([`crate::run::harvest`]).
//! Latencies are exact quantiles of the `ok` operations (nearest rank). Time: O(n log n).

use std::collections::BTreeMap;

use super::findings::{APDEX_SATISFIED_MS, FaultFinding, OperationStatistics};
use crate::finding::{ms, quantile};
use crate::history::{EventType, History, Operation, Phase};
use crate::run::faults::{Windows, by_order};
use crate::run::harvest::harvests;
use crate::visibility::WorkloadFacts;

/// The statistics by workload and function. `unnamed` is the workload of operations that name none.
pub(crate) fn statistics(
    history: &History,
    operations: &[Operation<'_>],
    workloads: &[WorkloadFacts<'_>],
    faults: &[FaultFinding],
    unnamed: &str,
) -> Vec<OperationStatistics> {
    let windows = if history.timed { Windows::new(faults) } else { Windows::new(&by_order(history)) };
    let is_in_faults = |operation: &Operation<'_>| {
        windows.contain(if history.timed { operation.invoked_ns() } else { operation.invoked() })
    };
    let mut groups: BTreeMap<(&str, &str), (OperationStatistics, Measured)> = BTreeMap::new();
    for operation in operations.iter().filter(|operation| operation.phase() == Phase::Main) {
        let workload = operation.workload().unwrap_or(unnamed);
        let (found, measured) = groups.entry((workload, operation.label())).or_default();
        let in_faults = is_in_faults(operation);
        count(found, operation, in_faults);
        measured.latencies.add(operation, in_faults);
    }
    for workload in workloads {
        for (read, harvest) in harvests(workload) {
            // Reads of the main phase were all counted above, under the name of their workload.
            if let Some((_, measured)) = groups.get_mut(&(workload.name.as_str(), read.label())) {
                let window = usize::from(is_in_faults(read));
                measured.harvests[window].0 += harvest;
                measured.harvests[window].1 += 1;
            }
        }
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
        found.ok_in_faults += u64::from(operation.is_ok());
    }
    debug_assert!(
        found.ok_in_faults <= found.ok && found.ok_in_faults <= found.invoked_in_faults,
        "operations that were ok in faults are some of those that were ok, and of those invoked in faults"
    );
}

/// The measurements of the operations of one workload and function.
#[derive(Default)]
struct Measured {
    latencies: Latencies,
    /// The sum and the number of the harvests: first of reads invoked while no fault was active, then of the others.
    harvests: [(f64, u64); 2],
}

/// The latencies of operations that were `ok`, in ms.
#[derive(Default)]
struct Latencies {
    all: Vec<f64>,
    in_faults: Vec<f64>,
}

impl Latencies {
    fn add(&mut self, operation: &Operation<'_>, in_faults: bool) {
        let latency = operation.latency_ns().filter(|_| operation.is_ok()).map(ms);
        self.all.extend(latency);
        self.in_faults.extend(latency.filter(|_| in_faults));
    }

    fn apdex(&self, invoked: u64) -> f64 {
        let within = |limit_ms: f64| self.all.iter().filter(|latency| **latency <= limit_ms).count() as f64;
        let (satisfied, tolerated) = (within(APDEX_SATISFIED_MS), within(4.0 * APDEX_SATISFIED_MS));
        (satisfied + tolerated) / (2.0 * invoked.max(1) as f64)
    }
}

fn finish(workload: &str, f: &str, (found, measured): (OperationStatistics, Measured)) -> OperationStatistics {
    let Measured { mut latencies, harvests: [outside, within] } = measured;
    let mean = |(sum, count): (f64, u64)| (count > 0).then(|| sum / count as f64);
    latencies.all.sort_by(f64::total_cmp);
    latencies.in_faults.sort_by(f64::total_cmp);
    let (all, in_faults) = (&latencies.all, &latencies.in_faults);
    OperationStatistics {
        workload: workload.to_owned(),
        f: f.to_owned(),
        latency_p50_ms: quantile(all, 0.5),
        latency_p99_ms: quantile(all, 0.99),
        latency_p999_ms: quantile(all, 0.999),
        latency_max_ms: quantile(all, 1.0),
        latency_in_faults_p50_ms: quantile(in_faults, 0.5),
        latency_in_faults_p99_ms: quantile(in_faults, 0.99),
        apdex: latencies.apdex(found.ok + found.fail + found.info),
        harvest: mean((outside.0 + within.0, outside.1 + within.1)),
        harvest_in_faults: mean(within),
        harvest_outside_faults: mean(outside),
        ..found
    }
}

impl OperationStatistics {
    /// Takes out what follows from times, of a history that has none: it is no number then.
    pub fn forget_times(&mut self) {
        for figure in [
            &mut self.latency_p50_ms,
            &mut self.latency_p99_ms,
            &mut self.latency_p999_ms,
            &mut self.latency_max_ms,
            &mut self.latency_in_faults_p50_ms,
            &mut self.latency_in_faults_p99_ms,
            &mut self.apdex,
        ] {
            *figure = f64::NAN;
        }
    }

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
