//! Rows in a log-structured merge tree: fjall, one of its keyspaces for each of our tables, one batch for each commit.
//!
//! ```text
//!   commit ──► journal (append, sync) ──► memtable ──► sorted files, merged in the background
//! ```
//!
//! A commit is one append to a journal that all keyspaces share, synced before it returns; after a crash the journal
//! is replayed up to the last whole batch. Rows are framed as `row.rs` has it.
//!
//! A store is made under another name and renamed when it is complete: what bears the store's name is a whole store or
//! somebody else's, never one that a kill left half made.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use cluster_core::api::{Row, Table, Write};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::row::{self, StoredRow};
use super::{RowKey, Sound, StorageEngine, StorageError, Syncs};

const DIRECTORY_NAME: &str = "node.fjall";
/// A store that is being made.
const UNFINISHED_NAME: &str = "node.fjall.new";
/// The file by which fjall knows a directory of its own.
const MARKER_NAME: &str = "version";
/// Five nodes share a machine, and each holds its rows in memory anyway.
const CACHE_BYTES: u64 = 16 << 20;
/// So little that the trees of a test run are merged too, instead of staying in their memtables.
const MEMTABLE_BYTES: u64 = 4 << 20;
/// Journals whose rows are not yet all in sorted files.
const JOURNAL_BYTES_MAX: u64 = 128 << 20;
/// One to flush, one to merge.
const WORKERS: usize = 2;
/// fjall knows no empty key, so every key has this before it.
const KEY_PREFIX: u8 = b'/';
/// fjall's limit, less the prefix.
const KEY_BYTES_MAX: usize = u16::MAX as usize - 1;
const VALUE_BYTES_MAX: usize = 1 << 30;

/// What fjall said, or why it was not asked.
#[derive(Debug, thiserror::Error)]
enum FjallError {
    #[error("it is no fjall store. Move it away, or choose another data directory")]
    Foreign,
    #[error("another process has it open")]
    Locked,
    #[error("its table {0} is missing. Restore the data directory, or wipe it and let the replicas refill it")]
    TableMissing(&'static str),
    #[error("the row {key} is too large: {bytes} bytes of key and value")]
    RowTooLarge { key: RowKey, bytes: usize },
    #[error("an earlier commit failed, and nobody knows what the disk holds. Start the node again")]
    FailedBefore,
    #[error("a key without prefix: {0}")]
    KeyForeign(RowKey),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Fjall(fjall::Error),
}

impl From<fjall::Error> for FjallError {
    fn from(error: fjall::Error) -> Self {
        match error {
            fjall::Error::Locked => FjallError::Locked,
            fjall::Error::Io(source) => FjallError::Io(source),
            other => FjallError::Fjall(other),
        }
    }
}

/// The engine on fjall.
pub struct FjallEngine {
    path: PathBuf,
    database: Database,
    keyspaces: Keyspaces,
    persist: PersistMode,
    /// A commit has failed, so this must not be used again.
    failed: bool,
}

impl fmt::Debug for FjallEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FjallEngine").field("path", &self.path).field("failed", &self.failed).finish_non_exhaustive()
    }
}

impl FjallEngine {
    /// Opens or makes the store in `data_dir`, which is made if it is not there.
    ///
    /// # Errors
    /// When the directory cannot be made, what bears the store's name is no store, or another process has it open.
    pub fn open(data_dir: &Path, syncs: Syncs) -> Result<Self, StorageError> {
        fs::create_dir_all(data_dir).map_err(|source| StorageError::Directory { path: data_dir.to_owned(), source })?;
        let path = data_dir.join(DIRECTORY_NAME);
        let (database, keyspaces) =
            open_or_make(data_dir, &path).map_err(|source| engine_error(&path, "opened", source))?;
        let persist = match syncs {
            Syncs::Always => PersistMode::SyncAll,
            Syncs::Never => PersistMode::Buffer,
        };
        Ok(Self { path, database, keyspaces, persist, failed: false })
    }

    fn write(&self, writes: &[Write]) -> Result<(), FjallError> {
        let mut batch = self.database.batch().durability(Some(self.persist));
        for ((table, key), value) in last_of_each_row(writes) {
            let keyspace = self.keyspaces.of(table);
            match value {
                Some(value) => batch.insert(keyspace, stored_key(key, value)?, row::encode(key, value)),
                None => batch.remove(keyspace, stored_key(key, &[])?),
            }
        }
        Ok(batch.commit()?)
    }

