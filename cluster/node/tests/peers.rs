//! The peer side of a running node, byte by byte: whatever comes, it is refused and counted, and the node goes on.

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use cluster_core::api::NodeId;
use cluster_core::message::{Message, Tag};
use cluster_core::protocol::Protocol;
use cluster_node::NodeHandle;
use cluster_node::frame::{Hello, PAYLOAD_BYTES_MAX, decode, encode, take};
use common::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One real node, `n1` of two, whose peer `n2` is the test.
async fn node_with_a_peer(peer: SocketAddr) -> (tempfile::TempDir, NodeHandle, Http) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut options = options(2, 0, 1, dir.path());
    options.peers.insert(NodeId(1), peer);
    let (node, http) = start(options).await;
    (dir, node, http)
}

async fn lonely_node() -> (tempfile::TempDir, NodeHandle, Http) {
    // A port that was free a moment ago: nobody answers there, and nothing depends on it.
    let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a free port").local_addr().expect("bound");
    node_with_a_peer(nobody).await
}

fn hello() -> Hello {
    Hello { cluster: 42, from: NodeId(1), version_min: 1, version_max: 1 }
}

fn frame(value: &impl serde::Serialize) -> Vec<u8> {
    encode(1, 1, value).expect("it fits")
}

fn ping() -> Message {
    Message::Ping { tag: Tag(7) }
}

async fn refused(http: &Http, reason: &str, count: u64) {
    http.until("/status", |page| page["connections"]["refused"][reason] == count).await;
    assert_eq!(http.put("/kv/still-there", None, b"1").await, 204);
}

#[tokio::test]
async fn what_is_no_frame_is_refused_by_reason() {
    let (_dir, node, http) = lonely_node().await;
    let oversized = [&u32::MAX.to_le_bytes()[..], &[1, 1, 0, 0, 0, 0]].concat();
    let just_oversized = [&(PAYLOAD_BYTES_MAX as u32 + 1).to_le_bytes()[..], &[1, 1, 0, 0, 0, 0]].concat();
    let mut version = frame(&hello());
    version[4] = 3;
    let mut damaged = frame(&hello());
    damaged[10] ^= 1;
    let leftover = frame(&(hello(), 0u8));
    for (bytes, reason, count) in [
        (oversized, "oversized", 1),
        (just_oversized, "oversized", 2),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "version", 1),
        (version, "version", 2),
        (damaged, "checksum", 1),
        (frame(&()), "payload", 1),
        (leftover, "payload", 2),
    ] {
        assert_eq!(talk(node.peer_address(), &bytes).await, b"", "a reader says nothing");
        refused(&http, reason, count).await;
    }
}

#[tokio::test]
async fn who_is_no_peer_is_refused_by_reason() {
    let (_dir, node, http) = lonely_node().await;
    for (hello, reason, count) in [
        (Hello { cluster: 43, ..hello() }, "cluster", 1),
        (Hello { from: NodeId(0), ..hello() }, "sender", 1),
        (Hello { from: NodeId(2), ..hello() }, "sender", 2),
        (Hello { version_min: 3, version_max: 4, ..hello() }, "version", 1),
        (Hello { version_min: 0, version_max: 0, ..hello() }, "version", 2),
    ] {
        assert_eq!(talk(node.peer_address(), &frame(&hello)).await, b"");
        refused(&http, reason, count).await;
    }
}

#[tokio::test]
async fn garbage_after_a_good_hello_is_refused_too() {
    let (_dir, node, http) = lonely_node().await;
    let nonsense = frame(&vec![255u8; 20]);
    let bytes = [frame(&hello()), nonsense].concat();
    assert_eq!(talk(node.peer_address(), &bytes).await, b"");
    refused(&http, "payload", 1).await;
}

#[tokio::test]
async fn a_stranger_that_says_nothing_is_sent_away() {
    let (_dir, node, http) = lonely_node().await;
    assert_eq!(talk(node.peer_address(), &frame(&hello())[..5]).await, b"");
    refused(&http, "silent", 1).await;
}

