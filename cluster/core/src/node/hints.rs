//! Hinted handoff (4.6): what a fallback keeps for a replica is handed over as soon as that answers again.
//!
//! A hint is deleted only when its owner has acknowledged exactly what the hint still holds; the owner acknowledges what is on its disk. An attempt is
//! also made, on a few hints, while the owner is taken for down: an attempt is itself a probe.

use std::collections::BTreeSet;

use super::{Node, Purpose, Timer};
use crate::api::NodeId;
use crate::bug::Bug;
use crate::message::Message;

/// Hints tried at once on an owner that is taken for down.
const ATTEMPTS_ON_SUSPECTED: usize = 8;

/// Hints on their way to their owners.
#[derive(Debug, Default)]
pub(super) struct Handovers {
    under_way: BTreeSet<(NodeId, Vec<u8>)>,
}

impl Handovers {
    fn begin(&mut self, owner: NodeId, key: &[u8]) {
        self.under_way.insert((owner, key.to_vec()));
    }

    /// Acknowledged, refused or given up: it may be tried again.
    pub fn ended(&mut self, owner: NodeId, key: &[u8]) {
        self.under_way.remove(&(owner, key.to_vec()));
    }

    fn is_under_way(&self, owner: NodeId, key: &[u8]) -> bool {
        self.under_way.contains(&(owner, key.to_vec()))
    }

    fn count(&self, owner: NodeId) -> usize {
        self.under_way.iter().filter(|(o, _)| *o == owner).count()
    }
}

impl Node {
    pub(super) fn deliver_hints(&mut self) {
        for owner in self.image.hint_owners() {
            let most = match self.peers.is_suspected(owner) {
                true => ATTEMPTS_ON_SUSPECTED,
                false => self.config.limits.transfers_max,
            };
            let room = most.saturating_sub(self.handovers.count(owner));
            let free = |(key, _): &(&[u8], _)| !self.handovers.is_under_way(owner, key);
            let keys: Vec<Vec<u8>> = self
                .image
                .hints_for(owner, &[])
                .filter(free)
                .take(room)
                .map(|(key, _)| key.to_vec())
                .collect();
            for key in keys {
                self.deliver_hint(owner, key);
            }
        }
        self.set_timer(self.config.timing.hint_interval, Timer::Hints);
    }

    fn deliver_hint(&mut self, owner: NodeId, key: Vec<u8>) {
        let Some(hint) = self.image.get(&super::Place::Hint(owner), &key) else {
            return;
        };
        let (state, digest) = (hint.state.clone(), hint.state.digest(&key));
        // Not before it is durable here: a copy elsewhere must never know more than this disk.
        if self.persistence.is_unsynced(&key) {
            return;
        }
        self.counters.hint_attempts += 1;
        self.handovers.begin(owner, &key);
        let purpose = Purpose::Hint {
            owner,
            key: key.clone(),
            digest,
        };
        let sent = key.clone();
        self.ask(owner, purpose, |tag| Message::Store {
            tag,
            key: sent,
            state,
            hint_for: None,
        });
        if self.config.bug == Some(Bug::HintDeletedEarly) {
            self.delete_hint(owner, &key);
        }
    }

    /// The owner has it durably. A hint that has grown meanwhile stays, and is delivered again.
    pub(super) fn hint_acknowledged(&mut self, owner: NodeId, key: Vec<u8>, digest: u128) {
        self.handovers.ended(owner, &key);
        self.counters.hints_delivered += 1;
        let unchanged = |hint: &super::Stored| hint.state.digest(&key) == digest;
        if self.image.get(&super::Place::Hint(owner), &key).is_some_and(unchanged) {
            self.delete_hint(owner, &key);
        }
    }

    fn delete_hint(&mut self, owner: NodeId, key: &[u8]) {
        if let Some(write) = self.image.remove_hint(owner, key) {
            self.persistence.write(Some(key), write);
        }
    }
}
