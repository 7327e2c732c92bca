//! The rows of the write buffer.

use std::collections::BTreeMap;

use crate::ids::PersistId;
use crate::row::{RowWrite, Table};

/// The last write of each row that one of the client's keys has.
type RowsOfKey = BTreeMap<(Table, Vec<u8>), RowWrite>;

/// Rows that are in memory only, and those on their way from there to disk.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    /// By the client's key.
    rows: BTreeMap<Vec<u8>, RowsOfKey>,
    count: usize,
    /// How many rows each batch that is under way has from the buffer.
    flushing: BTreeMap<PersistId, usize>,
}

impl Buffer {
    /// Keeps a write in place of an earlier one of its row.
    pub fn keep(&mut self, key: &[u8], write: RowWrite) {
        let rows = self.rows.entry(key.to_vec()).or_default();
        let before = rows.insert((write.table, write.key.clone()), write);
        self.count += usize::from(before.is_none());
    }

    /// The row is written otherwise: what is kept of it is out of date.
    pub fn forget(&mut self, key: &[u8], write: &RowWrite) {
        let Some(rows) = self.rows.get_mut(key) else { return };
        self.count -= usize::from(rows.remove(&(write.table, write.key.clone())).is_some());
        if rows.is_empty() {
            self.rows.remove(key);
        }
    }

    /// Takes out the rows of a key.
    pub fn take(&mut self, key: &[u8]) -> Vec<RowWrite> {
        let writes: Vec<RowWrite> = self.rows.remove(key).into_iter().flat_map(BTreeMap::into_values).collect();
        assert!(writes.len() <= self.count, "more rows leave the buffer than it holds");
        self.count -= writes.len();
        writes
    }

    /// Takes out everything, for a batch.
    pub fn take_all(&mut self, batch: PersistId) -> Vec<(Vec<u8>, Vec<RowWrite>)> {
        let rows_held = || self.rows.values().map(BTreeMap::len).sum::<usize>();
        debug_assert_eq!(self.count, rows_held(), "the buffer counts its rows");
        assert!(
            self.flushing.last_key_value().is_none_or(|(last, _)| *last <= batch),
            "rows are flushed into the batch under construction, which is the last"
        );
        *self.flushing.entry(batch).or_default() += std::mem::take(&mut self.count);
        let rows = std::mem::take(&mut self.rows);
        rows.into_iter().map(|(key, rows)| (key, rows.into_values().collect())).collect()
    }

    /// This batch and all before it are on disk.
    pub fn complete(&mut self, batch: PersistId) {
        while self.flushing.first_key_value().is_some_and(|(first, _)| *first <= batch) {
            self.flushing.pop_first();
        }
    }

    /// Whether a row of the key is in memory only.
    pub fn has(&self, key: &[u8]) -> bool {
        self.rows.contains_key(key)
    }

    /// Rows in memory only.
    pub fn waiting(&self) -> usize {
        self.count
    }

    /// Rows that are not known to be on disk.
    pub fn depth(&self) -> usize {
        self.count + self.flushing.values().sum::<usize>()
    }
}
