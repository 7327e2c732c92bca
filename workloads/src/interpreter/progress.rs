//! The progress of a run, to be displayed while it lasts.

use std::cell::Cell;
use std::time::Duration;

use crate::client::{Completion, Outcome};

/// Live counts of the main phase.
#[derive(Debug, Default)]
pub struct Progress {
    counts: Cell<Counts>,
    pub(super) missed: Cell<u64>,
    first_ack: Cell<Option<Duration>>,
}

/// Completions so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Operations that happened.
    pub ok: u64,
    /// Operations that certainly did not happen.
    pub fail: u64,
    /// Operations of unknown outcome.
    pub info: u64,
    /// Of those that failed, the ones to which the store returned bytes that are not a value of the workload.
    pub corrupt: u64,
}

impl Progress {
    /// Completions so far.
    pub fn counts(&self) -> Counts {
        self.counts.get()
    }

    /// Operations of the requested rate that were left out because every client was busy.
    pub fn missed(&self) -> u64 {
        self.missed.get()
    }

    /// When the first operation completed `ok`, on the run's clock.
    pub fn first_ack(&self) -> Option<Duration> {
        self.first_ack.get()
    }

    pub(super) fn count(&self, completion: &Completion, now: Duration) {
        let mut counts = self.counts.get();
        match completion.outcome {
            Outcome::Ok => counts.ok += 1,
            Outcome::Fail => counts.fail += 1,
            Outcome::Info => counts.info += 1,
        }
        counts.corrupt += u64::from(completion.corrupt);
        self.counts.set(counts);
        if completion.outcome == Outcome::Ok && self.first_ack.get().is_none() {
            self.first_ack.set(Some(now));
        }
    }
}
