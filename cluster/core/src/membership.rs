//! The history of the membership (4.8.1): every join and leave ever commanded, and how far each has come.
//!
//! ```text
//!   announced ──► active ──► settled        one at a time is active; then keys have owners of before and of after it
//!        └──────► withdrawn                 its turn came, and it could not be done any more
//! ```
//! Nodes exchange histories until they agree. Merging is a union of changes with, for each, the farther phase: it is
//! commutative, associative and idempotent, and no wall clock has a say. A change is named by a version, one more than
//! the greatest that its author knew; the author is a member.
//!
//! **Why only one is active.** A change becomes active when it is the first that is open, in the order of versions, and
//! every member is known to have exactly this history. A member that has a change gives later ones a greater version,
//! so nothing can come before it any more. Hence all members see the same sequence of rings, each a neighbour of the
//! one before, though nobody leads: see `node/membership.rs`.

use std::collections::{BTreeMap, BTreeSet};

use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

use crate::ids::NodeId;

/// No more changes are taken on in the life of a cluster: every node keeps and exchanges them all.
pub const CHANGES_MAX: usize = 1024;
/// A history from a peer may be longer, by what several authors took on at the same time.
const CHANGES_ACCEPTED_MAX: usize = CHANGES_MAX + 256;
/// Tokens that a joining node may bring.
const TOKENS_MAX: usize = 4096;

/// The view of a cluster whose membership has never changed.
pub const FOUNDING_VIEW: View = View(0);

/// Names where keys live: equal for two nodes iff they place every key alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct View(pub u64);

/// A join or leave.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Change {
    /// One more than the greatest that its author knew.
    pub version: u64,
    /// Who joins or leaves.
    pub node: NodeId,
    /// Which of the two.
    pub kind: ChangeKind,
}

/// What a change does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ChangeKind {
    /// The node becomes a member.
    Join {
        /// What it can carry beside the others.
        capacity: u32,
        /// Where it stands on the circle; none where tokens are taken over from the others (strategy 3).
        tokens: Vec<u128>,
    },
    /// The node is a member no more.
    Leave,
}

/// How far a change has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// On record; nothing has moved.
    Announced,
    /// Never to be done: its turn came, and it made no sense any more.
    Withdrawn,
    /// Keys are moving; they have the owners of before and of after it. The number is its place in the sequence of
    /// rings, from 1.
    Active(u32),
    /// Keys have the owners of after it alone.
    Settled(u32),
}

/// Every change that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct History {
    changes: BTreeMap<Change, Phase>,
}

impl History {
    /// Takes over what the other knows and this does not. Returns whether there was anything.
    pub fn merge(&mut self, other: &History) -> bool {
        let (mut news, before) = (false, self.len());
        for (change, phase) in &other.changes {
            news |= self.advance(change.clone(), *phase);
        }
        debug_assert!(
            other.changes().all(|(change, phase)| self.phase(change) >= Some(phase)),
            "a merge loses nothing"
        );
        assert!(self.len() >= before, "a history only grows");
        news
    }

    /// The same of changes that are known, or newer than all that are: for the bug `membership-by-clock`.
    pub fn merge_newer(&mut self, other: &History) -> bool {
        let newest = self.newest();
        let mut news = false;
        for (change, phase) in &other.changes {
            let counts = change.version > newest || self.changes.contains_key(change);
            news |= counts && self.advance(change.clone(), *phase);
        }
        news
    }

    /// Notes that a change has come as far as this. Returns whether that is news.
    pub fn advance(&mut self, change: Change, phase: Phase) -> bool {
        let known = self.changes.get(&change).copied();
        if known >= Some(phase) {
            return false;
        }
        self.changes.insert(change, phase);
        true
    }

    /// How far a change has come; none if it is not known.
    pub fn phase(&self, change: &Change) -> Option<Phase> {
        self.changes.get(change).copied()
    }

    /// Every change with its phase, in the order of versions.
    pub fn changes(&self) -> impl Iterator<Item = (&Change, Phase)> {
        self.changes.iter().map(|(change, phase)| (change, *phase))
    }

