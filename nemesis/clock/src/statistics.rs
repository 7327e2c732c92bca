//! What the supervisor has done, and what it could not do. A program that runs with the true clock although it was
//! started under a bent one is never silent: it is counted by reason, and the first few are named.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Programs that are named in [`Statistics::unpatched`]; of further ones only the number is kept.
pub const NAMED_MAX: usize = 64;

/// Why a program runs with the true clock.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Reason {
    /// The supervisor's process cannot see the program.
    #[error("it is in a PID namespace that the supervisor cannot see")]
    OutOfSight,
    /// Attaching was refused.
    #[error("it may not be traced: {0} (another tracer, yama's ptrace_scope, or other privileges)")]
    NotTraceable(String),
    /// It is no 64-bit program.
    #[error("it is a 32-bit program, which has another vDSO")]
    ThirtyTwoBit,
    /// The kernel gave it no vDSO.
    #[error("the kernel gave it no vDSO")]
    NoVdso,
    /// Its memory or registers could not be read or written.
    #[error("its memory cannot be reached: {0} (a program whose file may not be read?)")]
    Memory(String),
    /// A system call on its behalf failed.
    #[error("{call} failed in it: {error}")]
    Call {
        /// The call.
        call: &'static str,
        /// The system's error.
        error: String,
    },
    /// It did not stop in time and was killed, since half of the stand-in was in place.
    #[error("it did not stop for its stand-in in time, and was killed")]
    Stuck,
    /// So many programs were being started, or stalled while they were, that it was let go.
    #[error("too many programs were being started at once")]
    Busy,
    /// The supervisor ended.
    #[error("the supervisor ended while the program was being started")]
    Ended,
}

/// A program that runs with the true clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpatched {
    /// Its process, as the supervisor numbers it.
    pub pid: i32,
    /// Its executable; empty if it could not be read.
    pub program: String,
    /// Why.
    pub reason: Reason,
}

/// What the supervisor has done so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Programs that got a stand-in.
    pub patched: u64,
    /// Execs that failed by themselves: nothing was started.
    pub failed_execs: u64,
    /// Processes that ended while they were starting a program.
    pub ended: u64,
    /// Execs that took longer than ten seconds (a stalled disk, a stopped process); they are waited for.
    pub slow: u64,
    /// Programs that run with the true clock, by reason in words.
    pub unpatched_by_reason: BTreeMap<String, u64>,
    /// The first of them, at most [`NAMED_MAX`].
    pub unpatched: Vec<Unpatched>,
    /// Trees of processes that were turned away, since there were too many: their execs fail with ENOSYS.
    pub turned_away: u64,
    /// Raw readings of a wall clock that were answered.
    pub raw_calls: u64,
    /// Raw readings that could not be answered: the kernel did, with the true time.
    pub raw_calls_missed: u64,
    /// Waits until an absolute time of the wall clock, which the kernel ends by the true one.
    pub absolute_waits: AbsoluteWaits,
}

impl Statistics {
    /// Programs that run with the true clock.
    pub fn unpatched_count(&self) -> u64 {
        self.unpatched_by_reason.values().sum()
    }
}

/// Waits until an absolute time of the wall clock, by system call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AbsoluteWaits {
    /// `clock_nanosleep`.
    pub sleeps: u64,
    /// `futex`: `pthread_cond_timedwait`, `sem_timedwait` and their like.
    pub futexes: u64,
    /// `timerfd_settime`.
    pub timers: u64,
}

/// The statistics as threads share them.
#[derive(Debug, Default)]
pub(crate) struct Shared(Mutex<Statistics>);

impl Shared {
    pub(crate) fn snapshot(&self) -> Statistics {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn count(&self, change: impl FnOnce(&mut Statistics)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn unpatched(&self, unpatched: Unpatched) {
        self.count(|statistics| {
            *statistics.unpatched_by_reason.entry(unpatched.reason.to_string()).or_default() += 1;
            if statistics.unpatched.len() < NAMED_MAX {
                statistics.unpatched.push(unpatched);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unpatched_program_is_counted_and_the_first_are_named() {
        let shared = Shared::default();
        for pid in 0..100 {
            let reason = if pid % 2 == 0 { Reason::ThirtyTwoBit } else { Reason::Busy };
            shared.unpatched(Unpatched { pid, program: String::new(), reason });
        }
        let statistics = shared.snapshot();
        assert_eq!((statistics.unpatched_count(), statistics.unpatched.len()), (100, NAMED_MAX));
        assert_eq!(statistics.unpatched_by_reason[&Reason::Busy.to_string()], 50);
    }
}
