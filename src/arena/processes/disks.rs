//! The disks of processes: a directory each, on the machine's own disk.
//!
//! Such a directory can be emptied and measured; the machine's disk cannot be made to fail or to rot. For that there is a
//! file system of the bench below it (`failing_disks.rs`), or, for some of it, a listener to system calls
//! (`reported_disks.rs`).

use std::fs::DirEntry;
use std::io;
use std::path::{Path, PathBuf};

use nemesis::surface::{DiskRule, DiskStatistics, Loss, SurfaceError, SurfaceFuture};
use program_clock::{DiskCalls, DiskReach};

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
    /// The disk by whose rules the calls of the node's programs are answered, and which of them are reported from their
    /// start; none where no call is.
    fn reported(&self, _node: &str) -> Option<(DiskCalls, DiskReach)> {
        None
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

/// Bytes of the files in a directory and below it, which a running node may change meanwhile: what is not there, or not any
/// more, has none.
pub(super) fn bytes_under(dir: &Path) -> io::Result<u64> {
    let Some(entries) = if_there(std::fs::read_dir(dir))? else { return Ok(0) };
    let mut bytes = 0;
    for entry in entries {
        bytes += bytes_of(&entry?)?;
    }
    Ok(bytes)
}

fn bytes_of(entry: &DirEntry) -> io::Result<u64> {
    let Some(kind) = if_there(entry.file_type())? else { return Ok(0) };
    match kind.is_dir() {
        true => bytes_under(&entry.path()),
        false => Ok(if_there(entry.metadata())?.map_or(0, |metadata| metadata.len())),
    }
}

fn if_there<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A power failure counted as not begun, as the node had removed a file between two calls that measured its disk.
    #[test]
    fn regression_what_vanishes_while_a_disk_is_measured_has_no_bytes() {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(dir.path().join("sub")).expect("a directory in it");
        for name in ["stays", "goes", "sub/stays"] {
            std::fs::write(dir.path().join(name), "four").expect("a file");
        }
        assert_eq!(bytes_under(dir.path()).expect("it is measured"), 12);
        let seen: Vec<DirEntry> =
            std::fs::read_dir(dir.path()).expect("it is there").map(|entry| entry.expect("a name")).collect();
        std::fs::remove_file(dir.path().join("goes")).expect("it is there");
        std::fs::remove_dir_all(dir.path().join("sub")).expect("it is there");
        let bytes = seen.iter().map(|entry| bytes_of(entry).expect("it is measured"));
        assert_eq!(bytes.sum::<u64>(), 4);
        assert_eq!(bytes_under(&dir.path().join("sub")).expect("it is measured"), 0);
    }
}
