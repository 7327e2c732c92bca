//! Hinted handoff (4.6): what was written while a replica was down reaches it, and is kept until then.

mod common;

use cluster_core::api::{NodeId, Reply, Request, Table};
use cluster_core::config::Config;
use cluster_core::message::{Message, Tag};
use cluster_core::sim::World;
use cluster_core::versions::KeyState;
use common::lone::*;
use common::*;

/// Three of four write, so that a fallback must come in for a replica that is down.
fn config_of_four() -> Config {
    without_anti_entropy(sloppy(4, (3, 2, 3)))
}

/// A world in which C is down, and D holds a hint for it.
fn with_a_hint() -> (World, Vec<u8>) {
    let config = config_of_four();
    let key = key_where(&config, "k", |list| list == [A, B, C, D]);
    let mut world = world(config, Default::default(), 1);
    world.crash(C);
    assert_eq!(call(&mut world, A, put(&key, b"v", None)), Reply::Stored);
    (world, key)
}

#[test]
fn a_fallback_keeps_a_hint_apart_and_hands_it_over_when_the_owner_is_back() {
    let (mut world, key) = with_a_hint();
    assert_eq!(hints(&world, D), 1);
    assert_eq!(local(&mut world, D, &key), [], "not in the main store");
    world.run_until(world.now_ns() + 5 * SECOND);
    assert_eq!(hints(&world, D), 1, "as long as the owner is down");
    world.start(C).expect("it restarts");
    world.run_until(world.now_ns() + SECOND);
    assert_eq!(local(&mut world, C, &key), local(&mut world, A, &key));
    let status = world.node(D).expect("it is up").status();
    assert_eq!((status.hints, status.image_bytes), (0, 0));
    assert_eq!(metric(world.node(D).expect("it is up"), "hints_delivered_total"), 1);
}

#[test]
fn a_hint_survives_a_crash_of_its_keeper() {
    let (mut world, key) = with_a_hint();
    world.crash(D);
    world.start(D).expect("it restarts");
    assert_eq!(hints(&world, D), 1);
    world.start(C).expect("it restarts");
    world.run_until(world.now_ns() + SECOND);
    assert_eq!((hints(&world, D), local(&mut world, C, &key).len()), (0, 1));
}

#[test]
fn a_hint_is_kept_until_its_owner_has_acknowledged() {
    let (mut world, key) = with_a_hint();
    world.network().cut(C, D);
    world.start(C).expect("it restarts");
    world.run_until(world.now_ns() + 5 * SECOND);
    assert_eq!(local(&mut world, C, &key).len(), 1, "it has arrived");
    assert_eq!(hints(&world, D), 1, "but D does not know");
    world.network().heal();
    world.run_until(world.now_ns() + SECOND);
    assert_eq!(hints(&world, D), 0);
}

#[test]
fn a_read_finds_what_only_a_hint_holds() {
    let (mut world, key) = with_a_hint();
    for replica in [A, B] {
        world.crash(replica);
    }
    let request = Request::Get { key, r: Some(1), n: None };
    // The first attempts may still wait for A and B.
    let found = |reply| matches!(reply, Reply::Got { values, .. } if values == [b"v"]);
    assert!((0..10).any(|_| found(call(&mut world, D, request.clone()))));
}

/// A fallback by itself, and a key for which it may hold hints for A.
fn fallback() -> (Lone, Vec<u8>) {
    let config = config_of_four();
    let key = key_where(&config, "k", |list| list == [A, B, C, D]);
    (Lone::start(at(D, &config)), key)
}

/// A state of the key with as many siblings.
fn state_with(config: &Config, key: &[u8], siblings: usize) -> KeyState {
    let mut node = Lone::start(Config { n: 1, r: 1, w: 1, ..at(A, config) });
    for sibling in 0..siblings {
        node.request(put(key, &[sibling as u8], None));
    }
    node.sync();
    node.message(B, Message::Fetch { tag: Tag(1), key: key.to_vec() });
    match node.take_sent().pop() {
        Some((_, Message::Fetched { state, .. })) if state.versions().len() == siblings => state,
        other => panic!("{other:?}"),
    }
}

fn store(key: &[u8], state: KeyState, hint_for: Option<NodeId>) -> Message {
    Message::Store { tag: Tag(9), key: key.to_vec(), state, hint_for }
}

