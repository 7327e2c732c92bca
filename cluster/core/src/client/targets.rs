//! Whom a client asks: as a node would choose (4.6), by what the client itself knows of who is up.

use super::state::{Client, Target};
use crate::config::Quorum;
use crate::ids::NodeId;

/// A suspected node that has been silent for so many probes is lost, and a request that needs it is refused at once.
const PROBES_UNANSWERED: u64 = 2;

impl Client {
    pub(super) fn replicas(&self, key: &[u8]) -> &[NodeId] {
        let preference = self.preference_list(key);
        &preference[..usize::from(self.config.n).min(preference.len())]
    }

    /// All members in order of preference; none while the client does not know where keys live.
    pub(super) fn preference_list(&self, key: &[u8]) -> &[NodeId] {
        self.known.ring.as_ref().map_or(&[], |ring| ring.preference_list(key))
    }

    pub(super) fn is_healthy(&self, node: NodeId) -> bool {
        !self.peers.is_suspected(node)
    }

    /// N nodes, in order of preference, the fallbacks last; unhealthy replicas when there are too few others.
    pub(super) fn choose_targets(&self, key: &[u8], n: u8) -> Vec<Target> {
        let preference = self.preference_list(key);
        let (top, rest) = preference.split_at(usize::from(n).min(preference.len()));
        if self.config.quorum == Quorum::Strict {
            return top.iter().map(|&node| self.in_place_of(key, node, node)).collect();
        }
        let (healthy, missing): (Vec<NodeId>, Vec<NodeId>) = top.iter().partition(|node| self.is_healthy(**node));
        let mut fallbacks = rest.iter().copied().filter(|node| self.is_healthy(*node));
        let own = healthy.iter().map(|&node| (node, node));
        let stand_ins = missing.iter().map(|&owner| (fallbacks.next().unwrap_or(owner), owner));
        own.chain(stand_ins).map(|(node, owner)| self.in_place_of(key, node, owner)).collect()
    }

    /// Who comes in for a target that does not answer (sloppy): the first healthy node not asked yet.
    pub(super) fn choose_substitute(&self, key: &[u8], targets: &[Target], failed: NodeId) -> Option<Target> {
        if self.config.quorum == Quorum::Strict {
            return None;
        }
        let failed = targets.iter().find(|target| target.node == failed && !target.done)?;
        let asked = |node: NodeId| targets.iter().any(|target| target.node == node);
        let mut preference = self.preference_list(key).iter();
        let &node = preference.find(|&&node| !asked(node) && self.is_healthy(node))?;
        Some(self.in_place_of(key, node, failed.owner))
    }

    /// Whether as many of the targets as the quorum needs may answer.
    pub(super) fn may_reach(&self, targets: &[Target], quorum: usize) -> bool {
        let patience_ns = PROBES_UNANSWERED * self.config.timing.probe_interval.as_nanos() as u64;
        let moment_ns = self.now.monotonic_ns.checked_sub(patience_ns);
        let is_lost = |node| moment_ns.is_some_and(|moment_ns| self.peers.is_suspected_since(node, moment_ns));
        targets.iter().filter(|target| !is_lost(target.node)).count() >= quorum
    }

    /// A fallback keeps a hint, unless it is itself a replica of the key (a request with an N of its own).
    fn in_place_of(&self, key: &[u8], node: NodeId, owner: NodeId) -> Target {
        Target { node, owner, hint_for: (!self.replicas(key).contains(&node)).then_some(owner), done: false }
    }
}
