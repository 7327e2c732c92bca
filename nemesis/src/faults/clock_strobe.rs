//! Clock strobe: the wall clock jumps ahead and back again, over and over (Jepsen's `strobe-time`).

use serde::{Deserialize, Serialize};

use super::clock_bump::{OFFSET_MAX_MS, tolerance_ms};
use crate::capability::Capability;
use crate::clocks;
use crate::evidence::Finding;
use crate::fault::Class;
use crate::kind::{Drawing, Effect, Facts, FaultKind, Refinement, Ways, every};
use crate::measured::{ClockPhases, Measured};
use crate::problem::{Problem, TIME_MAX_MS, check_amount};
use crate::stage::{Share, Stage, Step};
use crate::surface::{ClockSetting, SurfaceError};
use crate::words::offset;

/// The wall clock jumps ahead and back again in every period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockStrobe {
    /// The nodes affected.
    pub nodes: Vec<String>,
    /// The jump, ms; negative for backwards.
    pub offset_ms: i64,
    /// The time between a jump and the jump back, ms.
    pub period_ms: u64,
}

impl FaultKind for ClockStrobe {
    /// Only by name: it would change what a seed means for those who ask for `clock`.
    const FACTS: Facts = Facts {
        name: "clock-strobe",
        family: "clock",
        class: Class::Clock,
        is_usual: true,
        ways: Ways::Names { usual: &[], others: &["strobe", "strobe-all"] },
        needs: &[Capability::Clock],
    };

    fn draw(way: &Refinement, drawing: &mut Drawing<'_>) -> Option<Self> {
        let nodes = clocks::drawn(way, drawing);
        let forwards = drawing.draw.coin();
        let size_ms = drawing.draw.log_uniform(20, 300_000) as i64;
        let period_ms = drawing.draw.log_uniform(50, (drawing.for_ms / 3).max(50));
        Some(Self { nodes, offset_ms: if forwards { size_ms } else { -size_ms }, period_ms })
    }
}

impl Effect for ClockStrobe {
    fn nodes(&self) -> &[String] {
        &self.nodes
    }

    fn detail(&self, _: &[String]) -> String {
        format!("{} {} every {} ms", self.nodes.join(" "), offset(self.offset_ms), self.period_ms)
    }

    fn check_amounts(&self) -> Result<(), Problem> {
        check_amount("offset_ms", self.offset_ms, -OFFSET_MAX_MS..=OFFSET_MAX_MS, "ten years either way")?;
        check_amount("period_ms", self.period_ms, 1..=TIME_MAX_MS as i64, "up to ten days")
    }

    fn share(&self) -> Share {
        Share::Clock(ClockSetting { offset_ms: self.offset_ms, drift_ppm: 0 })
    }

    fn turns_ms(&self, for_ms: u64) -> Vec<u64> {
        every(self.period_ms, for_ms)
    }

    /// The clock is read as soon as it was set, since the next turn may be near.
    fn observe<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a> {
        Box::pin(self.note(stage, true))
    }

    fn turn<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a, Result<(), SurfaceError>> {
        Box::pin(async move {
            let is_off_course = stage.measured().turns.is_multiple_of(2);
            match is_off_course {
                true => stage.impose(self.share(), &[], &self.nodes).await?,
                false => stage.suspend(self.share(), &[], &self.nodes).await,
            }
            self.note(stage, is_off_course).await;
            Ok(())
        })
    }

    fn measure<'a>(&'a self, _: &'a mut Stage<'_>) -> Step<'a> {
        Box::pin(std::future::ready(()))
    }

    fn finding(&self, measured: &Measured) -> Finding {
        judge(&self.nodes, |node| measured.clock_phases.get(node).copied().unwrap_or_default())
    }
}

impl ClockStrobe {
    /// Notes which clocks are where they were set to.
    async fn note(&self, stage: &mut Stage<'_>, is_off_course: bool) {
        for node in &self.nodes {
            let near = stage.read_clock(node).await;
            let is_near = near.is_some_and(|near| near.clock.error_ms() <= tolerance_ms(self.offset_ms));
            let phases = stage.measured().clock_phases.entry(node.clone()).or_default();
            let seen = if is_off_course { &mut phases.off_course } else { &mut phases.true_again };
            *seen += u64::from(is_near);
        }
    }
}

/// Each clock must have been seen where it jumped to, and true again in between.
fn judge(nodes: &[String], phases: impl Fn(&str) -> ClockPhases) -> Finding {
    let mut finding = Finding { proved: !nodes.is_empty(), ..Finding::default() };
    let mut reports = Vec::new();
    for node in nodes {
        let seen = phases(node);
        finding.proved &= seen.off_course > 0 && seen.true_again > 0;
        finding.add(&format!("{node}_seen_off_course"), seen.off_course);
        finding.add(&format!("{node}_seen_true"), seen.true_again);
        reports
            .push(format!("{node} seen off course {} times and true again {} times", seen.off_course, seen.true_again));
    }
    finding.evidence = reports.join(", ");
    finding
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_needs_a_clock_seen_at_both_ends() {
        let one = |off_course, true_again| judge(&["n1".to_owned()], |_| ClockPhases { off_course, true_again });
        assert_eq!(one(4, 3).evidence, "n1 seen off course 4 times and true again 3 times");
        assert!(one(1, 1).proved && !one(4, 0).proved && !one(0, 4).proved);
    }
}
