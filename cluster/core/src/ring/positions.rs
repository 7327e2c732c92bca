//! Positions of keys that were asked for lately.
//!
//! One request asks for its key's position a dozen times, in choosing targets, in the row, the tree and the context,
//! and a digest costs more than all the rest of such a step. Each thread remembers a fixed number of positions, each
//! key at the one place that a hash gives it. The position is a function of the key alone, so it never shows whether
//! it was remembered.

use std::cell::RefCell;
use std::hash::Hasher;

use rustc_hash::FxHasher;

/// How many places there are: a power of two.
const SLOTS: usize = 512;
/// A longer key is not remembered: the memory of it all stays small.
const KEY_BYTES_MAX: usize = 64;

/// A key and its position; an empty key is none.
type Slot = (Vec<u8>, u128);

thread_local! {
    static REMEMBERED: RefCell<Vec<Slot>> = RefCell::new(vec![Slot::default(); SLOTS]);
}

/// The position of the key, computed if it is not remembered.
pub(super) fn remembered(key: &[u8], position: impl FnOnce(&[u8]) -> u128) -> u128 {
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return position(key);
    }
    REMEMBERED.with_borrow_mut(|places| {
        let (known, at) = &mut places[place_of(key)];
        if known != key {
            *at = position(key);
            known.clear();
            known.extend_from_slice(key);
        }
        *at
    })
}

fn place_of(key: &[u8]) -> usize {
    let mut hash = FxHasher::default();
    hash.write(key);
    hash.finish() as usize % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Far more keys than places, so that they drive each other out.
    #[test]
    fn what_is_remembered_is_what_would_be_computed() {
        let position = |key: &[u8]| key.iter().fold(7u128, |sum, byte| sum.wrapping_mul(31) ^ u128::from(*byte));
        for round in 0..3 {
            for key in 0..5 * SLOTS as u32 {
                let key = key.to_string().repeat(1 + round * 12);
                assert_eq!(remembered(key.as_bytes(), position), position(key.as_bytes()), "{key}");
            }
        }
        assert_eq!(remembered(b"", position), 7);
    }

    #[test]
    fn a_key_asked_for_again_is_not_computed_again() {
        remembered(b"once", |_| 5);
        assert_eq!(remembered(b"once", |_| panic!("it is remembered")), 5);
    }
}
