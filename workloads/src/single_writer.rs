//! Keys that have one writer each: a store without compare-and-set keeps the versions of a key in one order only if no
//! two clients write it at the same time.
//!
//! A few client processes own one key each, and only the owner writes it; all others read. An owner gives its key up
//! for good when it ends (after an `info` its last write may still arrive, so no other process may write the key) or
//! when the key has had its share of writes; a new key takes its place. Keys that were given up are still read now and
//! then.

use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::client::{Attempt, Completion, Operation};
use crate::meaning::{Corrupt, Meaning};
use crate::store::Store;
use crate::transaction::{self, Micro, TXN};
use crate::workload::{Invocation, Unique, Visit, Workload};

const FUNCTIONS: &[&str] = &[TXN];

/// A workload of transactions whose keys have one writer each: what it stores, and how it is read and changed.
pub(crate) trait SingleWriter {
    /// The workload's name at the command line.
    const NAME: &'static str;
    /// The function by which keys are changed.
    const CHANGE: &'static str;

    fn owned_keys(&self) -> &OwnedKeys;
    fn owned_keys_mut(&mut self) -> &mut OwnedKeys;

    /// Reads the transaction's key.
    async fn read(store: &dyn Store, node: &str, operation: &Operation, attempt: &Attempt) -> Completion;

    /// Changes the transaction's key: appends `argument` to it, or writes `argument`.
    async fn change(
        store: &dyn Store,
        node: &str,
        operation: &Operation,
        attempt: &Attempt,
        argument: u64,
    ) -> Completion;

    /// Reads stored bytes.
    fn decode(bytes: &[u8]) -> Result<Value, Corrupt>;
}

impl<T: SingleWriter + 'static> Workload for T {
    fn name(&self) -> &'static str {
        T::NAME
    }

    fn functions(&self) -> &'static [&'static str] {
        FUNCTIONS
    }

    fn keys(&self) -> Vec<String> {
        self.owned_keys().keys()
    }

    fn next(&mut self, rng: &mut ChaCha8Rng, process: u64) -> Invocation {
        self.owned_keys_mut().next(rng, process)
    }

    fn ended(&mut self, process: u64) {
        self.owned_keys_mut().ended(process);
    }

    fn final_visits(&self) -> Vec<Visit> {
        self.keys().into_iter().map(|key| Visit::once(transaction::read(key))).collect()
    }
}

/// A workload of transactions whose keys are one stored value each.
#[derive(Debug)]
pub(crate) struct Stored<T>(PhantomData<T>);

impl<T> Default for Stored<T> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T: SingleWriter> Meaning for Stored<T> {
    fn functions(&self) -> &'static [&'static str] {
        FUNCTIONS
    }

    fn perform<'a>(
        &'a self,
        store: &'a dyn Store,
        node: &'a str,
        operation: &'a Operation,
        attempt: &'a Attempt,
    ) -> LocalBoxFuture<'a, Completion> {
        match transaction::micro(operation, T::CHANGE) {
            Ok(Micro::Read) => T::read(store, node, operation, attempt).boxed_local(),
            Ok(Micro::Change(argument)) => T::change(store, node, operation, attempt, argument).boxed_local(),
            Err(completion) => futures::future::ready(completion).boxed_local(),
        }
    }

    fn decode(&self, bytes: &[u8]) -> Result<Value, Corrupt> {
        T::decode(bytes)
    }
}

/// The keys `prefix-0`, `prefix-1`, ..., and the process that owns each. In six operations of ten, a process that owns
/// a key or can get one writes it; all other operations read.
#[derive(Debug)]
pub(crate) struct OwnedKeys {
    prefix: &'static str,
    /// The function by which keys are changed.
    change: &'static str,
    unique: Unique,
    /// How many keys can have an owner at a time.
    width: usize,
    writes_per_key: u64,
    /// By process: the key that it owns now.
    owners: BTreeMap<u64, Owner>,
    /// The number of the next new key.
    next: u64,
}

#[derive(Clone, Copy, Debug)]
struct Owner {
    key: u64,
    writes: u64,
}

impl OwnedKeys {
    const CHANGE_PERCENT: u32 = 60;
    const OWN_READ_PERCENT: u32 = 40;

