//! Anti-entropy (4.7): replicas compare digests of the ranges they share, and exchange what differs.
//!
//! ```text
//!   A ── Digests of all ranges in common ──────────► B
//!   A ◄─ RangeKeys: key and digest, for those that differ ── B      (long lists go on with ListRange)
//!   A ── Store what B lacks, Want what A lacks ────► B ── Store ──► A
//! ```
//! Each step is a message that can be lost: the next round begins anew.

use std::collections::BTreeMap;

use super::{Node, Place, Timer};
use crate::api::NodeId;
use crate::message::Message;
use crate::ring::RangeId;

/// Keys listed in one message.
const KEYS_LISTED_MAX: usize = 256;
/// Differing ranges that are answered in one round.
const RANGES_ANSWERED_MAX: usize = 16;

impl Node {
    /// Begins a round with the next peer that seems to be up.
    pub(super) fn begin_anti_entropy(&mut self) {
        self.set_timer(self.config.timing.anti_entropy_interval, Timer::AntiEntropy);
        let healthy: Vec<NodeId> = self
            .others()
            .into_iter()
            .filter(|peer| self.is_healthy(*peer))
            .collect();
        if healthy.is_empty() {
            return;
        }
        self.anti_entropy_turn = self.anti_entropy_turn.wrapping_add(1);
        let peer = healthy[usize::from(self.anti_entropy_turn) % healthy.len()];
        let ranges: Vec<(RangeId, u128)> = (0..self.ring.ranges())
            .filter(|range| self.is_shared_range(*range, peer))
            .filter_map(|range| Some((range, self.image.range_digest(range)?)))
            .collect();
        if !ranges.is_empty() {
            self.counters.anti_entropy_rounds += 1;
            self.send(peer, Message::Digests { ranges });
        }
    }

    pub(super) fn peer_digests(&mut self, from: NodeId, ranges: &[(RangeId, u128)]) {
        let differs = |(range, digest): &&(RangeId, u128)| {
            self.is_shared_range(*range, from) && self.image.range_digest(*range) != Some(*digest)
        };
        let differing: Vec<RangeId> = ranges
            .iter()
            .filter(differs)
            .map(|(range, _)| *range)
            .take(RANGES_ANSWERED_MAX)
            .collect();
        self.counters.anti_entropy_ranges_differing += differing.len() as u64;
        for range in differing {
            self.send_range_keys(from, range, None);
        }
    }

    pub(super) fn send_range_keys(&mut self, to: NodeId, range: RangeId, after: Option<Vec<u8>>) {
        if !self.is_shared_range(range, to) {
            return;
        }
        let Some(listed) = self.image.range_keys(range, after.as_deref()) else {
            return;
        };
        let mut keys: Vec<(Vec<u8>, u128)> = listed
            .take(KEYS_LISTED_MAX + 1)
            .map(|(key, digest)| (key.clone(), digest))
            .collect();
        let more = keys.len() > KEYS_LISTED_MAX;
        keys.truncate(KEYS_LISTED_MAX);
        self.send(
            to,
            Message::RangeKeys {
                range,
                after,
                keys,
                more,
            },
        );
    }

    /// Compares a peer's list with this node's own rows, and moves only what differs.
    pub(super) fn peer_range_keys(
        &mut self,
        from: NodeId,
        range: RangeId,
        after: Option<&[u8]>,
        theirs: &[(Vec<u8>, u128)],
        more: bool,
    ) {
        if !self.is_shared_range(range, from) {
            return;
        }
        let Some(listed) = self.image.range_keys(range, after) else {
            return;
        };
        let last = theirs.last().map(|(key, _)| key.clone());
        let covered = |key: &Vec<u8>| !more || last.as_ref().is_some_and(|last| key <= last);
        let own: BTreeMap<Vec<u8>, u128> = listed
            .take_while(|(key, _)| covered(key))
            .map(|(key, digest)| (key.clone(), digest))
            .collect();
        let theirs: BTreeMap<&Vec<u8>, u128> = theirs.iter().map(|(key, digest)| (key, *digest)).collect();
        let most = self.config.limits.transfers_max;
        let is_shared = |key: &Vec<u8>| self.ring.range_of(key) == range;
        let want: Vec<Vec<u8>> = (theirs.iter())
            .filter(|(key, digest)| is_shared(key) && own.get(**key) != Some(digest))
            .map(|(key, _)| (*key).clone())
            .take(most)
            .collect();
        let give: Vec<Vec<u8>> = own
            .iter()
            .filter(|(key, digest)| theirs.get(key) != Some(digest))
            .map(|(key, _)| key.clone())
            .take(most)
            .collect();
        self.give_keys(from, &give);
        if !want.is_empty() {
            self.send(from, Message::Want { keys: want });
        }
        if let (true, Some(after)) = (more, last) {
            self.send(from, Message::ListRange { range, after });
        }
    }

    pub(super) fn peer_want(&mut self, from: NodeId, keys: &[Vec<u8>]) {
        let most = self.config.limits.transfers_max;
        let keys: Vec<Vec<u8>> = keys
            .iter()
            .filter(|key| self.is_replica(from, key))
            .take(most)
            .cloned()
            .collect();
        self.give_keys(from, &keys);
    }

    fn give_keys(&mut self, to: NodeId, keys: &[Vec<u8>]) {
        for key in keys {
            let Some(state) = self.image.get(&Place::Data, key).map(|held| held.state.clone()) else {
                continue;
            };
            self.counters.anti_entropy_keys_sent += 1;
            self.send_repair(to, key, &state);
        }
    }

    fn is_shared_range(&self, range: RangeId, peer: NodeId) -> bool {
        if range >= self.ring.ranges() {
            return false;
        }
        let replicas = &self.ring.range_preference(range)[..usize::from(self.config.n)];
        replicas.contains(&self.config.id) && replicas.contains(&peer)
    }
}
