//! In which unit the times of a history are, where nobody says it.
//!
//! The times of a history are nanoseconds since the run began. Clients that record what their clock says write seconds,
//! milliseconds or microseconds since 1970, and taken for nanoseconds all that depends on time would be wrong. Such a number is
//! recognised by its size: as nanoseconds, milliseconds since 1970 would be a run whose first operation came after half an hour
//! and whose last came within seconds; microseconds one after weeks; nanoseconds one after decades. Seconds are as large as the
//! first seconds of a run are in nanoseconds: they are recognised only where events were as near as no client's are.
//!
//! A monotonic clock may be as large as a date, too; and where times are near and no date, nothing tells their unit. So who checks
//! by time asks which other units the times may have ([`History::in_other_units`]), and whether these make another verdict.

use super::columns::History;
use super::unit_of_time::{NANOSECONDS, UNITS, Unit};

/// Hardly any run is longer, in seconds.
const RUN_SECONDS_USUAL: u64 = 30 * 86_400;
/// No run is, in seconds.
const RUN_SECONDS_MAX: u64 = 366 * 86_400;
/// How many events there must be before they can be too near.
const EVENTS_NEAR_MIN: u32 = 4;
/// No clients together are as quick, on average over a history: nanoseconds an event.
const EVENT_NS_MIN: u64 = 1000;
/// Hardly any clients are.
const EVENT_NS_USUAL: u64 = 10_000;

/// The earliest time of a history and the latest, in units that are not known, and how many events there are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub first: u64,
    pub last: u64,
    pub events: u32,
}

impl Span {
    /// The unit that the times have if they were counted since 1970.
    pub(super) fn unit_since_1970(&self) -> Option<Unit> {
        // Seconds are as large as the first seconds of a run in nanoseconds.
        let is_one =
            |unit: &Unit| self.is_since_1970(*unit) && (unit.in_a_second() > 1 || self.is_nearer(EVENT_NS_MIN));
        UNITS.into_iter().find(is_one)
    }

    /// Whether they may be counted since 1970, in this unit.
    pub(super) fn is_since_1970(&self, unit: Unit) -> bool {
        unit.is_date(self.first) && self.is_of_a_run(unit, RUN_SECONDS_USUAL)
    }

    /// The units that the times may have besides the one they are taken for.
    pub(super) fn other_units(&self, since_1970: Option<Unit>) -> Vec<Unit> {
        let may_be = |unit: &Unit| match since_1970 {
            // Nanoseconds of a clock that began anywhere, unless no clients are as quick.
            Some(date) => *unit == NANOSECONDS && *unit != date && !self.is_nearer(EVENT_NS_MIN),
            None if self.is_nearer(EVENT_NS_USUAL) => *unit != NANOSECONDS && self.is_of_a_run(*unit, RUN_SECONDS_MAX),
            None => *unit != NANOSECONDS && unit.is_date(self.first) && self.is_of_a_run(*unit, RUN_SECONDS_MAX),
        };
        UNITS.into_iter().filter(may_be).collect()
    }

    fn is_of_a_run(&self, unit: Unit, seconds_max: u64) -> bool {
        self.length() / unit.in_a_second() <= seconds_max
    }

    /// Whether events are nearer than so many nanoseconds on average, if the times are nanoseconds.
    fn is_nearer(&self, event_ns: u64) -> bool {
        self.events >= EVENTS_NEAR_MIN && self.length() < u64::from(self.events) * event_ns
    }

    fn length(&self) -> u64 {
        assert!(self.first <= self.last, "the earliest time is not after the latest");
        self.last - self.first
    }
}

/// The unit of times from the earliest to the latest of so many events, if they were counted since 1970.
pub(crate) fn unit_since_1970(first: u64, last: u64, events: u32) -> Option<&'static str> {
    Span { first, last, events }.unit_since_1970().map(|unit| unit.name)
}

impl History {
    /// The unit of its times, if they were counted since 1970: they are then counted from the earliest event instead.
    pub fn since_1970(&self) -> Option<&'static str> {
        self.unit_of_time.since_1970.map(|unit| unit.name)
    }

    /// Whether its times had a fraction that was cut off, since nobody said their unit and they are no dates: they are hardly
    /// nanoseconds.
    pub fn are_times_cut(&self) -> bool {
        self.unit_of_time.is_cut
    }

    /// Whether some of its times are dates and others are none, in a unit that nobody said: its length is not known.
    pub fn are_times_mixed(&self) -> bool {
        self.unit_of_time.is_mixed
    }

    /// The units that its times may have besides the one they are taken for, which nobody said, by their names.
    pub fn other_units(&self) -> impl Iterator<Item = &'static str> {
        self.unit_of_time.others.iter().map(|unit| unit.name)
    }

    /// The history as it is if its times are of these other units.
    pub fn in_other_units(&self) -> impl Iterator<Item = (&'static str, History)> {
        let own = self.unit_of_time.since_1970.unwrap_or(NANOSECONDS);
        self.unit_of_time.others.iter().map(move |other| {
            let mut history = self.clone();
            let first = self.start_ns;
            history.move_times(|time| {
                let ns = u128::from(time - first) * u128::from(other.ns) / u128::from(own.ns);
                u64::try_from(ns).expect("a run is not longer than a year")
            });
            (other.name, history)
        })
    }

    /// Looks at all times.
    pub(super) fn each_time(&self, mut look: impl FnMut(u64)) {
        for op in self.ops.iter().chain(&self.aside) {
            look(op.called_ns);
            if op.returned_ns != u64::MAX {
                look(op.returned_ns);
            }
        }
        self.nemesis.iter().for_each(|event| look(event.time));
    }

    /// Changes all times.
    pub(super) fn move_times(&mut self, moved: impl Fn(u64) -> u64) {
        for op in self.ops.iter_mut().chain(&mut self.aside) {
            op.called_ns = moved(op.called_ns);
            if op.returned_ns != u64::MAX {
                op.returned_ns = moved(op.returned_ns);
            }
        }
        for event in &mut self.nemesis {
            event.time = moved(event.time);
        }
        self.start_ns = moved(self.start_ns);
        self.end_ns = moved(self.end_ns);
    }
}
