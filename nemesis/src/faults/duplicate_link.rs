//! Duplicating link: the links deliver a share of what is sent twice.

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

/// The links deliver a share of what is sent twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DuplicateLink {
    /// The share of chunks that are delivered twice, percent, 1 to 100.
    pub duplicate_percent: u32,
    /// The links affected.
    pub links: Vec<Link>,
}

impl FaultKind for DuplicateLink {
    const FACTS: Facts = Facts {
        name: "duplicate-link",
        family: "duplicate",
        class: Class::Network,
        is_usual: false,
        ways: Ways::TARGETS,
        needs: &[Capability::Duplication],
    };

    fn draw(way: &Refinement, drawing: &mut Drawing<'_>) -> Option<Self> {
        Some(Self { links: drawn(way, drawing)?, duplicate_percent: drawing.draw.log_uniform(5, 50) as u32 })
    }
}

impl Effect for DuplicateLink {
    fn links(&self) -> &[Link] {
        &self.links
    }

    fn detail(&self, all: &[String]) -> String {
        format!("{}, {} % twice", touching(&self.links, all), self.duplicate_percent)
    }

    fn check_amounts(&self) -> Result<(), Problem> {
        check_amount("duplicate_percent", self.duplicate_percent, 1..=100, "1 to 100 %")
    }

    fn share(&self) -> Share {
        Share::Link(LinkRule { duplicate_percent: self.duplicate_percent, ..LinkRule::default() })
    }

    fn finding(&self, measured: &Measured) -> Finding {
        measured.judge_links(&self.links, |links| {
            judge_struck(links, "duplicating", "duplicated", |link| link.duplicated_chunks)
        })
    }
}
