//! Stable storage: an engine behind a trait, and a thread that commits in groups.
//!
//! ```text
//!   driver ──batch──► bounded queue ──► storage thread: everything that waits becomes ONE synced commit
//!     ▲                                       │
//!     └──────── greatest batch persisted ◄────┘
//! ```
//!
//! While one commit waits for the disk, the next group gathers, so a slow sync makes groups larger instead of the
//! queue longer. The first failure ends everything: after a failed sync nobody knows what the disk holds, so it is
//! never tried again.

mod fjall;
mod memory;
mod redb;
mod row;
mod unsynced;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use cluster_core::api::{PersistId, Row, Table, Write};
use cluster_core::bug::Bug;
use tokio::sync::{mpsc, watch};

pub use self::fjall::FjallEngine;
pub use self::memory::MemoryEngine;
pub use self::redb::RedbEngine;
use crate::metrics::Counters;
use crate::options::Engine;

/// Batches that may wait; the driver waits for room after that.
const QUEUE_BATCHES_MAX: usize = 4096;
/// A group takes no further batch once it holds so many bytes.
const GROUP_BYTES_MAX: usize = 8 << 20;

/// Where a node's rows live.
pub trait StorageEngine: Send {
    /// Every row, in order of table and key.
    ///
    /// # Errors
    /// When the store cannot be read, or a row is damaged.
    fn load(&self) -> Result<Vec<Row>, StorageError>;

    /// The same, but damaged rows are reported beside the others and are no error. An engine without a disk has none.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn load_sound(&self) -> Result<Sound, StorageError> {
        Ok(Sound { rows: self.load()?, damaged: Vec::new() })
    }

    /// Writes all or nothing, later writes over earlier ones. Durable on return.
    ///
    /// # Errors
    /// When the store cannot be written. It must not be used again.
    fn commit(&mut self, writes: &[Write]) -> Result<(), StorageError>;
}

/// What is on a disk, row by row.
#[derive(Debug, Default)]
pub struct Sound {
    /// The rows that are as they were written, in order of table and key.
    pub rows: Vec<Row>,
    /// Those that are not: where they lie, and how it can be seen.
    pub damaged: Vec<(Table, RowKey, String)>,
}

impl Sound {
    fn add(&mut self, checked: Result<Row, StorageError>) -> Result<(), StorageError> {
        match checked {
            Ok(row) => self.rows.push(row),
            Err(StorageError::Damaged { table, key, what }) => self.damaged.push((table, key, what)),
            Err(other) => return Err(other),
        }
        Ok(())
    }
}

/// What went wrong with the disk or what is on it.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The data directory cannot be made ready.
    #[error("the data directory {path} cannot be used: {source}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The engine failed.
    #[error("the store {path} cannot be {doing}: {source}")]
    Engine {
        /// The store's file or directory.
        path: PathBuf,
        /// `opened`, `read` or `written`.
        doing: &'static str,
        /// What the engine said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A row is not as it was written.
    #[error(
        "the row {key} of table {table:?} is damaged: {what}. Restore the data directory, \
         start the node without its damaged rows, or wipe it, and let the replicas refill it"
    )]
    Damaged {
        /// Its table.
        table: Table,
        /// Its key.
        key: RowKey,
        /// How it can be seen.
        what: String,
    },
}

/// A row's key, readable whatever its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowKey(pub Vec<u8>);

impl fmt::Display for RowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

/// Whether commits are synced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Syncs {
    /// Each, before it returns.
    #[default]
    Always,
    /// None: what is committed outlives the process, not the power ([`Bug::NoSync`]).
    Never,
}

impl Syncs {
    /// What they are under this planted defect.
    pub fn under(bug: Option<Bug>) -> Self {
        if bug == Some(Bug::NoSync) { Syncs::Never } else { Syncs::Always }
    }
}

/// Opens the engine asked for in `data_dir`, which is made if it is not there.
///
/// # Errors
/// When the directory or the store in it cannot be opened.
pub fn open(engine: Engine, data_dir: &Path, syncs: Syncs) -> Result<Box<dyn StorageEngine>, StorageError> {
    match engine {
        Engine::Memory => Ok(Box::new(MemoryEngine::default())),
        Engine::Redb => Ok(Box::new(RedbEngine::open(data_dir, syncs)?)),
        Engine::Fjall => Ok(Box::new(FjallEngine::open(data_dir, syncs)?)),
    }
}

/// A batch on its way to the disk.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) id: PersistId,
    pub(crate) writes: Vec<Write>,
}

/// How far the storage thread has come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    /// This batch and all before it are durable.
    pub(crate) persisted: Option<PersistId>,
    /// The end: nothing will be written any more.
    pub(crate) failure: Option<Arc<StorageError>>,
}

