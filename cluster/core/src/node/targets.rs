//! Whom a request goes to (4.3, 4.6).
//!
//! Strict: the first N of the preference list, reachable or not. Sloppy: its first N healthy nodes; one that is no
//! replica of the key stands in for a replica that is taken for down, and keeps what it is given as a hint for that
//! one.

use super::Node;
use crate::api::NodeId;
use crate::bug::Bug;
use crate::config::Quorum;

/// A suspected peer that has let so many probes pass is lost.
const PROBES_UNANSWERED: u64 = 2;

/// One node that a request goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub node: NodeId,
    /// The replica in whose place it is, or itself.
    pub owner: NodeId,
    /// The replica that it keeps a hint for.
    pub hint_for: Option<NodeId>,
    /// It has answered.
    pub done: bool,
}

impl Target {
    pub(super) fn replica(node: NodeId) -> Self {
        Self { node, owner: node, hint_for: None, done: false }
    }
}

impl Node {
    pub(super) fn replicas(&self, key: &[u8]) -> &[NodeId] {
        &self.ring.preference_list(key)[..usize::from(self.config.n)]
    }

    pub(super) fn is_replica(&self, node: NodeId, key: &[u8]) -> bool {
        self.replicas(key).contains(&node)
    }

    /// N nodes, in order of preference, the fallbacks last. When too few are healthy, unhealthy replicas are tried
    /// all the same, so that a wrong suspicion alone refuses nobody.
    pub(super) fn choose_targets(&self, key: &[u8], n: u8) -> Vec<Target> {
        let (top, rest) = self.ring.preference_list(key).split_at(usize::from(n));
        if self.config.quorum == Quorum::Strict {
            return top.iter().map(|&node| Target::replica(node)).collect();
        }
        let healthy = top.iter().filter(|node| self.is_healthy(**node));
        let mut targets: Vec<Target> = healthy.map(|&node| Target::replica(node)).collect();
        let mut missing = top.iter().filter(|node| !self.is_healthy(**node));
        for &fallback in rest.iter().filter(|node| self.is_healthy(**node)) {
            let Some(&owner) = missing.next() else { break };
            targets.push(self.stand_in(key, fallback, owner));
        }
        targets.extend(missing.map(|&owner| Target::replica(owner)));
        targets
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

    /// Whether as many of the targets as the quorum needs may answer: those that are not lost.
    pub(super) fn may_reach(&self, targets: &[Target], quorum: usize) -> bool {
        targets.iter().filter(|target| !self.is_lost(target.node)).count() >= quorum
    }

    /// Silent for several probes: more than a message that was lost, or a link that is slow.
    pub(super) fn is_lost(&self, node: NodeId) -> bool {
        let patience_ns = PROBES_UNANSWERED * self.config.timing.probe_interval.as_nanos() as u64;
        let moment_ns = self.now.monotonic_ns.checked_sub(patience_ns);
        moment_ns.is_some_and(|moment_ns| self.peers.is_suspected_since(node, moment_ns))
    }

    /// Who comes in for a target that does not answer (sloppy): the first healthy node of the preference list not
    /// asked yet.
    pub(super) fn choose_substitute(&self, key: &[u8], targets: &[Target], failed: NodeId) -> Option<Target> {
        let fallbacks_count = self.config.quorum == Quorum::Sloppy || self.config.bug == Some(Bug::QuorumCheckedOnce);
        if !fallbacks_count {
            return None;
        }
        self.next_in_preference(key, targets, failed)
    }

    /// The same for a read.
    pub(super) fn choose_substitute_reader(&self, key: &[u8], targets: &[Target], failed: NodeId) -> Option<Target> {
        if self.config.bug == Some(Bug::NotFoundCounts) {
            return self.next_in_preference(key, targets, failed);
        }
        self.choose_substitute(key, targets, failed)
    }

    fn next_in_preference(&self, key: &[u8], targets: &[Target], failed: NodeId) -> Option<Target> {
        let failed = targets.iter().find(|target| target.node == failed && !target.done)?;
        let asked = |node: NodeId| targets.iter().any(|target| target.node == node);
        let mut preference = self.ring.preference_list(key).iter();
        let &node = preference.find(|&&node| !asked(node) && self.is_healthy(node))?;
        Some(self.stand_in(key, node, failed.owner))
    }

    /// A fallback keeps a hint, unless it is itself a replica of the key (a request with an N of its own).
    fn stand_in(&self, key: &[u8], fallback: NodeId, owner: NodeId) -> Target {
        Target { node: fallback, owner, hint_for: (!self.is_replica(fallback, key)).then_some(owner), done: false }
    }
}
