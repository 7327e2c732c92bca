//! The node: one state machine, fed with inputs, answering with effects.
//!
//! ```text
//!   handle ─► checks.rs         is the request one that can be served?
//!          ─► put.rs            a write: coordinate it ...
//!          ─► forward.rs        ... or hand it to who may
//!          ─► get.rs            a read: ask N, wait for R, repair afterwards
//!          ─► session.rs        what a client has seen, and must find again
//!          ─► targets.rs        whom a request goes to
//!          ─► questions.rs      what was asked of peers, and their answers
//!          ─► write_buffer.rs   rows in memory, and one replica that writes through
//!          ─► replica.rs        what peers ask of this node's own rows
//!          ─► hints.rs          hand over what was kept for others
//!          ─► anti_entropy.rs   compare Merkle trees, exchange what differs
//!          ─► admission.rs      how much of such background work the disk has room for
//!          ─► reaping.rs        forget tombstones that nobody needs any more
//!          ─► fences.rs         numbers for messages, and what comes too late
//!          ─► peers.rs          who answers and who does not
//!          ─► envelopes.rs      in which version of the protocol
//!          ─► membership.rs     who is a member: commands and gossip
//!          ─► views.rs          only nodes that agree on where keys live serve each other
//!          ─► transfer.rs       what changes hands when the members change
//!   every change of a row ─► image.rs ─► persistence.rs ─► Effect::Persist, and what waits for it
//! ```

mod admission;
mod anti_entropy;
mod checks;
mod envelopes;
mod fences;
mod forward;
mod get;
mod hints;
mod identity;
mod membership;
mod metrics;
pub(crate) mod peers;
mod persistence;
mod planted;
mod put;
mod questions;
mod reaping;
mod replica;
mod session;
mod targets;
pub(crate) mod timers;
mod transfer;
mod views;
mod write_buffer;

use std::collections::BTreeMap;
use std::time::Duration;

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::api::{Effect, Failure, Input, NodeId, Now, Reply, Request, RequestId, Row, RowWrite, Table};
use crate::bug::Bug;
use crate::config::{Config, ConfigError, Durability};
use crate::context::Context;
use crate::image::Image;
use crate::membership::View;
use crate::message::{Command, Life, Message, Tag};
use crate::protocol::Envelope;
use crate::ring::{Ring, Span};
pub use crate::row::DamagedRow;
use crate::sequence::Sequence;

use admission::Admission;
use anti_entropy::Listing;
use envelopes::Speakers;
use fences::Fences;
use forward::{Forwarding, Lives, RecentForwards};
use get::GetOp;
use hints::Handovers;
use identity::Identity;
use membership::{CommandOp, Membership};
use metrics::{Counters, Latencies};
use peers::Peers;
use persistence::Persistence;
use put::PutOp;
use questions::{Answer, Asked};
use reaping::Reaping;
use timers::{Timer, Timers};
use transfer::Transfers;

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
    /// A command that a peer has handed over.
    Command(NodeId, Tag),
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
        "the data directory belongs to node {found} of ring {found_ring:x}, not to {expected} of ring {expected_ring:x}; \
         a ring is its nodes, their capacities, its partitioning and its seed"
    )]
    Foreign {
        /// Whose it is.
        found: String,
        /// The fingerprint of its ring.
        found_ring: u64,
        /// Who was to be started.
        expected: String,
        /// The fingerprint of the ring that the settings make.
        expected_ring: u64,
    },
}

