//! The disks of processes: a directory each, on the machine's own disk.
//!
//! Such a directory can be emptied and measured; the machine's disk cannot be made to fail or to rot.

use std::io;
use std::path::{Path, PathBuf};

use nemesis::surface::{DiskStatistics, SurfaceError};

/// The disks of all nodes, which are known by their names.
pub trait Disks {
    /// Makes the node's disk ready for its process.
    ///
    /// # Errors
    /// When that fails.
    fn prepare(&self, node: &str) -> io::Result<()>;
    /// Where the node's process finds its disk.
    fn path(&self, node: &str) -> PathBuf;
    /// Empties the disk of a node that does not run.
    ///
    /// # Errors
    /// When something cannot be removed.
    fn wipe(&self, node: &str) -> Result<(), SurfaceError>;
    /// What is on it, and has happened to it.
    ///
    /// # Errors
    /// When it cannot be read.
    fn statistics(&self, node: &str) -> Result<DiskStatistics, SurfaceError>;
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

    fn wipe(&self, node: &str) -> Result<(), SurfaceError> {
        match std::fs::remove_dir_all(self.path(node)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(SurfaceError(error.to_string())),
            _ => Ok(()),
        }
    }

    fn statistics(&self, node: &str) -> Result<DiskStatistics, SurfaceError> {
        let bytes = bytes_under(&self.path(node)).map_err(|error| SurfaceError(error.to_string()))?;
        Ok(DiskStatistics { bytes, ..DiskStatistics::default() })
    }
}

/// Bytes of the files in a directory and below it; none where there is no directory.
fn bytes_under(dir: &Path) -> io::Result<u64> {
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
