//! A world for nodes to live in: virtual time, one thread, everything from one seed.
//!
//! The world keeps a queue of what will happen and when: messages that arrive, persists that complete, alarms that go
//! off. It takes the earliest, hands it to the node concerned, and turns the node's effects into new entries. Nothing
//! happens between two entries, so simulated time costs nothing, and the same seed gives the same run to the last
//! message: [`World::trace_hash`] shows it.
//!
//! The network loses, delays, duplicates and reorders ([`network`]); a disk loses and tears what it was not yet made to
//! keep, fails and rots ([`disk`]); every node has a wall clock of its own ([`clock`]).

mod clients;
pub mod clock;
pub mod disk;
pub mod latency;
pub mod network;
mod queue;
mod trace;
mod world;

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::api::{Effect, Input, Now, Reply, Request};
use crate::config::Config;
use crate::ids::{NodeId, PersistId, RequestId};
use crate::message::Message;
use crate::node::{DamagedRow, Node, StartError};
use crate::protocol::Protocol;
use crate::row::Row;
use crate::sequence::Sequence;

use clock::SimClock;
use disk::{Disk, DiskCounters, DiskSettings};
use latency::Leg;
use network::{Network, NetworkSettings};
use queue::Queue;
use trace::Trace;
use world::{Event, Seat};

pub use world::{Answer, ClientId, World, WorldSettings};

impl World {
    /// A world with every node started on an empty disk.
    ///
    /// # Errors
    /// When the nodes refuse their settings.
    pub fn new(settings: WorldSettings) -> Result<Self, StartError> {
        let nodes = settings.config.names.len() as u16;
        let seat = |_| Seat {
            node: None,
            life: 0,
            disk: Disk::default(),
            clock: SimClock::default(),
            protocol: settings.config.protocol,
            timer_ns: None,
            paused: None,
        };
        let mut world = Self {
            now_ns: 1,
            rng: ChaCha8Rng::seed_from_u64(settings.seed),
            seats: (0..nodes).map(seat).collect(),
            network: Network::new(settings.network.clone(), usize::from(nodes)),
            queue: Queue::default(),
            events: 0,
            requests: 0,
            open: Sequence::default(),
            answers: Sequence::default(),
            clients: Vec::new(),
            calls: Sequence::default(),
            fresh: Vec::new(),
            trace: Trace::default(),
            effects: Vec::new(),
            settings,
        };
        for node in 0..nodes {
            world.start(NodeId(node))?;
        }
        Ok(world)
    }

