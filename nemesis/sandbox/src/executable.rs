//! The executable that this process runs, held open: a new build in its place does not become the init of an old bench.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::OnceLock;

use rustix::fs::{Mode, OFlags};

/// Set only in a process whose main serves as init when it is executed once more.
static EXECUTABLE: OnceLock<File> = OnceLock::new();

/// From now on, [`path`] has one.
pub(crate) fn hold() -> io::Result<()> {
    let opened = rustix::fs::open(c"/proc/self/exe", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    EXECUTABLE.get_or_init(|| opened.into());
    Ok(())
}

/// The path by which a child of this process executes it once more; none if main does not serve hidden commands, so
/// that a child would run main instead.
pub(crate) fn path() -> Option<PathBuf> {
    Some(format!("/proc/self/fd/{}", EXECUTABLE.get()?.as_raw_fd()).into())
}
