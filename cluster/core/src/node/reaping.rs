//! Reaping: a tombstone is forgotten once nothing is left that it would have to hold back (4.1).
//!
//! A tombstone supersedes the versions in its past. It is needed as long as one of these may still turn up: on a
//! replica, in a hint, in a request under way, or in a message that the network has held up. The first replica of a
//! key of which nothing but one tombstone T is held asks *every* node of the preference list, fallbacks included:
//!
//! ```text
//!   reaper ── Guard: T ──► all     holds T or nothing, no hint, no write under way? Then act as if T were held
//!          ◄─ Guarded ── all       ... and this was the last message that I had sent
//!             (a while: what is still on its way may arrive)
//!          ── Fence ────► all      drop stores that were sent before their sender guarded (`fences.rs`)
//!          ◄─ Fenced ─── all       durably; I guarded until now
//!          ── Reap ─────► all      remove T where exactly T is held
//! ```
//! A round that anyone does not answer, refuses or has forgotten changes nothing, and is tried again.
//!
//! **Why nothing deleted comes back.** Call a version old if T supersedes it. Say that a node guards at moment c and is
//! fenced at moment f > c. At c it holds nothing old: its row is T or absent and durable, so no store of the key waits
//! for the disk either; it has no hint and coordinates no write of the key; its reads under way repair nobody any more.
//! Claim: after its c no node ever takes an old version. Suppose that one is the first to. It comes in a store. Until
//! f the guard joins it with T, which absorbs it. After f, all nodes have passed their c, and the store has a later
//! number than its sender's last at *its* c, so it was sent after that. The sender then held something old, though at
//! its c it did not, and it has taken nothing old since; a read that it began in between may have seen something
//! old on a node that had not yet guarded, but at f those reads lose their repairs too. A contradiction. What is lost,
//! late or delivered twice changes nothing in this: numbers decide, not the order of arrival. A node that has restarted
//! after c has lost its guard, says so when it is to be fenced, and nothing is reaped. One that restarts after f finds
//! the fences on its disk. So once all are fenced, nobody needs T for good, and Reap may come late or twice.
//! Time is in no part of this. The while between the two steps only spares messages that are not old.
//!
//! **Why nothing new is lost.** New versions are not old: neither guards nor fences nor T's removal supersedes
//! them. The row's actor ends with the row (`versions/mod.rs`), so no dot in T's past is made again, and a client's
//! context that covers T dominates nothing but T and the old. T itself may come back, by anti-entropy from a replica
//! that Reap has not reached: it is harmless, and is reaped again. Under last-write-wins a T that is still on one
//! replica could bury a newer write with an older timestamp; so the fence also says that no version is given a
//! timestamp up to T's.
//!
//! The one thing that is not held: a replica whose disk is wiped loses its fences, and then only the while between
//! the steps keeps a message out that was sent before them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::state::{FENCES_KEY, Guard, Held, Node, Purpose, Round, Step, Timer};
use crate::api::Effect;
use crate::bug::Bug;
use crate::ids::NodeId;
use crate::image::RowStore;
use crate::message::{Message, Tag};
use crate::versions::KeyState;

/// From this version of the protocol on tombstones are reaped.
const REAPING: u8 = 2;
/// Keys of one round.
const KEYS_MAX: usize = 64;
/// Tombstones looked at in one round.
const LOOKED_AT_MAX: usize = 4096;
/// How often a node is asked to reap.
const ATTEMPTS_MAX: u32 = 5;
/// How much longer than the wait a guard lasts whose round does not go on.
const GUARD_SLACK: Duration = Duration::from_secs(10);

/// The reaper.
impl Node {
    pub(super) fn reap_in_turn(&mut self) {
        self.set_timer(self.config.timing.reaping_interval, Timer::Reaping);
        let now_ns = self.now.monotonic_ns;
        self.reaping.guards.retain(|_, guard| guard.until_ns > now_ns);
        if matches!(self.config.bug, Some(Bug::TombstonePurgedEarly | Bug::LateTombstoneKills)) {
            return self.purge_early();
        }
        match self.reaping.round.as_ref().map(|round| round.step) {
            None => self.begin_reaping(),
            Some(Step::Wait { until_ns }) if until_ns <= now_ns => self.fence_all(),
            Some(_) => {}
        }
    }

