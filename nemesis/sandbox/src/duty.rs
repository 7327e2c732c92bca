//! Starvation by pulses: when to stop a node's processes and when to let them go on, so that they run for a given
//! share of the time.
//!
//! Timers on a busy machine are late. So lengths are not taken from a schedule, but from what has really passed, by
//! a balance: each nanosecond of running adds `100 - percent` to the debt, each of standing takes `percent` off it.
//! Processes stop when the debt of one period is reached, and go on when it is paid. A pulse that came late makes the
//! next one longer, and the share comes out right in the long run:
//!
//! ```text
//!   debt  ┌ stop            ┌ stop
//!        /│\               /│\
//!       / │ \             / │ \          20 %: 20 ms up, 80 ms down
//!      /  │   \          /  │   \
//!   0 ────┴──────── go ─────┴──────── go
//! ```
//!
//! The file is pure: it is told the time, and says what is to be done.

/// What is made up for at most, so that a machine which stood still does not stop the node for as long: a pulse stops
/// the processes for no longer than this.
const STOP_NS_MAX: i64 = 2_000_000_000;

/// The longest period: its pulses are shorter than what can be made up for.
const PERIOD_MS_MAX: u32 = 1000;

/// Whether there is such a share of the time, in percent, in pulses of such a period.
pub(crate) fn makes_sense(percent: u32, period_ms: u32) -> bool {
    (1..=100).contains(&percent) && (1..=PERIOD_MS_MAX).contains(&period_ms)
}

/// What has to be done to the processes now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Stop,
    Go,
}

/// The share of time, and the debt.
#[derive(Clone, Copy, Debug)]
struct Share {
    percent: i64,
    /// In ns times percent: the debt at which processes stop.
    debt_full: i64,
    debt: i64,
}

/// Whether the processes of a node should run.
#[derive(Debug, Default)]
pub(crate) struct Duty {
    frozen: bool,
    share: Option<Share>,
    stopped: bool,
    /// Until when the balance is kept, ns.
    counted_ns: u64,
    pulses: u32,
    /// How long pulses have stopped the processes, ns.
    held_ns: u64,
}

impl Duty {
    /// Everything stops until the thaw.
    pub(crate) fn freeze(&mut self) {
        self.frozen = true;
    }

    pub(crate) fn thaw(&mut self, now_ns: u64) {
        self.frozen = false;
        self.counted_ns = now_ns;
    }

    /// A share of the time from now on; 100 % is no starvation. Percent is 1 to 100, a period 1 ms to 1 s: none
    /// otherwise.
    pub(crate) fn throttle(&mut self, percent: u32, period_ms: u32, now_ns: u64) -> Option<()> {
        if !makes_sense(percent, period_ms) {
            return None;
        }
        let (percent, period_ns) = (i64::from(percent), i64::from(period_ms) * 1_000_000);
        let debt_full = period_ns / 100 * percent * (100 - percent);
        self.share = (percent < 100).then_some(Share { percent, debt_full, debt: 0 });
        self.counted_ns = now_ns;
        Some(())
    }

    /// How often processes were stopped by a pulse.
    pub(crate) fn pulses(&self) -> u32 {
        self.pulses
    }

    /// How long the processes were stopped by pulses, as of the last look at the time.
    pub(crate) fn held_ms(&self) -> u32 {
        u32::try_from(self.held_ns / 1_000_000).unwrap_or(u32::MAX)
    }

    /// What has to be done now, if anything.
    pub(crate) fn act(&mut self, now_ns: u64) -> Option<Act> {
        let stop = self.frozen || self.pulse_stops(now_ns);
        if stop == self.stopped {
            return None;
        }
        self.stopped = stop;
        self.pulses = self.pulses.saturating_add(u32::from(stop && !self.frozen));
        Some(if stop { Act::Stop } else { Act::Go })
    }

    /// In how many ns it may have to act, if nobody asks for anything.
    pub(crate) fn due_ns(&self) -> Option<u64> {
        let share = self.share.filter(|_| !self.frozen)?;
        let (left, rate) = if self.stopped {
            (share.debt, share.percent)
        } else {
            (share.debt_full - share.debt, 100 - share.percent)
        };
        Some(u64::try_from(left / rate).unwrap_or(0) + 1)
    }

