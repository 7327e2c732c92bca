//! Reaping (4.1): a tombstone goes when nothing is left that it would hold back, and nothing comes back or is lost.

mod common;

use cluster_core::api::{NodeId, Reply, Request};
use cluster_core::config::{Config, Quorum, Versioning};
use cluster_core::envelope::Envelope;
use cluster_core::message::{Message, Tag};
use cluster_core::protocol::Protocol;
use cluster_core::sim::World;
use cluster_core::versions::KeyState;
use common::lone::*;
use common::*;

fn config_of_four() -> Config {
    sloppy(4, (3, 2, 3))
}

fn four() -> (World, Vec<u8>) {
    let config = config_of_four();
    let key = key_where(&config, "k", |list| list == [A, B, C, D]);
    (world(config, Default::default(), 1), key)
}

fn delete_it(world: &mut World, node: NodeId, key: &[u8]) {
    let (_, context) = read(world, node, key);
    assert_eq!(call(world, node, delete(key, context)), Reply::Stored);
}

fn rest(world: &mut World, seconds: u64) {
    world.run_until(world.now_ns() + seconds * SECOND);
}

fn held(world: &mut World, key: &[u8]) -> Vec<usize> {
    [A, B, C].map(|node| local(world, node, key).len()).to_vec()
}

fn of(world: &World, node: NodeId, name: &str) -> u64 {
    metric(world.node(node).expect("it is up"), name)
}

#[test]
fn a_tombstone_that_all_hold_is_forgotten_by_all() {
    let (mut world, key) = four();
    assert_eq!(call(&mut world, A, put(&key, b"v", None)), Reply::Stored);
    delete_it(&mut world, B, &key);
    assert_eq!(held(&mut world, &key), [1, 1, 1], "not at once");
    assert_eq!([A, B, C].map(|node| of(&world, node, "tombstones")), [1, 1, 1]);
    rest(&mut world, 5);
    assert_eq!(held(&mut world, &key), [0, 0, 0]);
    assert_eq!([A, B, C].map(|node| of(&world, node, "tombstones")), [0, 0, 0]);
    assert_eq!([A, B, C].map(|node| of(&world, node, "tombstones_reaped_total")), [1, 1, 1]);
    assert_eq!(read(&mut world, D, &key), (Vec::new(), None), "as if it had never been");
    let status = world.node(A).expect("it is up").status();
    assert_eq!((status.keys, status.image_bytes), (0, 0));
    for node in [A, B, C] {
        world.crash(node);
        world.start(node).expect("it restarts");
    }
    assert_eq!(held(&mut world, &key), [0, 0, 0], "on disk too");
}

#[test]
fn a_tombstone_with_a_sibling_stays() {
    let (mut world, key) = four();
    assert_eq!(call(&mut world, A, put(&key, b"v", None)), Reply::Stored);
    let (_, context) = read(&mut world, A, &key);
    assert_eq!(call(&mut world, A, put(&key, b"w", None)), Reply::Stored);
    assert_eq!(call(&mut world, A, delete(&key, context)), Reply::Stored);
    rest(&mut world, 10);
    assert_eq!(held(&mut world, &key), [2, 2, 2]);
    assert_eq!(values(&mut world, A, &key), [b"w"]);
}

/// Any node may hold a hint, or have something on its way.
#[test]
fn nothing_is_reaped_while_any_node_is_down() {
    for down in [C, D] {
        let (mut world, key) = four();
        assert_eq!(call(&mut world, A, put(&key, b"v", None)), Reply::Stored);
        rest(&mut world, 1);
        world.crash(down);
        delete_it(&mut world, A, &key);
        rest(&mut world, 20);
        assert_eq!(local(&mut world, A, &key).len(), 1, "{down:?} has not been asked");
        world.start(down).expect("it restarts");
        rest(&mut world, 10);
        assert_eq!(held(&mut world, &key), [0, 0, 0]);
        assert_eq!(values(&mut world, B, &key), Vec::<Vec<u8>>::new());
    }
}

/// A holds the key's tombstone, and its round of reaping is about to begin. The other nodes are played by the test.
struct Reaper {
    node: Lone,
    key: Vec<u8>,
}

