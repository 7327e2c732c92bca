//! Whole nodes with each other, over loopback, and again after they were down.

mod common;

use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use cluster_core::api::NodeId;
use cluster_node::{Engine, Listeners, NodeError, NodeOptions, serve_on};
use common::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_hold_what_any_one_was_given() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let nodes = cluster(3, 3, dir.path()).await;
    let clients: Vec<Http> = nodes.iter().map(Http::to).collect();
    for client in &clients {
        client
            .until("/status", |page| {
                let links = page["connections"]["outbound"].as_object().expect("an object");
                links.len() == 2 && links.values().all(|link| link == true)
            })
            .await;
    }
    for (number, client) in clients.iter().enumerate() {
        let value = format!("from {number}");
        assert_eq!(client.put(&format!("/kv/key-{number}"), None, value.as_bytes()).await, 204);
    }
    for number in 0..3 {
        for client in &clients {
            let value = client.get(&format!("/kv/key-{number}")).await.text().await.expect("text");
            assert_eq!(value, format!("from {number}"));
        }
        let path = format!("/local/key-{number}");
        let first =
            clients[0].until(&path, |page| page["versions"].as_array().is_some_and(|list| list.len() == 1)).await;
        for client in &clients[1..] {
            client.until(&path, |page| *page == first).await;
        }
        let rings = (
            clients[0].json(&format!("/ring/key-{number}")).await,
            clients[2].json(&format!("/ring/key-{number}")).await,
        );
        assert_eq!(rings.0, rings.1);
        assert_eq!(rings.0["preference"].as_array().map(Vec::len), Some(3));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_down_is_dialled_again_and_catches_up() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut nodes = cluster(2, 1, dir.path()).await;
    let clients: Vec<Http> = nodes.iter().map(Http::to).collect();
    clients[0].until("/status", |page| page["connections"]["outbound"]["n2"] == true).await;
    let second = nodes.pop().expect("two nodes");
    let (client_address, peer_address) = (second.client_address(), second.peer_address());
    second.shutdown().await;
    clients[0].until("/status", |page| page["connections"]["outbound"]["n2"] == false).await;
    let mut options = options(2, 1, 1, dir.path());
    options.peers.insert(NodeId(0), nodes[0].peer_address());
    let sockets = Listeners::bind(client_address, peer_address).await.expect("the same ports");
    let _again = serve_on(options, sockets).await.expect("the node starts again");
    clients[0].until("/status", |page| page["connections"]["outbound"]["n2"] == true).await;
    clients[0].until("/status", |page| page["peers"] == serde_json::json!([["n2", true]])).await;
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    for engine in [Engine::Redb, Engine::Fjall] {
        acknowledged_writes_outlive_a_node_on(engine).await;
    }
}

async fn acknowledged_writes_outlive_a_node_on(engine: Engine) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let options = NodeOptions { engine, ..options(1, 0, 1, dir.path()) };
    let (node, http) = start(options.clone()).await;
    let keys: Vec<String> = (0..40).map(|number| format!("/kv/key-{number}")).collect();
    let puts: Vec<_> = keys.iter().map(|key| http.put(key, None, key.as_bytes())).collect();
    for put in puts {
        assert_eq!(put.await, 204);
    }
    node.shutdown().await;
    let (_node, http) = start(options).await;
    for key in &keys {
        let response = http.get(key).await;
        assert_eq!(response.status(), 200, "{key} on {engine}");
        let context = context_of(&response);
        assert_eq!(response.text().await.expect("text"), *key);
        assert_eq!(http.put(key, Some(&context), b"2").await, 204, "a context outlives the node that gave it");
    }
}

#[tokio::test]
async fn a_node_on_memory_comes_back_empty() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut options = options(1, 0, 1, dir.path());
    options.engine = Engine::Memory;
    let (node, http) = start(options.clone()).await;
    assert_eq!(http.put("/kv/tea", None, b"green").await, 204);
    assert_eq!(http.get("/kv/tea").await.status(), 200);
    node.shutdown().await;
    let (_node, http) = start(options).await;
    assert_eq!(http.get("/kv/tea").await.status(), 404);
}

#[tokio::test]
async fn a_node_refuses_another_nodes_disk() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (node, http) = one_node(dir.path()).await;
    assert_eq!(http.put("/kv/tea", None, b"green").await, 204);
    node.shutdown().await;
    let mut options = options(1, 0, 1, dir.path());
    options.core.ring_seed = 43;
    let error = serve_on(options, listeners().await).await.expect_err("it belongs to another ring");
    assert!(matches!(error, NodeError::Core(_)), "{error}");
}

#[tokio::test]
async fn a_node_believes_its_bent_clock_at_once() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let bend = |offset_ns: i64| {
        let checksum = offset_ns.cast_unsigned() ^ 0x9E37_79B9_7F4A_7C15;
        let words = [offset_ns.to_le_bytes(), [0; 8], [0; 8], checksum.to_le_bytes()];
        file.as_file().write_all_at(&[b"DSNSCLK1".to_vec(), words.concat()].concat(), 0).expect("forty bytes");
    };
    bend(0);
    let mut options = options(1, 0, 1, dir.path());
    options.clock_fd = Some(file.as_file().as_raw_fd());
    let (_node, http) = start(options).await;
    let day_ns = 86_400_000_000_000;
    let before = http.json("/status").await["wall_ns"].as_i64().expect("a number");
    bend(-day_ns);
    let after = http.json("/status").await["wall_ns"].as_i64().expect("a number");
    assert!((before - after - day_ns).abs() < day_ns / 2, "{before} {after}");
}

/// An administrator's commands go to any node (4.8.1): here to the one that is to join, which hands it to a member.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_joins_and_leaves_by_an_administrators_command() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let nodes = cluster_founded_by(2, 3, 1, dir.path()).await;
    let clients: Vec<Http> = nodes.iter().map(Http::to).collect();
    let standings = |page: &serde_json::Value| -> Vec<String> {
        let seats = page["seats"].as_array().expect("a list").iter();
        seats.map(|seat| seat["standing"].as_str().expect("text").to_owned()).collect()
    };
    assert_eq!(standings(&clients[2].json("/members").await), ["member", "member", "no-member"]);
    let command = async |client: &Http, path: &str| {
        client.send(reqwest::Method::POST, path, None, Vec::new()).await.status().as_u16()
    };
    // Refused for as long as the node has not heard from a member since its start.
    let heard = async { while command(&clients[0], "/admin/join/n1").await == 503 {} };
    tokio::time::timeout(PATIENCE, heard).await.expect("it hears from the other member");
    assert_eq!(command(&clients[0], "/admin/join/n1").await, 400, "it is one");
    assert_eq!(command(&clients[0], "/admin/leave/n3").await, 400, "it is none");
    assert_eq!(command(&clients[0], "/admin/leave/nobody").await, 400);
    for (path, standing) in [("/admin/join/n3", "member"), ("/admin/leave/n3", "no-member")] {
        let taken = async { while command(&clients[2], path).await != 204 {} };
        tokio::time::timeout(PATIENCE, taken).await.expect("the command is taken");
        for client in &clients {
            client.until("/members", |page| standings(page) == ["member", "member", standing]).await;
        }
    }
    let pages = (clients[0].json("/members").await, clients[2].json("/members").await);
    assert_eq!(pages.0, pages.1);
    assert_eq!(pages.0["seats"][2]["version"], 2);
}
