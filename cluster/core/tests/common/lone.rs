//! One node by itself: the test is its disk, its clock and all of its peers, and sees every message.

use std::collections::BTreeMap;

use cluster_core::api::{
    Effect, Input, NodeId, Now, PersistId, Reply, Request, RequestId, Row, RowWrite, Table, Write,
};
use cluster_core::config::{Config, Partitioning, Quorum, Versioning};
use cluster_core::envelope::Envelope;
use cluster_core::message::{Message, Tag};
use cluster_core::node::{Node, StartError};
use cluster_core::ring::Ring;
use cluster_core::versions::KeyState;

/// When the tests begin, nanoseconds since the Unix epoch.
const EPOCH_NS: i64 = 1_767_225_600_000_000_000;

pub struct Lone {
    pub node: Node,
    pub config: Config,
    pub now_ns: u64,
    pub wall_offset_ns: i64,
    disk: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    under_way: Vec<(PersistId, Vec<RowWrite>)>,
    sent: Vec<(NodeId, Message)>,
    replies: BTreeMap<RequestId, Reply>,
    timer_ns: Option<u64>,
    requests: u64,
}

impl Lone {
    /// On an empty disk.
    pub fn start(config: Config) -> Self {
        Self::start_on(config, Vec::new(), 1).expect("the settings can work")
    }

    pub fn start_on(config: Config, rows: Vec<Row>, now_ns: u64) -> Result<Self, StartError> {
        Self::start_by(Node::start, config, rows, now_ns)
    }

    pub fn start_without_damaged(config: Config, rows: Vec<Row>, now_ns: u64) -> Result<Self, StartError> {
        let start = |config, rows, now, effects: &mut _| Ok(Node::start_without_damaged(config, rows, now, effects)?.0);
        Self::start_by(start, config, rows, now_ns)
    }

    fn start_by(
        start: impl Fn(Config, Vec<Row>, Now, &mut Vec<Effect>) -> Result<Node, StartError>,
        config: Config,
        rows: Vec<Row>,
        now_ns: u64,
    ) -> Result<Self, StartError> {
        let mut effects = Vec::new();
        let now = Now { monotonic_ns: now_ns, wall_ns: EPOCH_NS + now_ns as i64 };
        let disk = rows.iter().map(|row| ((row.table, row.key.clone()), row.value.clone())).collect();
        let node = start(config.clone(), rows, now, &mut effects)?;
        let mut lone = Self {
            node,
            config,
            now_ns,
            wall_offset_ns: 0,
            disk,
            under_way: Vec::new(),
            sent: Vec::new(),
            replies: BTreeMap::new(),
            timer_ns: None,
            requests: 0,
        };
        lone.carry_out(effects);
        Ok(lone)
    }

    /// A power failure that loses what was not durable, and a new start.
    pub fn restarted(self) -> Self {
        let rows = self.rows();
        Self::start_on(self.config, rows, self.now_ns + 1_000_000).expect("a node restarts from its own disk")
    }

    /// What is durable.
    pub fn rows(&self) -> Vec<Row> {
        let row = |((table, key), value): (&(Table, Vec<u8>), &Vec<u8>)| Row {
            table: *table,
            key: key.clone(),
            value: value.clone(),
        };
        self.disk.iter().map(row).collect()
    }

    pub fn message(&mut self, from: NodeId, message: Message) {
        self.envelope(from, Envelope::oldest(message));
    }

    pub fn envelope(&mut self, from: NodeId, envelope: Envelope) {
        self.input(Input::Message { from, envelope });
    }

    pub fn request(&mut self, request: Request) -> RequestId {
        self.requests += 1;
        let id = RequestId(self.requests);
        self.input(Input::Request { id, request });
        id
    }

    /// The disk completes all that it was given, and what it is given because of that.
    pub fn sync(&mut self) {
        while !self.under_way.is_empty() {
            let (id, writes) = self.under_way.remove(0);
            for Write { table, key, value } in writes.into_iter().map(RowWrite::encoded) {
                match value {
                    Some(value) => self.disk.insert((table, key), value),
                    None => self.disk.remove(&(table, key)),
                };
            }
            self.input(Input::Persisted(id));
        }
    }

    /// Time passes, and alarms go off.
    pub fn sleep_ms(&mut self, ms: u64) {
        let until = self.now_ns + ms * super::MS;
        while let Some(at) = self.timer_ns.filter(|at| *at <= until) {
            self.now_ns = self.now_ns.max(at);
            self.timer_ns = None;
            self.input(Input::Timer);
        }
        self.now_ns = until;
    }

    /// What the node has sent since the last call.
    pub fn take_sent(&mut self) -> Vec<(NodeId, Message)> {
        std::mem::take(&mut self.sent)
    }

