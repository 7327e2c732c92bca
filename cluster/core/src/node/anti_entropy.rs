//! Anti-entropy (4.7): replicas compare the Merkle trees of the ranges they share, and exchange what differs.
//!
//! ```text
//!   A ── Compare: a digest of all ranges in common ─► B        (equal: nothing more is said)
//!   A ◄─ Roots: the root of each ─────────────────── B
//!   A ── Branches: the children of those that differ ► B ─ ... down, in turn, where the two differ ...
//!   A ◄─ Leaves: key and digest, where few keys are left ── B
//!   A ── Store what B lacks, Want what A lacks ──────► B ── Store ──► A
//! ```
//! So the bytes are in proportion to what differs. Each step is a message that can be lost: nothing is remembered
//! between them, and the next round begins anew.
//!
//! A round is bounded by *credit*, the rows that it may move. It begins with what the admission control of both sides
//! grants ([`super::admission`]) and is divided among the branches that differ, some of them by chance where there are
//! more than it reaches for. So a round always gets to the bottom somewhere, however much differs.

use std::collections::BTreeMap;

use rand::RngExt;

use super::state::{Node, Timer, Work};
use crate::bug::Bug;
use crate::ids::NodeId;
use crate::image::RowStore;
use crate::merkle::{Branch, DEPTH_MAX, FAN_OUT, LISTED_MAX, Merkle, place_of};
use crate::message::Message;
use crate::ring::{RangeId, Span};

/// Ranges whose roots share a digest at the beginning, and a message after it.
const PAGE_RANGES: usize = 512;
/// Keys listed in one message.
const KEYS_LISTED_MAX: usize = 256;

/// A list of keys below a branch, as a message carries it.
pub(super) struct Listing {
    pub span: Span,
    pub branch: Branch,
    pub after: Option<Vec<u8>>,
    pub keys: Vec<(Vec<u8>, u128)>,
    pub more: bool,
}

impl Node {
    /// Begins a round with the next peer that seems to be up.
    pub(super) fn begin_anti_entropy(&mut self) {
        self.set_timer(self.config.timing.anti_entropy_interval, Timer::AntiEntropy);
        self.admission.renew(Work::AntiEntropy, self.now.monotonic_ns);
        if matches!(self.config.bug, Some(Bug::HintWindow | Bug::HandoffOnce)) {
            return;
        }
        let mut healthy = self.others();
        healthy.retain(|peer| self.is_healthy(*peer));
        if healthy.is_empty() {
            return;
        }
        self.anti_entropy_turn = self.anti_entropy_turn.wrapping_add(1);
        let peer = healthy[usize::from(self.anti_entropy_turn) % healthy.len()];
        let pages = self.page_digests(peer);
        if !pages.is_empty() {
            self.counters.anti_entropy_rounds += 1;
            self.send_counted(peer, Message::Compare { pages });
        }
    }

    /// Answers with the roots of one page that differs: the first behind a place left to chance, as under load some
    /// may differ for ever, and must not starve the others.
    pub(super) fn peer_compare(&mut self, from: NodeId, theirs: &[u128]) {
        let own = self.page_digests(from);
        if own.is_empty() || theirs == own {
            if self.config.bug == Some(Bug::RepairMarkedDone) {
                self.mark_done(from);
            }
            return;
        }
        let begin = self.rng.random_range(0..own.len());
        let mut pages = (0..own.len()).map(|at| (begin + at) % own.len());
        let Some(page) = pages.find(|&page| theirs.get(page) != Some(&own[page])) else { return };
        let Some(credit) = self.credit(u32::MAX) else { return };
        let roots = self.shared_roots(from).skip(page * PAGE_RANGES).take(PAGE_RANGES).collect();
        self.send_counted(from, Message::Roots { credit, roots });
    }

    pub(super) fn peer_roots(&mut self, from: NodeId, credit: u32, roots: &[(Span, u128)]) {
        let differs = |(span, root): &(Span, u128)| {
            let own = self.shared_tree(from, *span)?.summary(Branch::ROOT).digest;
            (own != *root).then_some(*span)
        };
        let differing: Vec<Span> = roots.iter().filter_map(differs).collect();
        self.counters.anti_entropy_ranges_differing += differing.len() as u64;
        for (credit, span) in self.divide(credit, differing) {
            self.descend(from, credit, span, Branch::ROOT);
        }
    }