    fn begin_reaping(&mut self) {
        let asked = self.nodes_to_ask();
        if !asked.iter().all(|node| self.is_healthy(*node) && self.agreed_version(*node) >= REAPING) {
            return;
        }
        let mut keys = self.next_tombstones();
        if keys.is_empty() {
            return;
        }
        self.counters.reaping_rounds += 1;
        let own = self.new_tag();
        for key in self.guard(self.config.id, own, keys.clone().into_iter().collect()) {
            keys.remove(&key);
        }
        if keys.is_empty() {
            return;
        }
        let last = BTreeMap::from([(self.config.id, self.last_tag())]);
        let mut guards = BTreeMap::new();
        for &peer in &asked {
            let keys = keys.clone().into_iter().collect();
            guards.insert(peer, self.ask(peer, Purpose::Reaping, |tag| Message::Guard { tag, keys }));
        }
        let waiting = guards.clone();
        guards.insert(self.config.id, own);
        self.reaping.round = Some(Round { keys, guards, last, step: Step::Guard, waiting });
        self.end_guard_step();
    }

    /// Every other node: any may hold a hint, or something in a request under way.
    fn nodes_to_ask(&self) -> Vec<NodeId> {
        let mut nodes = self.others();
        if self.forgets_fallbacks() {
            nodes.retain(|node| self.is_healthy(*node));
        }
        nodes
    }

    /// With the bug `hint-replayed-after-purge` only who is there is asked, and not for hints, and nobody waits.
    fn forgets_fallbacks(&self) -> bool {
        self.config.bug == Some(Bug::HintReplayedAfterPurge)
    }

    /// Tombstones that this node is the first replica of, in turn.
    fn next_tombstones(&mut self) -> BTreeMap<Vec<u8>, KeyState> {
        let last = self.reaping.last.clone();
        let from_last = self.image.tombstones_from(&last).filter(|key| **key != last);
        let before = self.image.tombstones_from(&[]).take_while(|key| **key <= last);
        let mut next = BTreeMap::new();
        let mut seen = None;
        for key in from_last.chain(before).take(LOOKED_AT_MAX) {
            seen = Some(key.clone());
            if let Some(row) = self.image.get(&RowStore::Data, key).filter(|_| self.is_mine_to_reap(key)) {
                next.insert(key.clone(), row.state.clone());
            }
            if next.len() == KEYS_MAX {
                break;
            }
        }
        self.reaping.last = seen.unwrap_or_default();
        next
    }

    fn is_mine_to_reap(&self, key: &[u8]) -> bool {
        let replicas = self.replicas(key);
        let all_up = replicas.iter().all(|node| self.is_healthy(*node));
        all_up && self.owners_are_stable() && replicas.first() == Some(&self.config.id)
    }

    /// Rows that are changing hands are on their way to who does not hold them yet.
    fn owners_are_stable(&self) -> bool {
        !self.ring.is_changing()
    }

    pub(super) fn reaping_guarded(&mut self, from: NodeId, tag: Tag, refused: &[Vec<u8>], last: Tag) {
        let Some(round) = &mut self.reaping.round else { return };
        if round.step != Step::Guard || round.waiting.get(&from) != Some(&tag) {
            return;
        }
        round.waiting.remove(&from);
        round.last.insert(from, last);
        for key in refused {
            round.keys.remove(key);
        }
        self.end_guard_step();
    }

    fn end_guard_step(&mut self) {
        let Some(round) = &mut self.reaping.round else { return };
        if round.keys.is_empty() {
            self.reaping.round = None;
        } else if round.waiting.is_empty() {
            let until_ns = self.grace_until_ns();
            if let Some(round) = &mut self.reaping.round {
                round.step = Step::Wait { until_ns };
            }
        }
    }

    fn grace_until_ns(&self) -> u64 {
        if self.forgets_fallbacks() {
            return self.now.monotonic_ns;
        }
        let grace_ns = u64::try_from(self.config.timing.reaping_grace.as_nanos()).unwrap_or(u64::MAX);
        self.now.monotonic_ns.saturating_add(grace_ns)
    }