/// One Dynamo node.
#[derive(Debug)]
pub struct Node {
    config: Config,
    ring: Ring,
    life: Life,
    now: Now,
    rng: ChaCha8Rng,
    image: Image,
    persistence: Persistence,
    identity: Identity,
    fences: Fences,
    reaping: Reaping,
    peers: Peers,
    speakers: Speakers,
    timers: Timers<Timer>,
    asked: Sequence<Tag, Asked>,
    puts: Sequence<OpId, PutOp>,
    gets: Sequence<OpId, GetOp>,
    forwardings: Sequence<OpId, Forwarding>,
    forwards_seen: RecentForwards,
    /// The sessions of puts under way.
    sessions: BTreeMap<RequestId, Context>,
    lives: Lives,
    membership: Membership,
    transfers: Transfers,
    commands: BTreeMap<OpId, CommandOp>,
    handovers: Handovers,
    admission: Admission,
    /// With the bug `repair-marked-done`: ranges and the roots they had when they were compared.
    marked_done: BTreeMap<Span, u128>,
    /// With the bug `ring-cached`: the ring at the start of this life.
    cached_ring: Option<Ring>,
    anti_entropy_turn: u16,
    tag_next: u64,
    op_next: u64,
    counters: Counters,
    latencies: Latencies,
    out: Vec<Effect>,
    /// Empty between steps.
    gathered: Vec<Effect>,
}

impl Node {
    /// Recovers a node from the rows on its disk (none on an empty one). `config.seed` or the monotonic time must
    /// differ from those of the node's earlier lives, because they name its messages.
    ///
    /// # Errors
    /// When the settings cannot work, a row is damaged, or the disk is another node's.
    pub fn start(config: Config, rows: Vec<Row>, now: Now, effects: &mut Vec<Effect>) -> Result<Self, StartError> {
        let (node, _) = Self::recover(config, rows, now, effects, &|_, damage| Err(damage))?;
        Ok(node)
    }

