//! What goes into a node and what comes out: the whole boundary between the protocol and the world.

use serde::{Deserialize, Serialize};

use crate::envelope::Envelope;
use crate::histogram::Histogram;
use crate::membership::{History, View};
use crate::message::Message;
use crate::versions::KeyState;

pub use crate::failure::Failure;
pub use crate::ids::{NodeId, PersistId, RequestId};
pub use crate::row::{Row, RowWrite, Table, Write};

/// The time, twice. Monotonic time orders and times out; wall time is what the node believes, and may jump.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Nanoseconds on a clock that never goes back (origin arbitrary).
    pub monotonic_ns: u64,
    /// Nanoseconds since the Unix epoch, as this node believes.
    pub wall_ns: i64,
}

/// Something that happened to the node.
#[derive(Clone, Debug)]
pub enum Input {
    /// A peer's message arrived.
    Message {
        /// The peer.
        from: NodeId,
        /// What it says, and in which version of the protocol.
        envelope: Envelope,
    },
    /// A client asks.
    Request {
        /// The driver's name for it, to be found again in [`Effect::Reply`].
        id: RequestId,
        /// What is asked.
        request: Request,
    },
    /// This batch, and every batch before it, is on stable storage.
    Persisted(PersistId),
    /// The time set by the last [`Effect::SetTimer`] has come (early or late calls do no harm).
    Timer,
}

/// Something that the driver must do, in the order given.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Send to a peer, in the envelope that [`Node::seal`](crate::node::Node::seal) gives it; may be lost, delayed,
    /// duplicated, reordered.
    Send {
        /// The peer.
        to: NodeId,
        /// What to say.
        message: Message,
    },
    /// Write the batch atomically, after every earlier batch, then answer [`Input::Persisted`]. A failed write must
    /// end the node.
    Persist {
        /// Its name.
        id: PersistId,
        /// In order; later rows win.
        writes: Vec<RowWrite>,
    },
    /// Answer a client request; exactly one for each request.
    Reply {
        /// Which.
        request: RequestId,
        /// The answer.
        reply: Reply,
    },
    /// Call with [`Input::Timer`] at this monotonic time; replaces the earlier setting.
    SetTimer {
        /// Nanoseconds, monotonic.
        at_ns: u64,
    },
}

/// What a client may ask (the paper's section 4.1, and a look at one node by itself).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    /// All causally maximal versions and their context.
    Get {
        /// Opaque.
        key: Vec<u8>,
        /// Replies to wait for; the configured R if none.
        r: Option<u8>,
        /// Replicas to ask; the configured N if none.
        n: Option<u8>,
    },
    /// Write a value; `None` deletes, that is, writes a tombstone.
    Put {
        /// Opaque.
        key: Vec<u8>,
        /// The value, or none for a tombstone.
        value: Option<Vec<u8>>,
        /// As a read returned it; none = has seen nothing.
        context: Option<String>,
        /// Acknowledgements to wait for; the configured W if none.
        w: Option<u8>,
        /// Replicas to write; the configured N if none.
        n: Option<u8>,
    },
    /// A get or a put in a session: a get is answered with a state that covers all that the session has seen, or not
    /// at all, and a put by [`Reply::StoredInSession`].
    InSession {
        /// As the last answer in it returned it, for the same key: the context of a get, the session of a put; none
        /// begins it.
        session: Option<String>,
        /// The get or put.
        request: Box<Request>,
    },
    /// What this node holds of the key in its main store, durable, tombstones included, asking nobody.
    GetLocal {
        /// Opaque.
        key: Vec<u8>,
    },
    /// All that this node knows of the key, durable, asking nobody: what a coordinating client reads (6.4).
    Fetch {
        /// Opaque.
        key: Vec<u8>,
        /// In which the node was chosen; one of another view does nothing.
        view: View,
    },
    /// Join this state into what this node holds: what a coordinating client writes under last-write-wins (6.4).
    Store {
        /// Opaque.
        key: Vec<u8>,
        /// Of one new timestamped version.
        state: KeyState,
        /// The node is a fallback for this one: it keeps a hint (4.6).
        hint_for: Option<NodeId>,
        /// In which the node was chosen; one of another view does nothing.
        view: View,
    },
    /// An administrator's command, to any node: this node becomes a member (4.8.1).
    Join {
        /// Who.
        node: NodeId,
    },
    /// An administrator's command, to any node: this node is a member no more (4.8.1).
    Leave {
        /// Who.
        node: NodeId,
    },
    /// What this node knows of the membership.
    Members,
}

