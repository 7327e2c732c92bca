//! The run directory: everything a run leaves behind, written as it goes.
//!
//! ```text
//!   store/<name>/<UTC time>-<seed>/   run.json plan.toml history.jsonl evidence.json verdict.json report.html junit.xml nodes/
//!                                     messages.json where the bench carried messages
//!   store/latest                      a link to the newest
//! ```
//! The history is written line by line, so a bench that is killed leaves a history that can be checked. Every other
//! file is written under a temporary name and then renamed, so that a full disk cannot leave half of a file.

mod error;
mod files;
mod format;
pub mod input;
mod record;
mod recorder;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use checker::formats::{Format, Problem, Selection};
use checker::history::History;
use checker::verdict::Verdict;
use reports::Messages;
use serde::{Deserialize, Serialize};

use error::failed;

pub use error::StoreError;
pub use files::write_whole;
pub use format::FORMAT;
pub use record::RunRecord;
pub use recorder::HistoryFile;

/// The messages of a run whose nodes exchange them through the bench.
pub const MESSAGES: &str = "messages.json";

/// A run directory.
#[derive(Clone, Debug)]
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// Makes a new run directory under `store`, and points `store/latest` at it.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn create(store: &Path, name: &str, started: jiff::Timestamp, seed: u64) -> Result<Self, StoreError> {
        let parent = store.join(name);
        fs::create_dir_all(&parent).map_err(|source| failed("create", &parent, source))?;
        let stamp = format!("{}-{seed}", started.strftime("%Y%m%dT%H%M%S%.3fZ"));
        let dir = Self { path: create_unique(&parent, &stamp)? };
        dir.point_latest(store)?;
        Ok(dir)
    }

    /// Opens an existing run directory.
    ///
    /// # Errors
    /// When it is not a directory.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let found = fs::metadata(path).map_err(|source| failed("read", path, source))?;
        if !found.is_dir() {
            let source = io::Error::from(io::ErrorKind::NotADirectory);
            return Err(failed("read", path, source));
        }
        Ok(Self { path: path.to_owned() })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `<name>/<UTC time>-<seed>`: the same wherever the store is, and through `latest`.
    pub fn name(&self) -> String {
        let real = self.path.canonicalize().unwrap_or_else(|_| self.path.clone());
        let parts: Vec<_> = real.components().rev().take(2).collect();
        parts.into_iter().rev().collect::<PathBuf>().display().to_string()
    }

    /// The path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a whole file.
    ///
    /// # Errors
    /// When it cannot be written; an earlier version of the file is then untouched.
    pub fn write(&self, name: &str, content: &str) -> Result<(), StoreError> {
        write_whole(&self.file(name), content)
    }

    /// Writes a file of pretty JSON.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), StoreError> {
        let text = serde_json::to_string_pretty(value).expect("what a run writes is plain data");
        self.write(name, &(text + "\n"))
    }

    /// Reads `run.json`, also one of an older format.
    ///
    /// # Errors
    /// When it cannot be read, is damaged, or was written by a later version.
    pub fn read_record(&self) -> Result<RunRecord, StoreError> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let path = self.file("run.json");
        let text = fs::read_to_string(&path).map_err(|source| failed("read", &path, source))?;
        let damaged = |error: serde_json::Error| StoreError::Damaged { path: path.clone(), why: error.to_string() };
        let Format { format } = serde_json::from_str(&text).map_err(damaged)?;
        if format > FORMAT {
            return Err(StoreError::Newer { path, found: format });
        }
        let record = serde_json::from_str(&text).map_err(damaged)?;
        serde_json::from_value(format::modernise(record, format)).map_err(damaged)
    }

    /// Reads `verdict.json`.
    ///
    /// # Errors
    /// When it cannot be read or is damaged.
    pub fn read_verdict(&self) -> Result<Verdict, StoreError> {
        let path = self.file("verdict.json");
        let text = fs::read_to_string(&path).map_err(|source| failed("read", &path, source))?;
        serde_json::from_str(&text).map_err(|error| StoreError::Damaged { path, why: error.to_string() })
    }

    /// Reads `messages.json`; none if nobody has recorded messages.
    ///
    /// # Errors
    /// When it cannot be read or is damaged.
    pub fn read_messages(&self) -> Result<Option<Messages>, StoreError> {
        let path = self.file(MESSAGES);
        match fs::read_to_string(&path) {
            Ok(text) => {
                let read = serde_json::from_str(&text);
                read.map(Some).map_err(|error| StoreError::Damaged { path, why: error.to_string() })
            }
            Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(failed("read", &path, source)),
        }
    }

    /// Reads `history.jsonl`.
    ///
    /// # Errors
    /// When it cannot be read or is damaged before its last line.
    pub fn read_history(&self) -> Result<History, StoreError> {
        read_history(&self.file("history.jsonl"))
    }

    fn point_latest(&self, store: &Path) -> Result<(), StoreError> {
        let latest = store.join("latest");
        let target = self.path.strip_prefix(store).unwrap_or(&self.path);
        let beside = store.join(format!(".latest-{}", std::process::id()));
        std::os::unix::fs::symlink(target, &beside).map_err(|source| failed("create", &beside, source))?;
        fs::rename(&beside, &latest).map_err(|source| {
            let _ = fs::remove_file(&beside);
            failed("create", &latest, source)
        })
    }
}

/// Two runs may begin in one millisecond; the later ones get a suffix.
fn create_unique(parent: &Path, stamp: &str) -> Result<PathBuf, StoreError> {
    let mut path = parent.join(stamp);
    for attempt in 2.. {
        match fs::create_dir(&path) {
            Ok(()) => break,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < 100 => {
                path = parent.join(format!("{stamp}-{attempt}"));
            }
            Err(source) => return Err(failed("create", &path, source)),
        }
    }
    Ok(path)
}

/// Reads a history of JSON lines, compressed or not.
///
/// # Errors
/// When it cannot be read or is damaged before its last line.
pub fn read_history(path: &Path) -> Result<History, StoreError> {
    let reader = input::Input::open(path)?.reader;
    let read = checker::formats::read(reader, Format::Json, &Selection::default());
    let reading = read.map_err(|damage| match damage.problem {
        Problem::Read(source) => failed("read", path, source),
        _ => StoreError::Damaged { path: path.to_owned(), why: damage.to_string() },
    })?;
    match reading.gap {
        None => Ok(reading.records),
        Some(gap) => Err(StoreError::Damaged { path: path.to_owned(), why: gap.to_string() }),
    }
}
