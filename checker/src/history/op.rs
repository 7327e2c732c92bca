//! One operation of a client as numbers: 48 bytes.

use super::event::Phase;
use super::values::{Sym, ValueId};

/// The outcome of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// It happened.
    Ok,
    /// It certainly did not.
    Fail,
    /// Unknown: also one that never completed.
    Info,
}

/// Which combination of node, workload and phase an operation belongs to: a position in the origins of its history.
///
/// There are few such combinations, so an operation spends two bytes on all three.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OriginId(pub(super) u16);

impl OriginId {
    /// Its position among the origins.
    pub(crate) fn position(self) -> usize {
        self.0.into()
    }
}

/// Where an operation comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The node that was asked; [`Sym::NONE`] if that is not recorded.
    pub node: Sym,
    /// The workload; [`Sym::NONE`] if none is named.
    pub workload: Sym,
    /// The part of the run.
    pub phase: Phase,
}

/// One operation of a client.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Op {
    /// The process; it does one thing at a time. [`crate::history::History::process_name`] has what it is called.
    pub process: u32,
    /// The function.
    pub f: Sym,
    /// The key; [`Sym::NONE`] if there is none.
    pub key: Sym,
    /// Its outcome.
    pub kind: Kind,
    /// Node, workload and phase.
    pub origin: OriginId,
    /// The event of its invocation: the position among all events, including those of no client.
    pub call: u32,
    /// The event of its completion if it is `Ok` or `Fail`, else [`Op::NEVER`].
    pub ret: u32,
    /// The value of the invocation.
    pub argument: ValueId,
    /// The value of the completion; nil if there is none.
    pub result: ValueId,
    /// When it was invoked, in ns on the history's clock.
    pub called_ns: u64,
    /// When it completed (an `info` too), in ns; `u64::MAX` if it never did.
    pub returned_ns: u64,
}

impl Op {
    /// The completion of an operation that may take effect at any later time.
    pub const NEVER: u32 = u32::MAX;

    /// Whether it is known to have happened.
    pub fn is_ok(&self) -> bool {
        self.kind == Kind::Ok
    }

    /// Whether it may have happened: `Ok` or `Info`.
    pub fn may_have_happened(&self) -> bool {
        self.kind != Kind::Fail
    }
}

/// Every combination of node, workload and phase that occurs; the first is the one with neither node nor workload.
#[derive(Clone, Debug)]
pub(crate) struct Origins {
    all: Vec<Origin>,
    /// The one found last: consecutive events often share it.
    last: OriginId,
}

/// There are more combinations of nodes, workloads and phases than an operation can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the history names more than {} combinations of node, workload and phase", u16::MAX)]
pub struct TooManyOrigins;

impl Default for Origins {
    fn default() -> Self {
        Self { all: vec![Origin::default()], last: OriginId::default() }
    }
}

impl Origins {
    pub(crate) fn get(&self, OriginId(at): OriginId) -> Origin {
        self.all[usize::from(at)]
    }

    /// In the order of their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Origin> {
        self.all.iter().copied()
    }

    /// The number of an origin. Only if it differs from that of the last call are the known ones searched.
    pub(crate) fn number(&mut self, origin: Origin) -> Result<OriginId, TooManyOrigins> {
        debug_assert!(self.last.position() < self.all.len(), "the origin found last is a known one");
        if self.get(self.last) != origin {
            let known = self.all.iter().position(|other| *other == origin);
            let at = known.unwrap_or(self.all.len());
            if known.is_none() {
                self.all.push(origin);
            }
            self.last = OriginId(u16::try_from(at).map_err(|_| TooManyOrigins)?);
        }
        Ok(self.last)
    }

    /// Forgets all but the first.
    pub(crate) fn clear(&mut self) {
        self.all.truncate(1);
        self.last = OriginId::default();
    }
}

/// An operation of a history: one of a workload, or one "aside" (a replica read, a ring read, a probe).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OpId(u32);

impl OpId {
    /// Marks the operations that belong to no workload's own part of the run.
    const ASIDE: u32 = 1 << 31;

    pub(super) fn workload(op: usize) -> Self {
        debug_assert!(op < Self::ASIDE as usize, "a history has fewer than 2^31 operations");
        Self(op as u32)
    }

    pub(super) fn aside(op: usize) -> Self {
        debug_assert!(op < Self::ASIDE as usize, "a history has fewer than 2^31 operations");
        Self(op as u32 | Self::ASIDE)
    }

    pub(super) fn is_aside(self) -> bool {
        self.0 & Self::ASIDE != 0
    }

    /// Its position among those of its kind.
    pub(super) fn position(self) -> usize {
        (self.0 & !Self::ASIDE) as usize
    }
}
