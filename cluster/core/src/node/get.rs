//! Reads (4.5, 5): ask N, wait for R, return every causally maximal version, then repair who was behind.

use std::collections::{BTreeMap, BTreeSet};

use super::state::{GetOp, Held, Node, OpId, Origin, Purpose, Target, Timer};
use crate::api::{Effect, Reply};
use crate::bug::Bug;
use crate::context::Context;
use crate::failure::Failure;
use crate::ids::{NodeId, RequestId};
use crate::image::RowStore;
use crate::message::Message;
use crate::versions::KeyState;

impl Node {
    pub(super) fn client_get(&mut self, id: RequestId, key: Vec<u8>, r: Option<u8>, n: Option<u8>) {
        let checked = self.checked_key(&key).and_then(|()| self.checked_quorum(n, r, self.config.r));
        match checked {
            Ok((n, r)) => self.coordinate_get(id, key, usize::from(r), n, None),
            Err(failure) => self.fail(Origin::Client(id), failure),
        }
    }

    pub(super) fn coordinate_get(
        &mut self,
        request: RequestId,
        key: Vec<u8>,
        r: usize,
        n: u8,
        session: Option<Context>,
    ) {
        self.counters.gets += 1;
        let (groups, targets) = (self.groups(&key, n), self.choose_targets(&key, n));
        if !self.may_reach(&targets, &groups, r) {
            self.counters.get_quorum_failures += 1;
            if self.config.bug == Some(Bug::ReadQuorumZero) {
                return self.answer_not_found(request, &key);
            }
            let why = format!("too few replicas for r = {r} can be reached");
            return self.fail(Origin::Client(request), Failure::Unavailable(why));
        }
        assert!(1 <= r && r <= usize::from(n), "r = {r} of n = {n}: no quorum");
        assert!(n <= self.config.n, "a request for {n} replicas of {}", self.config.n);
        let op = self.new_op();
        let deadline_ns = self.set_timer(self.config.timing.request_timeout, Timer::Deadline(op));
        let get = GetOp {
            request,
            key: key.clone(),
            n,
            r,
            groups,
            targets: targets.clone(),
            replies: BTreeMap::new(),
            fastest: None,
            session,
            widened: false,
            tags: Vec::with_capacity(targets.len()),
            answered: false,
            repairs: true,
            deadline_ns,
            repair_ns: None,
        };
        self.gets.insert(op, get);
        for target in targets {
            self.send_fetch(op, &key, target.node);
        }
    }

    fn send_fetch(&mut self, op: OpId, key: &[u8], node: NodeId) {
        if node == self.config.id {
            let state = self.view(key);
            self.time_read(key);
            return self.when_readable(key, Held::GetIsLocal(op, state));
        }
        let key = key.to_vec();
        let tag = self.ask(node, Purpose::Get(op), |tag| Message::Fetch { tag, key });
        if let Some(get) = self.gets.get_mut(&op) {
            get.tags.push(tag);
        }
    }

    pub(super) fn get_answered(&mut self, op: OpId, from: NodeId, state: KeyState) {
        let Some(get) = self.gets.get_mut(&op) else { return };
        let is_replica = get.targets.iter().any(|target| target.node == from && target.hint_for.is_none());
        get.fastest = get.fastest.or_else(|| is_replica.then_some(from));
        get.replies.insert(from, state);
        for target in get.targets.iter_mut().filter(|target| target.node == from) {
            target.done = true;
        }
        let all_done = get.targets.iter().all(|target| target.done);
        if get.answers() >= get.r && !get.answered {
            if !self.meets_session(op) {
                return self.widen_get(op);
            }
            let Some(get) = self.gets.get_mut(&op) else { return };
            get.answered = true;
            if !all_done {
                let at_ns = self.now.monotonic_ns.saturating_add(self.config.timing.repair_delay.as_nanos() as u64);
                get.repair_ns = Some(at_ns);
                self.timers.set(at_ns, Timer::Repair(op));
            }
            let begun_ns = get.deadline_ns.saturating_sub(self.config.timing.request_timeout.as_nanos() as u64);
            self.latencies.get.observe(self.now.monotonic_ns.saturating_sub(begun_ns) / 1000);
            // From here on the repair ends it.
            self.timers.cancel(get.deadline_ns, Timer::Deadline(op));
            self.answer_get(op);
        }
        if all_done {
            self.repair(op);
        }
    }

    fn meets_session(&self, op: OpId) -> bool {
        let Some(get) = self.gets.get(&op) else { return false };
        get.session.as_ref().is_none_or(|session| self.covers(&self.merge(get.replies.values()), session))
    }

    /// The quorum does not have what the session has seen: whoever else may have it is asked, or it is given up.
    fn widen_get(&mut self, op: OpId) {
        let Some(get) = self.gets.get_mut(&op) else { return };
        let more = !std::mem::replace(&mut get.widened, true);
        let Some(get) = self.gets.get(&op) else { return };
        let asked = |node| get.targets.iter().any(|target| target.node == node);
        let others = if more { self.others_to_ask(&get.key, asked) } else { Vec::new() };
        if others.is_empty() && get.targets.iter().all(|target| target.done) {
            let request = get.request;
            return self.fail_session(op, request);
        }
        let key = get.key.clone();
        for node in others {
            if let Some(get) = self.gets.get_mut(&op) {
                get.targets.push(Target::replica(node));
            }
            self.send_fetch(op, &key, node);
        }
    }

