//! Replicas that have missed something get it: by reads (5), and without them (4.7).

mod common;

use cluster_core::api::{NodeId, Reply, Request};
use cluster_core::config::{Config, Partitioning, Quorum};
use cluster_core::merkle::{Branch, place_of};
use cluster_core::message::{Message, Tag};
use cluster_core::ring::{Ring, Span};
use cluster_core::sim::World;
use common::lone::*;
use common::*;

/// No fallbacks, so no hints.
fn strict(nodes: usize, quorum: (u8, u8, u8)) -> Config {
    Config { quorum: Quorum::Strict, ..sloppy(nodes, quorum) }
}

fn read_all(key: &[u8]) -> Request {
    Request::Get { key: key.to_vec(), r: Some(3), n: None }
}

fn total(world: &World, name: &str) -> u64 {
    world.nodes().filter_map(|node| world.node(node)).map(|node| metric(node, name)).sum()
}

#[test]
fn a_read_repairs_a_replica_that_is_behind() {
    let mut world = world(without_anti_entropy(strict(3, (3, 2, 2))), Default::default(), 1);
    call(&mut world, A, put(b"k", b"one", None));
    call(&mut world, A, put(b"gone", b"one", None));
    world.run_until(world.now_ns() + SECOND);
    world.network().partition(&[C], &[A, B]);
    for (key, deletes) in [(b"k".as_slice(), false), (b"gone", true)] {
        let (_, context) = read(&mut world, A, key);
        let request = if deletes { delete(key, context) } else { put(key, b"two", context) };
        assert_eq!(call(&mut world, A, request), Reply::Stored);
    }
    // The coordinator has given up on C.
    world.run_until(world.now_ns() + SECOND);
    world.network().heal();
    world.run_until(world.now_ns() + 5 * SECOND);
    for key in [b"k".as_slice(), b"gone"] {
        assert_ne!(local(&mut world, C, key), local(&mut world, A, key), "nothing else repairs");
        assert!(matches!(call(&mut world, B, read_all(key)), Reply::Got { .. }));
        world.run_until(world.now_ns() + SECOND);
        assert_eq!(local(&mut world, C, key), local(&mut world, A, key));
    }
    assert_eq!(total(&world, "read_repairs_total"), 2);
    call(&mut world, B, read_all(b"k"));
    world.run_until(world.now_ns() + SECOND);
    assert_eq!(total(&world, "read_repairs_total"), 2, "nothing is left to repair");
}

/// R = 1 is answered by the coordinator alone, which is the one that is behind.
#[test]
fn a_late_answer_repairs_the_coordinator_itself() {
    let mut world = world(without_anti_entropy(strict(3, (3, 1, 2))), Default::default(), 1);
    world.network().partition(&[C], &[A, B]);
    call(&mut world, A, put(b"k", b"one", None));
    world.run_until(world.now_ns() + SECOND);
    world.network().heal();
    world.run_until(world.now_ns() + SECOND);
    assert_eq!(values(&mut world, C, b"k"), Vec::<Vec<u8>>::new(), "R = 1 promises nothing");
    world.run_until(world.now_ns() + SECOND);
    assert_eq!(values(&mut world, C, b"k"), [b"one"]);
}

#[test]
fn siblings_that_two_replicas_hold_apart_reach_both() {
    let mut world = world(without_anti_entropy(strict(2, (2, 1, 1))), Default::default(), 1);
    world.network().partition(&[A], &[B]);
    for node in [A, B] {
        assert_eq!(call(&mut world, node, put(b"k", &[node.0 as u8], None)), Reply::Stored);
    }
    world.network().heal();
    world.run_until(world.now_ns() + 5 * SECOND);
    call(&mut world, A, Request::Get { key: b"k".to_vec(), r: Some(2), n: None });
    world.run_until(world.now_ns() + SECOND);
    assert_eq!(local(&mut world, A, b"k").len(), 2);
    assert_eq!(local(&mut world, A, b"k"), local(&mut world, B, b"k"));
}

