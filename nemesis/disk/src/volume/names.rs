//! Calls that look at names or change them.
//!
//! Modes, owners and times are passed on and not taken back by a power failure: no store is known to depend on them.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirEntryExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{Mode, SFlag, UtimensatFlags, mknod, utimensat};
use nix::sys::time::TimeSpec;

use super::{Found, Names, Volume};
use crate::journal;
use crate::tree::{NodeId, ROOT};

/// A name in a directory.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) id: NodeId,
    pub(crate) kind: fs::FileType,
    pub(crate) name: OsString,
}

/// What to make.
pub(crate) enum Make {
    Directory {
        mode: u32,
    },
    Link(NodeId),
    Symlink(PathBuf),
    /// A pipe or a socket.
    Special {
        kind: SFlag,
        mode: u32,
    },
}

/// What of a node to change; None leaves it. Times are omitted by `UTIME_OMIT`.
#[derive(Debug)]
pub(crate) struct Attributes {
    pub(crate) mode: Option<u32>,
    pub(crate) owner: [Option<u32>; 2],
    pub(crate) accessed: TimeSpec,
    pub(crate) modified: TimeSpec,
}

impl Volume {
    pub(crate) fn look_up(&self, parent: NodeId, name: &OsStr) -> io::Result<Found> {
        let mut names = self.names.lock();
        let path = names.child(parent, name)?;
        names.adopt(parent, name, &path)
    }

    pub(crate) fn forget(&self, id: NodeId, count: u64) {
        self.names.lock().tree.forget(id, count);
    }

    pub(crate) fn attributes(&self, id: NodeId) -> io::Result<Found> {
        let names = self.names.lock();
        let node = names.tree.node(id).ok_or(Errno::ESTALE)?;
        // The open file is asked where there is one: it may have no name any more.
        let file = node.content.lock().file.clone();
        let metadata = match file {
            Some(file) => file.metadata()?,
            None => fs::symlink_metadata(names.path(id)?)?,
        };
        Ok(names.found(id, metadata))
    }

    pub(crate) fn set_attributes(&self, id: NodeId, to: &Attributes) -> io::Result<()> {
        self.powered()?;
        let names = self.names.lock();
        let node = names.tree.node(id).ok_or(Errno::ESTALE)?;
        let content = node.content.lock();
        let path = match &content.file {
            Some(file) => descriptor_path(file),
            None => names.path(id)?,
        };
        if let Some(mode) = to.mode {
            fs::set_permissions(&path, Permissions::from_mode(mode & 0o7777))?;
        }
        let follow = match &content.file {
            Some(_) => UtimensatFlags::FollowSymlink,
            None => UtimensatFlags::NoFollowSymlink,
        };
        if to.owner != [None, None] {
            match follow {
                UtimensatFlags::FollowSymlink => chown(&path, to.owner[0], to.owner[1])?,
                UtimensatFlags::NoFollowSymlink => std::os::unix::fs::lchown(&path, to.owner[0], to.owner[1])?,
            }
        }
        Ok(utimensat(AT_FDCWD, &path, &to.accessed, &to.modified, follow)?)
    }

    pub(crate) fn read_link(&self, id: NodeId) -> io::Result<PathBuf> {
        fs::read_link(self.names.lock().path(id)?)
    }

    /// What is in a directory, `.` and `..` first, the rest by name.
    pub(crate) fn list(&self, id: NodeId) -> io::Result<Vec<Listed>> {
        let mut names = self.names.lock();
        let path = names.path(id)?;
        let directory = fs::metadata(&path)?.file_type();
        let dots = [".", ".."].map(|name| Listed { id, kind: directory, name: name.into() });
        let mut listed = Vec::new();
        for entry in fs::read_dir(&path)? {
            let entry = entry?;
            let id = names.tree.number(entry.ino());
            listed.push(Listed { id, kind: entry.file_type()?, name: entry.file_name() });
        }
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(dots.into_iter().chain(listed).collect())
    }

