//! Failure detection, purely local (4.8.3): a peer that does not answer is down for me, until it answers again.
//!
//! Only an answer clears a peer. That it talks to me shows nothing: a link may be cut in one direction only.
//!
//! A suspected peer is still tried: the suspicion may be wrong, and an attempt shows it. One that has been silent for
//! several probes is lost: a request that needs it is refused at once instead of waiting for nothing.

use std::collections::BTreeMap;

use crate::ids::NodeId;

#[derive(Debug, Default)]
pub(crate) struct Peers {
    /// Who is suspected, and since when on the monotonic clock, nanoseconds.
    suspected: BTreeMap<NodeId, u64>,
}

impl Peers {
    pub fn is_suspected(&self, node: NodeId) -> bool {
        self.suspected.contains_key(&node)
    }

    /// Whether the node has been suspected since that moment or longer.
    pub fn is_suspected_since(&self, node: NodeId, moment_ns: u64) -> bool {
        self.suspected.get(&node).is_some_and(|since| *since <= moment_ns)
    }

    /// Returns whether this is news.
    pub fn suspect(&mut self, node: NodeId, now_ns: u64) -> bool {
        let known = self.is_suspected(node);
        self.suspected.entry(node).or_insert(now_ns);
        !known
    }

    /// Returns whether this is news.
    pub fn clear(&mut self, node: NodeId) -> bool {
        self.suspected.remove(&node).is_some()
    }

    pub fn suspected(&self) -> Vec<NodeId> {
        self.suspected.keys().copied().collect()
    }
}
