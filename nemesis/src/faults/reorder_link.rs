//! Reordering link: a share of what is sent is held back, so that later chunks overtake it.

use serde::{Deserialize, Serialize};

use crate::capability::Capability;
use crate::evidence::Finding;
use crate::fault::{Class, Link};
use crate::kind::{Drawing, Effect, Facts, FaultKind, Refinement, Ways};
use crate::links::{drawn, judge_struck};
use crate::measured::Measured;
use crate::problem::{Problem, check_amount};
use crate::stage::Share;
use crate::surface::LinkRule;
use crate::words::touching;

/// The longest time for which a chunk is held back, ms: a minute.
pub const HOLD_MAX_MS: u64 = 60_000;

/// A share of what is sent over the links is held back, so that later chunks overtake it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReorderLink {
    /// The share of chunks that are held back, percent, 1 to 99: if all are, none overtakes another.
    pub reorder_percent: u32,
    /// For how long, ms.
    pub hold_ms: u64,
    /// The links affected.
    pub links: Vec<Link>,
}

impl FaultKind for ReorderLink {
    const FACTS: Facts = Facts {
        name: "reorder-link",
        family: "reorder",
        class: Class::Network,
        is_usual: false,
        ways: Ways::TARGETS,
        needs: &[Capability::Reordering],
    };

    fn draw(way: &Refinement, drawing: &mut Drawing<'_>) -> Option<Self> {
        let links = drawn(way, drawing)?;
        let (reorder_percent, hold_ms) = (drawing.draw.log_uniform(5, 50) as u32, drawing.draw.log_uniform(1, 100));
        Some(Self { reorder_percent, hold_ms, links })
    }
}

impl Effect for ReorderLink {
    fn links(&self) -> &[Link] {
        &self.links
    }

    fn detail(&self, all: &[String]) -> String {
        format!("{}, {} % held for {} ms", touching(&self.links, all), self.reorder_percent, self.hold_ms)
    }

    fn check_amounts(&self) -> Result<(), Problem> {
        check_amount("reorder_percent", self.reorder_percent, 1..=99, "1 to 99 %")?;
        check_amount("hold_ms", self.hold_ms, 1..=HOLD_MAX_MS as i64, "up to a minute")
    }

    fn share(&self) -> Share {
        let (reorder_percent, reorder_hold_ms) = (self.reorder_percent, self.hold_ms);
        Share::Link(LinkRule { reorder_percent, reorder_hold_ms, ..LinkRule::default() })
    }

    fn finding(&self, measured: &Measured) -> Finding {
        measured.judge_links(&self.links, |links| {
            judge_struck(links, "reordering", "reordered", |link| link.reordered_chunks)
        })
    }
}
