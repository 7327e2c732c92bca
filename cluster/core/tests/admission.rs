//! Admission control (6.5): background work shrinks when the disk is slow, so that foreground work recovers; it grows
//! again when there is room, and never stops.

mod common;

use std::time::Duration;

use cluster_core::api::{NodeId, Reply, Request, RequestId};
use cluster_core::config::{Config, Partitioning, Quorum, Versioning};
use cluster_core::message::{Message, Tag};
use cluster_core::sim::disk::DiskSettings;
use cluster_core::sim::{World, WorldSettings};
use cluster_core::versions::KeyState;
use common::lone::*;
use common::*;

const KEYS: u32 = 10_000;

/// Two replicas of everything, no hints.
fn two() -> Config {
    let config = config(2, (2, 1, 1), Quorum::Strict, Versioning::Dvv);
    Config { partitioning: Partitioning::Random { tokens: 4 }, ..config }
}

/// B comes back with nothing, and its disk writes 500 rows a second, while a key is written and read all the time.
struct Return {
    world: World,
    /// Reads under way, and since when.
    reads: Vec<(RequestId, u64)>,
    /// How long reads took, in nanoseconds; those that failed count as a second.
    took: Vec<u64>,
}

impl Return {
    fn begin(config: Config) -> Self {
        let disk = DiskSettings { row_ns: 2 * MS, ..DiskSettings::default() };
        let settings = WorldSettings { config, network: Default::default(), disk, seed: 1 };
        let mut world = World::new(settings).expect("the settings can work");
        world.crash(B);
        for key in 0..KEYS {
            assert_eq!(call(&mut world, A, put(&key.to_be_bytes(), b"v", None)), Reply::Stored);
        }
        world.start(B).expect("it starts");
        Self { world, reads: Vec::new(), took: Vec::new() }
    }

    fn run(&mut self, seconds: u64) -> Vec<u64> {
        let end = self.world.now_ns() + seconds * SECOND;
        self.took.clear();
        while self.world.now_ns() < end {
            self.world.request(A, put(b"hot", b"v", None));
            let read = Request::Get { key: b"hot".to_vec(), r: Some(2), n: None };
            let id = self.world.request(A, read).expect("it is up");
            self.reads.push((id, self.world.now_ns()));
            for _ in 0..20 {
                self.world.run_until(self.world.now_ns() + 5 * MS);
                self.take_answers();
            }
        }
        self.took.clone()
    }

    fn take_answers(&mut self) {
        let now_ns = self.world.now_ns();
        let Self { world, reads, took } = self;
        reads.retain(|(id, since)| match world.take_reply(*id) {
            None => true,
            Some(Reply::Got { .. }) => {
                took.push(now_ns - since);
                false
            }
            Some(_) => {
                took.push(SECOND);
                false
            }
        });
    }

    fn held(&self) -> u64 {
        self.world.node(B).expect("it is up").status().keys
    }

    fn slice(&self) -> u64 {
        metric(self.world.node(B).expect("it is up"), "background_slice")
    }
}

fn share_above(took: &[u64], limit_ns: u64) -> f64 {
    assert!(took.len() > 20, "only {} reads", took.len());
    took.iter().filter(|ns| **ns > limit_ns).count() as f64 / took.len() as f64
}

#[test]
fn a_slow_disk_shrinks_background_work_and_foreground_work_recovers() {
    let mut controlled = Return::begin(two());
    controlled.run(8);
    assert!(controlled.slice() < 64, "{} rows an interval", controlled.slice());
    let held = controlled.held();
    let slow = share_above(&controlled.run(6), 60 * MS);
    assert!(slow < 0.1, "{slow} of the reads are slow");
    assert!(controlled.held() > held + 50, "background work goes on: {held} and {}", controlled.held());

    let mut config = two();
    config.timing.storage_read_threshold = Duration::from_secs(3600);
    let mut uncontrolled = Return::begin(config);
    uncontrolled.run(8);
    let slow = share_above(&uncontrolled.run(6), 60 * MS);
    assert!(slow > 0.9, "without control the disk is drowned: {slow} of the reads are slow");
}

#[test]
fn what_a_slow_minute_took_is_given_back_after_it() {
    let mut world = Return::begin(two());
    world.run(8);
    assert!(world.slice() < 64);
    world.run(160);
    assert_eq!(world.held(), u64::from(KEYS) + 1, "all has arrived, slowly");
    world.run(80);
    assert!(world.slice() >= 512, "{} rows an interval after a quiet minute", world.slice());
}

