//! A small load for the simulated world: clients that add unique elements to sets by read-modify-write, a nemesis,
//! and the three questions that matter afterwards. Beside it what the tests of single features need: calls, a look
//! into a node, one node alone ([`lone`]).

// Every test binary has its own copy, and none uses all of it.
#![allow(dead_code)]

pub mod lone;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cluster_core::api::{LocalVersion, NodeId, Reply, Request, RequestId};
use cluster_core::bug::Bug;
use cluster_core::config::Durability;
use cluster_core::config::{Config, Limits, Partitioning, Quorum, Timing, Versioning};
use cluster_core::node::Node;
use cluster_core::protocol::Protocol;
use cluster_core::sim::disk::DiskSettings;
use cluster_core::sim::network::NetworkSettings;
use cluster_core::sim::{World, WorldSettings};
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub const MS: u64 = 1_000_000;
pub const SECOND: u64 = 1000 * MS;

pub fn config(nodes: usize, (n, r, w): (u8, u8, u8), quorum: Quorum, versions: Versioning) -> Config {
    Config {
        id: NodeId(0),
        names: (1..=nodes).map(|i| format!("n{i}")).collect(),
        n,
        r,
        w,
        quorum,
        versions,
        coordinator: Default::default(),
        partitioning: Partitioning::Random { tokens: 8 },
        members: None,
        seeds: Vec::new(),
        capacities: Vec::new(),
        data_centres: Vec::new(),
        ring_seed: 1,
        seed: 0,
        timing: Timing::default(),
        limits: Limits::default(),
        protocol: Protocol::NEWEST,
        durability: Durability::Synced,
        bug: None,
    }
}

pub fn world(config: Config, network: NetworkSettings, seed: u64) -> World {
    let settings = WorldSettings { config, network, disk: DiskSettings::default(), seed };
    World::new(settings).expect("the settings can work")
}

pub fn unreliable() -> NetworkSettings {
    NetworkSettings { loss: 0.02, duplication: 0.05, straggling: 0.01, ..NetworkSettings::default() }
}

/// Runs until the reply is there.
pub fn call(world: &mut World, node: NodeId, request: Request) -> Reply {
    let id = world.request(node, request).expect("the node is up");
    let give_up = world.now_ns() + 10 * SECOND;
    while world.now_ns() < give_up {
        world.step(give_up);
        if let Some(reply) = world.take_reply(id) {
            return reply;
        }
    }
    panic!("a node that is up answers every request");
}

pub fn get(key: &[u8]) -> Request {
    Request::Get { key: key.to_vec(), r: None, n: None }
}

pub fn put(key: &[u8], value: &[u8], context: Option<String>) -> Request {
    Request::Put { key: key.to_vec(), value: Some(value.to_vec()), context, w: None, n: None }
}

pub fn delete(key: &[u8], context: Option<String>) -> Request {
    Request::Put { key: key.to_vec(), value: None, context, w: None, n: None }
}

pub fn get_local(key: &[u8]) -> Request {
    Request::GetLocal { key: key.to_vec() }
}

/// The values that a read returns.
pub fn values(world: &mut World, node: NodeId, key: &[u8]) -> Vec<Vec<u8>> {
    read(world, node, key).0
}

/// The values that a read returns, and their context.
pub fn read(world: &mut World, node: NodeId, key: &[u8]) -> (Vec<Vec<u8>>, Option<String>) {
    match call(world, node, get(key)) {
        Reply::Got { values, context } => (values, context),
        other => panic!("the read fails: {other:?}"),
    }
}

/// What one node holds in its main store.
pub fn local(world: &mut World, node: NodeId, key: &[u8]) -> Vec<LocalVersion> {
    match call(world, node, get_local(key)) {
        Reply::Local { versions } => versions,
        other => panic!("a local read fails: {other:?}"),
    }
}