    pub(super) fn peer_branches(
        &mut self,
        from: NodeId,
        credit: u32,
        span: Span,
        branch: Branch,
        children: &[(u8, u64)],
    ) {
        let Some(tree) = self.shared_tree(from, span).filter(|_| branch.is_possible()) else { return };
        if is_listed(tree, branch) {
            return self.send_leaves(from, credit, span, branch, None);
        }
        let theirs: BTreeMap<u8, u64> = children.iter().copied().collect();
        let differs = |digit: u64| {
            let child = branch.child(digit)?;
            let own = tree.summary(child).digest as u64;
            (own != theirs.get(&(digit as u8)).copied().unwrap_or(0)).then_some(child)
        };
        let differing: Vec<Branch> = (0..FAN_OUT).filter_map(differs).collect();
        for (credit, child) in self.divide(credit, differing) {
            self.descend(from, credit, span, child);
        }
    }

    /// One step down: what this node has below a branch that differs.
    fn descend(&mut self, peer: NodeId, credit: u32, span: Span, branch: Branch) {
        let Some(tree) = self.shared_tree(peer, span) else { return };
        if is_listed(tree, branch) {
            return self.send_leaves(peer, credit, span, branch, None);
        }
        let child = |digit| {
            let summary = tree.summary(branch.child(digit)?);
            (summary.keys > 0).then_some((digit as u8, summary.digest as u64))
        };
        let children = (0..FAN_OUT).filter_map(child).collect();
        self.send_counted(peer, Message::Branches { credit, span: Box::new(span), branch, children });
    }

    fn send_leaves(&mut self, peer: NodeId, credit: u32, span: Span, branch: Branch, after: Option<Vec<u8>>) {
        let (Some(credit), Some(tree)) = (self.credit(credit), self.shared_tree(peer, span)) else { return };
        let listed = tree.keys(branch, after.as_deref(), None).take(KEYS_LISTED_MAX + 1);
        let mut keys: Vec<(Vec<u8>, u128)> = listed.map(|(key, digest)| (key.to_vec(), digest)).collect();
        let more = keys.len() > KEYS_LISTED_MAX;
        keys.truncate(KEYS_LISTED_MAX);
        self.send_counted(peer, Message::Leaves { credit, span: Box::new(span), branch, after, keys, more });
    }

    /// Compares a list with this node's own keys, moves what differs as far as the credit reaches, and goes on behind
    /// the list, if it was a full one, with this node's own.
    pub(super) fn peer_leaves(&mut self, from: NodeId, credit: u32, theirs: Listing) {
        let Some(tree) = self.shared_tree(from, theirs.span).filter(|_| theirs.branch.is_possible()) else { return };
        let to = theirs.keys.last().map(|(key, _)| key.clone()).filter(|_| theirs.more);
        let range = self.ring.range_of_span(theirs.span);
        let lies_here = |key: &[u8]| theirs.branch.contains(key) && Some(self.ring.range_of(key)) == range;
        let want: Vec<Vec<u8>> = theirs
            .keys
            .iter()
            .filter(|(key, digest)| tree.get(key) != Some(*digest) && lies_here(key))
            .map(|(key, _)| key.clone())
            .collect();
        let listed: BTreeMap<&[u8], u128> = theirs.keys.iter().map(|(key, digest)| (key.as_slice(), *digest)).collect();
        let give: Vec<Vec<u8>> = tree
            .keys(theirs.branch, theirs.after.as_deref(), to.as_deref())
            .filter(|(key, digest)| listed.get(key) != Some(digest))
            .map(|(key, _)| key.to_vec())
            .take(credit as usize)
            .collect();
        self.move_keys(from, credit, want, give);
        // A list that does not go forward would never end.
        if to.is_some() && place_of(to.as_deref()) > place_of(theirs.after.as_deref()) {
            self.send_leaves(from, credit, theirs.span, theirs.branch, to);
        }
    }

    /// The bug `repair-marked-done`: one peer agrees, so the ranges count as repaired with all of them.
    fn mark_done(&mut self, peer: NodeId) {
        let shared: Vec<(Span, u128)> = self.shared_roots(peer).collect();
        self.marked_done.extend(shared);
    }

