//! The nodes that a request goes to, and the groups of owners that it must reach.

use crate::ids::NodeId;

/// One node that a request goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub node: NodeId,
    /// The replica in whose place it is, or itself.
    pub owner: NodeId,
    /// The replica that it keeps a hint for.
    pub hint_for: Option<NodeId>,
    /// It has answered.
    pub done: bool,
    /// It is of another view, and will be asked again.
    pub refused: bool,
}

/// The owners of a key that a request must reach, in one group or two.
#[derive(Clone, Debug)]
pub(crate) struct Groups {
    /// One group behind the other.
    pub owners: Vec<NodeId>,
    /// How many each has.
    pub n: usize,
}

impl Groups {
    /// The least that any group counts: what decides on a quorum.
    pub fn fewest(&self, count: impl Fn(&[NodeId]) -> usize) -> usize {
        self.owners.chunks(self.n.max(1)).map(count).min().unwrap_or(0)
    }

    /// With the bug `deletes-not-forwarded`: those of before a change alone.
    pub fn keep_those_of_before(&mut self) {
        self.owners.truncate(self.n);
    }

    /// Owners of all groups, those of before a change first.
    pub fn owners(&self) -> Vec<NodeId> {
        let mut owners: Vec<NodeId> = Vec::with_capacity(self.owners.len());
        for &node in &self.owners {
            if !owners.contains(&node) {
                owners.push(node);
            }
        }
        owners
    }
}

/// How many of a group a node is: one or none, but for the bug `virtual-nodes-counted`.
pub(crate) fn seats(node: NodeId, group: &[NodeId]) -> usize {
    group.iter().filter(|owner| **owner == node).count()
}

impl Target {
    pub(crate) fn replica(node: NodeId) -> Self {
        Self { node, owner: node, hint_for: None, done: false, refused: false }
    }
}
