//! What nodes say to each other. Any of it may be lost, late, duplicated or reordered; nothing here relies on the
//! contrary.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::failure::Failure;
use crate::ids::NodeId;
use crate::membership::{History, View};
use crate::merkle::Branch;
use crate::ring::Span;
use crate::versions::KeyState;

/// Names a request between two nodes; unique across the lives of the asking node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Tag(pub u64);

/// One life of a node, from its start to its end; no two are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Life(pub u64);

/// A message from one node to another. It changes hands a dozen times on its way, so the large parts of rare kinds are boxed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Message {
    /// Join this state into yours, and answer once it is durable.
    Store {
        /// To be found again in the answer.
        tag: Tag,
        /// The key.
        key: Vec<u8>,
        /// The whole state that the sender holds.
        state: KeyState,
        /// You are a fallback for this node: keep it in the hint store, and hand it over (4.6).
        hint_for: Option<NodeId>,
    },
    /// It is durable here.
    Stored {
        /// Of the [`Message::Store`].
        tag: Tag,
    },
    /// It was refused (the hint store is full).
    StoreRefused {
        /// Of the [`Message::Store`].
        tag: Tag,
    },
    /// What do you hold of this key?
    Fetch {
        /// To be found again in the answer.
        tag: Tag,
        /// The key.
        key: Vec<u8>,
    },
    /// This, durably; an empty state if nothing.
    Fetched {
        /// Of the [`Message::Fetch`].
        tag: Tag,
        /// All of it.
        state: KeyState,
    },
    /// Coordinate this write for me: I am not among the key's replicas (4.5).
    Forward {
        /// To be found again in the answer.
        tag: Tag,
        /// The life of the coordinator that this is meant for; none if the sender does not know it, and then nobody
        /// coordinates it.
        life: Option<Life>,
        /// The write.
        put: Box<ForwardedPut>,
    },
    /// How the forwarded write came out.
    Forwarded {
        /// Of the [`Message::Forward`].
        tag: Tag,
        /// None if it was stored.
        failure: Option<Failure>,
        /// If it was stored, what one knows who knows the new version.
        seen: Option<Box<Context>>,
    },
    /// Are you there?
    Ping {
        /// To be found again in the answer.
        tag: Tag,
    },
    /// Yes.
    Pong {
        /// Of the [`Message::Ping`].
        tag: Tag,
    },
    /// One digest for each page of the ranges that both of us are replicas of (4.7).
    Compare {
        /// In the order of the ring.
        pages: Vec<u128>,
    },
    /// The roots of my trees, of a page that differs.
    Roots {
        /// How many rows may move because of this.
        credit: u32,
        /// Range and root.
        roots: Vec<(Span, u128)>,
    },
    /// What I have below a branch that differs.
    Branches {
        /// How many rows may move because of this.
        credit: u32,
        /// The range.
        span: Box<Span>,
        /// The branch.
        branch: Branch,
        /// The digit and half the digest of each child that holds anything.
        children: Vec<(u8, u64)>,
    },
    /// The keys that I hold below a branch that differs, in order.
    Leaves {
        /// How many rows may move because of this.
        credit: u32,
        /// The range.
        span: Box<Span>,
        /// The branch.
        branch: Branch,
        /// The keys behind this one; none = from the first.
        after: Option<Vec<u8>>,
        /// Key and digest of its state.
        keys: Vec<(Vec<u8>, u128)>,
        /// Whether the list ends here because it is full, not because the branch does.
        more: bool,
    },
    /// Send me your states of these keys (as [`Message::Store`] without need of an answer).
    Want {
        /// The keys.
        keys: Vec<Vec<u8>>,
    },
    /// My disk is slow: send me so many rows of background work in an interval, and no more, for a while (6.5).
    Room {
        /// Rows.
        rows: u32,
    },
    /// The forward was not meant for this life of mine, and I have not coordinated it in this one.
    WrongLife {
        /// Of the [`Message::Forward`].
        tag: Tag,
        /// The life that I am in.
        life: Life,
    },
    /// These are durable here. In place of [`Message::Stored`] from version 2 of the protocol on.
    StoredAll {
        /// Of the [`Message::Store`]s, at least one.
        tags: Vec<Tag>,
    },
    /// Join this state into yours, and answer at once: another replica writes it through. From version 2 of the protocol
    /// on.
    StoreBuffered {
        /// To be found again in the answer.
        tag: Tag,
        /// The key.
        key: Vec<u8>,
        /// The whole state that the sender holds.
        state: KeyState,
        /// You are a fallback for this node.
        hint_for: Option<NodeId>,
    },
    /// An administrator's command, on its way from a node that is no member (4.8.1).
    Command {
        /// To be found again in the answer.
        tag: Tag,
        /// What is to be done.
        command: Command,
    },
    /// How the command came out.
    Commanded {
        /// Of the [`Message::Command`].
        tag: Tag,
        /// None if it is on record.
        failure: Option<Failure>,
    },
    /// What would you bring as a member?
    AskTokens {
        /// To be found again in the answer.
        tag: Tag,
    },
    /// This.
    Tokens {
        /// Of the [`Message::AskTokens`].
        tag: Tag,
        /// What I can carry beside the others.
        capacity: u32,
        /// Where I would stand on the circle.
        tokens: Vec<u128>,
    },
    /// The history of the membership on my disk has this digest (4.8.1).
    Gossip {
        /// Of the whole history.
        digest: u64,
    },
    /// It is this.
    History {
        /// All of it.
        history: History,
    },
    /// I have dropped a store of yours: what you had sent up to this is of the past.
    TagFenced {
        /// The last of your messages that I drop.
        last: Tag,
    },
    /// Do you hold nothing of these keys, or nothing but these tombstones? Then treat whatever you are sent of them as
    /// if you held these, until I ask for the next step.
    Guard {
        /// To be found again in the answer; names the round.
        tag: Tag,
        /// Keys, each with its tombstone.
        keys: Vec<(Vec<u8>, KeyState)>,
    },
    /// So I do.
    Guarded {
        /// Of the [`Message::Guard`].
        tag: Tag,
        /// But not of these keys.
        refused: Vec<Vec<u8>>,
        /// The last message that I had sent to anybody.
        last: Tag,
    },
    /// All nodes guard the keys: drop stores that were sent before they did.
    Fence {
        /// To be found again in the answer.
        tag: Tag,
        /// The [`Message::Guard`] that it follows.
        round: Tag,
        /// The last message of each node that is dropped.
        last: Vec<(NodeId, Tag)>,
        /// The greatest timestamp among the tombstones, microseconds since the Unix epoch.
        timestamp_max_us: Option<i64>,
    },
    /// I do, durably, or I no longer guard the keys.
    Fenced {
        /// Of the [`Message::Fence`].
        tag: Tag,
        /// Whether the keys were guarded until now.
        guarded: bool,
    },
    /// All nodes are fenced: forget these keys where you hold exactly this.
    Reap {
        /// To be found again in the answer.
        tag: Tag,
        /// Keys, each with the digest of its tombstone.
        keys: Vec<(Vec<u8>, u128)>,
    },
    /// I have.
    Reaped {
        /// Of the [`Message::Reap`].
        tag: Tag,
    },
    /// A message that only a node of the same view may serve. Without it, the view is the founding one.
    InView {
        /// Where its sender believes keys to live.
        view: View,
        /// What it says.
        message: Box<Message>,
    },
    /// I am of another view than your question, and have done nothing.
    OtherView {
        /// Of the question.
        tag: Tag,
        /// What I know of the membership.
        history: History,
    },
    /// These rows of mine are for you to own (4.9).
    Offer {
        /// To be found again in the answer.
        tag: Tag,
        /// Key and digest of its state.
        keys: Vec<(Vec<u8>, u128)>,
    },
    /// Of these I lack something; the others are on my disk as you have them.
    Wanted {
        /// Of the [`Message::Offer`].
        tag: Tag,
        /// Some of those offered.
        keys: Vec<Vec<u8>>,
    },
    /// All that I lose by the change is on the disks of those who gain it (4.9).
    HandedOver {
        /// The view in which the change is active.
        view: View,
    },
}

