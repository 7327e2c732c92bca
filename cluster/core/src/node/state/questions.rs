//! What was asked of peers, and what for.

use super::ops::OpId;
use super::transfer::PageId;
use crate::context::Context;
use crate::failure::Failure;
use crate::ids::NodeId;
use crate::message::{Life, Tag};
use crate::versions::KeyState;

/// A message sent that wants an answer.
#[derive(Debug)]
pub(crate) struct Asked {
    pub peer: NodeId,
    /// When the peer is taken for down; the alarm's time, so that it can be cancelled. None if the answer may take
    /// its time.
    pub overdue_ns: Option<u64>,
    pub purpose: Purpose,
}

#[derive(Debug)]
pub(crate) enum Purpose {
    Put(OpId),
    /// A put for which memory is enough.
    BufferedPut(OpId),
    Get(OpId),
    Forward(OpId),
    Hint {
        owner: NodeId,
        key: Vec<u8>,
        digest: u128,
    },
    /// What a node that is to join brings, or how a command came out.
    Command(OpId),
    /// A step of this node's round of reaping.
    Reaping,
    /// Rows offered to who is to own them.
    Offer(PageId),
    /// One of these rows.
    Transfer(PageId, Vec<u8>),
    /// Only to see whether the peer answers.
    Ping,
}

/// What an answer says.
#[derive(Debug)]
pub(crate) enum Answer {
    Stored,
    StoreRefused,
    Fetched(KeyState),
    Forwarded(Option<Failure>, Option<Context>),
    WrongLife(Life),
    Pong,
    Commanded(Option<Failure>),
    Tokens(u32, Vec<u128>),
    Guarded(Vec<Vec<u8>>, Tag),
    Fenced(bool),
    Reaped,
    Wanted(Vec<Vec<u8>>),
    OtherView,
}
