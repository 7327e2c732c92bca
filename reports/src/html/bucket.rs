//! The run cut into buckets of time, with what completed and what was invoked in each, and the scale of its latencies.

use crate::operation::{End, Operation};

/// What completed, and what was invoked, within one stretch of the run.
#[derive(Clone, Default)]
pub(super) struct Bucket {
    /// Completions by outcome, in the order of [`End::ALL`].
    pub(super) ended: [u64; 3],
    /// Latencies of `ok` operations invoked here, ns, ascending.
    pub(super) latencies_ns: Vec<u64>,
}

impl Bucket {
    pub(super) fn total(&self) -> u64 {
        self.ended.iter().sum()
    }

    /// The nearest-rank quantile, ns.
    pub(super) fn quantile(&self, per_cent: usize) -> Option<u64> {
        let rank = (self.latencies_ns.len() * per_cent).div_ceil(100).max(1);
        self.latencies_ns.get(rank - 1).copied()
    }
}

/// The buckets of the run up to the last that holds anything.
pub(super) fn buckets(main: &[&Operation<'_>], bucket_ns: u64, end_ns: u64) -> Vec<Bucket> {
    let mut all = vec![Bucket::default(); (end_ns / bucket_ns) as usize + 1];
    for operation in main {
        let end = operation.end();
        if let Some(completed_ns) = operation.completed_ns() {
            all[(completed_ns / bucket_ns) as usize].ended[end as usize] += 1;
        }
        if let (End::Ok, Some(latency)) = (end, operation.latency_ns()) {
            all[(operation.begins() / bucket_ns) as usize].latencies_ns.push(latency);
        }
    }
    for bucket in &mut all {
        bucket.latencies_ns.sort_unstable();
    }
    all
}

/// The decades that hold every latency.
pub(super) struct LogScale {
    /// The exponents of the lowest and the highest decade, of ns.
    pub(super) low: i32,
    pub(super) high: i32,
    /// Where the lowest is, and how far above it the highest.
    bottom: f64,
    height: f64,
}

impl LogScale {
    /// From the decade under the fastest, 1 µs at least, to the one above the slowest; two decades at least.
    pub(super) fn new(latencies_ns: impl Iterator<Item = u64>, bottom: f64, height: f64) -> Self {
        let (fastest, slowest) = latencies_ns.fold((u64::MAX, 0), |(low, high), ns| (low.min(ns), high.max(ns)));
        let decade = |ns: u64| (ns.max(1_000) as f64).log10();
        let low = if fastest == u64::MAX { 6 } else { decade(fastest).floor() as i32 };
        Self { low, high: (decade(slowest).ceil() as i32).max(low + 2), bottom, height }
    }

    pub(super) fn y(&self, ns: u64) -> f64 {
        let log = (ns.max(1) as f64).log10().clamp(f64::from(self.low), f64::from(self.high));
        self.bottom - self.height * (log - f64::from(self.low)) / f64::from(self.high - self.low)
    }
}