/// The driver's end of the storage thread.
#[derive(Debug)]
pub(crate) struct StorageQueue {
    pub(crate) batches: mpsc::Sender<Batch>,
    pub(crate) progress: watch::Receiver<Progress>,
}

/// Starts the thread. It ends when the queue is dropped and empty, or at the first failure.
pub(crate) fn spawn(
    engine: Box<dyn StorageEngine>,
    counters: Arc<Counters>,
) -> std::io::Result<(StorageQueue, JoinHandle<()>)> {
    let (batches, waiting) = mpsc::channel(QUEUE_BATCHES_MAX);
    let (report, progress) = watch::channel(Progress::default());
    let thread = std::thread::Builder::new()
        .name("storage".to_owned())
        .spawn(move || commit_groups(engine, waiting, &report, &counters))?;
    Ok((StorageQueue { batches, progress }, thread))
}

fn commit_groups(
    mut engine: Box<dyn StorageEngine>,
    mut waiting: mpsc::Receiver<Batch>,
    report: &watch::Sender<Progress>,
    counters: &Counters,
) {
    while let Some(first) = waiting.blocking_recv() {
        let group = Group::gather(first, &mut waiting);
        let began = Instant::now();
        match engine.commit(&group.writes) {
            Ok(()) => {
                counters.group_committed(group.batches, began.elapsed());
                report.send_modify(|progress| progress.persisted = Some(group.last));
            }
            Err(error) => {
                report.send_modify(|progress| progress.failure = Some(Arc::new(error)));
                return;
            }
        }
    }
}

/// Batches that are committed together.
struct Group {
    last: PersistId,
    batches: u64,
    writes: Vec<Write>,
}

impl Group {
    fn gather(first: Batch, waiting: &mut mpsc::Receiver<Batch>) -> Self {
        let mut group = Self { last: first.id, batches: 1, writes: first.writes };
        let mut bytes = bytes_of(&group.writes);
        while bytes < GROUP_BYTES_MAX
            && let Ok(batch) = waiting.try_recv()
        {
            bytes += bytes_of(&batch.writes);
            group.last = batch.id;
            group.batches += 1;
            group.writes.extend(batch.writes);
        }
        group
    }
}

