//! Calls that wait for their answer, so that no thread does: the dispatcher answers each at its time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::disk_calls::{CallKind, Disk, Fate};
use crate::listener::Listener;

/// Calls that wait at once, of all programs: more than there are threads in a cluster on one machine.
pub(crate) const LATE_MAX: usize = 4096;

/// A call to a disk, and what is to become of it.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) listener: Arc<Listener>,
    pub(crate) disk: Arc<Disk>,
    pub(crate) id: u64,
    pub(crate) kind: CallKind,
    pub(crate) fate: Fate,
    pub(crate) since: Instant,
}

impl Judged {
    /// Answers it, and counts if there was somebody to hear it: a caller that was killed meanwhile has gone.
    fn answer(&self) {
        let answered = match self.fate.fails {
            true => self.listener.refuse(self.id, libc::EIO),
            false => self.listener.let_run(self.id),
        };
        if answered.is_ok() {
            self.disk.count(self.kind, self.fate, self.since.elapsed());
        }
    }
}

/// Calls in the order in which they are answered.
#[derive(Debug, Default)]
pub(crate) struct Late {
    /// By when they are due; those due at the same moment keep their order by a number.
    waiting: BTreeMap<(Instant, u64), Judged>,
    number: u64,
}

impl Late {
    /// Answers a call at its time, which may be now.
    pub(crate) fn take(&mut self, judged: Judged) {
        if judged.fate.after == Duration::ZERO {
            return judged.answer();
        }
        if self.waiting.len() >= LATE_MAX {
            judged.disk.count_missed();
            // An error means that the caller has gone.
            let _ = judged.listener.let_run(judged.id);
            return;
        }
        self.number += 1;
        self.waiting.insert((judged.since + judged.fate.after, self.number), judged);
    }

    /// Forgets the calls of a tree that has ended: nobody waits for their answers.
    pub(crate) fn forget(&mut self, ended: &Arc<Listener>) {
        self.waiting.retain(|_, judged| !Arc::ptr_eq(&judged.listener, ended));
    }

    /// When the next one is due; none if none waits.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.waiting.keys().next().map(|(due, _)| *due)
    }

    /// Answers those that are due.
    pub(crate) fn answer_due(&mut self, now: Instant) {
        while let Some(next) = self.waiting.first_entry().filter(|next| next.key().0 <= now) {
            next.remove().answer();
        }
    }
}

/// Nobody is to wait for a supervisor that has ended.
impl Drop for Late {
    fn drop(&mut self) {
        for judged in self.waiting.values() {
            judged.answer();
        }
    }
}