    /// The same without the damaged rows of the main store and the hint store, which are deleted; returns what was wrong
    /// with each. For an administrator: what only those rows held is lost. The other replicas give the rest back, as they
    /// would to a node that lost the rows in any other way, and what this node writes to such a key begins a new actor.
    ///
    /// # Errors
    /// As [`Node::start`]; the node's own rows must be whole.
    pub fn start_without_damaged(
        config: Config,
        rows: Vec<Row>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<(Self, Vec<DamagedRow>), StartError> {
        let delete = |row: &Row, _| Ok(RowWrite::delete(row.table, row.key.clone()));
        Self::recover(config, rows, now, effects, &delete)
    }

    /// `damaged` says what is to be written about a damaged row, or that it is the end.
    fn recover(
        config: Config,
        rows: Vec<Row>,
        now: Now,
        effects: &mut Vec<Effect>,
        damaged: &dyn Fn(&Row, DamagedRow) -> Result<RowWrite, DamagedRow>,
    ) -> Result<(Self, Vec<DamagedRow>), StartError> {
        config.validate()?;
        config.validate_id()?;
        let mut rng = ChaCha8Rng::seed_from_u64(config.seed ^ now.monotonic_ns.rotate_left(32));
        let fences = Fences::recover(&rows)?;
        let founding = Ring::of(&config).map_err(ConfigError::from)?;
        let identity = Identity::recover(&rows, &config, &founding, &mut rng)?;
        let membership = Membership::recover(&rows, &config)?;
        let ring = Ring::with_history(&config, &membership.history).map_err(ConfigError::from)?;
        let mut image = Image::new(&ring);
        let mut lost = Vec::new();
        let skipped = (config.bug == Some(Bug::HintsLostOnRestart)).then_some(Table::Hints);
        for row in rows.iter().filter(|row| row.table != Table::Meta && Some(row.table) != skipped) {
            if let Err(damage) = image.load(&ring, config.names.len(), row) {
                lost.push((damaged(row, damage.clone())?, damage));
            }
        }
        if config.bug == Some(Bug::MerkleDrift) {
            image.let_drift();
        }
        let mut node = Self::assemble(config, ring, now, rng, (image, identity, membership, fences));
        let (deletions, lost): (Vec<RowWrite>, Vec<DamagedRow>) = lost.into_iter().unzip();
        deletions.into_iter().for_each(|write| node.persistence.write(None, write));
        node.counters.damaged_rows_dropped = lost.len() as u64;
        if node.config.durability == Durability::Buffered {
            node.identity.spare_epochs();
        }
        node.persist_identity();
        node.persist_membership();
        node.reserve_tags();
        node.set_periodic_timers();
        node.finish(effects);
        Ok((node, lost))
    }

    fn assemble(
        config: Config,
        ring: Ring,
        now: Now,
        mut rng: ChaCha8Rng,
        (image, identity, membership, fences): (Image, Identity, Membership, Fences),
    ) -> Self {
        Self {
            life: Life(rng.next_u64()),
            tag_next: fences.first_tag(now),
            anti_entropy_turn: rng.random_range(0..config.names.len() as u16),
            persistence: Persistence::new(config.bug),
            peers: Peers::default(),
            speakers: Speakers::default(),
            timers: Timers::default(),
            asked: Sequence::default(),
            puts: Sequence::default(),
            gets: Sequence::default(),
            forwardings: Sequence::default(),
            forwards_seen: RecentForwards::default(),
            sessions: BTreeMap::new(),
            lives: Lives::default(),
            membership,
            transfers: Transfers::default(),
            commands: BTreeMap::new(),
            handovers: Handovers::default(),
            admission: Admission::new(&config),
            marked_done: BTreeMap::new(),
            cached_ring: (config.bug == Some(Bug::RingCached)).then(|| ring.clone()),
            op_next: 0,
            counters: Counters::default(),
            latencies: Latencies::default(),
            out: Vec::new(),
            gathered: Vec::new(),
            config,
            ring,
            now,
            rng,
            image,
            identity,
            fences,
            reaping: Reaping::default(),
        }
    }

    /// All members in order of preference for a key; the first N are its replicas.
    pub fn preference_list(&self, key: &[u8]) -> Vec<NodeId> {
        self.ring.preference_list(key).to_vec()
    }

    /// While a change is active: all members of after it in order of preference for a key.
    pub fn next_preference_list(&self, key: &[u8]) -> Option<Vec<NodeId>> {
        self.ring.next_preference(self.ring.range_of(key)).map(<[NodeId]>::to_vec)
    }

    /// Where this node believes keys to live.
    pub fn membership_view(&self) -> View {
        self.membership.view
    }

    /// Takes one input and appends what must be done because of it.
    pub fn handle(&mut self, now: Now, input: Input, effects: &mut Vec<Effect>) {
        self.now = now;
        match input {
            Input::Message { from, envelope } => self.handle_envelope(from, envelope),
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
        if let Err(failure) = self.checked_room() {
            return self.fail(Origin::Client(id), failure);
        }
        match request {
            Request::Get { key, r, n } => self.client_get(id, key, r, n),
            Request::Put { key, value, context, w, n } => match self.checked_put(key, value, context, w, n) {
                Ok(put) => self.route_put(id, put, None),
                Err(failure) => self.fail(Origin::Client(id), failure),
            },
            Request::InSession { session, request } => self.request_in_session(id, session, *request),
            Request::GetLocal { key } => self.client_get_local(id, &key),
            Request::Fetch { view, .. } | Request::Store { view, .. } if self.is_other_view(id, view) => {}
            Request::Fetch { key, .. } => self.client_fetch(id, &key),
            Request::Store { key, state, hint_for, .. } => self.client_store(id, &key, &state, hint_for),
            Request::Join { node } => self.command(Origin::Client(id), Command::Join(node)),
            Request::Leave { node } => self.command(Origin::Client(id), Command::Leave(node)),
            Request::Members => {
                let reply = Reply::Members(self.members_reply());
                self.answer(Origin::Client(id), reply);
            }
        }
    }

    fn handle_envelope(&mut self, from: NodeId, envelope: Envelope) {
        if usize::from(from.0) >= self.config.names.len() || from == self.config.id {
            return;
        }
        if let Some(message) = self.open(from, envelope) {
            self.handle_message(from, message);
        }
    }

    fn handle_message(&mut self, from: NodeId, message: Message) {
        // The disk has stalled: what would wait for it as well is as good as lost on its way.
        if self.persistence.is_full() && message.is_work() {
            self.counters.messages_dropped += 1;
            return;
        }
        let Some(message) = self.serve_in_view(from, message) else { return };
        match message {
            Message::Store { tag, key, state, hint_for } => self.peer_store(from, tag, &key, &state, hint_for),
            Message::StoreBuffered { tag, key, state, hint_for } => {
                self.peer_store_buffered(from, tag, &key, &state, hint_for)
            }
            Message::Fetch { tag, key } => self.peer_fetch(from, tag, &key),
            Message::Forward { tag, life, put } => self.peer_forward(from, tag, life, *put),
            Message::Ping { tag } => self.send(from, Message::Pong { tag }),
            Message::Stored { tag } => self.answered(from, tag, Answer::Stored),
            Message::StoredAll { tags } => tags.into_iter().for_each(|tag| self.answered(from, tag, Answer::Stored)),
            Message::StoreRefused { tag } => self.answered(from, tag, Answer::StoreRefused),
            Message::Fetched { tag, state } => self.answered(from, tag, Answer::Fetched(state)),
            Message::Forwarded { tag, failure, seen } => {
                self.answered(from, tag, Answer::Forwarded(failure, seen.map(|seen| *seen)))
            }
            Message::WrongLife { tag, life } => self.answered(from, tag, Answer::WrongLife(life)),
            Message::Pong { tag } => self.answered(from, tag, Answer::Pong),
            Message::Compare { pages } => self.peer_compare(from, &pages),
            Message::Roots { credit, roots } => self.peer_roots(from, credit, &roots),
            Message::Branches { credit, span, branch, children } => {
                self.peer_branches(from, credit, *span, branch, &children)
            }
            Message::Leaves { credit, span, branch, after, keys, more } => {
                self.peer_leaves(from, credit, Listing { span: *span, branch, after, keys, more })
            }
            Message::Room { rows } => self.peer_room(from, rows),
            Message::Want { keys } => self.peer_want(from, &keys),
            Message::Command { tag, command } => self.command(Origin::Command(from, tag), command),
            Message::Commanded { tag, failure } => self.answered(from, tag, Answer::Commanded(failure)),
            Message::AskTokens { tag } => self.peer_ask_tokens(from, tag),
            Message::Tokens { tag, capacity, tokens } => self.answered(from, tag, Answer::Tokens(capacity, tokens)),
            Message::Gossip { digest } => self.peer_gossip(from, digest),
            Message::History { history } => self.peer_history(from, &history),
            Message::TagFenced { last } => self.peer_tag_fenced(last),
            Message::Guard { tag, keys } => self.peer_guard(from, tag, keys),
            Message::Fence { tag, round, last, timestamp_max_us } => {
                self.peer_fence(from, tag, round, &last, timestamp_max_us)
            }
            Message::Reap { tag, keys } => self.peer_reap(from, tag, &keys),
            Message::Guarded { tag, refused, last } => self.answered(from, tag, Answer::Guarded(refused, last)),
            Message::Fenced { tag, guarded } => self.answered(from, tag, Answer::Fenced(guarded)),
            Message::Reaped { tag } => self.answered(from, tag, Answer::Reaped),
            Message::OtherView { tag, history } => self.peer_other_view(from, tag, &history),
            Message::Offer { tag, keys } => self.peer_offer(from, tag, &keys),
            Message::Wanted { tag, keys } => self.answered(from, tag, Answer::Wanted(keys)),
            Message::HandedOver { view } => self.peer_handed_over(from, view),
            // One within another is nobody's.
            Message::InView { .. } => {}
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
            Timer::Gossip => self.gossip(),
            Timer::Reaping => self.reap_in_turn(),
            Timer::Transfers => self.go_on_with_transfers(),
            Timer::Retry(op) => self.retry(op),
            Timer::Flush => self.flush_in_time(),
            Timer::Hedge(op) => self.hedge(op),
            Timer::LateFlush => {
                self.persistence.flush_late();
                self.set_timer(LATE_FLUSH, Timer::LateFlush);
            }
        }
    }

    /// The time allowed for a request is over; it is one of the four, or has ended.
    fn deadline(&mut self, op: OpId) {
        self.put_deadline(op);
        self.forward_deadline(op);
        self.get_deadline(op);
        self.command_deadline(op);
    }

    /// Closes the step: one batch, one alarm.
    fn finish(&mut self, effects: &mut Vec<Effect>) {
        self.flush_when_half_full();
        if let Some((id, writes)) = self.persistence.take_batch() {
            self.out.push(Effect::Persist { id, writes });
        }
        self.gather_acks();
        if self.config.bug == Some(Bug::PeerNeverRetried) {
            let peers = &self.peers;
            self.out.retain(|effect| !matches!(effect, Effect::Send { to, .. } if peers.is_suspected(*to)));
        }
        if let Some(at_ns) = self.timers.announcement() {
            self.out.push(Effect::SetTimer { at_ns });
        }
        effects.append(&mut self.out);
    }
}

/// Small services to the other parts.
impl Node {
    fn send(&mut self, to: NodeId, message: Message) {
        let message = self.in_view(message);
        self.out.push(Effect::Send { to, message });
    }

    fn answer(&mut self, origin: Origin, reply: Reply) {
        match origin {
            Origin::Client(request) => {
                self.sessions.remove(&request);
                self.out.push(Effect::Reply { request, reply });
            }
            Origin::Peer(peer, tag) => {
                self.send(peer, Message::Forwarded { tag, failure: reply.failure(), seen: None })
            }
            Origin::Command(peer, tag) => self.send(peer, Message::Commanded { tag, failure: reply.failure() }),
        }
    }

    fn fail(&mut self, origin: Origin, failure: Failure) {
        if matches!(failure, Failure::BadRequest(_)) {
            self.counters.bad_requests += 1;
        }
        self.answer(origin, Reply::Failed(failure));
    }

    /// Client requests under way, and those of peers' clients.
    fn requests(&self) -> usize {
        self.puts.len() + self.gets.len() + self.forwardings.len() + self.commands.len()
    }

    fn name(&self, node: NodeId) -> String {
        self.config.names[usize::from(node.0)].clone()
    }

    fn others(&self) -> Vec<NodeId> {
        let nodes = (0..self.config.names.len() as u16).map(NodeId);
        nodes.filter(|id| *id != self.config.id).collect()
    }

    fn is_healthy(&self, node: NodeId) -> bool {
        node == self.config.id || !self.peers.is_suspected(node)
    }

    fn new_op(&mut self) -> OpId {
        self.op_next += 1;
        OpId(self.op_next)
    }

    /// A place below `count`; 0 if that is 0.
    fn draw(&mut self, count: usize) -> usize {
        if count == 0 { 0 } else { self.rng.random_range(0..count) }
    }

    /// Returns the time it is set to.
    fn set_timer(&mut self, after: Duration, timer: Timer) -> u64 {
        let after_ns = u64::try_from(after.as_nanos()).unwrap_or(u64::MAX);
        let at = self.now.monotonic_ns.saturating_add(after_ns);
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
            (timing.gossip_interval, Timer::Gossip),
            (timing.reaping_interval, Timer::Reaping),
            (timing.hint_interval, Timer::Transfers),
        ];
        if self.config.durability == Durability::Buffered {
            periodic.push((timing.flush_interval, Timer::Flush));
        }
        if self.config.bug == Some(Bug::AckBeforeDurable) {
            periodic.push((LATE_FLUSH, Timer::LateFlush));
        }
        for (interval, timer) in periodic {
            let first = interval.mul_f64(self.rng.random_range(0.1..1.0));
            self.set_timer(first, timer);
        }
    }
}
