//! The node: one state machine, fed with inputs, answering with effects.
//!
//! ```text
//!   handle ─► put.rs            a write: coordinate it, or forward it to who may
//!          ─► get.rs            a read: ask N, wait for R, repair afterwards
//!          ─► replica.rs        what peers ask of this node's own rows
//!          ─► hints.rs          hand over what was kept for others
//!          ─► anti_entropy.rs   compare digests, exchange what differs
//!          ─► peers.rs          who answers and who does not
//!   every change of a row ─► image.rs ─► persistence.rs ─► Effect::Persist, and what waits for it
//! ```

mod anti_entropy;
mod get;
mod hints;
mod metrics;
mod peers;
mod persistence;
mod put;
mod replica;
mod timers;

use std::collections::BTreeMap;
use std::time::Duration;

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::api::{
    Effect, Failure, Input, LocalVersion, Metric, NodeId, Now, Reply, Request, RequestId, Row, Status, Table, Write,
};
use crate::bug::Bug;
use crate::config::{Config, ConfigError, Quorum};
use crate::context::Context;
use crate::image::{DamagedRow, Held as Stored, Image, Place};
use crate::message::{Message, Tag};
use crate::ring::Ring;
use crate::versions::KeyState;

use get::GetOp;
use hints::Handovers;
use metrics::Counters;
use peers::Peers;
use persistence::{Held, Persistence};
use put::{Forwarding, PutOp, RecentForwards};
use timers::{Timer, Timers};

const META_KEY: &[u8] = b"identity";
/// With the bug `ack-before-durable`: how long a row may stay off the disk.
const LATE_FLUSH: Duration = Duration::from_secs(1);

/// Names a coordinated request within one life of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct OpId(u64);

/// Where an answer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Client(RequestId),
    Peer(NodeId, Tag),
}

/// A message sent that wants an answer.
#[derive(Debug)]
struct Asked {
    peer: NodeId,
    /// When the peer is taken for down; the alarm's time, so that it can be cancelled.
    overdue_ns: u64,
    purpose: Purpose,
}

#[derive(Debug)]
enum Purpose {
    Put(OpId),
    Get(OpId),
    Forward(OpId),
    Hint { owner: NodeId, key: Vec<u8>, digest: u128 },
    Ping,
}

/// What a node remembers of itself across its lives.
#[derive(Debug, Serialize, Deserialize)]
struct Identity {
    name: String,
    ring_seed: u64,
    /// The next actor's epoch.
    epoch_next: u64,
}

/// Why a node does not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// Settings that cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A row that cannot be read.
    #[error(transparent)]
    Damaged(#[from] DamagedRow),
    /// The disk belongs to somebody else.
    #[error(
        "the data directory belongs to node {found} of ring {found_ring:x}, not to {expected} of ring {expected_ring:x}"
    )]
    Foreign {
        /// Whose it is.
        found: String,
        /// Of which ring.
        found_ring: u64,
        /// Who was to be started.
        expected: String,
        /// On which ring.
        expected_ring: u64,
    },
}

/// One Dynamo node.
#[derive(Debug)]
pub struct Node {
    config: Config,
    ring: Ring,
    now: Now,
    rng: ChaCha8Rng,
    image: Image,
    persistence: Persistence,
    identity: Identity,
    peers: Peers,
    timers: Timers,
    asked: BTreeMap<Tag, Asked>,
    puts: BTreeMap<OpId, PutOp>,
    gets: BTreeMap<OpId, GetOp>,
    forwardings: BTreeMap<OpId, Forwarding>,
    forwards_seen: RecentForwards,
    handovers: Handovers,
    anti_entropy_turn: u16,
    tag_next: u64,
    op_next: u64,
    counters: Counters,
    out: Vec<Effect>,
}

