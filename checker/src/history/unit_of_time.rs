//! Units of time, and what is known of that of a history.

/// 1970 to 2000, and to 2100, in seconds.
const SECONDS: std::ops::Range<u64> = 946_684_800..4_102_444_800;

/// A unit of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    pub name: &'static str,
    /// How many nanoseconds it has.
    pub ns: u64,
}

pub(super) const NANOSECONDS: Unit = Unit { name: "nanoseconds", ns: 1 };
pub(super) const UNITS: [Unit; 4] = [
    NANOSECONDS,
    Unit { name: "microseconds", ns: 1_000 },
    Unit { name: "milliseconds", ns: 1_000_000 },
    Unit { name: "seconds", ns: 1_000_000_000 },
];

impl Unit {
    /// Whether so many of it since 1970 are a moment from 2000 to 2100.
    pub(super) fn is_date(self, time: u64) -> bool {
        SECONDS.contains(&(time / self.in_a_second()))
    }

    /// How many of it are a second.
    pub(super) fn in_a_second(self) -> u64 {
        1_000_000_000 / self.ns
    }
}

/// What is known of the unit of a history's times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct UnitOfTime {
    /// The unit of its times, if they were counted since 1970: they are then counted from the earliest event instead.
    pub(super) since_1970: Option<Unit>,
    /// The other units that they may have, where nobody said which.
    pub(super) others: Vec<Unit>,
    /// Whether times had a fraction that they have no more.
    pub(super) is_cut: bool,
    /// Whether some times are dates and others are none.
    pub(super) is_mixed: bool,
}
