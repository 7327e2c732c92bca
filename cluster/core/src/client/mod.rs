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
//! - **Membership** it downloads (`view`); where it does not know where keys live, a node coordinates.
//! - **Timestamped writes** (`store`) can be coordinated by anybody, since under last-write-wins a dot only breaks ties:
//!   the client makes the version itself. Its actor is [`NodeId::CLIENT`], which no node ever is, with an epoch of 64
//!   random bits drawn anew at each start: no two clients, and no two lives of one, make the same dot.
//!
//! Like a node it does no I/O: its driver (a process, or the simulated world) makes the calls, and answers each one exactly
//! once, however late.

mod api;
mod delegate;
mod get;
mod known;
mod state;
mod store;
mod targets;
mod view;
pub mod wire;

use std::collections::BTreeMap;

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::api::{Members, Now, Reply, Request};
use crate::config::{Config, ConfigError, Versioning};
use crate::failure::Failure;
use crate::ids::{NodeId, RequestId};
use crate::peers::Peers;
use crate::ring::Ring;
use crate::timers::Timers;
use crate::versions::Actor;

use known::Known;
use state::{Alarm, Purpose};

pub use api::{CallId, Effect, Input, Response};
pub use state::{Client, Counters};

/// Calls that may be under way for each request that may be: N of them, substitutes and repairs. One request more is
/// refused beyond that, as when nodes answer nothing.
const CALLS_PER_REQUEST: usize = 8;

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
        assert!(now.monotonic_ns >= self.now.monotonic_ns, "the monotonic clock of the driver went back");
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
