//! A round of reaping, and what is guarded for the rounds of others.

use std::collections::BTreeMap;

use crate::ids::NodeId;
use crate::message::Tag;
use crate::versions::KeyState;

/// What a node does about reaping, for itself and for others.
#[derive(Debug, Default)]
pub(crate) struct Reaping {
    /// Its own round.
    pub round: Option<Round>,
    /// What it guards, for each reaper.
    pub guards: BTreeMap<NodeId, Guard>,
    /// The last key looked at: keys that cannot be reaped must not keep others from being tried.
    pub last: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Round {
    pub keys: BTreeMap<Vec<u8>, KeyState>,
    /// The nodes of the round, each with the [`Message::Guard`] sent to it.
    pub guards: BTreeMap<NodeId, Tag>,
    /// The last message that each had sent when it guarded.
    pub last: BTreeMap<NodeId, Tag>,
    pub step: Step,
    /// Who has still to answer in this step, and to which question.
    pub waiting: BTreeMap<NodeId, Tag>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Guard,
    Wait { until_ns: u64 },
    Fence,
    Reap { attempts: u32 },
}

#[derive(Debug)]
pub(crate) struct Guard {
    pub round: Tag,
    pub keys: BTreeMap<Vec<u8>, KeyState>,
    pub until_ns: u64,
}