#[tokio::test]
async fn of_many_connections_of_one_peer_the_newest_stay() {
    let (_dir, node, http) = lonely_node().await;
    let mut streams = Vec::new();
    for number in 1..=4 {
        let mut stream = TcpStream::connect(node.peer_address()).await.expect("connects");
        stream.write_all(&frame(&hello())).await.expect("sends");
        http.until("/status", |page| page["connections"]["inbound"] == number).await;
        streams.push(stream);
    }
    let mut newest = TcpStream::connect(node.peer_address()).await.expect("connects");
    newest.write_all(&frame(&hello())).await.expect("sends");
    let read = tokio::time::timeout(PATIENCE, streams[0].read(&mut [0; 1])).await.expect("the oldest is closed");
    assert!(matches!(read, Ok(0) | Err(_)));
    newest.write_all(&frame(&ping())).await.expect("sends");
    http.until("/status", |page| page["connections"]["frames_received"] == 1 && page["connections"]["inbound"] == 4)
        .await;
}

#[tokio::test]
async fn a_node_dials_says_who_it_is_and_answers_there() {
    let peer = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let (_dir, node, http) = node_with_a_peer(peer.local_addr().expect("bound")).await;
    let expected =
        encode(1, 2, &Hello { cluster: 42, from: NodeId(0), version_min: 1, version_max: 2 }).expect("it fits");
    // The first connection is thrown away at once: the node must come back.
    drop(peer.accept().await.expect("the node dials"));
    let (mut stream, _) =
        tokio::time::timeout(PATIENCE, peer.accept()).await.expect("it dials again").expect("accepts");
    let mut said = vec![0; expected.len()];
    stream.read_exact(&mut said).await.expect("a hello");
    assert_eq!(said, expected);
    http.until("/status", |page| page["connections"]["outbound"]["n2"] == true).await;
    let mut sender = TcpStream::connect(node.peer_address()).await.expect("connects");
    sender.write_all(&[frame(&hello()), frame(&ping())].concat()).await.expect("sends");
    let pong = tokio::time::timeout(PATIENCE, find_pong(&mut stream)).await.expect("the node answers");
    assert!(pong);
    drop(stream);
    http.until("/status", |page| page["connections"]["outbound"]["n2"] == false).await;
}

/// Reads frames until the answer to our ping.
async fn find_pong(stream: &mut TcpStream) -> bool {
    let mut buffer = bytes::BytesMut::new();
    loop {
        while let Some(framed) = take(&mut buffer, Protocol::NEWEST).expect("frames") {
            if decode::<Message>(&framed.payload) == Ok(Message::Pong { tag: Tag(7) }) {
                return true;
            }
        }
        if stream.read_buf(&mut buffer).await.expect("bytes") == 0 {
            return false;
        }
    }
}

#[tokio::test]
async fn a_peer_that_takes_nothing_costs_messages_and_nothing_else() {
    let peer = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let dir = tempfile::tempdir().expect("a temporary directory");
    // Both nodes are replicas and one acknowledgement is enough, so each write is also a message to the peer.
    let mut options = options(2, 0, 2, dir.path());
    (options.core.w, options.core.r) = (1, 1);
    options.peers.insert(NodeId(1), peer.local_addr().expect("bound"));
    options.core.timing.replica_timeout = PATIENCE;
    let (_node, http) = start(options).await;
    let held = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = peer.accept().await {
            held.push(stream);
        }
    });
    let value = vec![7; 1 << 20];
    let mut dropped = 0;
    // Each key once: many siblings of one key would be refused before any queue is full.
    for number in 0..200 {
        // The key's first replica may be the peer; then the write is only forwarded, and not waited for.
        let path = format!("/kv/key-{number}");
        let _ = tokio::time::timeout(Duration::from_millis(200), http.put(&path, None, &value)).await;
        dropped = http.json("/status").await["connections"]["sends_dropped"].as_u64().expect("a number");
        if dropped > 0 {
            break;
        }
    }
    assert!(dropped > 0, "nothing was ever dropped");
    held.abort();
}
