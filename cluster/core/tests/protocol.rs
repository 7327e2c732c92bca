//! Two versions of the peer protocol in one cluster: what is spoken with whom, what is refused, and an upgrade under
//! load.

mod common;

use cluster_core::api::{NodeId, Reply, Request};
use cluster_core::config::{Config, Quorum, Versioning};
use cluster_core::envelope::Envelope;
use cluster_core::message::{Message, Tag};
use cluster_core::protocol::Protocol;
use cluster_core::sim::network::NetworkSettings;
use common::lone::{A, B, C, Lone, at, sloppy};
use common::*;

fn ping(tag: u64) -> Message {
    Message::Ping { tag: Tag(tag) }
}

/// A message as a peer of the newest version writes it to one that it takes for a neighbour of version `version`.
fn newest(version: u8, message: Message) -> Envelope {
    Envelope { version, newest: Protocol::NEWEST.number(), message }
}

fn store(tag: u64, key: &[u8]) -> Message {
    Message::Store { tag: Tag(tag), key: key.to_vec(), state: Default::default(), hint_for: None }
}

fn lone(protocol: Protocol) -> Lone {
    let mut node = Lone::start(at(A, &Config { protocol, ..sloppy(3, (3, 2, 2)) }));
    node.sync();
    node.take_sent();
    node
}

#[test]
fn a_peer_is_spoken_to_in_the_newest_version_that_both_speak() {
    let mut node = lone(Protocol::NEWEST);
    let sealed = |node: &Lone, to: NodeId| node.node.seal(to, ping(1)).version;
    assert_eq!(sealed(&node, B), 1, "nothing is known of it yet");
    node.envelope(B, newest(1, ping(2)));
    assert_eq!((sealed(&node, B), sealed(&node, C)), (2, 1), "it says that it speaks 2; the other has said nothing");
    node.envelope(B, Envelope::oldest(ping(3)));
    assert_eq!(sealed(&node, B), 1, "it has come back as it was before");
    let old = lone(Protocol::OLDEST);
    assert_eq!((sealed(&old, B), old.node.seal(B, ping(1)).newest), (1, 1));
}

#[test]
fn an_unknown_version_is_refused_with_a_reason_and_counted() {
    let mut node = lone(Protocol::NEWEST);
    node.envelope(B, Envelope { version: 3, newest: 3, message: ping(1) });
    assert_eq!(node.take_sent(), [], "a ping that is understood is answered");
    assert_eq!(node.metric("versions_refused_total"), 1);
    let why = node.node.status().last_refusal.expect("it was refused");
    assert_eq!(why, "from n2: protocol version 3 where this node speaks 1 to 2");
    let mut old = lone(Protocol::OLDEST);
    old.envelope(B, newest(2, ping(1)));
    old.envelope(B, newest(1, Message::StoredAll { tags: vec![Tag(1)] }));
    assert_eq!((old.take_sent(), old.metric("versions_refused_total")), (vec![], 2));
    old.envelope(B, newest(1, ping(2)));
    assert_eq!(old.take_sent(), [(B, Message::Pong { tag: Tag(2) })], "a neighbour that speaks its version is heard");
}

#[test]
fn version_2_gathers_the_acknowledgements_of_a_step() {
    let mut node = lone(Protocol::NEWEST);
    node.envelope(B, newest(2, store(1, b"a")));
    node.envelope(C, Envelope::oldest(store(2, b"a")));
    node.sync();
    let acks = node.take_sent();
    assert_eq!(acks, [(B, Message::StoredAll { tags: vec![Tag(1)] }), (C, Message::Stored { tag: Tag(2) })]);
}

/// Every node is started again with the next version, one after the other, and serves meanwhile.
#[test]
fn a_rolling_upgrade_under_load_loses_nothing_and_ends_in_the_new_version() {
    let old = Config { protocol: Protocol::OLDEST, ..config(5, (3, 2, 2), Quorum::Sloppy, Versioning::Dvv) };
    let mut world = world(old, NetworkSettings::default(), 7);
    let mut acknowledged = Vec::new();
    for round in 0..6u16 {
        for number in 0..20 {
            let key = format!("key-{round}-{number}").into_bytes();
            let put = Request::Put { key: key.clone(), value: Some(b"v".to_vec()), context: None, w: None, n: None };
            let id = world.request(NodeId((round + number) % 5), put).expect("up");
            world.run_until(world.now_ns() + 50 * MS);
            if world.take_reply(id) == Some(Reply::Stored) {
                acknowledged.push(key);
            }
        }
        if round < 5 {
            let node = NodeId(round);
            world.crash(node);
            world.set_protocol(node, Protocol::NEWEST);
            world.run_until(world.now_ns() + 300 * MS);
            world.start(node).expect("it starts with the next version");
        }
    }
    world.run_until(world.now_ns() + 20 * SECOND);
    assert!(acknowledged.len() > 110, "{} of 120 writes were served", acknowledged.len());
    for key in acknowledged {
        let id = world.request(A, Request::Get { key: key.clone(), r: None, n: None }).expect("up");
        world.run_until(world.now_ns() + SECOND);
        let reply = world.take_reply(id);
        assert!(matches!(&reply, Some(Reply::Got { values, .. }) if values.len() == 1), "{key:?}: {reply:?}");
    }
    for node in world.nodes() {
        let up = world.node(node).expect("it is up");
        assert_eq!(up.status().protocol_version, 2);
        assert_eq!(metric(up, "versions_refused_total"), 0, "nobody said what another does not understand");
    }
}