    /// Virtual time since the world began, nanoseconds.
    pub fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// All nodes, up or down.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.seats.len() as u16).map(NodeId)
    }

    /// Whether the node is up.
    pub fn is_up(&self, node: NodeId) -> bool {
        self.seat(node).node.is_some()
    }

    /// The node, if it is up.
    pub fn node(&self, node: NodeId) -> Option<&Node> {
        self.seat(node).node.as_ref()
    }

    /// The network, to cut and heal.
    pub fn network(&mut self) -> &mut Network {
        &mut self.network
    }

    /// Moves a node's wall clock: a jump, and from now on a rate error in parts per million.
    pub fn set_clock(&mut self, node: NodeId, offset_ns: i64, drift_ppm: i64) {
        let now_ns = self.now_ns;
        self.seat_mut(node).clock.set(now_ns, offset_ns, drift_ppm);
    }

    /// How far the node's wall clock is ahead of true time, nanoseconds.
    pub fn clock_offset_ns(&self, node: NodeId) -> i64 {
        self.seat(node).clock.offset_ns(self.now_ns)
    }

    /// A hash of everything that has happened: equal for two runs iff they were the same.
    pub fn trace_hash(&self) -> u64 {
        self.trace.hash()
    }

    /// How many events have happened.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Starts a node that is down from its disk.
    ///
    /// # Errors
    /// When the node refuses its settings or its disk.
    pub fn start(&mut self, id: NodeId) -> Result<(), StartError> {
        if self.is_up(id) {
            return Ok(());
        }
        let mut effects = Vec::new();
        let (config, rows, now) = self.origins(id);
        let node = Node::start(config, rows, now, &mut effects)?;
        self.seat_node(id, node, effects);
        Ok(())
    }

    /// Starts a node that is down without the damaged rows of its disk, as an administrator may; returns which those
    /// were. The other replicas give it their copies.
    ///
    /// # Errors
    /// When the node refuses its settings or its disk for another reason.
    pub fn start_without_damaged(&mut self, id: NodeId) -> Result<Vec<DamagedRow>, StartError> {
        if self.is_up(id) {
            return Ok(Vec::new());
        }
        let mut effects = Vec::new();
        let (config, rows, now) = self.origins(id);
        let (node, damaged) = Node::start_without_damaged(config, rows, now, &mut effects)?;
        self.seat_mut(id).disk.counters.dropped_rows += damaged.len() as u64;
        self.seat_node(id, node, effects);
        Ok(damaged)
    }

    /// What a node is started from.
    fn origins(&mut self, id: NodeId) -> (Config, Vec<Row>, Now) {
        let seed = self.rng.next_u64();
        let protocol = self.seat(id).protocol;
        let config = Config { id, seed, protocol, ..self.settings.config.clone() };
        (config, self.seat(id).disk.rows(), self.now_of(id))
    }

    fn seat_node(&mut self, id: NodeId, node: Node, mut effects: Vec<Effect>) {
        let seat = self.seat_mut(id);
        assert!(seat.node.is_none(), "a node is started that runs already");
        seat.node = Some(node);
        seat.life += 1;
        seat.timer_ns = None;
        self.trace.note(&("start", id.0));
        self.carry_out(id, &mut effects);
    }

    /// The version of the protocol that a node will speak from its next start on.
    pub fn set_protocol(&mut self, id: NodeId, protocol: Protocol) {
        self.seat_mut(id).protocol = protocol;
    }

    /// The version of the protocol that a node speaks, or will when it starts.
    pub fn protocol(&self, id: NodeId) -> Protocol {
        self.seat(id).protocol
    }

    /// Ends a node as a power failure would: what was not reported as persisted may or may not be on its disk.
    pub fn crash(&mut self, id: NodeId) {
        let mut rng = ChaCha8Rng::seed_from_u64(self.rng.next_u64());
        let settings = self.settings.disk.clone();
        let seat = self.seat_mut(id);
        seat.paused = None;
        if seat.node.take().is_none() {
            return;
        }
        seat.disk.crash(&settings, &mut rng);
        self.trace.note(&("crash", id.0));
        let broken: Vec<RequestId> =
            self.open.iter().filter(|(_, node)| **node == id).map(|(request, _)| request).collect();
        for request in broken {
            self.open.remove(&request);
            self.answer_later(request, Answer::ConnectionLost);
        }
    }

    /// Freezes a node: nothing happens to it until it is resumed, and then everything at once.
    pub fn pause(&mut self, id: NodeId) {
        let seat = self.seat_mut(id);
        if seat.node.is_some() && seat.paused.is_none() {
            seat.paused = Some(Vec::new());
            self.trace.note(&("pause", id.0));
        }
    }

    /// Thaws a paused node.
    pub fn resume(&mut self, id: NodeId) {
        if let Some(backlog) = self.seat_mut(id).paused.take() {
            self.trace.note(&("resume", id.0));
            for event in backlog {
                self.schedule_in_order(self.now_ns, event);
            }
        }
    }

    /// Whether the node is frozen.
    pub fn is_paused(&self, id: NodeId) -> bool {
        self.seat(id).paused.is_some()
    }

    /// Empties the disk of a node that is down.
    pub fn wipe(&mut self, id: NodeId) {
        if !self.is_up(id) {
            self.seat_mut(id).disk.wipe();
            self.trace.note(&("wipe", id.0));
        }
    }

    /// Replaces the disks' habits.
    pub fn set_disk(&mut self, settings: DiskSettings) {
        self.settings.disk = settings;
    }

    /// From now on every sync of the node's disk fails, or none does. The first that fails ends the node: what it had
    /// written is neither safe nor lost for certain, and to try again would be to believe a disk that has lied.
    pub fn fail_syncs(&mut self, id: NodeId, fail: bool) {
        self.seat_mut(id).disk.is_failing = fail;
        self.trace.note(&("fail syncs", id.0, fail));
    }

    /// Turns over a bit in each of so many rows on the disk of a node that is down, or in as many as there are.
    pub fn rot(&mut self, id: NodeId, rows: usize) {
        if !self.is_up(id) {
            let mut rng = ChaCha8Rng::seed_from_u64(self.rng.next_u64());
            self.seat_mut(id).disk.rot(rows, &mut rng);
            self.trace.note(&("rot", id.0, rows));
        }
    }

    /// Bytes that lie safely on the node's disk, keys and rows.
    pub fn disk_bytes(&self, id: NodeId) -> u64 {
        self.seat(id).disk.bytes()
    }

    /// What has happened to the node's disk so far.
    pub fn disk_counters(&self, id: NodeId) -> DiskCounters {
        self.seat(id).disk.counters
    }

    /// Hands a client's request to a node at once; none if the node is down. The answer is found by
    /// [`World::take_reply`].
    pub fn request(&mut self, node: NodeId, request: Request) -> Option<RequestId> {
        let id = self.open_request(node)?;
        self.input(node, Input::Request { id, request });
        Some(id)
    }

    /// Sends a client's request to a node over the network, which neither loses nor repeats it; none if the node is
    /// down. The answer is found by [`World::take_answer`], some time later.
    pub fn send_request(&mut self, node: NodeId, request: Request) -> Option<RequestId> {
        let id = self.open_request(node)?;
        let life = self.seat(node).life;
        let at_ns = self.now_ns + self.client_delay_ns(Leg::of_request(&request));
        self.schedule(at_ns, Event::Arrive { node, life, id, request });
        Some(id)
    }

    /// The answer to a request, if it has come.
    pub fn take_answer(&mut self, request: RequestId) -> Option<Answer> {
        self.answers.remove(&request)
    }

    /// The node's reply to a request, if it has come; a crashed node never replies.
    pub fn take_reply(&mut self, request: RequestId) -> Option<Reply> {
        match self.answers.remove(&request)? {
            Answer::Reply(reply) => Some(reply),
            Answer::ConnectionLost => None,
        }
    }

    /// The requests that were answered since this was last asked.
    pub fn take_fresh(&mut self) -> Vec<RequestId> {
        std::mem::take(&mut self.fresh)
    }

    /// The client no longer waits for this answer.
    pub fn forget_request(&mut self, request: RequestId) {
        self.open.remove(&request);
        self.answers.remove(&request);
    }

    fn open_request(&mut self, node: NodeId) -> Option<RequestId> {
        if !self.is_up(node) {
            return None;
        }
        self.requests += 1;
        let id = RequestId(self.requests);
        self.open.insert(id, node);
        Some(id)
    }

    fn answer_later(&mut self, id: RequestId, answer: Answer) {
        let leg = match &answer {
            Answer::Reply(reply) => Leg::of_reply(reply),
            Answer::ConnectionLost => Leg::Answer,
        };
        let at_ns = self.now_ns + self.client_delay_ns(leg);
        self.schedule(at_ns, Event::Answer { id, answer });
    }

    fn client_delay_ns(&mut self, leg: Leg) -> u64 {
        match &self.settings.network.clients {
            Some(legs) => legs.draw_ns(leg, &mut self.rng),
            None => {
                let NetworkSettings { delay_min_ns, delay_max_ns, .. } = self.settings.network;
                self.rng.random_range(delay_min_ns..=delay_max_ns)
            }
        }
    }

    /// When the next thing happens; none if nothing ever will.
    pub fn next_ns(&self) -> Option<u64> {
        self.queue.next_ns()
    }

    /// Moves time forward to a moment before which nothing happens.
    pub fn skip_to(&mut self, at_ns: u64) {
        assert!(self.next_ns().is_none_or(|next| next >= at_ns), "something would have been skipped");
        self.now_ns = self.now_ns.max(at_ns);
    }

    /// Lets the next thing happen, if it is due by `until_ns`; else moves time there. Returns whether something happened.
    pub fn step(&mut self, until_ns: u64) -> bool {
        let Some((at, event)) = self.queue.pop_due(until_ns) else {
            self.now_ns = self.now_ns.max(until_ns);
            return false;
        };
        assert!(at >= self.now_ns, "virtual time goes back");
        self.now_ns = at;
        self.happen(event);
        true
    }

    /// Lets everything happen that is due by `until_ns`.
    pub fn run_until(&mut self, until_ns: u64) {
        while self.step(until_ns) {}
    }

    fn happen(&mut self, event: Event) {
        if let Some(backlog) = event.node().and_then(|node| self.seat_mut(node).paused.as_mut()) {
            return backlog.push(event);
        }
        self.events += 1;
        self.trace.note(&self.now_ns);
        match event {
            Event::Deliver { from, to, envelope } => {
                self.trace.note(&(0u8, from, to, &envelope));
                self.input(to, Input::Message { from, envelope });
            }
            Event::Persisted { node, life, id } => {
                self.trace.note(&(1u8, node, life, id));
                if self.is_life(node, life) {
                    self.synced(node, id);
                }
            }
            Event::Timer { node, life } => {
                self.trace.note(&(2u8, node, life));
                // An alarm that was set anew meanwhile is not this one; one that a pause held up still is.
                if self.is_life(node, life) && self.seat(node).timer_ns.is_some_and(|at| at <= self.now_ns) {
                    self.seat_mut(node).timer_ns = None;
                    self.input(node, Input::Timer);
                }
            }
            Event::Arrive { node, life, id, request } => {
                self.trace.note(&(3u8, node, life, id));
                if self.is_life(node, life) && self.open.contains_key(&id) {
                    self.input(node, Input::Request { id, request });
                }
            }
            Event::Answer { id, answer } => {
                self.trace.note(&(4u8, id));
                if !self.is_client_call(id, &answer) {
                    self.fresh.push(id);
                    self.answers.insert(id, answer);
                }
            }
            Event::ClientTimer { client } => {
                self.trace.note(&(5u8, client));
                self.client_timer(client);
            }
            Event::ClientHears { client, call, response } => {
                self.trace.note(&(6u8, client, call));
                self.client_heard(client, call, response);
            }
        }
    }

    /// The disk reports on a batch: it is safe, or its sync has failed, which ends the node.
    fn synced(&mut self, node: NodeId, id: PersistId) {
        let fails_by_habit = self.settings.disk.sync_fails(&mut self.rng);
        let disk = &mut self.seat_mut(node).disk;
        if fails_by_habit || disk.is_failing {
            disk.counters.failed_syncs += 1;
            return self.crash(node);
        }
        disk.complete(id);
        self.input(node, Input::Persisted(id));
    }

    fn input(&mut self, id: NodeId, input: Input) {
        let now = self.now_of(id);
        let mut effects = std::mem::take(&mut self.effects);
        if let Some(node) = &mut self.seat_mut(id).node {
            node.handle(now, input, &mut effects);
            self.carry_out(id, &mut effects);
        }
        self.effects = effects;
    }

    fn carry_out(&mut self, id: NodeId, effects: &mut Vec<Effect>) {
        let life = self.seat(id).life;
        for effect in effects.drain(..) {
            match effect {
                Effect::Send { to, message } => self.send(id, to, message),
                Effect::Persist { id: persist, writes } => {
                    let latency = self.settings.disk.latency_ns(&mut self.rng);
                    let now_ns = self.now_ns;
                    let busy_ns = self.settings.disk.row_ns * writes.len() as u64;
                    self.seat_mut(id).disk.occupy(now_ns, busy_ns);
                    let at = self.seat_mut(id).disk.begin(persist, writes, now_ns + latency);
                    self.schedule(at, Event::Persisted { node: id, life, id: persist });
                }
                Effect::Reply { request, reply } => {
                    if self.open.remove(&request).is_some() {
                        self.answer_later(request, Answer::Reply(reply));
                    }
                }
                Effect::SetTimer { at_ns } => {
                    let at_ns = at_ns.max(self.now_ns);
                    self.seat_mut(id).timer_ns = Some(at_ns);
                    self.schedule(at_ns, Event::Timer { node: id, life });
                }
            }
        }
    }

    fn send(&mut self, from: NodeId, to: NodeId, message: Message) {
        let bytes = message.bytes() as u64;
        let leg = Leg::of_message(&message);
        let Some(envelope) = self.node(from).map(|node| node.seal(to, message)) else {
            return;
        };
        let [first, second] = self.network.deliveries(from, to, bytes, leg, &mut self.rng);
        if let Some(delay_ns) = second {
            let envelope = envelope.clone();
            self.schedule(self.now_ns + delay_ns, Event::Deliver { from, to, envelope });
        }
        if let Some(delay_ns) = first {
            self.schedule(self.now_ns + delay_ns, Event::Deliver { from, to, envelope });
        }
    }

    /// At the same moment as others, in an order that is left to chance.
    fn is_life(&self, node: NodeId, life: u64) -> bool {
        self.is_up(node) && self.seat(node).life == life
    }
}
