//! Writes (4.5, 4.6).
//!
//! ```text
//!   client ─► a node outside the targets ── Forward ─► coordinator
//!   client ─► coordinator: make the version ─► persist ─► send the state to the other targets ─► W acks ─► Stored
//!                                                          └ no answer: a fallback takes it with a hint (sloppy), or ask again (strict)
//! ```
//! The coordinator counts its own durable write. It goes on until all N have acknowledged or the deadline has come, also
//! after it has answered its client.

use std::collections::BTreeSet;

use super::state::{Groups, Held, Node, OpId, Origin, Purpose, PutOp, Target, Timer};
use crate::bug::Bug;
use crate::config::{Coordinator, Versioning};
use crate::context::Context;
use crate::failure::Failure;
use crate::ids::{NodeId, RequestId};
use crate::image::RowStore;
use crate::message::{ForwardedPut, Message};
use crate::row::{KeyRow, Made};
use crate::versions::clock::{Pair, VectorClock};
use crate::versions::{Actor, Dot, KeyState, Version, VersionVector};

/// A key's state may not outgrow what a message can carry.
pub(super) const STATE_BYTES_MAX: usize = 4 << 20;

impl Node {
    /// The replica that answered the preceding read first coordinates (6.4), if it seems to be up. Else a replica does
    /// it itself, and any other node hands the write to the first replica that seems to be up (4.5). When none does, the
    /// fallbacks are left (sloppy): this node if it is one of them, else the first.
    pub(super) fn route_put(&mut self, id: RequestId, put: ForwardedPut, deadline_ns: Option<u64>) {
        let targets = self.choose_targets(&put.key, put.n);
        let me = |target: &&Target| target.node == self.config.id;
        let replica = |target: &&Target| target.hint_for.is_none();
        let healthy = |target: &&Target| self.is_healthy(target.node);
        let own = targets.iter().find(me);
        let fastest = put.context.fastest.filter(|_| self.config.coordinator == Coordinator::Fastest);
        let mut healthy_replicas = targets.iter().filter(|target| replica(target) && healthy(target));
        let healthy_replica = healthy_replicas.clone().next();
        let fastest_replica = healthy_replicas.find(|target| Some(target.node) == fastest);
        let coordinator = match (own, healthy_replica) {
            _ if fastest_replica.is_some() => fastest_replica,
            (Some(own), None) => Some(own),
            (Some(own), _) if replica(&own) => Some(own),
            (_, Some(other)) => Some(other),
            (None, None) => targets.iter().find(healthy),
        };
        match coordinator.map(|target| target.node) {
            Some(node) if node == self.config.id => self.coordinate_put(Origin::Client(id), put, targets),
            Some(node) => self.forward_put(id, node, put, deadline_ns),
            None => {
                let why = "no replica of the key can be reached; nothing was written".to_owned();
                self.counters.put_quorum_failures += 1;
                self.fail(Origin::Client(id), Failure::Unavailable(why));
            }
        }
    }

    pub(super) fn coordinate_put(&mut self, origin: Origin, put: ForwardedPut, mut targets: Vec<Target>) {
        self.counters.puts += 1;
        let mut groups = self.groups(&put.key, put.n);
        if self.is_withheld(put.value.is_none()) {
            groups.keep_those_of_before();
            targets.retain(|target| groups.owners().contains(&target.owner));
        }
        if !self.may_reach(&targets, &groups, usize::from(put.w)) {
            self.counters.put_quorum_failures += 1;
            let why = format!("too few replicas for w = {} can be reached; nothing was written", put.w);
            return self.fail(origin, Failure::Unavailable(why));
        }
        let own = targets.iter().find(|target| target.node == self.config.id);
        let store = own.and_then(|target| target.hint_for).map_or(RowStore::Data, RowStore::Hint);
        match self.new_row(&store, &put) {
            Ok((row, seen)) => {
                let state = row.state.clone();
                let key = put.key.clone();
                let op = self.begin_put(origin, put, (groups, targets), state, seen);
                if self.is_buffered() {
                    self.begin_buffered(op, &store, row);
                } else {
                    self.write_row(&store, &key, row);
                    self.when_durable(&key, Held::PutIsLocal(op));
                }
            }
            Err(why) => self.fail(origin, Failure::Unavailable(why.into())),
        }
    }

