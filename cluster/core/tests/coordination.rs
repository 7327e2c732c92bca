//! Who coordinates, who is written to, and whose answers count (4.3, 4.5, 4.6).

mod common;

use cluster_core::api::{Failure, NodeId, Reply};
use cluster_core::config::{Config, Coordinator, Quorum, Versioning};
use cluster_core::message::{Message, Tag};
use cluster_core::versions::KeyState;
use common::lone::*;
use common::*;

fn strict(nodes: usize, quorum: (u8, u8, u8)) -> Config {
    Config { quorum: Quorum::Strict, ..sloppy(nodes, quorum) }
}

fn targets(node: &mut Lone) -> Vec<NodeId> {
    let mut to: Vec<NodeId> = stores(&node.take_sent()).into_iter().map(|(to, ..)| to).collect();
    to.sort();
    to
}

#[test]
fn a_node_that_is_no_replica_forwards_to_the_first_replica() {
    let config = Config { coordinator: Coordinator::First, ..sloppy(4, (2, 2, 2)) };
    let key = key_where(&config, "k", |list| list == [B, C, D, A]);
    let mut world = world(config, Default::default(), 1);
    for turn in 1..=3 {
        let (_, context) = read(&mut world, A, &key);
        assert_eq!(call(&mut world, A, put(&key, b"v", context)), Reply::Stored);
        let count = |node, name| metric(world.node(node).expect("it is up"), name);
        assert_eq!((count(A, "puts_forwarded_total"), count(A, "puts_total")), (turn, 0));
        assert_eq!((count(B, "puts_total"), count(C, "puts_total")), (turn, 0));
    }
    assert_eq!(local(&mut world, A, &key), []);
    assert!(local(&mut world, B, &key)[0].id.starts_with("1."), "made by B");
}

#[test]
fn any_replica_coordinates_a_write_itself() {
    let config = sloppy(4, (3, 1, 1));
    let key = key_where(&config, "k", |list| list == [A, B, C, D]);
    for me in [A, B, C] {
        let mut node = Lone::start(at(me, &config));
        let id = node.request(put(&key, b"v", None));
        node.sync();
        assert_eq!(node.reply(id), Some(&Reply::Stored));
        assert_eq!(targets(&mut node), [A, B, C].into_iter().filter(|to| *to != me).collect::<Vec<_>>());
    }
}

#[test]
fn a_forward_that_arrives_twice_is_coordinated_once() {
    let config = sloppy(3, (2, 1, 1));
    let key = key_where(&config, "k", |list| list == [A, B, C]);
    let mut node = Lone::start(at(A, &config));
    let forward = forward_to(&mut node, C, put(&key, b"v", None));
    node.take_sent();
    for _ in 0..3 {
        node.message(C, forward.clone());
        node.sync();
    }
    assert_eq!(node.metric("puts_total"), 1);
    let sent = node.take_sent();
    let answers = sent_where(&sent, |message| matches!(message, Message::Forwarded { failure: None, .. }));
    assert_eq!(answers.len(), 1);
    let id = node.request(get_local(&key));
    assert!(matches!(node.reply(id), Some(Reply::Local { versions }) if versions.len() == 1));
}

#[test]
fn a_forward_without_the_coordinators_life_is_coordinated_by_nobody() {
    let config = sloppy(3, (2, 1, 1));
    let key = key_where(&config, "k", |list| list == [A, B, C]);
    let mut forwarder = Lone::start(at(C, &config));
    forwarder.request(put(&key, b"v", None));
    let mut node = Lone::start(at(A, &config));
    for (_, message) in forwarder.take_sent() {
        node.message(C, message);
    }
    node.sync();
    assert_eq!((node.metric("puts_total"), node.node.status().keys), (0, 0));
    // A restarted coordinator may have taken it in its earlier life: the client must hear that nobody knows.
    let forward = forward_to(&mut node, C, put(&key, b"v", None));
    let mut restarted = node.restarted();
    restarted.message(C, forward);
    let sent = restarted.take_sent();
    assert!(matches!(sent.last(), Some((to, Message::WrongLife { .. })) if *to == C), "{sent:?}");
    assert_eq!(restarted.metric("puts_total"), 0);
}