    /// At most `width` keys with an owner at a time, each for `writes_per_key` writes by the function `change`; both
    /// are at least 1.
    pub(crate) fn new(
        prefix: &'static str,
        change: &'static str,
        unique: Unique,
        width: u64,
        writes_per_key: u64,
    ) -> Self {
        let width = usize::try_from(width.max(1)).unwrap_or(usize::MAX);
        let writes_per_key = writes_per_key.max(1);
        Self { prefix, change, unique, width, writes_per_key, owners: BTreeMap::new(), next: 0 }
    }

    /// The next transaction of a process: a write of the key that it owns or now gets, or a read.
    pub(crate) fn next(&mut self, rng: &mut ChaCha8Rng, process: u64) -> Invocation {
        let changes = rng.random_ratio(Self::CHANGE_PERCENT, 100);
        let read = self.key_to_read(rng, process);
        let key = if changes || read.is_none() { self.key_to_write(process) } else { None };
        match (key, read) {
            (Some(key), _) => transaction::change(self.change, key, self.unique.next()),
            // Before the first write every process can get a key, so a read always has a key to name.
            (None, read) => transaction::read(read.unwrap_or_else(|| self.name(0))),
        }
    }

    /// The key that this process writes next; none if other processes own as many keys as are allowed.
    fn key_to_write(&mut self, process: u64) -> Option<String> {
        let full = self.owners.get(&process).is_some_and(|owner| owner.writes >= self.writes_per_key);
        if full {
            self.owners.remove(&process);
        }
        if !self.owners.contains_key(&process) {
            if self.owners.len() >= self.width {
                return None;
            }
            self.owners.insert(process, Owner { key: self.next, writes: 0 });
            self.next += 1;
        }
        debug_assert!(self.each_key_has_one_owner(), "a key with two writers: {:?}", self.owners);
        let owner = self.owners.get_mut(&process)?;
        owner.writes += 1;
        let key = owner.key;
        Some(self.name(key))
    }

    fn each_key_has_one_owner(&self) -> bool {
        let keys: BTreeSet<u64> = self.owners.values().map(|owner| owner.key).collect();
        keys.len() == self.owners.len() && self.owners.len() <= self.width
    }

    /// A key to read: an owner often reads its own key; otherwise a key that has an owner, or sometimes any key that
    /// ever had one. None before the first write.
    fn key_to_read(&self, rng: &mut ChaCha8Rng, process: u64) -> Option<String> {
        if self.next == 0 {
            return None;
        }
        let own = self.owners.get(&process).filter(|_| rng.random_ratio(Self::OWN_READ_PERCENT, 100));
        if let Some(own) = own {
            return Some(self.name(own.key));
        }
        let owned = self.owners.values().nth(rng.random_range(0..=self.owners.len()));
        let key = owned.map_or_else(|| rng.random_range(0..self.next), |owner| owner.key);
        Some(self.name(key))
    }

    /// A process that has ended gives its key up.
    pub(crate) fn ended(&mut self, process: u64) {
        self.owners.remove(&process);
    }

    /// Every key that has or had an owner, oldest first.
    pub(crate) fn keys(&self) -> Vec<String> {
        (0..self.next).map(|key| self.name(key)).collect()
    }

    fn name(&self, key: u64) -> String {
        format!("{}-{key}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_writer_and_none_after_it() {
        let mut keys = OwnedKeys::new("k", "w", Unique::default(), 2, 3);
        let next = |keys: &mut OwnedKeys, process| keys.key_to_write(process);
        assert_eq!(next(&mut keys, 7).as_deref(), Some("k-0"));
        assert_eq!(next(&mut keys, 9).as_deref(), Some("k-1"));
        assert_eq!(next(&mut keys, 8), None, "two keys at a time");
        assert_eq!(next(&mut keys, 7).as_deref(), Some("k-0"));
        keys.ended(9);
        assert_eq!(next(&mut keys, 8).as_deref(), Some("k-2"), "the owner of k-1 has ended, and so has its key");
        assert_eq!(next(&mut keys, 7).as_deref(), Some("k-0"));
        assert_eq!(next(&mut keys, 7).as_deref(), Some("k-3"), "k-0 has had its three writes");
        assert_eq!(keys.keys(), ["k-0", "k-1", "k-2", "k-3"]);
    }
}
