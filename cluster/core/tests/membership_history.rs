//! The history of the membership (4.8): it merges whatever the order, and a change moves only what it must (4.9, 6.2).

mod common;

use cluster_core::api::NodeId;
use cluster_core::config::{Config, Partitioning};
use cluster_core::membership::{Change, ChangeKind, FOUNDING_VIEW, History, Phase};
use cluster_core::ring::Ring;
use common::lone::*;
use proptest::prelude::*;

fn phase() -> impl Strategy<Value = Phase> {
    prop_oneof![
        Just(Phase::Announced),
        Just(Phase::Withdrawn),
        (1..4u32).prop_map(Phase::Active),
        (1..4u32).prop_map(Phase::Settled),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    let kind = prop_oneof![Just(ChangeKind::Leave), Just(ChangeKind::Join { capacity: 1, tokens: vec![7] })];
    (1..4u64, (0..3u16).prop_map(NodeId), kind).prop_map(|(version, node, kind)| Change { version, node, kind })
}

fn history() -> impl Strategy<Value = History> {
    prop::collection::vec((change(), phase()), 0..8).prop_map(|entries| {
        let mut history = History::default();
        for (change, phase) in entries {
            history.advance(change, phase);
        }
        history
    })
}

fn merged(one: &History, other: &History) -> History {
    let mut both = one.clone();
    both.merge(other);
    both
}

proptest! {
    #[test]
    fn merging_is_commutative_associative_and_idempotent(a in history(), b in history(), c in history()) {
        prop_assert_eq!(merged(&a, &b), merged(&b, &a));
        prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
        prop_assert_eq!(merged(&a, &a), a.clone());
        prop_assert_eq!(merged(&a, &b).merge(&b), false, "nothing is news twice");
    }

    #[test]
    fn equal_digests_are_equal_histories(a in history(), b in history()) {
        prop_assert_eq!(a.digest() == b.digest(), a == b);
    }

    /// Whatever a peer says, there is a ring.
    #[test]
    fn any_history_makes_a_ring_of_enough_members(history in history(), how in 0..3usize) {
        let config = Config { partitioning: STRATEGIES[how], members: Some(4), ..sloppy(6, (3, 2, 2)) };
        let ring = Ring::with_history(&config, &history).expect("the settings are valid");
        prop_assert!(ring.range_preference(0).len() >= 3);
    }
}

const STRATEGIES: [Partitioning; 3] = [
    Partitioning::Random { tokens: 64 },
    Partitioning::FixedRanges { tokens: 64, ranges: 1024 },
    Partitioning::EqualTokens { ranges: 240 },
];

fn tokens() -> Vec<u128> {
    (1..=64u128).map(|token| token.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)).collect()
}

fn join_of(node: NodeId, how: Partitioning) -> Change {
    let tokens = if matches!(how, Partitioning::EqualTokens { .. }) { Vec::new() } else { tokens() };
    Change { version: 1, node, kind: ChangeKind::Join { capacity: 1, tokens } }
}

fn leave_of(node: NodeId) -> Change {
    Change { version: 1, node, kind: ChangeKind::Leave }
}

fn after(config: &Config, change: &Change) -> Ring {
    let mut history = History::default();
    history.advance(change.clone(), Phase::Settled(1));
    Ring::with_history(config, &history).expect("the settings are valid")
}

fn keys() -> impl Iterator<Item = [u8; 4]> {
    (0..4000u32).map(u32::to_be_bytes)
}

#[test]
fn a_join_moves_a_fair_share_and_only_to_who_joins() {
    for how in STRATEGIES {
        let config = Config { partitioning: how, members: Some(4), ..sloppy(5, (3, 2, 2)) };
        let (before, after) = (Ring::of(&config).expect("valid"), after(&config, &join_of(E, how)));
        let (mut gained, mut others) = (0, 0);
        for key in keys() {
            let old = &before.preference_list(&key)[..3];
            for node in after.preference_list(&key)[..3].iter().filter(|node| !old.contains(node)) {
                if *node == E { gained += 1 } else { others += 1 }
            }
        }
        let share = f64::from(gained) / 12_000.0;
        assert!((0.13..0.27).contains(&share), "{how:?}: a fifth of the copies is expected, not {share}");
        // A token taken over may leave a range with one distinct host fewer, which then needs another.
        let most = if matches!(how, Partitioning::EqualTokens { .. }) { 1200 } else { 0 };
        assert!(others <= most, "{how:?}: {others} copies went to others");
    }
}

/// Strategy 3: after a join and after a leave everybody has Q/S tokens, and only those of who comes or goes changed hands.
#[test]
fn equal_tokens_stay_equal_and_only_those_concerned_change_hands() {
    let how = Partitioning::EqualTokens { ranges: 240 };
    let config = Config { partitioning: how, members: Some(4), ..sloppy(5, (3, 2, 2)) };
    let before = Ring::of(&config).expect("valid");
    let joined = after(&config, &join_of(E, how));
    assert_eq!(joined.tokens(), [48, 48, 48, 48, 48]);
    let left = after(&config, &leave_of(D));
    assert_eq!(left.tokens(), [80, 80, 80]);
    for range in 0..before.ranges() {
        let first = |ring: &Ring| ring.range_preference(range)[0];
        assert!(first(&joined) == first(&before) || first(&joined) == E);
        assert!(first(&left) == first(&before) || first(&before) == D);
    }
}

/// Keys have the owners of before and of after it, and an announcement alone moves nothing.
#[test]
fn only_an_active_change_gives_keys_two_groups_of_owners() {
    let how = STRATEGIES[0];
    let config = Config { partitioning: how, members: Some(4), ..sloppy(5, (3, 2, 2)) };
    let (change, founding) = (join_of(E, how), Ring::of(&config).expect("valid"));
    let settled = after(&config, &change);
    for (phase, changes) in [(Phase::Announced, false), (Phase::Withdrawn, false), (Phase::Active(1), true)] {
        let mut history = History::default();
        history.advance(change.clone(), phase);
        let ring = Ring::with_history(&config, &history).expect("valid");
        assert_eq!((ring.is_changing(), history.view() != FOUNDING_VIEW), (changes, changes), "{phase:?}");
        for key in keys() {
            let (old, new) = (&founding.preference_list(&key)[..3], &settled.preference_list(&key)[..3]);
            let owners = ring.owners(ring.range_of(&key), 3);
            let expected = |node: &NodeId| old.contains(node) || (changes && new.contains(node));
            assert!((0..5).map(NodeId).all(|node| owners.contains(&node) == expected(&node)), "{phase:?}");
        }
    }
}