fn bytes_of(writes: &[Write]) -> usize {
    writes.iter().map(|write| write.key.len() + write.value.as_ref().map_or(0, Vec::len)).sum()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc as std_mpsc;

    use super::*;

    fn put(table: Table, key: &[u8], value: &[u8]) -> Write {
        Write { table, key: key.to_vec(), value: Some(value.to_vec()) }
    }

    fn delete(table: Table, key: &[u8]) -> Write {
        Write { table, key: key.to_vec(), value: None }
    }

    fn row(table: Table, key: &[u8], value: &[u8]) -> Row {
        Row { table, key: key.to_vec(), value: value.to_vec() }
    }

    /// What every engine must do.
    fn conformance(engine: &mut dyn StorageEngine) {
        assert_eq!(engine.load().expect("an empty store loads"), []);
        engine.commit(&[]).expect("nothing to write is no failure");
        let binary = [0, 255, 10, 0];
        let writes = [
            put(Table::Data, b"b", b"1"),
            put(Table::Data, b"a", b""),
            put(Table::Hints, b"b", b"hint"),
            put(Table::Meta, b"", b"empty key"),
            put(Table::Data, &binary, &binary),
        ];
        engine.commit(&writes).expect("commits");
        let mut rows = vec![
            row(Table::Data, &binary, &binary),
            row(Table::Data, b"a", b""),
            row(Table::Data, b"b", b"1"),
            row(Table::Hints, b"b", b"hint"),
            row(Table::Meta, b"", b"empty key"),
        ];
        assert_eq!(engine.load().expect("loads"), rows);
        engine.commit(&[put(Table::Data, b"b", b"2"), delete(Table::Hints, b"b")]).expect("commits");
        rows[2].value = b"2".to_vec();
        rows.remove(3);
        assert_eq!(engine.load().expect("loads"), rows, "one table's delete leaves the other's row alone");
        order_within_a_batch(engine);
    }

    fn order_within_a_batch(engine: &mut dyn StorageEngine) {
        let before = engine.load().expect("loads");
        let writes = [
            put(Table::Data, b"x", b"1"),
            put(Table::Data, b"x", b"2"),
            put(Table::Data, b"y", b"1"),
            delete(Table::Data, b"y"),
            delete(Table::Data, b"z"),
            put(Table::Data, b"z", b"3"),
        ];
        engine.commit(&writes).expect("commits");
        let mut expected = before;
        expected.extend([row(Table::Data, b"x", b"2"), row(Table::Data, b"z", b"3")]);
        expected.sort_by(|a, b| (a.table, &a.key).cmp(&(b.table, &b.key)));
        assert_eq!(engine.load().expect("loads"), expected);
        engine.commit(&[delete(Table::Data, b"never there")]).expect("deleting nothing is no failure");
    }

    #[test]
    fn memory_conforms() {
        conformance(&mut MemoryEngine::default());
    }

    /// The engines with a disk.
    const DURABLE: [Engine; 2] = [Engine::Redb, Engine::Fjall];

    #[test]
    fn durable_engines_conform_and_hold_after_they_are_opened_again() {
        for (kind, syncs) in DURABLE.into_iter().flat_map(|kind| [(kind, Syncs::Always), (kind, Syncs::Never)]) {
            let dir = tempfile::tempdir().expect("a temporary directory");
            let mut engine = open(kind, dir.path(), syncs).expect("opens");
            conformance(engine.as_mut());
            let rows = engine.load().expect("loads");
            assert!(!rows.is_empty());
            drop(engine);
            let again = open(kind, dir.path(), syncs).expect("opens");
            assert_eq!(again.load().expect("loads"), rows, "{kind}, {syncs:?}");
        }
    }

    #[tokio::test]
    async fn groups_reported_as_persisted_are_on_disk_whole_and_in_order() {
        for kind in DURABLE {
            let dir = tempfile::tempdir().expect("a temporary directory");
            let counters = Arc::new(Counters::default());
            let engine = open(kind, dir.path(), Syncs::Always).expect("opens");
            let (mut queue, thread) = spawn(engine, counters).expect("a thread");
            for id in 1..=40u64 {
                let number = id.to_string();
                let key = (id % 4).to_string();
                let writes = vec![
                    put(Table::Data, key.as_bytes(), number.as_bytes()),
                    put(Table::Meta, b"last", number.as_bytes()),
                    delete(Table::Data, b"0"),
                ];
                queue.batches.send(Batch { id: PersistId(id), writes }).await.expect("room");
            }
            queue.progress.wait_for(|progress| progress.persisted == Some(PersistId(40))).await.expect("persisted");
            drop(queue);
            tokio::task::spawn_blocking(|| thread.join()).await.expect("joins").expect("ended by itself");
            let expected = [
                row(Table::Data, b"1", b"37"),
                row(Table::Data, b"2", b"38"),
                row(Table::Data, b"3", b"39"),
                row(Table::Meta, b"last", b"40"),
            ];
            assert_eq!(
                open(kind, dir.path(), Syncs::Always).expect("opens").load().expect("loads"),
                expected,
                "{kind}"
            );
        }
    }

    /// Holds each commit until it is let go, so that a group can gather; fails at the end.
    struct HeldEngine {
        let_go: std_mpsc::Receiver<()>,
        commits: Arc<Mutex<Vec<usize>>>,
    }

    impl StorageEngine for HeldEngine {
        fn load(&self) -> Result<Vec<Row>, StorageError> {
            Ok(Vec::new())
        }

        fn commit(&mut self, writes: &[Write]) -> Result<(), StorageError> {
            self.commits.lock().expect("not poisoned").push(writes.len());
            self.let_go.recv().map_err(|error| StorageError::Engine {
                path: "held".into(),
                doing: "written",
                source: error.into(),
            })
        }
    }

    #[tokio::test]
    async fn what_waits_is_committed_as_one_and_a_failure_is_the_end() {
        let (let_go, held) = std_mpsc::channel();
        let commits = Arc::new(Mutex::new(Vec::new()));
        let engine = HeldEngine { let_go: held, commits: Arc::clone(&commits) };
        let counters = Arc::new(Counters::default());
        let (mut queue, thread) = spawn(Box::new(engine), Arc::clone(&counters)).expect("a thread");
        let batch = |id| Batch { id: PersistId(id), writes: vec![put(Table::Data, b"k", b"v")] };
        queue.batches.send(batch(1)).await.expect("room");
        while commits.lock().expect("not poisoned").is_empty() {
            tokio::task::yield_now().await;
        }
        for id in 2..=5 {
            queue.batches.send(batch(id)).await.expect("room");
        }
        let_go.send(()).expect("the engine waits");
        let_go.send(()).expect("the engine waits");
        queue.progress.wait_for(|progress| progress.persisted == Some(PersistId(5))).await.expect("the thread lives");
        assert_eq!(*commits.lock().expect("not poisoned"), [1, 4]);
        drop(let_go);
        queue.batches.send(batch(6)).await.expect("room");
        let progress = queue.progress.wait_for(|progress| progress.failure.is_some()).await.expect("it is reported");
        assert_eq!(progress.persisted, Some(PersistId(5)), "the failed batch is never reported as persisted");
        drop(progress);
        thread.join().expect("it ended by itself");
        assert!(queue.batches.send(batch(7)).await.is_err(), "nothing is written after a failure");
    }
}
