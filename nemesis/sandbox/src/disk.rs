//! A disk of a fixed size: a file system in memory that is full when its bytes are used (ENOSPC).
//!
//! The bench mounts it in its own mount namespace, so it stays while the node is killed and started again, and nodes
//! see it from their start on. Its size can be changed while it is in use: to what is used already, and the next
//! write fails.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags, mount_remount, unmount};

use crate::steps::mount_tmpfs;

/// How full a file system is, by statvfs(3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Its size.
    pub bytes: u64,
    /// What is left to an ordinary user.
    pub bytes_free: u64,
}

impl Usage {
    /// What is used.
    pub fn bytes_used(&self) -> u64 {
        self.bytes.saturating_sub(self.bytes_free)
    }
}

/// A file system in memory of a fixed size; unmounted when dropped.
#[derive(Debug)]
pub struct SizedDisk {
    at: PathBuf,
    /// For the system calls.
    at_text: CString,
}

/// Why a disk of a fixed size could not be had.
#[derive(Debug, thiserror::Error)]
#[error(
    "the file system of {bytes} bytes at {at} cannot be {verb}: {source}; has the bench entered a mount namespace?"
)]
pub struct DiskError {
    /// Where.
    pub at: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// `mounted` or `resized`.
    pub verb: &'static str,
    /// Why.
    pub source: io::Error,
}

impl SizedDisk {
    /// Mounts one at a folder, which is made if it is not there. The size is rounded up to whole pages; 0 is refused,
    /// as it would mean no limit.
    ///
    /// # Errors
    /// When the folder cannot be made, or the bench has not entered a mount namespace of its own.
    pub fn mount(at: impl Into<PathBuf>, bytes: u64) -> Result<Self, DiskError> {
        let at = at.into();
        let fails = |source| DiskError { at: at.clone(), bytes, verb: "mounted", source };
        let options = options(bytes).map_err(fails)?;
        fs::create_dir_all(&at).map_err(fails)?;
        let at_text = CString::new(at.as_os_str().as_bytes()).map_err(|error| fails(error.into()))?;
        mount_tmpfs(&at_text, &options).map_err(|errno| fails(errno.into()))?;
        Ok(Self { at, at_text })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.at
    }

    /// Makes it larger or smaller, but not smaller than what is used.
    ///
    /// # Errors
    /// When more is used, or the size is 0.
    pub fn resize(&self, bytes: u64) -> Result<(), DiskError> {
        let fails = |source| DiskError { at: self.at.clone(), bytes, verb: "resized", source };
        let options = options(bytes).map_err(fails)?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        mount_remount(self.at_text.as_c_str(), flags, options.as_c_str()).map_err(|errno| fails(errno.into()))
    }

    /// How full it is.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn usage(&self) -> io::Result<Usage> {
        usage(&self.at)
    }
}

impl Drop for SizedDisk {
    fn drop(&mut self) {
        // Lazily, as a node may still have files open; it is gone with the last of them, or with the bench.
        let _ = unmount(self.at_text.as_c_str(), UnmountFlags::DETACH);
    }
}

fn options(bytes: u64) -> io::Result<CString> {
    if bytes == 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a size of 0 would mean no limit"));
    }
    Ok(CString::new(format!("size={bytes},mode=700"))?)
}

/// How full the file system of a path is.
pub(crate) fn usage(path: &Path) -> io::Result<Usage> {
    let figures = rustix::fs::statvfs(path)?;
    Ok(Usage { bytes: figures.f_blocks * figures.f_frsize, bytes_free: figures.f_bavail * figures.f_frsize })
}
