//! The disk of a program as its system calls: those to files below a directory fail or are answered late, when told to.
//!
//! It is what can be had of a disk's faults without a file system of the bench's own: a call can be kept from happening
//! and answered with EIO, or be held back; what has been written cannot be lost or changed.
//!
//! ```text
//!   fsync(7) ─► filter ─► supervisor: below the directory? ─► chance ─┬─► the kernel does it, at once or later
//!                                                                     └─► EIO, at once or later
//! ```

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The longest latency that a rule can ask for.
pub const LATENCY_MAX: Duration = Duration::from_secs(60);

/// What happens to one kind of call.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CallRule {
    /// Probability that a call is answered with EIO and does nothing, from 0 to 1.
    pub error_share: f64,
    /// The answer to every call comes so much later.
    pub latency: Duration,
}

/// What goes wrong with the calls to a disk.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DiskRules {
    /// Reads, whether or not the page cache has what they want.
    pub reads: CallRule,
    /// Writes, but those of dirty pages of mappings.
    pub writes: CallRule,
    /// Syncs of a file, of its file system, of a mapping.
    pub syncs: CallRule,
}

/// What was done to the calls to a disk. All of it only rises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskCounts {
    /// Reads answered with EIO.
    pub failed_reads: u64,
    /// Writes answered with EIO.
    pub failed_writes: u64,
    /// Syncs answered with EIO.
    pub failed_syncs: u64,
    /// Calls answered late, counted when they are answered. Those of a process that is killed meanwhile are not.
    pub delayed_calls: u64,
    /// By how much in all, µs, as measured.
    pub delayed_us: u64,
    /// Calls that a rule might have been for and that the kernel carried out at once: it could not be known to which file
    /// they were, or too many waited.
    pub missed_calls: u64,
}

/// A rule that makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum BadRule {
    /// Not a probability.
    #[error("a share of calls is {0}: it must be from 0 to 1")]
    Share(f64),
    /// More than [`LATENCY_MAX`].
    #[error("a latency of {0:?} is beyond {LATENCY_MAX:?}")]
    Latency(Duration),
}

/// The kinds of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallKind {
    Read,
    Write,
    Sync,
}

/// What is to become of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fate {
    /// Whether it is answered with EIO, instead of being carried out.
    pub(crate) fails: bool,
    /// How much later.
    pub(crate) after: Duration,
}

/// The bench's end of a disk. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct DiskCalls(Arc<Disk>);

/// A disk as the supervisor knows it.
#[derive(Debug)]
pub(crate) struct Disk {
    /// By which children name it; no other disk of this process has it, and none has zero.
    pub(crate) number: u64,
    directory: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    rules: DiskRules,
    counts: DiskCounts,
    chance: ChaCha8Rng,
}

impl DiskCalls {
    /// The calls to files below `directory`, without a rule. Chance is drawn from `seed`.
    ///
    /// # Errors
    /// When there is no such directory.
    pub fn below(directory: &Path, seed: u64) -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let state = State {
            rules: DiskRules::default(),
            counts: DiskCounts::default(),
            chance: ChaCha8Rng::seed_from_u64(seed),
        };
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let directory = directory.canonicalize()?;
        Ok(Self(Arc::new(Disk { number, directory, state: Mutex::new(state) })))
    }

    /// Puts rules in force, instead of those that are, for calls from now on.
    ///
    /// # Errors
    /// When the rules make no sense; nothing changes then.
    pub fn set_rules(&self, rules: DiskRules) -> Result<(), BadRule> {
        for rule in [rules.reads, rules.writes, rules.syncs] {
            if !(0.0..=1.0).contains(&rule.error_share) {
                return Err(BadRule::Share(rule.error_share));
            }
            if rule.latency > LATENCY_MAX {
                return Err(BadRule::Latency(rule.latency));
            }
        }
        self.0.state().rules = rules;
        Ok(())
    }

    /// What was done so far.
    #[must_use]
    pub fn counts(&self) -> DiskCounts {
        self.0.state().counts
    }

    pub(crate) fn disk(&self) -> &Arc<Disk> {
        &self.0
    }
}

impl Disk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Draws what is to become of a call; none if no rule is for it. `is_below` says whether it is to a file below a
    /// directory, and is asked only where there is a rule.
    pub(crate) fn judge(&self, kind: CallKind, is_below: impl FnOnce(&Path) -> bool) -> Option<Fate> {
        let rule = self.state().rules.of(kind);
        if rule == CallRule::default() || !is_below(&self.directory) {
            return None;
        }
        let fails = self.state().chance.random_bool(rule.error_share);
        (fails || rule.latency > Duration::ZERO).then_some(Fate { fails, after: rule.latency })
    }

    /// A call was answered by a rule, so much later than it would have been.
    pub(crate) fn count(&self, kind: CallKind, fate: Fate, waited: Duration) {
        let counts = &mut self.state().counts;
        if fate.fails {
            match kind {
                CallKind::Read => counts.failed_reads += 1,
                CallKind::Write => counts.failed_writes += 1,
                CallKind::Sync => counts.failed_syncs += 1,
            }
        }
        if fate.after > Duration::ZERO {
            counts.delayed_calls += 1;
            counts.delayed_us += waited.as_micros() as u64;
        }
    }

    /// A call was carried out that a rule may have been for.
    pub(crate) fn count_missed(&self) {
        self.state().counts.missed_calls += 1;
    }
}

impl DiskRules {
    fn of(&self, kind: CallKind) -> CallRule {
        match kind {
            CallKind::Read => self.reads,
            CallKind::Write => self.writes,
            CallKind::Sync => self.syncs,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(rules: DiskRules) -> DiskCalls {
        let calls = DiskCalls::below(Path::new("/"), 7).expect("there is a root");
        calls.set_rules(rules).expect("they make sense");
        calls
    }

    fn failing(error_share: f64) -> CallRule {
        CallRule { error_share, ..CallRule::default() }
    }

    #[test]
    fn a_share_is_met_and_other_kinds_and_files_are_spared() {
        let calls = disk(DiskRules { syncs: failing(0.3), ..DiskRules::default() });
        let judge = |kind, here| calls.disk().judge(kind, |_| here);
        let struck = (0..10_000).filter(|_| judge(CallKind::Sync, true).is_some_and(|fate| fate.fails)).count();
        assert!((2_700..3_300).contains(&struck), "{struck} of 10,000 at 30 %");
        assert_eq!([judge(CallKind::Read, true), judge(CallKind::Sync, false)], [None, None]);
    }

    #[test]
    fn without_a_rule_nobody_asks_for_the_file() {
        let calls = disk(DiskRules::default());
        assert_eq!(calls.disk().judge(CallKind::Sync, |_| panic!("it is asked for")), None);
    }

    #[test]
    fn what_makes_no_sense_is_refused_and_changes_nothing() {
        let before = DiskRules { reads: failing(0.5), ..DiskRules::default() };
        let calls = disk(before);
        for share in [-0.1, 1.1, f64::NAN] {
            let refused = calls.set_rules(DiskRules { writes: failing(share), ..DiskRules::default() });
            assert!(matches!(refused, Err(BadRule::Share(_))), "{share}");
        }
        let slow = CallRule { latency: LATENCY_MAX + Duration::from_millis(1), ..CallRule::default() };
        assert!(matches!(calls.set_rules(DiskRules { syncs: slow, ..before }), Err(BadRule::Latency(_))));
        assert_eq!(calls.disk().state().rules, before);
        assert!(DiskCalls::below(Path::new("/nonexistent"), 0).is_err());
    }
}
