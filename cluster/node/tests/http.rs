//! The client side of a running node, byte by byte.

mod common;

use std::sync::Mutex;

use base64::Engine as _;
use cluster_core::api::{Row, Write};
use cluster_core::client::wire::{self, StoreBody};
use cluster_core::config::Versioning;
use cluster_core::membership::{FOUNDING_VIEW, History};
use cluster_core::versions::KeyState;
use cluster_node::storage::{StorageEngine, StorageError};
use cluster_node::{NodeError, serve_with};
use common::*;
use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn a_value_is_put_read_and_deleted() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (_node, http) = one_node(dir.path()).await;
    assert_eq!(http.get("/kv/tea").await.status(), 404);
    assert_eq!(http.put("/kv/tea", None, b"green\0\xff").await, 204);
    let response = http.get("/kv/tea").await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/octet-stream");
    let context = context_of(&response);
    assert_eq!(response.bytes().await.expect("a body").as_ref(), b"green\0\xff");
    assert_eq!(http.send(Method::DELETE, "/kv/tea", Some(&context), Vec::new()).await.status(), 204);
    let gone = http.get("/kv/tea").await;
    assert_eq!(gone.status(), 404);
    let past = context_of(&gone);
    assert_eq!(
        http.put("/kv/tea", Some(&past), b"black").await,
        204,
        "the tombstone's context is good for a new write"
    );
    assert_eq!(http.get("/kv/tea").await.bytes().await.expect("a body").as_ref(), b"black");
}

#[tokio::test]
async fn concurrent_writes_are_siblings_and_their_context_replaces_them_all() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (_node, http) = one_node(dir.path()).await;
    assert_eq!(http.put("/kv/cart", None, b"tea").await, 204);
    assert_eq!(http.put("/kv/cart", None, b"milk").await, 204);
    let response = http.get("/kv/cart").await;
    assert_eq!(response.status(), 300);
    let context = context_of(&response);
    assert_eq!(siblings_of(response).await, [b"milk".to_vec(), b"tea".to_vec()]);
    assert_eq!(http.put("/kv/cart", Some(&context), b"tea and milk").await, 204);
    let merged = http.get("/kv/cart").await;
    assert_eq!(merged.status(), 200);
    assert_eq!(merged.bytes().await.expect("a body").as_ref(), b"tea and milk");
}

#[tokio::test]
async fn a_key_is_any_bytes_and_an_empty_value_is_a_value() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (_node, http) = one_node(dir.path()).await;
    assert_eq!(http.put("/kv/%00%ff%2f", None, b"").await, 204);
    let response = http.get("/kv/%00%FF%2F").await;
    assert_eq!((response.status().as_u16(), response.bytes().await.expect("a body").len()), (200, 0));
    assert_eq!(http.get("/kv/%00%ff").await.status(), 404);
}

#[tokio::test]
async fn what_cannot_be_understood_is_refused_and_did_not_happen() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (_node, http) = one_node(dir.path()).await;
    assert_eq!(http.put("/kv/a", None, b"1").await, 204);
    let foreign = context_of(&http.get("/kv/a").await);
    for (path, context) in [
        ("/kv/b", Some("no context at all")),
        ("/kv/b", Some("")),
        ("/kv/b", Some(foreign.as_str())),
        ("/kv/b?w=two", None),
        ("/kv/b?w=", None),
        ("/kv/b?w=2", None),
        ("/kv/b?w=0", None),
        ("/kv/b?w=256", None),
        ("/kv/b?quorum=1", None),
        ("/kv/%zz", None),
        ("/kv/", None),
    ] {
        let response = http.send(Method::PUT, path, context, b"2".to_vec()).await;
        assert_eq!(response.status(), 400, "{path} {context:?}");
        let page = json_of(response).await;
        assert_eq!(page["happened"], "no", "{page}");
        assert!(page["error"].is_string(), "{page}");
    }
    assert_eq!(http.get("/kv/b").await.status(), 404);
    assert_eq!(http.get("/kv/b?r=x").await.status(), 400);
    assert_eq!(http.send(Method::POST, "/kv/b", None, Vec::new()).await.status(), 405);
    assert_eq!(http.get("/kv/a?n=1&r=1&w=1").await.status(), 200);
}