    fn begin_put(
        &mut self,
        origin: Origin,
        put: ForwardedPut,
        (groups, targets): (Groups, Vec<Target>),
        state: KeyState,
        seen: Context,
    ) -> OpId {
        assert!(1 <= put.w && put.w <= put.n, "w = {} of n = {}: no quorum", put.w, put.n);
        assert!(put.n <= self.config.n, "a request for {} replicas of {}", put.n, self.config.n);
        let op = self.new_op();
        let deadline_ns = self.set_timer(self.config.timing.request_timeout, Timer::Deadline(op));
        let put = PutOp {
            origin,
            key: put.key,
            state,
            seen,
            n: usize::from(put.n),
            w: usize::from(put.w),
            groups,
            targets,
            // From memory, at once.
            is_local: self.is_buffered(),
            tags: Vec::with_capacity(usize::from(put.n)),
            answered: false,
            deadline_ns,
            is_buffered: self.is_buffered(),
            is_durable: false,
            asked_durable: BTreeSet::new(),
        };
        self.puts.insert(op, put);
        op
    }

    /// The row after the write, and what one knows who knows the new version: its past is what its writer had seen, and it
    /// stands beside what that did not cover.
    fn new_row(&mut self, store: &RowStore, put: &ForwardedPut) -> Result<(KeyRow, Context), &'static str> {
        if !self.has_room(store, &put.key) {
            return Err("too many hints are held for nodes that are down; nothing was written");
        }
        let mut state = self.view(&put.key);
        let made = self.next_made(store, &put.key, &state, &put.context);
        let dot = Dot { actor: self.actor(made.epoch), counter: made.counter };
        assert!(dot.counter > 0, "counters begin at 1");
        self.assert_new(dot, &state, &put.context);
        let version = Version {
            dot,
            past: self.past_of(dot, &put.context),
            clock: self.clock_of(&state, &put.context),
            timestamp_us: self.new_timestamp_us(&state, &put.context),
            value: put.value.clone(),
        };
        let seen = Context::of_version(&version);
        state.insert(version, self.config.versions);
        if state.bytes() > STATE_BYTES_MAX {
            return Err("the key has too many or too large siblings: read it, and write back a merged value");
        }
        Ok((KeyRow { state, made: Some(made) }, seen))
    }

    /// A dot is made once: neither this node nor the writer knows it, or a later one of its actor. Some planted defects
    /// break exactly this.
    fn assert_new(&self, dot: Dot, held: &KeyState, context: &Context) {
        if self.config.bug.is_none() {
            assert!(held.counter(dot.actor) < dot.counter, "the dot {dot} is known here and is made a second time");
            assert!(!context.seen.contains(dot), "the dot {dot} is known to the writer and is made a second time");
        }
    }

    /// The name of the next version of a row. The row remembers the last one; where the world knows of a later one,
    /// the disk is not what it was (it has been put back to an earlier state), and a new actor begins.
    fn next_made(&mut self, store: &RowStore, key: &[u8], held: &KeyState, context: &Context) -> Made {
        let known = |actor: Actor| held.counter(actor).max(context.seen.counter(actor));
        match self.image.get(store, key).and_then(|row| row.made) {
            None if self.config.bug == Some(Bug::CounterRestarts) && *store == RowStore::Data => {
                Made { epoch: 0, counter: 1 }
            }
            Some(made) if self.identity.may_go_on(made.epoch) && known(self.actor(made.epoch)) <= made.counter => {
                Made { counter: made.counter + 1, ..made }
            }
            _ if self.config.bug == Some(Bug::LateTombstoneKills) && *store == RowStore::Data => {
                Made { epoch: 0, counter: known(self.actor(0)) + 1 }
            }
            _ => {
                let mut known = held.context();
                known.join(&context.seen);
                Made { epoch: self.new_epoch(&known), counter: 1 }
            }
        }
    }

    fn actor(&self, epoch: u64) -> Actor {
        Actor { node: self.config.id, epoch }
    }

    fn past_of(&self, dot: Dot, context: &Context) -> VersionVector {
        if self.config.versions != Versioning::Dvv {
            return VersionVector::default();
        }
        let mut past = context.seen.clone();
        if self.config.bug == Some(Bug::NoDots) && dot.counter > 1 {
            // The paper's literal clock: (node, counter) stands for every earlier version of that node too, seen or not.
            past.add(Dot { counter: dot.counter - 1, ..dot });
        }
        past
    }

    /// What the writer had seen, and this node's own pair, past what the writer had seen and what is held here (4.4).
    fn clock_of(&self, held: &KeyState, context: &Context) -> VectorClock {
        if self.config.versions != Versioning::VectorClock {
            return VectorClock::default();
        }
        let (me, pairs_max) = (self.config.id, self.config.limits.clock_pairs_max);
        let mut clock = context.clock.clone();
        let counter = clock.counter(me).max(held.clock().counter(me)).saturating_add(1);
        clock.set(Pair { node: me, counter, timestamp_us: self.now.wall_ns.div_euclid(1000) });
        if self.config.bug == Some(Bug::OwnPairTruncated) && clock.pairs().len() > pairs_max {
            clock.remove(me);
        }
        clock.truncate(pairs_max, me);
        assert!(clock.pairs().len() <= pairs_max, "a clock of more than {pairs_max} pairs");
        clock
    }

    /// The wall clock, but later than everything that the writer had seen or that is held here: a clock that is
    /// behind must not make a later write look old.
    fn new_timestamp_us(&self, held: &KeyState, context: &Context) -> i64 {
        let wall_us = self.now.wall_ns.div_euclid(1000);
        if self.config.bug == Some(Bug::FastClockWins) {
            return wall_us;
        }
        let seen = held.timestamp_max_us().max(context.timestamp_max_us).max(self.fences.timestamp_max_us());
        let timestamp_us = seen.map_or(wall_us, |seen| wall_us.max(seen.saturating_add(1)));
        assert!(
            seen.is_none_or(|seen| seen < timestamp_us || seen == i64::MAX),
            "a new version looks older than it is"
        );
        timestamp_us
    }

    /// The coordinator's own write is on disk: only now may others hear of it.
    pub(super) fn put_is_local(&mut self, op: OpId) {
        self.put_durable(op);
        let Some(put) = self.puts.get_mut(&op) else { return };
        let sent_before = std::mem::replace(&mut put.is_local, true);
        let others: Vec<Target> =
            put.targets.iter().filter(|t| t.node != self.config.id && !sent_before).copied().collect();
        for target in others {
            self.send_store(op, target);
        }
        self.put_acknowledged(op, self.config.id);
    }

    /// To be written through, unless a replica has done so already and this one may keep it in memory.
    fn send_store(&mut self, op: OpId, target: Target) {
        let is_needed = self.puts.get(&op).is_some_and(|put| !put.is_durable);
        self.send_put(op, target, is_needed);
    }

    pub(super) fn send_put(&mut self, op: OpId, target: Target, is_durable: bool) {
        let buffers = !is_durable && self.may_buffer(target.node);
        let Some(put) = self.puts.get_mut(&op) else { return };
        let buffers = buffers && put.is_buffered;
        if put.is_buffered && !buffers {
            put.asked_durable.insert(target.node);
        }
        let (key, state) = (put.key.clone(), put.state.clone());
        if target.hint_for.is_some() {
            self.counters.fallback_writes += 1;
        }
        let hint_for = target.hint_for;
        let tag = match buffers {
            true => self.ask(target.node, Purpose::BufferedPut(op), |tag| Message::StoreBuffered {
                tag,
                key,
                state,
                hint_for,
            }),
            false => self.ask(target.node, Purpose::Put(op), |tag| Message::Store { tag, key, state, hint_for }),
        };
        if let Some(put) = self.puts.get_mut(&op) {
            put.tags.push(tag);
        }
    }

    pub(super) fn put_acknowledged(&mut self, op: OpId, from: NodeId) {
        let Some(put) = self.puts.get_mut(&op) else { return };
        for target in put.targets.iter_mut().filter(|target| target.node == from) {
            target.done = true;
        }
        self.put_progressed(op);
    }

    fn put_progressed(&mut self, op: OpId) {
        let Some(put) = self.puts.get_mut(&op) else { return };
        let acknowledged = put.acknowledged();
        assert!(acknowledged <= put.n, "{acknowledged} of {} replicas acknowledged", put.n);
        if acknowledged >= put.w && put.is_durable && !put.answered {
            put.answered = true;
            let (origin, key, seen) = (put.origin, put.key.clone(), std::mem::take(&mut put.seen));
            let begun_ns = put.deadline_ns.saturating_sub(self.config.timing.request_timeout.as_nanos() as u64);
            self.latencies.put.observe(self.now.monotonic_ns.saturating_sub(begun_ns) / 1000);
            self.answer_stored(origin, &key, seen);
        }
        self.end_put_if_done(op);
    }

    /// A target that refused stays unacknowledged; somebody else may take its place.
    pub(super) fn put_refused(&mut self, op: OpId, from: NodeId) {
        self.substitute_in_put(op, from);
    }

    pub(super) fn put_overdue(&mut self, op: OpId, peer: NodeId) {
        if self.substitute_in_put(op, peer) {
            return;
        }
        let Some(put) = self.puts.get(&op) else { return };
        let again = put.targets.iter().find(|target| target.node == peer && !target.done);
        if let Some(&target) = again {
            self.counters.resends += 1;
            self.send_store(op, target);
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

    /// Keys live elsewhere now. Who has acknowledged still has it; the others, and those who are new, are sent it.
    pub(super) fn replan_put(&mut self, op: OpId) {
        let Some(put) = self.puts.get(&op) else { return };
        let n = put.n as u8;
        let (groups, mut targets) = (self.groups(&put.key, n), self.choose_targets(&put.key, n));
        let has = |target: &Target| {
            put.targets.iter().any(|old| old.done && old.node == target.node && old.hint_for == target.hint_for)
        };
        for target in &mut targets {
            target.done = has(target);
        }
        let Some(put) = self.puts.get_mut(&op) else { return };
        (put.groups, put.targets) = (groups, targets);
        if put.is_local {
            let me = self.config.id;
            let left: Vec<Target> = put.targets.iter().filter(|t| !t.done && t.node != me).copied().collect();
            for target in left {
                self.send_store(op, target);
            }
            self.put_progressed(op);
        }
    }

    /// A target is of another view; it, or this node, will have learnt meanwhile.
    pub(super) fn put_met_view(&mut self, op: OpId, peer: NodeId) {
        let Some(put) = self.puts.get_mut(&op) else { return };
        for target in put.targets.iter_mut().filter(|target| target.node == peer && !target.done) {
            target.refused = true;
        }
        self.retry_later(op);
    }

    pub(super) fn retry_put(&mut self, op: OpId) {
        let Some(put) = self.puts.get_mut(&op) else { return };
        let refused: Vec<Target> =
            put.targets.iter().filter(|target| target.refused && !target.done).copied().collect();
        for target in &mut put.targets {
            target.refused = false;
        }
        for target in refused {
            self.send_store(op, target);
        }
    }

    /// Every replica has it, or somebody who keeps it for that one: nothing is left to do.
    fn end_put_if_done(&mut self, op: OpId) {
        let Some(put) = self.puts.get(&op) else { return };
        if put.answered && put.acknowledged() == put.n {
            self.end_put(op);
        }
    }

    /// The keys of the writes that are coordinated here and not over.
    pub(super) fn keys_being_written(&self) -> BTreeSet<Vec<u8>> {
        self.puts.values().map(|put| put.key.clone()).collect()
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
        let done = put.acknowledged();
        let why = format!("{done} of w = {} replicas acknowledged in time; the write may have happened", put.w);
        self.fail(put.origin, Failure::Unknown(why));
    }
}