impl Node {
    /// Recovers a node from the rows on its disk (none on an empty one). `config.seed` or the monotonic time must differ from those of the node's
    /// earlier lives, because they name its messages.
    ///
    /// # Errors
    /// When the settings cannot work, a row is damaged, or the disk is another node's.
    pub fn start(config: Config, rows: Vec<Row>, now: Now, effects: &mut Vec<Effect>) -> Result<Self, StartError> {
        config.validate()?;
        let mut rng = ChaCha8Rng::seed_from_u64(config.seed ^ now.monotonic_ns.rotate_left(32));
        let ring = Ring::new(config.names.len() as u16, config.tokens, config.ring_seed);
        let mut image = Image::new(&ring);
        let mut found = None;
        for row in &rows {
            match row.table {
                Table::Meta => found = Some(decode_identity(row)?),
                Table::Data | Table::Hints => image.load(&ring, row)?,
            }
        }
        let identity = match found {
            Some(identity) => own_identity(identity, &config)?,
            None => new_identity(&config, &mut rng),
        };
        let tag_next = rng.next_u64();
        let late = config.bug == Some(Bug::AckBeforeDurable);
        let mut node = Self {
            ring,
            now,
            image,
            persistence: Persistence::new(late),
            identity,
            peers: Peers::default(),
            timers: Timers::default(),
            asked: BTreeMap::new(),
            puts: BTreeMap::new(),
            gets: BTreeMap::new(),
            forwardings: BTreeMap::new(),
            forwards_seen: RecentForwards::default(),
            handovers: Handovers::default(),
            anti_entropy_turn: rng.random_range(0..config.names.len() as u16),
            tag_next,
            op_next: 0,
            counters: Counters::default(),
            out: Vec::new(),
            config,
            rng,
        };
        node.persist_identity();
        node.set_periodic_timers();
        node.finish(effects);
        Ok(node)
    }

    /// Status for an administrator.
    pub fn status(&self) -> Status {
        let others = self.others().into_iter();
        Status {
            name: self.config.names[usize::from(self.config.id.0)].clone(),
            keys: self.image.keys() as u64,
            hints: self.image.hints() as u64,
            requests: self.requests() as u64,
            peers: others.map(|id| (self.name(id), !self.peers.is_suspected(id))).collect(),
            image_bytes: self.image.bytes() as u64,
        }
    }

    /// Counters and gauges.
    pub fn metrics(&self) -> Vec<Metric> {
        let gauge = |name, help, value: usize| Metric {
            name,
            help,
            value: value as f64,
        };
        let mut metrics = self.counters.metrics();
        metrics.extend([
            gauge(
                "dynamo_keys",
                "Keys in the main store, tombstones included",
                self.image.keys(),
            ),
            gauge("dynamo_hints", "Hints held for other nodes", self.image.hints()),
            gauge("dynamo_image_bytes", "Bytes of the live image", self.image.bytes()),
            gauge("dynamo_requests", "Client requests under way", self.requests()),
            gauge(
                "dynamo_peers_suspected",
                "Peers taken for down",
                self.peers.suspected().len(),
            ),
            gauge(
                "dynamo_messages_unanswered",
                "Messages that still want an answer",
                self.asked.len(),
            ),
            gauge(
                "dynamo_persists",
                "Batches on their way to disk",
                self.persistence.under_way() as usize,
            ),
        ]);
        metrics
    }

    /// All nodes in order of preference for a key; the first N are its replicas.
    pub fn preference_list(&self, key: &[u8]) -> Vec<NodeId> {
        self.ring.preference_list(key).to_vec()
    }

    /// Takes one input and appends what must be done because of it.
    pub fn handle(&mut self, now: Now, input: Input, effects: &mut Vec<Effect>) {
        self.now = now;
        match input {
            Input::Message { from, message } => self.handle_message(from, message),
            Input::Request { id, request } => self.handle_request(id, request),
            Input::Persisted(id) => {
                for held in self.persistence.complete(id) {
                    self.release(held);
                }
            }
            Input::Timer => self.timers.forget_announcement(),
        }
        while let Some(timer) = self.timers.pop_due(self.now.monotonic_ns) {
            self.handle_timer(timer);
        }
        self.finish(effects);
    }

    fn handle_request(&mut self, id: RequestId, request: Request) {
        let origin = Origin::Client(id);
        if self.requests() >= self.config.limits.requests_max {
            self.counters.refused += 1;
            return self.fail(
                origin,
                Failure::Unavailable("too many requests under way; try again".into()),
            );
        }
        match request {
            Request::Get { key, r, n } => self.client_get(id, key, r, n),
            Request::Put {
                key,
                value,
                context,
                w,
                n,
            } => self.client_put(id, key, value, context, w, n),
            Request::GetLocal { key } => self.client_get_local(id, &key),
        }
    }

