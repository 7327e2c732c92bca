//! Writes (4.5, 4.6).
//!
//! ```text
//!   client ─► a node outside the targets ── Forward ─► coordinator
//!   client ─► coordinator: make the version ─► persist ─► send the state to the other targets ─► W acks ─► Stored
//!                                                          └ no answer: a fallback takes it with a hint (sloppy), or ask again (strict)
//! ```
//! The coordinator counts its own durable write. It goes on until all N have acknowledged or the deadline has come, also
//! after it has answered its client.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use super::{Asked, Held, Node, OpId, Origin, Place, Purpose, Stored, Target, Timer};
use crate::api::{Failure, NodeId, Reply, RequestId};
use crate::bug::Bug;
use crate::config::Versioning;
use crate::context::Context;
use crate::image::Made;
use crate::message::{ForwardedPut, Message, Tag};
use crate::versions::{Actor, Dot, KeyState, Version, VersionVector};

/// A key's state may not outgrow what a message can carry.
const STATE_BYTES_MAX: usize = 4 << 20;

/// A write that this node coordinates.
#[derive(Debug)]
pub(super) struct PutOp {
    origin: Origin,
    key: Vec<u8>,
    state: KeyState,
    w: usize,
    targets: Vec<Target>,
    tags: Vec<Tag>,
    answered: bool,
    deadline_ns: u64,
}

/// A write that this node has handed to a coordinator.
#[derive(Debug)]
pub(super) struct Forwarding {
    request: RequestId,
    tags: Vec<Tag>,
    deadline_ns: u64,
}

/// The forwarded writes taken lately, so that none is coordinated twice.
#[derive(Debug, Default)]
pub(super) struct RecentForwards {
    seen: BTreeSet<(NodeId, Tag)>,
    order: VecDeque<(NodeId, Tag)>,
}

impl RecentForwards {
    const REMEMBERED_MAX: usize = 16 * 1024;

    fn is_new(&mut self, from: NodeId, tag: Tag) -> bool {
        if !self.seen.insert((from, tag)) {
            return false;
        }
        self.order.push_back((from, tag));
        if self.order.len() > Self::REMEMBERED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        true
    }
}

impl Node {
    pub(super) fn client_put(
        &mut self,
        id: RequestId,
        key: Vec<u8>,
        value: Option<Vec<u8>>,
        context: Option<String>,
        w: Option<u8>,
        n: Option<u8>,
    ) {
        match self.checked_put(key, value, context, w, n) {
            Ok(put) => self.route_put(id, put),
            Err(failure) => self.fail(Origin::Client(id), failure),
        }
    }

    fn checked_put(
        &self,
        key: Vec<u8>,
        value: Option<Vec<u8>>,
        context: Option<String>,
        w: Option<u8>,
        n: Option<u8>,
    ) -> Result<ForwardedPut, Failure> {
        self.checked_key(&key)?;
        let max = self.config.limits.value_bytes_max;
        if value.as_ref().is_some_and(|value| value.len() > max) {
            return Err(Failure::BadRequest(format!("a value has at most {max} bytes")));
        }
        let (n, w) = self.checked_quorum(n, w, self.config.w)?;
        let context = self.checked_context(context.as_deref(), &key)?;
        Ok(ForwardedPut {
            key,
            value: value.map(Arc::from),
            context,
            n,
            w,
        })
    }

    /// A replica coordinates; any other node hands the write to the first replica that seems to be up (4.5). When none does, the
    /// fallbacks are left (sloppy): this node if it is one of them, else the first.
    fn route_put(&mut self, id: RequestId, put: ForwardedPut) {
        let targets = self.choose_targets(&put.key, put.n);
        let me = self.config.id;
        let replica = |target: &&Target| target.hint_for.is_none() && self.is_healthy(target.node);
        let is_target = targets.iter().any(|target| target.node == me);
        let is_replica = targets
            .iter()
            .any(|target| target.node == me && target.hint_for.is_none());
        let healthy_replica = targets.iter().find(replica).map(|target| target.node);
        let healthy = targets
            .iter()
            .find(|target| self.is_healthy(target.node))
            .map(|target| target.node);
        match (healthy_replica, healthy) {
            (Some(coordinator), _) if !is_replica => self.forward_put(id, coordinator, put),
            _ if is_target => self.coordinate_put(Origin::Client(id), put, targets),
            (_, Some(coordinator)) => self.forward_put(id, coordinator, put),
            (_, None) => {
                let why = "no replica of the key can be reached; nothing was written".to_owned();
                self.counters.put_quorum_failures += 1;
                self.fail(Origin::Client(id), Failure::Unavailable(why));
            }
        }
    }

