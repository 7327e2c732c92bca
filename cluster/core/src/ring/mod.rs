//! Where keys live: consistent hashing with virtual nodes (4.2), and the preference list (4.3).
//!
//! The MD5 of a key is a point on a circle of 2^128, which is divided into ranges; how, is the [`Partitioning`]. Every
//! node owns several tokens on the circle, in proportion to its capacity. Walking clockwise from a range and skipping
//! nodes already met gives every node once: the range's preference list, whose first N are its replicas.
//!
//! All replicas of a range are the same nodes, so the range is also the unit of anti-entropy, whatever the strategy.

mod data_centres;
mod positions;
mod strategy;

use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

use crate::bug::Bug;
use crate::config::Config;
use crate::ids::NodeId;
use crate::membership::{Change, ChangeKind, History};
use crate::partitioning::Partitioning;
pub use crate::partitioning::{PartitionError, RANGES_MAX};
use strategy::{Circle, Layout};

/// An index into the ring's ranges, clockwise.
pub type RangeId = u32;

/// The ends of a range: what lies behind the one up to and with the other, clockwise. Equal ends are the whole circle.
/// Unlike a [`RangeId`] it means the same to nodes with different rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span {
    /// Exclusive.
    pub after: u128,
    /// Inclusive.
    pub to: u128,
}

/// The token ring of a membership, or of one that is changing.
#[derive(Clone, Debug)]
pub struct Ring {
    /// The last position of each range, ascending, none twice.
    ends: Vec<u128>,
    /// For each range, all nodes in order of preference; `nodes` entries a range.
    preference: Vec<NodeId>,
    nodes: usize,
    tokens: Vec<u32>,
    fingerprint: u64,
    /// While a change is active: who comes after it.
    next: Option<Next>,
}

/// The owners that keys are moving to.
#[derive(Clone, Debug)]
struct Next {
    /// For each range, all members after the change in order of preference; `nodes` entries a range.
    preference: Vec<NodeId>,
    nodes: usize,
    /// For each range its first N of before the change, then those of after it that are new.
    owners: Vec<Vec<NodeId>>,
}

impl Ring {
    /// The ring of the founders.
    ///
    /// # Errors
    /// When the partitioning cannot work; never for settings that are valid.
    pub fn of(config: &Config) -> Result<Self, PartitionError> {
        let circle =
            Circle::new(config.founders(), config.partitioning, config.founders_capacities(), config.ring_seed)?;
        Ok(Self::as_configured(&circle, config))
    }

    /// The ring with its preference lists spread over data centres (4.6), one named for each node; none at all: as it is.
    #[must_use]
    pub fn spread_over(mut self, data_centres: &[u16]) -> Self {
        if data_centres.is_empty() {
            return self;
        }
        self.preference.chunks_mut(self.nodes).for_each(|walk| data_centres::spread(walk, data_centres));
        let mut hash = Md5::new();
        hash.update(self.fingerprint.to_le_bytes());
        data_centres.iter().for_each(|data_centre| hash.update(data_centre.to_le_bytes()));
        self.fingerprint = u128::from_le_bytes(hash.finalize().into()) as u64;
        self
    }

    /// A ring of `nodes` nodes. Their tokens are in proportion to `capacities`, one a node; none at all means that
    /// all are equal. The same arguments give the same ring everywhere.
    ///
    /// # Errors
    /// When nodes, tokens, ranges and capacities do not fit each other.
    pub fn new(nodes: u16, how: Partitioning, capacities: &[u32], seed: u64) -> Result<Self, PartitionError> {
        Ok(Self::of_circle(&Circle::new(nodes, how, capacities, seed)?))
    }

    fn as_configured(circle: &Circle, config: &Config) -> Self {
        let ring = Self::of_circle(circle).spread_over(&config.data_centres);
        match config.bug {
            Some(Bug::VirtualNodesCounted) => ring.counting_virtual_nodes(circle, usize::from(config.n)),
            _ => ring,
        }
    }

