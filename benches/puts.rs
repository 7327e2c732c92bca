//! How many puts a second five nodes serve, each synced on W = 2 of N = 3 replicas before it is acknowledged, compared
//! with what the machine itself can do in the same minute: synced appends on the same disk, round trips on the
//! loopback.
//!
//! `cargo bench --bench puts`. The nodes are processes that dial each other directly; clients keep a connection each to
//! a node in turn, as a load balancer would spread them, and put new keys one after the other. Figures depend on the
//! machine and on what else it does: compare the ratios.

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cluster_node::Engine;
use dissensus::systems::dynamo::DynamoSettings;
use support::{AnyError, Cluster, read_answer};
use tokio::io::AsyncWriteExt;

const NODES: usize = 5;
const VALUE_BYTES: usize = 100;
/// What a replica writes for such a value: the row with its version, and the engine's own.
const ROW_BYTES: usize = 200;
const CONCURRENCIES: [usize; 6] = [1, 8, 32, 64, 128, 256];
const EACH: Duration = Duration::from_secs(4);
const LIMIT_EACH: Duration = Duration::from_secs(2);
const CONNECTIONS: usize = 32;

fn main() -> Result<(), AnyError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!("{NODES} nodes, N = 3, W = 2, values of {VALUE_BYTES} bytes, every acknowledged write synced");
    let appends = [1, NODES].map(|writers| synced_appends(writers).map(|rate| (writers, rate)));
    let trips = [1, CONNECTIONS].map(|connections| round_trips(connections).map(|rate| (connections, rate)));
    for engine in [Engine::Redb, Engine::Fjall] {
        let cluster = Cluster::start("puts", NODES, DynamoSettings { engine, ..DynamoSettings::default() })?;
        let best = runtime.block_on(best_of(&cluster, engine))?;
        for limit in &appends {
            let (writers, rate) = limit.as_ref().map_err(ToString::to_string)?;
            println!("  {:>8.0} synced appends/s, {writers} at a time: {:.2} puts for each", rate, best / rate);
        }
        for limit in &trips {
            let (connections, rate) = limit.as_ref().map_err(ToString::to_string)?;
            println!(
                "  {:>8.0} loopback round trips/s, {connections} at a time: {:.3} puts for each",
                rate,
                best / rate
            );
        }
    }
    Ok(())
}

async fn best_of(cluster: &Cluster, engine: Engine) -> Result<f64, AnyError> {
    println!("\nengine {engine}\n  clients     puts/s    p50 ms    p99 ms  p99.9 ms    failed");
    let mut best = 0.0f64;
    for clients in CONCURRENCIES {
        let mut load = load(&cluster.clients, clients).await?;
        load.latencies_ns.sort_unstable();
        let rate = load.latencies_ns.len() as f64 / EACH.as_secs_f64();
        let at = |share: f64| {
            let index = (load.latencies_ns.len() as f64 * share) as usize;
            load.latencies_ns.get(index).map_or(0.0, |ns| *ns as f64 / 1e6)
        };
        let (p50, p99, p999) = (at(0.5), at(0.99), at(0.999));
        println!("  {clients:>7} {rate:>10.0} {p50:>9.2} {p99:>9.2} {p999:>9.2} {:>9}", load.failed);
        best = best.max(rate);
    }
    println!("  {best:>8.0} puts/s at best");
    Ok(best)
}

#[derive(Default)]
struct Load {
    latencies_ns: Vec<u64>,
    failed: u64,
}

async fn load(nodes: &[SocketAddr], clients: usize) -> Result<Load, AnyError> {
    let until = Instant::now() + EACH;
    let tasks: Vec<_> = (0..clients)
        .map(|client| tokio::spawn(one_client(nodes[client % nodes.len()], clients, client, until)))
        .collect();
    let mut all = Load::default();
    for task in tasks {
        let one = task.await??;
        all.latencies_ns.extend(one.latencies_ns);
        all.failed += one.failed;
    }
    Ok(all)
}

/// Puts new keys over one connection until the time is over.
async fn one_client(node: SocketAddr, run: usize, client: usize, until: Instant) -> Result<Load, AnyError> {
    let mut stream = tokio::net::TcpStream::connect(node).await?;
    stream.set_nodelay(true)?;
    let mut load = Load::default();
    let value = "v".repeat(VALUE_BYTES);
    let mut answer = Vec::new();
    for number in 0u64.. {
        if Instant::now() >= until {
            break;
        }
        let request = format!(
            "PUT /kv/{run}-{client}-{number} HTTP/1.1\r\nhost: node\r\ncontent-length: {VALUE_BYTES}\r\n\r\n{value}"
        );
        let began = Instant::now();
        stream.write_all(request.as_bytes()).await?;
        match read_answer(&mut stream, &mut answer).await? {
            (204, _) => load.latencies_ns.push(began.elapsed().as_nanos() as u64),
            _ => load.failed += 1,
        }
    }
    Ok(load)
}

/// Appends of a row's size, each synced before the next, by several threads with a file each.
fn synced_appends(writers: usize) -> Result<f64, AnyError> {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let append = |writer: usize| -> std::io::Result<u64> {
        let path = dir.join(format!("appends-{}-{writer}", std::process::id()));
        let mut file = std::fs::File::create(&path)?;
        let (until, mut count) = (Instant::now() + LIMIT_EACH, 0);
        while Instant::now() < until {
            file.write_all(&[7; ROW_BYTES])?;
            file.sync_data()?;
            count += 1;
        }
        std::fs::remove_file(&path)?;
        Ok(count)
    };
    rate_of(writers, append)
}

/// Round trips of messages of a row's size over the loopback, over several connections at a time.
fn round_trips(connections: usize) -> Result<f64, AnyError> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let (address, stop) = (listener.local_addr()?, AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for stream in listener.incoming().take_while(|_| !stop.load(Ordering::Relaxed)).flatten() {
                scope.spawn(move || echo(stream));
            }
        });
        let rate = rate_of(connections, |_| ping(address));
        stop.store(true, Ordering::Relaxed);
        // The listener checks the flag at the next connection.
        drop(TcpStream::connect(address));
        rate
    })
}

fn echo(mut stream: TcpStream) {
    let mut buffer = [0; ROW_BYTES];
    let _ = stream.set_nodelay(true);
    while stream.read_exact(&mut buffer).and_then(|()| stream.write_all(&buffer)).is_ok() {}
}

fn ping(address: SocketAddr) -> std::io::Result<u64> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let (until, mut count, mut buffer) = (Instant::now() + LIMIT_EACH, 0, [7; ROW_BYTES]);
    while Instant::now() < until {
        stream.write_all(&buffer)?;
        stream.read_exact(&mut buffer)?;
        count += 1;
    }
    Ok(count)
}

/// How often a second all workers together do their work.
fn rate_of(workers: usize, work: impl Fn(usize) -> std::io::Result<u64> + Sync) -> Result<f64, AnyError> {
    let counts: Vec<std::io::Result<u64>> = std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = (0..workers).map(|worker| scope.spawn(move || work(worker))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(std::io::ErrorKind::Other.into())))
            .collect()
    });
    let total: u64 = counts.into_iter().sum::<std::io::Result<u64>>()?;
    Ok(total as f64 / LIMIT_EACH.as_secs_f64())
}
