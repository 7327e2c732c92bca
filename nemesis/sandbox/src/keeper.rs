//! A thread for each node: it starts the node, hears what init tells, and knows when the node has ended.
//!
//! Why a thread. A PID namespace is entered by the children of a thread that has unshared it, a thread can do so
//! once, and the signal at a parent's death comes when the *thread* ends that made the child. So the thread that
//! starts a node lives as long as the node: the node dies with it, that is, with the bench.
//!
//! Exits are seen on a pidfd, and reaped with `__WNOTHREAD`: other threads of the bench may trace processes, and a
//! plain `waitpid` here would take their stops away.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid};
use tokio::sync::watch;

use crate::start_error::StartError;
use crate::steps::Step;
use crate::wire::{self, Notice, hear};

/// How long a node may take from fork to the exec of its program.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// Only children of this very thread (`__WNOTHREAD` of wait(2)), which no library has a name for.
const OWN_CHILDREN: WaitIdOptions = WaitIdOptions::from_bits_retain(0x2000_0000);

/// Answers of init that nobody waits for any more: so many are kept at most.
const ANSWERS_MAX: usize = 64;

/// How a node ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The program ended by itself, or by a signal from inside: with this status.
    Program(ExitStatus),
    /// All of it was killed at once: by the bench, or by the machine for want of memory.
    Killed,
    /// Init ended with this status, which is a defect, or a file system that failed.
    Init(ExitStatus),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Program(status) => write!(f, "{status}"),
            End::Killed => f.write_str("it was killed"),
            End::Init(status) => write!(f, "the first process of the node ended: {status}"),
        }
    }
}

/// An answer of init to an order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) sequence: u32,
    pub(crate) errno: i32,
    pub(crate) pulses: u32,
    pub(crate) held_ms: u32,
}

/// What the keeper and the operations on a node have in common.
#[derive(Debug)]
pub(crate) struct Kept {
    /// The bench's end of the pair.
    pub(crate) socket: OwnedFd,
    /// Of init.
    pub(crate) pidfd: OwnedFd,
    /// Of init, as the bench sees it.
    pub(crate) init_pid: i32,
    /// Of the program, as the node sees it.
    pub(crate) program_pid_inside: i32,
    /// Of the PID namespace, as in `/proc/PID/ns/pid`.
    pub(crate) namespace: u64,
    pub(crate) began: Instant,
    pub(crate) ending: Ending,
    pub(crate) answers: Mutex<Receiver<Answer>>,
}

/// The end of a node, for tasks and for threads.
#[derive(Debug)]
pub(crate) struct Ending {
    for_tasks: watch::Sender<Option<End>>,
    known: Mutex<Option<End>>,
    changed: Condvar,
}

impl Ending {
    fn new() -> Self {
        Self { for_tasks: watch::channel(None).0, known: Mutex::new(None), changed: Condvar::new() }
    }

    fn set(&self, end: End) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
        self.changed.notify_all();
        self.for_tasks.send_replace(Some(end));
    }

    pub(crate) fn get(&self) -> Option<End> {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits; none if the node has not ended after this time.
    pub(crate) fn wait_blocking(&self, at_most: Duration) -> Option<End> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(known, at_most, |known| known.is_none());
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    pub(crate) async fn wait(&self) -> End {
        let mut receiver = self.for_tasks.subscribe();
        let end = receiver.wait_for(Option::is_some).await.map(|end| *end);
        end.ok().flatten().expect("the sender is in `self`, and what was waited for is there")
    }
}