/// What an administrator wants of the membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Command {
    /// This node becomes a member.
    Join(NodeId),
    /// This node is a member no more.
    Leave(NodeId),
}

impl Command {
    /// Who joins or leaves.
    pub fn node(self) -> NodeId {
        match self {
            Command::Join(node) | Command::Leave(node) => node,
        }
    }
}

impl Message {
    /// The tag, if only nodes of one view may serve it: it reads or writes rows by where keys live.
    pub(crate) fn fenced_tag(&self) -> Option<Tag> {
        match self {
            Message::Store { tag, .. }
            | Message::StoreBuffered { tag, .. }
            | Message::Fetch { tag, .. }
            | Message::Forward { tag, .. }
            | Message::Offer { tag, .. } => Some(*tag),
            _ => None,
        }
    }

    /// Whether the receiver will read or write rows because of it; all else it can always take.
    pub(crate) fn is_work(&self) -> bool {
        if let Message::InView { message, .. } = self {
            return message.is_work();
        }
        matches!(
            self,
            Message::Store { .. }
                | Message::StoreBuffered { .. }
                | Message::Fetch { .. }
                | Message::Forward { .. }
                | Message::Offer { .. }
                | Message::Branches { .. }
                | Message::Leaves { .. }
                | Message::Want { .. }
                | Message::Guard { .. }
                | Message::Fence { .. }
                | Message::Reap { .. }
        )
    }
}

