//! Dots, actors and version vectors.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::api::NodeId;

/// Who makes versions: a node, for as long as it holds one row of one key without a break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Actor {
    /// The node.
    pub node: NodeId,
    /// Unique to one row of that node's disk. Starts at random on an empty disk, so that a wiped node is a new actor.
    pub epoch: u64,
}

/// One event: the `counter`-th version made by an actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Dot {
    /// Who made it.
    pub actor: Actor,
    /// From 1.
    pub counter: u64,
}

impl fmt::Display for Dot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:x}:{}", self.actor.node.0, self.actor.epoch, self.counter)
    }
}

/// A set of dots that has no gaps: for each actor, all of its dots up to a counter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct VersionVector {
    counters: BTreeMap<Actor, u64>,
}

impl VersionVector {
    /// Whether the dot lies within.
    pub fn contains(&self, dot: Dot) -> bool {
        self.counter(dot.actor) >= dot.counter
    }

    /// The greatest counter of an actor; 0 if it made nothing.
    pub fn counter(&self, actor: Actor) -> u64 {
        self.counters.get(&actor).copied().unwrap_or(0)
    }

    /// Adds a dot, and with it all earlier ones of its actor.
    pub fn add(&mut self, dot: Dot) {
        let counter = self.counters.entry(dot.actor).or_default();
        *counter = (*counter).max(dot.counter);
    }

    /// The union with another.
    pub fn join(&mut self, other: &VersionVector) {
        for (&actor, &counter) in &other.counters {
            self.add(Dot { actor, counter });
        }
    }

    /// Whether every dot of `self` is in `other`.
    pub fn is_within(&self, other: &VersionVector) -> bool {
        self.counters.iter().all(|(&actor, &counter)| other.counter(actor) >= counter)
    }

    /// How many actors it names.
    pub fn len(&self) -> usize {
        self.counters.len()
    }

    /// Whether it names none.
    pub fn is_empty(&self) -> bool {
        self.counters.is_empty()
    }
}
