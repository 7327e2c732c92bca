//! What a key's versions are, and how they join (4.4).
//!
//! The state of a key is a set of versions none of which knows another. Joining two states keeps what neither side
//! has superseded: it is commutative, associative and idempotent, so replicas that have exchanged their states agree,
//! in whatever order they did.
//!
//! **Causality** is kept by dotted version vectors (Preguiça, Baquero, Almeida, Fonte, Gonçalves: *Dotted Version
//! Vectors*, 2010). A version is a [`Dot`], the event that made it, and a [`VersionVector`], its causal past. One
//! version supersedes another iff its past contains the other's dot. A vector can say "all dots of this actor up to
//! c" only if no replica can know (actor, c) without knowing (actor, c-1) or something that supersedes it. Two rules
//! make that so:
//! 1. what travels between nodes is always the whole state of a key, never a single version;
//! 2. an [`Actor`] is bound to one row of one node's disk for as long as that row exists. A node that has lost or
//!    handed over its row starts a new epoch, that is a new actor, instead of going on counting where it cannot
//!    remember (riak_kv#679, #1643). So it does when the row remembers less of its own actor than its versions or a
//!    writer's context show: the disk has been put back to an earlier state.
//!
//! **Vector clocks** ([`clock`]) are the paper's own: one version supersedes another iff its clock is greater. Dots then
//! only distinguish versions.
//!
//! **Last write wins** keeps the one version with the greatest (timestamp, dot).

pub mod clock;
pub(crate) mod value;
mod vector;

use std::sync::Arc;

use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

pub use vector::{Actor, Dot, VersionVector};

use crate::config::Versioning;
use clock::VectorClock;

/// No clock shows more, microseconds since the Unix epoch: above the 292 years that wall clocks here can count, and
/// far below where adding one overflows.
pub(crate) const TIMESTAMP_US_MAX: i64 = i64::MAX / 2;

/// One version of a key's value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Version {
    /// The event that made it; no other version ever has it.
    pub dot: Dot,
    /// What its writer had seen. Empty but for dotted version vectors.
    pub past: VersionVector,
    /// The paper's clock. Empty but for vector clocks.
    pub clock: VectorClock,
    /// When it was made, microseconds since the Unix epoch, by its coordinator's wall clock but never before what its
    /// writer had seen.
    pub timestamp_us: i64,
    /// The value; none for a tombstone.
    #[serde(with = "value")]
    pub value: Option<Arc<[u8]>>,
}

impl Version {
    fn is_sound(&self, versioning: Versioning) -> bool {
        let past_fits = match versioning {
            Versioning::Dvv => !self.past.contains(self.dot) && self.clock.pairs().is_empty(),
            Versioning::Lww => self.past.is_empty() && self.clock.pairs().is_empty(),
            Versioning::VectorClock => self.past.is_empty(),
        };
        self.dot.counter > 0 && self.timestamp_us <= TIMESTAMP_US_MAX && past_fits
    }

    /// Whether it has seen all of these, and none of them it: most writes are so, and leave nothing of what they found.
    fn is_behind_all(&self, others: &[Version]) -> bool {
        let is_behind = |other: &Version| self.past.contains(other.dot) && !other.past.contains(self.dot);
        !self.past.contains(self.dot) && others.iter().all(is_behind)
    }

    /// The version's identity as text: its dot, and its vector clock if it has one.
    pub fn id(&self) -> String {
        match self.clock.pairs() {
            [] => self.dot.to_string(),
            _ => format!("{} {}", self.dot, self.clock),
        }
    }
}

/// All versions of one key that one place holds: none supersedes another, sorted by dot.
///
/// A state is copied for each replica that it is sent to and changed rarely, so copies share it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct KeyState {
    versions: Arc<Vec<Version>>,
}

impl KeyState {
    /// The versions, sorted by dot.
    pub fn versions(&self) -> &[Version] {
        &self.versions
    }

    /// Whether nothing at all is known of the key, not even a tombstone.
    pub fn is_empty(&self) -> bool {
        self.versions.is_empty()
    }

