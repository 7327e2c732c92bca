//! Failure detection, purely local (4.8.3): a peer that does not answer is down for me, until it answers again.
//!
//! Only an answer clears a peer. That it talks to me shows nothing: a link may be cut in one direction only.

use std::collections::BTreeSet;

use crate::api::NodeId;

#[derive(Debug, Default)]
pub(super) struct Peers {
    suspected: BTreeSet<NodeId>,
}

impl Peers {
    pub fn is_suspected(&self, node: NodeId) -> bool {
        self.suspected.contains(&node)
    }

    /// Returns whether this is news.
    pub fn suspect(&mut self, node: NodeId) -> bool {
        self.suspected.insert(node)
    }

    /// Returns whether this is news.
    pub fn clear(&mut self, node: NodeId) -> bool {
        self.suspected.remove(&node)
    }

    pub fn suspected(&self) -> Vec<NodeId> {
        self.suspected.iter().copied().collect()
    }
}