    fn handle_message(&mut self, from: NodeId, message: Message) {
        if usize::from(from.0) >= self.config.names.len() || from == self.config.id {
            return;
        }
        match message {
            Message::Store {
                tag,
                key,
                state,
                hint_for,
            } => self.peer_store(from, tag, &key, &state, hint_for),
            Message::Fetch { tag, key } => self.peer_fetch(from, tag, &key),
            Message::Forward { tag, put } => self.peer_forward(from, tag, put),
            Message::Ping { tag } => self.send(from, Message::Pong { tag }),
            Message::Stored { tag } => self.answered(from, tag, Answer::Stored),
            Message::StoreRefused { tag } => self.answered(from, tag, Answer::StoreRefused),
            Message::Fetched { tag, state } => self.answered(from, tag, Answer::Fetched(state)),
            Message::Forwarded { tag, failure } => self.answered(from, tag, Answer::Forwarded(failure)),
            Message::Pong { tag } => self.answered(from, tag, Answer::Pong),
            Message::Digests { ranges } => self.peer_digests(from, &ranges),
            Message::RangeKeys {
                range,
                after,
                keys,
                more,
            } => {
                self.peer_range_keys(from, range, after.as_deref(), &keys, more);
            }
            Message::ListRange { range, after } => self.send_range_keys(from, range, Some(after)),
            Message::Want { keys } => self.peer_want(from, &keys),
        }
    }

    fn handle_timer(&mut self, timer: Timer) {
        match timer {
            Timer::Answer(tag) => self.overdue(tag),
            Timer::Deadline(op) => self.deadline(op),
            Timer::Repair(op) => self.repair(op),
            Timer::Probe => self.probe_suspected(),
            Timer::Hints => self.deliver_hints(),
            Timer::AntiEntropy => self.begin_anti_entropy(),
            Timer::LateFlush => {
                self.persistence.flush_late();
                self.set_timer(LATE_FLUSH, Timer::LateFlush);
            }
        }
    }

    /// Closes the step: one batch, one alarm.
    fn finish(&mut self, effects: &mut Vec<Effect>) {
        if let Some((id, writes)) = self.persistence.take_batch() {
            self.out.push(Effect::Persist { id, writes });
        }
        if let Some(at_ns) = self.timers.announcement() {
            self.out.push(Effect::SetTimer { at_ns });
        }
        effects.append(&mut self.out);
    }
}

/// What an answer says.
#[derive(Debug)]
enum Answer {
    Stored,
    StoreRefused,
    Fetched(KeyState),
    Forwarded(Option<Failure>),
    Pong,
}

/// Questions to peers and their answers.
impl Node {
    /// Sends a message that wants an answer, and sets the alarm that suspects the peer.
    fn ask(&mut self, peer: NodeId, purpose: Purpose, message: impl FnOnce(Tag) -> Message) -> Tag {
        let tag = self.new_tag();
        let overdue_ns = self.set_timer(self.config.timing.replica_timeout, Timer::Answer(tag));
        self.asked.insert(
            tag,
            Asked {
                peer,
                overdue_ns,
                purpose,
            },
        );
        let message = message(tag);
        self.send(peer, message);
        tag
    }

    fn answered(&mut self, from: NodeId, tag: Tag, answer: Answer) {
        if self.peers.clear(from) {
            self.counters.recoveries += 1;
        }
        if self.asked.get(&tag).is_none_or(|asked| asked.peer != from) {
            return;
        }
        let Some(asked) = self.asked.remove(&tag) else { return };
        self.timers.cancel(asked.overdue_ns, Timer::Answer(tag));
        match (asked.purpose, answer) {
            (Purpose::Put(op), Answer::Stored) => self.put_acknowledged(op, from),
            (Purpose::Put(op), Answer::StoreRefused) => self.put_refused(op, from),
            (Purpose::Get(op), Answer::Fetched(state)) => self.get_answered(op, from, state),
            (Purpose::Forward(op), Answer::Forwarded(failure)) => self.forward_answered(op, failure),
            (Purpose::Hint { owner, key, digest }, Answer::Stored) => self.hint_acknowledged(owner, key, digest),
            (Purpose::Hint { owner, key, .. }, _) => self.handovers.ended(owner, &key),
            // A peer that answers something else than it was asked is of no use; the alarm has been seen to.
            _ => {}
        }
    }

