//! The coordinating client (6.4): the state machine of a request, moved from the nodes into the client's library.
//!
//! ```text
//!   request ──► Client::handle(now) ──► call a node, and another, and another
//!   response ─►   who is up, what ────► reply to the request
//!   timer ────►   was asked of whom ──► set the timer
//! ```
//! It spares a request the way through a load balancer and a node that only passes it on.
//!
//! - **Reads** it coordinates itself (`get`): it asks N replicas, waits for R, joins what they hold, and has who was
//!   behind repaired.
//! - **Writes** need a new dot, and the actor of a dot is bound to a row on a disk (see [`crate::versions`]). A client has
//!   no disk, so a write goes straight to a replica, which coordinates it (`delegate`).
//! - **Membership** it downloads (`view`); where it cannot tell where keys live, a node coordinates.
//! - **Timestamped writes** (`store`) can be coordinated by anybody, since under last-write-wins a dot only breaks ties:
//!   the client makes the version itself. Its actor is [`NodeId::CLIENT`], which no node ever is, with an epoch of 64
//!   random bits drawn anew at each start: no two clients, and no two lives of one, make the same dot.
//!
//! Like a node it does no I/O: its driver (a process, or the simulated world) makes the calls, and answers each one exactly
//! once, however late.

mod delegate;
mod get;
mod store;
mod targets;
mod view;
pub mod wire;

use std::collections::BTreeMap;
use std::time::Duration;

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::api::{Failure, Members, NodeId, Now, Reply, Request, RequestId};
use crate::config::{Config, ConfigError, Versioning};
use crate::node::peers::Peers;
use crate::node::timers::Timers;
use crate::ring::Ring;
use crate::versions::Actor;

use delegate::DelegatedOp;
use get::GetOp;
use store::StoreOp;
use view::Known;

/// Calls that may be under way for each request that may be: N of them, substitutes and repairs. One request more is
/// refused beyond that, as when nodes answer nothing.
const CALLS_PER_REQUEST: usize = 8;

/// The client's name for a call, unique within its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// Something that happened to the client.
#[derive(Clone, Debug)]
pub enum Input {
    /// The application asks: a get or a put.
    Request {
        /// Its name, to be found again in [`Effect::Reply`].
        id: RequestId,
        /// What is asked.
        request: Request,
    },
    /// What came of a call.
    Response {
        /// Which.
        call: CallId,
        /// What came of it.
        response: Response,
    },
    /// The time set by the last [`Effect::SetTimer`] has come (early or late calls do no harm).
    Timer,
}

/// What came of a call to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// The node's own words.
    Reply(Reply),
    /// It certainly did not leave: there was no connection.
    NotSent(String),
    /// It left, and no answer will come: the node may have done it.
    Lost(String),
}

/// Something that the driver must do, in the order given.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Make this request of a node, and answer with exactly one [`Input::Response`].
    Call {
        /// Its name.
        call: CallId,
        /// The node.
        node: NodeId,
        /// What to ask.
        request: Request,
    },
    /// Answer the application; exactly one for each request.
    Reply {
        /// Which.
        request: RequestId,
        /// The answer.
        reply: Reply,
    },
    /// Call with [`Input::Timer`] at this monotonic time; replaces the earlier setting.
    SetTimer {
        /// Nanoseconds, monotonic.
        at_ns: u64,
    },
}

/// Names a request within one life of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct OpId(u64);

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Alarm {
    /// A node has not answered this call in time.
    Overdue(CallId),
    /// A node that could not be reached is tried again.
    Again(OpId, NodeId),
    /// A request must be answered now.
    Deadline(OpId),
    /// A read has waited long enough for late repliers.
    Repair(OpId),
    /// Try the suspected nodes again.
    Probe,
    /// Ask somebody who the members are.
    Download,
}

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Get(OpId),
    Store(OpId),
    Delegated(OpId),
    /// Nobody waits for the answer: a repair, a probe, or a call whose request has ended. It shows who is up.
    Unawaited,
}

#[derive(Debug)]
struct Call {
    node: NodeId,
    purpose: Purpose,
    /// When the node is suspected; none = it has been, or may take its time.
    overdue_ns: Option<u64>,
}

