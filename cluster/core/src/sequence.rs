//! A map whose keys grow: tags, requests, batches, each greater than the one before.
//!
//! New entries go to the end and most leave soon, so a queue in order is all that is needed: an entry is found by
//! halving, and its place is given up when it leaves the front, or when more than half of the places are empty. Each
//! step takes O(log n) on average. Its order is that of the keys, as in a tree.

use std::collections::VecDeque;

#[derive(Clone, Debug)]
pub(crate) struct Sequence<K, V> {
    /// In the order of keys; what was taken out of the middle leaves its place empty.
    places: VecDeque<(K, Option<V>)>,
    len: usize,
}

impl<K, V> Default for Sequence<K, V> {
    fn default() -> Self {
        Self { places: VecDeque::new(), len: 0 }
    }
}

impl<K: Copy + Ord, V> Sequence<K, V> {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Sets an entry. At the end it takes no time; elsewhere as long as the way to the nearer end.
    pub fn insert(&mut self, key: K, value: V) {
        let at = match self.places.back() {
            Some((last, _)) if *last >= key => self.find(key),
            _ => Err(self.places.len()),
        };
        let before = match at {
            Ok(at) => self.places[at].1.replace(value),
            Err(at) => {
                self.places.insert(at, (key, Some(value)));
                None
            }
        };
        debug_assert!(self.is_in_order_at(key), "the keys of a sequence ascend, and each is there once");
        self.len += usize::from(before.is_none());
        debug_assert!(self.len <= self.places.len(), "every entry has a place");
    }

    /// Whether a key stands between its neighbours.
    fn is_in_order_at(&self, key: K) -> bool {
        let Ok(at) = self.find(key) else { return false };
        let before = at.checked_sub(1).and_then(|before| self.places.get(before));
        before.is_none_or(|(before, _)| *before < key) && self.places.get(at + 1).is_none_or(|(next, _)| *next > key)
    }

    /// The entry of a key.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.find(*key).ok().and_then(|at| self.places[at].1.as_ref())
    }

    /// The entry of a key, to be changed.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.find(*key).ok().and_then(|at| self.places[at].1.as_mut())
    }

    /// Whether there is an entry.
    pub fn contains_key(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    /// The entry of a key; made if there is none.
    pub fn or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        if !self.contains_key(&key) {
            self.insert(key, V::default());
        }
        self.get_mut(&key).expect("it has just been inserted")
    }

    /// Takes an entry out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let at = self.find(*key).ok()?;
        let value = self.places[at].1.take()?;
        assert!(self.len > 0, "an entry left a sequence that counts none");
        self.len -= 1;
        self.tidy();
        Some(value)
    }

    /// Takes the first entry out, if its key is no greater than this.
    pub fn pop_up_to(&mut self, last: K) -> Option<V> {
        while self.places.front().is_some_and(|(key, _)| *key <= last) {
            if let Some((_, Some(value))) = self.places.pop_front() {
                self.len -= 1;
                self.tidy();
                return Some(value);
            }
        }
        None
    }

    /// All entries, in order.
    pub fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        self.places.iter().filter_map(|(key, value)| Some((*key, value.as_ref()?)))
    }

    /// All keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = K> {
        self.iter().map(|(key, _)| key)
    }

    /// All values, in the order of their keys.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// All values, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.places.iter_mut().filter_map(|(_, value)| value.as_mut())
    }

    fn find(&self, key: K) -> Result<usize, usize> {
        self.places.binary_search_by_key(&key, |(key, _)| *key)
    }

    /// Gives up empty places: those at the front at once, all when they are most.
    fn tidy(&mut self) {
        while self.places.front().is_some_and(|(_, value)| value.is_none()) {
            self.places.pop_front();
        }
        if self.places.len() > 2 * self.len + 8 {
            self.places.retain(|(_, value)| value.is_some());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Mostly growing keys, as it is meant for, and some that are not.
    #[test]
    fn it_is_a_map_in_order_whatever_is_done_to_it() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let (mut sequence, mut map) = (Sequence::default(), BTreeMap::new());
        for step in 0..20_000u64 {
            let some = step.saturating_sub(rng.random_range(0..60));
            match rng.random_range(0..10) {
                0..4 => drop((sequence.insert(step, step), map.insert(step, step))),
                4 => drop((sequence.insert(some, step), map.insert(some, step))),
                5..8 => assert_eq!(sequence.remove(&some), map.remove(&some)),
                8 => assert_eq!(sequence.get_mut(&some), map.get_mut(&some)),
                _ => {
                    let bound = step.saturating_sub(50);
                    let first = map.first_entry().filter(|first| *first.key() <= bound);
                    assert_eq!(sequence.pop_up_to(bound), first.map(|first| first.remove()));
                }
            }
            assert_eq!(sequence.len(), map.len());
            assert!(sequence.places.len() <= 2 * map.len() + 9, "empty places are given up");
        }
        assert!(sequence.iter().eq(map.iter().map(|(key, value)| (*key, value))));
        assert!(map.len() > 10);
    }
}
