//! Percentiles, means, and how they are written.

/// Measured durations, in ms, or any other figures.
#[derive(Clone, Debug, Default)]
pub(super) struct Sample {
    sorted: Vec<f64>,
}

impl Sample {
    pub fn new(mut values: Vec<f64>) -> Self {
        values.sort_unstable_by(f64::total_cmp);
        Self { sorted: values }
    }

    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    pub fn mean(&self) -> f64 {
        self.sorted.iter().sum::<f64>() / self.len().max(1) as f64
    }

    /// The least value that a share of `p` does not exceed, 0 to 1; not a number if there are none.
    pub fn percentile(&self, p: f64) -> f64 {
        let place = (p * self.len() as f64).ceil() as usize;
        self.sorted.get(place.saturating_sub(1).min(self.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
    }

    /// The share of values above a bound, 0 to 1.
    pub fn share_above(&self, bound: f64) -> f64 {
        let at_most = self.sorted.partition_point(|value| *value <= bound);
        (self.len() - at_most) as f64 / self.len().max(1) as f64
    }

    /// The share not exceeded at equally many values on a curve: points of the cumulative distribution from 0.1 on, as
    /// (value, share above it), for a logarithmic axis.
    pub fn tail(&self) -> Vec<(f64, f64)> {
        let shares = (0..=30).map(|step| 10_f64.powf(-f64::from(step) / 10.0));
        let seen = shares.take_while(|share| share * self.len() as f64 >= 10.0);
        seen.map(|share| (self.percentile(1.0 - share), share)).collect()
    }
}

/// Milliseconds, or any figure, to three places that matter.
pub(super) fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// How much larger one is than the other.
pub(super) fn ratio(ours: f64, theirs: f64) -> String {
    format!("{:.3}", ours / theirs)
}

/// Whether one is within a share of the other.
pub(super) fn is_near(ours: f64, theirs: f64, share: f64) -> bool {
    (ours / theirs - 1.0).abs() <= share
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let sample = Sample::new((1..=1000).rev().map(f64::from).collect());
        assert_eq!([0.0, 0.5, 0.999, 1.0].map(|p| sample.percentile(p)), [1.0, 500.0, 999.0, 1000.0]);
        assert_eq!((sample.mean(), sample.share_above(900.0)), (500.5, 0.1));
        assert!(Sample::default().percentile(0.5).is_nan());
        assert_eq!(sample.tail().first(), Some(&(1.0, 1.0)));
        assert_eq!(sample.tail().last().map(|point| point.0.round()), Some(990.0), "ten values are left beyond");
    }
}