    /// Brings the balance up to now. A freeze is not on it: it is another fault.
    fn pulse_stops(&mut self, now_ns: u64) -> bool {
        let since_ns = now_ns.saturating_sub(self.counted_ns);
        let passed_ns = i64::try_from(since_ns).unwrap_or(i64::MAX);
        self.counted_ns = now_ns;
        let Some(share) = &mut self.share else { return false };
        self.held_ns += if self.stopped { since_ns } else { 0 };
        let change = passed_ns.saturating_mul(if self.stopped { -share.percent } else { 100 - share.percent });
        let debt_max = STOP_NS_MAX * share.percent;
        share.debt = share.debt.saturating_add(change).clamp(-debt_max, debt_max);
        if self.stopped { share.debt > 0 } else { share.debt >= share.debt_full }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// Runs for a while with timers that are late by `late(turn)`; returns the ns in which the processes ran.
    fn running_ns(duty: &mut Duty, from_ns: u64, until_ns: u64, late: impl Fn(u64) -> u64) -> u64 {
        let (mut now_ns, mut running_ns, mut running) = (from_ns, 0, true);
        for turn in 0.. {
            match duty.act(now_ns) {
                Some(Act::Stop) => running = false,
                Some(Act::Go) => running = true,
                None => {}
            }
            let next_ns = now_ns + duty.due_ns().expect("throttled") + late(turn);
            if next_ns > until_ns {
                break;
            }
            running_ns += if running { next_ns - now_ns } else { 0 };
            now_ns = next_ns;
        }
        running_ns
    }

    #[test]
    fn the_share_is_kept_however_late_timers_are() {
        for percent in [1, 20, 50, 99] {
            for late_ms in [0, 3, 40] {
                let mut duty = Duty::default();
                duty.throttle(percent, 100, 5).expect("fine");
                let late = |turn: u64| (turn * 7 + 1) % (late_ms + 1) * MS;
                let share = running_ns(&mut duty, 5, 200_000 * MS, late) as f64 / (200_000 * MS) as f64 * 100.0;
                assert!((share - f64::from(percent)).abs() < 0.5, "{share} instead of {percent}, late {late_ms} ms");
                assert!(duty.pulses() > 50, "{} pulses", duty.pulses());
                let held = f64::from(duty.held_ms()) / 200_000.0 * 100.0;
                assert!((held + share - 100.0).abs() < 0.5, "held for {held} %, ran for {share} %");
            }
        }
    }

    #[test]
    fn a_freeze_outlasts_pulses_and_is_not_on_the_balance() {
        let mut duty = Duty::default();
        duty.throttle(50, 100, 0).expect("fine");
        assert_eq!(duty.act(0), None);
        duty.freeze();
        assert_eq!((duty.act(MS), duty.due_ns()), (Some(Act::Stop), None));
        assert_eq!(duty.act(10_000 * MS), None);
        duty.thaw(20_000 * MS);
        assert_eq!(duty.act(20_000 * MS), Some(Act::Go));
        assert_eq!(duty.act(20_030 * MS), None);
        assert_eq!(duty.act(20_050 * MS), Some(Act::Stop));
        assert_eq!(duty.pulses(), 1);
    }

    #[test]
    fn a_whole_share_ends_it() {
        let mut duty = Duty::default();
        duty.throttle(10, 100, 0).expect("fine");
        assert_eq!(duty.act(50 * MS), Some(Act::Stop));
        duty.throttle(100, 100, 60 * MS).expect("fine");
        assert_eq!((duty.act(60 * MS), duty.due_ns()), (Some(Act::Go), None));
        assert_eq!(duty.act(9999 * MS), None);
    }

    #[test]
    fn a_machine_that_stood_still_does_not_stop_the_node_for_as_long() {
        let mut duty = Duty::default();
        duty.throttle(50, 100, 0).expect("fine");
        assert_eq!(duty.act(3_600_000 * MS), Some(Act::Stop));
        assert!(duty.due_ns().expect("throttled") <= 1 + 2000 * MS);
    }

    #[test]
    fn shares_that_make_no_sense_are_refused() {
        let mut duty = Duty::default();
        for (percent, period_ms) in [(0, 100), (101, 100), (20, 0), (20, 1001)] {
            assert_eq!(duty.throttle(percent, period_ms, 0), None);
        }
    }
}
