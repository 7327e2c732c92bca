//! An alarm clock: many alarms, one [`SetTimer`](crate::api::Effect::SetTimer) for the earliest.

use std::collections::BTreeSet;

use super::OpId;
use crate::message::Tag;

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
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

#[derive(Debug)]
pub(crate) struct Timers<T> {
    alarms: BTreeSet<(u64, T)>,
    announced: Option<u64>,
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Self { alarms: BTreeSet::new(), announced: None }
    }
}

impl<T: Copy + Ord> Timers<T> {
    pub fn set(&mut self, at_ns: u64, timer: T) {
        self.alarms.insert((at_ns, timer));
    }

    pub fn cancel(&mut self, at_ns: u64, timer: T) {
        self.alarms.remove(&(at_ns, timer));
    }

    /// The earliest alarm that is due, taken out.
    pub fn pop_due(&mut self, now_ns: u64) -> Option<T> {
        let &(at, timer) = self.alarms.first()?;
        if at > now_ns {
            return None;
        }
        self.alarms.pop_first();
        Some(timer)
    }

    /// The earliest alarm, if the driver would be late for it. Most alarms are cancelled soon: a driver that comes
    /// for one of those finds nothing to do, and that costs less than to tell it of each.
    pub fn announcement(&mut self) -> Option<u64> {
        let earliest = self.alarms.first().map(|(at, _)| *at)?;
        if self.announced.is_some_and(|announced| announced <= earliest) {
            return None;
        }
        self.announced = Some(earliest);
        Some(earliest)
    }

    /// The driver's alarm went off: whatever is next must be announced again.
    pub fn forget_announcement(&mut self) {
        self.announced = None;
    }
}