#[tokio::test]
async fn a_value_of_the_limit_is_stored_and_a_larger_one_refused() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut options = options(1, 0, 1, dir.path());
    options.core.limits.value_bytes_max = 1 << 16;
    let (_node, http) = start(options).await;
    assert_eq!(http.put("/kv/a", None, &vec![7; 1 << 16]).await, 204);
    let refused = http.send(Method::PUT, "/kv/b", None, vec![7; (1 << 16) + 1]).await;
    assert_eq!(refused.status(), 413);
    assert_eq!(json_of(refused).await["happened"], "no");
    assert_eq!(http.get("/kv/b").await.status(), 404);
    assert_eq!(http.get("/kv/a").await.bytes().await.expect("a body").len(), 1 << 16);
    let announced = talk(http.address, b"PUT /kv/c HTTP/1.1\r\nhost: n1\r\ncontent-length: 99999999999\r\n\r\n").await;
    assert!(announced.starts_with(b"HTTP/1.1 413"), "{}", announced.escape_ascii());
}

#[tokio::test]
async fn a_half_sent_request_is_cut_and_holds_nobody_up() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (_node, http) = one_node(dir.path()).await;
    let (head, body, garbage, ()) = tokio::join!(
        talk(http.address, b"PUT /kv/a HTTP/1.1\r\nhost"),
        talk(http.address, b"PUT /kv/a HTTP/1.1\r\nhost: n1\r\ncontent-length: 10\r\n\r\nhalf"),
        talk(http.address, b"\x16\x03\x01\x02\x00 certainly not HTTP\r\n\r\n"),
        async { assert_eq!(http.put("/kv/b", None, b"1").await, 204) },
    );
    assert!(head.is_empty() || head.starts_with(b"HTTP/1.1 408"), "{}", head.escape_ascii());
    assert!(body.starts_with(b"HTTP/1.1 408"), "{}", body.escape_ascii());
    assert!(garbage.starts_with(b"HTTP/1.1 400"), "{}", garbage.escape_ascii());
    assert_eq!(http.get("/kv/a").await.status(), 404, "half a value is no value");
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_nothing_behind() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (_node, http) = one_node(dir.path()).await;
    for number in 0..50 {
        let mut stream = TcpStream::connect(http.address).await.expect("connects");
        let request = format!("PUT /kv/key-{number} HTTP/1.1\r\nhost: n1\r\ncontent-length: 1\r\n\r\nx");
        stream.write_all(request.as_bytes()).await.expect("sends");
    }
    http.until("/status", |page| page["requests"] == 0 && page["connections"]["clients"] == 1).await;
    let metrics = http.get("/metrics").await.text().await.expect("text");
    assert!(metrics.contains("dynamo_node_queue_depth{queue=\"replies\"} 0\n"), "{metrics}");
}

#[tokio::test]
async fn requests_may_follow_each_other_on_one_connection() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (node, _http) = one_node(dir.path()).await;
    let mut stream = TcpStream::connect(node.client_address()).await.expect("connects");
    for number in 0..3 {
        let request = format!("PUT /kv/k{number} HTTP/1.1\r\nhost: n1\r\ncontent-length: 1\r\n\r\nx");
        stream.write_all(request.as_bytes()).await.expect("sends");
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.expect("an answer");
        assert_eq!(&answer, b"HTTP/1.1 204");
        let mut seen = Vec::new();
        while !seen.ends_with(b"\r\n\r\n") {
            seen.push(stream.read_u8().await.expect("the rest of the head"));
        }
    }
}

#[tokio::test]
async fn a_node_reports_its_state() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (_node, http) = one_node(dir.path()).await;
    assert_eq!(http.put("/kv/tea", None, b"green").await, 204);
    let status = http.json("/status").await;
    assert_eq!(status["name"], "n1");
    assert_eq!(status["pid"], std::process::id());
    assert_eq!(status["keys"], 1);
    assert_eq!(status["protocol_version"], 2);
    assert!(status["wall_ns"].as_i64() > Some(1_600_000_000_000_000_000), "{status}");
    assert!(status["monotonic_ns"].is_u64(), "{status}");
    let ring = http.json("/ring/tea").await;
    assert_eq!(ring, serde_json::json!({ "preference": ["n1"], "replicas": 1 }));
    let local = http.json("/local/tea").await;
    let versions = local["versions"].as_array().expect("a list");
    assert_eq!(versions.len(), 1);
    assert!(versions[0]["id"].is_string(), "{local}");
    let green = base64::engine::general_purpose::STANDARD.encode("green");
    assert_eq!(versions[0]["value"], green.as_str());
    let metrics = http.get("/metrics").await.text().await.expect("text");
    for line in [
        "dynamo_keys 1",
        "dynamo_node_request_seconds_count{method=\"put\"} 1",
        "dynamo_node_queue_depth{queue=\"persists\"} 0",
    ] {
        assert!(metrics.contains(&format!("{line}\n")), "no {line} in\n{metrics}");
    }
}

