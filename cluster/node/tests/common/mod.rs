//! What the tests of a running node share.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cluster_core::api::NodeId;
use cluster_core::config::Durability;
use cluster_core::config::{Config, Limits, Partitioning, Quorum, Timing, Versioning};
use cluster_core::protocol::Protocol;
use cluster_node::options::any_local_port;
use cluster_node::{Engine, Listeners, NodeHandle, NodeOptions, serve_on};
use reqwest::{Client, Method, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// No test waits longer than this for anything; none needs more than a second or two.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub const CONTEXT: &str = "x-dynamo-context";

/// Options of node `id` of `nodes`, with N = R = W = `quorum`, whose peers are still to be named.
pub fn options(nodes: u16, id: u16, quorum: u8, data_dir: &Path) -> NodeOptions {
    let core = Config {
        id: NodeId(id),
        names: (1..=nodes).map(|number| format!("n{number}")).collect(),
        n: quorum,
        r: quorum,
        w: quorum,
        quorum: Quorum::Sloppy,
        versions: Versioning::Dvv,
        coordinator: Default::default(),
        partitioning: Partitioning::Random { tokens: 8 },
        members: None,
        seeds: Vec::new(),
        capacities: Vec::new(),
        data_centres: Vec::new(),
        ring_seed: 42,
        seed: u64::from(id),
        timing: Timing { request_timeout: Duration::from_secs(20), ..Timing::default() },
        limits: Limits::default(),
        protocol: Protocol::NEWEST,
        durability: Durability::Synced,
        bug: None,
    };
    NodeOptions {
        drop_damaged: false,
        core,
        data_dir: data_dir.join(format!("n{}", id + 1)),
        engine: Engine::Redb,
        client_listen: any_local_port(),
        peer_listen: any_local_port(),
        peers: BTreeMap::new(),
        clock_fd: None,
        parent_pid: None,
    }
}

pub async fn listeners() -> Listeners {
    Listeners::bind(any_local_port(), any_local_port()).await.expect("two free ports")
}

/// A cluster of one.
pub async fn one_node(data_dir: &Path) -> (NodeHandle, Http) {
    start(options(1, 0, 1, data_dir)).await
}

pub async fn start(options: NodeOptions) -> (NodeHandle, Http) {
    let node = serve_on(options, listeners().await).await.expect("the node starts");
    let http = Http::to(&node);
    (node, http)
}

/// A cluster in one process, its nodes joined over loopback.
pub async fn cluster(nodes: u16, quorum: u8, data_dir: &Path) -> Vec<NodeHandle> {
    cluster_founded_by(nodes, nodes, quorum, data_dir).await
}

/// The same, of which only the first so many are members at first.
pub async fn cluster_founded_by(founders: u16, nodes: u16, quorum: u8, data_dir: &Path) -> Vec<NodeHandle> {
    let mut sockets = Vec::new();
    for _ in 0..nodes {
        sockets.push(listeners().await);
    }
    let addresses: Vec<SocketAddr> = sockets.iter().map(|sockets| sockets.addresses().expect("bound").1).collect();
    let mut handles = Vec::new();
    for (id, sockets) in (0..nodes).zip(sockets) {
        let mut options = options(nodes, id, quorum, data_dir);
        options.core.members = Some(founders);
        options.core.timing.gossip_interval = Duration::from_millis(50);
        let peers = (0..nodes).map(NodeId).zip(addresses.iter().copied());
        options.peers = peers.filter(|(peer, _)| peer.0 != id).collect();
        handles.push(serve_on(options, sockets).await.expect("the node starts"));
    }
    handles
}

/// A client of one node.
pub struct Http {
    client: Client,
    pub address: SocketAddr,
}

impl Http {
    pub fn to(node: &NodeHandle) -> Self {
        // A node closes an idle connection after ten seconds, perhaps in the very moment in which it is used again.
        let client = Client::builder().timeout(PATIENCE).pool_idle_timeout(PATIENCE / 20).build().expect("a client");
        Self { client, address: node.client_address() }
    }

    pub async fn send(&self, method: Method, path: &str, context: Option<&str>, body: Vec<u8>) -> Response {
        let mut request = self.client.request(method, format!("http://{}{path}", self.address)).body(body);
        if let Some(context) = context {
            request = request.header(CONTEXT, context);
        }
        request.send().await.expect("an answer")
    }

    pub async fn get(&self, path: &str) -> Response {
        self.send(Method::GET, path, None, Vec::new()).await
    }

    pub async fn put(&self, path: &str, context: Option<&str>, value: &[u8]) -> u16 {
        self.send(Method::PUT, path, context, value.to_vec()).await.status().as_u16()
    }

    pub async fn json(&self, path: &str) -> serde_json::Value {
        let response = self.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        json_of(response).await
    }

    /// Asks until the page is as wanted.
    pub async fn until(&self, path: &str, wanted: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        let mut last = serde_json::Value::Null;
        let poll = async {
            loop {
                last = self.json(path).await;
                if wanted(&last) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let came = tokio::time::timeout(PATIENCE, poll).await;
        assert!(came.is_ok(), "{path} never became as wanted: {last}");
        last
    }
}

pub fn context_of(response: &Response) -> String {
    response.headers()[CONTEXT].to_str().expect("text").to_owned()
}

pub async fn json_of(response: Response) -> serde_json::Value {
    serde_json::from_slice(&response.bytes().await.expect("a body")).expect("JSON")
}

/// The siblings of a 300, decoded and sorted.
pub async fn siblings_of(response: Response) -> Vec<Vec<u8>> {
    let page = json_of(response).await;
    let siblings = page["siblings"].as_array().expect("a list").iter();
    let decode = |sibling: &serde_json::Value| BASE64.decode(sibling.as_str().expect("text")).expect("base64");
    let mut siblings: Vec<_> = siblings.map(decode).collect();
    siblings.sort();
    siblings
}

/// Sends bytes and reads what comes back until the other end closes.
pub async fn talk(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.expect("connects");
    stream.write_all(bytes).await.expect("sends");
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the node hangs up");
    // A reset is a hang-up too: the node closed with bytes of ours unread.
    assert!(read.is_ok() || answer.is_empty(), "{read:?}");
    answer
}