    /// A peer has not answered in time.
    fn overdue(&mut self, tag: Tag) {
        let Some(asked) = self.asked.get(&tag) else { return };
        let peer = asked.peer;
        let op = match &asked.purpose {
            Purpose::Put(op) | Purpose::Get(op) => Some(*op),
            Purpose::Forward(_) => None,
            Purpose::Hint { owner, key, .. } => {
                self.handovers.ended(*owner, key);
                None
            }
            Purpose::Ping => None,
        };
        // Replies to coordinated requests still count when they come late; the request's end forgets them.
        if matches!(asked.purpose, Purpose::Hint { .. } | Purpose::Ping) {
            self.asked.remove(&tag);
        }
        self.suspect(peer);
        if let Some(op) = op {
            self.put_overdue(op, peer);
            self.get_overdue(op, peer);
        }
    }

    fn suspect(&mut self, peer: NodeId) {
        if self.peers.suspect(peer) {
            self.counters.suspicions += 1;
        }
    }

    /// Forgets the questions of a request that has ended.
    fn forget_questions(&mut self, tags: &[Tag]) {
        for tag in tags {
            if let Some(asked) = self.asked.remove(tag) {
                self.timers.cancel(asked.overdue_ns, Timer::Answer(*tag));
            }
        }
    }

    fn probe_suspected(&mut self) {
        for peer in self.peers.suspected() {
            let tag = self.new_tag();
            self.send(peer, Message::Ping { tag });
        }
        self.set_timer(self.config.timing.probe_interval, Timer::Probe);
    }
}

/// Small services to the other parts.
impl Node {
    fn send(&mut self, to: NodeId, message: Message) {
        self.out.push(Effect::Send { to, message });
    }

    fn answer(&mut self, origin: Origin, reply: Reply) {
        match origin {
            Origin::Client(request) => self.out.push(Effect::Reply { request, reply }),
            Origin::Peer(peer, tag) => {
                let failure = match reply {
                    Reply::Failed(failure) => Some(failure),
                    _ => None,
                };
                self.send(peer, Message::Forwarded { tag, failure });
            }
        }
    }

    fn fail(&mut self, origin: Origin, failure: Failure) {
        if matches!(failure, Failure::BadRequest(_)) {
            self.counters.bad_requests += 1;
        }
        self.answer(origin, Reply::Failed(failure));
    }

    /// Emits now, or when every row of the key is on disk.
    fn emit_when_durable(&mut self, key: &[u8], effect: Effect) {
        self.when_durable(key, Held::Effect(effect));
    }

    fn when_durable(&mut self, key: &[u8], held: Held) {
        if let Some(held) = self.persistence.hold_for_key(key, held) {
            self.release(held);
        }
    }

    fn release(&mut self, held: Held) {
        match held {
            Held::Effect(effect) => self.out.push(effect),
            Held::PutIsLocal(op) => self.put_is_local(op),
            Held::GetIsLocal(op, state) => self.get_answered(op, self.config.id, state),
        }
    }

    /// Joins a state into a row; returns whether the row changed.
    fn join_row(&mut self, place: &Place, key: &[u8], state: &KeyState) -> bool {
        let old = self.image.get(place, key);
        let mut row = old.cloned().unwrap_or_default();
        row.state.join(state, self.config.versions);
        if old.is_some_and(|old| old.state == row.state) {
            return false;
        }
        self.write_row(place, key, row);
        true
    }

    fn write_row(&mut self, place: &Place, key: &[u8], row: Stored) {
        let write = self.image.put(&self.ring, place, key, row);
        self.persistence.write(Some(key), write);
    }

