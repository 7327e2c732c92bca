//! The supervisor of all programs under a clock: one thread that takes in what the filters report, and a few that follow
//! execs.
//!
//! ```text
//!  child: filter, listener ──socket──► dispatcher ──► reading, wait: answered at once
//!  its descendants: calls ──listener──►    │
//!                                          └─ exec ──► backlog ──► workers: follow it, patch the new program
//! ```
//! Ptrace belongs to a thread, so a worker follows an exec from begin to end. An exec may take long (its file lies on a
//! disk that is made to stall), so there are several. What waits in the backlog for too long is let go, and counted.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use libc::{pid_t, seccomp_notif};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_timerslack;
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

use crate::clock::Clock;
use crate::exec::{self, Ending, Reported};
use crate::install::{Installation, Installer};
use crate::listener::{Listener, Request, request};
use crate::reach::Reach;
use crate::statistics::{AbsoluteWaits, Reason, Shared, Statistics, Unpatched};
use crate::sys;
use crate::tracee::program_of;
use crate::vdso::{NoVdso, RealVdso};

/// Trees of processes that are supervised at once.
pub const TREES_MAX: usize = 1024;

/// Execs that are followed at once.
const WORKERS: usize = 8;

/// Execs that wait for a worker.
const BACKLOG_MAX: usize = 4096;

/// How long they may wait.
const BACKLOG_PATIENCE: Duration = Duration::from_secs(10);

/// How long the supervisor waits for its threads when it ends. One that is about to attach to a process waits while
/// another thread of that process is inside an exec; if the exec's disk has stalled, nothing but the disk can end that.
const END_PATIENCE: Duration = Duration::from_secs(5);
const END_PAUSE: Duration = Duration::from_micros(200);

/// How often the backlog is looked through.
const TICK_MS: u16 = 500;

/// Why no program can be given a clock on this machine.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The kernel cannot report system calls.
    #[error(
        "this kernel cannot report system calls to a supervisor ({0}): Linux 5.19 or later is needed, and a \
             container must allow seccomp(2)"
    )]
    Seccomp(io::Error),
    /// The kernel is too old for listeners that are not interrupted.
    #[error("this kernel does not know SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: Linux 5.19 or later is needed")]
    Kernel,
    /// There is no vDSO.
    #[error(transparent)]
    Vdso(#[from] NoVdso),
    /// A socket or thread could not be had.
    #[error("the clock supervisor cannot be started: {0}")]
    Io(#[from] io::Error),
}

/// Gives programs a wall clock of their own. Must live as long as they do: when it is dropped, programs go on under
/// their last setting, cannot start others (ENOSYS), and one that is just being started is killed.
#[derive(Debug)]
pub struct Supervisor {
    shared: Arc<Parts>,
    /// Children send their listeners here.
    entrance: OwnedFd,
    threads: Vec<JoinHandle<()>>,
}

/// What the threads share.
#[derive(Debug)]
struct Parts {
    real: RealVdso,
    statistics: Shared,
    backlog: Mutex<VecDeque<Waiting>>,
    backlog_grew: Condvar,
    shutdown: AtomicBool,
    /// Wakes the dispatcher at the end.
    wake: EventFd,
}

/// An exec that nobody follows yet.
#[derive(Debug)]
struct Waiting {
    listener: Arc<Listener>,
    id: u64,
    tid: pid_t,
    since: Instant,
}

/// An exec and where its ending is recorded.
struct Followed<'a>(&'a Waiting, &'a Shared);

impl Reported for Followed<'_> {
    fn is_waiting(&self) -> bool {
        self.0.listener.is_waiting(self.0.id)
    }

    fn let_run(&self) -> io::Result<()> {
        self.0.listener.let_run(self.0.id)
    }

    fn is_slow(&self) {
        self.1.count(|statistics| statistics.slow += 1);
    }

    /// Counts first: who has been told of an ending finds it in the statistics.
    fn has_ended(&self, pid: pid_t, ending: Ending) {
        match &ending {
            Ending::Patched => self.1.count(|statistics| statistics.patched += 1),
            Ending::Failed => self.1.count(|statistics| statistics.failed_execs += 1),
            Ending::Died => self.1.count(|statistics| statistics.ended += 1),
            Ending::Unpatched(reason) => {
                self.1.unpatched(Unpatched { pid, program: program_of(pid), reason: reason.clone() });
            }
        }
        self.0.listener.tell(&ending);
    }
}

