//! Reads that the client coordinates: ask N, wait for R, return every causally maximal version, then repair.

use std::collections::BTreeMap;

use super::api::Response;
use super::state::{Alarm, Client, GetOp, OpId, Purpose};
use crate::api::{Reply, Request};
use crate::context::Context;
use crate::failure::Failure;
use crate::ids::{NodeId, RequestId};
use crate::versions::KeyState;

impl Client {
    pub(super) fn begin_get(&mut self, request: RequestId, key: Vec<u8>, r: Option<u8>, n: Option<u8>) {
        let checked = self.config.check_key(&key).and_then(|()| self.config.check_quorum(n, r, self.config.r));
        let (n, r) = match checked {
            Ok((n, r)) => (n, usize::from(r)),
            Err(failure) => return self.reply(request, Reply::Failed(failure)),
        };
        let targets = self.choose_targets(&key, n);
        if !self.may_reach(&targets, r) {
            let why = format!("too few replicas for r = {r} can be reached");
            return self.reply(request, Reply::Failed(Failure::Unavailable(why)));
        }
        assert!(1 <= r && r <= usize::from(n), "r = {r} of n = {n}: no quorum");
        assert!(n <= self.config.n, "a request for {n} replicas of {}", self.config.n);
        let op = self.new_op();
        let deadline_ns = self.set_timer(self.config.timing.request_timeout, Alarm::Deadline(op));
        let nodes: Vec<NodeId> = targets.iter().map(|target| target.node).collect();
        let get = GetOp {
            request,
            key,
            n,
            r,
            targets,
            replies: BTreeMap::new(),
            calls: Vec::new(),
            answered: false,
            deadline_ns,
        };
        self.gets.insert(op, get);
        for node in nodes {
            self.send_fetch(op, node);
        }
    }

    fn send_fetch(&mut self, op: OpId, node: NodeId) {
        let Some(get) = self.gets.get(&op) else { return };
        let request = Request::Fetch { key: get.key.clone(), view: self.known.view() };
        let call = self.call(node, Purpose::Get(op), request);
        if let Some(get) = self.gets.get_mut(&op) {
            get.calls.push(call);
        }
    }

    pub(super) fn get_response(&mut self, op: OpId, node: NodeId, response: Response) {
        match response {
            Response::Reply(Reply::Fetched { state }) => self.get_answered(op, node, state),
            Response::Reply(Reply::OtherView { history }) if self.learn(&history) => self.get_anew(op),
            // A node that is up and refuses, or is not there: somebody else, or the same again after a while.
            Response::Reply(_) | Response::NotSent(_) | Response::Lost(_) => {
                if !self.substitute_in_get(op, node) && self.gets.contains_key(&op) {
                    self.set_timer(self.config.timing.replica_timeout, Alarm::Again(op, node));
                }
            }
        }
    }

    fn get_answered(&mut self, op: OpId, node: NodeId, state: KeyState) {
        let Some(get) = self.gets.get_mut(&op) else { return };
        get.replies.insert(node, state);
        for target in get.targets.iter_mut().filter(|target| target.node == node) {
            target.done = true;
        }
        let all_done = get.targets.iter().all(|target| target.done);
        if get.replies.len() >= get.r && !get.answered {
            get.answered = true;
            // From here on the repair ends it.
            self.timers.cancel(get.deadline_ns, Alarm::Deadline(op));
            self.set_timer(self.config.timing.repair_delay, Alarm::Repair(op));
            self.answer_get(op);
        }
        if all_done {
            self.repair(op);
        }
    }

    /// Keys live elsewhere than thought: what was answered in the old view does not count.
    fn get_anew(&mut self, op: OpId) {
        let Some(get) = self.end_get(op) else { return };
        if get.answered {
            return;
        }
        let (r, n) = (Some(get.r as u8), Some(get.n));
        self.handle_request(get.request, Request::Get { key: get.key, r, n });
    }

    fn answer_get(&mut self, op: OpId) {
        let Some(get) = self.gets.get(&op) else { return };
        let merged = self.merge(get.replies.values());
        let values = merged.versions().iter().filter_map(|version| version.value.as_ref());
        let values = values.map(|value| value.to_vec()).collect();
        let seen = Context::of(&merged);
        let context = seen.encode(&get.key, self.config.ring_seed, self.config.versions);
        let reply = Reply::Got { values, context: (!merged.is_empty()).then_some(context) };
        self.reply(get.request, reply);
    }

    fn merge<'a>(&self, states: impl Iterator<Item = &'a KeyState>) -> KeyState {
        states.fold(KeyState::default(), |mut merged, state| {
            merged.join(state, self.config.versions);
            merged
        })
    }

    /// The node has not answered in time: somebody else is asked (sloppy), or it is asked again.
    pub(super) fn get_overdue(&mut self, op: OpId, node: NodeId) {
        if !self.substitute_in_get(op, node) {
            self.get_again(op, node);
        }
    }

    fn substitute_in_get(&mut self, op: OpId, failed: NodeId) -> bool {
        let Some(get) = self.gets.get(&op).filter(|get| !get.answered) else { return false };
        let Some(substitute) = self.choose_substitute(&get.key, &get.targets, failed) else { return false };
        self.counters.substitutes += 1;
        if let Some(get) = self.gets.get_mut(&op) {
            get.targets.push(substitute);
        }
        self.send_fetch(op, substitute.node);
        true
    }

    pub(super) fn get_again(&mut self, op: OpId, node: NodeId) {
        let open = self.gets.get(&op).filter(|get| !get.answered);
        if open.is_some_and(|get| get.targets.iter().any(|target| target.node == node && !target.done)) {
            self.send_fetch(op, node);
        }
    }

    /// The read is over. If a replica answered with less than all of it, that one is asked to read the key itself, and so
    /// to repair whoever is behind (read repair, 5). The client does not send it what it has read: nodes know by whom and
    /// when a store was sent, and need it to forget tombstones safely (see `node/reaping.rs`).
    pub(super) fn repair(&mut self, op: OpId) {
        let Some(get) = self.end_get(op) else { return };
        let merged = self.merge(get.replies.values());
        let behind = |(node, state): &(&NodeId, &KeyState)| **state != merged && self.replicas(&get.key).contains(node);
        if let Some((&node, _)) = get.replies.iter().find(behind) {
            self.counters.read_repairs += 1;
            self.call_patiently(node, Purpose::Unawaited, Request::Get { key: get.key, r: Some(1), n: None });
        }
    }

    fn end_get(&mut self, op: OpId) -> Option<GetOp> {
        let get = self.gets.remove(&op)?;
        self.timers.cancel(get.deadline_ns, Alarm::Deadline(op));
        self.forget_calls(&get.calls);
        Some(get)
    }

    /// The time allowed is over; an answered read has no deadline any more.
    pub(super) fn get_deadline(&mut self, op: OpId) {
        let Some(get) = self.end_get(op) else { return };
        let why = format!("{} of r = {} replicas answered in time", get.replies.len(), get.r);
        self.reply(get.request, Reply::Failed(Failure::Unavailable(why)));
    }
}
