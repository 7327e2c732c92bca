//! A disk: the rows that are safe, and behind them a log of batches whose sync has not been reported.
//!
//! ```text
//!   begin ─► log │ batch │ batch │ batch │        sync reported ─► its rows are safe
//!                   kept    torn    kept          crash: each is kept, torn or lost, as chance has it
//!                 ├─ read ─┤                      recovery: up to the first whose checksum does not match
//! ```
//! A drive writes what is not synced in any order, so a batch may be whole although one before it is not. It is given
//! up all the same: what a node finds is always the rows after some whole number of its batches, in order, as with the
//! engines, whose transactions are atomic. A sync that fails is reported once and ends the node; what became of the log
//! is as unknown as after a crash, so it is settled in the same way. A row that is safe can still rot: a bit of
//! it turns over, which the row's own checksum shows when the node starts.

use std::collections::{BTreeMap, VecDeque};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::latency::Latency;
use crate::ids::PersistId;
use crate::row::{Body, Row, RowWrite, Table, Write};

const RECORD_FORMAT: u8 = 1;
/// Format, length and checksum of a record.
const HEAD_BYTES: usize = 1 + 4 + 4;

/// The disks' habits.
#[derive(Clone, Debug)]
pub struct DiskSettings {
    /// The least time a batch takes, nanoseconds.
    pub latency_min_ns: u64,
    /// The greatest.
    pub latency_max_ns: u64,
    /// For how long each row of a batch keeps the disk busy, nanoseconds: it does not write any number of rows at once.
    pub row_ns: u64,
    /// Of the batches that are not synced when a node crashes, the share that is on the disk all the same, 0 to 1.
    pub kept: f64,
    /// The share that is there in part; the rest is lost.
    pub torn: f64,
    /// Share of syncs that fail, 0 to 1. Each ends its node, which stays down until somebody starts it.
    pub sync_failure: f64,
    /// What a batch takes, instead of a uniform time.
    pub latency: Option<Latency>,
}

impl Default for DiskSettings {
    fn default() -> Self {
        Self {
            latency_min_ns: 100_000,
            latency_max_ns: 3_000_000,
            row_ns: 0,
            kept: 0.5,
            torn: 0.25,
            sync_failure: 0.0,
            latency: None,
        }
    }
}

impl DiskSettings {
    pub(super) fn latency_ns(&self, rng: &mut ChaCha8Rng) -> u64 {
        match &self.latency {
            Some(latency) => latency.draw_ns(rng),
            None => rng.random_range(self.latency_min_ns..=self.latency_max_ns),
        }
    }

    /// No draw where it cannot matter.
    pub(super) fn sync_fails(&self, rng: &mut ChaCha8Rng) -> bool {
        self.sync_failure > 0.0 && rng.random_bool(self.sync_failure)
    }
}

/// What has happened to a node's disk since the world began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskCounters {
    /// Batches that were not synced at a crash, and are there all the same.
    pub kept: u64,
    /// Batches that were given up at a crash, torn ones included.
    pub lost: u64,
    /// Batches that were there in part.
    pub torn: u64,
    /// Syncs that failed.
    pub failed_syncs: u64,
    /// Rows in which a bit has turned over.
    pub rotten_rows: u64,
    /// Damaged rows that the node was started without.
    pub dropped_rows: u64,
    /// Rows that an emptied disk had held.
    pub wiped_rows: u64,
}

/// One node's disk.
#[derive(Debug, Default)]
pub(super) struct Disk {
    /// Rows are encoded when their bytes matter: at a crash, at a start, when they rot.
    durable: BTreeMap<(Table, Vec<u8>), Body>,
    under_way: VecDeque<(PersistId, Vec<RowWrite>)>,
    busy_until_ns: u64,
    /// Whether every sync fails from now on.
    pub is_failing: bool,
    pub counters: DiskCounters,
}

impl Disk {
    /// Takes a batch; returns when it will be durable, never before an earlier batch.
    pub fn begin(&mut self, id: PersistId, writes: Vec<RowWrite>, at_ns: u64) -> u64 {
        self.busy_until_ns = self.busy_until_ns.max(at_ns);
        assert!(self.under_way.back().is_none_or(|(last, _)| *last < id), "batch {id:?} comes after a later one");
        self.under_way.push_back((id, writes));
        self.busy_until_ns
    }

