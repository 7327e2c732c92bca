//! Keys that have one writer each: a store without compare-and-set keeps the versions of a key in one order only if nobody
//! writes at the same time.
//!
//! A few client processes own a key each, and alone write it; all others read. A key is given up for good when its owner
//! ends (an `info`: its last write may still arrive, so nobody may write after it) or when it has had its share of writes,
//! and a new key takes its place. Keys that were given up are still read now and then.

use std::collections::BTreeMap;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::store::Store;
use crate::transaction::{self, Micro};
use crate::workload::{Attempt, Completion, Corrupt, Invocation, Unique, Workload};

/// A workload of transactions whose keys have one writer each: what it stores, and how it is read and changed.
pub(crate) trait SingleWriter {
    /// As at the command line.
    const NAME: &'static str;

    fn owned(&self) -> &Owned;
    fn owned_mut(&mut self) -> &mut Owned;

    /// Reads the transaction's key.
    async fn read(store: &dyn Store, node: &str, invocation: &Invocation) -> Completion;

    /// Appends to it, or writes it.
    async fn change(
        store: &dyn Store,
        node: &str,
        invocation: &Invocation,
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

    fn keys(&self) -> Vec<String> {
        self.owned().keys()
    }

    fn next(&mut self, rng: &mut ChaCha8Rng, process: u64) -> Invocation {
        self.owned_mut().next(rng, process)
    }

    fn perform<'a>(
        &self,
        store: &'a dyn Store,
        node: &'a str,
        invocation: &'a Invocation,
        attempt: &'a Attempt,
    ) -> LocalBoxFuture<'a, Completion> {
        match self.owned().micro(invocation) {
            Ok(Micro::Read) => T::read(store, node, invocation).boxed_local(),
            Ok(Micro::Change(argument)) => T::change(store, node, invocation, attempt, argument).boxed_local(),
            Err(completion) => futures::future::ready(completion).boxed_local(),
        }
    }

    fn ended(&mut self, process: u64) {
        self.owned_mut().ended(process);
    }

    fn decode(&self, bytes: &[u8]) -> Result<Value, Corrupt> {
        T::decode(bytes)
    }

    fn final_read(&self, key: &str) -> Invocation {
        transaction::read(key.to_owned())
    }
}

/// The keys `prefix-0`, `prefix-1`, ..., and who owns them. Of six operations of ten a process that owns a key, or may own
/// one, changes it; all others read.
#[derive(Debug)]
pub(crate) struct Owned {
    prefix: &'static str,
    /// The function by which keys are changed.
    change: &'static str,
    unique: Unique,
    width: usize,
    writes_per_key: u64,
    /// By process.
    owners: BTreeMap<u64, Owner>,
    next: u64,
}

#[derive(Clone, Copy, Debug)]
struct Owner {
    key: u64,
    writes: u64,
}

impl Owned {
    const CHANGE_PERCENT: u32 = 60;
    const OWN_READ_PERCENT: u32 = 40;

    /// `width` keys with an owner at a time, each for `writes_per_key` writes, by the function `change`; at least one of
    /// either.
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

    /// The next transaction of a process: a change of the key that it owns or now gets; else, and where there is none to be
    /// had, a read.
    pub(crate) fn next(&mut self, rng: &mut ChaCha8Rng, process: u64) -> Invocation {
        let changes = rng.random_ratio(Self::CHANGE_PERCENT, 100);
        let read = self.key_to_read(rng, process);
        let key = if changes || read.is_none() { self.key_to_write(process) } else { None };
        match (key, read) {
            (Some(key), _) => transaction::change(self.change, key, self.unique.next()),
            // Without a key that was ever owned there is one to be had.
            (None, read) => transaction::read(read.unwrap_or_else(|| self.name(0))),
        }
    }

    /// The key that this process is to write next; none if others own as many as there may be.
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
        let owner = self.owners.get_mut(&process)?;
        owner.writes += 1;
        let key = owner.key;
        Some(self.name(key))
    }

    /// A key to read: for an owner often its own; one that is owned, or sometimes any that ever was. None before the first
    /// write.
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

    /// What it does: read, or a change with its argument; a completion for anything else.
    pub(crate) fn micro(&self, invocation: &Invocation) -> Result<Micro, Completion> {
        transaction::micro(invocation, self.change)
    }

    /// An owner that has ended gives its key up.
    pub(crate) fn ended(&mut self, process: u64) {
        self.owners.remove(&process);
    }

    /// Every key that is or was owned, oldest first.
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
        let mut owned = Owned::new("k", "w", Unique::default(), 2, 3);
        let next = |owned: &mut Owned, process| owned.key_to_write(process);
        assert_eq!(next(&mut owned, 7).as_deref(), Some("k-0"));
        assert_eq!(next(&mut owned, 9).as_deref(), Some("k-1"));
        assert_eq!(next(&mut owned, 8), None, "two keys at a time");
        assert_eq!(next(&mut owned, 7).as_deref(), Some("k-0"));
        owned.ended(9);
        assert_eq!(next(&mut owned, 8).as_deref(), Some("k-2"), "the owner of k-1 has ended, and so has its key");
        assert_eq!(next(&mut owned, 7).as_deref(), Some("k-0"));
        assert_eq!(next(&mut owned, 7).as_deref(), Some("k-3"), "k-0 has had its three writes");
        assert_eq!(owned.keys(), ["k-0", "k-1", "k-2", "k-3"]);
    }
}
