//! Who is taken for down (4.8.3): purely local, by answers alone, and never for good.

mod common;

use std::time::Duration;

use cluster_core::api::NodeId;
use cluster_core::config::{Config, Quorum};
use cluster_core::message::{Message, Tag};
use cluster_core::sim::World;
use common::lone::*;
use common::*;

/// Nothing but probes in the background.
fn quiet(mut config: Config) -> Config {
    config.timing.hint_interval = Duration::from_secs(86_400);
    without_anti_entropy(config)
}

fn believes_up(world: &World, node: NodeId, peer: NodeId) -> bool {
    world.node(node).expect("it is up").status().peers.contains(&(format!("n{}", peer.0 + 1), true))
}

#[test]
fn a_peer_that_does_not_answer_is_suspected_probed_and_believed_again() {
    let mut world = world(quiet(sloppy(3, (3, 2, 2))), Default::default(), 1);
    world.crash(C);
    call(&mut world, A, get(b"k"));
    world.run_until(world.now_ns() + 300 * MS);
    assert!(!believes_up(&world, A, C) && believes_up(&world, A, B) && believes_up(&world, B, C));
    world.run_until(world.now_ns() + 10 * SECOND);
    assert!(!believes_up(&world, A, C), "as long as it is down");
    world.start(C).expect("it restarts");
    world.run_until(world.now_ns() + 300 * MS);
    assert!(believes_up(&world, A, C), "a probe was answered");
    let node = world.node(A).expect("it is up");
    assert_eq!((metric(node, "suspicions_total"), metric(node, "recoveries_total")), (1, 1));
}

/// B hears nothing of A, but speaks to it all the time.
#[test]
fn a_peer_that_is_heard_but_does_not_answer_is_suspected() {
    let config = Config { quorum: Quorum::Strict, ..quiet(sloppy(2, (2, 1, 1))) };
    let mut world = world(config, Default::default(), 1);
    world.network().cut(A, B);
    call(&mut world, A, put(b"k", b"v", None));
    world.run_until(world.now_ns() + 300 * MS);
    for turn in 0..20u8 {
        call(&mut world, B, put(b"j", &[turn], None));
        world.run_until(world.now_ns() + 100 * MS);
        assert!(!believes_up(&world, A, B), "turn {turn}");
    }
    assert_eq!(local(&mut world, A, b"j").len(), 20, "A heard it all the time");
    world.network().heal();
    world.run_until(world.now_ns() + 300 * MS);
    assert!(believes_up(&world, A, B));
}

#[test]
fn whoever_answers_is_not_suspected() {
    let mut world = world(sloppy(5, (3, 2, 2)), Default::default(), 1);
    for key in (0..50u32).map(u32::to_be_bytes) {
        call(&mut world, NodeId(u16::from(key[3]) % 5), put(&key, b"v", None));
        world.run_until(world.now_ns() + 50 * MS);
    }
    world.run_until(world.now_ns() + 10 * SECOND);
    for node in world.nodes() {
        assert_eq!(metric(world.node(node).expect("it is up"), "suspicions_total"), 0);
    }
}

#[test]
fn strangers_are_not_listened_to() {
    let mut node = Lone::start(at(A, &sloppy(3, (3, 2, 2))));
    for from in [A, NodeId(3), NodeId(u16::MAX)] {
        node.message(from, Message::Ping { tag: Tag(1) });
        node.message(from, Message::Pong { tag: Tag(1) });
        node.message(from, Message::Fetch { tag: Tag(1), key: b"k".to_vec() });
    }
    assert_eq!(node.take_sent(), []);
}
