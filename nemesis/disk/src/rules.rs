//! What goes wrong on a disk, as data: a [`Rules`] says for reads, writes and syncs how often they fail and how long
//! they take, and which subtler faults there are. A disk without faults has `Rules::default()`.

use serde::{Deserialize, Serialize};

/// The longest latency that a rule can ask for: beyond it, a disk is stalled rather than slow.
pub const LATENCY_US_MAX: u64 = 60_000_000;

/// How often a fault strikes the calls that it is for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dose {
    /// Probability that a call is struck, from 0 to 1.
    pub share: f64,
    /// The fault ends by itself after so many calls were struck. Unlimited if absent.
    pub calls_max: Option<u64>,
}

impl Dose {
    /// Strikes every call.
    pub const ALWAYS: Dose = Dose { share: 1.0, calls_max: None };

    /// Strikes each call with this probability.
    #[must_use]
    pub const fn share(share: f64) -> Dose {
        Dose { share, calls_max: None }
    }

    /// Strikes the next `calls`, and none after them.
    #[must_use]
    pub const fn next(calls: u64) -> Dose {
        Dose { share: 1.0, calls_max: Some(calls) }
    }
}

/// How long a call takes beyond what it needs anyway: uniform from `base_us` to `base_us + spread_us`, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Latency {
    /// The least.
    pub base_us: u64,
    /// What may come on top.
    pub spread_us: u64,
}

impl Latency {
    /// The same for every call.
    #[must_use]
    pub const fn of_ms(latency_ms: u64) -> Latency {
        Latency { base_us: latency_ms * 1_000, spread_us: 0 }
    }

    fn us_max(self) -> u64 {
        self.base_us.saturating_add(self.spread_us)
    }
}

/// What happens to one kind of call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CallRule {
    /// Calls that are answered with EIO, and do nothing.
    pub error: Option<Dose>,
    /// The answer to every call comes so much later.
    pub latency: Latency,
}

/// What a failed sync leaves behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailedSync {
    /// As Linux does: what failed to be written counts as clean. A later sync succeeds without writing it, and only a
    /// program that writes it again gets it to the disk ("fsyncgate"; Rebello et al., *Can Applications Recover from
    /// fsync Failures?*, ATC 2020).
    #[default]
    Forgets,
    /// The next sync tries again.
    Keeps,
}

/// The faults of one disk. They compose; each is absent by default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// Errors and the subtler faults strike only files whose path below the disk's root contains this. Latency, stalls
    /// and lack of space concern the whole disk.
    pub only: Option<String>,
    /// Reads that miss the page cache. The kernel repeats what it failed to read ahead, so a program may see nothing of
    /// a single failed read.
    pub read: CallRule,
    /// Writes, those of dirty pages of shared mappings too.
    pub write: CallRule,
    /// fsync, fdatasync, msync, and what O_SYNC and O_DSYNC imply.
    pub sync: CallRule,
    /// What a sync that fails by `sync.error` leaves behind.
    pub failed_sync: FailedSync,
    /// Syncs that answer success and do nothing.
    pub lying_sync: Option<Dose>,
    /// Reads in whose answer one bit is wrong.
    pub flipped_read: Option<Dose>,
    /// Writes that land at another block of the same file.
    pub misdirected_write: Option<Dose>,
    /// Files may grow by so many bytes in all, then there is ENOSPC. What is truncated or removed is free again.
    pub space_bytes: Option<u64>,
    /// Nothing is answered until this is false again.
    pub stalled: bool,
}

/// A rule that makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum BadRule {
    /// Not a probability.
    #[error("the share of {name} is {share}: it must be from 0 to 1")]
    Share {
        /// The fault.
        name: &'static str,
        /// What was asked for.
        share: f64,
    },
    /// More than [`LATENCY_US_MAX`].
    #[error("a latency of {latency_us} µs is beyond {LATENCY_US_MAX} µs: stall the disk instead")]
    Latency {
        /// What was asked for.
        latency_us: u64,
    },
}

impl Rules {
    /// # Errors
    /// When a share is no probability, or a latency beyond [`LATENCY_US_MAX`].
    pub fn validate(&self) -> Result<(), BadRule> {
        for strike in Strike::ALL {
            match self.dose(strike) {
                Some(Dose { share, .. }) if !(0.0..=1.0).contains(&share) => {
                    return Err(BadRule::Share { name: strike.name(), share });
                }
                _ => {}
            }
        }
        let latencies = [self.read, self.write, self.sync].map(|rule| rule.latency.us_max());
        match latencies.into_iter().find(|latency_us| *latency_us > LATENCY_US_MAX) {
            Some(latency_us) => Err(BadRule::Latency { latency_us }),
            None => Ok(()),
        }
    }

    /// Whether reads go wrong: what the page cache holds would then hide it.
    pub(crate) fn concerns_reads(&self) -> bool {
        self.read != CallRule::default() || self.flipped_read.is_some()
    }

    pub(crate) fn dose(&self, strike: Strike) -> Option<Dose> {
        match strike {
            Strike::ReadError => self.read.error,
            Strike::WriteError => self.write.error,
            Strike::SyncError => self.sync.error,
            Strike::LyingSync => self.lying_sync,
            Strike::FlippedRead => self.flipped_read,
            Strike::MisdirectedWrite => self.misdirected_write,
        }
    }

    pub(crate) fn latency(&self, call: Call) -> Latency {
        match call {
            Call::Read => self.read.latency,
            Call::Write => self.write.latency,
            Call::Sync => self.sync.latency,
            Call::Names => Latency::default(),
        }
    }
}

/// The kinds of calls that can be slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Read,
    Write,
    Sync,
    /// Whatever looks at names or changes them. Never slow, but it waits while the disk is stalled.
    Names,
}

/// The faults that strike single calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strike {
    ReadError,
    WriteError,
    SyncError,
    LyingSync,
    FlippedRead,
    MisdirectedWrite,
}

impl Strike {
    pub(crate) const ALL: [Strike; 6] = [
        Strike::ReadError,
        Strike::WriteError,
        Strike::SyncError,
        Strike::LyingSync,
        Strike::FlippedRead,
        Strike::MisdirectedWrite,
    ];

    fn name(self) -> &'static str {
        match self {
            Strike::ReadError => "failed reads",
            Strike::WriteError => "failed writes",
            Strike::SyncError => "failed syncs",
            Strike::LyingSync => "lying syncs",
            Strike::FlippedRead => "flipped reads",
            Strike::MisdirectedWrite => "misdirected writes",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_probability_and_a_latency_has_an_end() {
        let with = |share| Rules { lying_sync: Some(Dose::share(share)), ..Rules::default() };
        assert!(with(0.5).validate().is_ok());
        assert!(matches!(with(1.5).validate(), Err(BadRule::Share { name: "lying syncs", .. })));
        assert!(with(f64::NAN).validate().is_err());
        let slow = CallRule { latency: Latency::of_ms(60_001), ..CallRule::default() };
        assert!(Rules { sync: slow, ..Rules::default() }.validate().is_err());
    }
}
