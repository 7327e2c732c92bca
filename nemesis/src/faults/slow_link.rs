//! Slow link: the links deliver late.

use serde::{Deserialize, Serialize};

use crate::capability::Capability;
use crate::evidence::Finding;
use crate::fault::{Class, Link};
use crate::kind::{Drawing, Effect, Facts, FaultKind, Refinement, Ways};
use crate::measured::{Measured, total};
use crate::problem::{Problem, TIME_MAX_MS, check_amount};
use crate::shape::links_touching;
use crate::stage::Share;
use crate::surface::{Distribution, LinkRule, LinkStatistics};
use crate::words::{count, decimal, touching};

/// The links deliver late.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlowLink {
    /// The delay of each chunk, ms.
    pub delay_ms: u64,
    /// What comes on top: 0..=jitter, ms, half of it on average; the order of chunks is kept.
    pub jitter_ms: u64,
    /// How the delays between chunks differ.
    #[serde(default, skip_serializing_if = "is_uniform")]
    pub distribution: Distribution,
    /// The links affected.
    pub links: Vec<Link>,
}

/// A plan's file leaves out what is usual, as it always did.
fn is_uniform(distribution: &Distribution) -> bool {
    *distribution == Distribution::Uniform
}

impl FaultKind for SlowLink {
    const FACTS: Facts = Facts {
        name: "slow-link",
        family: "slow",
        class: Class::Network,
        is_usual: true,
        ways: Ways::Targets { names: &["constant", "uniform", "normal", "pareto"] },
        needs: &[Capability::Delay],
    };

    fn needs(way: &Refinement) -> Vec<Capability> {
        [Self::FACTS.needs, distribution(way).needs()].concat()
    }

    fn fits(_: &Refinement, drawing: &Drawing<'_>) -> bool {
        drawing.nodes.len() >= 2
    }

    /// Most slow links are a little slow; some are slower than the replicas' time-outs.
    fn draw(way: &Refinement, drawing: &mut Drawing<'_>) -> Option<Self> {
        let links = links_touching(&drawing.target(way)?, drawing.nodes);
        let delay_ms = drawing.draw.log_uniform(20, 400);
        let jitter_ms = match way.name() {
            None => 2 * drawing.draw.between(0, delay_ms / 4),
            Some("constant") => 0,
            Some(_) => drawing.draw.between(delay_ms / 4, delay_ms).max(1),
        };
        Some(Self { links, delay_ms, jitter_ms, distribution: distribution(way) })
    }
}

fn distribution(way: &Refinement) -> Distribution {
    match way.name() {
        Some("normal") => Distribution::Normal,
        Some("pareto") => Distribution::Pareto,
        _ => Distribution::Uniform,
    }
}

impl Effect for SlowLink {
    fn needs(&self) -> Vec<Capability> {
        self.distribution.needs().to_vec()
    }

    fn links(&self) -> &[Link] {
        &self.links
    }

    fn detail(&self, all: &[String]) -> String {
        let mean = (self.delay_ms as i64).saturating_mul(2).saturating_add(self.jitter_ms as i64);
        let spread = decimal(self.jitter_ms as i64, 2);
        let distribution = match self.distribution {
            Distribution::Uniform => "",
            Distribution::Normal => ", normal",
            Distribution::Pareto => ", Pareto",
        };
        format!("{}, {} ms ± {spread} ms{distribution}", touching(&self.links, all), decimal(mean, 2))
    }

    fn check_amounts(&self) -> Result<(), Problem> {
        check_amount("delay_ms", self.delay_ms, 1..=TIME_MAX_MS as i64, "up to ten days")?;
        check_amount("jitter_ms", self.jitter_ms.max(1), 1..=TIME_MAX_MS as i64, "up to ten days")
    }

    fn share(&self) -> Share {
        let Self { delay_ms, jitter_ms, distribution, .. } = *self;
        Share::Link(LinkRule { delay_ms, jitter_ms, distribution, ..LinkRule::default() })
    }

    fn finding(&self, measured: &Measured) -> Finding {
        measured.judge_links(&self.links, |links| judge(links, self.delay_ms))
    }
}

/// From what each link did while it was slow: something must have been delivered late, on average by at least half of
/// the delay (chunks that were sent just before the start count with their smaller delays).
fn judge(links: &[LinkStatistics], delay_ms: u64) -> Finding {
    let bytes = total(links, |link| link.delayed_bytes);
    let chunks = total(links, |link| link.delayed_chunks);
    let mean_ms = total(links, |link| link.delay_total_ms).checked_div(chunks).unwrap_or(0);
    let slowed = format!("{} slowed", count(links.len() as u64, "link"));
    let measured = format!("{slowed}: {} delayed by {mean_ms} ms on average", count(bytes, "byte"));
    let (proved, evidence) = match (bytes, mean_ms.saturating_mul(2) >= delay_ms) {
        (0, _) => (false, format!("{slowed}, but nothing was delivered over them meanwhile")),
        (_, false) => (false, format!("{measured}, less than half of the {delay_ms} ms that were set")),
        (_, true) => (true, measured),
    };
    let figures = [
        ("links", links.len() as u64),
        ("delayed_bytes", bytes),
        ("delayed_chunks", chunks),
        ("delay_mean_ms", mean_ms),
    ];
    Finding::new(proved, evidence, figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_needs_chunks_that_came_late_enough() {
        let late = |delay_total_ms| LinkStatistics {
            delayed_bytes: 900,
            delayed_chunks: 3,
            delay_total_ms,
            ..Default::default()
        };
        let finding = judge(&[late(390), LinkStatistics::default()], 120);
        assert_eq!(finding.evidence, "2 links slowed: 900 bytes delayed by 130 ms on average");
        assert!(finding.proved && finding.figures["delay_mean_ms"] == 130);
        assert!(!judge(&[late(30)], 120).proved);
        assert!(!judge(&[LinkStatistics::default()], 120).proved);
    }

    #[test]
    fn its_words() {
        let names = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let all = names("n1 n2 n3 n4");
        let slow = |targets: &str| {
            let links = links_touching(&names(targets), &all);
            SlowLink { links, delay_ms: 100, jitter_ms: 40, distribution: Distribution::Uniform }.detail(&all)
        };
        assert_eq!(slow("n1"), "n1 ⇄ others, 120 ms ± 20 ms");
        assert_eq!(slow("n1 n3"), "n1 n3 ⇄ others, 120 ms ± 20 ms");
        assert_eq!(slow("n1 n2 n3"), "all links, 120 ms ± 20 ms");
        let links = vec![Link { from: "n1".into(), to: "n2".into() }];
        assert_eq!(
            SlowLink { links, delay_ms: 7, jitter_ms: 0, distribution: Distribution::Pareto }.detail(&all),
            "n1→n2, 7 ms ± 0 ms, Pareto"
        );
    }
}