    /// Whether it is one tombstone and nothing else.
    pub fn is_tombstone(&self) -> bool {
        matches!(self.versions.as_slice(), [version] if version.value.is_none())
    }

    /// Takes over what `other` has and this has not superseded, and drops what `other` has superseded.
    pub fn join(&mut self, other: &KeyState, versioning: Versioning) {
        if self.is_empty() || Arc::ptr_eq(&self.versions, &other.versions) {
            self.versions = Arc::clone(&other.versions);
            return self.normalise(versioning);
        }
        if versioning == Versioning::Dvv
            && let [one] = other.versions()
            && one.is_behind_all(&self.versions)
        {
            debug_assert!(!self.versions.iter().any(|own| own.past.contains(one.dot)), "it would be superseded here");
            self.versions = Arc::clone(&other.versions);
            return;
        }
        let held = self.versions.len();
        for version in other.versions.iter() {
            if self.versions[..held].binary_search_by_key(&version.dot, |own| own.dot).is_err() {
                Arc::make_mut(&mut self.versions).push(version.clone());
            }
        }
        self.normalise(versioning);
    }

    /// Adds a new version, which may supersede some of those held.
    pub fn insert(&mut self, version: Version, versioning: Versioning) {
        if versioning == Versioning::Dvv && version.is_behind_all(&self.versions) {
            self.versions = Arc::new(vec![version]);
            return;
        }
        Arc::make_mut(&mut self.versions).push(version);
        self.normalise(versioning);
    }

    /// The past of a writer who has seen this state: every dot in it and everything these have superseded.
    pub fn context(&self) -> VersionVector {
        let Some((first, rest)) = self.versions.split_first() else { return VersionVector::default() };
        let mut context = first.past.with(first.dot);
        for version in rest {
            context.join(&version.past);
            context.add(version.dot);
        }
        debug_assert!(self.versions.iter().all(|version| context.contains(version.dot)), "a reader has seen them all");
        context
    }

    /// The greatest counter of an actor in that past; 0 if it has none.
    pub fn counter(&self, actor: Actor) -> u64 {
        let of = |version: &Version| match version.dot {
            Dot { actor: own, counter } if own == actor => counter.max(version.past.counter(actor)),
            _ => version.past.counter(actor),
        };
        self.versions.iter().map(of).max().unwrap_or(0)
    }

    /// The vector clock of a reader who has seen this state (4.4): that of all versions together.
    pub fn clock(&self) -> VectorClock {
        self.versions.iter().fold(VectorClock::default(), |mut clock, version| {
            clock.merge(&version.clock);
            clock
        })
    }

    /// The greatest timestamp held.
    pub fn timestamp_max_us(&self) -> Option<i64> {
        self.versions.iter().map(|version| version.timestamp_us).max()
    }

    /// Bytes of values and clocks, about.
    pub fn bytes(&self) -> usize {
        let of = |v: &Version| {
            v.value.as_ref().map_or(0, |value| value.len()) + 32 + 16 * v.past.len() + 24 * v.clock.pairs().len()
        };
        self.versions.iter().map(of).sum()
    }

    /// A digest of the key with this state: equal iff the versions are (up to MD5 collisions).
    pub fn digest(&self, key: &[u8]) -> u128 {
        let mut hash = Md5::new();
        hash.update((key.len() as u64).to_le_bytes());
        hash.update(key);
        for version in self.versions.iter() {
            hash.update(version.dot.actor.node.0.to_le_bytes());
            hash.update(version.dot.actor.epoch.to_le_bytes());
            hash.update(version.dot.counter.to_le_bytes());
            hash.update(version.timestamp_us.to_le_bytes());
        }
        u128::from_le_bytes(hash.finalize().into())
    }

    /// Whether it is a state that joins and writes can make; what comes from outside may be anything.
    pub fn is_sound(&self, versioning: Versioning) -> bool {
        let mut normal = self.clone();
        normal.normalise(versioning);
        normal == *self && self.versions.iter().all(|version| version.is_sound(versioning))
    }

