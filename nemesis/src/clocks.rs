//! What faults of wall clocks have in common: whose clock, and how a reading is judged.

use crate::kind::{Drawing, Refinement};
use crate::measured::{Measured, Reading};
use crate::target::few;

/// The nodes of a fault of clocks: all of them for a way that says so, else a few.
pub(crate) fn drawn(way: &Refinement, drawing: &mut Drawing<'_>) -> Vec<String> {
    match way.name().is_some_and(|name| name.ends_with("-all")) {
        true => drawing.nodes.to_vec(),
        false => few(drawing.nodes, drawing.draw),
    }
}

/// The largest tolerance for reading back a clock, ms: a busy node needs that long to answer.
pub(crate) const CLOCK_TOLERANCE_MAX_MS: u64 = 250;

/// How far a clock moved during a fault, by its node and as it should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DriftReading {
    /// Measured movement relative to the machine's clock, ms.
    pub measured_ms: i64,
    /// Expected movement, ms.
    pub expected_ms: i64,
}

impl DriftReading {
    /// Of a node that answered at the end. For one that did not answer at the start, the clock is assumed to have been
    /// as it was set.
    pub fn of(measured: &Measured, node: &str) -> Option<Self> {
        let own = |reading: &Reading| reading.clock.believed_ms - (reading.clock.set_ms - reading.share_ms);
        let start = measured.clocks_at_start.get(node);
        let (own_at_start_ms, share_at_start_ms) = start.map_or((0, 0), |reading| (own(reading), reading.share_ms));
        let last = measured.clocks_at_end.get(node)?;
        Some(Self { measured_ms: own(last) - own_at_start_ms, expected_ms: last.share_ms - share_at_start_ms })
    }

    /// Whether it moved in the right direction, and at least half as far as expected.
    pub fn is_consistent(&self) -> bool {
        self.expected_ms != 0
            && self.measured_ms.signum() == self.expected_ms.signum()
            && self.measured_ms.unsigned_abs() >= self.expected_ms.unsigned_abs().div_ceil(2)
    }
}