fn acknowledgements(node: &mut Lone) -> (usize, usize) {
    let sent = node.take_sent();
    let stored = sent_where(&sent, |m| matches!(m, Message::Stored { tag: Tag(9) })).len();
    let refused = sent_where(&sent, |m| matches!(m, Message::StoreRefused { tag: Tag(9) })).len();
    (stored, refused)
}

#[test]
fn a_hint_that_has_grown_since_it_was_sent_is_kept_and_sent_again() {
    let (mut node, key) = fallback();
    let states = [1, 2].map(|siblings| state_with(&node.config, &key, siblings));
    let [small, large] = states;
    node.message(B, store(&key, small, Some(A)));
    node.sync();
    node.take_sent();
    node.sleep_ms(250);
    let sent = stores(&node.take_sent());
    let [(A, tag, _)] = sent.as_slice() else { panic!("to its owner: {sent:?}") };
    node.message(B, store(&key, large.clone(), Some(A)));
    node.message(A, Message::Stored { tag: *tag });
    node.sync();
    assert_eq!(node.node.status().hints, 1, "A has acknowledged less than what is held");
    node.take_sent();
    node.sleep_ms(250);
    let sent = node.take_sent();
    let whole = |m: &Message| matches!(m, Message::Store { state, .. } if *state == large);
    let whole = sent_where(&sent, whole);
    assert_eq!(whole.len(), 1);
    node.message(A, Message::Stored { tag: stores(&whole)[0].1 });
    assert_eq!(node.node.status().hints, 0);
}

#[test]
fn an_acknowledgement_from_somebody_else_or_too_late_deletes_nothing() {
    let (mut node, key) = fallback();
    let state = state_with(&node.config, &key, 1);
    node.message(B, store(&key, state, Some(A)));
    node.sync();
    node.take_sent();
    node.sleep_ms(250);
    let (_, tag, _) = stores(&node.take_sent())[0].clone();
    node.message(B, Message::Stored { tag });
    node.message(A, Message::Stored { tag: Tag(tag.0.wrapping_add(1000)) });
    assert_eq!(node.node.status().hints, 1);
    node.sleep_ms(250);
    node.message(A, Message::Stored { tag });
    assert_eq!(node.node.status().hints, 1, "it was given up, and is sent again");
}

#[test]
fn hints_are_bounded_and_only_for_replicas() {
    let (mut node, _) = fallback();
    let mut config = node.config.clone();
    config.limits.hints_max = 2;
    node = Lone::start(config.clone());
    let keys: Vec<_> = keys_where(&config, "k", |list| list == [A, B, C, D]).take(3).collect();
    let state = |key: &[u8]| state_with(&config, key, 1);
    for (key, owner, expected) in [
        (&keys[0], Some(A), (1, 0)),
        (&keys[0], Some(B), (1, 0)),
        (&keys[1], Some(A), (0, 1)),
        (&keys[0], Some(A), (1, 0)),
        (&keys[2], None, (0, 1)),
        (&keys[2], Some(D), (0, 1)),
        (&keys[2], Some(NodeId(77)), (0, 1)),
    ] {
        node.message(A, store(key, state(key), owner));
        node.sync();
        assert_eq!(acknowledgements(&mut node), expected, "for {owner:?}");
    }
    assert_eq!((node.node.status().hints, node.node.status().keys), (2, 0));
}

#[test]
fn a_replica_keeps_what_is_meant_as_a_hint_for_another_in_its_main_store() {
    let config = config_of_four();
    let key = key_where(&config, "k", |list| list == [A, B, C, D]);
    let mut node = Lone::start(at(B, &config));
    node.message(A, store(&key, state_with(&config, &key, 1), Some(C)));
    node.sync();
    assert_eq!(acknowledgements(&mut node), (1, 0));
    assert_eq!((node.node.status().hints, node.node.status().keys), (0, 1));
    assert!(node.rows().iter().all(|row| row.table != Table::Hints));
}

#[test]
fn an_owner_that_is_down_is_tried_with_a_few_hints_only() {
    let (mut node, _) = fallback();
    let keys: Vec<_> = keys_where(&node.config, "k", |list| list[0] == A && list[3] == D).take(100).collect();
    for key in &keys {
        let state = state_with(&node.config, key, 1);
        node.message(B, store(key, state, Some(A)));
    }
    node.sync();
    node.take_sent();
    node.sleep_ms(10_000);
    let attempts = stores(&node.take_sent()).len();
    assert!((64 + 8 * 30..64 + 8 * 45).contains(&attempts), "{attempts} attempts in ten seconds");
    assert_eq!(node.node.status().hints, 100);
}
