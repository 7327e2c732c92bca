//! The clock of a history that is being read: times of an unknown unit, with fractions, from below zero.
//!
//! Times are kept as integers of 64 bits without a sign, and counted in nanoseconds when all have been read ([`Clock::settle`]).
//! Seconds and milliseconds may have a fraction: it is kept in parts of the unit, since the unit is known only at the end. A
//! monotonic clock may begin anywhere, also below zero. All times are moved alike, so that none changes its distance to another:
//! where the history runs back, its times do so afterwards, too.

use super::columns::History;
use super::epoch::Span;
use super::exact::floor_of_product;
use super::unit_of_time::{NANOSECONDS, UNITS, UnitOfTime};

const BILLION: u64 = 1_000_000_000;
/// In how many parts a unit may be kept.
const PARTS: [u64; 4] = [BILLION, 1_000_000, 1_000, 1];
/// What is added to times of which some are below zero: what is kept has no sign.
const BELOW_ZERO: u64 = 1 << 63;

/// A time as it was written: `billionths` of a unit are added to the `whole` ones, which may be negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SaidTime {
    /// Between those of `i64`, without them.
    pub whole: i64,
    pub billionths: u32,
}

impl SaidTime {
    /// So many units; none if 64 bits do not have them.
    pub(crate) fn of(whole: i64) -> Option<Self> {
        (whole.unsigned_abs() < i64::MAX as u64).then_some(Self { whole, billionths: 0 })
    }

    /// A time of a clock that began with the run; none if 64 bits do not have it.
    pub(crate) fn of_ns(time_ns: u64) -> Option<Self> {
        i64::try_from(time_ns).ok().and_then(Self::of)
    }

    /// A number with a fraction, of a unit that nobody said; none if 64 bits do not have it.
    pub(crate) fn of_fraction(notation: &str) -> Option<Self> {
        let billionths = floor_of_product(notation, i128::from(BILLION))?;
        let whole = i64::try_from(billionths.div_euclid(i128::from(BILLION))).ok()?;
        let billionths = u32::try_from(billionths.rem_euclid(i128::from(BILLION))).ok()?;
        Some(Self { billionths, ..Self::of(whole)? })
    }

    /// How many parts of a unit it is, where a unit has so many; none if 64 bits do not have them.
    fn in_parts(self, parts: u64) -> Option<i64> {
        let below_one = u64::from(self.billionths) / (BILLION / parts);
        self.whole.checked_mul(parts.cast_signed())?.checked_add(below_one.cast_signed())
    }
}

/// The clock of a history that is being read.
#[derive(Debug)]
pub(super) struct Clock {
    /// The unit of the times in the text, in ns, if somebody said it: they came here in nanoseconds, then.
    pub unit_said_ns: Option<u64>,
    /// Whether a time was below zero: from then on, all are kept with [`BELOW_ZERO`] added.
    is_lifted: bool,
    /// Whether a time had a fraction.
    has_fraction: bool,
    /// In how many parts of its unit a time is kept: one until there is a fraction.
    parts: u64,
}

impl Default for Clock {
    fn default() -> Self {
        Self { unit_said_ns: None, is_lifted: false, has_fraction: false, parts: 1 }
    }
}

impl Clock {
    /// A time as the history keeps it while it is being read. The first one below zero lifts those before it, once, and the first
    /// one with a fraction divides them into parts.
    pub(super) fn kept(&mut self, history: &mut History, time: SaidTime) -> u64 {
        if time.billionths != 0 && !self.has_fraction {
            self.has_fraction = true;
            self.divide(history, PARTS[0]);
        }
        let parts = loop {
            match time.in_parts(self.parts) {
                Some(parts) => break parts,
                None => self.divide(history, self.parts / 1_000),
            }
        };
        if parts < 0 && !self.is_lifted {
            self.is_lifted = true;
            history.move_times(|time| time + BELOW_ZERO);
        }
        if self.is_lifted { parts.cast_unsigned().wrapping_add(BELOW_ZERO) } else { parts.cast_unsigned() }
    }

    /// Keeps times in at most so many parts of a unit, in as many as 64 bits have of those before.
    fn divide(&mut self, history: &mut History, parts_max: u64) {
        assert!(parts_max > 0, "64 bits have every whole time");
        let lifted = if self.is_lifted { BELOW_ZERO } else { 0 };
        let before = i128::from(self.parts);
        let divided = |time: u64, parts: u64| {
            let signed = i128::from(time.wrapping_sub(lifted).cast_signed());
            i64::try_from((signed * i128::from(parts)).div_euclid(before)).ok()
        };
        // What lies between two times that fit does so, too.
        let ends = [history.start_ns, history.end_ns];
        let fits = |parts: &u64| *parts <= parts_max && ends.iter().all(|time| divided(*time, *parts).is_some());
        let parts = PARTS.into_iter().find(fits).expect("64 bits have every whole time");
        let moved = |time| divided(time, parts).expect("the earliest and the latest fit");
        history.move_times(|time| moved(time).cast_unsigned().wrapping_add(lifted));
        self.parts = parts;
    }

    /// Counts the times in nanoseconds, and from the earliest event if some are below zero or they were counted since 1970.
    pub(super) fn settle(&self, history: &mut History) {
        if self.is_lifted {
            // Some histories have -1 where no time was recorded.
            let none = BELOW_ZERO - self.unit_said_ns.unwrap_or(1);
            history.timed &= (history.start_ns, history.end_ns) != (none, none);
            let first = history.start_ns.min(BELOW_ZERO);
            history.move_times(|time| time - first);
        }
        if !history.timed {
            return;
        }
        let [first, last] = [history.start_ns, history.end_ns].map(|time| time / self.parts);
        let span = Span { first, last, events: history.events };
        match self.unit_said_ns {
            Some(said) => {
                let unit = UNITS.into_iter().find(|unit| unit.ns == said && span.is_since_1970(NANOSECONDS));
                if unit.is_some() {
                    history.move_times(|time| time - first);
                }
                history.unit_of_time.since_1970 = unit;
            }
            None => self.guess(history, &span),
        }
    }

    /// Finds the unit of the times by themselves.
    fn guess(&self, history: &mut History, span: &Span) {
        let unit = span.unit_since_1970();
        let is_mixed = unit.is_none() && self.is_mixed(history, span);
        let (first, ns) = unit.map_or((0, 1), |unit| (history.start_ns, unit.ns));
        if unit.is_some() || self.parts > 1 {
            history.move_times(|time| {
                let ns = u128::from(time - first) * u128::from(ns) / u128::from(self.parts);
                u64::try_from(ns).expect("a run is not longer than 30 days")
            });
        }
        let is_cut = self.has_fraction && (unit.is_none() || ns > self.parts);
        history.unit_of_time = UnitOfTime { since_1970: unit, others: span.other_units(unit), is_cut, is_mixed };
    }

    /// Whether some times are dates, of one run, and others are none, such as those of events that have no time.
    fn is_mixed(&self, history: &History, span: &Span) -> bool {
        let dated = UNITS.into_iter().filter(|unit| unit.is_date(span.last) && !unit.is_date(span.first));
        dated.into_iter().any(|unit| {
            let mut first = span.last;
            history.each_time(|time| {
                if unit.is_date(time / self.parts) {
                    first = first.min(time / self.parts);
                }
            });
            Span { first, ..*span }.is_since_1970(unit)
        })
    }
}
