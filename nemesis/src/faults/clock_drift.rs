//! Clock drift: the wall clock runs fast or slow; set right at the end.

use serde::{Deserialize, Serialize};

use crate::capability::Capability;
use crate::clocks::{self, DriftReading};
use crate::evidence::Finding;
use crate::fault::Class;
use crate::kind::{Drawing, Effect, Facts, FaultKind, Refinement, Ways};
use crate::measured::Measured;
use crate::problem::{Problem, check_amount};
use crate::stage::Share;
use crate::surface::ClockSetting;
use crate::words::{decimal, signed};

/// Fastest drift, parts per million: a hundred times real speed. The slowest keeps the clock going forwards.
pub const DRIFT_MAX_PPM: i64 = 99_000_000;

/// The wall clock runs fast or slow; set right at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockDrift {
    /// The nodes affected.
    pub nodes: Vec<String>,
    /// Parts per million: 1,000,000 runs at double speed, -500,000 at half.
    pub rate_ppm: i64,
}

impl FaultKind for ClockDrift {
    const FACTS: Facts = Facts {
        name: "clock-drift",
        family: "clock",
        class: Class::Clock,
        is_usual: true,
        ways: Ways::Names { usual: &["drift"], others: &["drift-all"] },
        needs: &[Capability::Clock],
    };

    /// A drift of 1 % to +100 % or -50 %. Where possible it adds up to at least 50 ms over the fault's length: less
    /// could not be distinguished from the time that it takes to read a node's clock.
    fn draw(way: &Refinement, drawing: &mut Drawing<'_>) -> Option<Self> {
        let nodes = clocks::drawn(way, drawing);
        let forwards = drawing.draw.coin();
        let most_ppm = if forwards { 1_000_000 } else { 500_000 };
        let least_ppm = (50_000_000 / drawing.for_ms.max(1)).clamp(10_000, most_ppm);
        let size_ppm = drawing.draw.log_uniform(least_ppm, most_ppm) as i64;
        Some(Self { nodes, rate_ppm: if forwards { size_ppm } else { -size_ppm } })
    }
}

impl Effect for ClockDrift {
    fn nodes(&self) -> &[String] {
        &self.nodes
    }

    fn detail(&self, _: &[String]) -> String {
        format!("{} at {} %", self.nodes.join(" "), decimal(self.rate_ppm.saturating_add(1_000_000), 10_000))
    }

    fn check_amounts(&self) -> Result<(), Problem> {
        check_amount("rate_ppm", self.rate_ppm, -999_999..=DRIFT_MAX_PPM, "-99.9999 % to +9900 %")
    }

    fn share(&self) -> Share {
        Share::Clock(ClockSetting { offset_ms: 0, drift_ppm: self.rate_ppm })
    }

    fn finding(&self, measured: &Measured) -> Finding {
        judge(self.nodes.iter().map(|node| (node.as_str(), DriftReading::of(measured, node))))
    }
}

/// From each node's reading; none if it did not answer at the end.
fn judge<'a>(readings: impl Iterator<Item = (&'a str, Option<DriftReading>)>) -> Finding {
    let mut finding = Finding { proved: true, ..Finding::default() };
    let mut reports = Vec::new();
    for (node, reading) in readings {
        let Some(reading) = reading else {
            finding.proved = false;
            reports.push(format!("{node} did not answer for its clock at the end"));
            continue;
        };
        finding.figures.insert(format!("{node}_measured_ms"), reading.measured_ms);
        finding.figures.insert(format!("{node}_expected_ms"), reading.expected_ms);
        finding.proved &= reading.is_consistent();
        let but = if reading.is_consistent() { "" } else { "only " };
        let (measured, expected) = (signed(reading.measured_ms), signed(reading.expected_ms));
        reports.push(format!("{node} drifted {but}{measured} ms where {expected} ms were set"));
    }
    finding.evidence = reports.join(", ");
    finding
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_needs_the_sign_and_half_the_way() {
        let one =
            |measured_ms, expected_ms| judge([("n1", Some(DriftReading { measured_ms, expected_ms }))].into_iter());
        assert_eq!(one(990, 1000).evidence, "n1 drifted +990 ms where +1,000 ms were set");
        assert!(one(500, 1000).proved && one(-501, -1000).proved);
        assert!(!one(499, 1000).proved && !one(-1000, 1000).proved && !one(0, 0).proved && !one(0, 1).proved);
        assert!(!judge([("n1", None)].into_iter()).proved);
    }

    #[test]
    fn its_words() {
        let detail = |rate_ppm| ClockDrift { nodes: vec!["n3".into()], rate_ppm }.detail(&[]);
        assert_eq!((detail(500_000), detail(-25_000)), ("n3 at 150 %".to_owned(), "n3 at 97.5 %".to_owned()));
    }
}