    /// A batch keeps the disk busy for so long, once it is through with those before it.
    pub fn occupy(&mut self, now_ns: u64, busy_ns: u64) {
        self.busy_until_ns = self.busy_until_ns.max(now_ns) + busy_ns;
    }

    /// The batch, and every batch before it, is durable.
    pub fn complete(&mut self, id: PersistId) {
        while self.under_way.front().is_some_and(|(first, _)| *first <= id) {
            let (_, writes) = self.under_way.pop_front().expect("there is a first");
            self.apply(writes);
        }
    }

    /// Settles what becomes of the batches under way, by writing the log, damaging it, and reading it back.
    pub fn crash(&mut self, settings: &DiskSettings, rng: &mut ChaCha8Rng) {
        let mut log = Vec::new();
        let batches = self.under_way.len() as u64;
        for (_, writes) in std::mem::take(&mut self.under_way) {
            let mut record = encode(writes);
            let fate = rng.random_range(0.0..1.0);
            if fate >= settings.kept + settings.torn {
                record.fill(0);
            } else if fate >= settings.kept {
                let whole = rng.random_range(0..record.len());
                record[whole..].fill(0);
                self.counters.torn += 1;
            }
            log.extend(record);
        }
        let mut kept = 0;
        let mut rest = log.as_slice();
        while let Some((writes, behind)) = decode_first(rest) {
            self.apply(writes.into_iter().map(RowWrite::from).collect());
            (rest, kept) = (behind, kept + 1);
        }
        assert!(kept <= batches, "{kept} batches are found in a log of {batches}");
        self.counters.kept += kept;
        self.counters.lost += batches - kept;
        self.busy_until_ns = 0;
    }

    /// Turns over one bit in each of so many rows of the main store and the hint store, or in as many as there are.
    /// Returns in how many.
    pub fn rot(&mut self, rows: usize, rng: &mut ChaCha8Rng) -> usize {
        let held = |((table, _), _): &(&(Table, Vec<u8>), &mut Body)| *table != Table::Meta;
        let mut sound: Vec<(&(Table, Vec<u8>), &mut Body)> = self.durable.iter_mut().filter(held).collect();
        let rotten = rows.min(sound.len());
        for _ in 0..rotten {
            let ((table, key), body) = sound.swap_remove(rng.random_range(0..sound.len()));
            let mut row = body.clone().into_bytes(*table, key);
            let byte = rng.random_range(0..row.len());
            row[byte] ^= 1 << rng.random_range(0..8);
            *body = Body::Encoded(row);
        }
        self.counters.rotten_rows += rotten as u64;
        rotten
    }

    /// Takes everything off it.
    pub fn wipe(&mut self) {
        self.counters.wiped_rows += self.durable.len() as u64;
        self.durable.clear();
        self.under_way.clear();
        self.busy_until_ns = 0;
    }

    /// How much lies on it safely, keys and rows.
    pub fn bytes(&self) -> u64 {
        self.rows().iter().map(|row| (row.key.len() + row.value.len()) as u64).sum()
    }

    /// What a node finds when it starts.
    pub fn rows(&self) -> Vec<Row> {
        let row = |((table, key), body): (&(Table, Vec<u8>), &Body)| Row {
            table: *table,
            key: key.clone(),
            value: body.clone().into_bytes(*table, key),
        };
        self.durable.iter().map(row).collect()
    }

    fn apply(&mut self, writes: Vec<RowWrite>) {
        for RowWrite { table, key, body } in writes {
            match body {
                Some(body) => self.durable.insert((table, key), body),
                None => self.durable.remove(&(table, key)),
            };
        }
    }
}

