//! Rows in a B-tree file: redb, one of its tables for each of ours, one synced transaction for each commit.
//!
//! Rows are framed as `row.rs` has it.
//!
//! Commits are one-phase: one sync each, with redb's own checksums to detect a torn commit after a crash. The price is
//! a walk through the whole file when it is opened after a kill, which for a node's few megabytes is nothing.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use cluster_core::api::{Row, Table, Write};
use redb::backends::FileBackend;
use redb::{Database, DatabaseError, Durability, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};

use super::row::{self, StoredRow};
use super::unsynced::Unsynced;
use super::{Sound, StorageEngine, StorageError, Syncs};

const FILE_NAME: &str = "node.redb";
/// Five nodes share a machine, and each holds its rows in memory anyway.
const CACHE_BYTES: usize = 16 << 20;
/// The engine on redb.
#[derive(Debug)]
pub struct RedbEngine {
    path: PathBuf,
    database: Database,
    /// A commit has failed, so this must not be used again.
    failed: bool,
}

impl RedbEngine {
    /// Opens or makes the store in `data_dir`, which is made if it is not there.
    ///
    /// # Errors
    /// When the directory cannot be made, the file is no store, or another process has it open.
    pub fn open(data_dir: &Path, syncs: Syncs) -> Result<Self, StorageError> {
        let directory = |source| StorageError::Directory { path: data_dir.to_owned(), source };
        std::fs::create_dir_all(data_dir).map_err(directory)?;
        let path = data_dir.join(FILE_NAME);
        let database = open_database(&path, syncs).map_err(|source| StorageError::Engine {
            path: path.clone(),
            doing: "opened",
            source: source.into(),
        })?;
        // The file's name must be as durable as what is in it.
        File::open(data_dir).and_then(|dir| dir.sync_all()).map_err(directory)?;
        let mut engine = Self { path, database, failed: false };
        engine.make_tables()?;
        Ok(engine)
    }

    /// Makes every table, so that each can be read from then on.
    fn make_tables(&mut self) -> Result<(), StorageError> {
        self.commit(&[])
    }

    fn engine_error(&self, doing: &'static str, source: redb::Error) -> StorageError {
        StorageError::Engine { path: self.path.clone(), doing, source: source.into() }
    }

    fn write(&self, writes: &[Write]) -> Result<(), redb::Error> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        for table in Table::ALL {
            write_table(&transaction, table, writes)?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// One table, as it is on disk.
    fn read(&self, table: Table) -> Result<Vec<StoredRow>, redb::Error> {
        let transaction = self.database.begin_read()?;
        let rows = transaction.open_table(definition(table))?;
        let mut found = Vec::new();
        for row in rows.iter()? {
            let (key, stored) = row?;
            found.push(StoredRow { key: key.value().to_vec(), stored: stored.value().to_vec() });
        }
        Ok(found)
    }
}

impl StorageEngine for RedbEngine {
    fn load(&self) -> Result<Vec<Row>, StorageError> {
        let mut rows = Vec::new();
        for table in Table::ALL {
            for stored in self.read(table).map_err(|source| self.engine_error("read", source))? {
                rows.push(stored.check(table)?);
            }
        }
        Ok(rows)
    }

    fn load_sound(&self) -> Result<Sound, StorageError> {
        let mut sound = Sound::default();
        for table in Table::ALL {
            for stored in self.read(table).map_err(|source| self.engine_error("read", source))? {
                sound.add(stored.check(table))?;
            }
        }
        Ok(sound)
    }

    /// After a failed sync the file may hold anything, and a second try would report as durable what the system has
    /// given up: so there is none.
    fn commit(&mut self, writes: &[Write]) -> Result<(), StorageError> {
        let written = if self.failed { Err(redb::Error::PreviousIo) } else { self.write(writes) };
        written.map_err(|source| {
            self.failed = true;
            self.engine_error("written", source)
        })
    }
}

fn open_database(path: &Path, syncs: Syncs) -> Result<Database, DatabaseError> {
    let mut options = Database::builder();
    options.set_cache_size(CACHE_BYTES);
    match syncs {
        Syncs::Always => options.create(path),
        Syncs::Never => {
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
            options.create_with_backend(Unsynced(FileBackend::new(file)?))
        }
    }
}

fn definition(table: Table) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    TableDefinition::new(row::table_name(table))
}

