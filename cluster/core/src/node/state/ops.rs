//! What is under way in one life of the node, by name: requests, and what is due.

use crate::ids::{NodeId, RequestId};
use crate::message::Tag;

/// Names a coordinated request within one life of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OpId(pub u64);

/// Where an answer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Client(RequestId),
    Peer(NodeId, Tag),
    /// A command that a peer has handed over.
    Command(NodeId, Tag),
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A peer has not answered this message in time.
    Answer(Tag),
    /// A coordinated request must be answered now.
    Deadline(OpId),
    /// A read has waited long enough for late repliers.
    Repair(OpId),
    /// Try the suspected peers again.
    Probe,
    /// Deliver hints.
    Hints,
    /// Compare digests with a peer.
    AntiEntropy,
    /// A request met a node of another view, and asks again.
    Retry(OpId),
    /// Hand rows to those who own them.
    Transfers,
    /// Exchange the membership with a peer.
    Gossip,
    /// Look for tombstones that can be reaped.
    Reaping,
    /// Write what the buffer holds.
    Flush,
    /// A buffered write is on no disk yet.
    Hedge(OpId),
    /// Write what the bug `ack-before-durable` held back.
    LateFlush,
}