/// A coordinating client of one cluster.
#[derive(Debug)]
pub struct Client {
    config: Config,
    known: Known,
    now: Now,
    rng: ChaCha8Rng,
    actor: Actor,
    /// Versions made by this actor.
    made: u64,
    /// Of the last version made: a later one has a greater.
    timestamp_us: i64,
    peers: Peers,
    timers: Timers<Alarm>,
    calls: BTreeMap<CallId, Call>,
    gets: BTreeMap<OpId, GetOp>,
    stores: BTreeMap<OpId, StoreOp>,
    delegated: BTreeMap<OpId, DelegatedOp>,
    call_next: u64,
    op_next: u64,
    counters: Counters,
    out: Vec<Effect>,
}

/// What the client has done since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Reads that found a replica behind, and had it repaired.
    pub read_repairs: u64,
    /// Calls to a node in the place of another that did not answer.
    pub substitutes: u64,
    /// Nodes newly taken for down.
    pub suspicions: u64,
    /// Changes of the view of where keys live.
    pub views: u64,
}

impl Client {
    /// A client of the cluster with these settings (its `id`, `seed` and disk settings do not matter here). `seed` must
    /// differ from that of every other client and life: it names the versions that the client makes.
    ///
    /// # Errors
    /// When the settings cannot work.
    pub fn start(config: Config, seed: u64, now: Now, effects: &mut Vec<Effect>) -> Result<Self, ConfigError> {
        config.validate()?;
        let ring = Ring::of(&config)?;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut client = Self {
            actor: Actor { node: NodeId::CLIENT, epoch: rng.next_u64() },
            made: 0,
            timestamp_us: i64::MIN,
            peers: Peers::default(),
            timers: Timers::default(),
            calls: BTreeMap::new(),
            gets: BTreeMap::new(),
            stores: BTreeMap::new(),
            delegated: BTreeMap::new(),
            call_next: 0,
            op_next: 0,
            counters: Counters::default(),
            out: Vec::new(),
            config,
            known: Known::founding(ring),
            now,
            rng,
        };
        // Staggered, so that clients started together do not act together for ever.
        let first = client.config.timing.probe_interval.mul_f64(client.rng.random_range(0.1..1.0));
        client.set_timer(first, Alarm::Probe);
        client.download();
        client.finish(effects);
        Ok(client)
    }

    /// What it has done so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Takes one input and appends what must be done because of it.
    pub fn handle(&mut self, now: Now, input: Input, effects: &mut Vec<Effect>) {
        self.now = now;
        match input {
            Input::Request { id, request } => self.handle_request(id, request),
            Input::Response { call, response } => self.handle_response(call, response),
            Input::Timer => self.timers.forget_announcement(),
        }
        while let Some(alarm) = self.timers.pop_due(self.now.monotonic_ns) {
            self.handle_alarm(alarm);
        }
        self.finish(effects);
    }

    fn handle_request(&mut self, id: RequestId, request: Request) {
        let requests_max = self.config.limits.requests_max;
        let requests = self.gets.len() + self.stores.len() + self.delegated.len();
        if requests >= requests_max || self.calls.len() >= requests_max.saturating_mul(CALLS_PER_REQUEST) {
            let why = "too many requests under way; try again".to_owned();
            return self.reply(id, Reply::Failed(Failure::Unavailable(why)));
        }
        match request {
            Request::Get { .. } | Request::Put { .. } if self.known.ring.is_none() => self.begin_delegated(id, request),
            Request::Get { key, r, n } => self.begin_get(id, key, r, n),
            Request::Put { .. } if self.config.versions != Versioning::Lww => self.begin_delegated(id, request),
            Request::Put { key, value, context, w, n } => self.begin_store(id, key, value, context, w, n),
            _ => {
                let why = "a client coordinates gets and puts; everything else is asked of a node".to_owned();
                self.reply(id, Reply::Failed(Failure::BadRequest(why)));
            }
        }
    }

