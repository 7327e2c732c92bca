//! Whom a request goes to (4.3, 4.6).
//!
//! Strict: the first N of the preference list, reachable or not. Sloppy: its first N healthy nodes; one that is no
//! replica of the key stands in for a replica that is taken for down, and keeps what it is given as a hint for that
//! one.
//!
//! While a change of the membership is active, a key has two groups of owners: the first N of before and of after it.
//! A request goes to both and needs its quorum in *each* of them, so that it meets every request of the views before
//! and behind (joint consensus does the same). Else there is one group.

use std::collections::BTreeSet;

use super::state::{Groups, Node, Target, seats};
use crate::bug::Bug;
use crate::config::Quorum;
use crate::ids::NodeId;

/// A suspected peer that has let so many probes pass is lost.
const PROBES_UNANSWERED: u64 = 2;

impl Node {
    pub(super) fn replicas(&self, key: &[u8]) -> &[NodeId] {
        self.ring.owners(self.ring.range_of(key), self.config.n)
    }

    pub(super) fn is_replica(&self, node: NodeId, key: &[u8]) -> bool {
        self.replicas(key).contains(&node)
    }

    /// N nodes, in order of preference, the fallbacks last. When too few are healthy, unhealthy replicas are tried
    /// all the same, so that a wrong suspicion alone refuses nobody.
    pub(super) fn choose_targets(&self, key: &[u8], n: u8) -> Vec<Target> {
        let targets = self.targets_by_preference(key, n);
        debug_assert!(
            self.config.bug == Some(Bug::VirtualNodesCounted) || are_distinct(targets.iter().map(|target| target.node)),
            "a node is asked twice"
        );
        targets
    }

    fn targets_by_preference(&self, key: &[u8], n: u8) -> Vec<Target> {
        if let Some(replicas) = self.undisturbed(key, n) {
            return replicas.iter().map(|&node| Target::replica(node)).collect();
        }
        let (top, all) = (self.groups(key, n).owners(), self.preference(key));
        let rest = all.iter().filter(|node| !top.contains(node));
        if self.config.quorum == Quorum::Strict {
            return top.iter().map(|&node| Target::replica(node)).collect();
        }
        let healthy = top.iter().filter(|node| self.is_healthy(**node));
        let mut targets: Vec<Target> = healthy.map(|&node| Target::replica(node)).collect();
        let mut missing = top.iter().filter(|node| !self.is_healthy(**node));
        for &fallback in rest.filter(|node| self.is_healthy(**node)) {
            let Some(&owner) = missing.next() else { break };
            targets.push(self.stand_in(key, fallback, owner));
        }
        targets.extend(missing.map(|&owner| Target::replica(owner)));
        targets
    }

    /// The key's replicas, if they are the targets as they stand: one group, and all of it healthy.
    fn undisturbed(&self, key: &[u8], n: u8) -> Option<&[NodeId]> {
        let ring = self.ring_to_ask();
        let range = ring.range_of(key);
        let replicas = &ring.range_preference(range)[..usize::from(n)];
        let is_plain = self.groups_skipped(range) == 0 && self.config.bug != Some(Bug::VirtualNodesCounted);
        let is_settled = ring.next_preference(range).is_none() && is_plain;
        (is_settled && replicas.iter().all(|node| self.is_healthy(*node))).then_some(replicas)
    }

    /// The targets of a write that this node has been asked to coordinate. Views of who is up differ: who asked may
    /// have taken this node for one of them when it is not. Then it stands in for the last (sloppy); none under a
    /// strict quorum, where only settings can differ.
    pub(super) fn choose_targets_with_me(&self, key: &[u8], n: u8) -> Option<Vec<Target>> {
        let mut targets = self.choose_targets(key, n);
        if targets.iter().any(|target| target.node == self.config.id) {
            return Some(targets);
        }
        if self.config.quorum == Quorum::Strict {
            return None;
        }
        let replaced = targets.pop()?;
        targets.push(self.stand_in(key, self.config.id, replaced.owner));
        Some(targets)
    }

    /// Whether as many of the targets as the quorum needs, in each group, may answer: those that are not lost.
    pub(super) fn may_reach(&self, targets: &[Target], groups: &Groups, quorum: usize) -> bool {
        let able = || targets.iter().filter(|target| !self.is_lost(target.node));
        groups.fewest(|group| able().map(|target| seats(target.owner, group)).sum()) >= quorum
    }

