//! Names as numbers from 0 on, in the order in which they are first asked for.

use rustc_hash::FxHashMap;

/// No number.
const NONE: u32 = u32::MAX;

/// The numbers of some names. Names that are small beside the count that is expected have a table, since a hash table of
/// as many is several times as large, and scatters what lies together.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// By name.
    near: Vec<u32>,
    far: FxHashMap<u64, u32>,
    /// Names from this on are far.
    far_from: u64,
    count: u32,
}

impl Numbers {
    /// Of about so many names.
    pub(super) fn of_about(names: usize) -> Self {
        Self { far_from: 4 * names as u64, ..Self::default() }
    }

    /// The number of a name, which gets the next one if it has none.
    pub(super) fn number(&mut self, name: u64) -> u32 {
        let number = match name < self.far_from {
            true => {
                let name = name as usize;
                if self.near.len() <= name {
                    self.near.resize(name + 1, NONE);
                }
                &mut self.near[name]
            }
            false => self.far.entry(name).or_insert(NONE),
        };
        if *number == NONE {
            *number = self.count;
            self.count += 1;
        }
        *number
    }

    /// The number of a name that has one.
    pub(super) fn known(&self, name: u64) -> Option<u32> {
        match name < self.far_from {
            true => self.near.get(name as usize).copied().filter(|number| *number != NONE),
            false => self.far.get(&name).copied(),
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
        let mut numbers = Numbers::of_about(2);
        let given = [7, 1 << 40, 0, 7, 8, 1 << 40].map(|name| numbers.number(name));
        assert_eq!(given, [0, 1, 2, 0, 3, 1]);
        assert_eq!([0, 8, 3, 9, 1 << 40].map(|name| numbers.known(name)), [Some(2), Some(3), None, None, Some(1)]);
        assert_eq!(numbers.len(), 4);
    }
}
