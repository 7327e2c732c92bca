//! Whom a node follows, and when a standby becomes the primary: what an operator's failover script decides, as a pure
//! function of what its node sees twice a second.
//!
//! - A standby that has not seen a primary for a while, and sees a majority of the nodes, is promoted if it has most of the
//!   log of the standbys that it sees; of several, the first.
//! - Whoever sees a primary of a later timeline than its own follows that one: what it has and the other has not is gone.
//!
//! Two things it does not do, as streaming replication alone does not: it promotes without knowing whether any standby
//! has all that the primary has acknowledged, and a primary that is cut off goes on until it sees the new one.

use std::cmp::Reverse;
use std::collections::BTreeMap;

/// After so many looks in a row without a primary a standby may be promoted.
pub(super) const MISSED_MAX: u32 = 4;

/// What a server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It takes writes. Each promotion begins a new timeline, of a greater number.
    Primary {
        /// The number of its timeline.
        timeline: u32,
    },
    /// It copies another one.
    Standby {
        /// Which, by its position; none if that is no node of the cluster.
        follows: Option<usize>,
        /// How far its log goes, bytes.
        received: u64,
    },
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing.
    Stay,
    /// This node becomes the primary.
    Promote,
    /// This node becomes a copy of that one, and follows it.
    Follow(usize),
}

/// A node's view of its cluster over time.
#[derive(Clone, Debug)]
pub(super) struct Failover {
    /// The node's own position.
    own: usize,
    /// How often in a row no primary was seen.
    missed: u32,
}

impl Failover {
    /// Of the node in this position.
    pub fn of(own: usize) -> Self {
        Self { own, missed: 0 }
    }

    /// What follows from what is seen: the node itself, and each other one, none where it does not answer.
    pub fn step(&mut self, own: &Role, others: &BTreeMap<usize, Option<Role>>) -> Step {
        let primary = primary(others);
        self.missed = if primary.is_some() { 0 } else { self.missed + 1 };
        match (own, primary) {
            (Role::Primary { timeline }, Some((other, at))) if (other, at) > (*timeline, self.own) => Step::Follow(at),
            (Role::Primary { .. }, _) => Step::Stay,
            (Role::Standby { follows, .. }, Some((_, at))) if *follows != Some(at) => Step::Follow(at),
            (Role::Standby { .. }, Some(_)) => Step::Stay,
            (Role::Standby { received, .. }, None) if self.missed >= MISSED_MAX && self.is_next(*received, others) => {
                Step::Promote
            }
            (Role::Standby { .. }, None) => Step::Stay,
        }
    }

    /// Whether it sees a majority, itself included, and has most of the log of those.
    fn is_next(&self, received: u64, others: &BTreeMap<usize, Option<Role>>) -> bool {
        let seen: Vec<(usize, u64)> =
            others.iter().filter_map(|(at, role)| Some((*at, standby(role.as_ref()?)?))).collect();
        let is_majority = 2 * (seen.len() + 1) > others.len() + 1;
        // Of two that have as much, the first is greater.
        let rank = |(at, received): (usize, u64)| (received, Reverse(at));
        is_majority && seen.into_iter().all(|other| rank((self.own, received)) > rank(other))
    }
}

/// How far the log of a standby goes.
fn standby(role: &Role) -> Option<u64> {
    match role {
        Role::Standby { received, .. } => Some(*received),
        Role::Primary { .. } => None,
    }
}

/// The primary with the latest timeline, and its position.
pub(super) fn primary(others: &BTreeMap<usize, Option<Role>>) -> Option<(u32, usize)> {
    let primaries = others.iter().filter_map(|(at, role)| match role {
        Some(Role::Primary { timeline }) => Some((*timeline, *at)),
        _ => None,
    });
    primaries.max()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STANDBY: Option<Role> = Some(Role::Standby { follows: Some(0), received: 100 });

    fn primary_of(timeline: u32) -> Option<Role> {
        Some(Role::Primary { timeline })
    }

    fn others<const N: usize>(seen: [(usize, Option<Role>); N]) -> BTreeMap<usize, Option<Role>> {
        seen.into()
    }

    fn follower() -> Role {
        Role::Standby { follows: Some(0), received: 100 }
    }

    #[test]
    fn the_first_standby_of_a_majority_is_promoted_after_a_while() {
        let mut second = Failover::of(1);
        let cut_off = others([(0, None), (2, STANDBY)]);
        let steps: Vec<Step> = (0..MISSED_MAX).map(|_| second.step(&follower(), &cut_off)).collect();
        let (last, before) = steps.split_last().expect("there are some");
        assert!(before.iter().all(|step| *step == Step::Stay) && *last == Step::Promote, "{steps:?}");
        let mut third = Failover::of(2);
        for _ in 0..10 * MISSED_MAX {
            assert_eq!(third.step(&follower(), &others([(0, None), (1, STANDBY)])), Step::Stay);
        }
    }

    #[test]
    fn the_standby_that_has_more_is_promoted() {
        let behind = others([(0, None), (1, Some(Role::Standby { follows: Some(0), received: 99 }))]);
        let (mut second, mut third) = (Failover::of(1), Failover::of(2));
        let own = Role::Standby { follows: Some(0), received: 99 };
        let steps = |failover: &mut Failover, own: &Role, others: &BTreeMap<usize, Option<Role>>| {
            (0..MISSED_MAX).map(|_| failover.step(own, others)).last()
        };
        assert_eq!(steps(&mut third, &follower(), &behind), Some(Step::Promote));
        assert_eq!(steps(&mut second, &own, &others([(0, None), (2, STANDBY)])), Some(Step::Stay));
    }

    #[test]
    fn a_standby_that_is_alone_is_not_promoted() {
        let mut second = Failover::of(1);
        for _ in 0..10 * MISSED_MAX {
            assert_eq!(second.step(&follower(), &others([(0, None), (2, None)])), Step::Stay);
        }
    }

    #[test]
    fn a_primary_that_is_seen_again_is_kept() {
        let mut second = Failover::of(1);
        let (cut_off, whole) = (others([(0, None), (2, STANDBY)]), others([(0, primary_of(1)), (2, STANDBY)]));
        for _ in 0..MISSED_MAX {
            assert_eq!(second.step(&follower(), &whole), Step::Stay);
            for _ in 1..MISSED_MAX {
                assert_eq!(second.step(&follower(), &cut_off), Step::Stay);
            }
        }
    }

    #[test]
    fn the_later_timeline_is_followed() {
        let first = |others| Failover::of(0).step(&Role::Primary { timeline: 1 }, &others);
        assert_eq!(first(others([(1, primary_of(2)), (2, STANDBY)])), Step::Follow(1));
        assert_eq!(first(others([(1, STANDBY), (2, STANDBY)])), Step::Stay);
        assert_eq!(first(others([(1, None), (2, None)])), Step::Stay, "it goes on without the others");
        let second = |others| Failover::of(1).step(&Role::Primary { timeline: 2 }, &others);
        assert_eq!(second(others([(0, primary_of(1)), (2, None)])), Step::Stay);
        assert_eq!(second(others([(0, None), (2, primary_of(2))])), Step::Follow(2), "only one of two stays");
        let third = |others| Failover::of(2).step(&follower(), &others);
        assert_eq!(third(others([(0, primary_of(1)), (1, primary_of(2))])), Step::Follow(1));
        assert_eq!(third(others([(0, primary_of(1)), (1, STANDBY)])), Step::Stay);
    }
}
