//! The state of a node, below everything that changes it: one file for each concern of the folder above.

mod admission;
mod buffer;
pub(super) mod fences;
mod forward;
mod get;
mod hints;
pub(super) mod identity;
pub(super) mod membership;
mod metrics;
mod ops;
mod persistence;
mod put;
mod questions;
mod reaping;
mod speakers;
mod targets;
mod transfer;

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;

use crate::api::{Effect, Now};
use crate::config::Config;
use crate::context::Context;
use crate::ids::RequestId;
use crate::image::Image;
use crate::message::{Life, Tag};
use crate::peers::Peers;
use crate::ring::{Ring, Span};
use crate::sequence::Sequence;
use crate::timers::Timers;

pub(crate) use admission::{Admission, ROOM_HOLDS_NS, Work};
pub(crate) use fences::{FENCES_KEY, Fences};
pub(crate) use forward::{Forwarding, Lives, RecentForwards};
pub(crate) use get::GetOp;
pub(crate) use hints::Handovers;
pub(crate) use identity::Identity;
pub use identity::StartError;
pub(crate) use membership::{CommandOp, Membership};
pub(crate) use metrics::{Counters, Latencies};
pub(crate) use ops::{OpId, Origin, Timer};
pub(crate) use persistence::{Held, Persistence};
pub(crate) use put::PutOp;
pub(crate) use questions::{Answer, Asked, Purpose};
pub(crate) use reaping::{Guard, Reaping, Round, Step};
pub(crate) use speakers::Speakers;
pub(crate) use targets::{Groups, Target, seats};
pub(crate) use transfer::{Job, Page, PageId, Progress, Transfers, Waiting};

/// One Dynamo node.
#[derive(Debug)]
pub struct Node {
    pub(super) config: Config,
    pub(super) ring: Ring,
    pub(super) life: Life,
    pub(super) now: Now,
    pub(super) rng: ChaCha8Rng,
    pub(super) image: Image,
    pub(super) persistence: Persistence,
    pub(super) identity: Identity,
    pub(super) fences: Fences,
    pub(super) reaping: Reaping,
    pub(super) peers: Peers,
    pub(super) speakers: Speakers,
    pub(super) timers: Timers<Timer>,
    pub(super) asked: Sequence<Tag, Asked>,
    pub(super) puts: Sequence<OpId, PutOp>,
    pub(super) gets: Sequence<OpId, GetOp>,
    pub(super) forwardings: Sequence<OpId, Forwarding>,
    pub(super) forwards_seen: RecentForwards,
    /// The sessions of puts under way.
    pub(super) sessions: BTreeMap<RequestId, Context>,
    pub(super) lives: Lives,
    pub(super) membership: Membership,
    pub(super) transfers: Transfers,
    pub(super) commands: BTreeMap<OpId, CommandOp>,
    pub(super) handovers: Handovers,
    pub(super) admission: Admission,
    /// With the bug `repair-marked-done`: ranges and the roots they had when they were compared.
    pub(super) marked_done: BTreeMap<Span, u128>,
    /// With the bug `ring-cached`: the ring at the start of this life.
    pub(super) cached_ring: Option<Ring>,
    pub(super) anti_entropy_turn: u16,
    pub(super) tag_next: u64,
    pub(super) op_next: u64,
    pub(super) counters: Counters,
    pub(super) latencies: Latencies,
    pub(super) out: Vec<Effect>,
    /// Empty between steps.
    pub(super) gathered: Vec<Effect>,
}