    /// Makes a regular file, open for reading and writing, and opens it once.
    pub(crate) fn create(&self, parent: NodeId, name: &OsStr, mode: u32, exclusive: bool) -> io::Result<Found> {
        self.powered()?;
        let mut names = self.names.lock();
        let path = names.child(parent, name)?;
        let existed = fs::symlink_metadata(&path).is_ok();
        let mut how = OpenOptions::new();
        how.read(true).write(true).create(true).create_new(exclusive).mode(mode & 0o7777);
        let file = how.open(&path)?;
        if !existed {
            // The bench's umask must not count: the program's has been applied.
            file.set_permissions(Permissions::from_mode(mode & 0o7777))?;
            self.note_made(&mut names, path.clone());
        }
        let found = names.adopt(parent, name, &path)?;
        let node = names.tree.node(found.id).ok_or(Errno::ESTALE)?;
        node.content.lock().open(file, true);
        Ok(found)
    }

    pub(crate) fn make(&self, parent: NodeId, name: &OsStr, what: Make) -> io::Result<Found> {
        self.powered()?;
        let mut names = self.names.lock();
        let path = names.child(parent, name)?;
        match what {
            Make::Directory { mode } => {
                fs::create_dir(&path)?;
                fs::set_permissions(&path, Permissions::from_mode(mode & 0o7777))?;
            }
            Make::Link(id) => fs::hard_link(names.path(id)?, &path)?,
            Make::Symlink(target) => symlink(target, &path)?,
            Make::Special { kind, mode } => {
                mknod(&path, kind, Mode::from_bits_truncate(mode), 0)?;
                fs::set_permissions(&path, Permissions::from_mode(mode & 0o7777))?;
            }
        }
        self.note_made(&mut names, path.clone());
        names.adopt(parent, name, &path)
    }

    pub(crate) fn remove_file(&self, parent: NodeId, name: &OsStr) -> io::Result<()> {
        self.powered()?;
        let mut names = self.names.lock();
        let path = names.child(parent, name)?;
        let (id, metadata) = names.known(&path)?;
        if metadata.is_dir() {
            return Err(Errno::EISDIR.into());
        }
        let place = names.journal.remove(id, &path)?;
        self.note_removed(&mut names, (id, &metadata), (parent, name), place);
        self.bound_changes(&mut names);
        Ok(())
    }

    pub(crate) fn remove_directory(&self, parent: NodeId, name: &OsStr) -> io::Result<()> {
        self.powered()?;
        let mut names = self.names.lock();
        let path = names.child(parent, name)?;
        let (id, metadata) = names.known(&path)?;
        if fs::read_dir(&path)?.next().is_some() {
            return Err(Errno::ENOTEMPTY.into());
        }
        let place = names.journal.remove(id, &path)?;
        self.note_removed(&mut names, (id, &metadata), (parent, name), place);
        self.bound_changes(&mut names);
        Ok(())
    }

    /// Renames, and replaces what has the new name unless that is forbidden.
    pub(crate) fn rename(&self, from: (NodeId, &OsStr), to: (NodeId, &OsStr), replace: bool) -> io::Result<()> {
        self.powered()?;
        let mut names = self.names.lock();
        let [from_path, to_path] = [names.child(from.0, from.1)?, names.child(to.0, to.1)?];
        let (id, metadata) = names.known(&from_path)?;
        let replaced = match fs::symlink_metadata(&to_path) {
            Ok(_) if !replace => return Err(Errno::EEXIST.into()),
            Ok(_) => Some(names.known(&to_path)?),
            Err(_) => None,
        };
        if let Some((_, replaced)) = &replaced {
            may_replace(metadata.is_dir(), replaced.is_dir(), &to_path)?;
        }
        let place = names.journal.rename(&from_path, &to_path, replaced.as_ref().map(|(id, _)| *id))?;
        if let (Some((id, metadata)), Some(place)) = (replaced, place) {
            self.note_removed(&mut names, (id, &metadata), to, place);
        }
        names.tree.rename(id, from, to);
        self.counters.name_changes.one();
        self.bound_changes(&mut names);
        Ok(())
    }

