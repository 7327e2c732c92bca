//! Several registers that are read and written together in transactions. They are not checked key by key, since a
//! transaction is about several registers at one moment. The general search decides them.

use super::machine::{Bonds, Machine};

/// One part of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    /// The register held the value.
    Read {
        /// The register's name.
        key: u32,
        /// What it held.
        value: u32,
    },
    /// The register holds the value from here on.
    Write {
        /// The register's name.
        key: u32,
        /// What it holds.
        value: u32,
    },
}

/// What was done: all parts take effect at one moment, in this order.
pub(crate) type Transaction = Vec<Part>;

/// Registers, all with the same initial value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MultiRegister(
    /// The initial value of each.
    pub u32,
);

impl Machine for MultiRegister {
    /// The registers that were written, with their values, by name.
    type State = Box<[(u32, u32)]>;
    type Action = Transaction;

    fn initial(&self) -> Self::State {
        Box::default()
    }

    fn step(&self, held: &Self::State, action: &Transaction) -> impl IntoIterator<Item = Self::State> {
        let mut held = held.to_vec();
        for part in action {
            match *part {
                Part::Read { key, value } => {
                    let at = held.binary_search_by_key(&key, |(key, _)| *key);
                    if at.map_or(self.0, |at| held[at].1) != value {
                        return None;
                    }
                }
                Part::Write { key, value } => match held.binary_search_by_key(&key, |(key, _)| *key) {
                    Ok(at) => held[at].1 = value,
                    Err(at) => held.insert(at, (key, value)),
                },
            }
        }
        Some(held.into())
    }

    fn only_reads(&self, action: &Transaction) -> bool {
        action.iter().all(|part| matches!(part, Part::Read { .. }))
    }

    fn bonds(&self, action: &Transaction) -> Option<Bonds> {
        let mut bonds = Bonds::default();
        for part in action {
            match *part {
                Part::Read { key, value } => bonds.takes.push(u64::from(key) << 32 | u64::from(value)),
                Part::Write { key, value } => bonds.gives.push(u64::from(key) << 32 | u64::from(value)),
            }
        }
        Some(bonds)
    }

    fn state_bytes(&self, state: &Self::State) -> usize {
        size_of_val::<[(u32, u32)]>(state) + size_of::<Self::State>()
    }
}
