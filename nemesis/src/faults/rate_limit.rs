//! Rate limit: the links let only so much pass in a second.

use serde::{Deserialize, Serialize};

use crate::capability::Capability;
use crate::evidence::Finding;
use crate::fault::{Class, Link};
use crate::kind::{Drawing, Effect, Facts, FaultKind, Refinement, Ways};
use crate::links::drawn;
use crate::measured::{Measured, total};
use crate::problem::{Problem, check_amount};
use crate::stage::Share;
use crate::surface::{LinkRule, LinkStatistics};
use crate::words::{count, grouped, touching};

/// The highest rate that counts as a limit, kbit/s: 10 Gbit/s.
pub const RATE_MAX_KBIT_S: u64 = 10_000_000;

/// What a link may pass beyond its rate while the limit is measured, bytes: what was under way when the counters were
/// read.
const SLACK_BYTES: u64 = 16 * 1024;

/// The links let only so much pass in a second.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// What each of the links lets pass, kbit/s.
    pub rate_kbit_s: u64,
    /// The links affected.
    pub links: Vec<Link>,
}

impl FaultKind for RateLimit {
    const FACTS: Facts = Facts {
        name: "rate-limit",
        family: "rate",
        class: Class::Network,
        is_usual: false,
        ways: Ways::TARGETS,
        needs: &[Capability::RateLimit],
    };

    /// From a slow modem to less than a store under load sends.
    fn draw(way: &Refinement, drawing: &mut Drawing<'_>) -> Option<Self> {
        Some(Self { links: drawn(way, drawing)?, rate_kbit_s: drawing.draw.log_uniform(16, 512) })
    }
}

impl Effect for RateLimit {
    fn links(&self) -> &[Link] {
        &self.links
    }

    fn detail(&self, all: &[String]) -> String {
        format!("{}, {} kbit/s", touching(&self.links, all), grouped(self.rate_kbit_s))
    }

    fn check_amounts(&self) -> Result<(), Problem> {
        check_amount("rate_kbit_s", self.rate_kbit_s, 1..=RATE_MAX_KBIT_S as i64, "up to 10 Gbit/s")
    }

    fn share(&self) -> Share {
        Share::Link(LinkRule { rate_kbit_s: Some(self.rate_kbit_s), ..LinkRule::default() })
    }

    fn finding(&self, measured: &Measured) -> Finding {
        measured.judge_links(&self.links, |links| judge(links, self.rate_kbit_s, measured.lasted_ms()))
    }
}

/// Something must have waited for the rate, and no link may have passed more than the rate and a tenth.
fn judge(links: &[LinkStatistics], rate_kbit_s: u64, lasted_ms: u64) -> Finding {
    let throttled = total(links, |link| link.throttled_chunks);
    // A kilobit in a second is a bit in a millisecond.
    let allowed_bytes = rate_kbit_s.saturating_mul(lasted_ms) / 8 * 11 / 10 + SLACK_BYTES;
    let most_bytes = links.iter().map(|link| link.forwarded_bytes).max().unwrap_or(0);
    let fastest_kbit_s = most_bytes.saturating_mul(8).checked_div(lasted_ms).unwrap_or(0);
    let limited = format!("{} limited", count(links.len() as u64, "link"));
    let measured =
        format!("{limited}: {} waited, the fastest passed {fastest_kbit_s} kbit/s", count(throttled, "chunk"));
    let (proved, evidence) = match (throttled, most_bytes <= allowed_bytes) {
        (0, _) => (false, format!("{limited}, but nothing had to wait for the rate")),
        (_, false) => (false, format!("{measured}, more than the {rate_kbit_s} kbit/s that were set")),
        (_, true) => (true, measured),
    };
    let figures = [
        ("links", links.len() as u64),
        ("throttled_chunks", throttled),
        ("fastest_kbit_s", fastest_kbit_s),
        ("rate_kbit_s", rate_kbit_s),
    ];
    Finding::new(proved, evidence, figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_needs_chunks_that_waited_and_a_rate_that_was_kept() {
        let link = |forwarded_bytes, throttled_chunks| LinkStatistics {
            forwarded_bytes,
            throttled_chunks,
            ..Default::default()
        };
        let kept = judge(&[link(100_000, 7), link(0, 0)], 80, 10_000);
        assert_eq!(kept.evidence, "2 links limited: 7 chunks waited, the fastest passed 80 kbit/s");
        assert!(kept.proved && kept.figures["fastest_kbit_s"] == 80);
        let faster = judge(&[link(130_000, 7)], 80, 10_000);
        assert!(!faster.proved && faster.evidence.ends_with("more than the 80 kbit/s that were set"), "{faster:?}");
        assert!(!judge(&[link(100, 0)], 80, 10_000).proved, "nothing waited");
    }
}
