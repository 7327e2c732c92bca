//! The first process of a node: it starts the program, reaps orphans, sends signals, and dies with the bench.
//!
//! It is the bench's own executable, started again. As process 1 of a PID namespace it has a few powers that nothing
//! outside has:
//!
//! - When it ends, the kernel kills every other process of the namespace, however far they have moved from their
//!   parents. So it ends to end the node.
//! - Orphans become its children, and it reaps them.
//! - `kill(-1)` reaches every process but itself in one step that no fork can slip through. So it is init that stops
//!   and continues the node, not the bench, which would have to look for the processes first.
//!
//! It never runs code of the program, and holds nothing of the bench but the socket and its standard error until the
//! program has started.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{self, Command};
use std::time::Instant;

use nix::sys::signal::{self, SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{WaitOptions, wait};

use crate::duty::{Act, Duty};
use crate::sys;
use crate::wire::{Notice, Order, Request, hear, tell};

/// The argument by which the bench's executable knows that it is an init.
pub(crate) const COMMAND: &str = "__init";

/// When the node ends by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lifetime {
    /// With the program that it was started with: what this one has started is killed then.
    #[default]
    Program,
    /// With the last of its processes: for a program that goes into the background.
    LastProcess,
}

impl Lifetime {
    pub(crate) fn argument(self) -> &'static str {
        match self {
            Self::Program => "program",
            Self::LastProcess => "last",
        }
    }

    fn of(argument: &OsString) -> Option<Self> {
        [Self::Program, Self::LastProcess].into_iter().find(|lifetime| argument == lifetime.argument())
    }
}

/// Why an init stops working, for the one who reads the node's standard error.
type Failure = Box<dyn std::error::Error>;

/// Is init until the node ends, then exits. Arguments: the socket's number, the lifetime, the program, its arguments.
pub(crate) fn run(arguments: impl Iterator<Item = OsString>) -> ! {
    let code = match serve(arguments) {
        Ok(()) => 0,
        Err(failure) => {
            eprintln!("{COMMAND}: {failure}");
            70
        }
    };
    process::exit(code)
}

fn serve(mut arguments: impl Iterator<Item = OsString>) -> Result<(), Failure> {
    let number = arguments.next().and_then(|number| number.to_str()?.parse().ok()).ok_or("no socket was given")?;
    let socket = sys::inherited(number)?;
    let lifetime = arguments.next().as_ref().and_then(Lifetime::of).ok_or("no lifetime was given")?;
    let program = arguments.next().ok_or("no program was given")?;
    rustix::thread::set_name(c"node-init")?;
    // Signals that the bench has blocked would stay so in every program.
    signal::sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
    let mut command = Command::new(program);
    match command.args(arguments).spawn() {
        Ok(child) => Init::begin(socket, lifetime, child.id())?.attend(),
        Err(error) => {
            let errno = error.raw_os_error().unwrap_or(Errno::IO.raw_os_error());
            Ok(tell(socket.as_fd(), &Notice::ExecFailed { errno }.encode())?)
        }
    }
}

struct Init {
    socket: OwnedFd,
    children: SignalFd,
    lifetime: Lifetime,
    /// Until it has been reaped: its pid is nobody else's before that.
    program: Option<i32>,
    duty: Duty,
    began: Instant,
}

impl Init {
    fn begin(socket: OwnedFd, lifetime: Lifetime, pid_inside: u32) -> Result<Self, Failure> {
        let mut mask = SigSet::empty();
        mask.add(Signal::SIGCHLD);
        signal::sigprocmask(SigmaskHow::SIG_BLOCK, Some(&mask), None)?;
        let children = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        let_go_of_files()?;
        tell(socket.as_fd(), &Notice::Started { pid_inside }.encode())?;
        let program = Some(pid_inside.cast_signed());
        Ok(Self { socket, children, lifetime, program, duty: Duty::default(), began: Instant::now() })
    }

