//! Puts a child under a clock: between fork and exec it takes the filter and hands the listener to the supervisor.
//!
//! The child sends three descriptors over one socket: the listener on which its calls are reported, its clock file, and
//! a socket on which the supervisor says how the first exec ended. So nothing has to be known of the child beforehand,
//! not even its number.

use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use libc::sock_filter;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::clock::Clock;
use crate::filter;
use crate::reach::Reach;
use crate::sys;

/// What the supervisor writes when the first program has its stand-in.
pub(crate) const INSTALLED: &[u8] = b"+";

/// The longest reason that is read.
const REASON_BYTES_MAX: u64 = 1024;

/// Installs the filter in a process that is about to start a program. Cheap to clone.
///
/// For spawning code with its own steps between fork and exec; [`crate::Supervisor::prepare`] does it for a
/// [`std::process::Command`].
#[derive(Clone, Debug)]
pub struct Installer(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    program: Vec<sock_filter>,
    supervisor: OwnedFd,
    clock: OwnedFd,
    outcome: UnixStream,
}

impl Installer {
    pub(crate) fn new(supervisor: OwnedFd, clock: &Clock, reach: Reach) -> io::Result<(Self, Installation)> {
        let (outcome, awaited) = UnixStream::pair()?;
        let parts = Parts { program: filter::program(reach), supervisor, clock: clock.read_only()?, outcome };
        Ok((Self(Arc::new(parts)), Installation { outcome: awaited }))
    }

    /// Puts this process under the clock, for good, beginning with its next exec. To be called between fork and exec, as
    /// the last step but the exec: it sets `no_new_privs`, and allocates nothing.
    ///
    /// # Errors
    /// When a filter with a listener is above this process already (EBUSY), when the kernel refuses, or when the
    /// supervisor has ended (EPIPE).
    pub fn install(&self) -> io::Result<()> {
        let parts = &*self.0;
        // The listener is closed at the end of this call: if it stayed open here, the exec would wait for ever in case
        // the supervisor ends.
        let listener = sys::install_filter(&parts.program)?;
        sys::send(parts.supervisor.as_fd(), b"L", [listener.as_fd(), parts.clock.as_fd(), parts.outcome.as_fd()])
    }
}

/// Tells how the first exec under an [`Installer`] ended.
#[derive(Debug)]
pub struct Installation {
    outcome: UnixStream,
}

/// Why it is not known that a program shows its clock.
#[derive(Debug, thiserror::Error)]
pub enum NotInstalled {
    /// The program runs with the true clock.
    #[error("the program runs with the machine's clock: {0}")]
    Unpatched(String),
    /// There was no word in time.
    #[error("the program did not get its clock within {0:?}: was it started at all?")]
    TimedOut(Duration),
    /// The supervisor is gone, or the program could not be started.
    #[error("the program did not get its clock: {0}")]
    Gone(io::Error),
}

impl Installation {
    /// Waits until the program has its clock.
    ///
    /// # Errors
    /// When the program runs with the true clock, or nothing is known in time.
    pub fn settled(mut self, patience: Duration) -> Result<(), NotInstalled> {
        // Zero would mean no limit.
        self.outcome.set_read_timeout(Some(patience.max(Duration::from_millis(1)))).map_err(NotInstalled::Gone)?;
        let mut said = [0; REASON_BYTES_MAX as usize];
        match self.outcome.read(&mut said) {
            Ok(0) => Err(NotInstalled::Gone(io::ErrorKind::UnexpectedEof.into())),
            Ok(length) if said[..length] == *INSTALLED => Ok(()),
            Ok(length) => Err(NotInstalled::Unpatched(String::from_utf8_lossy(&said[..length]).into_owned())),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(NotInstalled::TimedOut(patience)),
            Err(error) => Err(NotInstalled::Gone(error)),
        }
    }
}

/// Waits until a child of this process has ended, as [`Child::wait`], which must not be used for a child under a clock:
/// as long as a process becomes another program it is traced by this process, and a plain wait takes a stop of that for
/// its end. (tokio's `Child::wait` is fine, and so is anything that waits for a descriptor of the process first.)
///
/// # Errors
/// When the child cannot be waited for.
pub fn wait(child: &mut Child) -> io::Result<ExitStatus> {
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    match sys::open_process(pid) {
        Ok(process) => {
            while poll(&mut [PollFd::new(process.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE).is_err() {}
        }
        // It has been reaped: the child knows its status.
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
        Err(error) => return Err(error),
    }
    child.wait()
}
