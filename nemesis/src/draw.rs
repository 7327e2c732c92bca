//! The only source of chance in a plan: draws from ChaCha8, whose stream is fixed by its specification.
//!
//! The sampling is written out here instead of taken from a library, so that a seed gives the same plan in every
//! release.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A seeded stream of draws.
#[derive(Clone, Debug)]
pub struct Draw {
    rng: ChaCha8Rng,
}

impl Draw {
    /// The stream of this seed.
    pub fn new(seed: u64) -> Self {
        Self { rng: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// A uniform number below `bound`; 0 for a bound of 0. Rejection sampling avoids bias.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound <= 1 {
            return 0;
        }
        let limit = u64::MAX - u64::MAX % bound;
        loop {
            let value = self.rng.next_u64();
            if value < limit {
                return value % bound;
            }
        }
    }

    /// A uniform number of `low..=high`; `low` when the range is empty.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        match high.checked_sub(low).map(|width| width.checked_add(1)) {
            None => low,
            Some(None) => self.rng.next_u64(),
            Some(Some(count)) => low + self.below(count),
        }
    }

    /// A uniform number of `0.0..1.0`, in steps of 2^-53.
    pub fn unit(&mut self) -> f64 {
        (self.rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Log-uniform in `low..=high` (both positive), rounded to two significant digits so that a plan reads well.
    pub fn log_uniform(&mut self, low: u64, high: u64) -> u64 {
        let (low, high) = (low.max(1), high.max(low).max(1));
        let value = low as f64 * (high as f64 / low as f64).powf(self.unit());
        two_digits(value as u64).clamp(low, high)
    }

    /// True in half of the draws.
    pub fn coin(&mut self) -> bool {
        self.below(2) == 1
    }

    /// A random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }

    /// `count` random items (at most all), in their given order.
    pub fn pick<T: Clone>(&mut self, items: &[T], count: usize) -> Vec<T> {
        let mut indices: Vec<usize> = (0..items.len()).collect();
        self.shuffle(&mut indices);
        indices.truncate(count);
        indices.sort_unstable();
        indices.into_iter().map(|index| items[index].clone()).collect()
    }
}

/// Rounds down to two significant decimal digits.
fn two_digits(value: u64) -> u64 {
    let mut unit = 1;
    while value / unit >= 100 {
        unit *= 10;
    }
    value / unit * unit
}

/// A bag from which every item is drawn once, in random order, before it is filled again.
#[derive(Clone, Debug)]
pub struct Bag<T> {
    all: Vec<T>,
    left: Vec<T>,
}

impl<T: Clone> Bag<T> {
    /// A bag of `all`; must not be empty to draw from.
    pub fn new(all: Vec<T>) -> Self {
        Self { all, left: Vec::new() }
    }

    /// Every item.
    pub fn all(&self) -> &[T] {
        &self.all
    }

    /// The items left in this round, in the order in which they will be drawn; starts a new round if none is left.
    pub fn peek(&mut self, draw: &mut Draw) -> &[T] {
        if self.left.is_empty() {
            self.left = self.all.clone();
            draw.shuffle(&mut self.left);
        }
        &self.left
    }

    /// Takes the item at this index of [`Bag::peek`]; none beyond its end.
    pub fn take(&mut self, index: usize) -> Option<T> {
        (index < self.left.len()).then(|| self.left.remove(index))
    }

    /// Draws the next item; none from an empty bag.
    pub fn next(&mut self, draw: &mut Draw) -> Option<T> {
        self.peek(draw);
        self.take(0)
    }
}

impl<T: PartialEq> Bag<T> {
    /// Removes an item for good; returns whether others remain.
    pub fn remove(&mut self, item: &T) -> bool {
        self.all.retain(|other| other != item);
        self.left.retain(|other| other != item);
        !self.all.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_of_a_seed_never_changes() {
        let mut draw = Draw::new(7);
        let values: Vec<u64> = (0..4).map(|_| draw.below(1000)).collect();
        assert_eq!(values, PINNED, "a release that changes this changes what every seed means");
    }
    const PINNED: [u64; 4] = [635, 994, 745, 443];

    #[test]
    fn a_bag_gives_every_item_before_any_twice() {
        let (mut draw, mut bag) = (Draw::new(1), Bag::new(vec!['a', 'b', 'c']));
        for _ in 0..5 {
            let mut round: Vec<char> = (0..3).filter_map(|_| bag.next(&mut draw)).collect();
            round.sort_unstable();
            assert_eq!(round, ['a', 'b', 'c']);
        }
    }

    #[test]
    fn log_uniform_covers_every_decade_and_stays_in_range() {
        let mut draw = Draw::new(3);
        let values: Vec<u64> = (0..2000).map(|_| draw.log_uniform(10, 300_000)).collect();
        assert!(values.iter().all(|value| (10..=300_000).contains(value)));
        for decade in [10, 100, 1000, 10_000] {
            assert!(values.iter().filter(|value| (decade..decade * 10).contains(*value)).count() > 200);
        }
    }

    #[test]
    fn ranges_at_their_edges() {
        let mut draw = Draw::new(0);
        assert_eq!((draw.below(0), draw.below(1), draw.between(5, 5), draw.between(6, 5)), (0, 0, 5, 6));
        draw.between(0, u64::MAX);
        assert_eq!((two_digits(299_999), two_digits(12), two_digits(100)), (290_000, 12, 100));
        assert_eq!(draw.pick(&[1, 2, 3], 9), [1, 2, 3]);
    }
}
