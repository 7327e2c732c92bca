//! Slow disk: reads, writes and syncs of running nodes are answered late.

use serde::{Deserialize, Serialize};

use crate::capability::Capability;
use crate::disk;
use crate::evidence::Finding;
use crate::fault::Class;
use crate::kind::{Drawing, Effect, Facts, FaultKind, Refinement, Ways};
use crate::measured::{DiskReading, Measured, rise};
use crate::problem::{Problem, check_amount};
use crate::stage::Share;
use crate::surface::DiskRule;
use crate::words::count;

/// The longest latency of a call, ms: a minute.
pub const LATENCY_MAX_MS: u64 = 60_000;

/// Reads, writes and syncs are answered late.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlowDisk {
    /// The nodes affected.
    pub nodes: Vec<String>,
    /// How much later each call is answered, ms.
    pub latency_ms: u64,
}

impl FaultKind for SlowDisk {
    const FACTS: Facts = Facts {
        name: "slow-disk",
        family: "slow-disk",
        class: Class::Disk,
        is_usual: false,
        ways: Ways::TARGETS,
        needs: &[Capability::SlowDisk],
    };

    /// From a busy disk to one that is about to fail.
    fn draw(way: &Refinement, drawing: &mut Drawing<'_>) -> Option<Self> {
        Some(Self { nodes: drawing.target(way)?, latency_ms: drawing.draw.log_uniform(2, 200) })
    }
}

impl Effect for SlowDisk {
    fn nodes(&self) -> &[String] {
        &self.nodes
    }

    fn detail(&self, _: &[String]) -> String {
        format!("{}, {} ms a call", self.nodes.join(" "), self.latency_ms)
    }

    fn check_amounts(&self) -> Result<(), Problem> {
        check_amount("latency_ms", self.latency_ms, 1..=LATENCY_MAX_MS as i64, "up to a minute")
    }

    fn share(&self) -> Share {
        Share::Disk(DiskRule { latency_ms: self.latency_ms, ..DiskRule::default() })
    }

    fn finding(&self, measured: &Measured) -> Finding {
        disk::judge(measured, &self.nodes, |disks| judge(disks, self.latency_ms))
    }
}

/// Calls must have been answered late, on average by at least half of the latency (those that were under way at the
/// start count with less).
fn judge(disks: &[DiskReading], latency_ms: u64) -> Finding {
    let calls = rise(disks, |disk| disk.delayed_calls);
    let mean_ms = rise(disks, |disk| disk.delay_total_ms).checked_div(calls).unwrap_or(0);
    let measured = format!("{} delayed by {mean_ms} ms on average", count(calls, "call"));
    let (proved, evidence) = match (calls, mean_ms.saturating_mul(2) >= latency_ms) {
        (0, _) => (false, "the disks were slow, but nothing was asked of them meanwhile".to_owned()),
        (_, false) => (false, format!("{measured}, less than half of the {latency_ms} ms that were set")),
        (_, true) => (true, measured),
    };
    Finding::new(proved, evidence, [("delayed_calls", calls), ("delay_mean_ms", mean_ms)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::DiskStatistics;

    #[test]
    fn it_needs_calls_that_were_late_enough() {
        let late = |delayed_calls, delay_total_ms| DiskReading {
            end: DiskStatistics { delayed_calls, delay_total_ms, ..Default::default() },
            ..Default::default()
        };
        let finding = judge(&[late(3, 60), late(0, 0)], 20);
        assert_eq!((finding.proved, finding.evidence.as_str()), (true, "3 calls delayed by 20 ms on average"));
        assert!(!judge(&[late(3, 27)], 20).proved && !judge(&[late(0, 0)], 20).proved);
    }
}