fn reaper() -> Reaper {
    let config = config_of_four();
    let key = key_where(&config, "k", |list| list == [A, B, C, D]);
    let (_, tombstone) = deleted(&config, &key);
    let mut node = Lone::start(at(A, &config));
    let store = Message::Store { tag: Tag(1), key: key.clone(), state: tombstone, hint_for: None };
    hear(&mut node, B, store);
    for peer in [C, D] {
        hear(&mut node, peer, Message::Ping { tag: Tag(1) });
    }
    node.sync();
    Reaper { node, key }
}

/// A value of the key, and its tombstone.
fn deleted(config: &Config, key: &[u8]) -> (KeyState, KeyState) {
    let mut node = Lone::start(Config { n: 1, r: 1, w: 1, ..at(A, config) });
    node.request(put(key, b"v", None));
    node.sync();
    let old = state(&mut node, key);
    let request = node.request(get(key));
    let Some(Reply::Got { context, .. }) = node.reply(request).cloned() else { panic!("it answers at once") };
    node.request(delete(key, context));
    node.sync();
    (old, state(&mut node, key))
}

/// A message in the newest version of the protocol.
fn hear(node: &mut Lone, from: NodeId, message: Message) {
    let newest = Protocol::NEWEST.number();
    node.envelope(from, Envelope { version: newest, newest, message });
}

fn state(node: &mut Lone, key: &[u8]) -> KeyState {
    node.take_sent();
    hear(node, B, Message::Fetch { tag: Tag(7), key: key.to_vec() });
    let sent = node.take_sent();
    match &sent[..] {
        [(_, Message::Fetched { state, .. })] => state.clone(),
        other => panic!("not one answer: {other:?}"),
    }
}

fn local_of(node: &mut Lone, key: &[u8]) -> usize {
    let id = node.request(get_local(key));
    match node.reply(id) {
        Some(Reply::Local { versions }) => versions.len(),
        other => panic!("a local read answers at once: {other:?}"),
    }
}

impl Reaper {
    /// Passes time until messages of a kind are sent; they are returned.
    fn until_sent(&mut self, kind: impl Fn(&Message) -> bool) -> Vec<(NodeId, Message)> {
        for _ in 0..100 {
            let sent = sent_where(&self.node.take_sent(), &kind);
            if !sent.is_empty() {
                return sent;
            }
            self.node.sleep_ms(100);
            self.node.sync();
        }
        panic!("nothing of that kind is sent")
    }

    /// Answers each; peers that have sent their messages up to 1000.
    fn guarded(&mut self, asked: &[(NodeId, Message)], refused: &[Vec<u8>]) {
        for (peer, message) in asked {
            let Message::Guard { tag, .. } = message else { panic!("not a guard: {message:?}") };
            hear(&mut self.node, *peer, Message::Guarded { tag: *tag, refused: refused.to_vec(), last: Tag(1000) });
        }
    }

    fn fenced(&mut self, asked: &[(NodeId, Message)], guarded: bool) {
        for (peer, message) in asked {
            let Message::Fence { tag, .. } = message else { panic!("not a fence: {message:?}") };
            hear(&mut self.node, *peer, Message::Fenced { tag: *tag, guarded });
        }
    }
}

fn is_guard(message: &Message) -> bool {
    matches!(message, Message::Guard { .. })
}

fn is_fence(message: &Message) -> bool {
    matches!(message, Message::Fence { .. })
}

fn is_reap(message: &Message) -> bool {
    matches!(message, Message::Reap { .. })
}

fn peers_of(sent: &[(NodeId, Message)]) -> Vec<NodeId> {
    sent.iter().map(|(to, _)| *to).collect()
}

#[test]
fn every_node_is_asked_in_each_step_and_all_must_agree() {
    let mut reaper = reaper();
    let asked = reaper.until_sent(is_guard);
    assert_eq!(peers_of(&asked), [B, C, D], "fallbacks too");
    reaper.guarded(&asked, &[]);
    let asked = reaper.until_sent(is_fence);
    assert_eq!(peers_of(&asked), [B, C, D]);
    reaper.fenced(&asked[..2], true);
    reaper.node.sync();
    assert_eq!(local_of(&mut reaper.node, &reaper.key), 1, "D has not answered");
    reaper.fenced(&asked[2..], true);
    reaper.node.sync();
    assert_eq!(local_of(&mut reaper.node, &reaper.key), 0);
    assert_eq!(peers_of(&sent_where(&reaper.node.take_sent(), is_reap)), [B, C, D]);
}

