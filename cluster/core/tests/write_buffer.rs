//! The write buffer: what is revealed from memory, what is not, and what a crash takes.

mod common;

use cluster_core::api::{NodeId, Reply, Request};
use cluster_core::config::{Config, Durability, Quorum, Versioning};
use cluster_core::envelope::Envelope;
use cluster_core::message::{Message, Tag};
use cluster_core::protocol::Protocol;
use cluster_core::sim::network::NetworkSettings;
use cluster_core::versions::{Actor, Dot, KeyState, Version};
use common::lone::{A, B, C, Lone, at, sloppy};
use common::*;

fn buffered(config: Config) -> Config {
    Config { durability: Durability::Buffered, ..config }
}

fn newest(message: Message) -> Envelope {
    Envelope { version: 2, newest: Protocol::NEWEST.number(), message }
}

/// A node that knows that its peers speak the newest version.
fn lone(config: Config) -> Lone {
    let mut node = Lone::start(at(A, &buffered(config)));
    node.sync();
    for peer in [B, C] {
        node.envelope(peer, newest(Message::Ping { tag: Tag(0) }));
    }
    node.take_sent();
    node
}

fn put(key: &[u8], value: &str) -> Request {
    Request::Put { key: key.to_vec(), value: Some(value.into()), context: None, w: None, n: None }
}

fn state(value: &str) -> KeyState {
    let version = Version {
        dot: Dot { actor: Actor { node: B, epoch: 1 }, counter: 1 },
        past: Default::default(),
        clock: Default::default(),
        timestamp_us: 1,
        value: Some(value.as_bytes().into()),
    };
    let mut state = KeyState::default();
    state.insert(version, Versioning::Dvv);
    state
}

fn store(tag: u64, buffered: bool) -> Message {
    let (tag, key, state, hint_for) = (Tag(tag), b"k".to_vec(), state("v"), None);
    match buffered {
        true => Message::StoreBuffered { tag, key, state, hint_for },
        false => Message::Store { tag, key, state, hint_for },
    }
}

#[test]
fn a_buffered_store_is_acknowledged_from_memory_and_read_there() {
    let mut node = lone(sloppy(3, (3, 2, 2)));
    node.envelope(B, newest(store(1, true)));
    assert_eq!(node.take_sent(), [(B, Message::StoredAll { tags: vec![Tag(1)] })], "the disk is not waited for");
    assert_eq!(node.metric("buffer_rows"), 1);
    node.envelope(B, newest(Message::Fetch { tag: Tag(2), key: b"k".to_vec() }));
    assert_eq!(node.take_sent(), [(B, Message::Fetched { tag: Tag(2), state: state("v") })]);
    node.sync();
    assert_eq!(node.metric("buffer_rows"), 1, "a read writes nothing");
    let before = node.rows().len();
    node.sleep_ms(2_000);
    node.sync();
    assert_eq!((node.rows().len(), node.metric("buffer_rows")), (before + 1, 0), "the flush has written it");
}

/// The same state comes once to be kept and once to be written through: the second must not be taken for known.
#[test]
fn a_store_that_is_to_be_durable_waits_for_the_disk_also_when_memory_has_it() {
    let mut node = lone(sloppy(3, (3, 2, 2)));
    node.envelope(B, newest(store(1, true)));
    node.take_sent();
    node.envelope(C, newest(store(2, false)));
    assert_eq!(node.take_sent(), [], "it is in memory only");
    node.sync();
    assert_eq!(node.take_sent(), [(C, Message::StoredAll { tags: vec![Tag(2)] })]);
    assert_eq!(node.metric("buffer_rows"), 0, "what is written through is not kept as well");
}

#[test]
fn a_full_buffer_writes_through() {
    let mut config = sloppy(3, (3, 2, 2));
    config.limits.buffer_objects_max = 4;
    let mut node = lone(config);
    for number in 0..6u64 {
        let message = Message::StoreBuffered {
            tag: Tag(number),
            key: format!("key-{number}").into_bytes(),
            state: state("v"),
            hint_for: None,
        };
        node.envelope(B, newest(message));
    }
    assert_eq!((node.metric("buffer_rows"), node.metric("buffer_full_total")), (4, 2));
    let acks = |node: &mut Lone| node.take_sent().len();
    assert_eq!(acks(&mut node), 4, "the last two wait for the disk");
    node.sync();
    assert_eq!((acks(&mut node), node.metric("buffer_rows")), (2, 0));
}

/// Every acknowledgement from memory is there; none of them is enough.
#[test]
fn a_client_is_answered_only_when_one_replica_has_it_on_disk() {
    for number in 0..20u64 {
        let mut node = lone(sloppy(3, (3, 2, 2)));
        let key = format!("key-{number}").into_bytes();
        let id = node.request(put(&key, "v"));
        let sent = node.take_sent();
        let mut durable = None;
        for (peer, message) in sent {
            match message {
                Message::StoreBuffered { tag, .. } => node.envelope(peer, newest(Message::Stored { tag })),
                Message::Store { tag, .. } => durable = Some((peer, tag)),
                _ => {}
            }
        }
        assert_eq!(node.reply(id), None, "w = 2 have it, in memory");
        match durable {
            Some((peer, tag)) => node.envelope(peer, newest(Message::Stored { tag })),
            None => node.sync(),
        }
        assert_eq!(node.reply(id), Some(&Reply::Stored));
    }
}

