//! Writes handed to a coordinator, and those that were handed to this node.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::ids::{NodeId, RequestId};
use crate::message::{ForwardedPut, Life, Tag};

/// A write that this node has handed to a coordinator.
#[derive(Debug)]
pub(crate) struct Forwarding {
    pub request: RequestId,
    pub coordinator: NodeId,
    /// The life it was sent to, once that is known.
    pub life: Option<Life>,
    pub put: ForwardedPut,
    pub tags: Vec<Tag>,
    pub deadline_ns: u64,
}

/// The lives that peers are in, as far as they have said so; forgotten when they stop answering.
#[derive(Debug, Default)]
pub(crate) struct Lives {
    pub known: BTreeMap<NodeId, Life>,
}

impl Lives {
    pub fn forget(&mut self, peer: NodeId) {
        self.known.remove(&peer);
    }
}

/// The forwarded writes taken lately.
#[derive(Debug, Default)]
pub(crate) struct RecentForwards {
    seen: BTreeSet<(NodeId, Tag)>,
    order: VecDeque<(NodeId, Tag)>,
}

impl RecentForwards {
    const REMEMBERED_MAX: usize = 16 * 1024;

    /// Whether it has not been seen before; it has now.
    pub fn is_new(&mut self, from: NodeId, tag: Tag) -> bool {
        if !self.seen.insert((from, tag)) {
            return false;
        }
        self.order.push_back((from, tag));
        if self.order.len() > Self::REMEMBERED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        assert_eq!(self.seen.len(), self.order.len(), "every forward that is remembered will be forgotten");
        true
    }
}
