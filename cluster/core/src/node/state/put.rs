//! A write under way.

use std::collections::BTreeSet;

use super::ops::Origin;
use super::targets::{Groups, Target};
use crate::context::Context;
use crate::ids::NodeId;
use crate::message::Tag;
use crate::versions::KeyState;

/// A write that this node coordinates.
#[derive(Debug)]
pub(crate) struct PutOp {
    pub origin: Origin,
    pub(crate) key: Vec<u8>,
    pub state: KeyState,
    /// The causal past of the new version and the version itself; the answer to the write carries it.
    pub seen: Context,
    pub n: usize,
    pub w: usize,
    pub groups: Groups,
    pub(crate) targets: Vec<Target>,
    /// The coordinator's own write may be heard of by others.
    pub is_local: bool,
    pub tags: Vec<Tag>,
    pub answered: bool,
    pub deadline_ns: u64,
    /// Whether the state is sent from memory, and one replica writes it through.
    pub(crate) is_buffered: bool,
    /// Whether a replica has it on disk.
    pub(crate) is_durable: bool,
    /// Who has been asked to write it through.
    pub(crate) asked_durable: BTreeSet<NodeId>,
}

impl PutOp {
    /// How many of the N replicas have it, themselves or by somebody who keeps it for them. A replica and its
    /// stand-in are one: what the two hold will be one copy. While keys move: of that group which has fewer.
    pub fn acknowledged(&self) -> usize {
        let has = |owner: &&NodeId| self.targets.iter().any(|target| target.done && target.owner == **owner);
        self.groups.fewest(|group| group.iter().filter(has).count())
    }
}

impl PutOp {
    /// The first target that has not been asked to write through.
    pub fn next_to_write_through(&self) -> Option<Target> {
        self.targets.iter().find(|target| !self.asked_durable.contains(&target.node)).copied()
    }
}
