//! A power failure: what was not synced is taken back.
//!
//! First the content of files, where they are now, then the names, last change first. Names are lost from some point on
//! and never out of order, as journals commit them; content of files may be lost in any order.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{Names, Volume};
use crate::tree::Node;
use crate::undo::{Chance, RolledBack};

/// How much of what was not synced a power failure takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "loss")]
pub enum Loss {
    /// All of it.
    Everything,
    /// Each block of 4 KiB is old or new by coin, a file that grew did so in part, and of the changes of names the
    /// first ones happened: writes were reordered.
    Reordered {
        /// Equal seeds lose the same of equal disks.
        seed: u64,
    },
    /// As `Reordered`, but each sector of 512 bytes is old or new: blocks are torn as well.
    Torn {
        /// Equal seeds lose the same of equal disks.
        seed: u64,
    },
}

/// What a power failure took. A loss without one differing block or name has had no effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrashReport {
    /// Files that lost something.
    pub lost_files: u64,
    /// Blocks of 4 KiB that are wholly as they were synced, and were not so before.
    pub lost_blocks: u64,
    /// Blocks that are a mixture.
    pub torn_blocks: u64,
    /// Blocks that were not synced and stayed all the same.
    pub kept_blocks: u64,
    /// Bytes that are others, cut off or back again.
    pub lost_bytes: u64,
    /// Changes of names that never happened.
    pub lost_names: u64,
    /// Changes of names that were not synced and stayed all the same.
    pub kept_names: u64,
}

impl Loss {
    fn chance(self) -> Chance {
        let coin = |seed, sectors| Chance::Coin { rng: Box::new(ChaCha8Rng::seed_from_u64(seed)), sectors };
        match self {
            Loss::Everything => Chance::Strict,
            Loss::Reordered { seed } => coin(seed, false),
            Loss::Torn { seed } => coin(seed, true),
        }
    }
}

impl CrashReport {
    /// Whether anything was lost at all.
    #[must_use]
    pub fn took_effect(&self) -> bool {
        self.lost_blocks + self.torn_blocks + self.lost_bytes + self.lost_names > 0
    }

    fn add(&mut self, file: RolledBack) {
        self.lost_files += u64::from(file.lost_bytes > 0);
        self.lost_blocks += file.lost_blocks;
        self.torn_blocks += file.torn_blocks;
        self.kept_blocks += file.kept_blocks;
        self.lost_bytes += file.lost_bytes;
    }
}

impl Volume {
    /// Takes back what was not synced, and forgets all nodes: the kernel must not know any.
    pub(crate) fn roll_back(&self, loss: Loss) -> io::Result<CrashReport> {
        let mut names = self.names.lock();
        let mut chance = loss.chance();
        let mut report = CrashReport::default();
        for node in names.tree.nodes() {
            let undo = node.content.lock().undo.take();
            let Some(undo) = undo else { continue };
            match file_of(&names, &node)? {
                Some(file) => {
                    self.discharge(undo.bytes());
                    report.add(undo.roll_back(&file, &mut chance)?);
                }
                None => self.note_written_back(&undo),
            }
        }
        let changes = names.journal.len();
        let committed = chance.committed(changes);
        names.journal.roll_back(committed)?;
        report.lost_names = (changes - committed) as u64;
        report.kept_names = committed as u64;
        self.commit_names(&mut names)?;
        names.tree.clear();
        self.count(&report);
        Ok(report)
    }

    /// Forgets all nodes, and that anything is not synced.
    pub(crate) fn forget_all(&self) -> io::Result<()> {
        let mut names = self.names.lock();
        self.commit_names(&mut names)?;
        for node in names.tree.nodes() {
            self.discharge(node.content.lock().undo.take().map_or(0, |undo| undo.bytes()));
        }
        names.tree.clear();
        Ok(())
    }

    /// Removes everything on the disk. The kernel must not know any node.
    pub(crate) fn wipe(&self) -> io::Result<()> {
        self.forget_all()?;
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            match entry.file_type()?.is_dir() {
                true => fs::remove_dir_all(entry.path())?,
                false => fs::remove_file(entry.path())?,
            }
        }
        Ok(())
    }

    fn count(&self, report: &CrashReport) {
        self.counters.crashes.one();
        self.counters.lost_blocks.add(report.lost_blocks + report.torn_blocks);
        self.counters.lost_bytes.add(report.lost_bytes);
        self.counters.lost_files.add(report.lost_files);
        self.counters.lost_names.add(report.lost_names);
    }
}

/// A file to be put back. None where it is left under a name only that the kernel has never asked for.
fn file_of(names: &Names, node: &Node) -> io::Result<Option<Arc<File>>> {
    let content = node.content.lock();
    match (&content.file, names.tree.path(node.id)) {
        (Some(file), _) if content.writable => Ok(Some(Arc::clone(file))),
        (_, Some(path)) => Ok(Some(Arc::new(open_for_undo(&path)?))),
        (_, None) => Ok(None),
    }
}

/// Opens a file that the program could write once, whatever its mode is now.
pub(super) fn open_for_undo(path: &Path) -> io::Result<File> {
    let open = || OpenOptions::new().read(true).write(true).open(path);
    let mode = fs::metadata(path)?.mode();
    match open() {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            fs::set_permissions(path, Permissions::from_mode(mode | 0o600))?;
            let file = open();
            fs::set_permissions(path, Permissions::from_mode(mode & 0o7777))?;
            file
        }
        opened => opened,
    }
}
