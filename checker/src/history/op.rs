//! One operation of a client as numbers: 48 bytes.

use super::values::{Sym, ValueId};

/// What came of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// It happened.
    Ok,
    /// It certainly did not.
    Fail,
    /// Nobody knows: also one that never completed.
    Info,
}

/// One operation of a client.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Op {
    /// The process; it does one thing at a time.
    pub process: u32,
    /// The function.
    pub f: Sym,
    /// The key; [`Sym::NONE`] if there is none.
    pub key: Sym,
    /// What came of it.
    pub kind: Kind,
    /// The event of its invocation: the position among all events, those passed over included.
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
    /// Whether it is known to have happened.
    pub fn is_ok(&self) -> bool {
        self.kind == Kind::Ok
    }

    /// Whether it may have happened: `Ok` or `Info`.
    pub fn may_have_happened(&self) -> bool {
        self.kind != Kind::Fail
    }
}

impl Op {
    /// The completion of an operation that may take effect at any later time.
    pub const NEVER: u32 = u32::MAX;
}
