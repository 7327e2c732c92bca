//! What can go wrong with a disk itself, as against what it is told to do wrong.

use std::io;
use std::path::PathBuf;

use crate::rules::BadRule;

/// A disk cannot be had, or not handled as asked.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The device of FUSE cannot be opened.
    #[error("/dev/fuse cannot be opened: {0}; disks of unmodified programs need it readable and writable by this user")]
    NoFuse(#[source] io::Error),
    /// The kernel refuses to mount.
    #[error(
        "{at} cannot be mounted on: {source}; it takes a user and a mount namespace of the bench's own, \
         and a kernel with FUSE 4.18 or later",
        at = at.display()
    )]
    NoMount {
        /// The mount point.
        at: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A path that a disk needs is not as it must be.
    #[error("{}: {what}: {source}", path.display())]
    Path {
        /// What was to be done with it.
        what: &'static str,
        /// The path.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file system cannot be below itself.
    #[error("the mount point {} is inside the backing directory {}", at.display(), backing.display())]
    Inside {
        /// The mount point.
        at: PathBuf,
        /// The backing directory.
        backing: PathBuf,
    },
    /// Processes still use the disk.
    #[error("{} is still in use after {waited_ms} ms: its processes must be dead before the power fails", at.display())]
    Busy {
        /// The mount point.
        at: PathBuf,
        /// How long was waited.
        waited_ms: u64,
    },
    /// It is unmounted here and still lives, so what was not synced cannot be taken back.
    #[error(
        "the disk at {} lives on in another mount namespace after {waited_ms} ms: end its processes, \
         or let it receive unmounts (MS_SLAVE of a shared tree)",
        at.display()
    )]
    MountedElsewhere {
        /// The mount point.
        at: PathBuf,
        /// How long was waited.
        waited_ms: u64,
    },
    /// An earlier call failed half way.
    #[error("the disk at {} is not mounted: an earlier call has failed", at.display())]
    NotMounted {
        /// The mount point.
        at: PathBuf,
    },
    /// The rules make no sense.
    #[error(transparent)]
    Rule(#[from] BadRule),
    /// Threads cannot be had, or the session with the kernel failed.
    #[error("the file system at {} cannot be served: {source}", at.display())]
    Session {
        /// The mount point.
        at: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Names what was to be done with a path that could not be done.
pub(crate) fn on_path(what: &'static str, path: &std::path::Path) -> impl FnOnce(io::Error) -> DiskError {
    let path = path.to_owned();
    move |source| DiskError::Path { what, path, source }
}
