//! The three ways to divide the circle (6.2): what the ranges are, and whom a walk from each of them meets.
//!
//! ```text
//!   1 random        ends = tokens             a range's walk begins at its own token
//!   2 fixed-ranges  ends = Q equal steps      a range's walk begins at the first token from its end on
//!   3 equal-tokens  ends = Q equal steps      a range is a token: Q/S of them a node, dealt at random
//! ```
//!
//! Whatever the strategy, the hosts stand in a circle and each range has a place on it from where it is walked.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use md5::{Digest, Md5};
use rand::seq::SliceRandom;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::ids::NodeId;
use crate::partitioning::{PartitionError, Partitioning, RANGES_MAX, tokens_of_each};

/// A divided circle.
pub(super) struct Layout {
    /// The last position of each range, ascending, none twice.
    pub ends: Vec<u128>,
    /// Whose each token is, in the order of their positions.
    pub circle: Vec<NodeId>,
    /// For each range, the place on the circle where its walk begins.
    pub starts: Vec<usize>,
    /// Tokens of each node, by its id.
    pub tokens: Vec<u32>,
    /// Equal iff every key is placed alike.
    pub fingerprint: u64,
}

#[derive(Clone, Copy, Debug)]
struct Token {
    position: u128,
    node: NodeId,
}

/// Who owns which token: what a change of the membership edits (4.9).
#[derive(Clone, Debug)]
pub(super) struct Circle {
    how: Partitioning,
    /// Sorted by position, no position twice.
    tokens: Vec<Token>,
    /// Of the members.
    capacities: BTreeMap<NodeId, u32>,
}

impl Circle {
    /// Of the founders.
    pub fn new(nodes: u16, how: Partitioning, capacities: &[u32], seed: u64) -> Result<Self, PartitionError> {
        let counts = tokens_of_each(nodes, how, capacities)?;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let tokens = match how {
            Partitioning::Random { .. } | Partitioning::FixedRanges { .. } => random_tokens(&counts, &mut rng),
            Partitioning::EqualTokens { ranges } => {
                let each = (0..).map(NodeId).zip(&counts);
                let mut hosts: Vec<NodeId> =
                    each.flat_map(|(node, &count)| std::iter::repeat_n(node, count as usize)).collect();
                hosts.shuffle(&mut rng);
                equal_ends(ranges).into_iter().zip(hosts).map(|(position, node)| Token { position, node }).collect()
            }
        };
        let capacity = |node: u16| (NodeId(node), capacities.get(usize::from(node)).copied().unwrap_or(1));
        Ok(Self { how, tokens, capacities: (0..nodes).map(capacity).collect() })
    }

    pub fn members(&self) -> impl Iterator<Item = NodeId> {
        self.capacities.keys().copied()
    }

    /// Where a node stands; nothing where positions belong to nobody (strategy 3).
    pub fn positions_of(&self, node: NodeId) -> Vec<u128> {
        match self.how {
            Partitioning::EqualTokens { .. } => Vec::new(),
            _ => self.tokens.iter().filter(|token| token.node == node).map(|token| token.position).collect(),
        }
    }

    /// A node comes in: with its tokens, or with its share of the others' (strategy 3). Returns whether it could.
    pub fn join(&mut self, node: NodeId, capacity: u32, positions: &[u128], seed: u64) -> bool {
        let fits = match self.how {
            Partitioning::EqualTokens { ranges } => (ranges as usize) > self.capacities.len(),
            _ => !positions.is_empty() && self.tokens.len() + positions.len() <= RANGES_MAX as usize,
        };
        if !fits || self.capacities.contains_key(&node) {
            return false;
        }
        match self.how {
            Partitioning::EqualTokens { .. } => self.steal(node, capacity, seed),
            _ => {
                self.tokens.extend(positions.iter().map(|&position| Token { position, node }));
                self.tokens.sort_by_key(|token| (token.position, token.node));
                self.tokens.dedup_by_key(|token| token.position);
            }
        }
        self.capacities.insert(node, capacity);
        true
    }

