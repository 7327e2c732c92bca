//! Clock bump: the wall clock jumps, and jumps back at the end.

use serde::{Deserialize, Serialize};

use crate::capability::Capability;
use crate::clocks::{self, CLOCK_TOLERANCE_MAX_MS};
use crate::evidence::Finding;
use crate::fault::Class;
use crate::kind::{Drawing, Effect, Facts, FaultKind, Refinement, Ways};
use crate::measured::{ClockReading, Measured, Reading};
use crate::problem::{Problem, check_amount};
use crate::stage::Share;
use crate::surface::ClockSetting;
use crate::words::{offset, signed};

/// Largest clock jump, ms: ten years.
pub const OFFSET_MAX_MS: i64 = 10 * 365 * 24 * 3_600_000;

/// The wall clock jumps, and jumps back at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockBump {
    /// The nodes affected.
    pub nodes: Vec<String>,
    /// The jump, ms; negative for backwards.
    pub offset_ms: i64,
}

impl FaultKind for ClockBump {
    const FACTS: Facts = Facts {
        name: "clock-bump",
        family: "clock",
        class: Class::Clock,
        is_usual: true,
        ways: Ways::Names { usual: &["bump"], others: &["bump-all"] },
        needs: &[Capability::Clock],
    };

    /// A jump of 10 ms to 5 min either way.
    fn draw(way: &Refinement, drawing: &mut Drawing<'_>) -> Option<Self> {
        let nodes = clocks::drawn(way, drawing);
        let forwards = drawing.draw.coin();
        let size_ms = drawing.draw.log_uniform(10, 300_000) as i64;
        Some(Self { nodes, offset_ms: if forwards { size_ms } else { -size_ms } })
    }
}

impl Effect for ClockBump {
    fn nodes(&self) -> &[String] {
        &self.nodes
    }

    fn detail(&self, _: &[String]) -> String {
        format!("{} {}", self.nodes.join(" "), offset(self.offset_ms))
    }

    fn check_amounts(&self) -> Result<(), Problem> {
        check_amount("offset_ms", self.offset_ms, -OFFSET_MAX_MS..=OFFSET_MAX_MS, "ten years either way")
    }

    fn share(&self) -> Share {
        Share::Clock(ClockSetting { offset_ms: self.offset_ms, drift_ppm: 0 })
    }

    fn finding(&self, measured: &Measured) -> Finding {
        let is_near = |reading: &&Reading| reading.clock.error_ms() <= tolerance_ms(self.offset_ms);
        let best = |node: &String| {
            let (first, last) = (measured.clocks_at_start.get(node), measured.clocks_at_end.get(node));
            first.filter(is_near).or(last).or(first).map(|reading| reading.clock)
        };
        judge(self.offset_ms, self.nodes.iter().map(|node| (node.as_str(), best(node))))
    }
}

/// The tolerance for reading back a jump, ms: half of the jump (so a clock that did not move never passes), at most
/// [`CLOCK_TOLERANCE_MAX_MS`].
pub(super) fn tolerance_ms(offset_ms: i64) -> u64 {
    (offset_ms.unsigned_abs() / 2).min(CLOCK_TOLERANCE_MAX_MS)
}

/// From the best reading of each node; none if it never answered.
fn judge<'a>(offset_ms: i64, readings: impl Iterator<Item = (&'a str, Option<ClockReading>)>) -> Finding {
    let tolerance_ms = tolerance_ms(offset_ms);
    let mut finding = Finding { proved: true, ..Finding::default() };
    let mut reports = Vec::new();
    for (node, reading) in readings {
        let Some(reading) = reading else {
            finding.proved = false;
            reports.push(format!("{node} never answered for its clock"));
            continue;
        };
        finding.figures.insert(format!("{node}_believed_ms"), reading.believed_ms);
        finding.figures.insert(format!("{node}_set_ms"), reading.set_ms);
        let near = reading.error_ms() <= tolerance_ms;
        finding.proved &= near;
        let verb = if near { "reads" } else { "should be near that, but reads" };
        reports.push(format!("{node} set {} ms, {verb} {} ms", signed(reading.set_ms), signed(reading.believed_ms)));
    }
    finding.add("tolerance_ms", tolerance_ms);
    finding.evidence = format!("{} (tolerance {tolerance_ms} ms)", reports.join(", "));
    finding
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_back_within_its_tolerance() {
        let reading = |believed_ms| Some(ClockReading { believed_ms, set_ms: 12_500 });
        let one = |reading| judge(12_500, [("n3", reading)].into_iter());
        assert_eq!(one(reading(12_498)).evidence, "n3 set +12,500 ms, reads +12,498 ms (tolerance 250 ms)");
        assert!(one(reading(12_250)).proved && !one(reading(12_249)).proved && !one(None).proved);
        for offset_ms in [-300_000, -10, 10, 1, 500] {
            assert!(tolerance_ms(offset_ms) < offset_ms.unsigned_abs(), "a clock that stood still would pass");
        }
    }

    #[test]
    fn its_words() {
        let detail = |offset_ms| ClockBump { nodes: vec!["n3".into()], offset_ms }.detail(&[]);
        assert_eq!((detail(12_500), detail(-40)), ("n3 +12.5 s".to_owned(), "n3 -40 ms".to_owned()));
    }
}
