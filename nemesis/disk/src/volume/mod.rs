//! The disk's content, without the kernel: what each call of a program does to the backing directory, what of it a
//! power failure would take back, and which faults it meets.
//!
//! ```text
//! calls ─► faults ─► undo log of the file, journal of names ─► backing directory
//!                         ▲ thrown away by a sync                    ▲ put back by a power failure
//! ```

mod crash;
mod data;
mod flip;
#[cfg(test)]
mod model;
mod names;

use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::faults::{Faults, Wait};
use crate::journal::Journal;
use crate::rules::{Call, Strike};
use crate::statistics::{Counters, DiskStatistics};
use crate::tree::{Node, NodeId, Tree};
use nix::errno::Errno;
use parking_lot::Mutex;

pub use crash::{CrashReport, Loss};
pub(crate) use data::Writer;
pub use flip::{Flip, FlipBits};
pub(crate) use names::{Attributes, Listed, Make};

/// How many changes of names wait for a sync at most; then they count as committed, as a journal's timer would do.
const CHANGES_MAX: usize = 1 << 16;

/// What a disk is made of.
#[derive(Clone, Debug)]
pub(crate) struct VolumeOptions {
    pub(crate) backing: PathBuf,
    /// A directory beside it that is the disk's own, on the same file system.
    pub(crate) hidden: PathBuf,
    pub(crate) undo_bytes_max: u64,
    pub(crate) real_syncs: bool,
    pub(crate) seed: u64,
}

/// A backing directory with all that is known of it.
pub(crate) struct Volume {
    options: VolumeOptions,
    /// The backing directory by its descriptor, so that it is reached even where the disk is mounted on top of it.
    root: PathBuf,
    _directory: File,
    names: Mutex<Names>,
    undo_bytes: AtomicU64,
    power_off: AtomicBool,
    pub(crate) faults: Faults,
    pub(crate) counters: Counters,
}

struct Names {
    tree: Tree,
    journal: Journal,
}

/// What is known of a node that was asked for.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) id: NodeId,
    pub(crate) metadata: Metadata,
    /// As programs may count them.
    pub(crate) links: u64,
}

impl Volume {
    /// Opens the directory, and removes what an earlier disk has left in the hidden one.
    pub(crate) fn open(options: VolumeOptions) -> io::Result<Volume> {
        let directory = File::open(&options.backing)?;
        // The dot makes it the directory rather than a link to it.
        let root = PathBuf::from(format!("/proc/self/fd/{}/.", directory.as_raw_fd()));
        let trash = options.hidden.join("trash");
        if trash.exists() {
            fs::remove_dir_all(&trash)?;
        }
        fs::create_dir_all(&trash)?;
        let tree = Tree::new(root.clone(), directory.metadata()?.ino());
        Ok(Volume {
            root,
            names: Mutex::new(Names { tree, journal: Journal::new(trash) }),
            undo_bytes: AtomicU64::new(0),
            power_off: AtomicBool::new(false),
            faults: Faults::new(options.seed),
            counters: Counters::default(),
            _directory: directory,
            options,
        })
    }

    /// Counts, and how much is not synced now.
    pub(crate) fn statistics(&self) -> DiskStatistics {
        let mut statistics = self.counters.read();
        for node in self.nodes() {
            if let Some(undo) = &node.content.lock().undo {
                statistics.unsynced_files += 1;
                statistics.unsynced_blocks += undo.blocks();
            }
        }
        statistics.unsynced_undo_bytes = self.undo_bytes.load(Ordering::Relaxed);
        statistics.unsynced_names = self.names.lock().journal.len() as u64;
        statistics
    }

    /// From now on nothing gets onto the disk but dirty pages, which count as not synced.
    pub(crate) fn cut_power(&self, off: bool) {
        self.power_off.store(off, Ordering::Release);
    }

    /// Whether and how much later a call is answered. Without power all of them are, at once.
    pub(crate) fn wait(&self, call: Call) -> Option<Wait> {
        match self.power_off.load(Ordering::Acquire) {
            true => None,
            false => self.faults.wait(call),
        }
    }

    /// The backing directory.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// All nodes, by number.
    pub(crate) fn nodes(&self) -> Vec<Arc<Node>> {
        self.names.lock().tree.nodes()
    }

    /// Removes the hidden directory.
    pub(crate) fn clean(&self) -> io::Result<()> {
        fs::remove_dir_all(&self.options.hidden)
    }

    fn node(&self, id: NodeId) -> io::Result<Arc<Node>> {
        self.names.lock().tree.node(id).ok_or_else(|| Errno::ESTALE.into())
    }

    fn powered(&self) -> io::Result<()> {
        if self.power_off.load(Ordering::Acquire) {
            self.counters.calls_without_power.one();
            return Err(Errno::EIO.into());
        }
        Ok(())
    }

    fn strikes(&self, strike: Strike, id: NodeId) -> bool {
        self.faults.strikes(strike, || self.shown_path(id))
    }

    /// A node's path below the root, as people read it.
    fn shown_path(&self, id: NodeId) -> String {
        let path = self.names.lock().tree.path(id).unwrap_or_default();
        path.strip_prefix(&self.root).unwrap_or(&path).display().to_string()
    }

    fn charge(&self, bytes: u64) {
        self.undo_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn discharge(&self, bytes: u64) {
        let before = self.undo_bytes.fetch_sub(bytes, Ordering::Relaxed);
        assert!(before >= bytes, "the memory of undo logs is counted when it is taken");
    }
}

impl Names {
    fn path(&self, id: NodeId) -> io::Result<PathBuf> {
        self.tree.path(id).ok_or_else(|| Errno::ESTALE.into())
    }

    fn child(&self, parent: NodeId, name: &std::ffi::OsStr) -> io::Result<PathBuf> {
        Ok(self.path(parent)?.join(name))
    }

    /// The node at a path that the kernel has looked up.
    fn known(&self, path: &Path) -> io::Result<(NodeId, Metadata)> {
        let metadata = fs::symlink_metadata(path)?;
        let id = self.tree.of_inode(metadata.ino()).ok_or(Errno::ESTALE)?;
        Ok((id, metadata))
    }

    fn found(&self, id: NodeId, metadata: Metadata) -> Found {
        let links = metadata.nlink().saturating_sub(self.tree.trashed_links(id));
        Found { id, metadata, links }
    }
}
