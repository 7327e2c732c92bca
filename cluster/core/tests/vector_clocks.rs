//! The paper's literal vector clocks (4.4), through nodes that coordinate.

mod common;

use cluster_core::api::{NodeId, Reply};
use cluster_core::bug::Bug;
use cluster_core::config::{Config, Limits, Quorum, Versioning};
use cluster_core::sim::World;
use cluster_core::versions::clock::{Pair, VectorClock};
use cluster_core::versions::{Actor, Dot, KeyState, Version, VersionVector};
use common::lone::*;
use common::*;
use proptest::prelude::*;

/// Every node a replica, and every write on all of them before it is acknowledged.
fn three(clock_pairs_max: usize) -> Config {
    let limits = Limits { clock_pairs_max, ..Limits::default() };
    Config { limits, ..config(3, (3, 1, 3), Quorum::Strict, Versioning::VectorClock) }
}

/// Writes through a node with a context that the same node gave, so that it coordinates itself.
fn write(world: &mut World, node: NodeId, value: &[u8], context: Option<String>) -> Option<String> {
    assert_eq!(call(world, node, put(b"k", value, context)), Reply::Stored);
    context_from(world, node)
}

fn context_from(world: &mut World, node: NodeId) -> Option<String> {
    read(world, node, b"k").1
}

/// The clocks that a node holds, without the dots that distinguish versions.
fn clocks(world: &mut World, node: NodeId) -> Vec<String> {
    let clock = |id: String| id.split_once(' ').expect("a version has a clock").1.to_owned();
    let mut clocks: Vec<String> = local(world, node, b"k").into_iter().map(|version| clock(version.id)).collect();
    clocks.sort();
    clocks
}

/// Figure 3 of the paper: Sx, Sy and Sz are A, B and C.
#[test]
fn golden_example_of_section_4_4() {
    let mut world = world(three(10), Default::default(), 1);
    write(&mut world, A, b"D1", None);
    assert_eq!(clocks(&mut world, B), ["[(0,1)]"]);
    let d1 = context_from(&mut world, A);
    write(&mut world, A, b"D2", d1);
    assert_eq!(clocks(&mut world, B), ["[(0,2)]"]);
    let (d2_from_b, d2_from_c) = (context_from(&mut world, B), context_from(&mut world, C));
    write(&mut world, B, b"D3", d2_from_b);
    assert_eq!(clocks(&mut world, A), ["[(0,2),(1,1)]"]);
    write(&mut world, C, b"D4", d2_from_c);
    assert_eq!(clocks(&mut world, A), ["[(0,2),(1,1)]", "[(0,2),(2,1)]"]);
    let (values, both) = read(&mut world, A, b"k");
    assert_eq!(values.len(), 2, "the client must reconcile");
    write(&mut world, A, b"D5", both);
    assert_eq!(clocks(&mut world, B), ["[(0,3),(1,1),(2,1)]"]);
}

/// The paper's own gap, and why dotted version vectors are the default.
#[test]
fn two_puts_with_one_context_at_one_coordinator_falsely_dominate() {
    let siblings = |versions| {
        let mut world = world(Config { versions, ..three(10) }, Default::default(), 1);
        let seen = write(&mut world, A, b"seen", None);
        write(&mut world, A, b"first", seen.clone());
        write(&mut world, A, b"second", seen);
        values(&mut world, B, b"k").len()
    };
    assert_eq!((siblings(Versioning::VectorClock), siblings(Versioning::Dvv)), (1, 2));
}

#[test]
fn a_long_clock_loses_its_oldest_pair_and_never_the_coordinators_own() {
    let after = |bug| {
        let mut world = world(Config { bug, ..three(2) }, Default::default(), 1);
        write(&mut world, B, b"1", None);
        for (node, value) in [(A, b"2"), (C, b"3")] {
            let context = context_from(&mut world, node);
            write(&mut world, node, value, context);
        }
        clocks(&mut world, A)
    };
    // The descendant is no longer recognised as one: the price that the paper names.
    assert_eq!(after(None), ["[(0,1),(1,1)]", "[(0,1),(2,1)]"]);
    assert_eq!(after(Some(Bug::OwnPairTruncated)), ["[(0,1),(1,1)]", "[(0,1),(1,1)]"]);
}