#[test]
fn a_write_is_unknown_to_its_client_when_the_coordinator_has_restarted() {
    let config = sloppy(3, (2, 1, 1));
    let key = key_where(&config, "k", |list| list == [A, B, C]);
    let mut world = world(config, Default::default(), 1);
    assert_eq!(call(&mut world, C, put(&key, b"v", None)), Reply::Stored);
    world.crash(A);
    world.start(A).expect("it restarts");
    assert!(matches!(call(&mut world, C, put(&key, b"v", None)), Reply::Failed(Failure::Unknown(_))));
    assert_eq!(call(&mut world, C, put(&key, b"v", None)), Reply::Stored, "now the life is known");
}

#[test]
fn acknowledgements_of_one_replica_count_once() {
    let config = strict(3, (3, 1, 3));
    let mut node = Lone::start(at(A, &config));
    let id = node.request(put(b"k", b"v", None));
    node.sync();
    let mut sent = stores(&node.take_sent());
    node.sleep_ms(201);
    sent.extend(stores(&node.take_sent()));
    let tags_of_b: Vec<_> = sent.iter().filter(|(to, ..)| *to == B).map(|(_, tag, _)| *tag).collect();
    assert_eq!(tags_of_b.len(), 2, "it was sent again");
    for &tag in tags_of_b.iter().chain(&tags_of_b) {
        node.message(B, Message::Stored { tag });
        node.message(C, Message::Stored { tag });
    }
    assert_eq!(node.reply(id), None, "A and B have it; C has answered what it was not asked");
    let tag = sent.iter().find(|(to, ..)| *to == C).expect("C is a replica").1;
    node.message(C, Message::Stored { tag });
    assert_eq!(node.reply(id), Some(&Reply::Stored));
}

#[test]
fn answers_of_one_replica_to_a_read_count_once() {
    let config = strict(3, (3, 3, 1));
    let mut node = Lone::start(at(A, &config));
    let id = node.request(get(b"k"));
    let fetches = |node: &mut Lone| -> Vec<_> {
        let tag = |(to, message): (NodeId, Message)| match message {
            Message::Fetch { tag, .. } => Some((to, tag)),
            _ => None,
        };
        node.take_sent().into_iter().filter_map(tag).collect()
    };
    let mut sent = fetches(&mut node);
    node.sleep_ms(201);
    sent.extend(fetches(&mut node));
    for (to, tag) in sent.iter().filter(|(to, _)| *to == B) {
        node.message(*to, Message::Fetched { tag: *tag, state: KeyState::default() });
    }
    assert_eq!(node.reply(id), None, "A and B");
    let (to, tag) = *sent.iter().find(|(to, _)| *to == C).expect("C is a replica");
    node.message(to, Message::Fetched { tag, state: KeyState::default() });
    assert!(matches!(node.reply(id), Some(Reply::Got { .. })));
}

#[test]
fn a_strict_quorum_never_counts_a_fallback() {
    let config = strict(5, (3, 2, 2));
    let key = key_where(&config, "k", |list| list == [A, B, C, D, E]);
    let mut world = world(config, Default::default(), 1);
    world.crash(B);
    world.crash(C);
    let reply = call(&mut world, A, put(&key, b"v", None));
    assert!(matches!(reply, Reply::Failed(Failure::Unknown(_))), "A has it: {reply:?}");
    let reply = call(&mut world, A, get(&key));
    assert!(matches!(reply, Reply::Failed(Failure::Unavailable(_))), "{reply:?}");
    assert_eq!(local(&mut world, A, &key).len(), 1);
    assert_eq!((hints(&world, D), hints(&world, E)), (0, 0));
    world.start(C).expect("it restarts");
    world.run_until(world.now_ns() + SECOND);
    assert_eq!(call(&mut world, A, put(&key, b"v", None)), Reply::Stored);
}

/// What is known to be in vain is refused at once and before anything is written, so that a client need not wonder.
#[test]
fn once_too_few_replicas_are_left_requests_are_refused_at_once_and_nothing_is_written() {
    for config in [strict(3, (3, 2, 2)), sloppy(3, (3, 2, 2))] {
        let mut world = world(config, Default::default(), 1);
        world.crash(B);
        world.crash(C);
        call(&mut world, A, get(b"k"));
        world.run_until(world.now_ns() + SECOND);
        let asked_ns = world.now_ns();
        for request in [put(b"k", b"v", None), get(b"k")] {
            let reply = call(&mut world, A, request);
            assert!(matches!(reply, Reply::Failed(Failure::Unavailable(_))), "{reply:?}");
        }
        assert!(world.now_ns() - asked_ns < 10 * MS, "nobody was waited for");
        assert_eq!(local(&mut world, A, b"k"), []);
        world.start(B).expect("it restarts");
        world.run_until(world.now_ns() + SECOND);
        assert_eq!(call(&mut world, A, put(b"k", b"v", None)), Reply::Stored);
    }
}