impl Supervisor {
    /// Starts it: a thread that sleeps, and a few workers that sleep, as long as nothing is started.
    ///
    /// # Errors
    /// When this machine cannot do it; the error says why.
    pub fn start() -> Result<Self, Refused> {
        sys::can_report_calls().map_err(Refused::Seccomp)?;
        if !sys::knows_filter_flags() {
            return Err(Refused::Kernel);
        }
        let shared = Arc::new(Parts {
            real: RealVdso::read_own()?,
            statistics: Shared::default(),
            backlog: Mutex::default(),
            backlog_grew: Condvar::new(),
            shutdown: AtomicBool::new(false),
            wake: EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK).map_err(io::Error::from)?,
        });
        let (entrance, arrivals) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
            .map_err(io::Error::from)?;
        let mut supervisor = Self { shared, entrance, threads: Vec::new() };
        let dispatcher = Dispatcher { shared: supervisor.shared.clone(), arrivals, listeners: Vec::new() };
        supervisor.spawn("clock", move || dispatcher.run())?;
        for _ in 0..WORKERS {
            let shared = supervisor.shared.clone();
            supervisor.spawn("clock-exec", move || shared.work())?;
        }
        Ok(supervisor)
    }

    fn spawn(&mut self, name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
        self.threads.push(thread::Builder::new().name(name.to_owned()).spawn(body)?);
        Ok(())
    }

    /// Lets whatever `command` starts, and its descendants, show `clock` for the wall clock. Steps that other code adds
    /// to the command must come before: this is to be the last one between fork and exec. (A
    /// `tokio::process::Command` is prepared by its `as_std_mut()`.)
    ///
    /// Wait for the child by [`wait`](crate::wait) or tokio, not by [`std::process::Child::wait`].
    ///
    /// # Errors
    /// When the system gives no descriptors.
    pub fn prepare(&self, command: &mut Command, clock: &Clock, reach: Reach) -> io::Result<Installation> {
        let (installer, installation) = self.installer(clock, reach)?;
        installer.prepare(command);
        Ok(installation)
    }

    /// The same for code that makes its [`Command`] elsewhere or later, or that does without one.
    ///
    /// # Errors
    /// When the system gives no descriptors.
    pub fn installer(&self, clock: &Clock, reach: Reach) -> io::Result<(Installer, Installation)> {
        Installer::new(self.entrance.try_clone()?, clock, reach)
    }

    /// What has been done so far.
    pub fn statistics(&self) -> Statistics {
        self.shared.statistics.snapshot()
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.shared.shutdown.store(true, Ordering::Release);
        // It fails only if the counter is full: then the dispatcher is awake.
        let _ = self.shared.wake.write(1);
        drop(self.shared.backlog());
        self.shared.backlog_grew.notify_all();
        let deadline = Instant::now() + END_PATIENCE;
        for thread in self.threads.drain(..) {
            while !thread.is_finished() && Instant::now() < deadline {
                thread::sleep(END_PAUSE);
            }
            if thread.is_finished() {
                // A panic of the thread has been printed already.
                let _ = thread.join();
            }
        }
    }
}