pub fn hints(world: &World, node: NodeId) -> u64 {
    world.node(node).expect("it is up").status().hints
}

/// No process in the background but hinted handoff and probes.
pub fn without_anti_entropy(mut config: Config) -> Config {
    config.timing.anti_entropy_interval = Duration::from_secs(86_400);
    config
}

/// Tombstones stay.
pub fn without_reaping(mut config: Config) -> Config {
    config.timing.reaping_interval = Duration::from_secs(86_400);
    config
}

/// A counter or gauge of a node, by its name without `dynamo_`.
pub fn metric(node: &Node, name: &str) -> u64 {
    let name = format!("dynamo_{name}");
    let metrics = node.metrics();
    let metric = metrics.iter().find(|metric| metric.name == name);
    metric.unwrap_or_else(|| panic!("there is no metric {name}")).value as u64
}

/// Which faults the nemesis may use.
#[derive(Clone, Copy)]
pub struct Faults {
    pub partitions: bool,
    pub crashes: bool,
    pub clocks: bool,
    /// Of the first node alone, again and again: what it had, the others have too.
    pub wipes: bool,
}

pub const ALL_FAULTS: Faults = Faults { partitions: true, crashes: true, clocks: true, wipes: false };

/// What came of a run.
#[derive(Debug, Default)]
pub struct Findings {
    pub acknowledged: usize,
    /// Acknowledged elements that no replica returns at the end.
    pub lost: BTreeSet<u32>,
    /// Keys whose replicas differ at the end.
    pub diverged: BTreeSet<u32>,
    /// Elements that a client had added with an acknowledgement and did not read back.
    pub unread: BTreeSet<u32>,
    pub trace_hash: u64,
    /// Whether all nodes know the same of the membership.
    pub agree: bool,
    /// Whether no change is under way.
    pub settled: bool,
    /// How many have been carried out.
    pub changes: usize,
    /// Keys that lie with members who do not own them.
    pub misplaced: BTreeSet<(u32, NodeId)>,
}

enum Stage {
    Idle,
    Reading(RequestId),
    Writing(RequestId),
}

struct Client {
    stage: Stage,
    node: NodeId,
    key: u32,
    element: u32,
    since_ns: u64,
    acknowledged: BTreeMap<u32, BTreeSet<u32>>,
}

/// Clients, a nemesis and a world for `seconds` of virtual time, then healing and quiet.
pub fn run_sets(config: &Config, seed: u64, seconds: u64, faults: Faults) -> Findings {
    run_sets_on(DiskSettings::default(), config, seed, seconds, faults)
}

/// The same with disks of other habits.
pub fn run_sets_on(disk: DiskSettings, config: &Config, seed: u64, seconds: u64, faults: Faults) -> Findings {
    Run::new(disk, config, seed, false).until_the_end(config, seconds, faults)
}

/// As [`run_sets`], while nodes join and leave.
pub fn run_changing_sets(config: &Config, seed: u64, seconds: u64, faults: Faults) -> Findings {
    Run::new(DiskSettings::default(), config, seed, true).until_the_end(config, seconds, faults)
}

struct Run {
    world: World,
    rng: ChaCha8Rng,
    next_element: u32,
    findings: Findings,
    acknowledged: BTreeMap<u32, BTreeSet<u32>>,
    read_your_writes: bool,
    /// Whether nodes join and leave.
    changes: bool,
}

const KEYS: u32 = 3;
/// Between two operations of a client at least; keeps the sets small.
const THINKING_NS: u64 = 50 * MS;

impl Run {
    fn new(disk: DiskSettings, config: &Config, seed: u64, changes: bool) -> Self {
        let settings = WorldSettings { config: config.clone(), network: unreliable(), disk, seed };
        Self {
            world: World::new(settings).expect("the settings can work"),
            rng: ChaCha8Rng::seed_from_u64(seed ^ 0x5eed),
            next_element: 0,
            findings: Findings::default(),
            acknowledged: BTreeMap::new(),
            read_your_writes: config.quorum == Quorum::Strict && config.r + config.w > config.n,
            changes,
        }
    }

