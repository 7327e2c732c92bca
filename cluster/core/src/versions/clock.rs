//! The paper's literal vector clock (4.4): (node, counter) pairs, and with each the time at which its node set it.
//!
//! Here the clock is the version: a coordinator bumps its own pair past what it holds and what the writer had seen, and
//! one version may be forgotten for another iff every counter of it is at most the other's. So two puts with the same
//! context at the same coordinator get clocks of which the second falsely dominates the first, which is why dotted
//! version vectors are the default, and this is what they are measured against.
//!
//! Clocks that name too many nodes lose the pair that was set longest ago. Never the coordinator's own: its counter
//! would start anew, and a later write would look old.
//!
//! Two versions of equal clocks are siblings here. They are different writes, as their dots show: the coordinator had
//! forgotten the first when it made the second. The paper would forget either; to keep both loses nothing and is the
//! same everywhere.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::NodeId;

/// What a clock says of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Pair {
    /// The node.
    pub node: NodeId,
    /// From 1.
    pub counter: u64,
    /// When the node set the counter, microseconds since the Unix epoch by its wall clock. Only truncation looks at it.
    pub timestamp_us: i64,
}

/// A vector clock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct VectorClock {
    /// Sorted by node, no node twice.
    pairs: Vec<Pair>,
}

impl VectorClock {
    /// Sorted by node.
    pub fn pairs(&self) -> &[Pair] {
        &self.pairs
    }

    /// A node's counter; 0 if the clock does not name it.
    pub fn counter(&self, node: NodeId) -> u64 {
        self.at(node).map_or(0, |at| self.pairs[at].counter)
    }

    /// Sets a node's pair, whatever it was.
    pub fn set(&mut self, pair: Pair) {
        match self.at(pair.node) {
            Ok(at) => self.pairs[at] = pair,
            Err(at) => self.pairs.insert(at, pair),
        }
        debug_assert!(self.pairs.is_sorted_by(|one, next| one.node < next.node), "each node once, in order");
    }

    /// The clock of a reader who has seen both: of each node the greater pair.
    pub fn merge(&mut self, other: &Self) {
        for &pair in &other.pairs {
            let rank = |pair: Pair| (pair.counter, pair.timestamp_us);
            if self.at(pair.node).is_err() || self.at(pair.node).is_ok_and(|at| rank(self.pairs[at]) < rank(pair)) {
                self.set(pair);
            }
        }
        debug_assert!(other.is_within(self), "a merged clock is no older than either side");
    }

    /// `self <= other`: every counter here is at most that of `other`.
    pub fn is_within(&self, other: &Self) -> bool {
        self.pairs.iter().all(|pair| pair.counter <= other.counter(pair.node))
    }

    /// `self < other`: a version with this clock is an ancestor, and can be forgotten.
    pub fn is_ancestor_of(&self, other: &Self) -> bool {
        self.is_within(other) && !other.is_within(self)
    }

    /// Drops the pairs that were set longest ago until `pairs_max` are left; `spared` stays in any case.
    pub fn truncate(&mut self, pairs_max: usize, spared: NodeId) {
        while self.pairs.len() > pairs_max {
            let others = (0..self.pairs.len()).filter(|at| self.pairs[*at].node != spared);
            let Some(oldest) = others.min_by_key(|at| self.pairs[*at].timestamp_us) else { return };
            self.pairs.remove(oldest);
        }
    }

    /// Drops a node's pair.
    pub fn remove(&mut self, node: NodeId) {
        self.pairs.retain(|pair| pair.node != node);
    }

    fn at(&self, node: NodeId) -> Result<usize, usize> {
        self.pairs.binary_search_by_key(&node, |pair| pair.node)
    }
}

/// As in the paper, by the nodes' numbers: `[(0,2),(1,1)]`.
impl fmt::Display for VectorClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs: Vec<String> = self.pairs.iter().map(|pair| format!("({},{})", pair.node.0, pair.counter)).collect();
        write!(f, "[{}]", pairs.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(pairs: &[(u16, u64, i64)]) -> VectorClock {
        let mut clock = VectorClock::default();
        for &(node, counter, timestamp_us) in pairs {
            clock.set(Pair { node: NodeId(node), counter, timestamp_us });
        }
        clock
    }

    #[test]
    fn ancestors_siblings_and_equals() {
        let (d2, d3, d4) = (clock(&[(0, 2, 9)]), clock(&[(0, 2, 0), (1, 1, 0)]), clock(&[(0, 2, 0), (2, 1, 0)]));
        assert!(d2.is_ancestor_of(&d3) && d2.is_ancestor_of(&d4), "whatever the timestamps");
        assert!(!d3.is_ancestor_of(&d4) && !d4.is_ancestor_of(&d3));
        assert!(!d3.is_ancestor_of(&d3), "equal clocks are siblings");
        let mut context = d4.clone();
        context.merge(&d3);
        assert_eq!(context.to_string(), "[(0,2),(1,1),(2,1)]");
    }

    #[test]
    fn truncation_drops_the_oldest_but_never_the_coordinators_own() {
        let mut long = clock(&[(3, 1, 40), (1, 7, 10), (2, 5, 30), (4, 1, 20)]);
        long.truncate(3, NodeId(1));
        assert_eq!(long.to_string(), "[(1,7),(2,5),(3,1)]", "the own pair is the oldest, and stays");
        long.truncate(1, NodeId(1));
        assert_eq!(long.to_string(), "[(1,7)]");
        long.truncate(0, NodeId(1));
        assert_eq!(long.to_string(), "[(1,7)]");
    }
}