    /// As many as are granted, half of them in each direction where both have more.
    fn move_keys(&mut self, peer: NodeId, credit: u32, mut want: Vec<Vec<u8>>, mut give: Vec<Vec<u8>>) {
        self.counters.anti_entropy_keys_differing += (want.len() + give.len()) as u64;
        let asked = (credit as usize).min(want.len() + give.len());
        let granted = self.admission.take(Work::AntiEntropy, asked);
        give.truncate(granted - want.len().min(granted / 2));
        want.truncate(granted - give.len());
        assert!(give.len() + want.len() <= granted, "more rows move than are granted");
        self.give_keys(peer, &give);
        if !want.is_empty() {
            self.send_counted(peer, Message::Want { keys: want });
        }
    }

    pub(super) fn peer_want(&mut self, from: NodeId, keys: &[Vec<u8>]) {
        let granted = self.admission.take(Work::AntiEntropy, keys.len());
        let keys: Vec<Vec<u8>> = keys.iter().filter(|key| self.is_replica(from, key)).take(granted).cloned().collect();
        self.give_keys(from, &keys);
    }

    fn give_keys(&mut self, to: NodeId, keys: &[Vec<u8>]) {
        for key in keys {
            let Some(state) = self.image.get(&RowStore::Data, key).map(|held| held.state.clone()) else {
                continue;
            };
            self.counters.anti_entropy_keys_sent += 1;
            self.counters.anti_entropy_bytes += self.send_repair(to, key, &state);
        }
    }

    /// Sends, and counts what it costs.
    fn send_counted(&mut self, peer: NodeId, message: Message) {
        self.counters.anti_entropy_bytes += message.bytes() as u64;
        self.send(peer, message);
    }

    /// What a message may move: no more than it says, nor than this node still admits. None if nothing.
    fn credit(&self, most: u32) -> Option<u32> {
        let left = u32::try_from(self.admission.left(Work::AntiEntropy)).unwrap_or(u32::MAX);
        Some(most.min(left)).filter(|credit| *credit > 0)
    }

    /// Shares the credit out; where there are more places than it reaches for, among some of them, from anywhere.
    fn divide<T>(&mut self, credit: u32, mut places: Vec<T>) -> Vec<(u32, T)> {
        let Some(credit) = self.credit(credit) else { return Vec::new() };
        let reached = places.len().min(credit as usize);
        if reached < places.len() {
            let first = self.rng.random_range(0..places.len());
            places.rotate_left(first);
            places.truncate(reached);
        }
        let share = credit.checked_div(reached as u32).unwrap_or(0);
        assert!(u64::from(share) * reached as u64 <= u64::from(credit), "more credit is shared out than there is");
        places.into_iter().map(|place| (share, place)).collect()
    }

    /// For each page of the ranges in common a digest of their ends and roots.
    fn page_digests(&self, peer: NodeId) -> Vec<u128> {
        let roots: Vec<(Span, u128)> = self.shared_roots(peer).collect();
        let of_range = |digest, (span, root): &(Span, u128)| [span.after, span.to, *root].into_iter().fold(digest, mix);
        roots.chunks(PAGE_RANGES).map(|page| page.iter().fold(0, of_range)).collect()
    }

    /// The ends and the root of each range in common, in the order of the ring.
    fn shared_roots(&self, peer: NodeId) -> impl Iterator<Item = (Span, u128)> {
        let shared = (0..self.ring.ranges()).filter(move |range| self.is_shared_range(*range, peer));
        shared.filter_map(|range| Some((self.ring.span(range), self.image.tree(range)?.summary(Branch::ROOT).digest)))
    }

    /// The tree of a range that both this node and the peer are replicas of; none if its ends are none of this ring's.
    fn shared_tree(&self, peer: NodeId, span: Span) -> Option<&Merkle> {
        let range = self.ring.range_of_span(span)?;
        let tree = self.image.tree(range).filter(|_| self.is_shared_range(range, peer))?;
        let is_done = self.marked_done.get(&span) == Some(&tree.summary(Branch::ROOT).digest);
        (!is_done).then_some(tree)
    }

    fn is_shared_range(&self, range: RangeId, peer: NodeId) -> bool {
        let replicas = self.ring.owners(range, self.config.n);
        replicas.contains(&self.config.id) && replicas.contains(&peer)
    }
}

/// Whether the branch has so few keys, or is so deep, that its keys are listed one by one.
fn is_listed(tree: &Merkle, branch: Branch) -> bool {
    branch.depth >= DEPTH_MAX || tree.summary(branch).keys <= LISTED_MAX
}

/// Mixes one more number into a digest; for what is already in it, no two numbers give the same.
fn mix(digest: u128, number: u128) -> u128 {
    const ODD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
    (digest ^ number).wrapping_mul(ODD).rotate_left(61)
}
