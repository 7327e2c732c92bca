//! The paper's literal vector clock (4.4): a list of (node, counter) pairs, where the version itself is the whole clock.
//!
//! Kept for the paper's own example and as the yardstick that dotted version vectors are measured against: two puts
//! with the same context at the same coordinator get clocks of which the second falsely dominates the first.

use std::collections::BTreeMap;

/// A vector clock over nodes of any name type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VectorClock<N: Ord> {
    counters: BTreeMap<N, u64>,
}

impl<N: Ord> Default for VectorClock<N> {
    fn default() -> Self {
        Self { counters: BTreeMap::new() }
    }
}

impl<N: Ord + Clone> VectorClock<N> {
    /// From pairs; the greatest counter of a node counts.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (N, u64)>) -> Self {
        let mut clock = Self::default();
        for (node, counter) in pairs {
            let own = clock.counters.entry(node).or_default();
            *own = (*own).max(counter);
        }
        clock
    }

    /// The clock of a version written at `node` by a writer that has seen `self`.
    pub fn incremented(&self, node: N) -> Self {
        let mut next = self.clone();
        *next.counters.entry(node).or_default() += 1;
        next
    }

    /// The clock of a reader that has seen both.
    pub fn merged(&self, other: &Self) -> Self {
        Self::from_pairs(self.counters.iter().chain(&other.counters).map(|(node, &counter)| (node.clone(), counter)))
    }

    /// `self <= other`: every counter here is at most that of `other`, so `self` is an ancestor and can be forgotten.
    pub fn is_ancestor_of(&self, other: &Self) -> bool {
        self.counters.iter().all(|(node, counter)| other.counters.get(node).is_some_and(|theirs| theirs >= counter))
    }

    /// Neither is an ancestor of the other: siblings.
    pub fn is_concurrent_with(&self, other: &Self) -> bool {
        !self.is_ancestor_of(other) && !other.is_ancestor_of(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(pairs: &[(&'static str, u64)]) -> VectorClock<&'static str> {
        VectorClock::from_pairs(pairs.iter().copied())
    }

    /// Figure 3 of the paper.
    #[test]
    fn golden_example_of_section_4_4() {
        let d1 = VectorClock::default().incremented("Sx");
        let d2 = d1.incremented("Sx");
        let d3 = d2.incremented("Sy");
        let d4 = d2.incremented("Sz");
        assert_eq!(d1, clock(&[("Sx", 1)]));
        assert_eq!(d2, clock(&[("Sx", 2)]));
        assert_eq!(d3, clock(&[("Sx", 2), ("Sy", 1)]));
        assert_eq!(d4, clock(&[("Sx", 2), ("Sz", 1)]));
        assert!(d1.is_ancestor_of(&d2) && d2.is_ancestor_of(&d3) && d2.is_ancestor_of(&d4));
        assert!(d3.is_concurrent_with(&d4));
        let context = d3.merged(&d4);
        assert_eq!(context, clock(&[("Sx", 2), ("Sy", 1), ("Sz", 1)]));
        let d5 = context.incremented("Sx");
        assert_eq!(d5, clock(&[("Sx", 3), ("Sy", 1), ("Sz", 1)]));
        assert!(d3.is_ancestor_of(&d5) && d4.is_ancestor_of(&d5));
    }

    /// Why the default is not this clock: a client that has seen only D1 writes twice through Sx.
    #[test]
    fn two_puts_with_one_context_at_one_coordinator_falsely_dominate() {
        let seen = clock(&[("Sx", 1)]);
        let first = seen.incremented("Sx");
        let second = first.incremented("Sx");
        assert!(first.is_ancestor_of(&second), "the second never saw the first, and yet forgets it");
    }
}
