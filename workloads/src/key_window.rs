//! The keys of a workload whose values grow: a few keys are in use, and each is replaced by a new one after a fixed
//! number of elements.
//!
//! Every add reads and writes the whole value, so otherwise a long run would spend its time on ever larger values.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// The keys `prefix-0`, `prefix-1`, ..., of which a fixed number is in use at a time.
#[derive(Debug)]
pub(crate) struct KeyWindow {
    prefix: &'static str,
    elements_per_key: u64,
    slots: Vec<Slot>,
    next: u64,
}

#[derive(Debug)]
struct Slot {
    /// The name of its key, kept because it is used far more often than it changes.
    key: String,
    elements: u64,
}

impl KeyWindow {
    /// `width` keys in use at a time, each for `elements_per_key` elements; both are at least 1.
    pub(crate) fn new(prefix: &'static str, width: u64, elements_per_key: u64) -> Self {
        let next = width.max(1);
        let slots = (0..next).map(|key| Slot { key: name(prefix, key), elements: 0 }).collect();
        Self { prefix, elements_per_key: elements_per_key.max(1), slots, next }
    }

    /// A key to read.
    pub(crate) fn key(&self, rng: &mut ChaCha8Rng) -> String {
        self.slots[rng.random_range(0..self.slots.len())].key.clone()
    }

    /// A key to add one more element to. Its last element retires the key.
    pub(crate) fn key_to_fill(&mut self, rng: &mut ChaCha8Rng) -> String {
        let slot = rng.random_range(0..self.slots.len());
        self.slots[slot].elements += 1;
        if self.slots[slot].elements < self.elements_per_key {
            return self.slots[slot].key.clone();
        }
        let fresh = Slot { key: name(self.prefix, self.next), elements: 0 };
        self.next += 1;
        std::mem::replace(&mut self.slots[slot], fresh).key
    }

    /// The keys in use.
    pub(crate) fn in_use(&self) -> Vec<String> {
        self.slots.iter().map(|slot| slot.key.clone()).collect()
    }

    /// Replaces a key by a new one, if it is in use.
    pub(crate) fn retire(&mut self, key: &str) {
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.key == key) {
            *slot = Slot { key: name(self.prefix, self.next), elements: 0 };
            self.next += 1;
        }
    }

    /// Whether the key is still in use.
    pub(crate) fn is_in_use(&self, key: &str) -> bool {
        self.slots.iter().any(|slot| slot.key == key)
    }

    /// Every key that is or was in use, oldest first.
    pub(crate) fn keys(&self) -> Vec<String> {
        (0..self.next).map(|key| name(self.prefix, key)).collect()
    }
}

fn name(prefix: &str, key: u64) -> String {
    format!("{prefix}-{key}")
}