    pub fn reply(&self, id: RequestId) -> Option<&Reply> {
        self.replies.get(&id)
    }

    pub fn metric(&self, name: &str) -> u64 {
        super::metric(&self.node, name)
    }

    fn input(&mut self, input: Input) {
        let wall_ns = EPOCH_NS + self.now_ns as i64 + self.wall_offset_ns;
        let now = Now { monotonic_ns: self.now_ns, wall_ns };
        let mut effects = Vec::new();
        self.node.handle(now, input, &mut effects);
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Send { to, message } => self.sent.push((to, message)),
                Effect::Persist { id, writes } => self.under_way.push((id, writes)),
                Effect::Reply { request, reply } => {
                    let earlier = self.replies.insert(request, reply);
                    assert_eq!(earlier, None, "one answer to each request");
                }
                Effect::SetTimer { at_ns } => self.timer_ns = Some(at_ns),
            }
        }
    }
}

pub const A: NodeId = NodeId(0);
pub const B: NodeId = NodeId(1);
pub const C: NodeId = NodeId(2);
pub const D: NodeId = NodeId(3);
pub const E: NodeId = NodeId(4);

/// With so many tokens that every order of preference occurs.
pub fn sloppy(nodes: usize, quorum: (u8, u8, u8)) -> Config {
    Config {
        partitioning: Partitioning::Random { tokens: 32 },
        ..super::config(nodes, quorum, Quorum::Sloppy, Versioning::Dvv)
    }
}

/// The settings of one of the nodes.
pub fn at(node: NodeId, config: &Config) -> Config {
    Config { id: node, seed: 100 + u64::from(node.0), ..config.clone() }
}

/// Takes a peer for down: it does not answer a read of a key that it is a replica of.
pub fn suspect(node: &mut Lone, peer: NodeId) {
    let n = usize::from(node.config.n);
    let key = key_where(&node.config, "suspect", |list| list[..n].contains(&peer));
    node.request(super::get(&key));
    for (to, message) in node.take_sent() {
        answer_fetch(node, to, peer, &message);
    }
    node.sleep_ms(201);
    for (to, message) in node.take_sent() {
        answer_fetch(node, to, peer, &message);
    }
    let status = node.node.status();
    assert!(!status.peers.iter().any(|(name, up)| *up && *name == node.config.names[usize::from(peer.0)]));
}

/// Answers a fetch with nothing, unless it is the silent peer's.
pub fn answer_fetch(node: &mut Lone, to: NodeId, silent: NodeId, message: &Message) {
    if let (Message::Fetch { tag, .. }, true) = (message, to != silent) {
        let state = KeyState::default();
        node.message(to, Message::Fetched { tag: *tag, state });
    }
}

/// The forward that `from` sends to a coordinator for a put, once it knows the coordinator's life.
pub fn forward_to(coordinator: &mut Lone, from: NodeId, request: Request) -> Message {
    let me = coordinator.config.id;
    let mut forwarder = Lone::start(at(from, &coordinator.config));
    forwarder.request(request);
    for _ in 0..2 {
        for (_, message) in forwarder.take_sent() {
            match message {
                Message::Forward { life: Some(_), .. } => return message,
                other => coordinator.message(from, other),
            }
        }
        for (_, message) in coordinator.take_sent() {
            forwarder.message(me, message);
        }
    }
    panic!("it learns the life and forwards");
}

/// The first of the keys `prefix-0`, `prefix-1`, ... whose preference list is as wanted.
pub fn key_where(config: &Config, prefix: &str, wanted: impl Fn(&[NodeId]) -> bool) -> Vec<u8> {
    keys_where(config, prefix, wanted).next().expect("some key lies there")
}

pub fn keys_where(config: &Config, prefix: &str, wanted: impl Fn(&[NodeId]) -> bool) -> impl Iterator<Item = Vec<u8>> {
    let ring = Ring::of(config).expect("the settings are valid");
    (0..200_000).map(move |i| format!("{prefix}-{i}").into_bytes()).filter(move |key| wanted(ring.preference_list(key)))
}

/// The tags and keys of the stores among the messages.
pub fn stores(sent: &[(NodeId, Message)]) -> Vec<(NodeId, Tag, Vec<u8>)> {
    sent.iter()
        .filter_map(|(to, message)| match message {
            Message::Store { tag, key, .. } => Some((*to, *tag, key.clone())),
            _ => None,
        })
        .collect()
}

/// Those of a kind, and to whom they went.
pub fn sent_where(sent: &[(NodeId, Message)], kind: impl Fn(&Message) -> bool) -> Vec<(NodeId, Message)> {
    sent.iter().filter(|(_, message)| kind(message)).cloned().collect()
}
