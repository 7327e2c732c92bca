//! A world for nodes to live in: virtual time, one thread, everything from one seed.
//!
//! The world keeps a queue of what will happen and when: messages that arrive, persists that complete, alarms that go off. It takes the
//! earliest, hands it to the node concerned, and turns the node's effects into new entries. Nothing happens between two entries, so
//! simulated time costs nothing, and the same seed gives the same run to the last message: [`World::trace_hash`] shows it.
//!
//! The network loses, delays, duplicates and reorders ([`network`]); a disk has a live and a durable image ([`disk`]); every node has a
//! wall clock of its own ([`clock`]).

pub mod clock;
pub mod disk;
pub mod network;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::api::{Effect, Input, NodeId, Now, PersistId, Reply, Request, RequestId};
use crate::config::Config;
use crate::message::Message;
use crate::node::{Node, StartError};

use clock::SimClock;
use disk::{Disk, DiskSettings};
use network::{Network, NetworkSettings};

/// What a world is made of.
#[derive(Clone, Debug)]
pub struct WorldSettings {
    /// For every node, but for its `id` and `seed`.
    pub config: Config,
    /// The network's habits.
    pub network: NetworkSettings,
    /// The disks' habits.
    pub disk: DiskSettings,
    /// Of everything.
    pub seed: u64,
}

/// A simulated cluster with its network, disks and clocks.
#[derive(Debug)]
pub struct World {
    settings: WorldSettings,
    now_ns: u64,
    rng: ChaCha8Rng,
    seats: Vec<Seat>,
    network: Network,
    queue: BTreeMap<(u64, u64), Event>,
    events: u64,
    requests: u64,
    replies: BTreeMap<RequestId, Reply>,
    trace: DefaultHasher,
}

/// A node's place in the world; the node itself comes and goes.
#[derive(Debug)]
struct Seat {
    node: Option<Node>,
    /// Counts starts, so that what was meant for an earlier life reaches nobody.
    life: u64,
    disk: Disk,
    clock: SimClock,
    timer_ns: Option<u64>,
}

