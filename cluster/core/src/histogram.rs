//! Durations in buckets: what a percentile is read from, and what `/metrics` shows.
//!
//! Bounds grow by a quarter of an octave, from 4 microseconds to over a minute. So a quantile is at most a quarter above
//! the truth, and never below it, whatever the durations are.

/// Buckets of an octave.
const STEPS: u64 = 4;
/// The first bound is two to this power, microseconds.
const FIRST_POWER: u32 = 2;
/// The last bound is two to this power: 67 s.
const LAST_POWER: u32 = 26;
const BOUNDS: usize = ((LAST_POWER - FIRST_POWER) as u64 * STEPS) as usize + 1;

/// Counts of durations, by bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    /// One more than there are bounds: the last holds what lies above all of them.
    counts: [u64; BOUNDS + 1],
    count: u64,
    sum_us: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: [0; BOUNDS + 1], count: 0, sum_us: 0 }
    }
}

impl Histogram {
    /// Counts one duration, microseconds.
    pub fn observe(&mut self, us: u64) {
        self.counts[bucket_of(us)] += 1;
        self.count += 1;
        self.sum_us = self.sum_us.saturating_add(us);
    }

    /// Takes out what another one counted; it must have been counted here too.
    pub(crate) fn subtract(&mut self, other: &Histogram) {
        for (count, gone) in self.counts.iter_mut().zip(&other.counts) {
            assert!(gone <= count, "more durations are taken out of a bucket than were counted");
            *count -= gone;
        }
        self.count -= other.count;
        self.sum_us = self.sum_us.saturating_sub(other.sum_us);
    }

    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their sum, microseconds.
    pub fn sum_us(&self) -> u64 {
        self.sum_us
    }

    /// The bound, in microseconds, that this share of the durations (0 to 1) does not exceed; the last one if they do.
    /// None if none was counted.
    pub fn quantile(&self, share: f64) -> Option<u64> {
        let rank = ((share * self.count as f64).ceil() as u64).clamp(1, self.count.max(1));
        let mut below = 0;
        let bucket = self.counts.iter().position(|count| {
            below += count;
            below >= rank
        })?;
        Some(bound_us(bucket.min(BOUNDS - 1)))
    }

    /// For whole octaves: the bound in microseconds, and how many durations do not exceed it.
    pub fn octaves(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let mut below = 0;
        let cumulative = self.counts[..BOUNDS].iter().enumerate().map(move |(bucket, count)| {
            below += count;
            (bucket, below)
        });
        cumulative
            .filter(|(bucket, _)| (*bucket as u64).is_multiple_of(STEPS))
            .map(|(bucket, below)| (bound_us(bucket), below))
    }
}

/// The greatest duration of a bucket.
fn bound_us(bucket: usize) -> u64 {
    let (octave, step) = (bucket as u64 / STEPS, bucket as u64 % STEPS);
    ((STEPS + step) << (octave + u64::from(FIRST_POWER))) / STEPS
}

/// The first bucket whose bound is not exceeded.
fn bucket_of(us: u64) -> usize {
    let power = us.max(1).ilog2();
    if us <= 1 << FIRST_POWER {
        return 0;
    }
    if power >= LAST_POWER {
        return if us == 1 << LAST_POWER { BOUNDS - 1 } else { BOUNDS };
    }
    let above = us - (1 << power);
    (u64::from(power - FIRST_POWER) * STEPS + (above * STEPS).div_ceil(1 << power)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The arithmetic agrees with a search through the bounds, at every bound and beside it.
    #[test]
    fn a_duration_lies_in_the_first_bucket_whose_bound_it_does_not_exceed() {
        let bounds: Vec<u64> = (0..BOUNDS).map(bound_us).collect();
        assert!(bounds.is_sorted_by(|a, b| a < b), "{bounds:?}");
        assert_eq!((bounds[0], bounds[BOUNDS - 1]), (4, 1 << 26));
        let beside = bounds.iter().flat_map(|bound| [bound - 1, *bound, bound + 1]);
        for us in beside.chain([0, 1, u64::MAX]) {
            assert_eq!(bucket_of(us), bounds.partition_point(|bound| *bound < us), "{us}");
        }
    }

    #[test]
    fn a_quantile_is_a_bound_close_above_the_truth() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.99), None);
        for us in 1..=1000 {
            histogram.observe(us * 100);
        }
        for share in [0.5, 0.9, 0.99, 0.999] {
            let truth = share * 100_000.0;
            let found = histogram.quantile(share).expect("there are some") as f64;
            assert!((truth..=truth * 1.25).contains(&found), "{found} for {truth}");
        }
        histogram.observe(u64::MAX);
        assert_eq!(histogram.quantile(1.0), Some(1 << 26), "above all bounds");
    }

    #[test]
    fn what_is_subtracted_is_as_if_it_had_never_been() {
        let (mut all, mut early, mut late) = (Histogram::default(), Histogram::default(), Histogram::default());
        for us in 0..500 {
            let part = if us % 3 == 0 { &mut early } else { &mut late };
            part.observe(us * us);
            all.observe(us * us);
        }
        all.subtract(&early);
        assert_eq!(all, late);
        assert_eq!(all.octaves().last(), Some((1 << 26, all.count())));
    }
}