    /// Until the node ends, or the bench.
    fn attend(mut self) -> Result<(), Failure> {
        loop {
            if self.reap()? {
                return Ok(());
            }
            self.pulse()?;
            if self.asked()? && !self.answer()? {
                return Ok(());
            }
        }
    }

    /// Waits until something happens; says if the bench has sent something, or is gone.
    fn asked(&self) -> Result<bool, Errno> {
        let due =
            self.duty.due_ns().and_then(|due_ns| Timespec::try_from(std::time::Duration::from_nanos(due_ns)).ok());
        let mut waits = [PollFd::new(&self.socket, PollFlags::IN), PollFd::new(&self.children, PollFlags::IN)];
        match poll(&mut waits, due.as_ref()) {
            Ok(_) => Ok(!waits[0].revents().is_empty()),
            Err(Errno::INTR) => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    /// Reaps all that have ended; says if the node has.
    fn reap(&mut self) -> Result<bool, Failure> {
        while self.children.read_signal()?.is_some() {}
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if Some(pid.as_raw_nonzero().get()) == self.program => {
                    self.program = None;
                    tell(self.socket.as_fd(), &Notice::Ended { status: status.as_raw() }.encode())?;
                    if self.lifetime == Lifetime::Program {
                        return Ok(true);
                    }
                }
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) => return Ok(false),
                Err(Errno::CHILD) => return Ok(true),
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Hears a request and answers it; says if the bench is still there.
    fn answer(&mut self) -> Result<bool, Failure> {
        let Some(message) = hear(&self.socket)? else { return Ok(false) };
        let Request { sequence, order } = Request::decode(&message).ok_or("the bench sent what is no request")?;
        let errno = match self.carry_out(order) {
            Ok(()) => 0,
            Err(error) => error.raw_os_error().unwrap_or(Errno::IO.raw_os_error()),
        };
        let done = Notice::Done { sequence, errno, pulses: self.duty.pulses(), held_ms: self.duty.held_ms() };
        tell(self.socket.as_fd(), &done.encode())?;
        Ok(true)
    }

    fn carry_out(&mut self, order: Order) -> io::Result<()> {
        let now_ns = self.now_ns();
        match order {
            Order::SignalProgram(signal) => {
                let pid = self.program.ok_or(io::Error::from(Errno::SRCH))?;
                signal::kill(Pid::from_raw(pid), Signal::try_from(signal)?)?;
            }
            // Sent in any case: if something inside has continued a process, freezing again stops it again.
            Order::Freeze => {
                self.duty.freeze();
                signal_all(Signal::SIGSTOP)?;
            }
            Order::Thaw => self.duty.thaw(now_ns),
            Order::Throttle { percent, period_ms } => {
                self.duty.throttle(percent, period_ms, now_ns).ok_or(io::Error::from(Errno::INVAL))?;
            }
            Order::Report => {}
        }
        self.pulse()
    }

    /// Stops the processes or lets them go on, if it is time.
    fn pulse(&mut self) -> io::Result<()> {
        match self.duty.act(self.now_ns()) {
            Some(Act::Stop) => signal_all(Signal::SIGSTOP),
            Some(Act::Go) => signal_all(Signal::SIGCONT),
            None => Ok(()),
        }
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Every process of the namespace but this one. There may be none.
fn signal_all(signal: Signal) -> io::Result<()> {
    match signal::kill(Pid::from_raw(-1), signal) {
        Ok(()) | Err(nix::errno::Errno::ESRCH) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// The files of the program are its own: a reader of its output should see its end when the program closes it.
fn let_go_of_files() -> Result<(), Errno> {
    let nothing = rustix::fs::open(c"/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&nothing)?;
    rustix::stdio::dup2_stdout(&nothing)?;
    rustix::stdio::dup2_stderr(&nothing)?;
    rustix::process::chdir(c"/")
}