    /// A node goes: its tokens with it, or to the others, at random (strategy 3). Returns whether it could.
    pub fn leave(&mut self, node: NodeId, seed: u64) -> bool {
        if self.capacities.len() < 2 || self.capacities.remove(&node).is_none() {
            return false;
        }
        match self.how {
            Partitioning::EqualTokens { .. } => self.deal(node, seed),
            _ => self.tokens.retain(|token| token.node != node),
        }
        true
    }

    /// Takes tokens, each from whoever has most beside its capacity, until the newcomer has its share.
    fn steal(&mut self, thief: NodeId, capacity: u32, seed: u64) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut held = self.places();
        let total: u64 = self.capacities.values().copied().map(u64::from).sum::<u64>() + u64::from(capacity);
        let share = (self.tokens.len() as u64 * u64::from(capacity) / total).max(1);
        for _ in 0..share {
            let richest =
                held.iter().filter(|(_, places)| places.len() > 1).max_by(|one, other| self.by_load(one, other));
            let Some(victim) = richest.map(|(node, _)| *node) else { return };
            let Some(places) = held.get_mut(&victim) else { return };
            let at = rng.random_range(0..places.len());
            self.tokens[places.swap_remove(at)].node = thief;
        }
    }

    /// Deals a leaver's tokens in random order, each to whoever has fewest beside its capacity.
    fn deal(&mut self, leaver: NodeId, seed: u64) {
        let mut held = self.places();
        let mut left = held.remove(&leaver).unwrap_or_default();
        left.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        for place in left {
            let poorest = held.iter().min_by(|one, other| self.by_load(one, other)).map(|(node, _)| *node);
            let Some(heir) = poorest else { return };
            self.tokens[place].node = heir;
            held.entry(heir).or_default().push(place);
        }
    }

    /// Where each member's tokens are, and the leaver's.
    fn places(&self) -> BTreeMap<NodeId, Vec<usize>> {
        let mut places: BTreeMap<NodeId, Vec<usize>> = self.members().map(|node| (node, Vec::new())).collect();
        for (place, token) in self.tokens.iter().enumerate() {
            places.entry(token.node).or_default().push(place);
        }
        places
    }

    /// Tokens in relation to capacity, then by id.
    fn by_load(&self, one: &(&NodeId, &Vec<usize>), other: &(&NodeId, &Vec<usize>)) -> Ordering {
        let capacity = |node: &NodeId| u64::from(self.capacities.get(node).copied().unwrap_or(1));
        let (a, b) = (one.1.len() as u64 * capacity(other.0), other.1.len() as u64 * capacity(one.0));
        a.cmp(&b).then(one.0.cmp(other.0))
    }
}

impl Layout {
    pub fn of(circle: &Circle) -> Self {
        let tokens = &circle.tokens;
        assert!(!tokens.is_empty(), "a circle without tokens has no ranges");
        assert!(tokens.is_sorted_by(|one, next| one.position < next.position), "tokens ascend, no position twice");
        assert!(tokens.iter().all(|token| circle.capacities.contains_key(&token.node)), "a token of a node that left");
        let hosts: Vec<NodeId> = tokens.iter().map(|token| token.node).collect();
        let positions = || tokens.iter().map(|token| token.position);
        let mut fingerprint = hash(tokens.iter().map(|token| (token.position, token.node)));
        let (ends, starts) = match circle.how {
            Partitioning::Random { .. } | Partitioning::EqualTokens { .. } => {
                (positions().collect(), (0..tokens.len()).collect())
            }
            Partitioning::FixedRanges { ranges, .. } => {
                fingerprint.update(ranges.to_le_bytes());
                let ends = equal_ends(ranges);
                // A range's end may lie behind the last token: the walk goes on with the first.
                let first_from = |end: &u128| tokens.partition_point(|token| token.position < *end) % tokens.len();
                let starts = ends.iter().map(first_from).collect();
                (ends, starts)
            }
        };
        let nodes = circle.members().map(|node| usize::from(node.0) + 1).max().unwrap_or(0);
        let mut counts = vec![0; nodes];
        for host in &hosts {
            counts[usize::from(host.0)] += 1;
        }
        Self { ends, circle: hosts, starts, tokens: counts, fingerprint: finish(fingerprint) }
    }
}

