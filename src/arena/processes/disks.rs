//! The disks of processes: a directory each, on the machine's own disk.
//!
//! Such a directory can be emptied and measured; the machine's disk cannot be made to fail or to rot. For that there is a
//! file system of the bench below it: see `failing_disks.rs`.

use std::io;
use std::path::{Path, PathBuf};

use nemesis::surface::{DiskRule, DiskStatistics, Loss, SurfaceError, SurfaceFuture};

/// The disks of all nodes, which are known by their names. Those that can only be emptied and measured refuse the rest.
pub trait Disks {
    /// Makes the node's disk ready for its process.
    ///
    /// # Errors
    /// When that fails.
    fn prepare(&self, node: &str) -> io::Result<()>;
    /// Where the node's process finds its disk.
    fn path(&self, node: &str) -> PathBuf;
    /// Empties the disk of a node that does not run.
    fn wipe<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()>;
    /// What is on it, and has happened to it.
    ///
    /// # Errors
    /// When it cannot be read.
    fn statistics(&self, node: &str) -> Result<DiskStatistics, SurfaceError>;
    /// Replaces the rule of the node's disk, which outlives the node's process.
    fn set_rule<'a>(&'a self, node: &'a str, _rule: DiskRule) -> SurfaceFuture<'a, ()> {
        real(node)
    }
    /// The power of nodes has failed that do not run any more: their disks lose what was not synced.
    fn lose_unsynced<'a>(&'a self, nodes: &'a [String], _loss: Loss) -> SurfaceFuture<'a, ()> {
        real(nodes.first().map_or("", String::as_str))
    }
    /// Flips bits in the files of a node that does not run.
    fn flip_bits<'a>(&'a self, node: &'a str, _bits: u64) -> SurfaceFuture<'a, ()> {
        real(node)
    }
}

fn real<'a>(node: &str) -> SurfaceFuture<'a, ()> {
    let why = format!("{node} writes to the machine's own disk, which cannot be made to fail");
    Box::pin(std::future::ready(Err(SurfaceError(why))))
}

/// `NODES_DIR/NODE/data` for each node.
pub struct Directories {
    nodes_dir: PathBuf,
}

impl Directories {
    /// Below this directory.
    pub fn below(nodes_dir: PathBuf) -> Self {
        Self { nodes_dir }
    }
}

impl Disks for Directories {
    fn prepare(&self, node: &str) -> io::Result<()> {
        std::fs::create_dir_all(self.path(node))
    }

    fn path(&self, node: &str) -> PathBuf {
        self.nodes_dir.join(node).join("data")
    }

    fn wipe<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        let wiped = match std::fs::remove_dir_all(self.path(node)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(SurfaceError(error.to_string())),
            _ => Ok(()),
        };
        Box::pin(std::future::ready(wiped))
    }

    fn statistics(&self, node: &str) -> Result<DiskStatistics, SurfaceError> {
        let bytes = bytes_under(&self.path(node)).map_err(|error| SurfaceError(error.to_string()))?;
        Ok(DiskStatistics { bytes, ..DiskStatistics::default() })
    }
}

/// Bytes of the files in a directory and below it; none where there is no directory.
pub(super) fn bytes_under(dir: &Path) -> io::Result<u64> {
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let mut bytes = 0;
    for entry in entries {
        let entry = entry?;
        let is_dir = entry.file_type()?.is_dir();
        bytes += if is_dir { bytes_under(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}