    /// Sorted, each dot once, and nothing that is superseded. What is so already is left as it is, shared.
    fn normalise(&mut self, versioning: Versioning) {
        if self.versions.len() < 2 {
            return;
        }
        if !self.versions.is_sorted_by(|one, next| one.dot < next.dot) {
            let versions = Arc::make_mut(&mut self.versions);
            versions.sort_by_key(|version| version.dot);
            versions.dedup_by_key(|version| version.dot);
        }
        match versioning {
            Versioning::Dvv => self.drop_superseded(),
            Versioning::VectorClock => self.drop_ancestors(),
            Versioning::Lww => self.keep_newest(),
        }
        debug_assert!(self.versions.is_sorted_by(|one, next| one.dot < next.dot), "each dot once, in order");
        debug_assert!(versioning != Versioning::Lww || self.versions.len() == 1, "the last write wins, alone");
    }

    /// A version is superseded iff it is in the past of any other, that is, in the union of all pasts.
    fn drop_superseded(&mut self) {
        let mut superseded = VersionVector::default();
        for version in self.versions.iter() {
            superseded.join(&version.past);
        }
        if self.versions.iter().any(|version| superseded.contains(version.dot)) {
            Arc::make_mut(&mut self.versions).retain(|version| !superseded.contains(version.dot));
        }
    }

    /// A version is superseded iff any other's clock is greater; that is a partial order, and what is left its maxima.
    fn drop_ancestors(&mut self) {
        let all = &self.versions;
        let is_ancestor = |version: &Version| all.iter().any(|other| version.clock.is_ancestor_of(&other.clock));
        let ancestors: Vec<Dot> =
            all.iter().filter(|version| is_ancestor(version)).map(|version| version.dot).collect();
        if !ancestors.is_empty() {
            Arc::make_mut(&mut self.versions).retain(|version| !ancestors.contains(&version.dot));
        }
    }

    fn keep_newest(&mut self) {
        if self.versions.len() > 1
            && let Some(newest) = self.versions.iter().map(|v| (v.timestamp_us, v.dot)).max()
        {
            Arc::make_mut(&mut self.versions).retain(|v| (v.timestamp_us, v.dot) == newest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::NodeId;

    fn dot(node: u16, counter: u64) -> Dot {
        Dot { actor: Actor { node: NodeId(node), epoch: 7 }, counter }
    }

    fn state(versions: &[(Dot, &[Dot])]) -> KeyState {
        let version = |&(dot, past): &(Dot, &[Dot])| {
            let past = past.iter().fold(VersionVector::default(), |past, dot| past.with(*dot));
            Version { dot, past, clock: VectorClock::default(), timestamp_us: 0, value: None }
        };
        KeyState { versions: Arc::new(versions.iter().map(version).collect()) }
    }

    /// A version that has seen everything is shared, not copied; one that has not seen a sibling stands beside it.
    #[test]
    fn a_version_takes_the_place_of_exactly_what_it_has_seen() {
        let siblings = state(&[(dot(1, 4), &[]), (dot(2, 1), &[])]);
        for (past, left) in [(vec![dot(1, 5), dot(2, 1)], 1), (vec![dot(1, 4)], 2), (vec![dot(1, 3)], 3)] {
            let newer = state(&[(dot(3, 1), &past)]);
            let (mut joined, mut inserted) = (siblings.clone(), siblings.clone());
            joined.join(&newer, Versioning::Dvv);
            inserted.insert(newer.versions[0].clone(), Versioning::Dvv);
            assert_eq!(joined, inserted);
            assert_eq!(joined.versions().len(), left, "{past:?}");
            assert_eq!(Arc::ptr_eq(&joined.versions, &newer.versions), left == 1);
            let mut other_way = newer.clone();
            other_way.join(&siblings, Versioning::Dvv);
            assert_eq!(other_way, joined);
        }
    }

    #[test]
    fn the_counter_of_an_actor_is_that_of_the_whole_past() {
        let state = state(&[(dot(1, 4), &[dot(2, 9)]), (dot(2, 1), &[dot(1, 6)]), (dot(3, 2), &[])]);
        for node in 0..5 {
            assert_eq!(state.counter(dot(node, 1).actor), state.context().counter(dot(node, 1).actor), "of {node}");
        }
    }
}
