//! The WARS model of Bailis et al. (VLDB 2012), by itself: four latencies a replica, and no store at all.
//!
//! A write goes to N replicas and is committed when W have acknowledged, at the W-th least W+A. A read t later goes to
//! N and is answered by the first R, by R+S. It is stale iff the write reaches each of those R only after the read did:
//! `committed + t + r < w`. So each trial has a least t from which on it is consistent.

use cluster_core::sim::latency::{Latency, Legs};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::figures::Sample;

/// N of the paper's tables.
pub(super) const REPLICAS: usize = 3;
const NS_PER_MS: f64 = 1e6;

/// A fit of what LinkedIn measured in production.
#[derive(Clone, Debug)]
pub(super) struct Fit {
    pub name: &'static str,
    pub legs: Legs,
}

/// Of a mixture: the Pareto share, its least value in ms, its shape; and the rate of the exponential rest, 1/ms.
fn mixture(pareto: f64, xm_ms: f64, alpha: f64, rate_per_ms: f64) -> Latency {
    Latency::Mixture { pareto, xm_ms, alpha, rate_per_ms }
}

impl Fit {
    pub fn ssd() -> Self {
        Self { name: "LNKD-SSD", legs: Legs::alike(mixture(0.9122, 0.235, 10.0, 1.66)) }
    }

    pub fn disk() -> Self {
        let legs = Legs { write: mixture(0.38, 1.05, 1.51, 0.183), ..Self::ssd().legs };
        Self { name: "LNKD-DISK", legs }
    }
}

/// What came of many trials; all in ms.
pub(super) struct Trials {
    /// When a read would have been consistent, counted from the commit; not above zero = at once.
    pub consistent_from: Sample,
    pub reads: Sample,
    pub writes: Sample,
}

pub(super) fn model(fit: &Fit, r: usize, w: usize, trials: u32, seed: u64) -> Trials {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut consistent_from = Vec::with_capacity(trials as usize);
    let (mut reads, mut writes) = (consistent_from.clone(), consistent_from.clone());
    for _ in 0..trials {
        let mut draw = |latency: &Latency| latency.draw_ns(&mut rng) as f64 / NS_PER_MS;
        let arrivals: [f64; REPLICAS] = std::array::from_fn(|_| draw(&fit.legs.write));
        let mut acknowledged: [f64; REPLICAS] = std::array::from_fn(|at| arrivals[at] + draw(&fit.legs.ack));
        acknowledged.sort_unstable_by(f64::total_cmp);
        let committed = acknowledged[w - 1];
        let mut repliers: [(f64, f64); REPLICAS] = std::array::from_fn(|at| {
            let there = draw(&fit.legs.read);
            (there + draw(&fit.legs.answer), arrivals[at] - committed - there)
        });
        repliers.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
        let first_r = &repliers[..r];
        consistent_from.push(first_r.iter().map(|replier| replier.1).fold(f64::INFINITY, f64::min));
        reads.push(first_r[r - 1].0);
        writes.push(committed);
    }
    Trials { consistent_from: Sample::new(consistent_from), reads: Sample::new(reads), writes: Sample::new(writes) }
}

/// What a mixture says exactly: the value that a share of `p` does not exceed, ms. By bisection.
pub(super) fn exact_percentile(latency: &Latency, p: f64) -> Option<f64> {
    let Latency::Mixture { pareto, xm_ms, alpha, rate_per_ms } = latency else { return None };
    let above = |x: f64| {
        let body = if x <= *xm_ms { 1.0 } else { (xm_ms / x).powf(*alpha) };
        pareto * body + (1.0 - pareto) * (-rate_per_ms * x).exp()
    };
    let (mut low, mut high) = (0.0, 1e9);
    for _ in 0..200 {
        let middle = (low + high) / 2.0;
        if above(middle) > 1.0 - p { low = middle } else { high = middle }
    }
    Some(high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_known_where_the_distribution_is_pure() {
        let pareto = mixture(1.0, 2.0, 4.0, 1.0);
        assert!((exact_percentile(&pareto, 0.9375).expect("a mixture") - 4.0).abs() < 1e-9, "2 · 16^(1/4)");
        let exponential = mixture(0.0, 2.0, 4.0, 0.5);
        assert!((exact_percentile(&exponential, 0.5).expect("a mixture") - 2.0 * 2_f64.ln()).abs() < 1e-9);
    }

    /// Quorums that overlap are never stale, and with R = N the slowest replica answers.
    #[test]
    fn overlapping_quorums_are_consistent_at_once() {
        for (r, w) in [(2, 2), (3, 1), (1, 3)] {
            let trials = model(&Fit::disk(), r, w, 20_000, 1);
            assert_eq!(trials.consistent_from.share_above(0.0), 0.0, "r = {r}, w = {w}");
        }
        let (one, all) = (model(&Fit::ssd(), 1, 1, 20_000, 1), model(&Fit::ssd(), 3, 1, 20_000, 1));
        assert!(one.reads.mean() < all.reads.mean());
    }
}
