//! One directed link: what its rule does to each message, and what it has done.
//!
//! ```text
//!   message ─► take_in: blocked? lost? twice? how late? ─► departures ─► (time) ─► hand_over: blocked by now? ─► delivered
//! ```
//! A message is judged when it is sent and once more when it arrives: while a link is cut nothing passes it, not even what was
//! under way. So what was counted as passed was passed under the rule of that moment.

use std::f64::consts::TAU;
use std::time::Duration;

use nemesis::surface::{Distribution, LinkRule, LinkStatistics};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// No message is held longer than this, whatever the distribution.
const DELAY_MAX: Duration = Duration::from_secs(60);

/// A directed link.
#[derive(Debug, Default)]
pub(super) struct MessageLink {
    rule: LinkRule,
    counted: LinkStatistics,
    /// The number of the message that was taken in last.
    taken_in: u64,
    /// The greatest number that was delivered.
    delivered: u64,
}

/// One copy of a message that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Departure {
    /// By which its place among the messages of the link is known.
    number: u64,
    /// How late it is by the rule's delay.
    delay: Duration,
    /// How long it is held back besides, so that others overtake it.
    hold: Duration,
    /// It is the second one.
    is_copy: bool,
}

impl Departure {
    /// How long it is under way by the link's rule.
    pub fn takes(&self) -> Duration {
        self.delay + self.hold
    }
}

impl MessageLink {
    /// Replaces the rule.
    pub fn set_rule(&mut self, rule: LinkRule) {
        self.rule = rule;
    }

    /// What has been done so far.
    pub fn statistics(&self) -> LinkStatistics {
        self.counted
    }

    /// A message of this size enters: what leaves, now or later.
    pub fn take_in(&mut self, bytes: u64, chance: &mut ChaCha8Rng) -> Vec<Departure> {
        self.taken_in += 1;
        self.counted.chunks += 1;
        if self.rule.blocked {
            self.counted.blocked_bytes += bytes;
            return Vec::new();
        }
        if self.rule.loss_percent > 0 {
            self.counted.lossy_chunks += 1;
            if strikes(self.rule.loss_percent, chance) {
                self.counted.lost_chunks += 1;
                return Vec::new();
            }
        }
        let copies = if strikes(self.rule.duplicate_percent, chance) { 2 } else { 1 };
        (0..copies).map(|copy| self.departure(copy > 0, chance)).collect()
    }

    fn departure(&self, is_copy: bool, chance: &mut ChaCha8Rng) -> Departure {
        let held = strikes(self.rule.reorder_percent, chance);
        let hold = if held { Duration::from_millis(self.rule.reorder_hold_ms) } else { Duration::ZERO };
        Departure { number: self.taken_in, delay: delay(&self.rule, chance), hold, is_copy }
    }

    /// A copy of a message of this size arrives. Whether it passes.
    pub fn hand_over(&mut self, departure: &Departure, bytes: u64) -> bool {
        if self.rule.blocked {
            self.counted.blocked_bytes += bytes;
            return false;
        }
        self.counted.forwarded_bytes += bytes;
        if !departure.delay.is_zero() {
            self.counted.delayed_bytes += bytes;
            self.counted.delayed_chunks += 1;
            self.counted.delay_total_ms += departure.delay.as_millis() as u64;
        }
        self.counted.duplicated_chunks += u64::from(departure.is_copy);
        self.counted.reordered_chunks += u64::from(departure.number < self.delivered && !departure.is_copy);
        self.delivered = self.delivered.max(departure.number);
        true
    }
}

fn strikes(percent: u32, chance: &mut ChaCha8Rng) -> bool {
    percent > 0 && chance.random_ratio(percent.min(100), 100)
}