/// A client's write on its way to a coordinator.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ForwardedPut {
    /// The key.
    pub key: Vec<u8>,
    /// None for a tombstone.
    #[serde(with = "crate::versions::value")]
    pub value: Option<Arc<[u8]>>,
    /// What the client had seen.
    pub context: Context,
    /// Replicas to write.
    pub n: u8,
    /// Acknowledgements to wait for.
    pub w: u8,
}

impl Message {
    /// About how many bytes it takes on the wire: a fixed part, and what it carries.
    pub fn bytes(&self) -> usize {
        const FIXED: usize = 24;
        const BRANCH: usize = 4 + 32 + 9;
        let carried = match self {
            Message::Store { key, state, .. } | Message::StoreBuffered { key, state, .. } => key.len() + state.bytes(),
            Message::Fetched { state, .. } => state.bytes(),
            Message::Fetch { key, .. } => key.len(),
            Message::Forward { put, .. } => put.key.len() + put.value.as_ref().map_or(0, |value| value.len()),
            Message::Compare { pages } => 16 * pages.len(),
            Message::Roots { roots, .. } => 4 + 48 * roots.len(),
            Message::Branches { children, .. } => BRANCH + 9 * children.len(),
            Message::Leaves { after, keys, .. } => {
                BRANCH + after.as_ref().map_or(0, Vec::len) + keys.iter().map(|(key, _)| key.len() + 16).sum::<usize>()
            }
            Message::Want { keys } => keys.iter().map(Vec::len).sum(),
            Message::StoredAll { tags } => 8 * tags.len().saturating_sub(1),
            Message::Tokens { tokens, .. } => 16 * tokens.len(),
            Message::Guard { keys, .. } => keys.iter().map(|(key, state)| key.len() + state.bytes()).sum(),
            Message::Guarded { refused, .. } => refused.iter().map(Vec::len).sum(),
            Message::Fence { last, .. } => 10 * last.len(),
            Message::Reap { keys, .. } => keys.iter().map(|(key, _)| key.len() + 16).sum(),
            Message::History { history } | Message::OtherView { history, .. } => history.bytes(),
            Message::InView { message, .. } => message.bytes() + 9 - FIXED,
            Message::Offer { keys, .. } => keys.iter().map(|(key, _)| key.len() + 16).sum(),
            Message::Wanted { keys, .. } => keys.iter().map(Vec::len).sum(),
            Message::Stored { .. }
            | Message::StoreRefused { .. }
            | Message::Command { .. }
            | Message::Commanded { .. }
            | Message::AskTokens { .. }
            | Message::Gossip { .. }
            | Message::HandedOver { .. }
            | Message::Forwarded { .. }
            | Message::WrongLife { .. }
            | Message::Room { .. }
            | Message::Ping { .. }
            | Message::Pong { .. }
            | Message::TagFenced { .. }
            | Message::Fenced { .. }
            | Message::Reaped { .. } => 0,
        };
        FIXED + carried
    }
}