/// The answer to a [`Request`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reply {
    /// To a get. Without values the key was not found; the context may still cover tombstones.
    Got {
        /// Sibling values, without tombstones, in a fixed order.
        values: Vec<Vec<u8>>,
        /// Opaque text, safe in an HTTP header; none if the key was never heard of.
        context: Option<String>,
    },
    /// To a put: W replicas have it durably. To a store: this node has.
    Stored,
    /// To a put in a session: W replicas have it durably.
    StoredInSession {
        /// What the session has seen now, of this key: opaque text, safe in an HTTP header.
        session: String,
    },
    /// To a get-local.
    Local {
        /// The versions, in a fixed order.
        versions: Vec<LocalVersion>,
    },
    /// To a fetch or store: the node is of another view, and has done nothing.
    OtherView {
        /// What the node knows of the membership.
        history: History,
    },
    /// To a fetch; an empty state if nothing is known of the key.
    Fetched {
        /// All of it.
        state: KeyState,
    },
    /// To a join or leave: it is on record, and will be carried out.
    Done,
    /// To members.
    Members(Members),
    /// Not done.
    Failed(Failure),
}

impl Reply {
    /// Why it was not done; none if it was.
    pub(crate) fn failure(self) -> Option<Failure> {
        match self {
            Reply::Failed(failure) => Some(failure),
            _ => None,
        }
    }
}

/// One version in one node's main store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LocalVersion {
    /// The version's identity: equal on two nodes iff the version is the same.
    pub id: String,
    /// None for a tombstone.
    pub value: Option<Vec<u8>>,
}

/// The membership as one node knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Members {
    /// A digest of everything that the node knows of the membership: equal for two nodes iff they know the same.
    pub digest: u64,
    /// A digest of where the node believes keys to live; equal for nodes that can serve each other.
    pub view: u64,
    /// Every node that may be a member, in the order of their ids.
    pub seats: Vec<Seat>,
    /// What it all follows from.
    pub history: History,
}

/// What is known of one node's membership.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Seat {
    /// Its name.
    pub name: String,
    /// Whether it is a member.
    pub status: MemberStatus,
    /// Of the last change known of it; 0 for none.
    pub version: u64,
}

/// Whether a node is a member of the cluster, or on its way in or out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemberStatus {
    /// It owns keys.
    Member,
    /// A command to join is recorded; it does not yet own keys by itself.
    Joining,
    /// A command to leave is recorded; it still owns keys.
    Leaving,
    /// It owns none.
    NoMember,
}

impl MemberStatus {
    /// `member`, `joining`, `leaving` or `no-member`.
    pub fn name(self) -> &'static str {
        match self {
            MemberStatus::Member => "member",
            MemberStatus::Joining => "joining",
            MemberStatus::Leaving => "leaving",
            MemberStatus::NoMember => "no-member",
        }
    }
}

/// What a node says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// Keys in the main store, tombstones included.
    pub keys: u64,
    /// Hints held for others.
    pub hints: u64,
    /// Requests under way.
    pub requests: u64,
    /// Peers by name, and whether this node believes them reachable.
    pub peers: Vec<(String, bool)>,
    /// Bytes of versions and hints in the live image.
    pub image_bytes: u64,
    /// The version of the peer protocol that it speaks.
    pub protocol_version: u8,
    /// Why a peer's message was last refused.
    pub last_refusal: Option<String>,
}

/// Durations for `/metrics`, without labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    /// `dynamo_..._seconds` in Prometheus' naming.
    pub name: &'static str,
    /// One line.
    pub help: &'static str,
    /// The durations until now.
    pub histogram: Histogram,
}

/// A counter or gauge for `/metrics`, without labels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metric {
    /// `dynamo_...` in Prometheus' naming; counters end in `_total`.
    pub name: &'static str,
    /// One line.
    pub help: &'static str,
    /// The value now.
    pub value: f64,
}
