//! Hinted handoff (4.6): what a fallback keeps for a replica is handed over as soon as that answers again.
//!
//! A hint is deleted only when its owner has acknowledged exactly what the hint still holds; the owner acknowledges
//! what is on its disk. An attempt is also made, on a few hints, while the owner is taken for down: an attempt is
//! itself a probe.

use super::state::{Node, Purpose, Timer};
use crate::bug::Bug;
use crate::ids::NodeId;
use crate::image::RowStore;
use crate::message::Message;
use crate::row::KeyRow;

/// Hints tried at once on an owner that is taken for down.
const ATTEMPTS_ON_SUSPECTED: usize = 8;
/// With the bug `hint-window`: how long an owner may be down.
const HINT_WINDOW_NS: u64 = 500_000_000;

impl Node {
    pub(super) fn deliver_hints(&mut self) {
        self.admission.adjust(self.now.monotonic_ns);
        for owner in self.image.hint_owners() {
            if self.config.bug == Some(Bug::HintWindow) {
                self.drop_old_hints(owner);
            }
            for key in self.next_hints(owner) {
                self.deliver_hint(owner, key);
            }
        }
        self.set_timer(self.config.timing.hint_interval, Timer::Hints);
    }

    /// The keys to try now: as many as there is room for, in turn, and none that is not durable here, because a copy
    /// elsewhere must never know more than this disk.
    fn next_hints(&mut self, owner: NodeId) -> Vec<Vec<u8>> {
        let slice = self.admission.slice_for(owner, self.now.monotonic_ns);
        let most = if self.peers.is_suspected(owner) { ATTEMPTS_ON_SUSPECTED.min(slice) } else { slice };
        let handover = self.handovers.owners.entry(owner).or_default();
        let room = most.saturating_sub(handover.under_way.len());
        let behind = self.image.hints_for(owner, &handover.last);
        let before = self.image.hints_for(owner, &[]);
        let keys: Vec<Vec<u8>> = behind
            .chain(before.take_while(|(key, _)| *key <= handover.last.as_slice()))
            .map(|(key, _)| key)
            .filter(|key| !handover.under_way.contains(*key) && !self.persistence.is_unsynced(key))
            .take(room)
            .map(<[u8]>::to_vec)
            .collect();
        if let Some(last) = keys.last() {
            handover.last.clone_from(last);
        }
        handover.under_way.extend(keys.iter().cloned());
        keys
    }

    fn deliver_hint(&mut self, owner: NodeId, key: Vec<u8>) {
        let Some(hint) = self.image.get(&RowStore::Hint(owner), &key) else {
            return self.handovers.ended(owner, &key);
        };
        let (state, digest) = (hint.state.clone(), hint.state.digest(&key));
        self.counters.hint_attempts += 1;
        let purpose = Purpose::Hint { owner, key: key.clone(), digest };
        let sent = key.clone();
        self.ask(owner, purpose, |tag| Message::Store { tag, key: sent, state, hint_for: None });
        if self.config.bug == Some(Bug::HintDeletedEarly) {
            self.delete_hint(owner, &key);
        }
    }

    /// The owner has it durably. A hint that has grown meanwhile stays, and is delivered again.
    pub(super) fn hint_acknowledged(&mut self, owner: NodeId, key: Vec<u8>, digest: u128) {
        self.handovers.ended(owner, &key);
        self.counters.hints_delivered += 1;
        let unchanged = |hint: &KeyRow| hint.state.digest(&key) == digest;
        if self.image.get(&RowStore::Hint(owner), &key).is_some_and(unchanged) {
            self.delete_hint(owner, &key);
        }
    }

    /// The bug `hint-window`.
    fn drop_old_hints(&mut self, owner: NodeId) {
        let begin_ns = self.now.monotonic_ns.saturating_sub(HINT_WINDOW_NS);
        if self.peers.is_suspected_since(owner, begin_ns) {
            let keys: Vec<Vec<u8>> = self.image.hints_for(owner, &[]).map(|(key, _)| key.to_vec()).collect();
            keys.iter().for_each(|key| self.delete_hint(owner, key));
        }
    }

    pub(super) fn delete_hint(&mut self, owner: NodeId, key: &[u8]) {
        if let Some(write) = self.image.remove_hint(owner, key) {
            self.persistence.write(Some(key), write);
        }
    }
}