    fn forward_put(&mut self, request: RequestId, coordinator: NodeId, put: ForwardedPut) {
        self.counters.puts_forwarded += 1;
        let op = self.new_op();
        let deadline_ns = self.set_timer(self.config.timing.request_timeout, Timer::Deadline(op));
        // A coordinator may take its time; whether it is there at all is found out by a ping beside it.
        let tag = self.new_tag();
        self.asked.insert(
            tag,
            Asked {
                peer: coordinator,
                overdue_ns: u64::MAX,
                purpose: Purpose::Forward(op),
            },
        );
        self.send(coordinator, Message::Forward { tag, put });
        self.ask(coordinator, Purpose::Ping, |tag| Message::Ping { tag });
        self.forwardings.insert(
            op,
            Forwarding {
                request,
                tags: vec![tag],
                deadline_ns,
            },
        );
    }

    pub(super) fn peer_forward(&mut self, from: NodeId, tag: Tag, put: ForwardedPut) {
        let origin = Origin::Peer(from, tag);
        // The network may deliver twice; coordinating twice would make a sibling of the write itself (riak_kv#1046).
        if !self.forwards_seen.is_new(from, tag) {
            return;
        }
        if self.requests() >= self.config.limits.requests_max {
            self.counters.refused += 1;
            return self.fail(
                origin,
                Failure::Unavailable("too many requests under way; try again".into()),
            );
        }
        let targets = self.choose_targets(&put.key, put.n);
        if targets.iter().any(|target| target.node == self.config.id) {
            return self.coordinate_put(origin, put, targets);
        }
        // Views of who is up differ. Passing it on again could go in circles; refusing is safe, because nothing was written.
        self.fail(
            origin,
            Failure::Unavailable("the coordinator is not among the nodes to write; try again".into()),
        );
    }

    pub(super) fn forward_answered(&mut self, op: OpId, failure: Option<Failure>) {
        let Some(forwarding) = self.forwardings.remove(&op) else {
            return;
        };
        self.timers.cancel(forwarding.deadline_ns, Timer::Deadline(op));
        let reply = failure.map_or(Reply::Stored, Reply::Failed);
        self.answer(Origin::Client(forwarding.request), reply);
    }

    fn coordinate_put(&mut self, origin: Origin, put: ForwardedPut, targets: Vec<Target>) {
        self.counters.puts += 1;
        let own = targets.iter().find(|target| target.node == self.config.id).copied();
        let place = own.and_then(|target| target.hint_for).map_or(Place::Data, Place::Hint);
        let (state, made) = self.new_state(&place, &put);
        if state.bytes() > STATE_BYTES_MAX {
            let why = "the key has too many or too large siblings: read it, and write back a merged value";
            return self.fail(origin, Failure::Unavailable(why.into()));
        }
        self.write_row(
            &place,
            &put.key,
            Stored {
                state: state.clone(),
                made: Some(made),
            },
        );
        let op = self.new_op();
        let deadline_ns = self.set_timer(self.config.timing.request_timeout, Timer::Deadline(op));
        let w = usize::from(put.w);
        let key = put.key.clone();
        self.puts.insert(
            op,
            PutOp {
                origin,
                key: put.key,
                state,
                w,
                targets,
                tags: Vec::new(),
                answered: false,
                deadline_ns,
            },
        );
        self.when_durable(&key, Held::PutIsLocal(op));
    }

    /// The row after the write: a new version, whose past is what its writer had seen, beside what that did not cover.
    fn new_state(&mut self, place: &Place, put: &ForwardedPut) -> (KeyState, Made) {
        let mut state = self.view(&put.key);
        let made = match self.image.get(place, &put.key).and_then(|row| row.made) {
            Some(Made { epoch, counter }) => Made {
                epoch,
                counter: counter + 1,
            },
            None => Made {
                epoch: self.new_epoch(),
                counter: 1,
            },
        };
        let dot = Dot {
            actor: Actor {
                node: self.config.id,
                epoch: made.epoch,
            },
            counter: made.counter,
        };
        let timestamp_us = self.new_timestamp_us(&state, &put.context);
        let past = self.past_of(dot, &put.context);
        state.insert(
            Version {
                dot,
                past,
                timestamp_us,
                value: put.value.clone(),
            },
            self.config.versions,
        );
        (state, made)
    }

    fn past_of(&self, dot: Dot, context: &Context) -> VersionVector {
        if self.config.versions == Versioning::Lww {
            return VersionVector::default();
        }
        let mut past = context.seen.clone();
        if self.config.bug == Some(Bug::NoDots) && dot.counter > 1 {
            // The paper's literal clock: (node, counter) stands for every earlier version of that node too, seen or not.
            past.add(Dot {
                counter: dot.counter - 1,
                ..dot
            });
        }
        past
    }

