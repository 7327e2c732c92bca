//! When operations are due: a sequence of times that does not depend on the answers.
//!
//! The gaps between them are uniform between 0 and twice the mean (Jepsen's `stagger`), so the mean rate is kept while
//! operations overlap in many ways. Clients that are late catch up with a bounded backlog only, so that a long fault is
//! followed by a short burst.

use std::time::Duration;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// What a client has done so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Last {
    /// When its last operation began.
    pub(super) begun: Duration,
    /// How many in a row have failed.
    pub(super) failures: u32,
}

/// The times, handed out one by one.
#[derive(Debug)]
pub(super) struct Schedule {
    /// None: as fast as operations complete.
    mean_gap: Option<Duration>,
    backlog: Duration,
    due: Duration,
    missed: u64,
    rng: ChaCha8Rng,
}

/// Without a rate, a client's operations begin at least this far apart, so that a virtual clock advances.
const UNPACED_GAP: Duration = Duration::from_micros(100);

/// The gap doubles with each operation in a row that failed, this often at most (to 25.6 ms): clients that are refused at
/// once must not fill the history, nor keep the processors from the node that is about to start.
const DOUBLINGS_MAX: u32 = 8;

impl Schedule {
    /// `rate` operations a second from `begin` on (0: no schedule); at most `backlog` late operations are made up for.
    pub(super) fn new(rate: f64, begin: Duration, backlog: u64, rng: ChaCha8Rng) -> Self {
        let mean_gap = (rate > 0.0).then(|| Duration::try_from_secs_f64(1.0 / rate).unwrap_or(Duration::MAX));
        let mean_gap = mean_gap.map(|gap| gap.clamp(Duration::from_nanos(1), Self::GAP_MAX));
        let backlog = mean_gap.unwrap_or_default().saturating_mul(u32::try_from(backlog).unwrap_or(u32::MAX));
        Self { mean_gap, backlog, due: begin, missed: 0, rng }
    }

    const GAP_MAX: Duration = Duration::from_secs(1_000_000);

    /// When the next operation of a client is due. May be in the past.
    pub(super) fn next(&mut self, now: Duration, last: Option<Last>) -> Duration {
        let Some(mean) = self.mean_gap else {
            return last.map_or(now, |last| last.begun + UNPACED_GAP * 2u32.pow(last.failures.min(DOUBLINGS_MAX)));
        };
        self.skip_missed(now, mean);
        let due = self.due;
        self.due = due.saturating_add(self.draw(mean));
        due
    }

    /// About how many operations are due before a moment, and not handed out.
    pub(super) fn due_before(&self, until: Duration) -> u64 {
        let left = until.saturating_sub(self.due).as_nanos();
        self.mean_gap.map_or(0, |mean| u64::try_from(left.div_ceil(mean.as_nanos())).unwrap_or(u64::MAX))
    }

    /// Operations left out because they were due too long ago.
    pub(super) fn missed(&self) -> u64 {
        self.missed
    }

    fn skip_missed(&mut self, now: Duration, mean: Duration) {
        let earliest = now.saturating_sub(self.backlog);
        if let Some(late) = earliest.checked_sub(self.due).filter(|late| !late.is_zero()) {
            self.missed += u64::try_from(late.as_nanos() / mean.as_nanos()).unwrap_or(u64::MAX);
            self.due = earliest;
        }
    }

    fn draw(&mut self, mean: Duration) -> Duration {
        let mean_ns = u64::try_from(mean.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.rng.random_range(0..=mean_ns.saturating_mul(2)))
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn schedule(rate: f64, backlog: u64) -> Schedule {
        Schedule::new(rate, Duration::ZERO, backlog, ChaCha8Rng::seed_from_u64(7))
    }

    #[test]
    fn the_mean_gap_is_kept() {
        let mut schedule = schedule(1_000.0, 10);
        let last = (0..10_000).map(|_| schedule.next(Duration::ZERO, None)).last().unwrap();
        assert!((9.7..10.3).contains(&last.as_secs_f64()), "10,000 at 1,000 a second took {last:?}");
        assert_eq!(schedule.missed(), 0);
    }

    #[test]
    fn gaps_differ_and_never_exceed_twice_the_mean() {
        let mut schedule = schedule(100.0, 10);
        let dues: Vec<_> = (0..1_000).map(|_| schedule.next(Duration::ZERO, None)).collect();
        let gaps: Vec<_> = dues.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.iter().all(|gap| *gap <= Duration::from_millis(20)));
        assert!(gaps.iter().any(|gap| *gap < Duration::from_millis(2)));
        assert!(gaps.iter().any(|gap| *gap > Duration::from_millis(18)));
    }

    #[test]
    fn late_clients_catch_up_with_the_backlog_only() {
        let mut schedule = schedule(100.0, 5);
        let now = Duration::from_secs(10);
        let passed = (0..1_000).take_while(|_| schedule.next(now, None) <= now).count();
        assert!((2..=12).contains(&passed), "{passed} operations at once for a backlog of 5");
        assert!((990..=1_000).contains(&schedule.missed()), "{} missed", schedule.missed());
    }

    #[test]
    fn a_rate_of_any_size_is_a_schedule() {
        for rate in [f64::MIN_POSITIVE, 1e-9, 1e12, f64::MAX] {
            let mut schedule = schedule(rate, 10_000);
            assert!((0..100).all(|_| schedule.next(Duration::from_secs(1), None) < Duration::MAX));
        }
    }

    #[test]
    fn without_a_rate_a_client_waits_for_itself_alone() {
        let mut schedule = schedule(0.0, 10);
        let now = Duration::from_secs(1);
        assert_eq!(schedule.next(now, None), now);
        assert_eq!(schedule.next(now, Some(Last { begun: now, failures: 0 })), now + UNPACED_GAP);
    }

    #[test]
    fn without_a_rate_a_client_whose_operations_fail_slows_down_to_a_bound() {
        let mut schedule = schedule(0.0, 10);
        let gaps =
            (0..40).map(|failures| schedule.next(Duration::ZERO, Some(Last { begun: Duration::ZERO, failures })));
        let gaps: Vec<_> = gaps.collect();
        assert!(gaps[..9].windows(2).all(|pair| pair[1] == 2 * pair[0]), "{gaps:?}");
        assert!(gaps[8..].iter().all(|gap| *gap == Duration::from_micros(25_600)), "{gaps:?}");
    }
}