    /// All that this node knows of a key.
    fn view(&self, key: &[u8]) -> KeyState {
        let owners: Vec<NodeId> = self.replicas(key).to_vec();
        self.image.view(key, &owners, self.config.versions)
    }

    fn replicas(&self, key: &[u8]) -> &[NodeId] {
        &self.ring.preference_list(key)[..usize::from(self.config.n)]
    }

    fn is_replica(&self, node: NodeId, key: &[u8]) -> bool {
        self.replicas(key).contains(&node)
    }

    /// The context of a request, or why it is refused.
    fn checked_context(&self, text: Option<&str>, key: &[u8]) -> Result<Context, Failure> {
        match text {
            None => Ok(Context::default()),
            Some(text) => Context::decode(text, key, self.config.ring_seed, self.config.versions)
                .map_err(|error| Failure::BadRequest(error.to_string())),
        }
    }

    /// N and a quorum size of a request, or why they are refused: 1 <= quorum <= n <= N.
    fn checked_quorum(&self, n: Option<u8>, asked: Option<u8>, default: u8) -> Result<(u8, u8), Failure> {
        let n = n.unwrap_or(self.config.n);
        let quorum = asked.unwrap_or(default.min(n));
        if n == 0 || n > self.config.n {
            return Err(Failure::BadRequest(format!(
                "n must be from 1 to {}, not {n}",
                self.config.n
            )));
        }
        if quorum == 0 || quorum > n {
            return Err(Failure::BadRequest(format!(
                "r and w must be from 1 to n = {n}, not {quorum}"
            )));
        }
        Ok((n, quorum))
    }

    fn checked_key(&self, key: &[u8]) -> Result<(), Failure> {
        let max = self.config.limits.key_bytes_max;
        if key.is_empty() || key.len() > max {
            return Err(Failure::BadRequest(format!(
                "a key has 1 to {max} bytes, not {}",
                key.len()
            )));
        }
        Ok(())
    }

    fn client_get_local(&mut self, id: RequestId, key: &[u8]) {
        let state = self
            .image
            .get(&Place::Data, key)
            .map(|held| held.state.clone())
            .unwrap_or_default();
        let version = |v: &crate::versions::Version| LocalVersion {
            id: v.dot.to_string(),
            value: v.value.as_ref().map(|value| value.to_vec()),
        };
        let versions = state.versions().iter().map(version).collect();
        self.emit_when_durable(
            key,
            Effect::Reply {
                request: id,
                reply: Reply::Local { versions },
            },
        );
    }

    fn requests(&self) -> usize {
        self.puts.len() + self.gets.len() + self.forwardings.len()
    }

    fn name(&self, node: NodeId) -> String {
        self.config.names[usize::from(node.0)].clone()
    }

    fn others(&self) -> Vec<NodeId> {
        (0..self.config.names.len() as u16)
            .map(NodeId)
            .filter(|id| *id != self.config.id)
            .collect()
    }

    fn is_healthy(&self, node: NodeId) -> bool {
        node == self.config.id || !self.peers.is_suspected(node)
    }

    fn new_tag(&mut self) -> Tag {
        self.tag_next = self.tag_next.wrapping_add(1);
        Tag(self.tag_next)
    }

    fn new_op(&mut self) -> OpId {
        self.op_next += 1;
        OpId(self.op_next)
    }

    /// A new actor's epoch; it is on disk in the same batch as the first version that bears it.
    fn new_epoch(&mut self) -> u64 {
        let epoch = self.identity.epoch_next;
        self.identity.epoch_next += 1;
        self.persist_identity();
        epoch
    }

    fn persist_identity(&mut self) {
        let value = postcard::to_stdvec(&self.identity).expect("an identity is plain data");
        self.persistence.write(
            None,
            Write {
                table: Table::Meta,
                key: META_KEY.to_vec(),
                value: Some(value),
            },
        );
    }

    /// Returns the time it is set to.
    fn set_timer(&mut self, after: Duration, timer: Timer) -> u64 {
        let at = self.now.monotonic_ns.saturating_add(after.as_nanos() as u64);
        self.timers.set(at, timer);
        at
    }

