//! Timestamped writes that the client coordinates: make the version, send it to N, answer after W.
//!
//! Nothing is durable at the client, so it counts no acknowledgement of its own: each of the W is a replica's disk. The
//! version's timestamp is the client's wall clock, but later than what the writer had seen and than every version this
//! client made before.

use std::sync::Arc;

use super::api::Response;
use super::state::{Alarm, Client, OpId, Purpose, StoreOp, Target};
use crate::api::{Reply, Request};
use crate::context::Context;
use crate::failure::Failure;
use crate::ids::{NodeId, RequestId};
use crate::versions::clock::VectorClock;
use crate::versions::{Dot, KeyState, Version, VersionVector};

impl Client {
    pub(super) fn begin_store(
        &mut self,
        request: RequestId,
        key: Vec<u8>,
        value: Option<Vec<u8>>,
        context: Option<String>,
        w: Option<u8>,
        n: Option<u8>,
    ) {
        let config = &self.config;
        let checked = config.check_key(&key).and_then(|()| {
            config.check_value(value.as_deref())?;
            let quorum = config.check_quorum(n, w, config.w)?;
            Ok((quorum, config.check_context(context.as_deref(), &key)?))
        });
        let ((n, w), seen) = match checked {
            Ok(checked) => checked,
            Err(failure) => return self.reply(request, Reply::Failed(failure)),
        };
        let targets = self.choose_targets(&key, n);
        if !self.may_reach(&targets, usize::from(w)) {
            let why = format!("too few replicas for w = {w} can be reached; nothing was written");
            return self.reply(request, Reply::Failed(Failure::Unavailable(why)));
        }
        assert!(1 <= w && w <= n && n <= self.config.n, "w = {w} of n = {n}: no quorum");
        let state = self.new_state(value, &seen);
        let op = self.new_op();
        let deadline_ns = self.set_timer(self.config.timing.request_timeout, Alarm::Deadline(op));
        let (n, w) = (usize::from(n), usize::from(w));
        let (calls, sent) = (Vec::new(), targets.clone());
        let store =
            StoreOp { request, key, state, context, n, w, targets, calls, undone: 0, answered: false, deadline_ns };
        self.stores.insert(op, store);
        for target in sent {
            self.send_store(op, target);
        }
    }

    /// One new version, and nothing else: that is the whole state of a key for one who knows of no other version.
    fn new_state(&mut self, value: Option<Vec<u8>>, context: &Context) -> KeyState {
        let wall_us = self.now.wall_ns.div_euclid(1000);
        let later = |than: i64| than.saturating_add(1);
        let before_us = self.timestamp_us;
        self.timestamp_us = wall_us.max(later(self.timestamp_us)).max(context.timestamp_max_us.map_or(i64::MIN, later));
        assert!(self.timestamp_us > before_us, "a later write of a client looks no later");
        self.made += 1;
        let version = Version {
            dot: Dot { actor: self.actor, counter: self.made },
            past: VersionVector::default(),
            clock: VectorClock::default(),
            timestamp_us: self.timestamp_us,
            value: value.map(Arc::from),
        };
        let mut state = KeyState::default();
        state.insert(version, self.config.versions);
        state
    }

    fn send_store(&mut self, op: OpId, target: Target) {
        let Some(store) = self.stores.get(&op) else { return };
        let (key, state) = (store.key.clone(), store.state.clone());
        let call = self.call(
            target.node,
            Purpose::Store(op),
            Request::Store { key, state, hint_for: target.hint_for, view: self.known.view() },
        );
        if let Some(store) = self.stores.get_mut(&op) {
            store.calls.push(call);
        }
    }

    pub(super) fn store_response(&mut self, op: OpId, node: NodeId, response: Response) {
        let (certainly_not, moved) = match response {
            Response::Reply(Reply::Stored) => return self.store_acknowledged(op, node),
            Response::Reply(Reply::OtherView { history }) => (true, self.learn(&history)),
            Response::Reply(Reply::Failed(Failure::BadRequest(_) | Failure::Unavailable(_))) => (true, false),
            Response::NotSent(_) => (true, false),
            Response::Reply(_) | Response::Lost(_) => (false, false),
        };
        let Some(store) = self.stores.get_mut(&op) else { return };
        store.undone += usize::from(certainly_not);
        match self.known.ring {
            None => self.hand_over_store(op),
            Some(_) if moved => self.store_anew(op),
            Some(_) => {
                if !self.substitute_in_store(op, node) {
                    self.set_timer(self.config.timing.replica_timeout, Alarm::Again(op, node));
                }
            }
        }
    }