fn write_table(transaction: &WriteTransaction, table: Table, writes: &[Write]) -> Result<(), redb::Error> {
    let mut rows = transaction.open_table(definition(table))?;
    for write in writes.iter().filter(|write| write.table == table) {
        match &write.value {
            Some(value) => rows.insert(write.key.as_slice(), row::encode(&write.key, value).as_slice())?,
            None => rows.remove(write.key.as_slice())?,
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    use super::*;

    #[test]
    fn a_damaged_row_is_named() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut engine = RedbEngine::open(dir.path(), Syncs::Always).expect("opens");
        let write = Write { table: Table::Hints, key: b"n2/cart".to_vec(), value: Some(b"tea".to_vec()) };
        engine.commit(&[write]).expect("commits");
        let transaction = engine.database.begin_write().expect("begins");
        let mut damaged = row::encode(b"n2/cart", b"tea");
        damaged[6] ^= 1;
        let mut rows = transaction.open_table(definition(Table::Hints)).expect("opens");
        rows.insert(b"n2/cart".as_slice(), damaged.as_slice()).expect("inserts");
        drop(rows);
        transaction.commit().expect("commits");
        let error = engine.load().expect_err("the row is damaged").to_string();
        assert!(
            error.starts_with("the row \"n2/cart\" of table Hints is damaged: the checksum does not match"),
            "{error}"
        );
        let sound = engine.load_sound().expect("the others can be read");
        assert_eq!((sound.rows, sound.damaged.len()), (vec![], 1));
    }

    /// A file whose syncs fail on demand.
    #[derive(Debug)]
    struct Failing {
        file: redb::backends::InMemoryBackend,
        fails: Arc<AtomicBool>,
        syncs: Arc<AtomicU64>,
    }

    impl redb::StorageBackend for Failing {
        fn len(&self) -> std::io::Result<u64> {
            self.file.len()
        }
        fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
            self.file.read(offset, out)
        }
        fn set_len(&self, len: u64) -> std::io::Result<()> {
            self.file.set_len(len)
        }
        fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
            self.file.write(offset, data)
        }
        fn sync_data(&self) -> std::io::Result<()> {
            self.syncs.fetch_add(1, Ordering::Relaxed);
            match self.fails.load(Ordering::Relaxed) {
                true => Err(std::io::Error::other("the disk said no")),
                false => self.file.sync_data(),
            }
        }
    }

    #[test]
    fn a_sync_that_fails_is_reported_once_and_never_tried_again() {
        let (fails, syncs) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let file = redb::backends::InMemoryBackend::new();
        let backend = Failing { file, fails: Arc::clone(&fails), syncs: Arc::clone(&syncs) };
        let database = Database::builder().create_with_backend(backend).expect("opens");
        let mut engine = RedbEngine { path: "failing".into(), database, failed: false };
        let write = |value: &[u8]| Write { table: Table::Data, key: b"k".to_vec(), value: Some(value.to_vec()) };
        engine.commit(&[write(b"1")]).expect("commits");
        fails.store(true, Ordering::Relaxed);
        let error = engine.commit(&[write(b"2")]).expect_err("the sync fails").to_string();
        assert!(error.contains("the disk said no"), "{error}");
        fails.store(false, Ordering::Relaxed);
        let before = syncs.load(Ordering::Relaxed);
        for writes in [vec![write(b"3")], vec![]] {
            assert!(engine.commit(&writes).is_err(), "the failure is final, although the disk works again");
        }
        assert_eq!(syncs.load(Ordering::Relaxed), before, "not even tried");
    }

    /// The planted defect: the file is never asked to sync, so it does not matter that it could not.
    #[test]
    fn without_syncs_none_is_asked_for() {
        let (fails, syncs) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
        let file = redb::backends::InMemoryBackend::new();
        let backend = Unsynced(Failing { file, fails, syncs: Arc::clone(&syncs) });
        let database = Database::builder().create_with_backend(backend).expect("opens");
        let mut engine = RedbEngine { path: "unsynced".into(), database, failed: false };
        engine.commit(&[Write { table: Table::Data, key: b"k".to_vec(), value: None }]).expect("commits");
        assert_eq!(syncs.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_file_that_is_no_store_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join(FILE_NAME);
        std::fs::write(&path, b"something else entirely").expect("writes");
        let error = RedbEngine::open(dir.path(), Syncs::Always).expect_err("it is no store");
        assert!(error.to_string().contains("node.redb cannot be opened"), "{error}");
        assert_eq!(std::fs::read(&path).expect("reads"), b"something else entirely");
    }

    #[test]
    fn two_nodes_cannot_share_a_store() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        for first in [Syncs::Always, Syncs::Never] {
            let _first = RedbEngine::open(dir.path(), first).expect("opens");
            let second = RedbEngine::open(dir.path(), Syncs::Always);
            assert!(matches!(second, Err(StorageError::Engine { doing: "opened", .. })), "{first:?}");
        }
    }
}
