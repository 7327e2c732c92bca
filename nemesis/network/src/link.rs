//! One directed link: decides by its rule what becomes of a packet, and counts it. No I/O, no clock: the time is an
//! argument, so decisions are a function of the seed and of the packets.
//!
//! ```text
//!  arrive ─► decide: cut? lost? corrupted? twice? ─► schedule each copy: now, later, or no room ─► delivered
//! ```

use std::time::Duration;

use crate::draw::Draw;
use crate::rule::LinkRule;
use crate::statistics::LinkStatistics;

/// A directed link with its rule, its chance and its counters.
#[derive(Debug)]
pub(crate) struct Link {
    rule: LinkRule,
    is_transparent: bool,
    draw: Draw,
    pub(crate) statistics: LinkStatistics,
    /// The number of the latest packet that was delivered, plus one.
    delivered_end: u64,
    /// When the link has sent all that waits for its rate, ns.
    free_ns: u64,
    /// When the last packet that keeps the order is due, ns.
    last_due_ns: u64,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It is dropped, for the reason said, and that is counted.
    Drop(&'static str),
    /// It goes on.
    Pass {
        /// With a bit flipped, if it has one that can be.
        corrupt: bool,
        /// How many times.
        copies: u8,
    },
}

/// When a copy goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Schedule {
    /// At once.
    Now,
    /// At this time, ns.
    At(u64),
    /// Never: the queue of the link's rate is full, and that is counted.
    Overflow,
}

impl Link {
    pub(crate) fn new(draw: Draw) -> Self {
        Self {
            rule: LinkRule::default(),
            is_transparent: true,
            draw,
            statistics: LinkStatistics::default(),
            delivered_end: 0,
            free_ns: 0,
            last_due_ns: 0,
        }
    }

    pub(crate) fn rule(&self) -> &LinkRule {
        &self.rule
    }

    /// The rule for what comes from now on. Nothing may be held by the old one.
    pub(crate) fn set_rule(&mut self, rule: LinkRule) {
        assert_eq!(self.statistics.held, 0, "a rule is replaced when nothing is held by it");
        self.rule = rule;
        self.is_transparent = rule.is_transparent();
        (self.free_ns, self.last_due_ns) = (0, 0);
    }

    /// Whether packets pass at once and unchanged.
    pub(crate) fn is_transparent(&self) -> bool {
        self.is_transparent
    }

    /// Counts a packet that has come, and returns its number.
    pub(crate) fn arrive(&mut self, bytes: usize) -> u64 {
        self.statistics.arrived += 1;
        self.statistics.arrived_bytes += bytes as u64;
        self.statistics.cut_bytes += if self.rule.cut { bytes as u64 } else { 0 };
        self.statistics.arrived - 1
    }

    /// What becomes of the next packet.
    pub(crate) fn decide(&mut self) -> Decision {
        if self.rule.cut {
            self.statistics.cut += 1;
            return Decision::Drop("cut");
        }
        if self.draw.chance(self.rule.loss_percent) {
            self.statistics.lost += 1;
            return Decision::Drop("lost");
        }
        let corrupt = self.rule.corrupt.is_some_and(|corrupt| self.draw.chance(corrupt.percent));
        let twice = self.draw.chance(self.rule.duplicate_percent);
        self.statistics.duplicated += u64::from(twice);
        Decision::Pass { corrupt, copies: 1 + u8::from(twice) }
    }

    /// When a copy of this many bytes goes on that has come now.
    pub(crate) fn schedule(&mut self, bytes: usize, now_ns: u64) -> Schedule {
        let Some(sent_ns) = self.sent_ns(bytes, now_ns) else {
            self.statistics.rate_queue_overflows += 1;
            return Schedule::Overflow;
        };
        let mut due_ns = sent_ns.saturating_add(nanoseconds(self.draw.delay(self.rule.delay)));
        if let Some(reorder) = self.rule.reorder
            && self.draw.chance(reorder.percent)
        {
            self.statistics.held_back += 1;
            due_ns = due_ns.saturating_add(nanoseconds(reorder.hold));
        } else if !self.rule.overtaking {
            due_ns = due_ns.max(self.last_due_ns);
            self.last_due_ns = due_ns;
        }
        if due_ns <= now_ns { Schedule::Now } else { Schedule::At(due_ns) }
    }

    /// When the last bit of the packet has gone through the rate, if it may wait that long.
    fn sent_ns(&mut self, bytes: usize, now_ns: u64) -> Option<u64> {
        let Some(rate) = self.rule.rate else { return Some(now_ns) };
        let begins_ns = self.free_ns.max(now_ns);
        let waiting_bits = u128::from(begins_ns - now_ns) * u128::from(rate.kbit_per_s) / 1_000_000;
        if waiting_bits / 8 >= u128::from(rate.queue_bytes_max) {
            return None;
        }
        self.free_ns = begins_ns.saturating_add(rate.busy_ns(bytes));
        Some(self.free_ns)
    }

    /// Flips a bit somewhere in this many bytes: a place and the number of the bit.
    pub(crate) fn draw_bit(&mut self, bytes: usize) -> (usize, u8) {
        (self.draw.below(bytes), self.draw.below(8) as u8)
    }