/// How late the next message is.
fn delay(rule: &LinkRule, chance: &mut ChaCha8Rng) -> Duration {
    let (least_ms, jitter_ms) = (rule.delay_ms as f64, rule.jitter_ms as f64);
    if rule.jitter_ms == 0 {
        return Duration::from_millis(rule.delay_ms).min(DELAY_MAX);
    }
    // From just above 0 to 1: its logarithm is finite.
    let mut share = || 1.0 - chance.random_range(0.0..1.0_f64);
    let ms = match rule.distribution {
        Distribution::Uniform => least_ms + jitter_ms * share(),
        Distribution::Normal => {
            let deviations = (-2.0 * share().ln()).sqrt() * (TAU * share()).cos();
            least_ms + jitter_ms * (0.5 + deviations / 6.0).clamp(0.0, 1.0)
        }
        Distribution::Pareto => least_ms * share().powf(-1.0 / (1.0 + 2.0 * least_ms / jitter_ms)),
    };
    Duration::from_secs_f64(ms.min(DELAY_MAX.as_secs_f64() * 1e3) / 1e3)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn link(rule: LinkRule) -> (MessageLink, ChaCha8Rng) {
        (MessageLink { rule, ..MessageLink::default() }, ChaCha8Rng::seed_from_u64(7))
    }

    /// A thousand messages of ten bytes, each delivered before the next is sent.
    fn thousand(rule: LinkRule) -> (Vec<Departure>, LinkStatistics) {
        let (mut link, mut chance) = link(rule);
        let sent = (0..1000).flat_map(|_| {
            let departures = link.take_in(10, &mut chance);
            departures.iter().for_each(|departure| assert!(link.hand_over(departure, 10)));
            departures
        });
        let sent = sent.collect();
        (sent, link.statistics())
    }

    #[test]
    fn without_a_rule_each_message_passes_at_once() {
        let (sent, counted) = thousand(LinkRule::default());
        assert!(sent.len() == 1000 && sent.iter().all(|departure| departure.takes().is_zero()));
        let expected = LinkStatistics { chunks: 1000, forwarded_bytes: 10_000, ..LinkStatistics::default() };
        assert_eq!(counted, expected);
    }

    #[test]
    fn a_cut_link_passes_nothing_not_even_what_was_under_way() {
        let (mut link, mut chance) = link(LinkRule::default());
        let under_way = link.take_in(10, &mut chance);
        link.set_rule(LinkRule { blocked: true, ..LinkRule::default() });
        assert!(link.take_in(5, &mut chance).is_empty());
        assert!(!link.hand_over(&under_way[0], 10));
        let counted = link.statistics();
        assert_eq!((counted.forwarded_bytes, counted.blocked_bytes, counted.chunks), (0, 15, 2));
    }

    #[test]
    fn shares_are_struck_and_counted() {
        let (sent, counted) = thousand(LinkRule { loss_percent: 30, ..LinkRule::default() });
        assert_eq!((sent.len() as u64, counted.lossy_chunks), (1000 - counted.lost_chunks, 1000));
        assert!((250..350).contains(&counted.lost_chunks), "{counted:?}");
        let (sent, counted) = thousand(LinkRule { duplicate_percent: 30, ..LinkRule::default() });
        assert_eq!(sent.len() as u64, 1000 + counted.duplicated_chunks);
        assert!((250..350).contains(&counted.duplicated_chunks), "{counted:?}");
        assert_eq!(counted.reordered_chunks, 0, "a copy that comes later overtakes nothing");
    }

    #[test]
    fn what_is_overtaken_was_reordered() {
        let (mut link, mut chance) = link(LinkRule { reorder_percent: 99, reorder_hold_ms: 5, ..LinkRule::default() });
        let [first, second, third] = [(); 3].map(|()| link.take_in(1, &mut chance)[0]);
        assert_eq!(first.takes(), Duration::from_millis(5));
        for departure in [second, first, third] {
            assert!(link.hand_over(&departure, 1));
        }
        assert_eq!(link.statistics().reordered_chunks, 1);
    }

    #[test]
    fn delays_have_the_least_and_the_mean_of_the_rule() {
        for distribution in [Distribution::Uniform, Distribution::Normal, Distribution::Pareto] {
            let (sent, counted) =
                thousand(LinkRule { delay_ms: 100, jitter_ms: 40, distribution, ..LinkRule::default() });
            assert!(sent.iter().all(|departure| departure.takes() >= Duration::from_millis(100)), "{distribution:?}");
            let mean_ms = counted.delay_total_ms / counted.delayed_chunks;
            assert!((110..130).contains(&mean_ms), "{distribution:?}: {mean_ms}");
        }
    }
}