#[test]
fn a_refused_key_is_left_out_and_a_lost_guard_ends_the_round() {
    let mut reaper = reaper();
    let asked = reaper.until_sent(is_guard);
    let key = reaper.key.clone();
    reaper.guarded(&asked, &[key]);
    reaper.node.sleep_ms(400);
    assert!(sent_where(&reaper.node.take_sent(), is_fence).is_empty(), "nothing is left to reap");
    let asked = reaper.until_sent(is_guard);
    reaper.guarded(&asked, &[]);
    let asked = reaper.until_sent(is_fence);
    reaper.fenced(&asked, false);
    reaper.node.sync();
    assert!(sent_where(&reaper.node.take_sent(), is_reap).is_empty());
    assert_eq!(local_of(&mut reaper.node, &reaper.key), 1);
    assert_eq!(reaper.node.metric("reaping_rounds_given_up_total"), 1);
}

/// The reaper itself is fenced like anybody.
#[test]
fn nothing_is_reaped_before_the_reapers_own_fences_are_durable() {
    let mut reaper = reaper();
    let asked = reaper.until_sent(is_guard);
    reaper.guarded(&asked, &[]);
    reaper.node.sync();
    let mut asked = Vec::new();
    while asked.is_empty() {
        reaper.node.sleep_ms(100);
        asked = sent_where(&reaper.node.take_sent(), is_fence);
    }
    reaper.fenced(&asked, true);
    assert!(sent_where(&reaper.node.take_sent(), is_reap).is_empty(), "the disk has not completed");
    reaper.node.sync();
    assert_eq!(sent_where(&reaper.node.take_sent(), is_reap).len(), 3);
}

/// A replica, B, guarded and fenced by A's round. Its peers had sent their messages up to 1000 when they guarded.
struct Replica {
    node: Lone,
    key: Vec<u8>,
    old: KeyState,
    tombstone: KeyState,
}

fn replica() -> Replica {
    let config = config_of_four();
    let key = key_where(&config, "k", |list| list == [A, B, C, D]);
    let (old, tombstone) = deleted(&config, &key);
    Replica { node: Lone::start(at(B, &config)), key, old, tombstone }
}

impl Replica {
    /// Sends B a state, and returns whether it was acknowledged.
    fn store(&mut self, from: NodeId, tag: u64, state: &KeyState) -> bool {
        self.node.take_sent();
        let (key, state) = (self.key.clone(), state.clone());
        hear(&mut self.node, from, Message::Store { tag: Tag(tag), key, state, hint_for: None });
        self.node.sync();
        let acknowledged =
            |(to, message): &(NodeId, Message)| *to == from && *message == Message::StoredAll { tags: vec![Tag(tag)] };
        self.node.take_sent().iter().any(acknowledged)
    }

    /// Returns whether B guards the key.
    fn guard(&mut self, tag: u64) -> bool {
        let keys = vec![(self.key.clone(), self.tombstone.clone())];
        hear(&mut self.node, A, Message::Guard { tag: Tag(tag), keys });
        let guarded = sent_where(&self.node.take_sent(), |message| matches!(message, Message::Guarded { .. }));
        let (_, Message::Guarded { refused, .. }) = &guarded[0] else { panic!("filtered") };
        refused.is_empty()
    }

    /// Returns whether B had guarded all the while.
    fn fence(&mut self, round: u64) -> bool {
        let (tag, last) = (Tag(round + 1), vec![(A, Tag(1000)), (C, Tag(1000)), (D, Tag(1000))]);
        let timestamp_max_us = self.tombstone.timestamp_max_us();
        hear(&mut self.node, A, Message::Fence { tag, round: Tag(round), last, timestamp_max_us });
        self.node.sync();
        let fenced = sent_where(&self.node.take_sent(), |message| matches!(message, Message::Fenced { .. }));
        fenced[0].1 == Message::Fenced { tag, guarded: true }
    }

    fn reap(&mut self) {
        let keys = vec![(self.key.clone(), self.tombstone.digest(&self.key))];
        hear(&mut self.node, A, Message::Reap { tag: Tag(1100), keys });
        self.node.sync();
    }

    fn held(&mut self) -> usize {
        local_of(&mut self.node, &self.key)
    }
}

