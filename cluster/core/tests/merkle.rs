//! Merkle trees (4.7): equal iff what they hold is, however they came to hold it, and compared at the price of what differs.

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use cluster_core::api::{NodeId, Reply};
use cluster_core::config::{Config, Partitioning, Quorum, Versioning};
use cluster_core::merkle::{Branch, DEPTH_MAX, FAN_OUT, LISTED_MAX, Merkle, Summary, place_of, spot_of};
use cluster_core::sim::World;
use common::*;
use proptest::prelude::*;

type Model = BTreeMap<Vec<u8>, u128>;

fn key(number: u32) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

fn tree_of(model: &Model) -> Merkle {
    let mut tree = Merkle::default();
    for (key, digest) in model {
        tree.set(key, Some(*digest));
    }
    tree
}

/// What a branch must say, from all keys.
fn expected(model: &Model, branch: Branch) -> Summary {
    let below = model.iter().filter(|(key, _)| branch.contains(key));
    below.fold(Summary::default(), |sum, (_, digest)| Summary {
        digest: sum.digest.wrapping_add(*digest),
        keys: sum.keys + 1,
    })
}

fn branch_above(key: &[u8], depth: u8) -> Branch {
    let mut branch = Branch::ROOT;
    for level in 1..=depth {
        let digit = spot_of(key) >> (64 - 4 * u32::from(level)) & (FAN_OUT - 1);
        branch = branch.child(digit).expect("not deeper than a tree");
    }
    branch
}

proptest! {
    /// Writes, overwrites and removals in any order: every branch that any key lies below sums up just its keys.
    #[test]
    fn every_branch_sums_up_its_keys(
        steps in prop::collection::vec((0u32..300, prop::option::weighted(0.7, any::<u128>())), 0..900),
    ) {
        let (mut tree, mut model) = (Merkle::default(), Model::new());
        for (number, digest) in steps {
            tree.set(&key(number), digest);
            match digest {
                Some(digest) => model.insert(key(number), digest),
                None => model.remove(&key(number)),
            };
        }
        for number in (0..300).step_by(23) {
            for depth in [0, 1, 2, 3, DEPTH_MAX] {
                let branch = branch_above(&key(number), depth);
                prop_assert_eq!(tree.summary(branch), expected(&model, branch), "depth {}", depth);
            }
            prop_assert_eq!(tree.get(&key(number)), model.get(&key(number)).copied());
        }
        let fresh = tree_of(&model);
        prop_assert_eq!(tree.summary(Branch::ROOT), fresh.summary(Branch::ROOT), "what was there once leaves no trace");
    }

    /// A list behind one key and up to another is what lies between them in the order of places.
    #[test]
    fn a_list_is_what_lies_between(
        numbers in prop::collection::btree_set(0u32..500, 0..200),
        after in prop::option::of(0u32..500),
        to in prop::option::of(0u32..500),
        depth in 0u8..3,
    ) {
        let model: Model = numbers.into_iter().map(|number| (key(number), u128::from(number))).collect();
        let tree = tree_of(&model);
        let (after, to) = (after.map(key), to.map(key));
        let branch = branch_above(&key(7), depth);
        let listed = tree.keys(branch, after.as_deref(), to.as_deref());
        let listed: Vec<Vec<u8>> = listed.map(|(key, _)| key.to_vec()).collect();
        let place = |key: &Vec<u8>| place_of(Some(key.as_slice())).map(|(spot, key)| (spot, key.to_vec()));
        let between = |key: &&Vec<u8>| branch.contains(key)
            && after.as_ref().is_none_or(|after| place(key) > place(after))
            && to.as_ref().is_none_or(|to| place(key) <= place(to));
        let mut expected: Vec<Vec<u8>> = model.keys().filter(between).cloned().collect();
        expected.sort_by_key(place);
        prop_assert_eq!(listed, expected);
    }
}