    /// With one defect, the first `n` places of a walk are taken as they come, and a host that stands there twice is two
    /// replicas. The others follow, as many as a list has room for.
    fn counting_virtual_nodes(mut self, circle: &Circle, n: usize) -> Self {
        let Layout { circle: hosts, starts, .. } = Layout::of(circle);
        for (list, start) in self.preference.chunks_mut(self.nodes).zip(starts) {
            let counted: Vec<NodeId> = hosts.iter().cycle().skip(start).take(n).copied().collect();
            let others = list.iter().filter(|node| !counted.contains(node));
            let all: Vec<NodeId> = counted.iter().chain(others).take(list.len()).copied().collect();
            list.copy_from_slice(&all);
        }
        self
    }

    fn of_circle(circle: &Circle) -> Self {
        let Layout { ends, circle: hosts, starts, tokens, fingerprint } = Layout::of(circle);
        let members: Vec<NodeId> = circle.members().collect();
        let nodes = members.len();
        assert!(ends.is_sorted_by(|one, next| one < next), "the ends of ranges ascend, none twice");
        assert_eq!(ends.len(), starts.len(), "every range has a place from where it is walked");
        let walks = walks(&hosts, members);
        let preference = starts.iter().flat_map(|start| &walks[start * nodes..][..nodes]).copied().collect();
        Self { ends, preference, nodes, tokens, fingerprint, next: None }
    }

    /// The ring after every change that has settled; while one is active, joined with the ring after that one too.
    /// A change that makes no sense changes nothing, whatever the history says.
    ///
    /// # Errors
    /// When the partitioning cannot work; never for settings that are valid.
    pub fn with_history(config: &Config, history: &History) -> Result<Self, PartitionError> {
        let founders = config.founders();
        let mut circle = Circle::new(founders, config.partitioning, config.founders_capacities(), config.ring_seed)?;
        for change in history.settled() {
            carry_out(&mut circle, change, config);
        }
        let settled = Self::as_configured(&circle, config);
        Ok(match history.active() {
            Some((change, _)) if carry_out(&mut circle, change, config) => {
                let next = Self::as_configured(&circle, config);
                settled.joined(&next, usize::from(config.n))
            }
            _ => settled,
        })
    }

    /// Whether the change makes sense after all that has settled.
    pub fn admits(config: &Config, history: &History, change: &Change) -> bool {
        let founders = config.founders();
        let founding = Circle::new(founders, config.partitioning, config.founders_capacities(), config.ring_seed);
        founding.is_ok_and(|mut circle| {
            for settled in history.settled() {
                carry_out(&mut circle, settled, config);
            }
            carry_out(&mut circle, change, config)
        })
    }

    /// This ring on its way to the next one: ranges are cut where either cuts them, and each has the owners of both.
    fn joined(&self, next: &Ring, n: usize) -> Self {
        let mut ends: Vec<u128> = self.ends.iter().chain(&next.ends).copied().collect();
        assert!(
            n <= self.nodes && n <= next.nodes,
            "n = {n} replicas of {} and then {} members",
            self.nodes,
            next.nodes
        );
        ends.sort_unstable();
        ends.dedup();
        let lists = |ring: &Ring| -> Vec<NodeId> {
            let list = |end: &u128| ring.range_preference(ring.range_at(*end)).iter().copied();
            ends.iter().flat_map(list).collect()
        };
        let (preference, after) = (lists(self), lists(next));
        let owners = (0..ends.len()).map(|range| {
            let before = &preference[range * self.nodes..][..n];
            let gainers = after[range * next.nodes..][..n].iter().filter(|node| !before.contains(node));
            before.iter().chain(gainers).copied().collect()
        });
        let next = Next { owners: owners.collect(), preference: after, nodes: next.nodes };
        Self { ends, preference, next: Some(next), ..self.clone() }
    }

    /// Every node once, the key's replicas first.
    pub fn preference_list(&self, key: &[u8]) -> &[NodeId] {
        self.range_preference(self.range_of(key))
    }

    /// The range that a key falls into.
    pub fn range_of(&self, key: &[u8]) -> RangeId {
        self.range_at(key_position(key))
    }

    /// Behind the last end lies the first range.
    fn range_at(&self, position: u128) -> RangeId {
        (self.ends.partition_point(|end| *end < position) % self.ends.len()) as RangeId
    }

    /// Every node once, the range's replicas first.
    pub fn range_preference(&self, range: RangeId) -> &[NodeId] {
        &self.preference[range as usize * self.nodes..][..self.nodes]
    }