    fn handle_response(&mut self, call: CallId, response: Response) {
        let Some(asked) = self.calls.remove(&call) else { return };
        if let Some(at_ns) = asked.overdue_ns {
            self.timers.cancel(at_ns, Alarm::Overdue(call));
        }
        let node = asked.node;
        match &response {
            Response::Reply(_) => {
                self.peers.clear(node);
            }
            Response::NotSent(_) | Response::Lost(_) => self.suspect(node),
        }
        match asked.purpose {
            Purpose::Get(op) => self.get_response(op, node, response),
            Purpose::Store(op) => self.store_response(op, node, response),
            Purpose::Delegated(op) => self.delegated_response(op, response),
            Purpose::Unawaited => {
                if let Response::Reply(Reply::Members(Members { history, .. }) | Reply::OtherView { history }) =
                    &response
                {
                    self.learn(history);
                }
            }
        }
    }

    fn handle_alarm(&mut self, alarm: Alarm) {
        match alarm {
            Alarm::Overdue(call) => self.overdue(call),
            Alarm::Again(op, node) => {
                self.get_again(op, node);
                self.store_again(op, node);
            }
            Alarm::Deadline(op) => {
                self.get_deadline(op);
                self.store_deadline(op);
                self.delegated_deadline(op);
            }
            Alarm::Repair(op) => self.repair(op),
            Alarm::Probe => self.probe(),
            Alarm::Download => self.download(),
        }
    }

    fn overdue(&mut self, call: CallId) {
        let Some(asked) = self.calls.get_mut(&call) else { return };
        asked.overdue_ns = None;
        let (node, purpose) = (asked.node, asked.purpose);
        self.suspect(node);
        match purpose {
            // An answer that comes late still counts.
            Purpose::Get(op) => self.get_overdue(op, node),
            Purpose::Store(op) => self.store_overdue(op, node),
            Purpose::Delegated(_) | Purpose::Unawaited => {}
        }
    }

    /// A suspected node is tried again, unless an answer of it is still to come.
    fn probe(&mut self) {
        for node in self.peers.suspected() {
            if !self.calls.values().any(|call| call.node == node) {
                self.call(node, Purpose::Unawaited, Request::Members);
            }
        }
        self.set_timer(self.config.timing.probe_interval, Alarm::Probe);
    }

    fn finish(&mut self, effects: &mut Vec<Effect>) {
        if let Some(at_ns) = self.timers.announcement() {
            self.out.push(Effect::SetTimer { at_ns });
        }
        effects.append(&mut self.out);
    }
}

/// Small services to the other parts.
impl Client {
    /// Makes a call whose answer is expected soon.
    fn call(&mut self, node: NodeId, purpose: Purpose, request: Request) -> CallId {
        let call = self.call_patiently(node, purpose, request);
        let overdue_ns = self.set_timer(self.config.timing.replica_timeout, Alarm::Overdue(call));
        if let Some(asked) = self.calls.get_mut(&call) {
            asked.overdue_ns = Some(overdue_ns);
        }
        call
    }

    /// Makes a call whose answer may take its time.
    fn call_patiently(&mut self, node: NodeId, purpose: Purpose, request: Request) -> CallId {
        self.call_next += 1;
        let call = CallId(self.call_next);
        self.calls.insert(call, Call { node, purpose, overdue_ns: None });
        self.out.push(Effect::Call { call, node, request });
        call
    }

    /// The request has ended: answers to its calls only show who is up.
    fn forget_calls(&mut self, calls: &[CallId]) {
        for call in calls {
            if let Some(call) = self.calls.get_mut(call) {
                call.purpose = Purpose::Unawaited;
            }
        }
    }

    fn reply(&mut self, request: RequestId, reply: Reply) {
        self.out.push(Effect::Reply { request, reply });
    }

    fn suspect(&mut self, node: NodeId) {
        self.counters.suspicions += u64::from(self.peers.suspect(node, self.now.monotonic_ns));
    }

    fn new_op(&mut self) -> OpId {
        self.op_next += 1;
        OpId(self.op_next)
    }

    /// Returns the time it is set to.
    fn set_timer(&mut self, after: Duration, alarm: Alarm) -> u64 {
        let after_ns = u64::try_from(after.as_nanos()).unwrap_or(u64::MAX);
        let at_ns = self.now.monotonic_ns.saturating_add(after_ns);
        self.timers.set(at_ns, alarm);
        at_ns
    }
}
