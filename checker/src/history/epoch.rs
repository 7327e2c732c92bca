//! Notices times that were counted since 1970 or from below zero, and counts them from the earliest event instead.
//!
//! The times of a history are nanoseconds since the run began. Clients that record what their clock says write seconds,
//! milliseconds or microseconds since 1970, and taken for nanoseconds all that depends on time would be wrong. Such a number is
//! recognised by its size: as nanoseconds, milliseconds since 1970 would be a run whose first operation came after half an hour
//! and whose last came within seconds; microseconds one after weeks; nanoseconds one after decades. Seconds are as large as the
//! first seconds of a run are in nanoseconds: they are recognised only where events were as near as no client's are. Where times are
//! as near and no date, nothing tells their unit: who checks by time has to ask. Where the unit is said, nothing is guessed.
//!
//! A monotonic clock may begin anywhere, also below zero. All times are moved alike, so that none changes its distance to another:
//! where the history runs back, its times do so afterwards, too.

use super::columns::History;

/// 1970 to 2000, and to 2100, in seconds.
const SECONDS: std::ops::Range<u64> = 946_684_800..4_102_444_800;
/// No run is longer, in seconds.
const RUN_SECONDS_MAX: u64 = 30 * 86_400;
/// How many events there must be before they can be too near.
const EVENTS_NEAR_MIN: u32 = 4;
/// No clients together are as quick, on average over a history: nanoseconds an event.
const EVENT_NS_MIN: u64 = 1000;
/// Hardly any clients are.
const EVENT_NS_USUAL: u64 = 10_000;

/// A unit: its name, how many there are in a second, and the nanoseconds of one.
const UNITS: [(&str, u64, u64); 4] = [
    ("nanoseconds", 1_000_000_000, 1),
    ("microseconds", 1_000_000, 1_000),
    ("milliseconds", 1_000, 1_000_000),
    ("seconds", 1, 1_000_000_000),
];

/// The clock of a history that is being read.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// The unit of the times in the text, in ns, if somebody said it: they came here in nanoseconds, then.
    pub unit_said_ns: Option<u64>,
    /// Whether a time was below zero: from then on, all are kept with [`BELOW_ZERO`] added.
    is_lifted: bool,
}

/// What is added to times of which some are below zero: what is kept has no sign.
const BELOW_ZERO: u64 = 1 << 63;

impl Clock {
    /// A time as the history keeps it while it is being read. The first one below zero lifts those before it, once.
    pub(super) fn kept(&mut self, history: &mut History, time_ns: i64) -> u64 {
        if time_ns < 0 && !self.is_lifted {
            self.is_lifted = true;
            move_times(history, |time| time + BELOW_ZERO);
        }
        if self.is_lifted { time_ns.cast_unsigned().wrapping_add(BELOW_ZERO) } else { time_ns.cast_unsigned() }
    }

    /// Counts the times from the earliest event, in nanoseconds, if some are below zero or they were counted since 1970.
    pub(super) fn settle(&self, history: &mut History) {
        if self.is_lifted {
            // Some histories have -1 where no time was recorded.
            history.timed &= (history.start_ns, history.end_ns) != (BELOW_ZERO - 1, BELOW_ZERO - 1);
            let first = history.start_ns.min(BELOW_ZERO);
            move_times(history, |time| time - first);
        }
        let (first, last) = (history.start_ns, history.end_ns);
        let unit = match self.unit_said_ns {
            Some(said) => UNITS.iter().find(|unit| unit.2 == said).filter(|_| is_since_1970(&UNITS[0], first, last, 0)),
            None => UNITS.iter().find(|unit| is_since_1970(unit, first, last, history.events)),
        };
        let Some((unit, _, ns)) = unit.filter(|_| history.timed) else { return };
        let ns = if self.unit_said_ns.is_some() { 1 } else { *ns };
        move_times(history, |time| (time - first) * ns);
        history.since_1970 = Some(unit);
    }
}

fn move_times(history: &mut History, moved: impl Fn(u64) -> u64) {
    for op in history.ops.iter_mut().chain(&mut history.aside) {
        op.called_ns = moved(op.called_ns);
        if op.returned_ns != u64::MAX {
            op.returned_ns = moved(op.returned_ns);
        }
    }
    for event in &mut history.nemesis {
        event.time = moved(event.time);
    }
    history.start_ns = moved(history.start_ns);
    history.end_ns = moved(history.end_ns);
}

/// The unit of times from the earliest to the latest of so many events, if they were counted since 1970.
pub(crate) fn unit_since_1970(first: u64, last: u64, events: u32) -> Option<&'static str> {
    UNITS.iter().find(|unit| is_since_1970(unit, first, last, events)).map(|unit| unit.0)
}

fn is_since_1970((_, a_second, _): &(&str, u64, u64), first: u64, last: u64, events: u32) -> bool {
    debug_assert!(first <= last, "the earliest time is not after the latest");
    let is_date = SECONDS.contains(&(first / a_second));
    let is_near = *a_second > 1 || are_nearer(EVENT_NS_MIN, last - first, events);
    is_date && (last - first) / a_second <= RUN_SECONDS_MAX && is_near
}

/// Whether so many events within this time are nearer than so many nanoseconds on average, if it is in nanoseconds.
fn are_nearer(event_ns: u64, span: u64, events: u32) -> bool {
    events >= EVENTS_NEAR_MIN && span < u64::from(events) * event_ns
}

impl History {
    /// Whether its times are hardly nanoseconds, which they are taken for: events are nearer than those of hardly any clients. Seconds
    /// or milliseconds since a run began are like that, and so are times that somebody made up.
    pub fn is_quicker_than_clients(&self) -> bool {
        let span = self.end_ns.saturating_sub(self.start_ns);
        self.timed && self.since_1970.is_none() && are_nearer(EVENT_NS_USUAL, span, self.events)
    }
}
