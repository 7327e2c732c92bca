//! Anti-entropy (4.7): replicas compare digests of the ranges they share, and exchange what differs.
//!
//! ```text
//!   A ── Digests of all ranges in common ──────────► B
//!   A ◄─ RangeKeys: key and digest, for those that differ ── B      (long lists go on with ListRange)
//!   A ── Store what B lacks, Want what A lacks ────► B ── Store ──► A
//! ```
//! Each step is a message that can be lost: the next round begins anew, but goes on with a long list where it was. A
//! page that comes twice is taken once, so that a list is never walked by two at a time.

use std::collections::BTreeMap;

use rand::RngExt;

use super::{Node, Timer};
use crate::api::NodeId;
use crate::image::Place;
use crate::message::Message;
use crate::ring::RangeId;

/// Keys listed in one message.
const KEYS_LISTED_MAX: usize = 256;
/// Ranges that are answered, and lists that are gone on with, in one round.
const RANGES_ANSWERED_MAX: usize = 16;

/// For each peer and range whose list is being walked: the last key seen. At most one entry for each range and peer
/// that share it.
#[derive(Debug, Default)]
pub(super) struct Listings {
    seen_to: BTreeMap<(NodeId, RangeId), Vec<u8>>,
}

impl Node {
    /// Begins a round with the next peer that seems to be up.
    pub(super) fn begin_anti_entropy(&mut self) {
        self.set_timer(self.config.timing.anti_entropy_interval, Timer::AntiEntropy);
        let mut healthy = self.others();
        healthy.retain(|peer| self.is_healthy(*peer));
        if healthy.is_empty() {
            return;
        }
        self.anti_entropy_turn = self.anti_entropy_turn.wrapping_add(1);
        let peer = healthy[usize::from(self.anti_entropy_turn) % healthy.len()];
        let (listed, rest): (Vec<RangeId>, Vec<RangeId>) = (0..self.ring.ranges())
            .filter(|range| self.is_shared_range(*range, peer))
            .partition(|range| self.listings.seen_to.contains_key(&(peer, *range)));
        self.counters.anti_entropy_rounds += u64::from(!listed.is_empty() || !rest.is_empty());
        for range in self.in_turn(listed) {
            if let Some(after) = self.listings.seen_to.get(&(peer, range)).cloned() {
                self.send(peer, Message::ListRange { range, after });
            }
        }
        let digest = |range| Some((range, self.image.range_digest(range)?));
        let ranges: Vec<(RangeId, u128)> = rest.into_iter().filter_map(digest).collect();
        if !ranges.is_empty() {
            self.send(peer, Message::Digests { ranges });
        }
    }

    pub(super) fn peer_digests(&mut self, from: NodeId, ranges: &[(RangeId, u128)]) {
        let differs = |(range, digest): &&(RangeId, u128)| {
            self.is_shared_range(*range, from) && self.image.range_digest(*range) != Some(*digest)
        };
        let differing: Vec<RangeId> = ranges.iter().filter(differs).map(|(range, _)| *range).collect();
        self.counters.anti_entropy_ranges_differing += differing.len() as u64;
        for range in self.in_turn(differing) {
            self.send_range_keys(from, range, None);
        }
    }

    /// As many ranges as one round may take, from anywhere: under load the first ones may differ for ever, and must
    /// not starve the others.
    fn in_turn(&mut self, mut ranges: Vec<RangeId>) -> Vec<RangeId> {
        if ranges.len() > RANGES_ANSWERED_MAX {
            let first = self.rng.random_range(0..ranges.len());
            ranges.rotate_left(first);
            ranges.truncate(RANGES_ANSWERED_MAX);
        }
        ranges
    }

    pub(super) fn send_range_keys(&mut self, to: NodeId, range: RangeId, after: Option<Vec<u8>>) {
        if !self.is_shared_range(range, to) {
            return;
        }
        let Some(listed) = self.image.range_keys(range, after.as_deref()) else {
            return;
        };
        let mut keys: Vec<(Vec<u8>, u128)> =
            listed.take(KEYS_LISTED_MAX + 1).map(|(key, digest)| (key.clone(), digest)).collect();
        let more = keys.len() > KEYS_LISTED_MAX;
        keys.truncate(KEYS_LISTED_MAX);
        self.send(to, Message::RangeKeys { range, after, keys, more });
    }

    /// Compares a page of a peer's list with this node's own rows, moves only what differs, and asks for the next page.
    pub(super) fn peer_range_keys(
        &mut self,
        from: NodeId,
        range: RangeId,
        after: Option<&[u8]>,
        theirs: &[(Vec<u8>, u128)],
        more: bool,
    ) {
        let seen_to = self.listings.seen_to.get(&(from, range)).map(Vec::as_slice);
        if !self.is_shared_range(range, from) || seen_to != after {
            return;
        }
        // A list that does not go forward would never end.
        let last = theirs.last().map(|(key, _)| key.clone());
        let next = last.filter(|last| more && Some(last.as_slice()) > after);
        self.exchange(from, range, after, theirs, more.then_some(next.as_deref()).flatten());
        match next {
            Some(after) => {
                self.listings.seen_to.insert((from, range), after.clone());
                self.send(from, Message::ListRange { range, after });
            }
            None => {
                self.listings.seen_to.remove(&(from, range));
            }
        }
    }

    /// Asks for the listed keys that differ here, and gives those that the list, which covers all keys up to `to`,
    /// lacks or has otherwise.
    fn exchange(
        &mut self,
        peer: NodeId,
        range: RangeId,
        after: Option<&[u8]>,
        theirs: &[(Vec<u8>, u128)],
        to: Option<&[u8]>,
    ) {
        let most = self.config.limits.transfers_max;
        let differs = |(key, digest): &&(Vec<u8>, u128)| {
            self.ring.range_of(key) == range && self.image.key_digest(range, key) != Some(*digest)
        };
        let want: Vec<Vec<u8>> = theirs.iter().filter(differs).map(|(key, _)| key.clone()).take(most).collect();
        let theirs: BTreeMap<&[u8], u128> = theirs.iter().map(|(key, digest)| (key.as_slice(), *digest)).collect();
        let own = self.image.range_keys(range, after).into_iter().flatten();
        let give: Vec<Vec<u8>> = own
            .take_while(|(key, _)| to.is_none_or(|to| key.as_slice() <= to))
            .filter(|(key, digest)| theirs.get(key.as_slice()) != Some(digest))
            .map(|(key, _)| key.clone())
            .take(most)
            .collect();
        self.give_keys(peer, &give);
        if !want.is_empty() {
            self.send(peer, Message::Want { keys: want });
        }
    }

    pub(super) fn peer_want(&mut self, from: NodeId, keys: &[Vec<u8>]) {
        let most = self.config.limits.transfers_max;
        let keys: Vec<Vec<u8>> = keys.iter().filter(|key| self.is_replica(from, key)).take(most).cloned().collect();
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
