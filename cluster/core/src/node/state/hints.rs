//! Hints on their way to their owners.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::NodeId;

/// Hints on their way to their owners.
#[derive(Debug, Default)]
pub(crate) struct Handovers {
    pub owners: BTreeMap<NodeId, Handover>,
}

#[derive(Debug, Default)]
pub(crate) struct Handover {
    pub under_way: BTreeSet<Vec<u8>>,
    /// The last key tried. The next attempt goes on behind it: hints that cannot be delivered must not keep the
    /// others from being tried.
    pub last: Vec<u8>,
}

impl Handovers {
    /// Acknowledged, refused or given up: it may be tried again.
    pub fn ended(&mut self, owner: NodeId, key: &[u8]) {
        if let Some(handover) = self.owners.get_mut(&owner) {
            handover.under_way.remove(key);
        }
    }
}
