//! Dots, actors and version vectors.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::NodeId;

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
///
/// Vectors are short and copied often, so they are lists in the order of their actors, each actor once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<(Actor, u64)>")]
pub struct VersionVector {
    counters: Vec<(Actor, u64)>,
}

/// Pairs that are no version vector: an actor twice, or actors out of order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the actors of a version vector are not in order")]
pub struct OutOfOrder;

impl TryFrom<Vec<(Actor, u64)>> for VersionVector {
    type Error = OutOfOrder;
    fn try_from(counters: Vec<(Actor, u64)>) -> Result<Self, OutOfOrder> {
        match counters.is_sorted_by(|(one, _), (next, _)| one < next) {
            true => Ok(Self { counters }),
            false => Err(OutOfOrder),
        }
    }
}

impl VersionVector {
    /// Whether the dot lies within.
    pub fn contains(&self, dot: Dot) -> bool {
        self.counter(dot.actor) >= dot.counter
    }

    /// The greatest counter of an actor; 0 if it made nothing.
    pub fn counter(&self, actor: Actor) -> u64 {
        self.place(actor).map_or(0, |at| self.counters[at].1)
    }

    /// Adds a dot, and with it all earlier ones of its actor.
    pub fn add(&mut self, dot: Dot) {
        match self.place(dot.actor) {
            Ok(at) => self.counters[at].1 = self.counters[at].1.max(dot.counter),
            Err(at) => self.counters.insert(at, (dot.actor, dot.counter)),
        }
        debug_assert!(self.counters.is_sorted_by(|(one, _), (next, _)| one < next), "each actor once, in order");
        debug_assert!(self.contains(dot), "a dot that was added is there");
    }

    /// A copy with a dot more, and with it all earlier ones of its actor.
    #[must_use]
    pub fn with(&self, dot: Dot) -> Self {
        let mut counters = Vec::with_capacity(self.counters.len() + 1);
        counters.extend_from_slice(&self.counters);
        let mut with = Self { counters };
        with.add(dot);
        with
    }

    /// The union with another.
    pub fn join(&mut self, other: &VersionVector) {
        if self.counters.is_empty() {
            self.counters.clone_from(&other.counters);
            return;
        }
        for &(actor, counter) in &other.counters {
            self.add(Dot { actor, counter });
        }
        debug_assert!(other.is_within(self), "a union contains both sides");
    }

    /// Whether every dot of `self` is in `other`.
    pub fn is_within(&self, other: &VersionVector) -> bool {
        self.counters.iter().all(|&(actor, counter)| other.counter(actor) >= counter)
    }

    /// How many actors it names.
    pub fn len(&self) -> usize {
        self.counters.len()
    }

    /// Whether it names none.
    pub fn is_empty(&self) -> bool {
        self.counters.is_empty()
    }

    /// Where the actor stands, or where it would.
    fn place(&self, actor: Actor) -> Result<usize, usize> {
        self.counters.binary_search_by_key(&actor, |(actor, _)| *actor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_out_of_order_is_refused() {
        let actor = |node| Actor { node: NodeId(node), epoch: 1 };
        let decode = |pairs: Vec<(Actor, u64)>| {
            let bytes = postcard::to_stdvec(&pairs).expect("plain data");
            postcard::from_bytes::<VersionVector>(&bytes)
        };
        assert!(decode(vec![(actor(1), 4), (actor(2), 1)]).is_ok());
        assert!(decode(vec![(actor(2), 1), (actor(1), 4)]).is_err());
        assert!(decode(vec![(actor(1), 1), (actor(1), 4)]).is_err());
    }
}
