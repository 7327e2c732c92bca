//! Flapping partition: the links are cut and open in turn, faster than a store may agree on who is gone.

use serde::{Deserialize, Serialize};

use super::partition::{cut, describe, fits, needs};
use crate::capability::Capability;
use crate::evidence::Finding;
use crate::fault::{Class, Link};
use crate::kind::{Drawing, Effect, Facts, FaultKind, Refinement, TURNS_MAX, Ways};
use crate::measured::{LinkPhases, Measured};
use crate::problem::{Problem, TIME_MAX_MS, check_amount};
use crate::shape::Shape;
use crate::stage::{Share, Stage, Step};
use crate::surface::{LinkRule, SurfaceError};
use crate::words::count;

/// The links are cut and open in turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlappingPartition {
    /// How they were chosen.
    pub shape: Shape,
    /// How long they are cut each time, ms.
    pub cut_ms: u64,
    /// How long they are open in between, ms.
    pub open_ms: u64,
    /// The directed links that are cut.
    pub links: Vec<Link>,
}

impl FaultKind for FlappingPartition {
    const FACTS: Facts = Facts {
        name: "flapping-partition",
        family: "flapping",
        class: Class::Network,
        is_usual: false,
        ways: Ways::Names { usual: &Shape::USUAL_NAMES, others: &Shape::OTHER_NAMES },
        needs: &[Capability::Cut],
    };

    fn needs(way: &Refinement) -> Vec<Capability> {
        needs(Self::FACTS, way)
    }

    fn fits(way: &Refinement, drawing: &Drawing<'_>) -> bool {
        fits(way, drawing)
    }

    /// Cut and open at least twice where the fault lasts long enough.
    fn draw(way: &Refinement, drawing: &mut Drawing<'_>) -> Option<Self> {
        let (shape, links) = cut(way, drawing)?;
        let most_ms = (drawing.for_ms / 5).max(50);
        let (cut_ms, open_ms) = (drawing.draw.log_uniform(50, most_ms), drawing.draw.log_uniform(50, most_ms));
        Some(Self { shape, cut_ms, open_ms, links })
    }
}

impl Effect for FlappingPartition {
    fn links(&self) -> &[Link] {
        &self.links
    }

    fn needs(&self) -> Vec<Capability> {
        self.shape.needs_to_cut().to_vec()
    }

    fn detail(&self, all: &[String]) -> String {
        let words = describe(self.shape, &self.links, all);
        format!("{words}, {} ms cut and {} ms open in turn", self.cut_ms, self.open_ms)
    }

    fn check_amounts(&self) -> Result<(), Problem> {
        check_amount("cut_ms", self.cut_ms, 1..=TIME_MAX_MS as i64, "up to ten days")?;
        check_amount("open_ms", self.open_ms, 1..=TIME_MAX_MS as i64, "up to ten days")
    }

    fn share(&self) -> Share {
        Share::Link(LinkRule { blocked: true, ..LinkRule::default() })
    }

    fn turns_ms(&self, for_ms: u64) -> Vec<u64> {
        let mut turns_ms = vec![self.cut_ms];
        while let Some(&last_ms) = turns_ms.last().filter(|_| turns_ms.len() <= TURNS_MAX) {
            let length_ms = if turns_ms.len() % 2 == 1 { self.open_ms } else { self.cut_ms };
            turns_ms.push(last_ms.saturating_add(length_ms.max(1)));
            if last_ms >= for_ms {
                break;
            }
        }
        turns_ms.retain(|turn_ms| *turn_ms < for_ms);
        turns_ms
    }

    fn observe<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a> {
        Box::pin(stage.begin_phase(&self.links))
    }

    fn turn<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a, Result<(), SurfaceError>> {
        Box::pin(async move {
            let was_cut = !stage.measured().turns.is_multiple_of(2);
            stage.end_phase(&self.links, was_cut).await;
            match was_cut {
                true => stage.suspend(self.share(), &self.links, &[]).await,
                false => stage.impose(self.share(), &self.links, &[]).await?,
            }
            stage.begin_phase(&self.links).await;
            Ok(())
        })
    }

    fn measure<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a> {
        Box::pin(async move {
            let is_cut = stage.measured().turns.is_multiple_of(2);
            stage.end_phase(&self.links, is_cut).await;
        })
    }

    fn finding(&self, measured: &Measured) -> Finding {
        judge(&measured.link_phases)
    }
}

/// While they were cut something must have been blocked and nothing may have passed; while they were open something
/// must have passed: otherwise it was a partition, or none.
fn judge(phases: &LinkPhases) -> Finding {
    let blocked = phases.cut.blocked_bytes.saturating_add(phases.cut.blocked_connections);
    let (leaked, passed) = (phases.cut.forwarded_bytes, phases.open.forwarded_bytes);
    let measured = format!(
        "cut {} and open {}: {} and {} blocked and {} passed while cut, {} passed while open",
        count(phases.cuts, "time"),
        count(phases.opens, "time"),
        count(phases.cut.blocked_bytes, "byte"),
        count(phases.cut.blocked_connections, "connection"),
        count(leaked, "byte"),
        count(passed, "byte")
    );
    let proved = phases.unread == 0 && phases.cuts > 0 && blocked > 0 && leaked == 0 && passed > 0;
    let figures = [
        ("cuts", phases.cuts),
        ("opens", phases.opens),
        ("blocked_bytes", phases.cut.blocked_bytes),
        ("blocked_connections", phases.cut.blocked_connections),
        ("forwarded_bytes", leaked),
        ("forwarded_while_open_bytes", passed),
        ("counters_unread", phases.unread),
    ];
    Finding::new(proved, measured, figures)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::LinkStatistics;

    #[test]
    fn it_turns_until_it_ends() {
        let flapping = |cut_ms, open_ms| FlappingPartition { shape: Shape::Halves, cut_ms, open_ms, links: vec![] };
        assert_eq!(flapping(100, 50).turns_ms(400), [100, 150, 250, 300]);
        assert_eq!(flapping(100, 50).turns_ms(100), [0; 0]);
        assert!(flapping(1, 1).turns_ms(TIME_MAX_MS).len() > TURNS_MAX, "more than is allowed");
    }

    #[test]
    fn it_must_block_while_cut_and_pass_while_open() {
        let blocked = LinkStatistics { blocked_bytes: 9, ..Default::default() };
        let passed = LinkStatistics { forwarded_bytes: 5, ..Default::default() };
        let phases = LinkPhases { cut: blocked, open: passed, cuts: 3, opens: 2, ..LinkPhases::default() };
        let finding = judge(&phases);
        assert!(finding.proved && finding.figures["cuts"] == 3, "{finding:?}");
        assert!(finding.evidence.starts_with("cut 3 times and open 2 times: 9 bytes and 0 connections blocked"));
        let plain = LinkPhases { open: LinkStatistics::default(), ..phases.clone() };
        let leaking = LinkPhases { cut: blocked.and(&passed), ..phases.clone() };
        let silent = LinkPhases { cut: LinkStatistics::default(), ..phases.clone() };
        let blind = LinkPhases { unread: 1, ..phases };
        for phases in [plain, leaking, silent, blind] {
            assert!(!judge(&phases).proved, "{phases:?}");
        }
    }
}
