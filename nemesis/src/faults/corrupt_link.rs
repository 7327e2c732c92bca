//! Corrupting link: a bit is flipped in a share of what is sent.
//!
//! With the checksum left as it is the receiving kernel drops the packet, as almost always in practice. With the
//! checksum repaired the program meets the flipped bit: what a faulty switch or network card does after it has checked
//! (Stone and Partridge, *When the CRC and TCP checksum disagree*, SIGCOMM 2000).

use serde::{Deserialize, Serialize};

use crate::capability::Capability;
use crate::evidence::Finding;
use crate::fault::{Class, Link};
use crate::kind::{Drawing, Effect, Facts, FaultKind, Refinement, Ways};
use crate::links::{drawn, judge_struck};
use crate::measured::Measured;
use crate::problem::{Problem, check_amount};
use crate::stage::Share;
use crate::surface::{Checksum, LinkRule};
use crate::words::touching;

/// A bit is flipped in a share of what is sent over the links.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorruptLink {
    /// The share of chunks in which a bit is flipped, percent, 1 to 100.
    pub corrupt_percent: u32,
    /// What becomes of their checksums.
    pub checksum: Checksum,
    /// The links affected.
    pub links: Vec<Link>,
}

impl FaultKind for CorruptLink {
    const FACTS: Facts = Facts {
        name: "corrupt-link",
        family: "corrupt",
        class: Class::Network,
        is_usual: false,
        ways: Ways::Names { usual: &["left", "repaired"], others: &[] },
        needs: &[Capability::Corruption],
    };

    fn fits(_: &Refinement, drawing: &Drawing<'_>) -> bool {
        drawing.nodes.len() >= 2
    }

    fn draw(way: &Refinement, drawing: &mut Drawing<'_>) -> Option<Self> {
        let checksum = if way.name() == Some("repaired") { Checksum::Repaired } else { Checksum::Left };
        let links = drawn(way, drawing)?;
        Some(Self { corrupt_percent: drawing.draw.log_uniform(1, 20) as u32, checksum, links })
    }
}

impl Effect for CorruptLink {
    fn links(&self) -> &[Link] {
        &self.links
    }

    fn detail(&self, all: &[String]) -> String {
        let checksum = match self.checksum {
            Checksum::Left => "left",
            Checksum::Repaired => "repaired",
        };
        format!("{}, {} %, checksums {checksum}", touching(&self.links, all), self.corrupt_percent)
    }

    fn check_amounts(&self) -> Result<(), Problem> {
        check_amount("corrupt_percent", self.corrupt_percent, 1..=100, "1 to 100 %")
    }

    fn share(&self) -> Share {
        let (corrupt_percent, checksum) = (self.corrupt_percent, self.checksum);
        Share::Link(LinkRule { corrupt_percent, checksum, ..LinkRule::default() })
    }

    fn finding(&self, measured: &Measured) -> Finding {
        measured.judge_links(&self.links, |links| {
            judge_struck(links, "corrupting", "corrupted", |link| link.corrupted_chunks)
        })
    }
}
