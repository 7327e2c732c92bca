//! Evidence that a program shows its clock: it reads the wall clock itself, and says between which two readings of the
//! monotonic clock, which all processes of a machine share. How far it is ahead follows, within bounds that need no
//! assumption on how fast the machine is.

use std::fmt;
use std::io;
use std::num::ParseIntError;
use std::ops::RangeInclusive;
use std::str::FromStr;

use nix::time::ClockId;

use crate::clock::{Setting, clock_ns, monotonic_ns};

/// A wall clock, read between two readings of CLOCK_MONOTONIC. As text: the three numbers, with spaces between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// CLOCK_MONOTONIC before, ns.
    pub before_ns: i64,
    /// CLOCK_REALTIME, ns since 1970.
    pub wall_ns: i64,
    /// CLOCK_MONOTONIC after, ns.
    pub after_ns: i64,
}

/// Why a text is no reading.
#[derive(Debug, thiserror::Error)]
pub enum NoReading {
    /// Not three parts.
    #[error("a reading of a clock has three numbers (monotonic, wall, monotonic; ns), not `{0}`")]
    Parts(String),
    /// A part is no number.
    #[error("a reading of a clock has three numbers: {0}")]
    Number(#[from] ParseIntError),
    /// The monotonic clock went backwards.
    #[error("a monotonic clock cannot go from {0} back to {1}")]
    Backwards(i64, i64),
}

impl Reading {
    /// Reads the clocks that this process shows: under a supervisor the bent ones, else the machine's.
    ///
    /// # Errors
    /// When the system has no such clocks.
    pub fn take() -> io::Result<Self> {
        let before_ns = monotonic_ns()?;
        let wall_ns = clock_ns(ClockId::CLOCK_REALTIME)?;
        Ok(Self { before_ns, wall_ns, after_ns: monotonic_ns()? })
    }

    /// How far the wall clock of this reading is ahead of that of `truth`, ns: between which bounds.
    pub fn ahead_ns(&self, truth: &Self) -> RangeInclusive<i64> {
        let least = self.wall_ns - self.after_ns - (truth.wall_ns - truth.before_ns);
        let most = self.wall_ns - self.before_ns - (truth.wall_ns - truth.after_ns);
        least..=most
    }

    /// By how much this reading, whose program is under `setting`, is surely wrong, ns: how far what it shows lies
    /// outside of what it may show. 0 if it is as set.
    pub fn error_ns(&self, truth: &Self, setting: &Setting) -> i64 {
        let (begin, end) = (setting.ahead_ns(self.before_ns), setting.ahead_ns(self.after_ns));
        let measured = self.ahead_ns(truth);
        let too_much = measured.start().saturating_sub(begin.max(end));
        let too_little = measured.end().saturating_sub(begin.min(end));
        if too_much > 0 { too_much } else { too_little.min(0) }
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} {} {}", self.before_ns, self.wall_ns, self.after_ns)
    }
}

impl FromStr for Reading {
    type Err = NoReading;

    fn from_str(text: &str) -> Result<Self, NoReading> {
        let numbers = text.split_whitespace().map(str::parse).collect::<Result<Vec<i64>, _>>()?;
        let [before_ns, wall_ns, after_ns] = numbers[..] else {
            return Err(NoReading::Parts(text.to_owned()));
        };
        if after_ns < before_ns {
            return Err(NoReading::Backwards(before_ns, after_ns));
        }
        Ok(Self { before_ns, wall_ns, after_ns })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTING: Setting = Setting { offset_ns: -5_000, drift_ppm: 500_000, since_monotonic_ns: 1_000 };
    const TRUTH: Reading = Reading { before_ns: 90, wall_ns: 1_000_100, after_ns: 110 };

    #[test]
    fn a_reading_survives_as_text_and_nonsense_does_not() {
        let reading = Reading::take().expect("clocks");
        assert_eq!(reading.to_string().parse::<Reading>().expect("three numbers"), reading);
        for nonsense in ["", "1 2", "1 2 3 4", "1 x 3", "3 2 1"] {
            assert!(nonsense.parse::<Reading>().is_err(), "{nonsense}");
        }
    }

    #[test]
    fn a_true_clock_is_not_ahead() {
        let (first, second) = (Reading::take().expect("clocks"), Reading::take().expect("clocks"));
        assert_eq!(first.error_ns(&first, &Setting::default()), 0);
        assert!(first.ahead_ns(&second).start() <= first.ahead_ns(&second).end());
    }

    #[test]
    fn bounds_hold_the_true_value_and_are_as_wide_as_the_readings() {
        // The true wall clock is 1,000,000 ahead of the monotonic one.
        let reading = Reading { before_ns: 3_000, wall_ns: 1_003_050 + 700, after_ns: 3_100 };
        assert_eq!(reading.ahead_ns(&TRUTH), 640..=760);
        assert!(reading.ahead_ns(&TRUTH).contains(&700));
    }

    #[test]
    fn what_is_not_as_set_is_an_error_either_way() {
        // 2,000 ns after the setting: 5,000 behind, 1,000 regained.
        let shown = |ahead_ns: i64| Reading { before_ns: 3_000, wall_ns: 1_003_000 + ahead_ns, after_ns: 3_000 };
        assert_eq!(shown(-4_000).error_ns(&TRUTH, &SETTING), 0);
        assert_eq!(shown(-3_990).error_ns(&TRUTH, &SETTING), 0, "as exact as the true reading");
        assert_eq!(shown(0).error_ns(&TRUTH, &SETTING), 3_990);
        assert_eq!(shown(-5_000).error_ns(&TRUTH, &SETTING), -990);
    }
}
