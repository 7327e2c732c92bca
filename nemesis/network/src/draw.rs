//! The only source of chance in a link: draws from ChaCha8, whose stream is fixed by its specification. Each directed
//! link has a stream of its own, so what happens to its packets depends on the seed and on them alone, not on what
//! other links carry meanwhile.

use std::f64::consts::TAU;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::rule::{DELAY_MAX, Delay};

/// A seeded stream of draws.
#[derive(Clone, Debug)]
pub(crate) struct Draw {
    rng: ChaCha8Rng,
}

impl Draw {
    /// The stream with this number among those of a seed.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self { rng }
    }

    /// A uniform number of `0.0..1.0`, in steps of 2^-53.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True with this chance. Nothing is drawn where it is certain.
    pub(crate) fn chance(&mut self, percent: f64) -> bool {
        percent > 0.0 && (percent >= 100.0 || self.unit() * 100.0 < percent)
    }

    /// A uniform number below `bound`, which is not 0. The bias is below 2^-40 for what is drawn here: places in a
    /// packet.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        assert!(bound > 0, "there is no number below 0");
        ((u128::from(self.rng.next_u64()) * bound as u128) >> 64) as usize
    }

    /// One delay of the distribution: never negative, at most [`DELAY_MAX`].
    pub(crate) fn delay(&mut self, delay: Delay) -> Duration {
        let seconds = match delay {
            Delay::None => return Duration::ZERO,
            Delay::Constant(delay) => return delay.min(DELAY_MAX),
            Delay::Uniform { low, high } => low.as_secs_f64() + (high.as_secs_f64() - low.as_secs_f64()) * self.unit(),
            Delay::Normal { mean, deviation } => mean.as_secs_f64() + deviation.as_secs_f64() * self.standard_normal(),
            Delay::Pareto { least, shape } => least.as_secs_f64() * (1.0 - self.unit()).powf(-1.0 / shape),
        };
        Duration::from_secs_f64(seconds.clamp(0.0, DELAY_MAX.as_secs_f64()))
    }

    /// Box and Muller's transformation.
    fn standard_normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (TAU * self.unit()).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: usize = 100_000;

    fn sorted_ms(delay: Delay) -> Vec<f64> {
        let mut draw = Draw::new(7, 1);
        let mut drawn: Vec<f64> = (0..DRAWS).map(|_| draw.delay(delay).as_secs_f64() * 1000.0).collect();
        drawn.sort_by(f64::total_cmp);
        drawn
    }

    fn quantile(sorted: &[f64], share: f64) -> f64 {
        sorted[(share * (sorted.len() - 1) as f64) as usize]
    }

    fn close(got: f64, wanted: f64) {
        assert!((got - wanted).abs() <= 0.03 * wanted, "{got} is not {wanted}");
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_constant_delay_is_constant() {
        assert!(sorted_ms(Delay::Constant(ms(50))).iter().all(|drawn| *drawn == 50.0));
        assert!(sorted_ms(Delay::None).iter().all(|drawn| *drawn == 0.0));
    }

    #[test]
    fn uniform_delays_fill_their_range() {
        let drawn = sorted_ms(Delay::Uniform { low: ms(20), high: ms(120) });
        assert!(drawn[0] >= 20.0 && drawn[DRAWS - 1] <= 120.0);
        for share in [0.1, 0.5, 0.9] {
            close(quantile(&drawn, share), 20.0 + 100.0 * share);
        }
    }

    #[test]
    fn normal_delays_have_their_quantiles_and_none_is_negative() {
        let drawn = sorted_ms(Delay::Normal { mean: ms(100), deviation: ms(20) });
        for (share, deviations) in [(0.0228, -2.0), (0.1587, -1.0), (0.5, 0.0), (0.8413, 1.0), (0.9772, 2.0)] {
            close(quantile(&drawn, share), 100.0 + 20.0 * deviations);
        }
        assert_eq!(sorted_ms(Delay::Normal { mean: ms(1), deviation: ms(10) })[0], 0.0);
    }

    #[test]
    fn pareto_delays_have_their_tail_up_to_the_bound() {
        let drawn = sorted_ms(Delay::Pareto { least: ms(10), shape: 1.5 });
        assert!(drawn[0] >= 10.0);
        for share in [0.1, 0.5, 0.9, 0.99] {
            close(quantile(&drawn, share), 10.0 * (1.0f64 - share).powf(-1.0 / 1.5));
        }
        let heavy = sorted_ms(Delay::Pareto { least: ms(10), shape: 0.1 });
        assert_eq!(heavy[DRAWS - 1], DELAY_MAX.as_secs_f64() * 1000.0);
    }

    #[test]
    fn a_stream_is_its_seed_and_number() {
        let first = |seed, stream| Draw::new(seed, stream).unit().to_bits();
        assert_eq!(first(1, 2), first(1, 2));
        assert_ne!(first(1, 2), first(1, 3));
        assert_ne!(first(1, 2), first(2, 2));
    }

    #[test]
    fn chances_come_true_as_often_as_they_say() {
        let mut draw = Draw::new(3, 0);
        let hits = (0..DRAWS).filter(|_| draw.chance(20.0)).count();
        close(hits as f64 / DRAWS as f64, 0.2);
        assert!((0..100).all(|_| !draw.chance(0.0) && draw.chance(100.0)));
        assert!((0..1000).all(|_| draw.below(3) < 3));
    }
}
