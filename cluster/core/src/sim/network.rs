//! A network that keeps no promise: messages are lost, late, twice there, and out of order.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::latency::{Leg, Legs};
use crate::ids::NodeId;

/// The network's habits.
#[derive(Clone, Debug)]
pub struct NetworkSettings {
    /// The least delay, nanoseconds.
    pub delay_min_ns: u64,
    /// The greatest ordinary delay; uniform between the two, so that messages overtake each other.
    pub delay_max_ns: u64,
    /// Share of messages that are lost, 0 to 1.
    pub loss: f64,
    /// Share of messages that arrive twice, 0 to 1.
    pub duplication: f64,
    /// Share of messages that are held up a thousand times longer, 0 to 1.
    pub straggling: f64,
    /// What messages between nodes take, instead of a uniform delay.
    pub peers: Option<Legs>,
    /// What requests of clients and their answers take, instead of a uniform delay.
    pub clients: Option<Legs>,
}

impl Default for NetworkSettings {
    /// A local network that behaves.
    fn default() -> Self {
        Self {
            delay_min_ns: 50_000,
            delay_max_ns: 500_000,
            loss: 0.0,
            duplication: 0.0,
            straggling: 0.0,
            peers: None,
            clients: None,
        }
    }
}

/// What a directed link has done since the world began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounters {
    /// Bytes, about, that arrive.
    pub passed_bytes: u64,
    /// Bytes, about, that were swallowed because the link was cut.
    pub blocked_bytes: u64,
    /// Bytes, about, that a slow link holds up.
    pub slowed_bytes: u64,
    /// Messages that a slow link holds up.
    pub slowed_messages: u64,
    /// How long it holds them up, all together, nanoseconds.
    pub slowed_total_ns: u64,
    /// Messages given to a lossy link.
    pub lossy_messages: u64,
    /// Of those, the messages that it lost.
    pub lost_messages: u64,
}

/// What a link does to what is sent over it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkRule {
    /// Nothing arrives.
    pub cut: bool,
    /// Everything is late by this much.
    pub slow_ns: u64,
    /// And by a uniform 0..=jitter on top.
    pub jitter_ns: u64,
    /// Share of messages that are lost beyond the network's habits, percent.
    pub loss_percent: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Link {
    rule: LinkRule,
    counters: LinkCounters,
}

/// All directed links.
#[derive(Debug)]
pub struct Network {
    settings: NetworkSettings,
    nodes: usize,
    links: Vec<Link>,
}

impl Network {
    pub(super) fn new(settings: NetworkSettings, nodes: usize) -> Self {
        Self { settings, nodes, links: vec![Link::default(); nodes * nodes] }
    }

    /// Replaces the habits.
    pub fn set(&mut self, settings: NetworkSettings) {
        self.settings = settings;
    }

    /// Replaces what the link does.
    pub fn set_rule(&mut self, from: NodeId, to: NodeId, rule: LinkRule) {
        self.link(from, to).rule = rule;
    }

    /// What the link has done so far.
    pub fn counters(&self, from: NodeId, to: NodeId) -> LinkCounters {
        self.links[self.index(from, to)].counters
    }

    /// Cuts what `from` sends to `to`.
    pub fn cut(&mut self, from: NodeId, to: NodeId) {
        self.link(from, to).rule.cut = true;
    }

    /// Cuts every link between the two groups, both ways.
    pub fn partition(&mut self, one: &[NodeId], other: &[NodeId]) {
        for &a in one {
            for &b in other {
                self.cut(a, b);
                self.cut(b, a);
            }
        }
    }

    /// Delays what `from` sends to `to`.
    pub fn slow(&mut self, from: NodeId, to: NodeId, delay_ns: u64) {
        self.link(from, to).rule.slow_ns = delay_ns;
    }

    /// Mends every link.
    pub fn heal(&mut self) {
        for link in &mut self.links {
            link.rule = LinkRule::default();
        }
    }

    /// When a message of about `bytes` sent now arrives: not at all, once, or more often.
    pub(super) fn deliveries(
        &mut self,
        from: NodeId,
        to: NodeId,
        bytes: u64,
        leg: Leg,
        rng: &mut ChaCha8Rng,
    ) -> [Option<u64>; 2] {
        let index = self.index(from, to);
        if self.links[index].rule.cut {
            self.links[index].counters.blocked_bytes += bytes;
            return [None, None];
        }
        if happens(self.settings.loss, rng) || self.loses(index, rng) {
            return [None, None];
        }
        let first = self.delay_ns(index, bytes, leg, rng);
        let second = happens(self.settings.duplication, rng).then(|| self.delay_ns(index, bytes, leg, rng));
        [Some(first), second]
    }

    /// Whether a lossy link loses the message.
    fn loses(&mut self, index: usize, rng: &mut ChaCha8Rng) -> bool {
        let Link { rule, counters } = &mut self.links[index];
        if rule.loss_percent == 0 {
            return false;
        }
        let loses = rng.random_range(0..100) < rule.loss_percent;
        counters.lossy_messages += 1;
        counters.lost_messages += u64::from(loses);
        loses
    }

    fn delay_ns(&mut self, index: usize, bytes: u64, leg: Leg, rng: &mut ChaCha8Rng) -> u64 {
        let ordinary = match &self.settings.peers {
            Some(legs) => legs.draw_ns(leg, rng),
            None => rng.random_range(self.settings.delay_min_ns..=self.settings.delay_max_ns),
        };
        let factor = if happens(self.settings.straggling, rng) { 1000 } else { 1 };
        let link = &mut self.links[index];
        link.counters.passed_bytes += bytes;
        let LinkRule { slow_ns, jitter_ns, .. } = link.rule;
        if slow_ns + jitter_ns == 0 {
            return ordinary * factor;
        }
        let extra = slow_ns + rng.random_range(0..=jitter_ns);
        link.counters.slowed_bytes += bytes;
        link.counters.slowed_messages += 1;
        link.counters.slowed_total_ns += extra;
        ordinary * factor + extra
    }

    fn link(&mut self, from: NodeId, to: NodeId) -> &mut Link {
        let index = self.index(from, to);
        &mut self.links[index]
    }

    fn index(&self, from: NodeId, to: NodeId) -> usize {
        usize::from(from.0) * self.nodes + usize::from(to.0)
    }
}

/// No draw where it cannot matter.
fn happens(share: f64, rng: &mut ChaCha8Rng) -> bool {
    share > 0.0 && rng.random_bool(share)
}
