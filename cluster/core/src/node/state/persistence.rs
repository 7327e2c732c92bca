//! What waits for the disk, and for which batch.

use std::collections::BTreeMap;

use super::buffer::Buffer;
use super::ops::{OpId, Origin};
use crate::api::{Effect, Reply};
use crate::bug::Bug;
use crate::ids::PersistId;
use crate::membership::History;
use crate::message::Tag;
use crate::row::RowWrite;
use crate::sequence::Sequence;
use crate::versions::KeyState;

/// So much may wait for the disk; while it does, no more is taken on.
const HELD_MAX: usize = 16 * 1024;

/// So many keys whose rows are on disk are remembered, and as many as have rows on their way there.
const KEYS_SYNCED_MAX: usize = 64;

/// What waits for a persist.
#[derive(Debug)]
pub(crate) enum Held {
    /// To be emitted as it is.
    Effect(Effect),
    /// A coordinated put whose local write this is.
    PutIsLocal(OpId),
    /// A coordinated get, with what this node itself holds.
    GetIsLocal(OpId, KeyState),
    /// A read of own rows that was asked for at this time on the monotonic clock, nanoseconds.
    ReadSince(u64),
    /// A history of the membership that this node will go by.
    History(History),
    /// An answer.
    Reply(Origin, Reply),
    /// The fences of this node's own round of reaping.
    FencesAreLocal(Tag),
}

#[derive(Debug)]
pub(crate) struct Persistence {
    /// The name that the batch under construction will have.
    next: PersistId,
    completed: Option<PersistId>,
    batch: Vec<RowWrite>,
    /// With the bug `ack-before-durable`: rows that nothing waits for, to be written some time later.
    late: Option<Vec<RowWrite>>,
    /// With the bug `ack-before-sync`: nothing waits for a sync.
    unsynced_will_do: bool,
    held: Sequence<PersistId, Vec<Held>>,
    held_count: usize,
    /// For each key written lately, the last batch that has a row of it: most keys that are written are written again soon.
    last_batch: BTreeMap<Vec<u8>, PersistId>,
    /// When there are so many, those whose rows are on disk are given up.
    last_batch_max: usize,
    /// Rows that are to be written some time later; what waits for a key has them written at once.
    pub buffer: Buffer,
}

impl Persistence {
    pub fn new(bug: Option<Bug>) -> Self {
        Self {
            next: PersistId(1),
            completed: None,
            batch: Vec::new(),
            late: (bug == Some(Bug::AckBeforeDurable)).then(Vec::new),
            unsynced_will_do: bug == Some(Bug::AckBeforeSync),
            held: Sequence::default(),
            held_count: 0,
            last_batch: BTreeMap::new(),
            last_batch_max: KEYS_SYNCED_MAX,
            buffer: Buffer::default(),
        }
    }

    /// Adds a write to the batch under construction; `key` is the client's key that it belongs to, if any.
    pub fn write(&mut self, key: Option<&[u8]>, write: RowWrite) {
        match (key, &mut self.late) {
            (Some(_), Some(late)) => late.push(write),
            (Some(key), None) => {
                self.buffer.forget(key, &write);
                self.batch.push(write);
                match self.last_batch.get_mut(key) {
                    Some(last) => {
                        assert!(*last <= self.next, "a row was counted to a batch that is not begun");
                        *last = self.next;
                    }
                    None => drop(self.last_batch.insert(key.to_vec(), self.next)),
                }
            }
            (None, _) => self.batch.push(write),
        }
    }

    /// Moves what the bug `ack-before-durable` held back into the batch under construction.
    pub fn flush_late(&mut self) {
        if let Some(late) = &mut self.late {
            self.batch.append(late);
        }
    }

