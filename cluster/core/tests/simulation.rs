//! The protocol in the simulated world: nothing acknowledged is lost, replicas converge, quorums that overlap read
//! their writes, and each planted defect is noticed.

mod common;

use cluster_core::api::{NodeId, Reply, Request};
use cluster_core::bug::Bug;
use cluster_core::config::{Config, Partitioning, Quorum, Versioning};
use common::*;

const SEEDS: std::ops::Range<u64> = 0..40;

fn five(quorum: Quorum) -> Config {
    config(5, (3, 2, 2), quorum, Versioning::Dvv)
}

#[test]
fn sloppy_quorums_lose_nothing_and_converge() {
    let mut acknowledged = 0;
    for seed in SEEDS {
        let found = run_sets(&five(Quorum::Sloppy), seed, 20, ALL_FAULTS);
        assert!(found.lost.is_empty() && found.diverged.is_empty(), "seed {seed}: {found:?}");
        acknowledged += found.acknowledged;
    }
    assert!(acknowledged > 10_000, "only {acknowledged} acknowledged: too little to have shown anything");
}

#[test]
fn strict_quorums_lose_nothing_converge_and_read_their_writes() {
    let mut acknowledged = 0;
    for seed in SEEDS {
        let found = run_sets(&five(Quorum::Strict), seed, 20, ALL_FAULTS);
        let clean = found.lost.is_empty() && found.diverged.is_empty() && found.unread.is_empty();
        assert!(clean, "seed {seed}: {found:?}");
        acknowledged += found.acknowledged;
    }
    assert!(acknowledged > 2_000, "only {acknowledged} acknowledged: too little to have shown anything");
}

#[test]
fn a_single_copy_survives_crashes() {
    let alone = config(1, (1, 1, 1), Quorum::Sloppy, Versioning::Dvv);
    for seed in SEEDS {
        let found = run_sets(&alone, seed, 10, Faults { partitions: false, ..ALL_FAULTS });
        assert!(found.lost.is_empty(), "seed {seed}: {found:?}");
    }
}

/// The wiped node is a new actor: it makes no dot again that it made before, and what it hears of itself it treats
/// like anybody's.
#[test]
fn a_node_that_loses_its_disk_again_and_again_takes_nothing_with_it() {
    let wipes = Faults { clocks: false, wipes: true, ..ALL_FAULTS };
    for seed in SEEDS {
        let found = run_sets(&five(Quorum::Sloppy), seed, 20, wipes);
        let clean = found.lost.is_empty() && found.diverged.is_empty();
        assert!(clean, "seed {seed}: {found:?}");
    }
}

#[test]
fn last_write_wins_converges_on_one_version_under_skew() {
    for seed in SEEDS {
        let lww = config(5, (3, 2, 2), Quorum::Strict, Versioning::Lww);
        let found = run_sets(&lww, seed, 10, ALL_FAULTS);
        assert!(found.diverged.is_empty(), "seed {seed}: {found:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in 0..50 {
        let trace = |seed| run_sets(&five(Quorum::Sloppy), seed, 5, ALL_FAULTS).trace_hash;
        assert_eq!(trace(seed), trace(seed), "seed {seed}");
        assert_ne!(trace(seed), trace(seed + 1000), "a trace hash that never differs shows nothing");
    }
}

/// Whether any of the seeds shows acknowledged elements lost.
fn loses(config: &Config, faults: Faults) -> bool {
    SEEDS.into_iter().any(|seed| !run_sets(config, seed, 20, faults).lost.is_empty())
}

#[test]
fn bug_no_dots_loses_concurrent_siblings_without_any_fault() {
    let quiet = Faults { partitions: false, crashes: false, clocks: false, wipes: false };
    assert!(loses(&with_bug(five(Quorum::Sloppy), Bug::NoDots), quiet));
    assert!(!loses(&five(Quorum::Sloppy), quiet));
}

#[test]
fn bug_hint_deleted_early_loses_what_only_fallbacks_held() {
    let two_copies = config(5, (2, 1, 2), Quorum::Sloppy, Versioning::Dvv);
    assert!(loses(&with_bug(two_copies.clone(), Bug::HintDeletedEarly), ALL_FAULTS));
    assert!(!loses(&two_copies, ALL_FAULTS));
}

#[test]
fn bug_ack_before_durable_loses_what_a_crash_of_all_forgets() {
    let crashes = Faults { partitions: false, clocks: false, crashes: true, wipes: false };
    assert!(loses(&with_bug(five(Quorum::Sloppy), Bug::AckBeforeDurable), crashes));
    assert!(!loses(&five(Quorum::Sloppy), crashes));
}

/// Last-write-wins keeps one version of a key, so a coordinator that counted by what the row still shows made the
/// same dot twice once another's version had won in between, and replicas took the two for one.
#[test]
fn regression_lww_counter_restarted_when_a_newer_version_had_won() {
    let mut world = world(config(2, (2, 1, 2), Quorum::Strict, Versioning::Lww), Default::default(), 1);
    let mut ids = std::collections::BTreeSet::new();
    for (turn, node) in [0, 1, 0, 1, 0].into_iter().enumerate() {
        let reply = call(&mut world, NodeId(node), put(b"k", &[turn as u8], None));
        assert_eq!(reply, Reply::Stored);
        let Reply::Local { versions } = call(&mut world, NodeId(node), Request::GetLocal { key: b"k".to_vec() }) else {
            panic!("a local read cannot fail");
        };
        ids.extend(versions.into_iter().map(|version| version.id));
    }
    assert_eq!(ids.len(), 5, "every write has an identity of its own: {ids:?}");
}

/// Where ranges lie is all that the strategies differ in: the same load, the same faults, nothing lost.
#[test]
fn no_partition_strategy_loses_anything() {
    for partitioning in [
        Partitioning::Random { tokens: 16 },
        Partitioning::FixedRanges { tokens: 16, ranges: 256 },
        Partitioning::EqualTokens { ranges: 64 },
    ] {
        let config = Config { partitioning, capacities: vec![1, 1, 2, 1, 1], ..five(Quorum::Sloppy) };
        let mut acknowledged = 0;
        for seed in 0..8 {
            let found = run_sets(&config, seed, 10, ALL_FAULTS);
            let clean = found.lost.is_empty() && found.diverged.is_empty();
            assert!(clean, "{partitioning:?}, seed {seed}: {found:?}");
            acknowledged += found.acknowledged;
        }
        assert!(acknowledged > 800, "{partitioning:?}: only {acknowledged} acknowledged");
    }
}