#[test]
fn without_any_replica_a_strict_write_is_refused_and_happens_nowhere() {
    let config = strict(5, (2, 2, 2));
    let key = key_where(&config, "k", |list| list == [A, B, C, D, E]);
    let mut world = world(config, Default::default(), 1);
    world.crash(A);
    world.crash(B);
    call(&mut world, E, get(&key));
    let reply = call(&mut world, E, put(&key, b"v", None));
    assert!(matches!(reply, Reply::Failed(Failure::Unavailable(_))), "{reply:?}");
    for node in [A, B] {
        world.start(node).expect("it restarts");
    }
    world.run_until(world.now_ns() + 5 * SECOND);
    for node in [A, B] {
        assert_eq!(local(&mut world, node, &key), []);
    }
}

#[test]
fn a_sloppy_quorum_writes_as_long_as_any_node_is_up() {
    let config = sloppy(5, (3, 1, 1));
    let mut world = world(config, Default::default(), 1);
    for down in [A, B, C, D] {
        world.crash(down);
    }
    let keys: Vec<_> = (0..30u32).map(u32::to_be_bytes).collect();
    for _ in 0..10 {
        for key in &keys {
            let id = world.request(E, get(key)).expect("it is up");
            world.run_until(world.now_ns() + 10 * MS);
            world.take_reply(id);
        }
    }
    world.run_until(world.now_ns() + SECOND);
    for key in &keys {
        assert_eq!(call(&mut world, E, put(key, b"v", None)), Reply::Stored);
        assert_eq!(values(&mut world, E, key), [b"v"]);
    }
}

#[test]
fn a_healthy_fallback_is_written_at_once_and_in_order_of_preference() {
    let config = sloppy(5, (3, 2, 2));
    let key = key_where(&config, "k", |list| list == [A, B, C, D, E]);
    let mut node = Lone::start(at(A, &config));
    suspect(&mut node, B);
    node.take_sent();
    node.request(put(&key, b"v", None));
    node.sync();
    let sent = node.take_sent();
    let hinted = |m: &Message| matches!(m, Message::Store { hint_for: Some(B), .. });
    assert_eq!(sent_where(&sent, hinted).into_iter().map(|(to, _)| to).collect::<Vec<_>>(), [D]);
    let mut to: Vec<_> = stores(&sent).into_iter().map(|(to, ..)| to).collect();
    to.sort();
    assert_eq!(to, [C, D], "and nothing to B");
}

#[test]
fn resending_ends_with_the_request() {
    let config = strict(3, (3, 1, 3));
    let mut node = Lone::start(at(A, &config));
    let id = node.request(put(b"k", b"v", None));
    node.sync();
    node.sleep_ms(5000);
    assert!(matches!(node.reply(id), Some(Reply::Failed(Failure::Unknown(_)))));
    assert_eq!(stores(&node.take_sent()).len(), 2 * 4, "every 200 ms until 750 ms, to two replicas");
    assert_eq!((node.metric("messages_unanswered"), node.metric("requests")), (0, 0));
}

#[test]
fn last_write_wins_supersedes_what_it_has_seen_with_a_slow_clock() {
    let config = config(3, (3, 2, 2), Quorum::Strict, Versioning::Lww);
    let survives = |config: Config| {
        let mut world = world(config, Default::default(), 1);
        world.set_clock(A, 60_000 * MS as i64, 0);
        call(&mut world, A, put(b"k", b"fast", None));
        let (_, context) = read(&mut world, B, b"k");
        assert_eq!(call(&mut world, B, put(b"k", b"slow", context)), Reply::Stored);
        [A, B, C].map(|node| values(&mut world, node, b"k") == [b"slow"])
    };
    assert_eq!(survives(config.clone()), [true; 3]);
    let buggy = with_bug(config, cluster_core::bug::Bug::FastClockWins);
    assert_eq!(survives(buggy), [false; 3], "the acknowledged write is masked");
}