    fn fence_all(&mut self) {
        let Some(round) = &mut self.reaping.round else { return };
        assert!(round.waiting.is_empty(), "nodes are fenced before all have guarded");
        assert!(
            round.guards.keys().eq(round.last.keys()),
            "a node has guarded and not said which message was its last"
        );
        round.step = Step::Fence;
        let last: Vec<(NodeId, Tag)> = round.last.iter().map(|(node, tag)| (*node, *tag)).collect();
        let timestamp_max_us = round.keys.values().filter_map(KeyState::timestamp_max_us).max();
        let guards = round.guards.clone();
        let mut waiting = BTreeMap::new();
        for (node, guard) in guards {
            let tag = match node == self.config.id {
                true => guard,
                false => {
                    let last = last.clone();
                    let fence = |tag| Message::Fence { tag, round: guard, last, timestamp_max_us };
                    self.ask(node, Purpose::Reaping, fence)
                }
            };
            waiting.insert(node, tag);
        }
        if let Some(round) = &mut self.reaping.round {
            round.waiting = waiting;
        }
        self.fence_myself(&last, timestamp_max_us);
    }

    fn fence_myself(&mut self, last: &[(NodeId, Tag)], timestamp_max_us: Option<i64>) {
        let me = self.config.id;
        let own = self.reaping.round.as_ref().and_then(|round| round.guards.get(&me).copied());
        let Some(own) = own else { return };
        match self.fence(me, own, last, timestamp_max_us) {
            true => self.when_durable(FENCES_KEY, Held::FencesAreLocal(own)),
            false => self.give_up_reaping(),
        }
    }

    pub(super) fn reaping_fenced(&mut self, from: NodeId, tag: Tag, guarded: bool) {
        let Some(round) = &mut self.reaping.round else { return };
        if round.step != Step::Fence || round.waiting.get(&from) != Some(&tag) {
            return;
        }
        if !guarded {
            return self.give_up_reaping();
        }
        round.waiting.remove(&from);
        if round.waiting.is_empty() {
            self.reap_all();
        }
    }

    /// Nobody needs them any more.
    fn reap_all(&mut self) {
        let Some(round) = &mut self.reaping.round else { return };
        assert_eq!(round.step, Step::Fence, "tombstones are reaped before all nodes are fenced");
        assert!(round.waiting.is_empty(), "tombstones are reaped before all nodes are fenced");
        round.step = Step::Reap { attempts: 1 };
        let keys: Vec<(Vec<u8>, u128)> =
            round.keys.iter().map(|(key, state)| (key.clone(), state.digest(key))).collect();
        let nodes: Vec<NodeId> = round.guards.keys().copied().filter(|node| *node != self.config.id).collect();
        self.reap(&keys);
        let mut waiting = BTreeMap::new();
        for node in nodes {
            let keys = keys.clone();
            waiting.insert(node, self.ask(node, Purpose::Reaping, |tag| Message::Reap { tag, keys }));
        }
        if let Some(round) = &mut self.reaping.round {
            round.waiting = waiting;
        }
        self.end_reap_step();
    }

    pub(super) fn reaping_reaped(&mut self, from: NodeId) {
        let Some(round) = &mut self.reaping.round else { return };
        if matches!(round.step, Step::Reap { .. }) {
            round.waiting.remove(&from);
            self.end_reap_step();
        }
    }

    fn end_reap_step(&mut self) {
        if self.reaping.round.as_ref().is_some_and(|round| round.waiting.is_empty()) {
            self.reaping.round = None;
        }
    }

    /// Before all nodes are fenced, the round is given up. After that, nodes that have not answered are asked again a few
    /// times.
    pub(super) fn reaping_overdue(&mut self, peer: NodeId, tag: Tag) {
        let Some(round) = &mut self.reaping.round else { return };
        if round.waiting.get(&peer) != Some(&tag) {
            return;
        }
        let Step::Reap { attempts } = &mut round.step else {
            return self.give_up_reaping();
        };
        *attempts += 1;
        if *attempts > ATTEMPTS_MAX {
            round.waiting.remove(&peer);
            return self.end_reap_step();
        }
        let keys = round.keys.iter().map(|(key, state)| (key.clone(), state.digest(key))).collect();
        let tag = self.ask(peer, Purpose::Reaping, |tag| Message::Reap { tag, keys });
        if let Some(round) = &mut self.reaping.round {
            round.waiting.insert(peer, tag);
        }
    }

    fn give_up_reaping(&mut self) {
        self.counters.reaping_rounds_given_up += 1;
        self.reaping.round = None;
    }

    /// The bugs `tombstone-purged-early` and `late-tombstone-kills`.
    fn purge_early(&mut self) {
        let keys: Vec<Vec<u8>> = self.image.tombstones_from(&[]).take(KEYS_MAX).cloned().collect();
        for key in keys {
            self.forget_row(&key);
        }
    }
}

