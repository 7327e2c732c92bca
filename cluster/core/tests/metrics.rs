//! What an operator has to see of a node (6.5 and after): each figure moves when what it counts happens.

mod common;

use cluster_core::api::{NodeId, Reply};
use cluster_core::config::{Config, Quorum};
use cluster_core::sim::World;
use common::lone::*;
use common::*;

fn at_node(world: &World, node: NodeId, name: &str) -> u64 {
    metric(world.node(node).expect("it is up"), name)
}

fn total(world: &World, name: &str) -> u64 {
    world.nodes().filter_map(|node| world.node(node)).map(|node| metric(node, name)).sum()
}

/// How many reads and writes the latency histograms of a node have.
fn timed(world: &World, node: NodeId) -> Vec<(&'static str, u64)> {
    let distributions = world.node(node).expect("it is up").distributions();
    distributions.into_iter().map(|d| (d.name, d.histogram.count())).collect()
}

#[test]
fn requests_are_timed_and_siblings_counted() {
    let config = without_anti_entropy(Config { quorum: Quorum::Strict, ..sloppy(3, (3, 2, 2)) });
    let mut world = world(config, Default::default(), 1);
    for value in [b"one", b"two"] {
        assert_eq!(call(&mut world, A, put(b"k", value, None)), Reply::Stored);
    }
    assert_eq!(at_node(&world, A, "siblings_read_total"), 0);
    assert_eq!(values(&mut world, A, b"k").len(), 2);
    assert_eq!(at_node(&world, A, "siblings_read_total"), 1);
    let expected = [("dynamo_get_seconds", 1), ("dynamo_put_seconds", 2), ("dynamo_storage_read_seconds", 1)];
    assert_eq!(timed(&world, A), expected);
}

#[test]
fn quorums_that_fail_are_counted() {
    let config = without_anti_entropy(Config { quorum: Quorum::Strict, ..sloppy(3, (3, 2, 2)) });
    let mut world = world(config, Default::default(), 1);
    [B, C].into_iter().for_each(|node| world.crash(node));
    let failures = |world: &World| ["get", "put"].map(|of| at_node(world, A, &format!("{of}_quorum_failures_total")));
    assert!(matches!(call(&mut world, A, get(b"k")), Reply::Failed(_)));
    assert_eq!(failures(&world), [1, 0]);
    assert!(matches!(call(&mut world, A, put(b"k", b"v", None)), Reply::Failed(_)));
    assert_eq!(failures(&world), [1, 1]);
    assert_eq!(at_node(&world, A, "peers_suspected"), 2);
}

#[test]
fn hints_and_what_anti_entropy_finds_are_counted() {
    let config = sloppy(4, (3, 2, 3));
    let key = key_where(&config, "k", |list| list == [A, B, C, D]);
    let mut world = world(config, Default::default(), 1);
    world.crash(C);
    assert_eq!(call(&mut world, A, put(&key, b"v", None)), Reply::Stored);
    assert_eq!((at_node(&world, D, "hints"), at_node(&world, D, "hints_stored_total")), (1, 1));
    world.start(C).expect("it restarts");
    world.run_until(world.now_ns() + 5 * SECOND);
    assert_eq!((at_node(&world, D, "hints"), at_node(&world, D, "hints_delivered_total")), (0, 1));
    let names = ["ranges_differing", "keys_differing", "keys_sent"].map(|of| format!("anti_entropy_{of}_total"));
    world.crash(C);
    let before = names.clone().map(|name| total(&world, &name));
    world.wipe(C);
    world.start(C).expect("it restarts");
    world.run_until(world.now_ns() + 10 * SECOND);
    for (name, before) in names.iter().zip(before) {
        assert!(total(&world, name) > before, "{name} does not move");
    }
}

#[test]
fn what_waits_is_counted() {
    let mut node = Lone::start(at(A, &sloppy(3, (3, 2, 2))));
    node.sync();
    let waiting = |node: &Lone| ["requests", "held", "persists", "messages_unanswered"].map(|name| node.metric(name));
    assert_eq!(waiting(&node), [0, 0, 0, 0]);
    node.request(put(b"k", b"v", None));
    assert_eq!(waiting(&node), [1, 1, 1, 0]);
    node.sync();
    assert_eq!(waiting(&node), [1, 0, 0, 2]);
}