/// A node that was wiped has forgotten its counter, and counts anew: two writes, one clock.
#[test]
fn two_versions_of_equal_clocks_are_siblings_everywhere() {
    let mut config = without_anti_entropy(three(10));
    (config.w, config.quorum) = (1, Quorum::Sloppy);
    let mut world = world(config, Default::default(), 1);
    world.network().partition(&[A], &[B, C]);
    assert_eq!(call(&mut world, A, put(b"k", b"before", None)), Reply::Stored);
    world.network().heal();
    world.run_until(world.now_ns() + 2 * SECOND);
    world.network().partition(&[A], &[B, C]);
    world.crash(A);
    world.wipe(A);
    world.start(A).expect("it starts empty");
    assert_eq!(call(&mut world, A, put(b"k", b"after", None)), Reply::Stored);
    world.network().heal();
    world.run_until(world.now_ns() + 5 * SECOND);
    let _ = values(&mut world, B, b"k");
    world.run_until(world.now_ns() + 5 * SECOND);
    for node in [A, B, C] {
        assert_eq!(clocks(&mut world, node), ["[(0,1)]", "[(0,1)]"], "{node:?}");
    }
}

#[test]
fn replicas_converge_under_every_fault_also_with_short_clocks() {
    for clock_pairs_max in [1, 2, 10] {
        for seed in 0..8 {
            let limits = Limits { clock_pairs_max, ..Limits::default() };
            let config = Config { limits, ..config(5, (3, 2, 2), Quorum::Sloppy, Versioning::VectorClock) };
            let found = run_sets(&config, seed, 8, ALL_FAULTS);
            assert!(found.diverged.is_empty(), "{clock_pairs_max} pairs, seed {seed}: {found:?}");
            assert!(found.acknowledged > 30, "{clock_pairs_max} pairs, seed {seed}: {found:?}");
        }
    }
}

fn clock() -> impl Strategy<Value = VectorClock> {
    prop::collection::btree_map(0..4u16, (1..4u64, 0..3i64), 0..4).prop_map(|pairs| {
        let mut clock = VectorClock::default();
        for (node, (counter, timestamp_us)) in pairs {
            clock.set(Pair { node: NodeId(node), counter, timestamp_us });
        }
        clock
    })
}

/// States out of one store of versions, in which every dot is one version; clocks may be anything, also equal.
fn states() -> impl Strategy<Value = Vec<KeyState>> {
    let versions = prop::collection::vec(clock(), 1..8);
    (versions, prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 0..6), 3)).prop_map(
        |(clocks, picked)| {
            let state = |picks: Vec<prop::sample::Index>| {
                picks.iter().fold(KeyState::default(), |mut state, pick| {
                    let at = pick.index(clocks.len());
                    let dot = Dot { actor: Actor { node: NodeId(at as u16), epoch: 1 }, counter: 1 };
                    let (past, clock) = (VersionVector::default(), clocks[at].clone());
                    let version = Version { dot, past, clock, timestamp_us: 0, value: None };
                    state.insert(version, Versioning::VectorClock);
                    state
                })
            };
            picked.into_iter().map(state).collect()
        },
    )
}

proptest! {
    #[test]
    fn join_is_commutative_associative_and_idempotent(states in states()) {
        let join = |x: &KeyState, y: &KeyState| {
            let mut joined = x.clone();
            joined.join(y, Versioning::VectorClock);
            joined
        };
        let [a, b, c] = [&states[0], &states[1], &states[2]];
        prop_assert_eq!(join(a, b), join(b, a));
        prop_assert_eq!(join(&join(a, b), c), join(a, &join(b, c)));
        prop_assert_eq!(join(&join(a, b), b), join(a, b));
    }

    #[test]
    fn merging_clocks_is_a_join_above_both(a in clock(), b in clock(), c in clock()) {
        let merge = |x: &VectorClock, y: &VectorClock| {
            let mut merged = x.clone();
            merged.merge(y);
            merged
        };
        prop_assert!(a.is_within(&merge(&a, &b)) && b.is_within(&merge(&a, &b)));
        prop_assert_eq!(merge(&a, &b), merge(&b, &a));
        prop_assert_eq!(merge(&merge(&a, &b), &c), merge(&a, &merge(&b, &c)));
        prop_assert!(!(a.is_ancestor_of(&b) && b.is_ancestor_of(&a)));
    }
}