    /// One table, as it is on disk.
    fn read(&self, table: Table) -> Result<Vec<StoredRow>, FjallError> {
        let rows = self.keyspaces.of(table).iter().map(|row| {
            let (key, stored) = row.into_inner()?;
            match key.split_first() {
                Some((&KEY_PREFIX, key)) => Ok(StoredRow { key: key.to_vec(), stored: stored.to_vec() }),
                _ => Err(FjallError::KeyForeign(RowKey(key.to_vec()))),
            }
        });
        rows.collect()
    }
}

impl StorageEngine for FjallEngine {
    fn load(&self) -> Result<Vec<Row>, StorageError> {
        let mut rows = Vec::new();
        for table in Table::ALL {
            for stored in self.read(table).map_err(|source| engine_error(&self.path, "read", source))? {
                rows.push(stored.check(table)?);
            }
        }
        Ok(rows)
    }

    fn load_sound(&self) -> Result<Sound, StorageError> {
        let mut sound = Sound::default();
        for table in Table::ALL {
            for stored in self.read(table).map_err(|source| engine_error(&self.path, "read", source))? {
                sound.add(stored.check(table))?;
            }
        }
        Ok(sound)
    }

    fn commit(&mut self, writes: &[Write]) -> Result<(), StorageError> {
        let written = if self.failed { Err(FjallError::FailedBefore) } else { self.write(writes) };
        written.map_err(|source| {
            self.failed = true;
            engine_error(&self.path, "written", source)
        })
    }
}

/// One of fjall's keyspaces for each table.
struct Keyspaces {
    data: Keyspace,
    hints: Keyspace,
    meta: Keyspace,
}

impl Keyspaces {
    fn get(take: impl Fn(&'static str) -> Result<Keyspace, FjallError>) -> Result<Self, FjallError> {
        let take = |table| take(row::table_name(table));
        Ok(Self { data: take(Table::Data)?, hints: take(Table::Hints)?, meta: take(Table::Meta)? })
    }

    fn of(&self, table: Table) -> &Keyspace {
        match table {
            Table::Data => &self.data,
            Table::Hints => &self.hints,
            Table::Meta => &self.meta,
        }
    }
}

fn engine_error(path: &Path, doing: &'static str, source: FjallError) -> StorageError {
    StorageError::Engine { path: path.to_owned(), doing, source: source.into() }
}

fn open_or_make(data_dir: &Path, path: &Path) -> Result<(Database, Keyspaces), FjallError> {
    // Not `try_exists`: a dangling link is somebody's too.
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(data_dir, path)?,
        Err(error) => return Err(error.into()),
        // Without its marker fjall would make a store around whatever is there.
        Ok(_) if !path.join(MARKER_NAME).is_file() => return Err(FjallError::Foreign),
        Ok(_) => {}
    }
    let database = open_database(path)?;
    let keyspaces = Keyspaces::get(|name| match database.keyspace_exists(name) {
        true => Ok(database.keyspace(name, KeyspaceCreateOptions::default)?),
        false => Err(FjallError::TableMissing(name)),
    })?;
    Ok((database, keyspaces))
}

fn open_database(path: &Path) -> Result<Database, FjallError> {
    match Database::builder(path)
        .cache_size(CACHE_BYTES)
        .max_journaling_size(JOURNAL_BYTES_MAX)
        .worker_threads(WORKERS)
        .open()
    {
        Err(fjall::Error::InvalidVersion(None)) => Err(FjallError::Foreign),
        opened => Ok(opened?),
    }
}

/// Makes a complete, empty store at `path`; every step is durable before the next relies on it.
fn make(data_dir: &Path, path: &Path) -> Result<(), FjallError> {
    let unfinished = data_dir.join(UNFINISHED_NAME);
    match fs::remove_dir_all(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let database = open_database(&unfinished)?;
    let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
    let keyspaces = Keyspaces::get(|name| Ok(database.keyspace(name, options)?))?;
    database.persist(PersistMode::SyncAll)?;
    drop((keyspaces, database));
    sync_directories(&unfinished)?;
    fs::rename(&unfinished, path)?;
    sync_directory(data_dir)?;
    Ok(())
}

/// Makes the names under `path` as durable as what is in the files.
fn sync_directories(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_directories(&entry.path())?;
        }
    }
    sync_directory(path)
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// All writes of a batch have the same age for fjall, which does not say which of a row's it keeps: so it gets only the
/// last of each.
fn last_of_each_row(writes: &[Write]) -> BTreeMap<(Table, &[u8]), Option<&[u8]>> {
    writes.iter().map(|write| ((write.table, write.key.as_slice()), write.value.as_deref())).collect()
}

