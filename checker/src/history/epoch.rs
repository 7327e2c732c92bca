//! Notices times that were counted since 1970, and counts them from the first event instead.
//!
//! The times of a history are nanoseconds since the run began. Clients that record what their clock says write seconds,
//! milliseconds or microseconds since 1970, and taken for nanoseconds all that depends on time would be wrong. Such a number is
//! recognised by its size: as nanoseconds, milliseconds since 1970 would be a run whose first operation came after half an hour
//! and whose last came within seconds; microseconds one after weeks; nanoseconds one after decades. Seconds are as large as the
//! first seconds of a run are in nanoseconds: they are recognised only where events were as near as no client's are. Where times are
//! as near and no date, nothing tells their unit: who checks by time has to ask.

use super::columns::History;
use super::op::Op;

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

/// Counts the times from the first event, in nanoseconds, if they were counted since 1970.
pub(super) fn count_from_first_event(history: &mut History) {
    let Some(first) = first_ns(history).filter(|_| history.timed) else { return };
    let Some((unit, ns)) = unit_since_1970(first, history.end_ns, history.events) else { return };
    let since = |time: u64| time.saturating_sub(first).saturating_mul(ns);
    for op in history.ops.iter_mut().chain(&mut history.aside) {
        op.called_ns = since(op.called_ns);
        if op.returned_ns != u64::MAX {
            op.returned_ns = since(op.returned_ns);
        }
    }
    for event in &mut history.nemesis {
        event.time = since(event.time);
    }
    history.end_ns = since(history.end_ns);
    history.since_1970 = Some(unit);
}

fn first_ns(history: &History) -> Option<u64> {
    let called = |ops: &[Op]| ops.first().map(|op| op.called_ns);
    let nemesis = history.nemesis.first().map(|event| event.time);
    [called(&history.ops), called(&history.aside), nemesis].into_iter().flatten().min()
}

/// The unit, and its nanoseconds, if times from the first to the last of so many events were counted since 1970.
pub(crate) fn unit_since_1970(first: u64, last: u64, events: u32) -> Option<(&'static str, u64)> {
    let is_unit = |(_, a_second, _): &&(&str, u64, u64)| {
        let is_date = SECONDS.contains(&(first / a_second));
        let run = last.saturating_sub(first) / a_second;
        let is_near = *a_second > 1 || are_nearer(EVENT_NS_MIN, last.saturating_sub(first), events);
        is_date && run <= RUN_SECONDS_MAX && is_near
    };
    UNITS.iter().find(is_unit).map(|(name, _, ns)| (*name, *ns))
}

/// Whether so many events within this time are nearer than so many nanoseconds on average, if it is in nanoseconds.
fn are_nearer(event_ns: u64, span: u64, events: u32) -> bool {
    events >= EVENTS_NEAR_MIN && span < u64::from(events) * event_ns
}

impl History {
    /// Whether its times are hardly nanoseconds, which they are taken for: events are nearer than those of hardly any clients. Seconds
    /// or milliseconds since a run began are like that, and so are times that somebody made up.
    pub fn is_quicker_than_clients(&self) -> bool {
        let first = first_ns(self).unwrap_or(0);
        self.timed
            && self.since_1970.is_none()
            && are_nearer(EVENT_NS_USUAL, self.end_ns.saturating_sub(first), self.events)
    }
}