/// A batch as it lies in the log: a format (so that zeros are no record), the length of the body, its checksum, and the
/// body.
fn encode(writes: Vec<RowWrite>) -> Vec<u8> {
    let writes: Vec<Write> = writes.into_iter().map(RowWrite::encoded).collect();
    let mut record = postcard::to_extend(&writes, vec![0; HEAD_BYTES]).expect("writes are plain data");
    let (head, body) = record.split_at_mut(HEAD_BYTES);
    head[0] = RECORD_FORMAT;
    head[1..5].copy_from_slice(&(body.len() as u32).to_le_bytes());
    head[5..].copy_from_slice(&crc32fast::hash(body).to_le_bytes());
    record
}

/// The first batch of a log, if it is whole, and the log behind it.
fn decode_first(log: &[u8]) -> Option<(Vec<Write>, &[u8])> {
    let (head, rest) = log.split_first_chunk::<HEAD_BYTES>()?;
    let [RECORD_FORMAT, a, b, c, d, crc @ ..] = *head else { return None };
    let (body, behind) = rest.split_at_checked(u32::from_le_bytes([a, b, c, d]) as usize)?;
    let is_whole = crc32fast::hash(body) == u32::from_le_bytes(crc);
    is_whole.then(|| postcard::from_bytes(body).ok()).flatten().map(|writes| (writes, behind))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn put(key: u8) -> Write {
        Write { table: Table::Data, key: vec![key], value: Some(vec![key; 40]) }
    }

    /// A disk with three rows that are safe and five batches that are not.
    fn disk() -> Disk {
        let mut disk = Disk::default();
        for id in 1..=8 {
            disk.begin(PersistId(id), vec![put(id as u8).into()], id);
        }
        disk.complete(PersistId(3));
        disk
    }

    fn keys(disk: &Disk) -> Vec<u8> {
        disk.rows().iter().map(|row| row.key[0]).collect()
    }

    #[test]
    fn a_crash_keeps_whole_batches_in_order_and_never_loses_a_synced_one() {
        let mut seen = std::collections::BTreeSet::new();
        let mut torn = 0;
        for seed in 0..500 {
            let mut disk = disk();
            disk.crash(&DiskSettings::default(), &mut ChaCha8Rng::seed_from_u64(seed));
            let kept = keys(&disk);
            assert_eq!(kept, (1..=kept.len() as u8).collect::<Vec<_>>(), "seed {seed}: a gap");
            assert!(kept.len() >= 3, "seed {seed}: {kept:?}");
            assert!(disk.rows().iter().all(|row| row.value == vec![row.key[0]; 40]), "seed {seed}: a torn row");
            assert_eq!(disk.counters.kept + disk.counters.lost, 5);
            torn += disk.counters.torn;
            seen.insert(kept.len());
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [3, 4, 5, 6, 7, 8], "every fate comes up");
        assert!(torn > 400, "{torn} torn batches");
    }

    #[test]
    fn a_batch_behind_a_torn_one_is_given_up_although_it_is_whole() {
        let (first, second) = (encode(vec![put(1).into()]), encode(vec![put(2).into()]));
        for whole in 0..first.len() {
            let mut log = first.clone();
            log[whole..].fill(0);
            log.extend(&second);
            assert_eq!(decode_first(&log), None, "cut at {whole}");
        }
        let log = [first, second].concat();
        let (writes, behind) = decode_first(&log).expect("whole");
        assert_eq!((writes, decode_first(behind).map(|(writes, _)| writes)), (vec![put(1)], Some(vec![put(2)])));
    }

    #[test]
    fn rot_turns_one_bit_in_each_of_so_many_rows() {
        let mut disk = disk();
        let sound = disk.rows();
        assert_eq!(disk.rot(2, &mut ChaCha8Rng::seed_from_u64(1)), 2);
        let bits = |(a, b): (&u8, &u8)| (a ^ b).count_ones();
        let changed = |(a, b): (&Row, &Row)| a.value.iter().zip(&b.value).map(bits).sum::<u32>();
        let mut changes: Vec<u32> = sound.iter().zip(&disk.rows()).map(changed).collect();
        changes.sort_unstable();
        assert_eq!(changes, [0, 1, 1]);
        assert_eq!(Disk::default().rot(2, &mut ChaCha8Rng::seed_from_u64(1)), 0, "nothing to rot");
    }
}