    /// Staggered, so that nodes started together do not act together for ever.
    fn set_periodic_timers(&mut self) {
        let timing = self.config.timing.clone();
        let mut periodic = vec![
            (timing.probe_interval, Timer::Probe),
            (timing.hint_interval, Timer::Hints),
            (timing.anti_entropy_interval, Timer::AntiEntropy),
        ];
        if self.config.bug == Some(Bug::AckBeforeDurable) {
            periodic.push((LATE_FLUSH, Timer::LateFlush));
        }
        for (interval, timer) in periodic {
            let first = interval.mul_f64(self.rng.random_range(0.1..1.0));
            self.set_timer(first, timer);
        }
    }

    /// Whom a request goes to: N nodes, and for each fallback the replica it stands in for.
    ///
    /// Strict: the first N of the preference list. Sloppy: its first N healthy nodes (4.6); when there are fewer, unhealthy replicas
    /// are tried all the same, so that a wrong suspicion alone refuses nobody.
    fn choose_targets(&self, key: &[u8], n: u8) -> Vec<Target> {
        let preference = self.ring.preference_list(key);
        let n = usize::from(n);
        let (top, rest) = preference.split_at(n);
        if self.config.quorum == Quorum::Strict {
            return top.iter().map(|&node| Target::replica(node)).collect();
        }
        let mut targets: Vec<Target> = top
            .iter()
            .filter(|node| self.is_healthy(**node))
            .map(|&node| Target::replica(node))
            .collect();
        let mut missing = top.iter().filter(|node| !self.is_healthy(**node));
        for &fallback in rest.iter().filter(|node| self.is_healthy(**node)) {
            let Some(&owner) = missing.next() else { break };
            targets.push(self.stand_in(key, fallback, owner));
        }
        targets.extend(missing.map(|&owner| Target::replica(owner)));
        targets
    }

    /// A fallback keeps a hint, unless it is itself a replica of the key (a request with an N of its own).
    fn stand_in(&self, key: &[u8], fallback: NodeId, owner: NodeId) -> Target {
        let hint_for = (!self.is_replica(fallback, key)).then_some(owner);
        Target {
            node: fallback,
            hint_for,
            done: false,
        }
    }

    /// Who comes in for a target that does not answer (sloppy): the first healthy node of the preference list not asked yet.
    fn choose_substitute(&self, key: &[u8], targets: &[Target], failed: NodeId) -> Option<Target> {
        if self.config.quorum == Quorum::Strict {
            return None;
        }
        let failed = targets.iter().find(|target| target.node == failed)?;
        let owner = failed.hint_for.unwrap_or(failed.node);
        let asked = |node: NodeId| targets.iter().any(|target| target.node == node);
        let preference = self.ring.preference_list(key);
        let &node = preference.iter().find(|&&node| !asked(node) && self.is_healthy(node))?;
        Some(self.stand_in(key, node, owner))
    }
}

/// One node that a request goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Target {
    node: NodeId,
    /// It stands in for this replica.
    hint_for: Option<NodeId>,
    /// It has answered.
    done: bool,
}

impl Target {
    fn replica(node: NodeId) -> Self {
        Self {
            node,
            hint_for: None,
            done: false,
        }
    }
}

fn decode_identity(row: &Row) -> Result<Identity, DamagedRow> {
    postcard::from_bytes(&row.value).map_err(|_| DamagedRow::new(row.table, &row.key, "cannot be decoded"))
}

fn own_identity(identity: Identity, config: &Config) -> Result<Identity, StartError> {
    let expected = &config.names[usize::from(config.id.0)];
    if identity.name == *expected && identity.ring_seed == config.ring_seed {
        return Ok(identity);
    }
    Err(StartError::Foreign {
        found: identity.name,
        found_ring: identity.ring_seed,
        expected: expected.clone(),
        expected_ring: config.ring_seed,
    })
}

/// On an empty disk epochs start at random: whatever this node made in an earlier life, it makes no dot of that again.
fn new_identity(config: &Config, rng: &mut ChaCha8Rng) -> Identity {
    let epoch_next = u64::from(rng.next_u32()) << 24;
    let name = config.names[usize::from(config.id.0)].clone();
    Identity {
        name,
        ring_seed: config.ring_seed,
        epoch_next,
    }
}