    /// The client no longer knows where keys live. A node may coordinate instead, but only if nobody has the
    /// version: a second one of the same write could bury what was written in between.
    fn hand_over_store(&mut self, op: OpId) {
        if self.stores.get(&op).is_none_or(|store| store.answered || store.undone < store.calls.len()) {
            return;
        }
        let Some(store) = self.end_store(op) else { return };
        let StoreOp { request, key, state, context, n, w, .. } = store;
        let value = state.versions().first().and_then(|version| version.value.as_ref().map(|value| value.to_vec()));
        let put = Request::Put { key, value, context, w: Some(w as u8), n: Some(n as u8) };
        self.begin_delegated(request, put);
    }

    /// Keys live elsewhere than thought: the same version goes to those who own the key now.
    fn store_anew(&mut self, op: OpId) {
        let Some(store) = self.stores.get(&op) else { return };
        let calls = store.calls.clone();
        let targets = self.choose_targets(&store.key, store.n as u8);
        self.forget_calls(&calls);
        if let Some(store) = self.stores.get_mut(&op) {
            store.targets.clone_from(&targets);
        }
        for target in targets {
            self.send_store(op, target);
        }
    }

    fn store_acknowledged(&mut self, op: OpId, node: NodeId) {
        let Some(store) = self.stores.get_mut(&op) else { return };
        for target in store.targets.iter_mut().filter(|target| target.node == node) {
            target.done = true;
        }
        let (acknowledged, request) = (store.acknowledged(), store.request);
        assert!(acknowledged <= store.n, "{acknowledged} of {} replicas acknowledged", store.n);
        let answers = acknowledged >= store.w && !store.answered;
        store.answered |= answers;
        // It goes on until every replica has it or the deadline has come, also after it has answered.
        let is_over = store.answered && acknowledged == store.n;
        if answers {
            self.reply(request, Reply::Stored);
        }
        if is_over {
            self.end_store(op);
        }
    }

    pub(super) fn store_overdue(&mut self, op: OpId, node: NodeId) {
        if !self.substitute_in_store(op, node) {
            self.store_again(op, node);
        }
    }

    fn substitute_in_store(&mut self, op: OpId, failed: NodeId) -> bool {
        let Some(store) = self.stores.get(&op) else { return false };
        let Some(substitute) = self.choose_substitute(&store.key, &store.targets, failed) else { return false };
        self.counters.substitutes += 1;
        if let Some(store) = self.stores.get_mut(&op) {
            store.targets.push(substitute);
        }
        self.send_store(op, substitute);
        true
    }

    pub(super) fn store_again(&mut self, op: OpId, node: NodeId) {
        let Some(store) = self.stores.get(&op) else { return };
        let again = store.targets.iter().find(|target| target.node == node && !target.done);
        if let Some(&target) = again {
            self.send_store(op, target);
        }
    }

    fn end_store(&mut self, op: OpId) -> Option<StoreOp> {
        let store = self.stores.remove(&op)?;
        self.timers.cancel(store.deadline_ns, Alarm::Deadline(op));
        self.forget_calls(&store.calls);
        Some(store)
    }

    pub(super) fn store_deadline(&mut self, op: OpId) {
        let Some(store) = self.end_store(op) else { return };
        if store.answered {
            return;
        }
        let failure = if store.undone == store.calls.len() {
            Failure::Unavailable("no replica could be reached; nothing was written".into())
        } else {
            let (done, w) = (store.acknowledged(), store.w);
            Failure::Unknown(format!("{done} of w = {w} replicas acknowledged in time; the write may have happened"))
        };
        self.reply(store.request, Reply::Failed(failure));
    }
}