/// A fallback that was asked in a replica's place has nothing and needs nothing.
#[test]
fn a_read_repairs_replicas_only() {
    let config = sloppy(4, (3, 3, 1));
    let key = key_where(&config, "k", |list| list == [A, B, C, D]);
    let mut node = Lone::start(at(A, &config));
    node.request(put(&key, b"v", None));
    node.sync();
    node.take_sent();
    suspect(&mut node, B);
    node.take_sent();
    let id = node.request(get(&key));
    let asked = node.take_sent();
    assert!(asked.iter().any(|(to, _)| *to == D), "in B's place");
    for (to, message) in asked {
        answer_fetch(&mut node, to, B, &message);
    }
    assert!(matches!(node.reply(id), Some(Reply::Got { values, .. }) if *values == [b"v"]));
    node.sleep_ms(101);
    let repaired: Vec<NodeId> = stores(&node.take_sent()).into_iter().map(|(to, ..)| to).collect();
    assert!(repaired.contains(&C) && !repaired.contains(&D), "{repaired:?}");
}

fn fill(world: &mut World, keys: std::ops::Range<u32>) {
    for key in keys {
        assert_eq!(call(world, A, put(&key.to_be_bytes(), b"v", None)), Reply::Stored);
    }
}

fn held(world: &World, node: NodeId) -> u64 {
    world.node(node).expect("it is up").status().keys
}

/// One token a node: the ranges are so large that their lists take several pages, and more differs than one round moves.
#[test]
fn anti_entropy_fills_a_wiped_replica_and_moves_nothing_when_nothing_differs() {
    let mut config = strict(3, (3, 1, 3));
    config.partitioning = Partitioning::Random { tokens: 1 };
    let mut world = world(config, Default::default(), 1);
    fill(&mut world, 0..1000);
    world.run_until(world.now_ns() + 5 * SECOND);
    let names = ["rounds", "ranges_differing", "keys_sent"].map(|name| format!("anti_entropy_{name}_total"));
    let counts = |world: &World| names.clone().map(|name| total(world, &name));
    let [rounds, differing, sent] = counts(&world);
    world.run_until(world.now_ns() + 20 * SECOND);
    let [more_rounds, still_differing, still_sent] = counts(&world);
    assert!(more_rounds > rounds + 100, "{more_rounds} rounds");
    assert_eq!((still_differing, still_sent), (differing, sent));
    world.crash(C);
    world.wipe(C);
    world.start(C).expect("it starts empty");
    assert_eq!(held(&world, C), 0);
    let [_, _, sent] = counts(&world);
    world.run_until(world.now_ns() + 20 * SECOND);
    assert_eq!(held(&world, C), 1000);
    let moved = total(&world, "anti_entropy_keys_sent_total") - sent;
    assert!((1000..3000).contains(&moved), "{moved} keys sent to bring 1000 back");
    world.run_until(world.now_ns() + 20 * SECOND);
    assert_eq!(total(&world, "anti_entropy_keys_sent_total") - sent, moved, "and then it is quiet");
    for key in (0..1000u32).map(u32::to_be_bytes) {
        assert_eq!(local(&mut world, C, &key), local(&mut world, A, &key));
    }
}

#[test]
fn anti_entropy_works_both_ways_and_for_tombstones() {
    let mut config = without_reaping(strict(2, (2, 1, 1)));
    config.partitioning = Partitioning::Random { tokens: 1 };
    let mut world = world(config, Default::default(), 1);
    fill(&mut world, 0..600);
    world.run_until(world.now_ns() + 5 * SECOND);
    world.network().partition(&[A], &[B]);
    for key in 0..1200u32 {
        let node = if key % 3 == 0 { A } else { B };
        let (_, context) = read(&mut world, node, &key.to_be_bytes());
        let request = match key % 2 {
            0 => delete(&key.to_be_bytes(), context),
            _ => put(&key.to_be_bytes(), b"w", context),
        };
        assert_eq!(call(&mut world, node, request), Reply::Stored);
    }
    world.network().heal();
    world.run_until(world.now_ns() + 30 * SECOND);
    for key in (0..1200u32).map(u32::to_be_bytes) {
        let versions = local(&mut world, A, &key);
        assert_eq!(versions, local(&mut world, B, &key));
        assert_eq!(versions.len(), 1);
    }
}

