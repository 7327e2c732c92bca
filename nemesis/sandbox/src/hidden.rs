//! The bench's own executable, started again for a purpose: the first thing that main does is to ask whether this is
//! such a start.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::OnceLock;

use rustix::fs::{Mode, OFlags};

use crate::{doctor, init, sys};

/// The executable that this process runs, held open: a new build in its place does not become the init of an old
/// bench. Set by [`serve_hidden_commands`].
static EXECUTABLE: OnceLock<File> = OnceLock::new();

/// To be called as the first thing in main: in a process that was started as the init of a node or as a probe of
/// [`crate::doctor`], this does that work and does not return. In any other, it returns at once, and nodes can be
/// started from now on. Files that the process has inherited are closed at its execs then, and do not reach nodes.
///
/// # Errors
/// When `/proc/self` cannot be read.
pub fn serve_hidden_commands() -> io::Result<()> {
    let mut arguments = env::args_os().skip(1);
    let command: Option<OsString> = arguments.next();
    if command.as_ref().is_some_and(|command| command == init::COMMAND) {
        init::run(arguments);
    }
    if command.as_ref().is_some_and(|command| command == doctor::COMMAND) {
        doctor::answer(arguments);
    }
    sys::keep_inherited_from_children()?;
    hold_executable()
}

/// From now on, [`executable`] has a path.
pub(crate) fn hold_executable() -> io::Result<()> {
    let opened = rustix::fs::open(c"/proc/self/exe", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    EXECUTABLE.get_or_init(|| opened.into());
    Ok(())
}

/// The path by which a child of this process executes it once more; none if main has not called
/// [`serve_hidden_commands`], so that a child would run main instead.
pub(crate) fn executable() -> Option<PathBuf> {
    Some(format!("/proc/self/fd/{}", EXECUTABLE.get()?.as_raw_fd()).into())
}