#[test]
fn a_context_from_a_fast_clock_is_enough_for_a_replica_that_missed_the_write() {
    let config = sloppy(1, (1, 1, 1));
    let config = Config { versions: Versioning::Lww, ..config };
    let mut seen = Lone::start(config.clone());
    seen.wall_offset_ns = 60 * SECOND as i64;
    seen.request(put(b"k", b"fast", None));
    let id = seen.request(get(b"k"));
    seen.sync();
    let Some(Reply::Got { context, .. }) = seen.reply(id).cloned() else { panic!("it is there") };
    let stamp = |node: &mut Lone, context| {
        node.request(put(b"k", b"slow", context));
        node.sync();
        let id = node.request(get(b"k"));
        match node.reply(id) {
            Some(Reply::Got { context: Some(text), .. }) => {
                let decoded = cluster_core::context::Context::decode(text, b"k", 1, Versioning::Lww);
                decoded.expect("its own").timestamp_max_us.expect("a stamp")
            }
            other => panic!("{other:?}"),
        }
    };
    let without = stamp(&mut Lone::start(config.clone()), None);
    let with = stamp(&mut Lone::start(config), context);
    assert_eq!(with - without, 60_000_001, "one microsecond behind what was seen");
}

/// 6.4: the context carries who answered the read first, and that one coordinates the write.
#[test]
fn the_replica_that_answered_first_coordinates_the_write() {
    let config = sloppy(4, (2, 2, 2));
    let key = key_where(&config, "k", |list| list == [B, C, D, A]);
    let coordinator_after = |config: &Config, suspected: Option<NodeId>| {
        let mut node = Lone::start(at(A, config));
        let state = state_with(&key);
        let id = node.request(get(&key));
        let fetches = node.take_sent();
        for from in [C, B] {
            for (_, message) in fetches.iter().filter(|(to, _)| *to == from) {
                let Message::Fetch { tag, .. } = message else { continue };
                node.message(from, Message::Fetched { tag: *tag, state: state.clone() });
            }
        }
        let Some(Reply::Got { context, .. }) = node.reply(id).cloned() else { panic!("the read is answered") };
        if let Some(peer) = suspected {
            suspect(&mut node, peer);
        }
        node.take_sent();
        node.request(put(&key, b"v", context));
        let forwards = sent_where(&node.take_sent(), |m| matches!(m, Message::Forward { .. }));
        forwards.iter().map(|(to, _)| *to).collect::<Vec<_>>()
    };
    assert_eq!(coordinator_after(&config, None), [C], "C answered first");
    assert_eq!(coordinator_after(&config, Some(C)), [B], "it is taken for down: the first that is not");
    let first = Config { coordinator: Coordinator::First, ..config };
    assert_eq!(coordinator_after(&first, None), [B]);
}

/// Why the paper does it: with R = W = 1 a client reads from the fastest replica, and so reads what that one wrote. A
/// slow node is the first of the preference list here.
#[test]
fn writing_through_the_fastest_replica_makes_reading_ones_writes_likelier() {
    let read_back = |coordinator| {
        let config = Config { coordinator, ..sloppy(4, (3, 1, 1)) };
        let key = key_where(&config, "k", |list| list == [B, C, D, A]);
        let mut world = world(config, Default::default(), 1);
        for (to, ms) in [(A, 5), (C, 40), (D, 40)] {
            world.network().slow(B, to, ms * MS);
        }
        assert_eq!(call(&mut world, A, put(&key, b"first", None)), Reply::Stored);
        let again = |turn: u8| {
            let (_, context) = read(&mut world, A, &key);
            assert_eq!(call(&mut world, A, put(&key, &[turn], context)), Reply::Stored);
            values(&mut world, A, &key).contains(&vec![turn])
        };
        (0..50).map(again).filter(|found| *found).count()
    };
    let (fastest, first) = (read_back(Coordinator::Fastest), read_back(Coordinator::First));
    assert!(fastest >= 35 && first <= 15, "{fastest} of 50 with the fastest replica, {first} with the first");
}

/// What a key holds after one write.
fn state_with(key: &[u8]) -> KeyState {
    let mut node = Lone::start(at(B, &sloppy(4, (1, 1, 1))));
    node.request(put(key, b"old", None));
    node.sync();
    node.message(A, Message::Fetch { tag: Tag(7), key: key.to_vec() });
    let sent = node.take_sent();
    let fetched = sent.into_iter().find_map(|(_, message)| match message {
        Message::Fetched { state, .. } => Some(state),
        _ => None,
    });
    fetched.expect("it answers")
}
