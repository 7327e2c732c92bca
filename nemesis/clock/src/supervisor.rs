//! The supervisor of all programs under a clock or a disk: one thread that takes in what the filters report, and a few that
//! follow execs.
//!
//! ```text
//!  child: filter, listener ──socket──► dispatcher ──► reading, wait, call to a disk: answered at once
//!  its descendants: calls ──listener──►  │   │
//!                                        │   └─ call to a slow disk ──► late: answered at its time
//!                                        └─ exec ──► backlog ──► workers: follow it, patch the new program
//! ```
//! Ptrace belongs to a thread, so a worker follows an exec from begin to end. An exec may take long (its file lies on a
//! disk that is made to stall), so there are several. What waits in the backlog for too long is let go, and counted.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use libc::{pid_t, seccomp_notif};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_timerslack;
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

use crate::clock::Clock;
use crate::disk_calls::{Disk, DiskCalls};
use crate::exec::{self, Ending, Reported};
use crate::install::{Greeting, Installation, Installer};
use crate::late::{Judged, Late};
use crate::listener::{DiskCall, Listener, Request, request};
use crate::reach::Reach;
use crate::statistics::{AbsoluteWaits, Reason, Shared, Statistics, Unpatched};
use crate::sys;
use crate::tracee::program_of;
use crate::under::Under;
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

/// Why no program can be given a clock or a disk on this machine.
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
    #[error("the supervisor of clocks and disks cannot be started: {0}")]
    Io(#[from] io::Error),
}

/// Gives programs a wall clock of their own, and a disk that fails. Must live as long as they do: when it is dropped, programs go on under
/// their last setting, cannot start others or make reported calls to their disks (ENOSYS), and one that is just being
/// started is killed.
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
    /// By their numbers; those that nobody has any more are removed when one is added.
    disks: Mutex<BTreeMap<u64, Weak<Disk>>>,
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
        Self::is_possible()?;
        let shared = Arc::new(Parts {
            real: RealVdso::read_own()?,
            statistics: Shared::default(),
            backlog: Mutex::default(),
            backlog_grew: Condvar::new(),
            disks: Mutex::default(),
            shutdown: AtomicBool::new(false),
            wake: EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK).map_err(io::Error::from)?,
        });
        let (entrance, arrivals) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
            .map_err(io::Error::from)?;
        let mut supervisor = Self { shared, entrance, threads: Vec::new() };
        let shared = supervisor.shared.clone();
        let dispatcher = Dispatcher { shared, arrivals, listeners: Vec::new(), late: Late::default() };
        supervisor.spawn("clock", move || dispatcher.run())?;
        for _ in 0..WORKERS {
            let shared = supervisor.shared.clone();
            supervisor.spawn("clock-exec", move || shared.work())?;
        }
        Ok(supervisor)
    }

    /// Asks the kernel whether it can report calls, without starting anything.
    ///
    /// # Errors
    /// When it cannot.
    pub fn is_possible() -> Result<(), Refused> {
        sys::can_report_calls().map_err(Refused::Seccomp)?;
        if sys::knows_filter_flags() { Ok(()) } else { Err(Refused::Kernel) }
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
        self.installer_under(Under { clock: Some((clock, reach)), disk: None })
    }

    /// The same for programs under a disk, and under a clock or not.
    ///
    /// # Errors
    /// When the system gives no descriptors.
    pub fn installer_under(&self, under: Under<'_>) -> io::Result<(Installer, Installation)> {
        if let Some((disk, _)) = under.disk {
            self.shared.know(disk);
        }
        Installer::new(self.entrance.try_clone()?, under)
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

    fn disks(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Weak<Disk>>> {
        self.disks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Before a child names it.
    fn know(&self, disk: &DiskCalls) {
        let mut disks = self.disks();
        disks.retain(|_, disk| disk.strong_count() > 0);
        disks.insert(disk.disk().number, Arc::downgrade(disk.disk()));
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
    late: Late,
}

impl Dispatcher {
    fn run(mut self) {
        while !self.shared.ends() {
            let Ok((arrived, events)) = self.wait() else {
                // Only a signal that interrupts the wait.
                continue;
            };
            self.shared.let_go_of_old();
            self.late.answer_due(Instant::now());
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
        poll(&mut polled, self.patience())?;
        let mut events = polled.iter().map(|polled| polled.revents().unwrap_or(PollFlags::empty()));
        let arrived = events.nth(1).is_some_and(|events| !events.is_empty());
        Ok((arrived, events.collect()))
    }

    /// How long nothing has to be done unless something is reported.
    fn patience(&self) -> PollTimeout {
        let tick = (!self.shared.backlog().is_empty()).then_some(TICK_MS);
        // Rounded up: an answer is never early.
        let to_ms = |left: Duration| u16::try_from(left.as_micros().div_ceil(1000)).unwrap_or(u16::MAX);
        let due = self.late.next_due().map(|due| to_ms(due.saturating_duration_since(Instant::now())));
        tick.into_iter().chain(due).min().map_or(PollTimeout::NONE, PollTimeout::from)
    }

    fn listen(&mut self, events: &[PollFlags]) {
        let mut events = events.iter();
        let (shared, late) = (&self.shared, &mut self.late);
        self.listeners.retain(|listener| {
            let events = events.next().copied().unwrap_or(PollFlags::empty());
            if events.contains(PollFlags::POLLIN) {
                // An error means that the caller has gone, and its call with it.
                if let Ok(call) = listener.receive() {
                    dispatch(shared, late, listener, &call);
                }
                return true;
            }
            // POLLHUP: nobody is left under the filter.
            let is_alive = events.is_empty();
            if !is_alive {
                late.forget(listener);
            }
            is_alive
        });
    }

    /// Takes in the listener of a new tree.
    fn take_in(&mut self) {
        let mut greeting = [0; Greeting::BYTES];
        let descriptors = sys::receive(self.arrivals.as_fd(), &mut greeting).unwrap_or_default();
        let greeting = Greeting::decode(greeting);
        let is_whole = descriptors.len() == usize::from(greeting.descriptors);
        let mut descriptors = descriptors.into_iter();
        let (Some(listener), Some(outcome), true) = (descriptors.next(), descriptors.next(), is_whole) else {
            // This process may open no more: what came is closed, and the exec fails.
            self.shared.statistics.count(|statistics| statistics.turned_away += 1);
            return;
        };
        let disk = self.shared.disks().get(&greeting.disk).and_then(Weak::upgrade);
        let listener = Listener::new(listener, outcome, descriptors.next(), disk);
        if self.listeners.len() >= TREES_MAX {
            self.shared.statistics.count(|statistics| statistics.turned_away += 1);
            return;
        }
        self.listeners.push(Arc::new(listener));
    }
}

fn dispatch(shared: &Parts, late: &mut Late, listener: &Arc<Listener>, call: &seccomp_notif) {
    match request(&call.data) {
        Request::Exec => enqueue(shared, listener, call),
        Request::Disk(of) => answer_of_disk(late, listener, call, of),
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

fn answer_of_disk(late: &mut Late, listener: &Arc<Listener>, call: &seccomp_notif, of: DiskCall) {
    let since = Instant::now();
    match listener.judge(call, of) {
        Some((disk, fate)) => {
            let (listener, disk) = (Arc::clone(listener), Arc::clone(disk));
            late.take(Judged { listener, disk, id: call.id, kind: of.kind, fate, since });
        }
        // An error means that the caller has gone.
        None => drop(listener.let_run(call.id)),
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
