//! A node's wall clock: true time, plus a jump, plus a rate error since the setting was made.

/// When the simulated world began, nanoseconds since the Unix epoch (2026-01-01).
const EPOCH_NS: i64 = 1_767_225_600_000_000_000;

#[derive(Debug, Default)]
pub(super) struct SimClock {
    jump_ns: i64,
    drift_ppm: i64,
    since_ns: u64,
}

impl SimClock {
    pub fn set(&mut self, now_ns: u64, jump_ns: i64, drift_ppm: i64) {
        *self = Self { jump_ns, drift_ppm, since_ns: now_ns };
    }

    pub fn offset_ns(&self, now_ns: u64) -> i64 {
        assert!(now_ns >= self.since_ns, "a clock is read at a time before it was set");
        let elapsed = i128::from(now_ns - self.since_ns);
        self.jump_ns + (elapsed * i128::from(self.drift_ppm) / 1_000_000) as i64
    }

    pub fn wall_ns(&self, now_ns: u64) -> i64 {
        EPOCH_NS + now_ns as i64 + self.offset_ns(now_ns)
    }
}