    fn until_the_end(mut self, config: &Config, seconds: u64, faults: Faults) -> Findings {
        self.load(seconds, faults);
        self.heal_and_rest();
        self.judge(config)
    }

    fn load(&mut self, seconds: u64, faults: Faults) {
        let idle = |_| Client {
            stage: Stage::Idle,
            node: NodeId(0),
            key: 0,
            element: 0,
            since_ns: 0,
            acknowledged: BTreeMap::new(),
        };
        let mut clients: Vec<Client> = (0..6).map(idle).collect();
        let end = self.world.now_ns() + seconds * SECOND;
        let mut next_fault = 0;
        while self.world.now_ns() < end {
            if self.world.now_ns() >= next_fault {
                self.inject(faults);
                next_fault = self.world.now_ns() + self.rng.random_range(100..1500) * MS;
            }
            for client in &mut clients {
                self.act(client);
            }
            self.world.run_until(self.world.now_ns() + 2 * MS);
        }
    }

    fn act(&mut self, client: &mut Client) {
        match client.stage {
            Stage::Idle if self.world.now_ns() < client.since_ns + THINKING_NS => {}
            Stage::Idle => {
                let nodes: Vec<NodeId> = self.world.nodes().collect();
                client.node = *nodes.choose(&mut self.rng).expect("there are nodes");
                client.key = self.rng.random_range(0..KEYS);
                client.since_ns = self.world.now_ns();
                if let Some(id) = self.world.request(client.node, get(&client.key.to_be_bytes())) {
                    client.stage = Stage::Reading(id);
                }
            }
            Stage::Reading(id) => match self.world.take_reply(id) {
                Some(Reply::Got { values, context }) => self.write_back(client, &values, context),
                Some(_) => client.stage = Stage::Idle,
                None => self.give_up(client),
            },
            Stage::Writing(id) => match self.world.take_reply(id) {
                Some(Reply::Stored) => {
                    self.findings.acknowledged += 1;
                    self.acknowledged.entry(client.key).or_default().insert(client.element);
                    client.acknowledged.entry(client.key).or_default().insert(client.element);
                    client.stage = Stage::Idle;
                }
                Some(_) => client.stage = Stage::Idle,
                None => self.give_up(client),
            },
        }
    }

    fn write_back(&mut self, client: &mut Client, values: &[Vec<u8>], context: Option<String>) {
        let mut set = union(values);
        if self.read_your_writes {
            let own = client.acknowledged.entry(client.key).or_default();
            self.findings.unread.extend(own.difference(&set));
        }
        self.next_element += 1;
        client.element = self.next_element;
        set.insert(client.element);
        let request = put(&client.key.to_be_bytes(), &encode(&set), context);
        client.stage = self.world.request(client.node, request).map_or(Stage::Idle, Stage::Writing);
    }

    /// A crashed node never answers.
    fn give_up(&mut self, client: &mut Client) {
        if self.world.now_ns() - client.since_ns > 3 * SECOND {
            client.stage = Stage::Idle;
        }
    }