    /// Holds something until every row of the key is on disk, or gives it back if that is so already.
    pub fn hold_for_key(&mut self, key: &[u8], held: Held) -> Option<Held> {
        self.flush_key(key);
        match self.unsynced(key) {
            None => Some(held),
            _ if self.unsynced_will_do => Some(held),
            Some(id) => {
                assert!(Some(id) > self.completed, "held for batch {id:?}, which is on disk: nothing would release it");
                assert!(id <= self.next, "held for batch {id:?}, which is not begun");
                self.held.or_default(id).push(held);
                self.held_count += 1;
                None
            }
        }
    }

    /// Moves the buffer's rows of a key into the batch under construction.
    pub fn flush_key(&mut self, key: &[u8]) {
        if self.buffer.waiting() == 0 {
            return;
        }
        for write in self.buffer.take(key) {
            self.write(Some(key), write);
        }
    }

    /// Moves everything in the buffer into the batch under construction.
    pub fn flush_buffer(&mut self) {
        for (key, writes) in self.buffer.take_all(self.next) {
            writes.into_iter().for_each(|write| self.write(Some(&key), write));
        }
    }

    /// Whether the first batch of this life is on disk.
    pub fn has_completed(&self) -> bool {
        self.completed.is_some()
    }

    /// Holds something until the batch under construction is on disk; there must be one.
    pub fn hold_for_batch(&mut self, held: Held) {
        assert!(!self.batch.is_empty(), "held for an empty batch: nothing would release it");
        self.held.or_default(self.next).push(held);
        self.held_count += 1;
    }

    /// Of these keys the one whose rows will be on disk last; none if all are there.
    pub fn last_unsynced<'a>(&self, keys: impl Iterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
        keys.filter_map(|key| Some((self.unsynced(key)?, key))).max().map(|(_, key)| key)
    }

    /// Whether rows of the key are still on their way to disk, or have not set out.
    pub fn is_unsynced(&self, key: &[u8]) -> bool {
        self.unsynced(key).is_some() || self.buffer.has(key)
    }

    /// The last batch that has a row of the key, unless all of them are on disk.
    fn unsynced(&self, key: &[u8]) -> Option<PersistId> {
        if self.batch.is_empty() && self.under_way() == 0 {
            return None;
        }
        self.last_batch.get(key).copied().filter(|last| Some(*last) > self.completed)
    }

    /// Closes the batch under construction.
    pub fn take_batch(&mut self) -> Option<(PersistId, Vec<RowWrite>)> {
        if self.batch.is_empty() {
            return None;
        }
        let id = self.next;
        assert!(Some(id) > self.completed, "batch {id:?} was reported as persisted before it was handed out");
        self.next = PersistId(id.0 + 1);
        Some((id, std::mem::take(&mut self.batch)))
    }

    /// This batch and all before it are on disk; returns what was held for them, in order.
    pub fn complete(&mut self, id: PersistId) -> Vec<Held> {
        assert!(id < self.next, "batch {id:?} is reported as persisted and was never handed out");
        self.completed = self.completed.max(Some(id));
        self.buffer.complete(id);
        if self.last_batch.len() >= self.last_batch_max {
            self.last_batch.retain(|_, last| Some(*last) > self.completed);
            self.last_batch_max = 2 * self.last_batch.len() + KEYS_SYNCED_MAX;
        }
        let mut released = self.held.pop_up_to(id).unwrap_or_default();
        while let Some(mut more) = self.held.pop_up_to(id) {
            released.append(&mut more);
        }
        assert!(released.len() <= self.held_count, "more was released than is held");
        self.held_count -= released.len();
        debug_assert!(
            self.held.keys().next().is_none_or(|first| Some(first) > self.completed),
            "a completed persist releases all that waits for it"
        );
        released
    }

    /// How much waits for the disk.
    pub fn held(&self) -> usize {
        self.held_count
    }

    /// Whether so much waits for the disk that no more may be taken on.
    pub fn is_full(&self) -> bool {
        self.held_count >= HELD_MAX
    }

    /// Batches that were handed out and have not completed.
    pub fn under_way(&self) -> u64 {
        self.next.0 - 1 - self.completed.map_or(0, |id| id.0)
    }
}
