//! What it costs a node to come back: the bytes of anti-entropy after a node with 100,000 keys was away while 0, 10 or
//! 1,000 of them changed. Merkle trees are to make it proportional to what differs, not to what is held (4.7).
//!
//! `cargo bench --bench rejoin`, or with `-- KEYS`. Three nodes, N = 3, strict quorums: no node keeps hints, so only
//! anti-entropy brings what was missed. Replicas compare their trees every half second whether they differ
//! or not; that cost is measured separately, and subtracted.

mod support;

use std::time::{Duration, Instant};

use cluster_core::config::{Quorum, Versioning};
use dissensus::systems::dynamo::DynamoSettings;
use support::{AnyError, Cluster, read_answer};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const KEYS: usize = 100_000;
const DIFFERENCES: [usize; 4] = [0, 10, 100, 1_000];
const NODES: usize = 3;
/// The node that goes.
const AWAY: usize = 2;
const CLIENTS: usize = 64;
const VALUE_BYTES: usize = 100;
/// Long enough for every pair of nodes to have compared every range.
const ROUND: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(120);

fn main() -> Result<(), AnyError> {
    let keys = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(KEYS);
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?.block_on(rejoin(keys))
}

async fn rejoin(keys: usize) -> Result<(), AnyError> {
    // The last write wins, so that putting a key again without having read it leaves one version of it.
    let settings = DynamoSettings { quorum: Quorum::Strict, versions: Versioning::Lww, ..DynamoSettings::default() };
    let mut cluster = Cluster::start("rejoin", NODES, settings)?;
    let began = Instant::now();
    put_all(&cluster, 0..keys, 'a').await?;
    println!(
        "{keys} keys of {VALUE_BYTES} bytes on each of {NODES} nodes, put in {:.1} s",
        began.elapsed().as_secs_f64()
    );
    settled(&cluster, keys).await?;
    println!("  changed   bytes exchanged     of them idle   for each changed key   after");
    for (round, changed) in DIFFERENCES.into_iter().filter(|changed| *changed <= keys).enumerate() {
        cluster.kill(AWAY);
        put_all(&cluster, 0..changed, char::from(b'b' + round as u8)).await?;
        // By then no node tries to send it what it missed any more.
        tokio::time::sleep(ROUND).await;
        cluster.start_node(AWAY)?;
        let (bytes, idle, after) = come_back(&cluster, changed).await?;
        let each = (bytes.saturating_sub(idle)).checked_div(changed as u64);
        let each = each.map_or_else(|| "-".to_owned(), |each| each.to_string());
        println!("  {changed:>7} {bytes:>17} {idle:>16} {each:>22} {:>6.1} s", after.as_secs_f64());
    }
    println!("  a listing of all keys with a digest of 16 bytes each would be {} bytes to each peer", keys * 24);
    Ok(())
}

/// From the return until the node has what it missed and a full round has passed: the bytes in all, what an equal time
/// costs when nothing differs, and how long it took.
async fn come_back(cluster: &Cluster, changed: usize) -> Result<(u64, u64, Duration), AnyError> {
    let began = Instant::now();
    let before = bytes_of(cluster, &[0, 1]).await?;
    for number in 0..changed {
        while local(cluster, AWAY, number).await? != local(cluster, 0, number).await? {
            if began.elapsed() > PATIENCE {
                return Err(format!("key {number} has not come after {PATIENCE:?}").into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let after = began.elapsed();
    tokio::time::sleep(ROUND).await;
    let bytes = bytes_of(cluster, &[0, 1, AWAY]).await? - before;
    let (span, begun) = (began.elapsed(), bytes_of(cluster, &[0, 1, AWAY]).await?);
    tokio::time::sleep(span).await;
    Ok((bytes, bytes_of(cluster, &[0, 1, AWAY]).await? - begun, after))
}

/// Waits until no comparison has found a difference for a round.
async fn settled(cluster: &Cluster, keys: usize) -> Result<(), AnyError> {
    let mut last = f64::NAN;
    for _ in 0..30 {
        let mut differing = 0.0;
        let mut held = Vec::new();
        for node in 0..NODES {
            differing += metric(cluster, node, "dynamo_anti_entropy_keys_differing_total").await?;
            held.push(metric(cluster, node, "dynamo_keys").await? as usize);
        }
        if differing == last && held.iter().all(|held| *held == keys) {
            return Ok(());
        }
        last = differing;
        tokio::time::sleep(ROUND).await;
    }
    Err("the replicas do not come to agree".into())
}

async fn bytes_of(cluster: &Cluster, nodes: &[usize]) -> Result<u64, AnyError> {
    let mut sum = 0;
    for node in nodes {
        sum += metric(cluster, *node, "dynamo_anti_entropy_bytes_total").await? as u64;
    }
    Ok(sum)
}

async fn metric(cluster: &Cluster, node: usize, name: &str) -> Result<f64, AnyError> {
    let page = get(cluster, node, "/metrics").await?;
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned));
    Ok(line.ok_or_else(|| format!("the node has no {name}"))?.trim().parse()?)
}

async fn local(cluster: &Cluster, node: usize, number: usize) -> Result<String, AnyError> {
    get(cluster, node, &format!("/local/key-{number}")).await
}

async fn get(cluster: &Cluster, node: usize, path: &str) -> Result<String, AnyError> {
    let mut stream = TcpStream::connect(cluster.clients[node]).await?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: node\r\n\r\n").as_bytes()).await?;
    Ok(read_answer(&mut stream, &mut Vec::new()).await?.1)
}

/// Puts a value to each of these keys through the two nodes that stay.
async fn put_all(cluster: &Cluster, keys: std::ops::Range<usize>, value: char) -> Result<(), AnyError> {
    let share = keys.len().div_ceil(CLIENTS).max(1);
    let tasks: Vec<_> = (keys.clone().step_by(share).enumerate())
        .map(|(client, first)| {
            let node = cluster.clients[client % 2];
            tokio::spawn(put_some(node, first..(first + share).min(keys.end), value))
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(())
}

async fn put_some(node: std::net::SocketAddr, keys: std::ops::Range<usize>, value: char) -> Result<(), AnyError> {
    let mut stream = TcpStream::connect(node).await?;
    stream.set_nodelay(true)?;
    let (value, mut answer) = (value.to_string().repeat(VALUE_BYTES), Vec::new());
    for number in keys {
        let path = format!("/kv/key-{number}");
        let request = format!("PUT {path} HTTP/1.1\r\nhost: node\r\ncontent-length: {VALUE_BYTES}\r\n\r\n{value}");
        loop {
            stream.write_all(request.as_bytes()).await?;
            match read_answer(&mut stream, &mut answer).await? {
                (204, _) => break,
                // A node has just been killed, and the others have not noticed yet.
                (503, _) => tokio::time::sleep(Duration::from_millis(50)).await,
                (status, body) => return Err(format!("{path}: {status} {body}").into()),
            }
        }
    }
    Ok(())
}