    /// The ends of a range.
    pub fn span(&self, range: RangeId) -> Span {
        let at = range as usize;
        let after = self.ends[at.checked_sub(1).unwrap_or(self.ends.len() - 1)];
        Span { after, to: self.ends[at] }
    }

    /// The range with exactly these ends, if this ring has it.
    pub fn range_of_span(&self, span: Span) -> Option<RangeId> {
        let range = self.range_at(span.to);
        (self.span(range) == span).then_some(range)
    }

    /// What part of the circle a range is, and so of a uniform load: from 0 to 1.
    pub fn range_share(&self, range: RangeId) -> f64 {
        let Span { after, to } = self.span(range);
        match to.wrapping_sub(after) {
            // The only range goes once around.
            0 => 1.0,
            size => size as f64 / 2f64.powi(128),
        }
    }

    /// How many tokens each node owns.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Where a founder stands on the circle; nothing where tokens are taken over from others (strategy 3).
    ///
    /// # Errors
    /// When the partitioning cannot work; never for settings that are valid.
    pub fn founding_tokens(config: &Config) -> Result<Vec<u128>, PartitionError> {
        let founders = config.founders();
        let circle = Circle::new(founders, config.partitioning, config.founders_capacities(), config.ring_seed)?;
        Ok(circle.positions_of(config.id))
    }

    /// Everybody who owns keys of a range: its first N, and while a change is active those of after it too. `n` is the
    /// configured N.
    pub fn owners(&self, range: RangeId, n: u8) -> &[NodeId] {
        match &self.next {
            Some(next) => &next.owners[range as usize],
            None => &self.range_preference(range)[..usize::from(n)],
        }
    }

    /// While a change is active: the members of after it, a range's replicas first.
    pub fn next_preference(&self, range: RangeId) -> Option<&[NodeId]> {
        let next = self.next.as_ref()?;
        Some(&next.preference[range as usize * next.nodes..][..next.nodes])
    }

    /// Whether a change is active, and keys have owners of before and of after it.
    pub fn is_changing(&self) -> bool {
        self.next.is_some()
    }

    /// Equal for two rings iff they place every key alike (up to MD5 collisions).
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// How many ranges there are; ids run from 0.
    pub fn ranges(&self) -> RangeId {
        self.ends.len() as RangeId
    }
}

/// Returns whether it made sense.
fn carry_out(circle: &mut Circle, change: &Change, config: &Config) -> bool {
    let seed = config.ring_seed ^ change.version.rotate_left(20) ^ u64::from(change.node.0).rotate_left(48);
    match &change.kind {
        ChangeKind::Join { capacity, tokens } => circle.join(change.node, *capacity, tokens, seed),
        ChangeKind::Leave if circle.members().count() <= usize::from(config.n) => false,
        ChangeKind::Leave => circle.leave(change.node, seed),
    }
}

/// The MD5 of the key as a point on the circle (4.2).
pub fn key_position(key: &[u8]) -> u128 {
    positions::remembered(key, |key| u128::from_be_bytes(Md5::digest(key).into()))
}

/// For each place on the circle, every node once in the order in which a clockwise walk meets it (virtual nodes never
/// stand in for hosts); `nodes` entries a place.
///
/// A walk that begins one place earlier meets that place's host first and the others as before, so going once around
/// backwards and moving hosts to the front gives all walks. The round before it only brings about the first order.
fn walks(circle: &[NodeId], members: Vec<NodeId>) -> Vec<NodeId> {
    let nodes = members.len();
    let mut order = members;
    let mut walks = vec![NodeId(0); circle.len() * nodes];
    for _round in 0..2 {
        for (at, host) in circle.iter().enumerate().rev() {
            let rank = order.iter().position(|node| node == host).expect("hosts are members");
            order[..=rank].rotate_right(1);
            walks[at * nodes..][..nodes].copy_from_slice(&order);
        }
    }
    let is_once = |node: &NodeId| order.iter().filter(|other| *other == node).count() == 1;
    debug_assert!(order.iter().all(is_once), "a walk meets every node once");
    walks
}

#[cfg(test)]
mod tests;