    fn answer_get(&mut self, op: OpId) {
        let Some(get) = self.gets.get(&op) else { return };
        assert!(get.answers() >= get.r, "a read is answered by {} of r = {} replicas", get.answers(), get.r);
        let merged = self.merge(get.replies.values());
        let values: Vec<Vec<u8>> =
            merged.versions().iter().filter_map(|version| version.value.as_ref().map(|value| value.to_vec())).collect();
        let context = (!merged.is_empty()).then(|| self.context_of(&get.key, &merged, get.fastest));
        let request = get.request;
        if values.len() > 1 {
            self.counters.siblings_read += 1;
        }
        self.out.push(Effect::Reply { request, reply: Reply::Got { values, context } });
    }

    pub(super) fn context_of(&self, key: &[u8], state: &KeyState, fastest: Option<NodeId>) -> String {
        let context = Context { fastest, ..Context::of(state) };
        context.encode(key, self.config.ring_seed, self.config.versions)
    }

    fn merge<'a>(&self, states: impl Iterator<Item = &'a KeyState>) -> KeyState {
        states.fold(KeyState::default(), |mut merged, state| {
            merged.join(state, self.config.versions);
            merged
        })
    }

    /// A target has not answered: somebody else is asked (sloppy), or it is asked again.
    pub(super) fn get_overdue(&mut self, op: OpId, peer: NodeId) {
        let Some(get) = self.gets.get(&op) else { return };
        if get.answered || !get.targets.iter().any(|target| target.node == peer && !target.done) {
            return;
        }
        let key = get.key.clone();
        let node = match self.choose_substitute_reader(&key, &get.targets, peer) {
            Some(substitute) => {
                if let Some(get) = self.gets.get_mut(&op) {
                    get.targets.push(substitute);
                }
                substitute.node
            }
            None => {
                self.counters.resends += 1;
                peer
            }
        };
        self.send_fetch(op, &key, node);
    }

    /// Keys live elsewhere now: everybody is asked anew. What has been answered already only ends its repair.
    pub(super) fn replan_get(&mut self, op: OpId) {
        let Some(get) = self.gets.get(&op).filter(|get| !get.answered) else { return };
        let key = get.key.clone();
        let (groups, targets) = (self.groups(&key, get.n), self.choose_targets(&key, get.n));
        let nodes: Vec<NodeId> = targets.iter().map(|target| target.node).collect();
        let Some(get) = self.gets.get_mut(&op) else { return };
        (get.groups, get.targets) = (groups, targets);
        get.replies.clear();
        get.widened = false;
        let tags = std::mem::take(&mut get.tags);
        self.forget_questions(&tags);
        for node in nodes {
            self.send_fetch(op, &key, node);
        }
    }

    /// A target is of another view; it, or this node, will have learnt meanwhile.
    pub(super) fn get_met_view(&mut self, op: OpId, peer: NodeId) {
        let Some(get) = self.gets.get_mut(&op).filter(|get| !get.answered) else { return };
        for target in get.targets.iter_mut().filter(|target| target.node == peer && !target.done) {
            target.refused = true;
        }
        self.retry_later(op);
    }

    pub(super) fn retry_get(&mut self, op: OpId) {
        let Some(get) = self.gets.get_mut(&op).filter(|get| !get.answered) else { return };
        let key = get.key.clone();
        let mut refused = Vec::new();
        for target in get.targets.iter_mut().filter(|target| target.refused && !target.done) {
            target.refused = false;
            refused.push(target.node);
        }
        for node in refused {
            self.send_fetch(op, &key, node);
        }
    }

    /// The read is over: replicas that answered with less than all of it get the rest (read repair, 5).
    pub(super) fn repair(&mut self, op: OpId) {
        let Some(get) = self.end_get(op).filter(|get| get.repairs) else { return };
        let merged = self.merge(get.replies.values());
        let written = self.written_back(&merged);
        for (&node, state) in &get.replies {
            if *state != merged && self.is_replica(node, &get.key) {
                self.counters.read_repairs += 1;
                self.send_repair(node, &get.key, &written);
            }
        }
    }

    /// Gives a replica a state that it may lack; nobody waits for the answer.
    /// Returns about how many bytes it sends.
    pub(super) fn send_repair(&mut self, node: NodeId, key: &[u8], state: &KeyState) -> u64 {
        if node == self.config.id {
            self.join_row(&RowStore::Data, key, state);
            return 0;
        }
        let tag = self.new_tag();
        let message = Message::Store { tag, key: key.to_vec(), state: state.clone(), hint_for: None };
        let message = self.in_view(message);
        let bytes = message.bytes() as u64;
        self.emit_when_durable(key, Effect::Send { to: node, message });
        bytes
    }

    /// The reads of these keys that are under way repair nobody: what they have heard may be of the past.
    pub(super) fn forbid_repairs(&mut self, keys: &BTreeSet<Vec<u8>>) {
        for get in self.gets.values_mut().filter(|get| keys.contains(&get.key)) {
            get.repairs = false;
        }
    }

    fn end_get(&mut self, op: OpId) -> Option<GetOp> {
        let get = self.gets.remove(&op)?;
        self.timers.cancel(get.deadline_ns, Timer::Deadline(op));
        if let Some(at_ns) = get.repair_ns {
            self.timers.cancel(at_ns, Timer::Repair(op));
        }
        self.forget_questions(&get.tags);
        Some(get)
    }

    /// The time allowed is over; an answered read has no deadline any more.
    pub(super) fn get_deadline(&mut self, op: OpId) {
        if let Some(GetOp { request, widened: true, .. }) = self.gets.get(&op) {
            let request = *request;
            return self.fail_session(op, request);
        }
        let Some(get) = self.end_get(op) else { return };
        self.counters.get_quorum_failures += 1;
        if self.config.bug == Some(Bug::ReadQuorumZero) {
            return self.answer_not_found(get.request, &get.key);
        }
        let why = format!("{} of r = {} replicas answered in time", get.answers(), get.r);
        self.fail(Origin::Client(get.request), Failure::Unavailable(why));
    }
}