    /// The changes that have been carried out, in the order in which they were.
    pub fn settled(&self) -> Vec<&Change> {
        let mut settled: Vec<(u32, &Change)> = self
            .changes()
            .filter_map(|(change, phase)| match phase {
                Phase::Settled(place) => Some((place, change)),
                _ => None,
            })
            .collect();
        settled.sort();
        settled.into_iter().map(|(_, change)| change).collect()
    }

    /// The change that is being carried out; with the place it takes in the sequence of rings.
    pub fn active(&self) -> Option<(&Change, u32)> {
        self.changes().find_map(|(change, phase)| match phase {
            Phase::Active(place) => Some((change, place)),
            _ => None,
        })
    }

    /// The first change that is neither done nor withdrawn.
    pub fn first_open(&self) -> Option<&Change> {
        self.open().next()
    }

    /// The open change of a node; it has one at most, unless two authors took it on at the same time.
    pub fn open_of(&self, node: NodeId) -> Option<&Change> {
        self.open().find(|change| change.node == node)
    }

    fn open(&self) -> impl Iterator<Item = &Change> {
        let is_open = |phase| matches!(phase, Phase::Announced | Phase::Active(_));
        self.changes().filter(move |(_, phase)| is_open(*phase)).map(|(change, _)| change)
    }

    /// The members after all that is settled, when these have founded the cluster.
    pub fn members(&self, founders: u16) -> BTreeSet<NodeId> {
        let mut members: BTreeSet<NodeId> = (0..founders).map(NodeId).collect();
        for change in self.settled() {
            match change.kind {
                ChangeKind::Join { .. } => members.insert(change.node),
                ChangeKind::Leave => members.remove(&change.node),
            };
        }
        members
    }

    /// What a change that is made now is called.
    pub fn next_version(&self) -> u64 {
        1 + self.newest()
    }

    /// The greatest version; 0 for none.
    pub fn newest(&self) -> u64 {
        self.changes.keys().next_back().map_or(0, |change| change.version)
    }

    /// Of the last change of a node; 0 for none.
    pub fn version_of(&self, node: NodeId) -> u64 {
        self.changes.keys().filter(|change| change.node == node).map(|change| change.version).max().unwrap_or(0)
    }

    /// How many changes there are.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether nothing has ever changed.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Whether a peer may have made it: within bounds, and about nodes that there are.
    pub fn is_sound(&self, nodes: usize) -> bool {
        let sound = |change: &Change| {
            let bounded = !matches!(&change.kind, ChangeKind::Join { tokens, capacity }
                if tokens.len() > TOKENS_MAX || *capacity == 0);
            usize::from(change.node.0) < nodes && change.version < u64::MAX && bounded
        };
        self.changes.len() <= CHANGES_ACCEPTED_MAX && self.changes.keys().all(sound)
    }

    /// Equal for two histories iff they are the same (up to MD5 collisions).
    pub fn digest(&self) -> u64 {
        digest(self.changes())
    }

    /// Of what has a say in where keys live: announced and withdrawn changes have none.
    pub fn view(&self) -> View {
        let mut placing = self.changes().filter(|(_, phase)| *phase >= Phase::Active(0)).peekable();
        if placing.peek().is_none() {
            return FOUNDING_VIEW;
        }
        View(digest(placing).max(1))
    }

    /// About how many bytes it takes on the wire.
    pub fn bytes(&self) -> usize {
        let tokens = |change: &Change| match &change.kind {
            ChangeKind::Join { tokens, .. } => 16 * tokens.len(),
            ChangeKind::Leave => 0,
        };
        self.changes.keys().map(|change| 12 + tokens(change)).sum()
    }
}

fn digest<'a>(changes: impl Iterator<Item = (&'a Change, Phase)>) -> u64 {
    let mut hash = Md5::new();
    for entry in changes {
        let bytes = postcard::to_stdvec(&entry).expect("a change is plain data");
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    }
    u128::from_le_bytes(hash.finalize().into()) as u64
}
