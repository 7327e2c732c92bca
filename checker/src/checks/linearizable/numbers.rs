//! Names as numbers from 0 on, in the order in which they are first asked for.

use rustc_hash::FxHashMap;

/// No number.
const NONE: u32 = u32::MAX;

/// The numbers of some names. Names near the first one have a table, since a hash table of as many is several times as
/// large, and scatters what lies together.
#[derive(Debug)]
pub(super) struct Numbers {
    /// How many names are expected.
    names: usize,
    /// Names are near if they are the same without so many of their lowest bits: a few times as many names as are expected.
    bits: u32,
    /// These names without these bits, and their numbers by the bits.
    block: Option<u64>,
    near: Vec<u32>,
    far: FxHashMap<u64, u32>,
    count: u32,
}

impl Numbers {
    /// Of about so many names.
    pub(super) fn of_about(names: usize) -> Self {
        let bits = (4 * names).next_power_of_two().trailing_zeros();
        Self { names, bits, block: None, near: Vec::new(), far: FxHashMap::default(), count: 0 }
    }

    /// Where a name is in the table; none if it is far.
    fn place(&self, name: u64) -> Option<usize> {
        (self.block == Some(name >> self.bits)).then_some((name & ((1 << self.bits) - 1)) as usize)
    }

    /// The number of a name, which gets the next one if it has none.
    pub(super) fn number(&mut self, name: u64) -> u32 {
        self.block.get_or_insert(name >> self.bits);
        let number = match self.place(name) {
            Some(place) => {
                if self.near.len() <= place {
                    self.near.resize(place + 1, NONE);
                }
                &mut self.near[place]
            }
            None => {
                if self.far.is_empty() {
                    self.far.reserve(self.names);
                }
                self.far.entry(name).or_insert(NONE)
            }
        };
        if *number == NONE {
            *number = self.count;
            self.count += 1;
        }
        *number
    }

    /// The number of a name that has one.
    pub(super) fn known(&self, name: u64) -> Option<u32> {
        match self.place(name) {
            Some(place) => self.near.get(place).copied().filter(|number| *number != NONE),
            None => self.far.get(&name).copied(),
        }
    }

    /// How many names have a number.
    pub(super) fn len(&self) -> usize {
        self.count as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_near_and_far_are_numbered_alike() {
        for first in [7, (1 << 40) + 1, u64::MAX] {
            let mut numbers = Numbers::of_about(2);
            let given = [first, 1 << 50, 0, first, 8, 1 << 50].map(|name| numbers.number(name));
            assert_eq!(given, [0, 1, 2, 0, 3, 1]);
            let known = [0, 8, 3, 9, 1 << 50, first].map(|name| numbers.known(name));
            assert_eq!(known, [Some(2), Some(3), None, None, Some(1), Some(0)]);
            assert_eq!(numbers.len(), 4);
        }
    }
}
