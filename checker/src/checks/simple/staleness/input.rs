//! The operations of a register on one key, each read linked to the write whose value it returns.
//!
//! The initial value counts as a write before everything. A write that was neither read nor acknowledged may never have
//! happened, and is left out. A write that was read took effect before the first of its reads completed, so that is its
//! end if it was not acknowledged earlier.

use std::collections::HashMap;

use crate::checks::by_key::is;
use crate::history::{History, Identities, ValueId};
use crate::objects::completion::written;

/// When an event happened. Clocks are coarse: of events at one time, the history has the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment {
    /// The time, ns.
    pub ns: i64,
    /// The position of the event among all.
    event: u32,
}

impl Moment {
    /// Before everything.
    pub(crate) const BEFORE: Self = Self { ns: i64::MIN, event: 0 };
    /// After everything.
    const NEVER: Self = Self { ns: i64::MAX, event: u32::MAX };

    fn new(ns: u64, event: u32) -> Self {
        Self { ns: i64::try_from(ns).unwrap_or(i64::MAX), event }
    }

    /// So much earlier. Nobody recorded an event then, so it comes before whatever happened at that time.
    pub(super) fn earlier(self, ns: u64) -> Self {
        let ns = i64::try_from(ns).unwrap_or(i64::MAX);
        if ns == 0 { self } else { Self { ns: self.ns.saturating_sub(ns), event: 0 } }
    }
}

/// A write.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    /// Its position in the history; none for the initial value.
    pub op: Option<usize>,
    /// When it was invoked.
    pub start: Moment,
    /// When it was acknowledged, or the first of its reads ended if that is earlier.
    pub finish: Moment,
    /// When it was acknowledged; none if it was not.
    pub acknowledged: Option<Moment>,
    /// Positions of its reads in [`Register::reads`].
    pub reads: Vec<usize>,
}

/// A read.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    /// Its position in the history.
    pub op: usize,
    /// When it was invoked.
    pub start: Moment,
    /// When it ended.
    pub finish: Moment,
    /// The write that it returns, in [`Register::writes`].
    pub of: usize,
}

/// One key.
#[derive(Clone, Debug)]
pub(crate) struct Register {
    /// The writes; the first is the initial value.
    pub writes: Vec<Write>,
    /// The reads, in the order of invocation.
    pub reads: Vec<Read>,
}

/// Why nothing can be measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Two writes of one value, or one of the initial value.
    WrittenTwice(usize, usize),
    /// A read of a value that was never written.
    Unwritten(usize),
    /// A write that is `ok` with `false`.
    Denied(usize),
    /// A read that ended before its write began.
    Future(usize, usize),
}

impl Register {
    /// The operations of one key, `read` and `write`.
    pub(super) fn new(records: &History, ops: &[usize]) -> Result<Self, Flaw> {
        let mut same = Identities::new(records);
        let initial = ops.first().map_or(ValueId::NIL, |at| records.initial(records.ops[*at].key));
        let mut by_value: HashMap<ValueId, usize> = HashMap::from([(same.of(initial), 0)]);
        let before = Moment::BEFORE;
        let first = Write { op: None, start: before, finish: before, acknowledged: None, reads: Vec::new() };
        let mut register = Register { writes: vec![first], reads: Vec::new() };
        for &at in ops {
            let op = &records.ops[at];
            if !is(records, op, "write") || !op.may_have_happened() {
                continue;
            }
            let value = written(records, op).map_err(|_| Flaw::Denied(at))?;
            let acknowledged = op.is_ok().then(|| Moment::new(op.returned_ns, op.ret));
            if let Some(other) = by_value.insert(same.of(value), register.writes.len()) {
                return Err(Flaw::WrittenTwice(register.writes[other].op.unwrap_or(at), at));
            }
            let (start, finish) = (Moment::new(op.called_ns, op.call), acknowledged.unwrap_or(Moment::NEVER));
            register.writes.push(Write { op: Some(at), start, finish, acknowledged, reads: Vec::new() });
        }
        for &at in ops.iter().filter(|at| records.ops[**at].is_ok() && is(records, &records.ops[**at], "read")) {
            let op = &records.ops[at];
            let of = *by_value.get(&same.of(op.result)).ok_or(Flaw::Unwritten(at))?;
            let (start, finish) = (Moment::new(op.called_ns, op.call), Moment::new(op.returned_ns, op.ret));
            let write = &mut register.writes[of];
            if finish < write.start {
                return Err(Flaw::Future(at, write.op.unwrap_or(at)));
            }
            write.finish = write.finish.min(finish);
            write.reads.push(register.reads.len());
            register.reads.push(Read { op: at, start, finish, of });
        }
        Ok(register.without(|write| write.op.is_some() && write.acknowledged.is_none() && write.reads.is_empty()))
    }

    /// The same register without some writes and without the reads of these.
    pub(super) fn without(&self, dropped: impl Fn(&Write) -> bool) -> Self {
        let mut place = vec![None; self.writes.len()];
        let mut register = Register { writes: Vec::new(), reads: Vec::new() };
        for (at, write) in self.writes.iter().enumerate().filter(|(_, write)| !dropped(write)) {
            place[at] = Some(register.writes.len());
            register.writes.push(Write { reads: Vec::new(), ..write.clone() });
        }
        for read in &self.reads {
            debug_assert!(read.of < self.writes.len(), "every read is of a write of its register");
            if let Some(of) = place[read.of] {
                register.writes[of].reads.push(register.reads.len());
                register.reads.push(Read { of, ..read.clone() });
            }
        }
        register
    }

    /// The positions in the history of a write and of its reads.
    pub(super) fn ops(&self, write: usize) -> impl Iterator<Item = usize> {
        let write = &self.writes[write];
        write.op.into_iter().chain(write.reads.iter().map(|read| self.reads[*read].op))
    }
}