#[tokio::test]
async fn a_tombstone_is_seen_where_it_lies() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (_node, http) = one_node(dir.path()).await;
    assert_eq!(http.json("/local/tea").await["versions"], serde_json::json!([]));
    assert_eq!(http.put("/kv/tea", None, b"green").await, 204);
    let context = context_of(&http.get("/kv/tea").await);
    assert_eq!(http.send(Method::DELETE, "/kv/tea", Some(&context), Vec::new()).await.status(), 204);
    let local = http.json("/local/tea").await;
    assert_eq!(local["versions"].as_array().map(Vec::len), Some(1), "{local}");
    assert_eq!(local["versions"][0]["value"], serde_json::Value::Null);
}

/// Works until the first row of a client is written.
#[derive(Default)]
struct FullDisk {
    commits: Mutex<u32>,
}

impl StorageEngine for FullDisk {
    fn load(&self) -> Result<Vec<Row>, StorageError> {
        Ok(Vec::new())
    }

    fn commit(&mut self, writes: &[Write]) -> Result<(), StorageError> {
        *self.commits.lock().expect("not poisoned") += 1;
        let full = writes.iter().any(|write| write.table == cluster_core::api::Table::Data);
        match full {
            true => Err(StorageError::Engine {
                path: "full".into(),
                doing: "written",
                source: std::io::Error::from(std::io::ErrorKind::StorageFull).into(),
            }),
            false => Ok(()),
        }
    }
}

#[tokio::test]
async fn a_full_disk_ends_the_node_and_the_write_is_not_acknowledged() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let options = options(1, 0, 1, dir.path());
    let engine = Box::new(FullDisk::default());
    let mut node = serve_with(options, listeners().await, engine).await.expect("the node starts");
    let http = Http::to(&node);
    let (error, answer) = tokio::join!(node.wait(), http.put("/kv/tea", None, b"green"));
    assert!(matches!(error, NodeError::Store(_)), "{error}");
    assert!(error.to_string().starts_with("the store full cannot be written: "), "{error}");
    assert_eq!(answer, 504, "it may have happened");
}

/// What a coordinating client (6.4) reads of one node and writes to it: whole states with their timestamps.
#[tokio::test]
async fn a_replica_is_read_and_written_by_whole_states() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut options = options(1, 0, 1, dir.path());
    options.core.versions = Versioning::Lww;
    let (_node, http) = start(options).await;
    let nothing = http.get("/replica/tea").await;
    assert_eq!(nothing.status(), 200);
    let nothing: KeyState = wire::decode(&nothing.bytes().await.expect("a body")).expect("a state");
    assert!(nothing.is_empty());
    assert_eq!(http.put("/kv/tea", None, b"green").await, 204);
    let bytes = http.get("/replica/tea").await.bytes().await.expect("a body");
    let state: KeyState = wire::decode(&bytes).expect("a state");
    assert_eq!(state.versions().len(), 1);
    let body = wire::encode(&StoreBody { state, hint_for: None, view: FOUNDING_VIEW });
    assert_eq!(http.put("/replica/coffee", None, &body).await, 204);
    assert_eq!(http.get("/replica/coffee").await.bytes().await.expect("a body"), bytes);
    assert_eq!(http.get("/kv/coffee").await.bytes().await.expect("a body").as_ref(), b"green");
    assert_eq!(http.get("/replica/tea?view=7").await.status(), 409, "a client of another view is refused");
    assert_eq!(http.get("/replica/tea?view=x").await.status(), 400);
    let history: History = wire::decode(&http.get("/history").await.bytes().await.expect("a body")).expect("a history");
    assert!(history.is_empty());
    for wrong in [&b""[..], b"\x01", b"\x02\x00\x00", &body[..body.len() - 1]] {
        assert_eq!(http.put("/replica/coffee", None, wrong).await, 400, "{wrong:?}");
    }
    let stranger = wire::encode(&StoreBody { state: KeyState::default(), hint_for: None, view: FOUNDING_VIEW });
    assert_eq!(http.put("/replica/coffee", None, &stranger).await, 400, "nothing is no state to store");
}