    fn inject(&mut self, faults: Faults) {
        let nodes: Vec<NodeId> = self.world.nodes().collect();
        if self.changes && self.rng.random_ratio(1, 3) {
            let (asked, node) =
                (nodes[self.rng.random_range(0..nodes.len())], nodes[self.rng.random_range(0..nodes.len())]);
            let request = if self.rng.random() { Request::Join { node } } else { Request::Leave { node } };
            // It may be refused, or nobody may hear of it.
            self.world.request(asked, request);
        }
        match self.rng.random_range(0..8) {
            0 | 1 if faults.partitions => {
                let split = self.rng.random_range(1..nodes.len());
                let mut shuffled = nodes.clone();
                rand::seq::SliceRandom::shuffle(&mut shuffled[..], &mut self.rng);
                let (one, other) = shuffled.split_at(split);
                self.world.network().partition(one, other);
            }
            2 if faults.partitions => {
                let (from, to) = (nodes[0], nodes[nodes.len() - 1]);
                self.world.network().cut(from, to);
            }
            3 | 4 if faults.crashes => {
                let how_many = self.rng.random_range(1..=nodes.len());
                for &node in nodes.sample(&mut self.rng, how_many) {
                    self.world.crash(node);
                }
            }
            5 if faults.clocks => {
                let node = *nodes.choose(&mut self.rng).expect("there are nodes");
                let offset_ms = self.rng.random_range(-60_000i64..60_000);
                self.world.set_clock(node, offset_ms * MS as i64, self.rng.random_range(-500_000..1_000_000));
            }
            5 | 6 if faults.wipes => {
                self.world.crash(NodeId(0));
                self.world.wipe(NodeId(0));
            }
            6 => self.world.network().heal(),
            _ => self.start_all(),
        }
    }

    fn start_all(&mut self) {
        for node in self.world.nodes() {
            self.world.start(node).expect("a node restarts from its own disk");
        }
    }

    fn heal_and_rest(&mut self) {
        self.world.set_disk(DiskSettings::default());
        self.world.network().heal();
        self.world.network().set(NetworkSettings::default());
        self.start_all();
        self.world.run_until(self.world.now_ns() + Duration::from_secs(30).as_nanos() as u64);
    }

    /// Everybody knows the same, and nothing is under way.
    fn judge_membership(&mut self) {
        let mut known = Vec::new();
        for node in self.world.nodes() {
            let Reply::Members(members) = call(&mut self.world, node, Request::Members) else {
                panic!("a look at the members cannot fail");
            };
            known.push(members);
        }
        self.findings.agree = known.iter().all(|members| *members == known[0]);
        self.findings.settled = known[0].history.first_open().is_none();
        self.findings.changes = known[0].history.settled().len();
    }

    fn judge(mut self, config: &Config) -> Findings {
        self.judge_membership();
        for key in 0..KEYS {
            let mut replicas = self.world.node(NodeId(0)).expect("all are up").preference_list(&key.to_be_bytes());
            if self.changes {
                let members = replicas.clone();
                replicas.extend(self.world.nodes().filter(|node| !members.contains(node)));
            }
            let mut found = Vec::new();
            for &node in &replicas[..usize::from(config.n)] {
                let Reply::Local { versions } =
                    call(&mut self.world, node, Request::GetLocal { key: key.to_be_bytes().to_vec() })
                else {
                    panic!("a local read cannot fail");
                };
                found.push(versions);
            }
            for &node in &replicas[usize::from(config.n)..] {
                if !local(&mut self.world, node, &key.to_be_bytes()).is_empty() {
                    self.findings.misplaced.insert((key, node));
                }
            }
            if found.iter().any(|versions| *versions != found[0]) {
                self.findings.diverged.insert(key);
            }
            let values: Vec<Vec<u8>> = found.into_iter().flatten().filter_map(|version| version.value).collect();
            let acknowledged = self.acknowledged.entry(key).or_default();
            self.findings.lost.extend(acknowledged.difference(&union(&values)));
        }
        self.findings.trace_hash = self.world.trace_hash();
        self.findings
    }
}

fn union(values: &[Vec<u8>]) -> BTreeSet<u32> {
    values.iter().flat_map(|v| v.chunks_exact(4)).map(|c| u32::from_be_bytes([c[0], c[1], c[2], c[3]])).collect()
}

fn encode(set: &BTreeSet<u32>) -> Vec<u8> {
    set.iter().flat_map(|element| element.to_be_bytes()).collect()
}

pub fn with_bug(mut config: Config, bug: Bug) -> Config {
    config.bug = Some(bug);
    config
}
