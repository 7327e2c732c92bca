//! Which operations rely on which, by the names that they give and take ([`Bonds`]), for histories of any length.
//!
//! Names are numbered in the order in which they first occur. So what is known of a name lies near what is known of the
//! operations that use it, and a walk through the operations is one through memory, too.

use super::machine::Bonds;
use super::numbers::Numbers;

/// Lists of numbers, one after the other in one vector.
#[derive(Debug)]
pub(crate) struct Lists {
    /// Where each list ends.
    ends: Vec<u32>,
    all: Vec<u32>,
}

impl Lists {
    /// No list yet, with room for so many.
    pub(super) fn with_room(lists: usize) -> Self {
        Self { ends: Vec::with_capacity(lists), all: Vec::with_capacity(lists) }
    }

    /// Adds a list.
    pub(super) fn push(&mut self, list: impl IntoIterator<Item = u32>) {
        self.all.extend(list);
        self.ends.push(self.all.len() as u32);
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    /// The list with this number.
    pub(super) fn of(&self, at: usize) -> &[u32] {
        let from = if at == 0 { 0 } else { self.ends[at - 1] as usize };
        &self.all[from..self.ends[at] as usize]
    }

    /// For each number below `below`, ascending, the lists that contain it: a counting sort.
    pub(super) fn inverted(&self, below: usize) -> Self {
        let mut ends = vec![0u32; below + 1];
        for number in &self.all {
            ends[*number as usize + 1] += 1;
        }
        for at in 1..ends.len() {
            ends[at] += ends[at - 1];
        }
        // Each entry is where its list begins, and becomes where it ends while it is filled.
        ends.pop();
        let mut all = vec![0u32; self.all.len()];
        for at in 0..self.len() {
            for number in self.of(at) {
                let end = &mut ends[*number as usize];
                all[*end as usize] = at as u32;
                *end += 1;
            }
        }
        Self { ends, all }
    }
}

/// What each of some operations gives and takes. Operations are called by their positions.
#[derive(Debug)]
pub(crate) struct Reliance {
    gives: Lists,
    takes: Lists,
    /// Operations without bonds.
    is_free: Vec<bool>,
    /// How many names there are.
    names: usize,
}

impl Reliance {
    /// Of operations with these bonds. One without bonds gives and takes nothing.
    pub(super) fn new(bonds: impl ExactSizeIterator<Item = Option<Bonds>>) -> Self {
        let operations = bonds.len();
        let (mut gives, mut takes) = (Lists::with_room(operations), Lists::with_room(operations));
        let mut is_free = Vec::with_capacity(operations);
        let mut numbers = Numbers::of_about(operations);
        for bonds in bonds {
            is_free.push(bonds.is_none());
            let Bonds { gives: given, takes: taken } = bonds.unwrap_or_default();
            gives.push(given.into_iter().map(|name| numbers.number(name)));
            takes.push(taken.into_iter().map(|name| numbers.number(name)));
        }
        Self { gives, takes, is_free, names: numbers.len() }
    }

    /// How many operations there are.
    pub(super) fn operations(&self) -> usize {
        self.is_free.len()
    }

    /// Whether an operation has no bonds.
    pub(super) fn is_free(&self, operation: usize) -> bool {
        self.is_free[operation]
    }

    /// How many names there are.
    pub(super) fn names(&self) -> usize {
        self.names
    }

    /// The names that an operation gives.
    pub(super) fn given_by(&self, operation: usize) -> &[u32] {
        self.gives.of(operation)
    }

    /// For each name, the operations that take it.
    pub(super) fn takers(&self) -> Lists {
        self.takes.inverted(self.names)
    }

    /// The same of some of the operations, given by ascending positions.
    pub(super) fn only(self, kept: &[u32]) -> Self {
        const NONE: u32 = u32::MAX;
        if kept.len() == self.operations() {
            return self;
        }
        let (mut gives, mut takes) = (Lists::with_room(kept.len()), Lists::with_room(kept.len()));
        let (mut numbers, mut names) = (vec![NONE; self.names], 0);
        for at in kept.iter().map(|at| *at as usize) {
            let mut number = |name: &u32| {
                let number = &mut numbers[*name as usize];
                if *number == NONE {
                    *number = names;
                    names += 1;
                }
                *number
            };
            gives.push(self.gives.of(at).iter().map(&mut number));
            takes.push(self.takes.of(at).iter().map(number));
        }
        let is_free = kept.iter().map(|at| self.is_free[*at as usize]).collect();
        Self { gives, takes, is_free, names: names as usize }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bonds(gives: &[u64], takes: &[u64]) -> Option<Bonds> {
        Some(Bonds { gives: gives.to_vec(), takes: takes.to_vec() })
    }

    #[test]
    fn names_lead_to_the_operations_that_take_them() {
        let all = [bonds(&[70], &[]), None, bonds(&[9, 70], &[9]), bonds(&[], &[70, 9])];
        let reliance = Reliance::new(all.into_iter());
        assert_eq!((reliance.operations(), reliance.names()), (4, 2));
        assert_eq!([0, 1, 2, 3].map(|at| reliance.is_free(at)), [false, true, false, false]);
        assert_eq!((reliance.given_by(0), reliance.given_by(2)), (&[0][..], &[1, 0][..]));
        let takers = reliance.takers();
        assert_eq!((takers.of(0), takers.of(1)), (&[3][..], &[2, 3][..]));
    }

    #[test]
    fn some_of_the_operations_have_only_their_own_names() {
        let all = [bonds(&[5], &[]), bonds(&[6], &[7]), bonds(&[7], &[6]), None];
        let some = Reliance::new(all.into_iter()).only(&[1, 2]);
        assert_eq!((some.operations(), some.names()), (2, 2));
        assert_eq!((some.given_by(0), some.given_by(1)), (&[0][..], &[1][..]));
        let takers = some.takers();
        assert_eq!((takers.of(0), takers.of(1)), (&[1][..], &[0][..]));
    }
}
