//! Puts a child under a clock, a disk or both: between fork and exec it takes the filter and hands the listener to the
//! supervisor.
//!
//! The child sends descriptors over one socket: the listener on which its calls are reported, a socket on which the
//! supervisor says how the first execs ended, and its clock file if it is under a clock; and in the same message the number
//! of its disk. So nothing has to be known of the child beforehand, not even its number.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::time::{Duration, Instant};

use libc::sock_filter;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

use crate::filter;
use crate::sys;
use crate::under::Under;

/// How many programs of a tree are told of, from its first.
pub(crate) const TOLD_MAX: usize = 64;

/// The longest message; of a longer reason the rest is cut off.
const TOLD_BYTES_MAX: usize = 1024;

/// What the supervisor says of a program, a message each.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// It has its stand-in.
    Installed,
    /// It ended while it was started.
    Ended,
    /// It runs with the true clock, for a reason.
    Unpatched(String),
}

impl Told {
    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Installed => b"+".to_vec(),
            Self::Ended => b"-".to_vec(),
            Self::Unpatched(reason) => [b"!", reason.as_bytes()].concat(),
        }
    }

    /// None if it is no message.
    fn decode(message: &[u8]) -> Option<Self> {
        match message.split_first()? {
            (b'+', []) => Some(Self::Installed),
            (b'-', []) => Some(Self::Ended),
            (b'!', reason) => Some(Self::Unpatched(String::from_utf8_lossy(reason).into_owned())),
            _ => None,
        }
    }
}

/// What a child says with its descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Greeting {
    /// How many descriptors it sends.
    pub(crate) descriptors: u8,
    /// The number of its disk; zero for none.
    pub(crate) disk: u64,
}

impl Greeting {
    pub(crate) const BYTES: usize = 9;

    fn encode(self) -> [u8; Self::BYTES] {
        let mut bytes = [self.descriptors; Self::BYTES];
        bytes[1..].copy_from_slice(&self.disk.to_le_bytes());
        bytes
    }

    pub(crate) fn decode([descriptors, disk @ ..]: [u8; Self::BYTES]) -> Self {
        Self { descriptors, disk: u64::from_le_bytes(disk) }
    }
}

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
    clock: Option<OwnedFd>,
    outcomes: OwnedFd,
    disk: u64,
}

impl Installer {
    pub(crate) fn new(supervisor: OwnedFd, under: Under<'_>) -> io::Result<(Self, Installation)> {
        let (outcomes, awaited) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        let parts = Parts {
            program: filter::program(
                under.clock.map(|(_, reach)| reach),
                under.disk.map(|(_, reach)| reach).unwrap_or_default(),
            ),
            supervisor,
            clock: under.clock.map(|(clock, _)| clock.read_only()).transpose()?,
            outcomes,
            disk: under.disk.map_or(0, |(disk, _)| disk.disk().number),
        };
        Ok((Self(Arc::new(parts)), Installation { outcomes: UnixStream::from(awaited) }))
    }

    /// Puts whatever `command` starts, and its descendants, under it: adds a step between fork and exec, which has to be
    /// the last. No code can fail here, so that it fits where only a change of a command is asked for, as in
    /// `sandbox::NodeCommand::before_exec`.
    pub fn prepare(self, command: &mut Command) {
        sys::before_exec(command, move || self.install());
    }

    /// Puts this process under it, for good, beginning with its next exec. To be called between fork and exec, as
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
        let (first, second) = (listener.as_fd(), parts.outcomes.as_fd());
        let say = |descriptors: &[BorrowedFd<'_>]| {
            let greeting = Greeting { descriptors: descriptors.len() as u8, disk: parts.disk };
            sys::send(parts.supervisor.as_fd(), &greeting.encode(), descriptors)
        };
        match &parts.clock {
            Some(clock) => say(&[first, second, clock.as_fd()]),
            None => say(&[first, second]),
        }
    }
}

/// Tells how the first execs under an [`Installer`] ended: of programs under a clock. Of others it tells nothing, since
/// they are under their disk as soon as they are started.
#[derive(Debug)]
pub struct Installation {
    outcomes: UnixStream,
}

/// Why it is not known that a program shows its clock.
#[derive(Debug, thiserror::Error)]
pub enum NotInstalled {
    /// The program runs with the true clock.
    #[error("the program runs with the machine's clock: {0}")]
    Unpatched(String),
    /// The program has ended.
    #[error("the program ended while it was started")]
    Ended,
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
    pub fn settled(self, patience: Duration) -> Result<(), NotInstalled> {
        self.programs_settled(1, patience)
    }

    /// Waits until this many programs of the tree have their clock, from the first on: two, if the one that is asked
    /// for is started by another one (an init, a shell). At most 64 are told of.
    ///
    /// # Errors
    /// When one of them runs with the true clock or has ended while it was started, or nothing is known in time.
    pub fn programs_settled(mut self, programs: usize, patience: Duration) -> Result<(), NotInstalled> {
        let deadline = Instant::now() + patience;
        for _ in 0..programs {
            match self.next_told(deadline.saturating_duration_since(Instant::now())) {
                Ok(Told::Installed) => {}
                Ok(Told::Ended) => return Err(NotInstalled::Ended),
                Ok(Told::Unpatched(reason)) => return Err(NotInstalled::Unpatched(reason)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(NotInstalled::TimedOut(patience)),
                Err(error) => return Err(NotInstalled::Gone(error)),
            }
        }
        Ok(())
    }

    fn next_told(&mut self, patience: Duration) -> io::Result<Told> {
        // Zero would mean no limit.
        self.outcomes.set_read_timeout(Some(patience.max(Duration::from_millis(1))))?;
        let mut message = [0; TOLD_BYTES_MAX];
        let length = self.outcomes.read(&mut message)?;
        // No message, that is, an empty one: nobody is left to send any.
        Told::decode(&message[..length]).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greetings_are_understood() {
        let greeting = Greeting { descriptors: 3, disk: 1 << 40 };
        assert_eq!(Greeting::decode(greeting.encode()), greeting);
    }

    #[test]
    fn messages_are_understood_and_nothing_else_is() {
        for told in [Told::Installed, Told::Ended, Told::Unpatched("why".to_owned())] {
            assert_eq!(Told::decode(&told.encode()), Some(told));
        }
        for nonsense in [&b""[..], b"?", b"+x", b"-x"] {
            assert_eq!(Told::decode(nonsense), None);
        }
    }
}
