//! The exact 95 % interval of a probability, from how often something happened (Clopper and Pearson, Biometrika 1934): all
//! probabilities under which neither so few nor so many would be less likely than 2.5 %.

const TAIL: f64 = 0.025;
/// Halvings of the interval from 0 to 1.
const STEPS: usize = 60;

/// The least and the greatest probability of something that happened `count` times in `trials`.
pub fn interval(count: u64, trials: u64) -> (f64, f64) {
    let least = if count == 0 { 0.0 } else { root(|p| 1.0 - at_most(count - 1, trials, p) < TAIL) };
    let most = if count >= trials { 1.0 } else { root(|p| at_most(count, trials, p) > TAIL) };
    (least, most)
}

/// Up to where something holds that holds of 0 and not of 1.
fn root(holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..STEPS {
        let middle = (low + high) / 2.0;
        if holds(middle) { low = middle } else { high = middle }
    }
    low
}

/// The probability of at most `count` in `trials`, for a probability within 0 and 1, both excluded.
fn at_most(count: u64, trials: u64, p: f64) -> f64 {
    let mut log_choose = 0.0;
    let term = |number: u64| {
        if number > 0 {
            log_choose += ((trials - number + 1) as f64).ln() - (number as f64).ln();
        }
        (log_choose + number as f64 * p.ln() + (trials - number) as f64 * (1.0 - p).ln()).exp()
    };
    (0..=count).map(term).sum::<f64>().min(1.0)
}
