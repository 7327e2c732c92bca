//! Starved of the processor: the processes of a node may run only in a share of the time, in pulses, as on a machine
//! that has too much to do.

use serde::{Deserialize, Serialize};

use crate::capability::Capability;
use crate::evidence::Finding;
use crate::fault::Class;
use crate::kind::{Drawing, Effect, Facts, FaultKind, Refinement, Ways};
use crate::measured::{Measured, ProcessReading};
use crate::problem::{Problem, check_amount};
use crate::stage::Share;
use crate::surface::ProcessLimits;

/// The processes may run only in a share of the time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CpuStarve {
    /// The nodes affected.
    pub nodes: Vec<String>,
    /// The share of the time in which they may run, percent, 1 to 99.
    pub cpu_percent: u32,
}

impl FaultKind for CpuStarve {
    const FACTS: Facts = Facts {
        name: "cpu-starve",
        family: "cpu",
        class: Class::Process,
        is_usual: false,
        ways: Ways::TARGETS,
        needs: &[Capability::CpuLimit],
    };

    fn draw(way: &Refinement, drawing: &mut Drawing<'_>) -> Option<Self> {
        Some(Self { nodes: drawing.target(way)?, cpu_percent: drawing.draw.log_uniform(2, 50) as u32 })
    }
}

impl Effect for CpuStarve {
    fn nodes(&self) -> &[String] {
        &self.nodes
    }

    fn detail(&self, _: &[String]) -> String {
        format!("{} at {} % of the time", self.nodes.join(" "), self.cpu_percent)
    }

    fn check_amounts(&self) -> Result<(), Problem> {
        check_amount("cpu_percent", self.cpu_percent, 1..=99, "1 to 99 %")
    }

    fn share(&self) -> Share {
        Share::Limits(ProcessLimits { cpu_percent: Some(self.cpu_percent), ..ProcessLimits::default() })
    }

    fn finding(&self, measured: &Measured) -> Finding {
        judge(&self.nodes, self.cpu_percent, measured.lasted_ms(), |node| measured.process(node))
    }
}

/// Each node must have been kept from running for at least half of the time in which it should not have run.
fn judge(nodes: &[String], cpu_percent: u32, lasted_ms: u64, read: impl Fn(&str) -> Option<ProcessReading>) -> Finding {
    let wanted_ms = lasted_ms * u64::from(100 - cpu_percent.min(100)) / 100;
    let mut finding = Finding { proved: !nodes.is_empty() && wanted_ms > 0, ..Finding::default() };
    let mut reports = Vec::new();
    for node in nodes {
        let Some(reading) = read(node) else {
            finding.proved = false;
            reports.push(format!("{node} could not be measured"));
            continue;
        };
        let used = reading.end.since(&reading.start);
        finding.proved &= used.held_ms.saturating_mul(2) >= wanted_ms;
        finding.add(&format!("{node}_held_ms"), used.held_ms);
        finding.add(&format!("{node}_cpu_ms"), used.cpu_ms);
        reports.push(format!("{node} was held for {} ms and used the processor for {} ms", used.held_ms, used.cpu_ms));
    }
    finding.add("lasted_ms", lasted_ms);
    finding.evidence = format!("{} of {lasted_ms} ms", reports.join(", "));
    finding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::ProcessStatistics;

    #[test]
    fn it_needs_half_of_the_hold() {
        let one = |held_ms| {
            let end = ProcessStatistics { held_ms, cpu_ms: 90, ..Default::default() };
            judge(&["n1".to_owned()], 20, 1000, |_| Some(ProcessReading { end, ..Default::default() }))
        };
        assert_eq!(one(780).evidence, "n1 was held for 780 ms and used the processor for 90 ms of 1000 ms");
        assert!(one(400).proved && !one(399).proved && !one(0).proved);
        assert!(!judge(&["n1".to_owned()], 20, 1000, |_| None).proved);
    }
}