    /// The wall clock, but later than everything that the writer had seen or that is held here: a clock that is behind must not
    /// make a later write look old.
    fn new_timestamp_us(&self, held: &KeyState, context: &Context) -> i64 {
        let wall_us = self.now.wall_ns.div_euclid(1000);
        if self.config.bug == Some(Bug::FastClockWins) {
            return wall_us;
        }
        let seen = held.timestamp_max_us().max(context.timestamp_max_us);
        seen.map_or(wall_us, |seen| wall_us.max(seen.saturating_add(1)))
    }

    /// The coordinator's own write is on disk: only now may others hear of it.
    pub(super) fn put_is_local(&mut self, op: OpId) {
        let Some(put) = self.puts.get(&op) else { return };
        let others: Vec<Target> = put
            .targets
            .iter()
            .filter(|t| t.node != self.config.id)
            .copied()
            .collect();
        for target in others {
            self.send_store(op, target);
        }
        self.put_acknowledged(op, self.config.id);
    }

    fn send_store(&mut self, op: OpId, target: Target) {
        let Some(put) = self.puts.get(&op) else { return };
        let (key, state) = (put.key.clone(), put.state.clone());
        if target.hint_for.is_some() {
            self.counters.fallback_writes += 1;
        }
        let hint_for = target.hint_for;
        let tag = self.ask(target.node, Purpose::Put(op), |tag| Message::Store {
            tag,
            key,
            state,
            hint_for,
        });
        if let Some(put) = self.puts.get_mut(&op) {
            put.tags.push(tag);
        }
    }

    pub(super) fn put_acknowledged(&mut self, op: OpId, from: NodeId) {
        let Some(put) = self.puts.get_mut(&op) else { return };
        for target in put.targets.iter_mut().filter(|target| target.node == from) {
            target.done = true;
        }
        let acknowledged = put.targets.iter().filter(|target| target.done).count();
        if acknowledged >= put.w && !put.answered {
            put.answered = true;
            let origin = put.origin;
            self.answer(origin, Reply::Stored);
        }
        self.end_put_if_done(op);
    }

    /// A target that refused stays unacknowledged; somebody else may take its place.
    pub(super) fn put_refused(&mut self, op: OpId, from: NodeId) {
        self.substitute_in_put(op, from);
    }

    pub(super) fn put_overdue(&mut self, op: OpId, peer: NodeId) {
        if !self.substitute_in_put(op, peer) {
            let Some(put) = self.puts.get(&op) else { return };
            let again = put
                .targets
                .iter()
                .find(|target| target.node == peer && !target.done)
                .copied();
            if let Some(target) = again {
                self.counters.resends += 1;
                self.send_store(op, target);
            }
        }
    }

    fn substitute_in_put(&mut self, op: OpId, failed: NodeId) -> bool {
        let Some(put) = self.puts.get(&op) else { return false };
        let Some(substitute) = self.choose_substitute(&put.key, &put.targets, failed) else {
            return false;
        };
        if let Some(put) = self.puts.get_mut(&op) {
            put.targets.push(substitute);
        }
        self.send_store(op, substitute);
        true
    }

    /// N have it: nothing is left to do.
    fn end_put_if_done(&mut self, op: OpId) {
        let Some(put) = self.puts.get(&op) else { return };
        let n = put.targets.len().min(usize::from(self.config.n));
        if put.answered && put.targets.iter().filter(|target| target.done).count() >= n {
            self.end_put(op);
        }
    }

    fn end_put(&mut self, op: OpId) -> Option<PutOp> {
        let put = self.puts.remove(&op)?;
        self.timers.cancel(put.deadline_ns, Timer::Deadline(op));
        self.forget_questions(&put.tags);
        Some(put)
    }

    pub(super) fn put_deadline(&mut self, op: OpId) {
        let Some(put) = self.end_put(op) else { return };
        if put.answered {
            return;
        }
        self.counters.put_quorum_failures += 1;
        let done = put.targets.iter().filter(|target| target.done).count();
        let why = format!(
            "{done} of w = {} replicas acknowledged in time; the write may have happened",
            put.w
        );
        self.fail(put.origin, Failure::Unknown(why));
    }

    pub(super) fn forward_deadline(&mut self, op: OpId) {
        let Some(forwarding) = self.forwardings.remove(&op) else {
            return;
        };
        self.forget_questions(&forwarding.tags);
        self.counters.put_quorum_failures += 1;
        let why = "the coordinator did not answer in time; the write may have happened".to_owned();
        self.fail(Origin::Client(forwarding.request), Failure::Unknown(why));
    }
}