    /// Counts a copy that its receiver has taken. `late` is how long it was held on purpose.
    pub(crate) fn delivered(&mut self, number: u64, bytes: usize, late: Option<Duration>) {
        self.statistics.delivered += 1;
        self.statistics.delivered_bytes += bytes as u64;
        if number < self.delivered_end.saturating_sub(1) {
            self.statistics.reordered += 1;
        }
        self.delivered_end = self.delivered_end.max(number + 1);
        if let Some(late) = late {
            self.statistics.delayed += 1;
            self.statistics.delayed_bytes += bytes as u64;
            self.statistics.delay_total += late;
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::{Checksum, Corrupt, Delay, Rate, Reorder};

    const MS: u64 = 1_000_000;

    fn link(rule: LinkRule) -> Link {
        let mut link = Link::new(Draw::new(11, 3));
        link.set_rule(rule);
        link
    }

    fn due_ns(link: &mut Link, bytes: usize, now_ns: u64) -> u64 {
        match link.schedule(bytes, now_ns) {
            Schedule::Now => now_ns,
            Schedule::At(due_ns) => due_ns,
            Schedule::Overflow => panic!("the queue is full at {now_ns}"),
        }
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_same_packets_meet_the_same_fate() {
        let rule = LinkRule {
            loss_percent: 20.0,
            duplicate_percent: 5.0,
            corrupt: Some(Corrupt { percent: 10.0, checksum: Checksum::Left }),
            ..LinkRule::default()
        };
        let fates = || {
            let mut link = link(rule);
            let decisions: Vec<Decision> = (0..10_000).map(|_| link.decide()).collect();
            (decisions, link.statistics)
        };
        let (first, second) = (fates(), fates());
        assert_eq!(first, second);
        let statistics = first.1;
        assert!((1800..2200).contains(&statistics.lost), "{statistics:?}");
        assert!((340..460).contains(&statistics.duplicated), "{statistics:?}");
        let corrupted =
            first.0.iter().filter(|decision| matches!(decision, Decision::Pass { corrupt: true, .. })).count();
        assert!((700..900).contains(&corrupted), "{corrupted}");
    }

    #[test]
    fn a_cut_link_passes_nothing_and_draws_nothing() {
        let mut link = link(LinkRule { loss_percent: 50.0, ..LinkRule::cut() });
        assert!((0..100).all(|_| link.decide() == Decision::Drop("cut")));
        assert_eq!((link.statistics.cut, link.statistics.lost), (100, 0));
    }

    #[test]
    fn a_rate_sends_one_after_the_other_and_its_queue_is_bounded() {
        let rate = Some(Rate { kbit_per_s: 1000, queue_bytes_max: 2500 });
        let mut link = link(LinkRule { rate, ..LinkRule::default() });
        assert_eq!(due_ns(&mut link, 1250, 0), 10 * MS);
        assert_eq!(due_ns(&mut link, 1250, 0), 20 * MS);
        assert_eq!(link.schedule(1250, 0), Schedule::Overflow);
        assert_eq!(due_ns(&mut link, 1250, 5 * MS), 30 * MS);
        assert_eq!(due_ns(&mut link, 125, 90 * MS), 91 * MS, "an idle link saves nothing up");
        assert_eq!(link.statistics.rate_queue_overflows, 1);
    }

    #[test]
    fn jitter_keeps_the_order_unless_overtaking_is_allowed() {
        let delay = Delay::Uniform { low: ms(0), high: ms(100) };
        let dues = |overtaking| {
            let mut link = link(LinkRule { delay, overtaking, ..LinkRule::default() });
            (0..1000).map(|number| due_ns(&mut link, 100, number * MS)).collect::<Vec<_>>()
        };
        assert!(dues(false).is_sorted());
        assert!(!dues(true).is_sorted());
        for (due_ns, number) in dues(false).iter().zip(0..) {
            assert!((number * MS..=(number + 100) * MS).contains(due_ns), "{number}: {due_ns}");
        }
    }

    #[test]
    fn what_is_held_back_is_overtaken() {
        let reorder = Some(Reorder { percent: 10.0, hold: ms(5) });
        let mut link = link(LinkRule { reorder, ..LinkRule::default() });
        let dues: Vec<u64> = (0..1000).map(|number| due_ns(&mut link, 100, number * MS)).collect();
        let late = dues.iter().zip(0..).filter(|(due_ns, number)| **due_ns == (number + 5) * MS).count() as u64;
        let at_once = dues.iter().zip(0..).filter(|(due_ns, number)| **due_ns == number * MS).count() as u64;
        assert_eq!((late + at_once, late), (1000, link.statistics.held_back));
        assert!((70..130).contains(&late), "{late}");
    }

    #[test]
    fn a_packet_behind_a_later_one_is_reordered_and_its_duplicate_is_not() {
        let mut link = link(LinkRule::default());
        for number in [0, 1, 1, 3, 2, 4] {
            link.delivered(number, 100, None);
        }
        assert_eq!(link.statistics.reordered, 1);
        link.delivered(5, 100, Some(ms(7)));
        assert_eq!((link.statistics.delayed, link.statistics.delay_total), (1, ms(7)));
    }
}