/// With a list that is lost on its way, the next round goes on.
#[test]
fn anti_entropy_gets_there_over_a_network_that_loses_a_third() {
    let mut config = strict(2, (2, 1, 2));
    config.partitioning = Partitioning::Random { tokens: 1 };
    let mut world = world(config, Default::default(), 1);
    fill(&mut world, 0..600);
    world.crash(B);
    world.wipe(B);
    world.start(B).expect("it starts empty");
    let mut network = unreliable();
    network.loss = 0.3;
    world.network().set(network);
    world.run_until(world.now_ns() + 60 * SECOND);
    assert_eq!(held(&world, B), 600);
}

#[test]
fn peers_are_given_nothing_of_ranges_that_they_are_no_replicas_of() {
    let config = sloppy(3, (2, 1, 1));
    let ring = Ring::of(&config).expect("the settings are valid");
    let key = key_where(&config, "k", |list| list == [A, B, C]);
    let mut node = Lone::start(at(A, &config));
    node.request(put(&key, b"v", None));
    node.sync();
    node.take_sent();
    let span = ring.span(ring.range_of(&key));
    let foreign = Span { after: span.after.wrapping_add(1), ..span };
    let impossible = Branch { depth: 1, path: 16 };
    let asks = |span| {
        [
            Message::Roots { credit: 9, roots: vec![(span, 1)] },
            Message::Branches { credit: 9, span: span.into(), branch: Branch::ROOT, children: vec![(0, 1)] },
            leaves(span, Branch::ROOT, None, vec![(b"x".to_vec(), 1)], true),
            Message::Want { keys: vec![key.clone(), b"never heard of".to_vec()] },
        ]
    };
    for message in asks(span) {
        node.message(C, message);
    }
    assert_eq!(node.take_sent(), [], "C is no replica");
    for message in asks(foreign).into_iter().take(3) {
        node.message(B, message);
    }
    node.message(B, leaves(span, impossible, None, vec![], false));
    node.message(B, Message::Branches { credit: 9, span: span.into(), branch: impossible, children: vec![(99, 1)] });
    assert_eq!(node.take_sent(), [], "no range of this ring, no branch of a tree");
    for message in asks(span) {
        node.message(B, message);
    }
    assert!(!stores(&node.take_sent()).is_empty(), "B is a replica");
}

fn leaves(span: Span, branch: Branch, after: Option<&[u8]>, keys: Vec<(Vec<u8>, u128)>, more: bool) -> Message {
    Message::Leaves { credit: 100, span: span.into(), branch, after: after.map(<[u8]>::to_vec), keys, more }
}

#[test]
fn a_list_that_does_not_go_forward_is_not_followed() {
    let config = sloppy(2, (2, 1, 1));
    let span = Ring::of(&config).expect("the settings are valid").span(0);
    let mut node = Lone::start(at(A, &config));
    let mut keys = [b"m".to_vec(), b"n".to_vec()];
    keys.sort_by_key(|key| place_of(Some(key)).map(|(spot, _)| spot));
    let [early, late] = keys;
    let goes_on = |node: &mut Lone, after: Option<&[u8]>, keys: &[&Vec<u8>]| {
        let keys = keys.iter().map(|key| (key.to_vec(), 1)).collect();
        node.message(B, leaves(span, Branch::ROOT, after, keys, true));
        sent_where(&node.take_sent(), |m| matches!(m, Message::Leaves { .. })).len()
    };
    assert_eq!(goes_on(&mut node, None, &[]), 0, "full, but of nothing");
    assert_eq!(goes_on(&mut node, None, &[&early]), 1);
    assert_eq!(goes_on(&mut node, Some(&early), &[&late]), 1);
    assert_eq!(goes_on(&mut node, Some(&late), &[&late]), 0);
    assert_eq!(goes_on(&mut node, Some(&late), &[&early]), 0);
}