#[test]
fn a_store_that_was_on_its_way_since_before_the_guard_is_dropped_after_the_reaping() {
    let mut b = replica();
    let (old, tombstone) = (b.old.clone(), b.tombstone.clone());
    assert!(b.store(C, 900, &tombstone));
    assert!(b.guard(1001) && b.fence(1001));
    b.reap();
    assert_eq!(b.held(), 0);
    assert!(!b.store(C, 901, &old), "as good as lost");
    assert!(!b.store(D, 1000, &old));
    assert_eq!(b.held(), 0);
    b.node = b.node.restarted();
    assert!(!b.store(C, 901, &old), "the fence is durable");
    assert_eq!((b.held(), b.node.metric("stores_fenced_total")), (0, 1));
    assert!(b.store(C, 1001, &old), "sent after C guarded: it is no part of the past");
}

/// Until the fence the guard holds back what is old, also where there is no tombstone, and lets pass what is not.
#[test]
fn a_guard_absorbs_what_is_old_and_takes_what_is_new() {
    let mut b = replica();
    assert!(b.guard(1001), "with nothing at all it guards too");
    let old = b.old.clone();
    assert!(b.store(C, 900, &old), "it is known everywhere that this is over");
    assert_eq!(b.held(), 0);
    let mut writer = Lone::start(Config { n: 1, r: 1, w: 1, seed: 999, ..at(A, &b.node.config) });
    writer.request(put(&b.key, b"w", None));
    writer.sync();
    let new = state(&mut writer, &b.key);
    assert!(b.store(C, 901, &new));
    assert_eq!(b.held(), 2, "the new version, beside the tombstone that the guard stands for");
    b.reap();
    assert_eq!(b.held(), 2, "what is not exactly the tombstone is not reaped");
}

#[test]
fn a_node_that_holds_more_than_the_tombstone_does_not_guard() {
    let mut b = replica();
    let old = b.old.clone();
    b.store(C, 900, &old);
    assert!(!b.guard(1001));
}

#[test]
fn a_fallback_with_a_hint_does_not_guard() {
    let config = config_of_four();
    let mut b = replica();
    b.node = Lone::start(at(D, &config));
    let (key, state) = (b.key.clone(), b.old.clone());
    hear(&mut b.node, C, Message::Store { tag: Tag(900), key, state, hint_for: Some(B) });
    b.node.sync();
    assert!(!b.guard(1001));
}

#[test]
fn a_row_that_is_not_durable_is_not_vouched_for() {
    let mut b = replica();
    let (key, state) = (b.key.clone(), b.tombstone.clone());
    hear(&mut b.node, C, Message::Store { tag: Tag(900), key, state, hint_for: None });
    assert!(!b.guard(1001));
    b.node.sync();
    assert!(b.guard(1002));
}

#[test]
fn a_node_that_has_restarted_since_it_guarded_is_not_fenced() {
    let mut b = replica();
    assert!(b.guard(1001));
    b.node = b.node.restarted();
    assert!(!b.fence(1001));
}

/// An old Guard that comes once more must not take the place of a newer one.
#[test]
fn a_late_guard_changes_nothing() {
    let mut b = replica();
    assert!(b.guard(1001));
    hear(&mut b.node, A, Message::Guard { tag: Tag(950), keys: Vec::new() });
    assert!(b.fence(1001));
}

/// B has read the old version somewhere before it guarded, and would repair with it whoever lacks it.
#[test]
fn a_read_from_before_the_guard_repairs_nobody() {
    for guarded in [false, true] {
        let mut b = replica();
        b.node.request(get(&b.key));
        let asked = b.node.take_sent();
        for (to, message) in &asked {
            let Message::Fetch { tag, .. } = message else { continue };
            if *to == C {
                hear(&mut b.node, C, Message::Fetched { tag: *tag, state: b.old.clone() });
            }
        }
        if guarded {
            assert!(b.guard(1001));
        }
        for (to, message) in &asked {
            answer_fetch(&mut b.node, *to, C, message);
        }
        b.node.sleep_ms(1000);
        b.node.sync();
        let repaired = !stores(&b.node.take_sent()).is_empty() || b.held() > 0;
        assert_eq!(repaired, !guarded);
    }
}

