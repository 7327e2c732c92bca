//! A disk with two images: what has been written, and what would survive.
//!
//! A batch is on its way until its completion is reported. A crash before that leaves the disk free: it keeps the
//! batches up to some point, in order, each wholly or not at all (the engines' transactions are atomic), and has lost
//! the rest.

use std::collections::{BTreeMap, VecDeque};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::api::{PersistId, Row, Table, Write};

/// The disks' habits.
#[derive(Clone, Debug)]
pub struct DiskSettings {
    /// The least time a batch takes, nanoseconds.
    pub latency_min_ns: u64,
    /// The greatest.
    pub latency_max_ns: u64,
}

impl Default for DiskSettings {
    fn default() -> Self {
        Self { latency_min_ns: 100_000, latency_max_ns: 3_000_000 }
    }
}

impl DiskSettings {
    pub(super) fn latency_ns(&self, rng: &mut ChaCha8Rng) -> u64 {
        rng.random_range(self.latency_min_ns..=self.latency_max_ns)
    }
}

/// One node's disk.
#[derive(Debug, Default)]
pub(super) struct Disk {
    durable: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    under_way: VecDeque<(PersistId, Vec<Write>)>,
    busy_until_ns: u64,
}

impl Disk {
    /// Takes a batch; returns when it will be durable, never before an earlier batch.
    pub fn begin(&mut self, id: PersistId, writes: Vec<Write>, at_ns: u64) -> u64 {
        self.busy_until_ns = self.busy_until_ns.max(at_ns);
        self.under_way.push_back((id, writes));
        self.busy_until_ns
    }

    /// The batch, and every batch before it, is durable.
    pub fn complete(&mut self, id: PersistId) {
        while self.under_way.front().is_some_and(|(first, _)| *first <= id) {
            self.apply_first();
        }
    }

    /// Loses what is under way, but for as many batches as chance has it.
    pub fn crash(&mut self, rng: &mut ChaCha8Rng) {
        let kept = rng.random_range(0..=self.under_way.len());
        for _ in 0..kept {
            self.apply_first();
        }
        self.under_way.clear();
        self.busy_until_ns = 0;
    }

    /// What a node finds when it starts.
    pub fn rows(&self) -> Vec<Row> {
        let row = |((table, key), value): (&(Table, Vec<u8>), &Vec<u8>)| Row {
            table: *table,
            key: key.clone(),
            value: value.clone(),
        };
        self.durable.iter().map(row).collect()
    }

    fn apply_first(&mut self) {
        let Some((_, writes)) = self.under_way.pop_front() else {
            return;
        };
        for Write { table, key, value } in writes {
            match value {
                Some(value) => self.durable.insert((table, key), value),
                None => self.durable.remove(&(table, key)),
            };
        }
    }
}
