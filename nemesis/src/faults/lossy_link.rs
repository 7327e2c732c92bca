//! Lossy link: the links lose a share of what is sent over them.

use serde::{Deserialize, Serialize};

use crate::capability::Capability;
use crate::evidence::Finding;
use crate::fault::{Class, Link};
use crate::kind::{Drawing, Effect, Facts, FaultKind, Refinement, Ways};
use crate::measured::{Measured, total};
use crate::problem::{Problem, check_amount};
use crate::shape::links_touching;
use crate::stage::Share;
use crate::surface::{LinkRule, LinkStatistics};
use crate::words::{count, grouped, touching};

/// The links lose a share of what is sent over them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossyLink {
    /// The share of chunks that are lost, percent, 1 to 99.
    pub loss_percent: u32,
    /// The links affected.
    pub links: Vec<Link>,
}

impl FaultKind for LossyLink {
    const FACTS: Facts = Facts {
        name: "lossy-link",
        family: "lossy",
        class: Class::Network,
        is_usual: true,
        ways: Ways::TARGETS,
        needs: &[Capability::Loss],
    };

    fn draw(way: &Refinement, drawing: &mut Drawing<'_>) -> Option<Self> {
        let links = links_touching(&drawing.target(way)?, drawing.nodes);
        Some(Self { links, loss_percent: drawing.draw.log_uniform(5, 40) as u32 })
    }
}

impl Effect for LossyLink {
    fn links(&self) -> &[Link] {
        &self.links
    }

    fn detail(&self, all: &[String]) -> String {
        format!("{}, {} %", touching(&self.links, all), self.loss_percent)
    }

    fn check_amounts(&self) -> Result<(), Problem> {
        check_amount("loss_percent", self.loss_percent, 1..=99, "1 to 99 %")
    }

    fn share(&self) -> Share {
        Share::Link(LinkRule { loss_percent: self.loss_percent, ..LinkRule::default() })
    }

    fn finding(&self, measured: &Measured) -> Finding {
        measured.judge_links(&self.links, judge)
    }
}

/// From what each link did while it lost some: something must have been lost.
fn judge(links: &[LinkStatistics]) -> Finding {
    let (chunks, lost) = (total(links, |link| link.lossy_chunks), total(links, |link| link.lost_chunks));
    let lossy = format!("{} lossy", count(links.len() as u64, "link"));
    let evidence = match (chunks, lost) {
        (0, _) => format!("{lossy}, but nothing was sent over them meanwhile"),
        _ => format!("{lossy}: {} of {} lost", grouped(lost), count(chunks, "chunk")),
    };
    let figures = [("links", links.len() as u64), ("chunks", chunks), ("lost_chunks", lost)];
    Finding::new(lost > 0, evidence, figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_needs_something_lost() {
        let link = |lossy_chunks, lost_chunks| LinkStatistics { lossy_chunks, lost_chunks, ..Default::default() };
        let finding = judge(&[link(1000, 300), link(40, 12)]);
        assert_eq!(finding.evidence, "2 links lossy: 312 of 1,040 chunks lost");
        assert!(finding.proved && finding.figures["lost_chunks"] == 312);
        assert!(!judge(&[link(1, 0)]).proved);
        assert!(judge(&[link(0, 0)]).evidence.contains("nothing was sent"));
    }

    #[test]
    fn its_words() {
        let all = ["n1", "n2", "n3", "n4"].map(str::to_owned);
        let links = links_touching(&all[1..2], &all);
        assert_eq!(LossyLink { links, loss_percent: 30 }.detail(&all), "n2 ⇄ others, 30 %");
    }
}
