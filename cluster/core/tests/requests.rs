//! What a client may ask, and what it is answered (4.1, 4.5).

mod common;

use std::collections::BTreeSet;

use cluster_core::api::{Failure, NodeId, Reply, Request};
use cluster_core::bug::Bug;
use cluster_core::config::{Config, Quorum, Versioning};
use cluster_core::sim::World;
use common::lone::*;
use common::*;

fn three() -> World {
    world(sloppy(3, (3, 2, 2)), Default::default(), 1)
}

fn is_bad(reply: &Reply) -> bool {
    matches!(reply, Reply::Failed(Failure::BadRequest(_)))
}

fn is_unavailable(reply: &Reply) -> bool {
    matches!(reply, Reply::Failed(Failure::Unavailable(_)))
}

#[test]
fn a_key_never_heard_of_has_no_values_and_no_context() {
    assert_eq!(read(&mut three(), A, b"k"), (vec![], None));
}

#[test]
fn concurrent_writes_are_siblings_and_a_write_with_their_context_leaves_one() {
    let mut world = three();
    for (node, value) in [(A, b"one"), (B, b"two")] {
        assert_eq!(call(&mut world, node, put(b"k", value, None)), Reply::Stored);
    }
    let (mut values, context) = read(&mut world, C, b"k");
    values.sort();
    assert_eq!(values, [b"one", b"two"]);
    assert_eq!(call(&mut world, B, put(b"k", b"merged", context)), Reply::Stored);
    assert_eq!(read(&mut world, A, b"k").0, [b"merged"]);
}

#[test]
fn a_write_with_an_old_context_leaves_what_it_had_not_seen() {
    let mut world = three();
    call(&mut world, A, put(b"k", b"one", None));
    let (_, old) = read(&mut world, A, b"k");
    call(&mut world, A, put(b"k", b"two", old.clone()));
    call(&mut world, A, put(b"k", b"three", old));
    let (mut values, _) = read(&mut world, A, b"k");
    values.sort();
    assert_eq!(values, [b"three".as_slice(), b"two"]);
}

#[test]
fn a_delete_writes_a_tombstone_and_the_key_can_be_made_again() {
    let mut world = three();
    call(&mut world, A, put(b"k", b"one", None));
    let (_, context) = read(&mut world, A, b"k");
    assert_eq!(call(&mut world, A, delete(b"k", context)), Reply::Stored);
    let (values, context) = read(&mut world, B, b"k");
    assert_eq!(values, Vec::<Vec<u8>>::new());
    assert!(context.is_some(), "the tombstone is to be covered by the next write");
    world.run_until(world.now_ns() + SECOND);
    for node in [A, B, C] {
        let versions = local(&mut world, node, b"k");
        assert_eq!(versions.iter().map(|version| &version.value).collect::<Vec<_>>(), [&None]);
    }
    call(&mut world, C, put(b"k", b"again", context));
    assert_eq!(read(&mut world, A, b"k").0, [b"again"]);
    world.run_until(world.now_ns() + SECOND);
    assert_eq!(local(&mut world, A, b"k").len(), 1, "the tombstone is superseded");
}

#[test]
fn a_delete_that_has_not_seen_a_write_does_not_hide_it() {
    let mut world = three();
    call(&mut world, A, put(b"k", b"one", None));
    let (_, context) = read(&mut world, A, b"k");
    call(&mut world, A, put(b"k", b"two", context.clone()));
    call(&mut world, A, delete(b"k", context));
    assert_eq!(read(&mut world, B, b"k").0, [b"two"]);
}

#[test]
fn quorums_of_a_request_must_fit_each_other() {
    let mut node = Lone::start(sloppy(5, (3, 2, 2)));
    for (n, quorum, good) in [
        (None, None, true),
        (Some(1), None, true),
        (Some(3), Some(3), true),
        (Some(2), Some(1), true),
        (Some(0), None, false),
        (Some(4), None, false),
        (None, Some(0), false),
        (None, Some(4), false),
        (Some(2), Some(3), false),
        (Some(255), Some(255), false),
    ] {
        let key = b"k".to_vec();
        let get = Request::Get { key: key.clone(), r: quorum, n };
        let put = Request::Put { key, value: None, context: None, w: quorum, n };
        for request in [get, put] {
            let id = node.request(request.clone());
            assert_eq!(node.reply(id).is_some_and(is_bad), !good, "{request:?}");
        }
    }
    assert_eq!(node.metric("bad_requests_total"), 12);
}