    /// The first `n` of the key's preference list, and while a change is active those of after it as well.
    pub(super) fn groups(&self, key: &[u8], n: u8) -> Groups {
        let ring = self.ring_to_ask();
        let (range, n) = (ring.range_of(key), usize::from(n));
        let lists = std::iter::once(ring.range_preference(range)).chain(ring.next_preference(range));
        let mut owners: Vec<NodeId> = Vec::with_capacity(2 * n);
        for list in lists.skip(self.groups_skipped(range)) {
            if owners != list[..n] {
                owners.extend_from_slice(&list[..n]);
            }
        }
        assert!(
            owners.len().is_multiple_of(n),
            "each group of owners has n = {n} members, and together {}",
            owners.len()
        );
        Groups { owners, n }
    }

    /// Every member, the key's replicas first; while a change is active those of after it last.
    fn preference(&self, key: &[u8]) -> Vec<NodeId> {
        let ring = self.ring_to_ask();
        let range = ring.range_of(key);
        let before = ring.range_preference(range);
        let Some(after) = ring.next_preference(range) else { return before.to_vec() };
        let mut met = BTreeSet::new();
        before.iter().chain(after).copied().filter(|node| met.insert(*node)).collect()
    }

    /// Silent for several probes: more than a message that was lost, or a link that is slow.
    pub(super) fn is_lost(&self, node: NodeId) -> bool {
        let patience_ns = PROBES_UNANSWERED * self.config.timing.probe_interval.as_nanos() as u64;
        let moment_ns = self.now.monotonic_ns.checked_sub(patience_ns);
        moment_ns.is_some_and(|moment_ns| self.peers.is_suspected_since(node, moment_ns))
    }

    /// Who comes in for a target of a write that does not answer (sloppy): the first healthy node of the preference list
    /// not asked yet. Never this node: its own copy is written when the write begins, and where a change of the
    /// membership has taken it off the targets since, a message to itself would reach no one.
    pub(super) fn choose_substitute(&self, key: &[u8], targets: &[Target], failed: NodeId) -> Option<Target> {
        let me = self.config.id;
        self.fallbacks_count().then(|| self.next_in_preference(key, targets, failed, |node| node != me)).flatten()
    }

    /// The same for a read, which this node can answer itself.
    pub(super) fn choose_substitute_reader(&self, key: &[u8], targets: &[Target], failed: NodeId) -> Option<Target> {
        let counts = self.fallbacks_count() || self.config.bug == Some(Bug::NotFoundCounts);
        counts.then(|| self.next_in_preference(key, targets, failed, |_| true)).flatten()
    }

    fn fallbacks_count(&self) -> bool {
        self.config.quorum == Quorum::Sloppy || self.config.bug == Some(Bug::QuorumCheckedOnce)
    }

    fn next_in_preference(
        &self,
        key: &[u8],
        targets: &[Target],
        failed: NodeId,
        may: impl Fn(NodeId) -> bool,
    ) -> Option<Target> {
        let failed = targets.iter().find(|target| target.node == failed && !target.done)?;
        let asked = |node: NodeId| targets.iter().any(|target| target.node == node);
        let mut preference = self.preference(key).into_iter();
        let node = preference.find(|&node| !asked(node) && self.is_healthy(node) && may(node))?;
        Some(self.stand_in(key, node, failed.owner))
    }

    /// A fallback keeps a hint, unless it is itself a replica of the key (a request with an N of its own).
    fn stand_in(&self, key: &[u8], fallback: NodeId, owner: NodeId) -> Target {
        let hint_for = (!self.is_replica(fallback, key)).then_some(owner);
        // With the bug `ring-cached` the targets are of one ring and the replicas of another.
        assert!(hint_for != Some(fallback) || self.config.bug.is_some(), "{fallback:?} keeps a hint for itself");
        Target { node: fallback, owner, hint_for, done: false, refused: false }
    }
}

fn are_distinct(nodes: impl Iterator<Item = NodeId>) -> bool {
    let mut met = BTreeSet::new();
    nodes.into_iter().all(|node| met.insert(node))
}
