//! Several registers that are read and written together in transactions. They are not checked key by key, since a
//! transaction is about several registers at one moment. The general search decides them.

use rustc_hash::{FxHashMap, FxHashSet};

use super::machine::{Bonds, Machine, Relation, Timed};

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

impl Part {
    fn written(&self, of: u32) -> Option<u32> {
        match *self {
            Part::Write { key, value } if key == of => Some(value),
            _ => None,
        }
    }
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

    const RELATES: bool = true;

    fn relation(&self, first: &Transaction, second: &Transaction) -> Relation {
        let writes = |action: &Transaction, key| action.iter().any(|part| part.written(key).is_some());
        let reads = |action: &Transaction, of: &Transaction| {
            action.iter().any(|part| matches!(part, Part::Read { key, .. } if writes(of, *key)))
        };
        if reads(second, first) || reads(first, second) {
            return Relation::Depends;
        }
        let (mut common, mut all) = (false, true);
        for part in first {
            match *part {
                Part::Write { key, .. } if writes(second, key) => common = true,
                _ => all = false,
            }
        }
        match (common, all) {
            (false, _) => Relation::Commutes,
            (true, true) => Relation::Hides,
            (true, false) => Relation::Depends,
        }
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

/// Simplifies the operations for the general search. Values that nobody read become one, so that registers that hold any
/// of them are alike; and operations that never completed and wrote no other value are left out, as they need not have
/// happened.
///
/// Why that is sound: take an order with such an operation. Whoever reads one of its registers later, before the next
/// write of that register, would read its value; nobody does, so nobody looks at these registers in between, and the
/// order is as good without it. Of one that never completed only the writes are known, so it relies on nothing itself. What
/// a transaction reads of its own writes it did not read from another.
pub(crate) fn simplified(operations: &[Timed<Transaction>]) -> Vec<Timed<Transaction>> {
    let mut read: FxHashSet<(u32, u32)> = FxHashSet::default();
    for operation in operations {
        read.extend(operation.action.iter().filter_map(|part| match *part {
            Part::Read { key, value } if operation.completed() => Some((key, value)),
            _ => None,
        }));
    }
    // Some value that was not read: of each register any will do.
    let mut unread: FxHashMap<u32, u32> = FxHashMap::default();
    let mut simple = Vec::with_capacity(operations.len());
    for operation in operations {
        let mut useless = !operation.completed();
        let mut action = operation.action.clone();
        for part in &mut action {
            let Part::Write { key, value } = part else { continue };
            match read.contains(&(*key, *value)) {
                true => useless = false,
                false => *value = *unread.entry(*key).or_insert(*value),
            }
        }
        if !useless {
            simple.push(Timed { action, ..*operation });
        }
    }
    simple
}
