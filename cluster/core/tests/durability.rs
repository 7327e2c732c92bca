//! Persist before promise: what is not on disk, nobody hears of.

mod common;

use cluster_core::api::{Failure, Reply};
use cluster_core::config::Config;
use cluster_core::merkle::Branch;
use cluster_core::message::{Message, Tag};
use cluster_core::ring::Ring;
use cluster_core::sim::disk::DiskSettings;
use cluster_core::sim::{World, WorldSettings};
use common::lone::*;
use common::*;

/// Messages that report something about a row, or confirm one.
fn reveals(message: &Message) -> bool {
    matches!(
        message,
        Message::Store { .. } | Message::Stored { .. } | Message::Fetched { .. } | Message::Forwarded { .. }
    )
}

/// A node of two replicas with a write that is not on disk, asked for it in every way there is.
#[test]
fn nothing_of_a_row_leaves_the_node_before_it_is_on_disk() {
    let config = sloppy(3, (2, 1, 1));
    let key = key_where(&config, "k", |list| list == [A, B, C]);
    let ring = Ring::of(&config).expect("the settings are valid");
    let (span, branch) = (ring.span(ring.range_of(&key)).into(), Branch::ROOT);
    let mut node = Lone::start(at(A, &config));
    let forward = forward_to(&mut node, C, put(&key, b"forwarded", None));
    node.sync();
    node.take_sent();
    let requests = [put(&key, b"v", None), get(&key), get_local(&key)].map(|request| node.request(request));
    node.message(C, forward);
    node.message(B, Message::Fetch { tag: Tag(1), key: key.clone() });
    node.message(B, Message::Want { keys: vec![key.clone()] });
    node.message(B, Message::Leaves { credit: 9, span, branch, after: None, keys: vec![], more: false });
    node.sleep_ms(99);
    let sent = node.take_sent();
    assert_eq!(sent_where(&sent, reveals), []);
    assert!(requests.iter().all(|id| node.reply(*id).is_none()));
    node.sync();
    let sent = node.take_sent();
    assert!(requests.iter().all(|id| node.reply(*id).is_some()));
    let count = |kind: fn(&Message) -> bool| sent_where(&sent, kind).len();
    assert_eq!(count(|m| matches!(m, Message::Fetched { .. })), 1);
    assert_eq!(count(|m| matches!(m, Message::Forwarded { failure: None, .. })), 1);
    assert_eq!(count(|m| matches!(m, Message::Store { .. })), 4, "two writes, one wanted, one given");
}

#[test]
fn a_replica_acknowledges_what_is_on_disk_and_a_fallback_too() {
    let config = sloppy(3, (2, 1, 1));
    let key = key_where(&config, "k", |list| list == [A, B, C]);
    let mut coordinator = Lone::start(at(A, &config));
    coordinator.request(put(&key, b"v", None));
    coordinator.sync();
    let (_, store) = sent_where(&coordinator.take_sent(), |m| matches!(m, Message::Store { .. })).remove(0);
    let Message::Store { tag, key, state, .. } = store else { unreachable!("it is a store") };
    for (me, hint_for) in [(B, None), (C, Some(B))] {
        let mut node = Lone::start(at(me, &config));
        node.sync();
        let store = Message::Store { tag, key: key.clone(), state: state.clone(), hint_for };
        for _ in 0..2 {
            node.message(A, store.clone());
            // Long enough for a round of handoff: the hint must not leave either.
            node.sleep_ms(1000);
            assert_eq!(sent_where(&node.take_sent(), reveals), []);
        }
        node.sync();
        assert_eq!(sent_where(&node.take_sent(), reveals).len(), 2, "both are acknowledged");
    }
}

fn with_disk(config: Config, latency_ns: u64) -> World {
    let disk = DiskSettings { latency_min_ns: latency_ns, latency_max_ns: latency_ns, ..DiskSettings::default() };
    let settings = WorldSettings { config, network: Default::default(), disk, seed: 1 };
    World::new(settings).expect("the settings can work")
}

#[test]
fn with_a_disk_that_never_comes_back_nothing_is_acknowledged() {
    let mut world = with_disk(sloppy(3, (3, 1, 1)), 1000 * SECOND);
    for _ in 0..3 {
        let reply = call(&mut world, A, put(b"k", b"v", None));
        assert!(matches!(reply, Reply::Failed(Failure::Unknown(_))), "{reply:?}");
    }
    for node in [B, C] {
        let reply = call(&mut world, node, get(b"k"));
        assert_eq!(reply, Reply::Got { values: vec![], context: None }, "they have not heard of it");
    }
    let reply = call(&mut world, A, get(b"k"));
    assert_eq!(
        reply,
        Reply::Got { values: vec![], context: None },
        "A's own answer waits for the disk, theirs does not"
    );
}

#[test]
fn a_crash_before_completion_loses_nothing_acknowledged() {
    for seed in 0..100 {
        let mut world = world(sloppy(1, (1, 1, 1)), Default::default(), seed);
        let mut acknowledged = Vec::new();
        for round in 0..5u8 {
            let mut open = Vec::new();
            for value in 0..5u8 {
                let id = world.request(A, put(b"k", &[round, value], None)).expect("it is up");
                open.push((id, vec![round, value]));
                world.run_until(world.now_ns() + MS / 2);
            }
            world.run_until(world.now_ns() + MS);
            acknowledged.extend(open.into_iter().filter_map(|(id, value)| world.take_reply(id).map(|_| value)));
            world.crash(A);
            world.start(A).expect("it restarts");
        }
        let found = values(&mut world, A, b"k");
        assert!(!acknowledged.is_empty() && acknowledged.iter().all(|value| found.contains(value)), "seed {seed}");
    }
}

/// A dot that was made before a crash is not made again after it.
#[test]
fn versions_made_in_different_lives_have_different_names() {
    let mut node = Lone::start(sloppy(1, (1, 1, 1)));
    let mut made = std::collections::BTreeSet::new();
    for life in 0..5u8 {
        node.request(put(b"k", &[life], None));
        let id = node.request(get_local(b"k"));
        node.sync();
        if let Some(Reply::Local { versions }) = node.reply(id) {
            made.extend(versions.iter().map(|version| version.id.clone()));
        }
        node = node.restarted();
    }
    assert_eq!(made.len(), 5);
}

/// On an empty disk a node cannot know what it has made before: it must be a new actor, or a new write passes for an old one.
#[test]
fn a_node_that_has_lost_its_disk_makes_no_dot_again() {
    for seed in 0..20 {
        let mut world = world(without_anti_entropy(sloppy(2, (2, 1, 1))), Default::default(), seed);
        assert_eq!(call(&mut world, A, put(b"k", b"old", None)), Reply::Stored);
        world.run_until(world.now_ns() + SECOND);
        world.crash(A);
        world.wipe(A);
        world.start(A).expect("it starts empty");
        assert_eq!(call(&mut world, A, put(b"k", b"new", None)), Reply::Stored);
        world.run_until(world.now_ns() + SECOND);
        let mut found: Vec<_> = local(&mut world, B, b"k").into_iter().filter_map(|version| version.value).collect();
        found.sort();
        assert_eq!(found, [b"new", b"old"], "seed {seed}");
    }
}