impl Parts {
    fn backlog(&self) -> std::sync::MutexGuard<'_, VecDeque<Waiting>> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ends(&self) -> bool {
        self.shutdown.load(Ordering::Acquire)
    }

    /// A worker's life.
    fn work(&self) {
        // Its pauses are shorter than the 50 µs by which the kernel may lengthen them; if it insists, execs take longer.
        let _ = set_timerslack(1);
        while let Some(waiting) = self.next_waiting() {
            exec::follow(&Followed(&waiting, &self.statistics), waiting.tid, &self.real, &self.shutdown);
        }
    }

    fn next_waiting(&self) -> Option<Waiting> {
        let mut backlog = self.backlog();
        loop {
            if self.ends() {
                return None;
            }
            if let Some(waiting) = backlog.pop_front() {
                return Some(waiting);
            }
            backlog = self.backlog_grew.wait(backlog).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets an exec go on with nobody to follow it.
    fn let_go(&self, waiting: &Waiting, reason: Reason) {
        exec::let_go(&Followed(waiting, &self.statistics), waiting.tid, reason);
    }

    fn let_go_of_old(&self) {
        loop {
            let mut backlog = self.backlog();
            if backlog.front().is_none_or(|waiting| waiting.since.elapsed() < BACKLOG_PATIENCE) {
                return;
            }
            let waiting = backlog.pop_front();
            drop(backlog);
            waiting.iter().for_each(|waiting| self.let_go(waiting, Reason::Busy));
        }
    }
}

/// The thread that takes in what is reported.
struct Dispatcher {
    shared: Arc<Parts>,
    arrivals: OwnedFd,
    listeners: Vec<Arc<Listener>>,
}

impl Dispatcher {
    fn run(mut self) {
        while !self.shared.ends() {
            let Ok((arrived, events)) = self.wait() else {
                // Only a signal that interrupts the wait.
                continue;
            };
            self.shared.let_go_of_old();
            self.listen(&events);
            if arrived {
                self.take_in();
            }
        }
    }

    /// Whether a new listener has arrived, and what each listener has to say.
    fn wait(&self) -> nix::Result<(bool, Vec<PollFlags>)> {
        let own = [self.shared.wake.as_fd(), self.arrivals.as_fd()];
        let descriptors = own.into_iter().chain(self.listeners.iter().map(|listener| listener.descriptor()));
        let mut polled: Vec<PollFd> = descriptors.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        let idle = self.shared.backlog().is_empty();
        poll(&mut polled, if idle { PollTimeout::NONE } else { PollTimeout::from(TICK_MS) })?;
        let mut events = polled.iter().map(|polled| polled.revents().unwrap_or(PollFlags::empty()));
        let arrived = events.nth(1).is_some_and(|events| !events.is_empty());
        Ok((arrived, events.collect()))
    }

    fn listen(&mut self, events: &[PollFlags]) {
        let mut events = events.iter();
        let shared = &self.shared;
        self.listeners.retain(|listener| {
            let events = events.next().copied().unwrap_or(PollFlags::empty());
            if events.contains(PollFlags::POLLIN) {
                // An error means that the caller has gone, and its call with it.
                if let Ok(call) = listener.receive() {
                    dispatch(shared, listener, &call);
                }
                return true;
            }
            // POLLHUP: nobody is left under the filter.
            events.is_empty()
        });
    }

    /// Takes in the listener of a new tree.
    fn take_in(&mut self) {
        let descriptors = sys::receive(self.arrivals.as_fd()).unwrap_or_default();
        let Ok([listener, clock, outcome]) = <[OwnedFd; sys::DESCRIPTORS]>::try_from(descriptors) else {
            // This process may open no more: what came is closed, and the exec fails.
            self.shared.statistics.count(|statistics| statistics.turned_away += 1);
            return;
        };
        let listener = Listener::new(listener, clock, outcome);
        if self.listeners.len() >= TREES_MAX {
            self.shared.statistics.count(|statistics| statistics.turned_away += 1);
            return;
        }
        self.listeners.push(Arc::new(listener));
    }
}

fn dispatch(shared: &Parts, listener: &Arc<Listener>, call: &seccomp_notif) {
    match request(&call.data) {
        Request::Exec => enqueue(shared, listener, call),
        Request::Clock => listener.give_clock(call.id),
        Request::Raw(raw) => {
            let answered = listener.answer_raw(call, raw, &shared.real);
            if !matches!(answered, Ok(true)) {
                // An error means that the caller has gone.
                let _ = listener.let_run(call.id);
            }
            shared.statistics.count(|statistics| match answered {
                Ok(true) => statistics.raw_calls += 1,
                Ok(false) => {}
                Err(_) => statistics.raw_calls_missed += 1,
            });
        }
        Request::Wait(AbsoluteWaits { sleeps, futexes, timers }) => {
            let _ = listener.let_run(call.id);
            shared.statistics.count(|statistics| {
                statistics.absolute_waits.sleeps += sleeps;
                statistics.absolute_waits.futexes += futexes;
                statistics.absolute_waits.timers += timers;
            });
        }
    }
}

fn enqueue(shared: &Parts, listener: &Arc<Listener>, call: &seccomp_notif) {
    let tid = call.pid as pid_t;
    let waiting = Waiting { listener: listener.clone(), id: call.id, tid, since: Instant::now() };
    if tid == 0 {
        return shared.let_go(&waiting, Reason::OutOfSight);
    }
    let mut backlog = shared.backlog();
    if backlog.len() >= BACKLOG_MAX {
        drop(backlog);
        return shared.let_go(&waiting, Reason::Busy);
    }
    backlog.push_back(waiting);
    drop(backlog);
    shared.backlog_grew.notify_one();
}