/// Sorted by position, no position twice.
fn random_tokens(tokens: &[u32], rng: &mut ChaCha8Rng) -> Vec<Token> {
    let mut ring = Vec::new();
    for (node, &count) in (0..).map(NodeId).zip(tokens) {
        for _ in 0..count {
            ring.push(Token { position: random_position(rng), node });
        }
    }
    ring.sort_by_key(|token| (token.position, token.node));
    ring.dedup_by_key(|token| token.position);
    ring
}

fn random_position(rng: &mut ChaCha8Rng) -> u128 {
    (u128::from(rng.next_u64()) << 64) | u128::from(rng.next_u64())
}

/// The last positions of `ranges` ranges whose sizes differ by one point at most; the very last is the circle's end.
fn equal_ends(ranges: u32) -> Vec<u128> {
    let count = u128::from(ranges);
    let (size, rest) = (u128::MAX / count, u128::MAX % count);
    (1..=count).map(|number| size * number + rest * number / count).collect()
}

fn hash(tokens: impl Iterator<Item = (u128, NodeId)>) -> Md5 {
    let mut hash = Md5::new();
    for (position, node) in tokens {
        hash.update(position.to_le_bytes());
        hash.update(node.0.to_le_bytes());
    }
    hash
}

fn finish(hash: Md5) -> u64 {
    u128::from_le_bytes(hash.finalize().into()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_ranges_end_where_the_circle_ends() {
        for ranges in [1, 2, 3, 7, 240, 3840, RANGES_MAX] {
            let ends = equal_ends(ranges);
            assert_eq!(ends.len(), ranges as usize);
            assert_eq!(ends.last(), Some(&u128::MAX));
            let begins = std::iter::once(u128::MAX).chain(ends.iter().copied());
            let sizes = begins.zip(&ends).map(|(before, end)| end.wrapping_sub(before));
            let (min, max) = sizes.fold((u128::MAX, 0), |(min, max), size| (min.min(size), max.max(size)));
            assert!(ranges == 1 || max - min <= 1, "{ranges} ranges of {min} to {max}");
        }
    }

    #[test]
    fn what_cannot_work_is_refused() {
        use PartitionError::{Capacities, NoNodes, NoShare, NoTokens, TooFewRanges, TooMany};
        let refused = |nodes, how, capacities: &[u32]| Circle::new(nodes, how, capacities, 1).err();
        let (random, equal) = (|tokens| Partitioning::Random { tokens }, |ranges| Partitioning::EqualTokens { ranges });
        let fixed = |tokens, ranges| Partitioning::FixedRanges { tokens, ranges };
        assert_eq!(refused(0, random(1), &[]), Some(NoNodes));
        assert_eq!(refused(3, random(0), &[]), Some(NoTokens));
        assert_eq!(refused(3, fixed(0, 9), &[]), Some(NoTokens));
        assert_eq!(refused(3, fixed(1, 2), &[]), Some(TooFewRanges { ranges: 2, nodes: 3 }));
        assert_eq!(refused(3, equal(2), &[]), Some(TooFewRanges { ranges: 2, nodes: 3 }));
        assert_eq!(refused(3, equal(3), &[]), None);
        let many = RANGES_MAX + 1;
        assert_eq!(refused(3, equal(many), &[]), Some(TooMany { what: "ranges", count: u64::from(many) }));
        assert_eq!(refused(1, fixed(1, many), &[]), Some(TooMany { what: "ranges", count: u64::from(many) }));
        let count = 256 * u64::from(u32::MAX);
        assert_eq!(refused(256, random(u32::MAX), &[]), Some(TooMany { what: "tokens", count }));
        assert_eq!(refused(3, random(1), &[1, 1]), Some(Capacities { given: 2, nodes: 3 }));
        assert_eq!(refused(2, random(8), &[1, 0]), Some(NoShare { node: 1, capacity: 0, total: 16 }));
        assert_eq!(refused(2, equal(4), &[100, 1]), Some(NoShare { node: 1, capacity: 1, total: 4 }));
    }
}