#[test]
fn a_branch_has_sixteen_children_that_share_its_keys() {
    let model: Model = (0..5000).map(|number| (key(number), u128::from(number) << 100)).collect();
    let tree = tree_of(&model);
    let children = |branch: Branch| (0..FAN_OUT).map(move |digit| branch.child(digit).expect("not at the bottom"));
    for branch in [Branch::ROOT].into_iter().chain(children(Branch::ROOT)) {
        let sum: u32 = children(branch).map(|child| tree.summary(child).keys).sum();
        assert_eq!(sum, tree.summary(branch).keys);
        assert!(sum > LISTED_MAX);
    }
    let sizes: Vec<u32> = children(Branch::ROOT).map(|child| tree.summary(child).keys).collect();
    assert!(sizes.iter().all(|keys| (200..430).contains(keys)), "spots are uniform: {sizes:?}");
    assert_eq!(Branch::ROOT.child(FAN_OUT), None);
    assert_eq!(branch_above(&key(1), DEPTH_MAX).child(0), None);
    assert!(branch_above(&key(1), DEPTH_MAX).is_possible() && !Branch { depth: DEPTH_MAX + 1, path: 0 }.is_possible());
    assert!(!Branch { depth: 1, path: FAN_OUT }.is_possible());
}

/// Three replicas of everything, no hints: what the third one misses only anti-entropy can bring.
fn three() -> Config {
    let mut config = config(3, (3, 1, 2), Quorum::Strict, Versioning::Dvv);
    config.partitioning = Partitioning::Random { tokens: 4 };
    config
}

const AWAY: NodeId = NodeId(2);

/// A node is away while some keys change. The bytes of anti-entropy from its return until all agree, and for as long
/// again with nothing left to do.
fn bytes_of_return(keys: u32, changed: u32) -> (u64, u64) {
    let mut config = three();
    // Reads are for comparing alone.
    config.timing.repair_delay = Duration::from_millis(1);
    let mut world = world(config, Default::default(), 1);
    for number in 0..keys {
        assert_eq!(call(&mut world, NodeId(0), put(&key(number), b"old", None)), Reply::Stored);
    }
    world.run_until(world.now_ns() + 5 * SECOND);
    world.crash(AWAY);
    for number in 0..changed {
        assert_eq!(call(&mut world, NodeId(0), put(&key(number), b"new", None)), Reply::Stored);
    }
    world.run_until(world.now_ns() + 5 * SECOND);
    world.start(AWAY).expect("it restarts");
    // What it counted before has gone with its life; the others' counts go on.
    let begun = bytes(&world);
    world.run_until(world.now_ns() + 20 * SECOND);
    let moved = bytes(&world) - begun;
    for number in 0..keys {
        assert_eq!(local(&mut world, AWAY, &key(number)), local(&mut world, NodeId(0), &key(number)));
    }
    let begun = bytes(&world);
    world.run_until(world.now_ns() + 20 * SECOND);
    (moved, bytes(&world) - begun)
}

fn bytes(world: &World) -> u64 {
    world.nodes().filter_map(|node| world.node(node)).map(|node| metric(node, "anti_entropy_bytes_total")).sum()
}

#[test]
fn what_anti_entropy_sends_is_proportional_to_what_differs() {
    const KEYS: u32 = 4000;
    let (none, idle) = bytes_of_return(KEYS, 0);
    assert!(none <= idle + 500, "without differences digests are all there is: {none} bytes against {idle}");
    let (few, idle_after_few) = bytes_of_return(KEYS, 10);
    let (many, _) = bytes_of_return(KEYS, 400);
    assert_eq!(idle, idle_after_few);
    let per_key = |bytes: u64, changed: u64| (bytes - idle) / changed;
    assert!(per_key(few, 10) < 4000, "{} bytes for each of 10 keys", per_key(few, 10));
    assert!(per_key(many, 400) < 1500, "{} bytes for each of 400 keys", per_key(many, 400));
    // A key and its digest, of all keys, to one peer: what a full listing would take each time.
    let listing = u64::from(KEYS) * 20;
    assert!(few < listing / 2 && idle < listing / 2, "{few} bytes, {idle} when idle, {listing} for a listing");
}
