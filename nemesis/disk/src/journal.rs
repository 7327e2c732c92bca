//! Changes of names that no sync has committed yet: what was made, moved and removed, in order.
//!
//! Names behave as in ext4's journal: a sync of any file commits them all, and a power failure loses the last ones. What
//! is removed is moved to a trash, so that it can come back, and is gone for good when the removal is committed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

/// A change of names that happens as a whole.
#[derive(Debug, Default)]
pub(crate) struct Change {
    steps: Vec<Step>,
    /// What it moved to the trash: the node, and where it is.
    pub(crate) trashed: Option<(u64, PathBuf)>,
}

#[derive(Debug)]
enum Step {
    Made(PathBuf),
    Moved { from: PathBuf, to: PathBuf },
    Exchanged { one: PathBuf, other: PathBuf },
}

/// The uncommitted changes, oldest first.
#[derive(Debug)]
pub(crate) struct Journal {
    changes: Vec<Change>,
    trash: PathBuf,
    /// Names given out in the trash.
    discarded: u64,
}

impl Journal {
    /// A journal whose trash is an existing, empty directory on the same file system.
    pub(crate) fn new(trash: PathBuf) -> Journal {
        Journal { changes: Vec::new(), trash, discarded: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.changes.len()
    }

    /// Notes that something was made here.
    pub(crate) fn made(&mut self, path: PathBuf) {
        self.changes.push(Change { steps: vec![Step::Made(path)], trashed: None });
    }

    /// Moves something to the trash. Returns where it is.
    pub(crate) fn remove(&mut self, node: u64, path: &Path) -> io::Result<PathBuf> {
        let mut change = Change::default();
        let place = self.discard(&mut change, node, path)?;
        self.changes.push(change);
        Ok(place)
    }

    /// Moves something. What it replaces, of this node, goes to the trash; returns where that is.
    pub(crate) fn rename(&mut self, from: &Path, to: &Path, replaced: Option<u64>) -> io::Result<Option<PathBuf>> {
        let mut change = Change::default();
        let place = replaced.map(|node| self.discard(&mut change, node, to)).transpose()?;
        let renamed = fs::rename(from, to);
        if let (Err(_), Some(place)) = (&renamed, &place) {
            fs::rename(place, to)?;
        }
        renamed?;
        change.steps.push(Step::Moved { from: from.to_owned(), to: to.to_owned() });
        self.changes.push(change);
        Ok(place)
    }

    /// Swaps two.
    pub(crate) fn exchange(&mut self, one: &Path, other: &Path) -> io::Result<()> {
        exchange(one, other)?;
        let step = Step::Exchanged { one: one.to_owned(), other: other.to_owned() };
        self.changes.push(Change { steps: vec![step], trashed: None });
        Ok(())
    }

    /// A sync: all that was changed so far lasts. The caller empties the trash of what is returned.
    pub(crate) fn commit(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// A power failure: all but the first `committed` changes are undone.
    pub(crate) fn roll_back(&mut self, committed: usize) -> io::Result<()> {
        let undone = self.changes.split_off(committed.min(self.changes.len()));
        undone.iter().rev().flat_map(|change| change.steps.iter().rev()).try_for_each(Step::undo)
    }

    fn discard(&mut self, change: &mut Change, node: u64, path: &Path) -> io::Result<PathBuf> {
        self.discarded += 1;
        let place = self.trash.join(self.discarded.to_string());
        fs::rename(path, &place)?;
        change.steps.push(Step::Moved { from: path.to_owned(), to: place.clone() });
        change.trashed = Some((node, place.clone()));
        Ok(place)
    }
}

impl Step {
    fn undo(&self) -> io::Result<()> {
        match self {
            Step::Made(path) => remove(path),
            Step::Moved { from, to } => fs::rename(to, from),
            Step::Exchanged { one, other } => exchange(one, other),
        }
    }
}

/// Removes a file or an empty directory.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path)?.is_dir() {
        true => fs::remove_dir(path),
        false => fs::remove_file(path),
    }
}

fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    Ok(renameat2(AT_FDCWD, one, AT_FDCWD, other, RenameFlags::RENAME_EXCHANGE)?)
}