impl Kept {
    pub(crate) fn kill(&self) -> io::Result<()> {
        match pidfd_send_signal(&self.pidfd, Signal::KILL) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// Starts a node; returns when its program has been executed. The command of its init is made in the thread of the
/// keeper, with the node's end of the pair.
pub(crate) fn start(
    program: OsString,
    command: impl FnOnce(OwnedFd) -> Command + Send + 'static,
) -> Result<Arc<Kept>, StartError> {
    let (sender, receiver) = sync_channel(1);
    let keeper = thread::Builder::new().name("node-keeper".to_owned());
    keeper.spawn(move || keep(&program, command, &sender)).map_err(StartError::Init)?;
    receiver.recv().unwrap_or(Err(StartError::InitEnded))
}

/// The whole life of a node.
fn keep(
    program: &OsStr,
    command: impl FnOnce(OwnedFd) -> Command,
    started: &SyncSender<Result<Arc<Kept>, StartError>>,
) {
    let (sender, answers) = sync_channel(ANSWERS_MAX);
    let kept = match begin(program, command, answers) {
        Ok(kept) => Arc::new(kept),
        Err(error) => {
            // The receiver waits for this without a limit.
            let _ = started.send(Err(error));
            return;
        }
    };
    let _ = started.send(Ok(kept.clone()));
    let ended = attend(&kept, &sender);
    kept.ending.set(end(&kept.pidfd, ended));
}

/// Forks init into a new PID namespace, and waits for its program.
fn begin(
    program: &OsStr,
    command: impl FnOnce(OwnedFd) -> Command,
    answers: Receiver<Answer>,
) -> Result<Kept, StartError> {
    unshare(CloneFlags::CLONE_NEWPID).map_err(StartError::pid_namespace)?;
    let (socket, its_socket) = wire::pair().map_err(StartError::Init)?;
    let began = Instant::now();
    let init = fork(command(its_socket), &socket)?;
    let pidfd = pidfd_open(init, PidfdFlags::empty()).map_err(|errno| StartError::Init(errno.into()))?;
    let init_pid = init.as_raw_nonzero().get();
    let started = program_started(&socket, program).and_then(|pid| Ok((pid, namespace_of(init_pid)?)));
    let (program_pid_inside, namespace) = started.inspect_err(|_| {
        // It may have ended already; either way it is reaped here, and the error is what is reported.
        let _ = pidfd_send_signal(&pidfd, Signal::KILL);
        end(&pidfd, None);
    })?;
    let (ending, answers) = (Ending::new(), Mutex::new(answers));
    Ok(Kept { socket, pidfd, init_pid, program_pid_inside, namespace, began, ending, answers })
}

/// With the command goes the bench's copy of the node's end: from then on, init's end closes the pair.
fn fork(mut init: Command, socket: &OwnedFd) -> Result<Pid, StartError> {
    let child = init.spawn().map_err(|error| failed_step(socket).unwrap_or(StartError::Init(error)))?;
    Ok(Pid::from_child(&child))
}

/// The step that failed, if one has told so.
fn failed_step(socket: &OwnedFd) -> Option<StartError> {
    readable(socket, Duration::ZERO).ok()?.then_some(())?;
    match Notice::decode(&hear(socket).ok()??)? {
        Notice::StepFailed { step, errno } => Some(StartError::step(Step::of(step)?, errno)),
        _ => None,
    }
}

/// Waits for the exec of the program; returns its pid inside.
fn program_started(socket: &OwnedFd, program: &OsStr) -> Result<i32, StartError> {
    if !readable(socket, START_TIMEOUT).map_err(StartError::Init)? {
        return Err(StartError::Late(START_TIMEOUT));
    }
    let message = hear(socket).map_err(StartError::Init)?.ok_or(StartError::InitEnded)?;
    match Notice::decode(&message) {
        Some(Notice::Started { pid_inside }) => Ok(pid_inside.cast_signed()),
        Some(Notice::ExecFailed { errno }) => {
            Err(StartError::Exec { program: program.to_owned(), source: io::Error::from_raw_os_error(errno) })
        }
        _ => Err(StartError::InitEnded),
    }
}

fn namespace_of(pid: i32) -> Result<u64, StartError> {
    let namespace = File::open(format!("/proc/{pid}/ns/pid")).and_then(|file| file.metadata());
    namespace.map(|metadata| metadata.ino()).map_err(StartError::Init)
}

fn readable(socket: &OwnedFd, at_most: Duration) -> io::Result<bool> {
    let deadline = Instant::now() + at_most;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(|_| io::ErrorKind::InvalidInput)?;
        match poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&left)) {
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
            Ok(ready) => return Ok(ready > 0),
        }
    }
}

/// Hears init until it has ended; returns the status of the program, if it has told one.
fn attend(kept: &Kept, answers: &SyncSender<Answer>) -> Option<ExitStatus> {
    let mut status = None;
    loop {
        let mut waits = [PollFd::new(&kept.socket, PollFlags::IN), PollFd::new(&kept.pidfd, PollFlags::IN)];
        if let Err(Errno::INTR) = poll(&mut waits, None) {
            continue;
        }
        let (told, ended) = (!waits[0].revents().is_empty(), !waits[1].revents().is_empty());
        match told.then(|| hear(kept.socket.as_fd())) {
            Some(Ok(Some(message))) => match Notice::decode(&message) {
                Some(Notice::Ended { status: raw }) => status = Some(ExitStatus::from_raw(raw)),
                Some(Notice::Done { sequence, errno, pulses, held_ms }) => {
                    // A full queue holds answers that nobody waits for: whoever asks next empties it.
                    let _ = answers.try_send(Answer { sequence, errno, pulses, held_ms });
                }
                _ => {}
            },
            // Closed and drained, or broken: what is left is to wait for init's end.
            Some(_) => {
                wait_for_end(&kept.pidfd);
                return status;
            }
            None if ended => return status,
            None => {}
        }
    }
}

fn wait_for_end(pidfd: &OwnedFd) {
    while let Err(Errno::INTR) | Ok(0) = poll(&mut [PollFd::new(pidfd, PollFlags::IN)], None) {}
}

/// Reaps init, which has ended or is about to. It is a zombie until the last process of its namespace is gone.
fn end(pidfd: &OwnedFd, program: Option<ExitStatus>) -> End {
    let waited = loop {
        match waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED | OWN_CHILDREN) {
            Err(Errno::INTR) => {}
            waited => break waited,
        }
    };
    let init = waited.ok().flatten().and_then(|status| {
        let exited = status.exit_status().map(|code| ExitStatus::from_raw(code << 8));
        exited.or_else(|| status.terminating_signal().map(ExitStatus::from_raw))
    });
    match (program, init) {
        (Some(program), _) => End::Program(program),
        (None, Some(init)) if init.signal().is_none() => End::Init(init),
        (None, _) => End::Killed,
    }
}