#[derive(Debug)]
enum Event {
    Deliver { from: NodeId, to: NodeId, message: Message },
    Persisted { node: NodeId, life: u64, id: PersistId },
    Timer { node: NodeId, life: u64 },
}

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
            timer_ns: None,
        };
        let mut world = Self {
            now_ns: 1,
            rng: ChaCha8Rng::seed_from_u64(settings.seed),
            seats: (0..nodes).map(seat).collect(),
            network: Network::new(settings.network.clone()),
            queue: BTreeMap::new(),
            events: 0,
            requests: 0,
            replies: BTreeMap::new(),
            trace: DefaultHasher::new(),
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
        self.trace.finish()
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
        let seed = self.rng.next_u64();
        let now = self.now_of(id);
        let config = Config {
            id,
            seed,
            ..self.settings.config.clone()
        };
        let rows = self.seat(id).disk.rows();
        let mut effects = Vec::new();
        let node = Node::start(config, rows, now, &mut effects)?;
        let seat = self.seat_mut(id);
        seat.node = Some(node);
        seat.life += 1;
        seat.timer_ns = None;
        ("start", id.0).hash(&mut self.trace);
        self.carry_out(id, effects);
        Ok(())
    }

    /// Ends a node as a power failure would: what was not reported as persisted may or may not be on its disk.
    pub fn crash(&mut self, id: NodeId) {
        let mut rng = ChaCha8Rng::seed_from_u64(self.rng.next_u64());
        let seat = self.seat_mut(id);
        if seat.node.take().is_some() {
            seat.disk.crash(&mut rng);
            ("crash", id.0).hash(&mut self.trace);
        }
    }

    /// Empties the disk of a node that is down.
    pub fn wipe(&mut self, id: NodeId) {
        if !self.is_up(id) {
            self.seat_mut(id).disk = Disk::default();
            ("wipe", id.0).hash(&mut self.trace);
        }
    }

    /// Hands a client's request to a node; none if the node is down. The answer is found by [`World::take_reply`].
    pub fn request(&mut self, node: NodeId, request: Request) -> Option<RequestId> {
        if !self.is_up(node) {
            return None;
        }
        self.requests += 1;
        let id = RequestId(self.requests);
        self.input(node, Input::Request { id, request });
        Some(id)
    }

    /// The answer to a request, if it has come; a crashed node never answers.
    pub fn take_reply(&mut self, request: RequestId) -> Option<Reply> {
        self.replies.remove(&request)
    }

    /// Lets the next thing happen, if it is due by `until_ns`; else moves time there. Returns whether something happened.
    pub fn step(&mut self, until_ns: u64) -> bool {
        let due = self.queue.first_key_value().is_some_and(|((at, _), _)| *at <= until_ns);
        if !due {
            self.now_ns = self.now_ns.max(until_ns);
            return false;
        }
        let Some(((at, _), event)) = self.queue.pop_first() else {
            return false;
        };
        self.now_ns = self.now_ns.max(at);
        self.happen(event);
        true
    }

    /// Lets everything happen that is due by `until_ns`.
    pub fn run_until(&mut self, until_ns: u64) {
        while self.step(until_ns) {}
    }

    fn happen(&mut self, event: Event) {
        self.events += 1;
        self.now_ns.hash(&mut self.trace);
        match event {
            Event::Deliver { from, to, message } => {
                (0u8, from, to, &message).hash(&mut self.trace);
                self.input(to, Input::Message { from, message });
            }
            Event::Persisted { node, life, id } => {
                (1u8, node, life, id).hash(&mut self.trace);
                if self.is_life(node, life) {
                    self.seat_mut(node).disk.complete(id);
                    self.input(node, Input::Persisted(id));
                }
            }
            Event::Timer { node, life } => {
                (2u8, node, life).hash(&mut self.trace);
                if self.is_life(node, life) && self.seat(node).timer_ns == Some(self.now_ns) {
                    self.seat_mut(node).timer_ns = None;
                    self.input(node, Input::Timer);
                }
            }
        }
    }

    fn input(&mut self, id: NodeId, input: Input) {
        let now = self.now_of(id);
        let mut effects = Vec::new();
        let Some(node) = &mut self.seat_mut(id).node else {
            return;
        };
        node.handle(now, input, &mut effects);
        self.carry_out(id, effects);
    }

    fn carry_out(&mut self, id: NodeId, effects: Vec<Effect>) {
        let life = self.seat(id).life;
        for effect in effects {
            match effect {
                Effect::Send { to, message } => self.send(id, to, message),
                Effect::Persist { id: persist, writes } => {
                    let latency = self.settings.disk.latency_ns(&mut self.rng);
                    let now_ns = self.now_ns;
                    let at = self.seat_mut(id).disk.begin(persist, writes, now_ns + latency);
                    self.schedule(
                        at,
                        Event::Persisted {
                            node: id,
                            life,
                            id: persist,
                        },
                    );
                }
                Effect::Reply { request, reply } => {
                    self.replies.insert(request, reply);
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
        for delay_ns in self.network.deliveries(from, to, &mut self.rng) {
            self.schedule(
                self.now_ns + delay_ns,
                Event::Deliver {
                    from,
                    to,
                    message: message.clone(),
                },
            );
        }
    }

    fn schedule(&mut self, at_ns: u64, event: Event) {
        let order = self.rng.random::<u32>();
        let mut slot = (at_ns, u64::from(order) << 32);
        while self.queue.contains_key(&slot) {
            slot.1 += 1;
        }
        self.queue.insert(slot, event);
    }

    fn is_life(&self, node: NodeId, life: u64) -> bool {
        self.is_up(node) && self.seat(node).life == life
    }

    fn now_of(&self, node: NodeId) -> Now {
        let wall_ns = self.seat(node).clock.wall_ns(self.now_ns);
        Now {
            monotonic_ns: self.now_ns,
            wall_ns,
        }
    }

    fn seat(&self, node: NodeId) -> &Seat {
        &self.seats[usize::from(node.0)]
    }

    fn seat_mut(&mut self, node: NodeId) -> &mut Seat {
        &mut self.seats[usize::from(node.0)]
    }
}