#[test]
fn an_n_of_its_own_asks_and_writes_so_many_nodes() {
    let config = sloppy(5, (3, 2, 2));
    let key = key_where(&config, "k", |list| list == [A, B, C, D, E]);
    let mut node = Lone::start(at(A, &config));
    node.request(Request::Put { key: key.clone(), value: None, context: None, w: Some(1), n: Some(2) });
    node.sync();
    let stored: Vec<_> = stores(&node.take_sent()).into_iter().map(|(to, ..)| to).collect();
    assert_eq!(stored, [B]);
    let id = node.request(Request::Get { key, r: Some(1), n: Some(1) });
    assert!(matches!(node.reply(id), Some(Reply::Got { .. })));
    assert_eq!(node.take_sent(), []);
}

#[test]
fn a_context_must_be_one_that_this_cluster_made_for_this_key() {
    let context_of = |config: Config| {
        let mut node = Lone::start(config);
        node.request(put(b"k", b"v", None));
        let id = node.request(get(b"k"));
        node.sync();
        match node.reply(id) {
            Some(Reply::Got { context: Some(context), .. }) => context.clone(),
            other => panic!("{other:?}"),
        }
    };
    let own = sloppy(1, (1, 1, 1));
    let good = context_of(own.clone());
    let mut other_cluster = own.clone();
    other_cluster.ring_seed += 1;
    let mut other_versions = own.clone();
    other_versions.versions = Versioning::Lww;
    let mut node = Lone::start(own);
    for (key, context, what) in [
        (b"k", String::new(), "empty"),
        (b"k", "nonsense!".into(), "not base64"),
        (b"k", "AAAA".into(), "too short"),
        (b"k", "A".repeat(60_000), "too long"),
        (b"k", good[..good.len() - 1].to_owned(), "cut off"),
        (b"k", format!("{good}{good}"), "twice"),
        (b"j", good.clone(), "another key's"),
        (b"k", context_of(other_cluster), "another cluster's"),
        (b"k", context_of(other_versions), "another versioning's"),
    ] {
        let id = node.request(put(key, b"v", Some(context)));
        node.sync();
        assert!(node.reply(id).is_some_and(is_bad), "{what}: {:?}", node.reply(id));
    }
    assert_eq!(node.node.status().keys, 0, "nothing was written");
    let id = node.request(put(b"k", b"v", Some(good)));
    node.sync();
    assert_eq!(node.reply(id), Some(&Reply::Stored), "even by a node that has lost its disk");
}

#[test]
fn keys_and_values_have_bounds() {
    let mut config = sloppy(1, (1, 1, 1));
    (config.limits.key_bytes_max, config.limits.value_bytes_max) = (8, 100);
    let mut node = Lone::start(config);
    for (key, value, good) in [(1, 0, true), (8, 100, true), (0, 1, false), (9, 1, false), (1, 101, false)] {
        let id = node.request(put(&vec![b'k'; key], &vec![b'v'; value], None));
        node.sync();
        assert_eq!(node.reply(id).is_some_and(is_bad), !good, "key of {key}, value of {value} bytes");
    }
    let id = node.request(get(&[b'k'; 9]));
    assert!(node.reply(id).is_some_and(is_bad));
}

#[test]
fn siblings_that_no_message_could_carry_are_refused_until_they_are_merged() {
    let mut node = Lone::start(sloppy(1, (1, 1, 1)));
    let large = vec![7; 1 << 20];
    let outcomes: Vec<bool> = (0..6)
        .map(|_| {
            let id = node.request(put(b"k", &large, None));
            node.sync();
            node.reply(id) == Some(&Reply::Stored)
        })
        .collect();
    assert_eq!(outcomes, [true, true, true, false, false, false]);
    let id = node.request(get(b"k"));
    let Some(Reply::Got { values, context }) = node.reply(id).cloned() else { panic!("it is there") };
    assert_eq!(values.len(), 3);
    let refused = node.request(put(b"k", &large, None));
    assert!(node.reply(refused).is_some_and(is_unavailable), "nothing was written");
    let id = node.request(put(b"k", &large, context));
    node.sync();
    assert_eq!(node.reply(id), Some(&Reply::Stored));
}

