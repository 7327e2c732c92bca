//! What a node's return costs (4.7): it holds 100,000 keys, was away for long, and some of them have changed.
//!
//! ```text
//!   cargo bench -p dissensus-cluster-core --bench rejoin
//! ```
//! Three replicas of every key, in the simulated world. No hints are kept, so anti-entropy brings all that the node
//! has missed. Printed are the bytes that all nodes send for anti-entropy from the node's return until it agrees, rows
//! included, beside what a full listing of keys and digests would take. Bytes are counted and nothing is timed, so the
//! figures are the same on every machine.

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::Duration;

use cluster_core::api::{NodeId, Reply};
use cluster_core::config::{Config, Partitioning, Quorum, Versioning};
use cluster_core::sim::World;
use common::*;

const KEYS: u32 = 100_000;
const HERE: NodeId = NodeId(0);
const AWAY: NodeId = NodeId(2);
/// How long the node is away, beyond what the writes take.
const ABSENCE: u64 = 3600 * SECOND;
const VALUE: &[u8] = &[7; 100];

fn main() {
    let config = config(3, (3, 1, 2), Quorum::Strict, Versioning::Dvv);
    let config = Config { partitioning: Partitioning::default(), ..config };
    let mut world = world(config, Default::default(), 1);
    (0..KEYS).for_each(|number| write(&mut world, number));
    world.run_until(world.now_ns() + 5 * SECOND);
    let listing = u64::from(KEYS) * (key(0).len() as u64 + 16);
    println!("{KEYS} keys, 3 replicas; a listing of all keys and digests to one peer: {listing} bytes\n");
    println!("{:>10} {:>12} {:>12} {:>14} {:>12}", "differing", "bytes", "bytes a key", "of a listing", "agreed after");
    for differing in [0, 10, 1_000] {
        let (bytes, took) = rejoin(&mut world, differing);
        let a_key = bytes.checked_div(u64::from(differing)).map_or("-".to_owned(), |bytes| bytes.to_string());
        let share = bytes as f64 / listing as f64 * 100.0;
        println!("{differing:>10} {bytes:>12} {a_key:>12} {share:>13.2}% {:>10.1} s", took.as_secs_f64());
    }
}

fn key(number: u32) -> Vec<u8> {
    format!("key-{number:08}").into_bytes()
}

fn write(world: &mut World, number: u32) {
    assert_eq!(call(world, HERE, put(&key(number), VALUE, None)), Reply::Stored);
}

/// The node goes, so many keys change, and it comes back: the bytes until it agrees, and how long it took.
fn rejoin(world: &mut World, differing: u32) -> (u64, Duration) {
    world.crash(AWAY);
    // Far apart, so that they lie in many ranges.
    (0..differing).for_each(|number| write(world, number * 97));
    world.run_until(world.now_ns() + ABSENCE);
    let (bytes, returned) = (sent(world), world.now_ns());
    world.start(AWAY).expect("it starts from its own disk");
    // Long enough for a comparison with every peer, whatever differs.
    loop {
        world.run_until(world.now_ns() + SECOND);
        let took = world.now_ns() - returned;
        if took >= 5 * SECOND && (0..differing).all(|number| agrees(world, &key(number * 97))) {
            return (sent(world) - bytes, Duration::from_nanos(took));
        }
    }
}

fn agrees(world: &mut World, key: &[u8]) -> bool {
    local(world, HERE, key) == local(world, AWAY, key)
}

fn sent(world: &World) -> u64 {
    world.nodes().filter_map(|node| world.node(node)).map(|node| metric(node, "anti_entropy_bytes_total")).sum()
}
