//! A read under way.

use std::collections::BTreeMap;

use super::targets::{Groups, Target, seats};
use crate::context::Context;
use crate::ids::{NodeId, RequestId};
use crate::message::Tag;
use crate::versions::KeyState;

/// A read that this node coordinates.
#[derive(Debug)]
pub(crate) struct GetOp {
    pub request: RequestId,
    pub key: Vec<u8>,
    pub n: u8,
    pub r: usize,
    pub groups: Groups,
    pub targets: Vec<Target>,
    pub replies: BTreeMap<NodeId, KeyState>,
    /// The replica that answered first: it shall coordinate the write that follows (6.4).
    pub fastest: Option<NodeId>,
    /// What its client has seen, and must find covered.
    pub session: Option<Context>,
    /// More than the quorum had to be asked because of that.
    pub widened: bool,
    pub tags: Vec<Tag>,
    pub answered: bool,
    /// What it has heard may be of before a reaping: nobody is repaired by it.
    pub repairs: bool,
    pub deadline_ns: u64,
    /// Once it is answered: until when late repliers are waited for.
    pub repair_ns: Option<u64>,
}

impl GetOp {
    /// How many have answered; while keys move, of that group of owners which has fewer.
    pub fn answers(&self) -> usize {
        let owner = |node: NodeId| self.targets.iter().find(|target| target.node == node).map(|target| target.owner);
        let owners = || self.replies.keys().filter_map(|node| owner(*node));
        self.groups.fewest(|group| owners().map(|owner| seats(owner, group)).sum())
    }
}