#[test]
fn one_request_too_many_is_refused_and_there_is_room_again_afterwards() {
    let mut config = sloppy(2, (2, 2, 2));
    config.limits.requests_max = 3;
    let mut node = Lone::start(config);
    let ids: Vec<_> = (0..5).map(|_| node.request(get(b"k"))).collect();
    let refused: Vec<bool> = ids.iter().map(|id| node.reply(*id).is_some_and(is_unavailable)).collect();
    assert_eq!(refused, [false, false, false, true, true]);
    let id = node.request(put(b"k", b"v", None));
    assert!(node.reply(id).is_some_and(is_unavailable));
    assert_eq!(node.metric("refused_total"), 3);
    node.sleep_ms(751);
    // The other replica is lost by now: what needs it is refused for that reason, what does not is served.
    let id = node.request(get(b"k"));
    assert!(node.reply(id).is_some_and(is_unavailable));
    assert_eq!(node.metric("refused_total"), 3, "not for want of room");
    let id = node.request(Request::Get { key: b"k".to_vec(), r: Some(1), n: None });
    assert!(matches!(node.reply(id), Some(Reply::Got { .. })));
}

#[test]
fn a_local_read_asks_nobody_and_shows_versions_by_identity() {
    let mut world = three();
    call(&mut world, A, put(b"k", b"v", None));
    world.run_until(world.now_ns() + SECOND);
    let shown: Vec<_> = [A, B, C].into_iter().map(|node| local(&mut world, node, b"k")).collect();
    assert_eq!(shown[0].len(), 1);
    assert!(shown.iter().all(|versions| *versions == shown[0]));
    let mut node = Lone::start(sloppy(3, (3, 2, 2)));
    node.request(get_local(b"k"));
    assert_eq!(node.take_sent(), []);
}

#[test]
fn any_node_serves_any_key() {
    let config = config(5, (2, 2, 2), Quorum::Strict, Versioning::Dvv);
    let mut world = world(config, Default::default(), 1);
    for key in (0..20u32).map(u32::to_be_bytes) {
        let nodes: Vec<_> = world.nodes().collect();
        for (turn, &node) in nodes.iter().enumerate() {
            let (_, context) = read(&mut world, node, &key);
            assert_eq!(call(&mut world, node, put(&key, &[turn as u8], context)), Reply::Stored);
        }
        for node in nodes {
            assert_eq!(read(&mut world, node, &key).0, [[4]], "through {node:?}");
        }
    }
}

/// A walk skips hosts that it has met (4.3). With the bug `virtual-nodes-counted` it does not: N tokens of one host are N
/// replicas, a quorum is one node, and its disk all that there is.
#[test]
fn a_host_is_one_replica_however_many_of_its_tokens_follow_each_other() {
    let copies_of_all = |bug| {
        let config = Config { bug, ..without_anti_entropy(config(3, (3, 2, 2), Quorum::Strict, Versioning::Dvv)) };
        let mut world = world(config, Default::default(), 1);
        let nodes: Vec<NodeId> = world.nodes().collect();
        let mut copies = BTreeSet::new();
        for key in (0..60u8).map(|key| [key]) {
            assert_eq!(call(&mut world, A, put(&key, b"v", None)), Reply::Stored, "a quorum is there all the same");
            assert_eq!(values(&mut world, B, &key), [b"v".to_vec()]);
            world.run_until(world.now_ns() + SECOND / 4);
            copies.insert(nodes.iter().filter(|node| !local(&mut world, **node, &key).is_empty()).count());
        }
        copies
    };
    assert_eq!(copies_of_all(None), BTreeSet::from([3]));
    assert_eq!(copies_of_all(Some(Bug::VirtualNodesCounted)), BTreeSet::from([1, 2, 3]));
}