/// Two lives of a node: what the second sends has greater numbers, whatever the first had sent.
#[test]
fn tags_grow_over_the_lives_of_a_node() {
    let mut node = Lone::start(at(A, &config_of_four()));
    node.wall_offset_ns = 3_600_000_000_000;
    let mut last = 0;
    for _ in 0..5 {
        node.sync();
        node.request(get(b"k"));
        let sent = node.take_sent();
        let tags = sent.iter().filter_map(|(_, message)| match message {
            Message::Fetch { tag, .. } => Some(tag.0),
            _ => None,
        });
        let tags: Vec<u64> = tags.collect();
        assert!(!tags.is_empty() && tags.iter().all(|tag| *tag > last), "{tags:?} after {last}");
        last = tags.into_iter().max().expect("there are some");
        node = node.restarted();
    }
}

/// A node that was wiped, and whose clock was set back, numbers its messages too low: a peer reports the fence, and the
/// node goes on from there.
#[test]
fn a_node_that_numbers_too_low_goes_on_from_the_fence() {
    let mut b = replica();
    assert!(b.guard(1001) && b.fence(1001));
    let old = b.old.clone();
    assert!(!b.store(C, 5, &old));
    let mut c = Lone::start(at(C, &config_of_four()));
    let far = Tag(u64::MAX / 2);
    hear(&mut c, B, Message::TagFenced { last: far });
    c.request(get(&b.key));
    let asked = c.take_sent();
    assert!(asked.iter().all(|(_, message)| !matches!(message, Message::Fetch { tag, .. } if *tag <= far)));
}

/// Under last-write-wins a tombstone from a fast clock must not bury, where it still lies, what is written later
/// where it has been reaped.
#[test]
fn what_is_written_after_a_reaping_is_newer_than_what_was_reaped() {
    let config = Config { versions: Versioning::Lww, ..strict() };
    let mut b = Lone::start(at(B, &config));
    let far_us = i64::MAX / 4;
    hear(&mut b, A, Message::Guard { tag: Tag(1), keys: Vec::new() });
    hear(&mut b, A, Message::Fence { tag: Tag(2), round: Tag(1), last: Vec::new(), timestamp_max_us: Some(far_us) });
    b.sync();
    b = b.restarted();
    let key = key_where(&config, "k", |list| list[..3].contains(&B));
    b.request(put(&key, b"v", None));
    b.sync();
    let written = b.take_sent().into_iter().find_map(|(_, message)| match message {
        Message::Store { state, .. } => state.timestamp_max_us(),
        _ => None,
    });
    assert!(written > Some(far_us), "{written:?}");
}

fn strict() -> Config {
    Config { quorum: Quorum::Strict, ..config_of_four() }
}

/// The row is gone, and with it its actor: what is written next is a new dot, though no context knows the old one.
#[test]
fn a_recreated_key_makes_no_dot_again() {
    let (mut world, key) = four();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..3 {
        assert_eq!(call(&mut world, A, put(&key, b"v", None)), Reply::Stored);
        seen.extend(local(&mut world, A, &key).into_iter().map(|version| version.id));
        delete_it(&mut world, A, &key);
        seen.extend(local(&mut world, A, &key).into_iter().map(|version| version.id));
        rest(&mut world, 5);
        assert_eq!(held(&mut world, &key), [0, 0, 0]);
    }
    assert_eq!(seen.len(), 6, "{seen:?}");
}

/// A client that read the key before it was deleted may still write with what it saw.
#[test]
fn a_context_from_before_the_reaping_dominates_nothing_new() {
    let (mut world, key) = four();
    assert_eq!(call(&mut world, A, put(&key, b"v", None)), Reply::Stored);
    let (_, before) = read(&mut world, A, &key);
    delete_it(&mut world, A, &key);
    let (_, covering) = read(&mut world, A, &key);
    rest(&mut world, 5);
    assert_eq!(held(&mut world, &key), [0, 0, 0]);
    assert_eq!(call(&mut world, A, put(&key, b"new", None)), Reply::Stored);
    for (value, context) in [(b"x", before), (b"y", covering)] {
        assert_eq!(call(&mut world, A, put(&key, value, context)), Reply::Stored);
    }
    assert_eq!(values(&mut world, B, &key).len(), 3);
    let request = Request::Get { key, r: Some(3), n: None };
    assert!(matches!(call(&mut world, C, request), Reply::Got { values, .. } if values.len() == 3));
}