/// Everyone.
impl Node {
    pub(super) fn peer_guard(&mut self, from: NodeId, tag: Tag, keys: Vec<(Vec<u8>, KeyState)>) {
        // There twice, or of a round that is over.
        if self.reaping.guards.get(&from).is_some_and(|guard| guard.round >= tag) {
            return;
        }
        let refused = self.guard(from, tag, keys);
        let last = self.last_tag();
        self.send(from, Message::Guarded { tag, refused, last });
    }

    /// Guards what it can, instead of what it guarded for that reaper before; returns the keys that it cannot guard.
    fn guard(&mut self, reaper: NodeId, round: Tag, keys: Vec<(Vec<u8>, KeyState)>) -> Vec<Vec<u8>> {
        let written = self.keys_being_written();
        let is_clean =
            |(key, state): &(Vec<u8>, KeyState)| !written.contains(key.as_slice()) && self.is_clean(key, state);
        let (clean, refused): (Vec<_>, Vec<_>) = keys.into_iter().partition(is_clean);
        let keys: BTreeMap<Vec<u8>, KeyState> = clean.into_iter().take(KEYS_MAX).collect();
        self.forbid_repairs(&keys.keys().cloned().collect());
        let life = GUARD_SLACK + 2 * self.config.timing.reaping_grace;
        let life_ns = u64::try_from(life.as_nanos()).unwrap_or(u64::MAX);
        let until_ns = self.now.monotonic_ns.saturating_add(life_ns);
        self.reaping.guards.insert(reaper, Guard { round, keys, until_ns });
        refused.into_iter().map(|(key, _)| key).collect()
    }

    /// Whether nothing of the key is held but this tombstone, and that durably.
    fn is_clean(&self, key: &[u8], tombstone: &KeyState) -> bool {
        // Whoever a hint is for may have left meanwhile.
        let owners: Vec<NodeId> = (0..self.config.names.len() as u16).map(NodeId).collect();
        tombstone.is_tombstone()
            && self.owners_are_stable()
            && !self.persistence.is_unsynced(key)
            && self.image.get(&RowStore::Data, key).is_none_or(|row| row.state == *tombstone)
            && (self.forgets_fallbacks() || !self.image.has_hint(&owners, key))
    }

    /// What a guarded key would be if its tombstone were held here; nothing at all if that is all it would be.
    pub(super) fn apply_guards(&self, key: &[u8], held: bool, state: &mut KeyState) {
        for tombstone in self.reaping.guards.values().filter_map(|guard| guard.keys.get(key)) {
            state.join(tombstone, self.config.versions);
            if !held && state == tombstone {
                *state = KeyState::default();
            }
        }
    }

    pub(super) fn peer_fence(
        &mut self,
        from: NodeId,
        tag: Tag,
        round: Tag,
        last: &[(NodeId, Tag)],
        timestamp_max_us: Option<i64>,
    ) {
        match self.fence(from, round, last, timestamp_max_us) {
            true => {
                let message = Message::Fenced { tag, guarded: true };
                self.emit_when_durable(FENCES_KEY, Effect::Send { to: from, message });
            }
            false => self.send(from, Message::Fenced { tag, guarded: false }),
        }
    }

    /// From the guard to the fence, if the guard has stood all the while.
    fn fence(&mut self, reaper: NodeId, round: Tag, last: &[(NodeId, Tag)], timestamp_max_us: Option<i64>) -> bool {
        let Some(guard) = self.reaping.guards.remove(&reaper) else { return false };
        if guard.round != round {
            self.reaping.guards.insert(reaper, guard);
            return false;
        }
        self.forbid_repairs(&guard.keys.into_keys().collect::<BTreeSet<_>>());
        self.move_fences(last, timestamp_max_us);
        true
    }

    pub(super) fn peer_reap(&mut self, from: NodeId, tag: Tag, keys: &[(Vec<u8>, u128)]) {
        self.reap(keys);
        self.send(from, Message::Reaped { tag });
    }

    fn reap(&mut self, keys: &[(Vec<u8>, u128)]) {
        for (key, digest) in keys {
            let is_it = |state: &KeyState| state.is_tombstone() && state.digest(key) == *digest;
            if self.image.get(&RowStore::Data, key).is_some_and(|row| is_it(&row.state)) {
                self.forget_row(key);
            }
        }
    }

    fn forget_row(&mut self, key: &[u8]) {
        if let Some(write) = self.image.remove_data(&self.ring, key) {
            self.persistence.write(Some(key), write);
            self.counters.tombstones_reaped += 1;
        }
    }
}