#[test]
fn when_the_durable_replica_is_slow_another_is_asked_too() {
    let mut node = lone(sloppy(3, (3, 2, 2)));
    let id = node.request(put(b"k", "v"));
    let durable = |sent: &[(NodeId, Message)]| sent.iter().filter(|(_, m)| matches!(m, Message::Store { .. })).count();
    let mut asked = durable(&node.take_sent());
    node.sleep_ms(50);
    asked += durable(&node.take_sent());
    assert_eq!((asked, node.metric("durable_hedges_total")), (2, 2), "both others, and this node itself");
    node.sync();
    assert_eq!(node.reply(id), None, "this node alone is not w = 2");
    node.envelope(B, newest(Message::Pong { tag: Tag(0) }));
}

/// A version that was revealed and then lost in a crash, in a row that the disk knows an earlier version of: the next
/// one must have another name.
#[test]
fn a_dot_that_left_from_memory_is_never_made_again() {
    let mut dots = std::collections::BTreeSet::new();
    let mut node = lone(sloppy(3, (3, 1, 1)));
    for round in 0..8 {
        node.request(put(b"k", &format!("flushed {round}")));
        dots.insert(revealed(&mut node, &format!("flushed {round}")));
        node.sleep_ms(2_000);
        node.sync();
        node.request(put(b"k", &format!("forgotten {round}")));
        dots.insert(revealed(&mut node, &format!("forgotten {round}")));
        node = node.restarted();
        node.sync();
        for peer in [B, C] {
            node.envelope(peer, newest(Message::Ping { tag: Tag(0) }));
        }
        node.take_sent();
    }
    assert_eq!(dots.len(), 16, "each of 16 values has a name of its own");
}

/// The dot under which a value was sent to a peer.
fn revealed(node: &mut Lone, value: &str) -> Dot {
    let of = |message: Message| match message {
        Message::Store { state, .. } | Message::StoreBuffered { state, .. } => {
            state.versions().iter().find(|v| v.value == Some(value.as_bytes().into())).map(|v| v.dot)
        }
        _ => None,
    };
    node.take_sent().into_iter().find_map(|(_, message)| of(message)).expect("it was sent")
}

/// A node that is started without its buffer does not go on where the buffer may have been ahead of the disk.
#[test]
fn a_life_without_a_buffer_does_not_go_on_counting_either() {
    let mut node = lone(sloppy(3, (3, 1, 1)));
    node.request(put(b"k", "flushed"));
    node.sleep_ms(2_000);
    node.sync();
    node.request(put(b"k", "forgotten"));
    let before = revealed(&mut node, "forgotten");
    node.config.durability = Durability::Synced;
    let mut node = node.restarted();
    node.sync();
    node.request(put(b"k", "synced"));
    node.sync();
    assert_ne!(revealed(&mut node, "synced"), before);
}

/// Every node crashes at once, again and again, right after writes were acknowledged.
#[test]
fn what_was_acknowledged_survives_the_crash_of_every_node() {
    for seed in 0..10 {
        let config = buffered(config(5, (3, 2, 2), Quorum::Sloppy, Versioning::Dvv));
        let mut world = world(config, NetworkSettings::default(), seed);
        world.run_until(world.now_ns() + SECOND);
        let mut acknowledged = Vec::new();
        for round in 0..5u16 {
            for number in 0..20u16 {
                let key = format!("key-{round}-{number}").into_bytes();
                let id = world.request(NodeId(number % 5), put(&key, "v")).expect("up");
                world.run_until(world.now_ns() + 8 * MS);
                if world.take_reply(id) == Some(Reply::Stored) {
                    acknowledged.push(key);
                }
            }
            let last = format!("last-{round}").into_bytes();
            let id = world.request(NodeId(round), put(&last, "v")).expect("up");
            let (until, mut is_stored) = (world.now_ns() + SECOND, false);
            while !is_stored && world.now_ns() < until {
                world.step(until);
                is_stored = world.take_reply(id) == Some(Reply::Stored);
            }
            // At this very moment all of them crash.
            acknowledged.extend(is_stored.then_some(last));
            let nodes: Vec<NodeId> = world.nodes().collect();
            nodes.iter().for_each(|node| world.crash(*node));
            nodes.iter().for_each(|node| world.start(*node).expect("it starts from its disk"));
            world.run_until(world.now_ns() + 200 * MS);
        }
        world.run_until(world.now_ns() + 20 * SECOND);
        assert!(acknowledged.len() > 60, "{} of 100 writes were served", acknowledged.len());
        for key in acknowledged {
            let id = world.request(A, Request::Get { key: key.clone(), r: Some(3), n: None }).expect("up");
            world.run_until(world.now_ns() + SECOND);
            let reply = world.take_reply(id);
            assert!(matches!(&reply, Some(Reply::Got { values, .. }) if values.len() == 1), "{key:?}: {reply:?}");
        }
    }
}
