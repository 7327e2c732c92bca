//! A program whose life is bound to the bench's, although it knows nothing of the bench.
//!
//! The bench starts its own executable with the hidden command `__bound`, which asks the kernel to be killed when the
//! thread that started it is gone, and then becomes the program. The wish outlives that, unless the program raises its
//! privileges.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::getppid;

/// The hidden command of the bench's executable.
pub const BOUND_COMMAND: &str = "__bound";

/// Becomes the program, bound to the process that has started this one; returns only if that fails.
pub fn become_bound(parent_pid: i32, program: &OsString, arguments: &[OsString]) -> io::Error {
    if let Err(error) = prctl::set_pdeathsig(Signal::SIGKILL) {
        return error.into();
    }
    // If it was gone before the kernel knew the wish, nothing would ever come of it.
    if getppid().as_raw() != parent_pid {
        return io::Error::other("the bench that started it is gone");
    }
    Command::new(program).args(arguments).exec()
}