    /// Swaps two names.
    pub(crate) fn exchange(&self, one: (NodeId, &OsStr), other: (NodeId, &OsStr)) -> io::Result<()> {
        self.powered()?;
        let mut names = self.names.lock();
        let [one_path, other_path] = [names.child(one.0, one.1)?, names.child(other.0, other.1)?];
        let ids = [names.known(&one_path)?.0, names.known(&other_path)?.0];
        names.journal.exchange(&one_path, &other_path)?;
        names.tree.rename(ids[0], one, other);
        names.tree.rename(ids[1], other, one);
        self.counters.name_changes.one();
        self.bound_changes(&mut names);
        Ok(())
    }

    /// Names changed so far outlast a power failure.
    pub(super) fn commit_names(&self, names: &mut Names) -> io::Result<()> {
        for change in names.journal.commit() {
            if let Some((id, place)) = change.trashed {
                self.empty_trash(names, id, &place)?;
            }
        }
        Ok(())
    }

    fn empty_trash(&self, names: &mut Names, id: NodeId, place: &Path) -> io::Result<()> {
        let metadata = fs::symlink_metadata(place)?;
        let last = metadata.is_dir() || metadata.nlink() == 1;
        journal::remove(place)?;
        if let (true, Some(node)) = (last, names.tree.node(id)) {
            let mut content = node.content.lock();
            content.gone = true;
            self.discharge(content.undo.take().map_or(0, |undo| undo.bytes()));
        }
        names.tree.emptied(id, place, last);
        Ok(())
    }

    fn note_made(&self, names: &mut Names, path: PathBuf) {
        names.journal.made(path);
        self.counters.name_changes.one();
        self.bound_changes(names);
    }

    fn note_removed(
        &self,
        names: &mut Names,
        (id, metadata): (NodeId, &fs::Metadata),
        (parent, name): (NodeId, &OsStr),
        place: PathBuf,
    ) {
        if metadata.is_file() && metadata.nlink() - names.tree.trashed_links(id) == 1 {
            self.faults.give_space(metadata.len());
        }
        names.tree.discard(id, parent, name, place);
        self.counters.name_changes.one();
    }

    /// Where there are too many uncommitted changes, they are committed.
    fn bound_changes(&self, names: &mut Names) {
        let changes = names.journal.len();
        if changes >= super::CHANGES_MAX && self.commit_names(names).is_ok() {
            self.counters.committed_early_names.add(changes as u64);
        }
    }
}

impl Names {
    /// The kernel learns of a name.
    fn adopt(&mut self, parent: NodeId, name: &OsStr, path: &Path) -> io::Result<Found> {
        let metadata = fs::symlink_metadata(path)?;
        if metadata.dev() != fs::metadata(self.path(ROOT)?)?.dev() {
            // Inode numbers of another file system could be the same.
            return Err(Errno::EXDEV.into());
        }
        let id = self.tree.look_up(parent, name, metadata.ino());
        Ok(self.found(id, metadata))
    }
}

/// What rename(2) demands: a directory replaces only an empty directory, anything else only what is none.
fn may_replace(directory: bool, by_directory: bool, target: &Path) -> io::Result<()> {
    match (directory, by_directory) {
        (true, false) => Err(Errno::ENOTDIR.into()),
        (false, true) => Err(Errno::EISDIR.into()),
        (true, true) if fs::read_dir(target)?.next().is_some() => Err(Errno::ENOTEMPTY.into()),
        _ => Ok(()),
    }
}

fn descriptor_path(file: &File) -> PathBuf {
    use std::os::fd::AsRawFd;
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}
