//! Writes handed to a coordinator (4.5), each coordinated at most once.
//!
//! A forward that the network delivers twice must not be coordinated twice: the second would be a new version, a
//! sibling of the first (riak_kv#1046), and under last-write-wins would bury whatever was written in between. Within
//! one life a coordinator remembers the forwards it took. For the next life a forward names the life that it is meant
//! for:
//!
//! ```text
//!   forwarder ── Forward, life not known ──► coordinator      coordinated by nobody, so that it can be sent again
//!             ◄─ WrongLife: I am in life 7 ──
//!             ── Forward, life 7 ─────────►                   coordinated by life 7 or by nobody
//! ```

use super::state::{Forwarding, Node, OpId, Origin, Purpose, Timer};
use crate::api::Reply;
use crate::bug::Bug;
use crate::context::Context;
use crate::failure::Failure;
use crate::ids::{NodeId, RequestId};
use crate::message::{ForwardedPut, Life, Message, Tag};

/// The forwarder.
impl Node {
    /// With the deadline of an earlier attempt, if there was one.
    pub(super) fn forward_put(
        &mut self,
        request: RequestId,
        coordinator: NodeId,
        put: ForwardedPut,
        deadline_ns: Option<u64>,
    ) {
        self.counters.puts_forwarded += 1;
        let op = self.new_op();
        let request_timeout_ns = self.config.timing.request_timeout.as_nanos() as u64;
        let deadline_ns = deadline_ns.unwrap_or(self.now.monotonic_ns.saturating_add(request_timeout_ns));
        self.timers.set(deadline_ns, Timer::Deadline(op));
        let forwarding = Forwarding {
            request,
            coordinator,
            life: self.lives.known.get(&coordinator).copied(),
            put,
            tags: Vec::new(),
            deadline_ns,
        };
        self.forwardings.insert(op, forwarding);
        self.send_forward(op);
        // A coordinator may take its time; whether it is there at all is found out by a ping beside it.
        self.ask(coordinator, Purpose::Ping, |tag| Message::Ping { tag });
    }

    pub(super) fn send_forward(&mut self, op: OpId) {
        let Some(forwarding) = self.forwardings.get(&op) else {
            return;
        };
        let (to, life, put) = (forwarding.coordinator, forwarding.life, Box::new(forwarding.put.clone()));
        let message = |tag| Message::Forward { tag, life, put };
        let tag = match self.config.bug {
            Some(Bug::ForwardedTwice) => self.ask(to, Purpose::Forward(op), message),
            _ => self.ask_patiently(to, Purpose::Forward(op), message),
        };
        if let Some(forwarding) = self.forwardings.get_mut(&op) {
            forwarding.tags.push(tag);
        }
    }

    /// The coordinator is in another life than the one it was sent to. If it was sent to none, nobody has coordinated
    /// it; if to an earlier one, that may have.
    pub(super) fn forward_met_life(&mut self, op: OpId, coordinator: NodeId, life: Life) {
        self.lives.known.insert(coordinator, life);
        let Some(forwarding) = self.forwardings.get_mut(&op) else {
            return;
        };
        if forwarding.life.is_none() {
            forwarding.life = Some(life);
            return self.send_forward(op);
        }
        let why = "the coordinator has restarted meanwhile; the write may have happened";
        self.end_forward(op, Reply::Failed(Failure::Unknown(why.into())));
    }

    /// The coordinator is of another view, and has not coordinated it, nor will this message of it ever be: it is
    /// routed anew when one of the two has learnt.
    pub(super) fn forward_met_view(&mut self, op: OpId) {
        if self.forwardings.contains_key(&op) {
            self.retry_later(op);
        }
    }

    pub(super) fn retry_forward(&mut self, op: OpId) {
        let Some(forwarding) = self.forwardings.remove(&op) else { return };
        self.timers.cancel(forwarding.deadline_ns, Timer::Deadline(op));
        self.forget_questions(&forwarding.tags);
        self.route_put(forwarding.request, forwarding.put, Some(forwarding.deadline_ns));
    }

    pub(super) fn forward_answered(&mut self, op: OpId, failure: Option<Failure>, seen: Context) {
        match failure {
            Some(failure) => self.end_forward(op, Reply::Failed(failure)),
            None => {
                let Some(done) = self.forget_forward(op) else { return };
                self.answer_stored(Origin::Client(done.request), &done.put.key, seen);
            }
        }
    }

    pub(super) fn forward_deadline(&mut self, op: OpId) {
        if self.forwardings.contains_key(&op) {
            self.counters.put_quorum_failures += 1;
            let why = "the coordinator did not answer in time; the write may have happened";
            self.end_forward(op, Reply::Failed(Failure::Unknown(why.into())));
        }
    }

    fn end_forward(&mut self, op: OpId, reply: Reply) {
        if let Some(forwarding) = self.forget_forward(op) {
            self.answer(Origin::Client(forwarding.request), reply);
        }
    }

    fn forget_forward(&mut self, op: OpId) -> Option<Forwarding> {
        let forwarding = self.forwardings.remove(&op)?;
        self.timers.cancel(forwarding.deadline_ns, Timer::Deadline(op));
        self.forget_questions(&forwarding.tags);
        Some(forwarding)
    }
}

/// The coordinator.
impl Node {
    pub(super) fn peer_forward(&mut self, from: NodeId, tag: Tag, life: Option<Life>, put: ForwardedPut) {
        if life != Some(self.life) {
            let life = self.life;
            return self.send(from, Message::WrongLife { tag, life });
        }
        if !self.forwards_seen.is_new(from, tag) {
            return;
        }
        let origin = Origin::Peer(from, tag);
        if let Err(failure) = self.checked_forward(&put).and_then(|()| self.checked_room()) {
            return self.fail(origin, failure);
        }
        match self.choose_targets_with_me(&put.key, put.n) {
            Some(targets) => self.coordinate_put(origin, put, targets),
            None => {
                let why = "the coordinator is not among the key's replicas: the nodes' settings differ";
                self.fail(origin, Failure::Unavailable(why.into()));
            }
        }
    }
}