/// A list moves what differs within it, in both directions, and nothing else; one that is cut short is gone on with.
#[test]
fn a_list_of_keys_moves_what_differs_within_it() {
    let mut config = sloppy(2, (2, 1, 1));
    config.partitioning = Partitioning::Random { tokens: 1 };
    let ring = Ring::of(&config).expect("the settings are valid");
    let span = ring.span(0);
    let mut keys = keys_where(&config, "k", |_| true).filter(|key| ring.range_of(key) == 0);
    let mut keys: Vec<_> = keys.by_ref().take(6).collect();
    keys.sort_by(|a, b| place_of(Some(a)).cmp(&place_of(Some(b))));
    let mut node = Lone::start(at(A, &config));
    for key in [&keys[0], &keys[1], &keys[2], &keys[5]] {
        node.request(put(key, b"v", None));
    }
    node.sync();
    // The puts have ended, and B is not taken for down.
    node.sleep_ms(1000);
    node.message(B, Message::Pong { tag: Tag(0) });
    node.take_sent();
    node.message(B, Message::Compare { pages: vec![1] });
    let sent = node.take_sent();
    let [(B, Message::Roots { roots, .. })] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!((roots.len(), roots[0].0), (2, span));
    node.message(B, Message::Roots { credit: 100, roots: vec![(span, 1), roots[1]] });
    let sent = node.take_sent();
    let [(B, Message::Leaves { keys: own, more: false, .. })] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!(own.iter().map(|(key, _)| key).collect::<Vec<_>>(), [&keys[0], &keys[1], &keys[2], &keys[5]]);
    // Equal, otherwise, missing there, missing here, missing here and the end of the list; the last key lies behind it.
    let theirs = vec![own[0].clone(), (keys[1].clone(), 7), (keys[3].clone(), 7), (keys[4].clone(), 7)];
    node.message(B, leaves(span, Branch::ROOT, None, theirs, true));
    let sent = node.take_sent();
    let given: Vec<_> = stores(&sent).into_iter().map(|(_, _, key)| key).collect();
    assert_eq!(given, [keys[1].clone(), keys[2].clone()]);
    let wanted = Message::Want { keys: vec![keys[1].clone(), keys[3].clone(), keys[4].clone()] };
    assert!(sent.contains(&(B, wanted)), "{sent:?}");
    let Some((B, Message::Leaves { after, keys: rest, more: false, .. })) = sent.last() else { panic!("{sent:?}") };
    assert_eq!((after.as_ref(), &rest[..]), (Some(&keys[4]), &own[3..]));
    node.message(B, leaves(span, Branch::ROOT, Some(&keys[4]), vec![], false));
    assert_eq!(stores(&node.take_sent()).into_iter().map(|(_, _, key)| key).collect::<Vec<_>>(), [keys[5].clone()]);
}

/// However much differs, a message moves no more than its credit says.
#[test]
fn credit_bounds_what_moves() {
    let config = sloppy(2, (2, 1, 1));
    let ring = Ring::of(&config).expect("the settings are valid");
    let mut node = Lone::start(at(A, &config));
    let key = key_where(&config, "k", |_| true);
    let range = ring.range_of(&key);
    let same = |key: &Vec<u8>| ring.range_of(key) == range;
    let theirs: Vec<_> = keys_where(&config, "x", |_| true).filter(same).take(8).map(|key| (key, 1)).collect();
    let span = ring.span(range);
    for (credit, most) in [(3, 3), (0, 0), (100, 8)] {
        let (branch, span) = (Branch::ROOT, span.into());
        node.message(B, Message::Leaves { credit, span, branch, after: None, keys: theirs.clone(), more: false });
        let wanted = node.take_sent().into_iter().map(|(_, message)| match message {
            Message::Want { keys } => keys.len(),
            other => panic!("{other:?}"),
        });
        assert_eq!(wanted.sum::<usize>(), most, "credit {credit}");
    }
}
