//! A network that keeps no promise: messages are lost, late, twice there, and out of order.

use std::collections::{BTreeMap, BTreeSet};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::api::NodeId;

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
        }
    }
}

/// All directed links.
#[derive(Debug)]
pub struct Network {
    settings: NetworkSettings,
    cut: BTreeSet<(NodeId, NodeId)>,
    slow_ns: BTreeMap<(NodeId, NodeId), u64>,
}

impl Network {
    pub(super) fn new(settings: NetworkSettings) -> Self {
        Self {
            settings,
            cut: BTreeSet::new(),
            slow_ns: BTreeMap::new(),
        }
    }

    /// Replaces the habits.
    pub fn set(&mut self, settings: NetworkSettings) {
        self.settings = settings;
    }

    /// Cuts what `from` sends to `to`.
    pub fn cut(&mut self, from: NodeId, to: NodeId) {
        self.cut.insert((from, to));
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
        self.slow_ns.insert((from, to), delay_ns);
    }

    /// Mends every link.
    pub fn heal(&mut self) {
        self.cut.clear();
        self.slow_ns.clear();
    }

    /// When a message sent now arrives: not at all, once, or more often.
    pub(super) fn deliveries(&self, from: NodeId, to: NodeId, rng: &mut ChaCha8Rng) -> Vec<u64> {
        if self.cut.contains(&(from, to)) || rng.random_bool(self.settings.loss) {
            return Vec::new();
        }
        let copies = if rng.random_bool(self.settings.duplication) {
            2
        } else {
            1
        };
        (0..copies).map(|_| self.delay_ns(from, to, rng)).collect()
    }

    fn delay_ns(&self, from: NodeId, to: NodeId, rng: &mut ChaCha8Rng) -> u64 {
        let ordinary = rng.random_range(self.settings.delay_min_ns..=self.settings.delay_max_ns);
        let factor = if rng.random_bool(self.settings.straggling) {
            1000
        } else {
            1
        };
        ordinary * factor + self.slow_ns.get(&(from, to)).copied().unwrap_or(0)
    }
}
