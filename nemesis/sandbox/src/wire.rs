//! What the bench and a node's init tell each other: messages of five little-endian words over a pair of sockets that
//! keeps their boundaries.
//!
//! ```text
//!   bench ── Request { sequence, order } ──► init        init answers each with Done
//!   bench ◄── StepFailed | ExecFailed | Started, then Done..., then Ended ── init
//! ```
//!
//! The socket is the node's lifeline, too: an init that finds it closed knows that the bench is gone, and ends.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair};

/// Bytes of a message.
pub(crate) const LENGTH: usize = 20;

type Words = [u32; 5];

/// What an init is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// A signal to the program that the node was started with.
    SignalProgram(i32),
    /// Stops every process of the node but init, and keeps it stopped.
    Freeze,
    /// Lets them go on.
    Thaw,
    /// Lets them run for this share of the time, in percent, by pulses of this period. 100 ends it.
    Throttle { percent: u32, period_ms: u32 },
    /// Nothing: its answer tells the pulses so far, and how long they stopped the processes in all.
    Report,
}

/// An order with its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) sequence: u32,
    pub(crate) order: Order,
}

/// What an init tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// A step before the exec of init failed: its number, and the error.
    StepFailed { step: u32, errno: i32 },
    /// The program could not be executed.
    ExecFailed { errno: i32 },
    /// The program runs under this pid inside.
    Started { pid_inside: u32 },
    /// The program ended, with this status of waitpid(2).
    Ended { status: i32 },
    /// An order was carried out (errno 0) or refused.
    Done { sequence: u32, errno: i32, pulses: u32, held_ms: u32 },
}

impl Request {
    pub(crate) fn encode(self) -> [u8; LENGTH] {
        bytes(match self.order {
            Order::SignalProgram(signal) => [self.sequence, 1, signal.cast_unsigned(), 0, 0],
            Order::Freeze => [self.sequence, 2, 0, 0, 0],
            Order::Thaw => [self.sequence, 3, 0, 0, 0],
            Order::Throttle { percent, period_ms } => [self.sequence, 4, percent, period_ms, 0],
            Order::Report => [self.sequence, 5, 0, 0, 0],
        })
    }

    pub(crate) fn decode(message: &[u8]) -> Option<Self> {
        let [sequence, kind, first, second, _] = words(message)?;
        let order = match kind {
            1 => Order::SignalProgram(first.cast_signed()),
            2 => Order::Freeze,
            3 => Order::Thaw,
            4 => Order::Throttle { percent: first, period_ms: second },
            5 => Order::Report,
            _ => return None,
        };
        Some(Self { sequence, order })
    }
}

impl Notice {
    pub(crate) fn encode(self) -> [u8; LENGTH] {
        bytes(match self {
            Self::StepFailed { step, errno } => [1, step, errno.cast_unsigned(), 0, 0],
            Self::ExecFailed { errno } => [2, errno.cast_unsigned(), 0, 0, 0],
            Self::Started { pid_inside } => [3, pid_inside, 0, 0, 0],
            Self::Ended { status } => [4, status.cast_unsigned(), 0, 0, 0],
            Self::Done { sequence, errno, pulses, held_ms } => [5, sequence, errno.cast_unsigned(), pulses, held_ms],
        })
    }

    pub(crate) fn decode(message: &[u8]) -> Option<Self> {
        let [kind, first, second, third, fourth] = words(message)?;
        Some(match kind {
            1 => Self::StepFailed { step: first, errno: second.cast_signed() },
            2 => Self::ExecFailed { errno: first.cast_signed() },
            3 => Self::Started { pid_inside: first },
            4 => Self::Ended { status: first.cast_signed() },
            5 => Self::Done { sequence: first, errno: second.cast_signed(), pulses: third, held_ms: fourth },
            _ => return None,
        })
    }
}

fn bytes(words: Words) -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

fn words(message: &[u8]) -> Option<Words> {
    let message: &[u8; LENGTH] = message.try_into().ok()?;
    let mut words = [0; 5];
    for (word, bytes) in words.iter_mut().zip(message.as_chunks().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    Some(words)
}

/// Two ends, each closed at an exec.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// Sends a whole message; the other end's absence is an error, not a signal. Safe between fork and exec.
pub(crate) fn tell(socket: BorrowedFd<'_>, message: &[u8; LENGTH]) -> io::Result<()> {
    rustix::io::retry_on_intr(|| send(socket, message, SendFlags::NOSIGNAL))?;
    Ok(())
}

/// The next message; none when the other end is closed.
pub(crate) fn hear(socket: impl AsFd) -> io::Result<Option<[u8; LENGTH]>> {
    let mut message = [0; LENGTH];
    match rustix::io::retry_on_intr(|| recv(&socket, &mut message[..], RecvFlags::empty())) {
        Ok((0, _)) | Err(Errno::CONNRESET) => Ok(None),
        Ok((LENGTH, _)) => Ok(Some(message)),
        Ok(_) => Err(io::ErrorKind::InvalidData.into()),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_is_read_as_it_was_written() {
        let orders = [
            Order::SignalProgram(15),
            Order::Freeze,
            Order::Thaw,
            Order::Throttle { percent: 20, period_ms: 100 },
            Order::Report,
        ];
        for (sequence, order) in (7..).zip(orders) {
            let request = Request { sequence, order };
            assert_eq!(Request::decode(&request.encode()), Some(request));
        }
        let notices = [
            Notice::StepFailed { step: 3, errno: 1 },
            Notice::ExecFailed { errno: 2 },
            Notice::Started { pid_inside: 2 },
            Notice::Ended { status: -1 },
            Notice::Done { sequence: 9, errno: 3, pulses: 4, held_ms: 5 },
        ];
        for notice in notices {
            assert_eq!(Notice::decode(&notice.encode()), Some(notice));
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for message in [&[][..], &[0; LENGTH], &[9; LENGTH], &[1; LENGTH - 1], &[1; LENGTH + 1]] {
            assert_eq!((Request::decode(message), Notice::decode(message)), (None, None), "{message:?}");
        }
    }

    #[test]
    fn a_closed_end_is_heard() {
        let (here, there) = pair().expect("sockets");
        let request = Request { sequence: 1, order: Order::Freeze };
        tell(here.as_fd(), &request.encode()).expect("told");
        assert_eq!(hear(&there).expect("heard"), Some(request.encode()));
        drop(here);
        assert_eq!(hear(&there).expect("closed"), None);
        assert!(tell(there.as_fd(), &request.encode()).is_err(), "nobody is there");
    }
}