/// The key as fjall gets it, if fjall can take the row: it panics at what is too large.
fn stored_key(key: &[u8], value: &[u8]) -> Result<Vec<u8>, FjallError> {
    if key.len() > KEY_BYTES_MAX || value.len() > VALUE_BYTES_MAX {
        let shown = key.get(..100).unwrap_or(key).to_vec();
        return Err(FjallError::RowTooLarge { key: RowKey(shown), bytes: key.len() + value.len() });
    }
    Ok([&[KEY_PREFIX], key].concat())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn put(key: &[u8], value: &[u8]) -> Write {
        Write { table: Table::Hints, key: key.to_vec(), value: Some(value.to_vec()) }
    }

    /// Every file below with its contents, so that nothing can be changed unnoticed.
    fn files_in(path: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        for entry in fs::read_dir(path).expect("reads") {
            let path = entry.expect("reads").path();
            match path.is_dir() {
                true => found.extend(files_in(&path)),
                false => drop(found.insert(path.clone(), fs::read(&path).expect("reads"))),
            }
        }
        found
    }

    #[test]
    fn a_damaged_row_is_named() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut engine = FjallEngine::open(dir.path(), Syncs::Always).expect("opens");
        engine.commit(&[put(b"n2/cart", b"tea")]).expect("commits");
        let mut damaged = row::encode(b"n2/cart", b"tea");
        damaged[6] ^= 1;
        engine.keyspaces.hints.insert(b"/n2/cart".as_slice(), damaged).expect("inserts");
        let error = engine.load().expect_err("the row is damaged").to_string();
        assert!(
            error.starts_with("the row \"n2/cart\" of table Hints is damaged: the checksum does not match"),
            "{error}"
        );
        let sound = engine.load_sound().expect("the others can be read");
        assert_eq!((sound.rows, sound.damaged.len()), (vec![], 1));
        engine.keyspaces.hints.insert(b"n2/cart".as_slice(), b"?".as_slice()).expect("inserts");
        assert!(matches!(engine.load(), Err(StorageError::Engine { doing: "read", .. })), "a key that is not ours");
    }

    #[test]
    fn what_is_no_store_is_refused_and_left_alone() {
        for (name, contents) in [("notes.txt", "dear diary"), (MARKER_NAME, "1.2.3"), (MARKER_NAME, "")] {
            let dir = tempfile::tempdir().expect("a temporary directory");
            let path = dir.path().join(DIRECTORY_NAME);
            fs::create_dir(&path).expect("a directory");
            fs::write(path.join(name), contents).expect("writes");
            let before = files_in(dir.path());
            let error = FjallEngine::open(dir.path(), Syncs::Always).expect_err("it is no store").to_string();
            assert!(error.contains("node.fjall cannot be opened: "), "{error}");
            assert_eq!(files_in(dir.path()), before, "{error}");
        }
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join(DIRECTORY_NAME);
        fs::write(&path, "something else entirely").expect("writes");
        let error = FjallEngine::open(dir.path(), Syncs::Always).expect_err("it is no store").to_string();
        assert!(error.contains("node.fjall cannot be opened: it is no fjall store"), "{error}");
        assert_eq!(fs::read(&path).expect("reads"), b"something else entirely");
    }

    #[test]
    fn a_store_that_was_never_finished_is_made_anew() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let unfinished = dir.path().join(UNFINISHED_NAME);
        fs::create_dir(&unfinished).expect("a directory");
        fs::write(unfinished.join("0.jnl"), "half a journal").expect("writes");
        let engine = FjallEngine::open(dir.path(), Syncs::Always).expect("opens");
        assert_eq!(engine.load().expect("loads"), []);
        assert!(!unfinished.exists());
    }

    #[test]
    fn a_store_without_its_tables_is_refused() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        drop(open_database(&dir.path().join(DIRECTORY_NAME)).expect("an empty store of somebody's"));
        let error = FjallEngine::open(dir.path(), Syncs::Always).expect_err("it has no tables").to_string();
        assert!(error.contains("its table data is missing"), "{error}");
    }

    #[test]
    fn two_nodes_cannot_share_a_store() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let _first = FjallEngine::open(dir.path(), Syncs::Always).expect("opens");
        let error = FjallEngine::open(dir.path(), Syncs::Always).expect_err("it is open").to_string();
        assert!(error.ends_with("another process has it open"), "{error}");
    }

    #[test]
    fn after_a_failed_commit_nothing_is_written() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut engine = FjallEngine::open(dir.path(), Syncs::Always).expect("opens");
        let largest = vec![7; KEY_BYTES_MAX];
        engine.commit(&[put(&largest, b"1")]).expect("it just fits");
        let rows = engine.load().expect("loads");
        let too_large = vec![7; KEY_BYTES_MAX + 1];
        let error = engine.commit(&[put(b"a", b"1"), put(&too_large, b"1")]).expect_err("too large").to_string();
        assert!(error.contains("is too large: 65536 bytes of key and value"), "{error}");
        for writes in [vec![put(b"b", b"2")], vec![]] {
            let error = engine.commit(&writes).expect_err("the failure is final").to_string();
            assert!(error.contains("node.fjall cannot be written: an earlier commit failed"), "{error}");
        }
        drop(engine);
        assert_eq!(FjallEngine::open(dir.path(), Syncs::Always).expect("opens").load().expect("loads"), rows);
    }

    #[test]
    fn fjall_gets_only_the_last_write_of_a_row() {
        let delete = Write { value: None, ..put(b"b", b"") };
        let writes = [put(b"a", b"1"), put(b"b", b"1"), put(b"a", b"2"), delete];
        let last: Vec<_> = last_of_each_row(&writes).into_iter().map(|((_, key), value)| (key, value)).collect();
        assert_eq!(last, [(b"a".as_slice(), Some(b"2".as_slice())), (b"b".as_slice(), None)]);
    }

    #[test]
    fn of_a_torn_commit_nothing_is_kept() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut engine = FjallEngine::open(dir.path(), Syncs::Always).expect("opens");
        let end = || written_bytes(&files_in(dir.path())[&dir.path().join(DIRECTORY_NAME).join("0.jnl")]);
        engine.commit(&[put(b"a", b"1")]).expect("commits");
        let (rows, whole) = (engine.load().expect("loads"), end());
        let meta = Write { table: Table::Meta, ..put(b"c", b"2") };
        engine.commit(&[put(b"a", b"2"), put(b"b", b"2"), meta]).expect("commits");
        let (later_rows, later) = (engine.load().expect("loads"), end());
        for cut in (whole..later).step_by(7).chain([later - 1]) {
            assert_eq!(rows_of_a_crash(dir.path(), cut), rows, "{cut} of {whole}..{later}");
        }
        assert_eq!(rows_of_a_crash(dir.path(), later), later_rows);
    }

    /// The rest of a journal is zeros, got in advance.
    fn written_bytes(journal: &[u8]) -> usize {
        journal.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
    }

    /// What a copy of the store holds whose journal has only its first `cut` bytes, as if the others were never synced.
    fn rows_of_a_crash(store: &Path, cut: usize) -> Vec<Row> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        for (path, mut contents) in files_in(store) {
            let copy = dir.path().join(path.strip_prefix(store).expect("below the store"));
            if copy.ends_with("0.jnl") {
                contents.truncate(cut);
            }
            fs::create_dir_all(copy.parent().expect("below the copy")).expect("a directory");
            fs::write(copy, contents).expect("writes");
        }
        FjallEngine::open(dir.path(), Syncs::Always).expect("opens after a crash").load().expect("loads")
    }

    #[test]
    fn rows_survive_their_way_through_the_tree() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut engine = FjallEngine::open(dir.path(), Syncs::Always).expect("opens");
        // Six memtables full: each key is written in several sorted files, and the odd ones are removed at last.
        let value = |round: u8, key: u8| [vec![round, key], vec![round; 64 << 10]].concat();
        for round in 0..12u8 {
            let writes: Vec<Write> = (0..32).map(|key| put(&[key], &value(round, key))).collect();
            engine.commit(&writes).expect("commits");
        }
        let odd = (1..32).step_by(2).map(|key| Write { table: Table::Hints, key: vec![key], value: None });
        engine.commit(&odd.collect::<Vec<_>>()).expect("commits");
        let row = |key: u8| Row { table: Table::Hints, key: vec![key], value: value(11, key) };
        let expected: Vec<Row> = (0..32).step_by(2).map(row).collect();
        assert!(engine.load().expect("loads") == expected);
        let deadline = Instant::now() + Duration::from_secs(60);
        while engine.keyspaces.hints.disk_space() == 0 {
            assert!(Instant::now() < deadline, "full memtables go to sorted files");
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(engine.load().expect("loads") == expected);
        drop(engine);
        assert!(FjallEngine::open(dir.path(), Syncs::Always).expect("opens").load().expect("loads") == expected);
    }
}