/// The percentile is that of the last 60 seconds, and of nothing before.
#[test]
fn only_the_last_minute_has_a_say() {
    let config = without_anti_entropy(sloppy(3, (3, 1, 1)));
    let mut node = Lone::start(at(A, &config));
    node.sync();
    for tag in 0..20 {
        node.request(put(b"k", b"v", None));
        node.message(B, Message::Fetch { tag: Tag(tag), key: b"k".to_vec() });
        node.sleep_ms(100);
        node.sync();
    }
    let p99_us = |node: &Lone| node.metric("storage_read_p99_microseconds");
    assert!(p99_us(&node) >= 100_000, "{} us", p99_us(&node));
    node.sleep_ms(56_000);
    assert!(p99_us(&node) >= 100_000, "{} us", p99_us(&node));
    node.sleep_ms(6_000);
    assert_eq!(p99_us(&node), 0, "no read in the last minute");
    node.sleep_ms(5_000);
    assert!(node.metric("background_slice") > 64, "and there is room again");
}

fn store(key: &[u8], tag: u64) -> Message {
    Message::Store { tag: Tag(tag), key: key.to_vec(), state: KeyState::default(), hint_for: None }
}

/// A node whose slice has shrunk says so to who sends it rows, now and then; and a peer that has got the message sends fewer hints.
#[test]
fn a_peer_learns_how_little_room_there_is_and_heeds_it() {
    let config = without_anti_entropy(sloppy(4, (3, 1, 1)));
    let mut node = Lone::start(at(A, &config));
    let key = key_where(&config, "k", |list| list[0] == A && list[1] == B);
    let rooms = |node: &mut Lone| sent_where(&node.take_sent(), |m| matches!(m, Message::Room { .. }));
    node.message(B, store(&key, 1));
    assert_eq!(rooms(&mut node), [], "there is room");
    for _ in 0..5 {
        node.request(put(&key, b"v", None));
        node.message(B, Message::Fetch { tag: Tag(7), key: key.clone() });
        node.sleep_ms(1100);
        node.sync();
    }
    node.take_sent();
    for tag in 0..10 {
        node.message(B, store(&key, tag));
    }
    let reported = rooms(&mut node);
    assert!(matches!(&reported[..], [(B, Message::Room { rows: 16 })]), "{reported:?}");
    node.sleep_ms(1100);
    node.message(B, store(&key, 1));
    assert_eq!(rooms(&mut node).len(), 1, "again after a while");
}

#[test]
fn hints_go_out_in_slices_that_grow_and_heed_the_owners_room() {
    let config = without_anti_entropy(sloppy(4, (3, 1, 1)));
    let mut node = Lone::start(at(D, &config));
    let keys: Vec<_> = keys_where(&config, "k", |list| list[0] == A && list[3] == D).take(3000).collect();
    for key in &keys {
        let state = state_with(&config, key);
        node.message(B, Message::Store { tag: Tag(1), key: key.clone(), state, hint_for: Some(A) });
    }
    node.sync();
    let sent_in_an_interval = |node: &mut Lone| {
        node.take_sent();
        node.sleep_ms(250);
        let sent = stores(&node.take_sent());
        for (to, tag, _) in &sent {
            node.message(*to, Message::Stored { tag: *tag });
        }
        node.sync();
        sent.len()
    };
    let first: Vec<usize> = (0..12).map(|_| sent_in_an_interval(&mut node)).collect();
    assert!(first.is_sorted() && *first.last().expect("twelve") >= 256, "{first:?}");
    node.message(A, Message::Room { rows: 16 });
    for _ in 0..7 {
        assert_eq!(sent_in_an_interval(&mut node), 16);
    }
    let later: usize = (0..3).map(|_| sent_in_an_interval(&mut node)).sum();
    assert!(later >= 256, "what was said holds for a while only: {later}");
}

/// What a coordinator makes of a first write.
fn state_with(config: &Config, key: &[u8]) -> KeyState {
    let mut coordinator = Lone::start(at(NodeId(0), config));
    coordinator.request(put(key, b"v", None));
    coordinator.sync();
    let sent = coordinator.take_sent();
    let state = sent.into_iter().find_map(|(_, message)| match message {
        Message::Store { state, .. } => Some(state),
        _ => None,
    });
    state.expect("it is sent on")
}
