//! The operations on a running node, for a plain thread: each one ends with a measurement, or an error that says what
//! was seen instead.
//!
//! Orders go to init, which reaches every process at once; the effect is read from `/proc`. An order counts only when
//! the effect is there.

use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::disk::{self, Usage};
use crate::duty;
use crate::keeper::{Answer, End, Kept};
use crate::limits::{self, Limit, Limited, Resources};
use crate::log_watch::LogWatch;
use crate::node_error::{EFFECT_TIMEOUT, NodeError, ORDER_TIMEOUT};
use crate::processes::{self, Process, ThreadStates};
use crate::scheduling;
use crate::wire::{Order, Request, tell};

/// How often `/proc` is read meanwhile.
const POLL_INTERVAL: Duration = Duration::from_millis(1);

/// How long threads inside the kernel are waited for, before a freeze counts in spite of them.
const IN_KERNEL_WAIT: Duration = Duration::from_millis(200);

/// A pulse and its rest, for [`Tree::throttle`]: short enough that no failure detector takes a rest for a death.
pub const PERIOD: Duration = Duration::from_millis(100);

/// A node's processes.
///
/// All die when this is dropped; they do, too, when the bench dies in whatever way.
#[derive(Debug)]
pub struct Tree {
    kept: Arc<Kept>,
    sequence: AtomicU32,
    /// The share of time that the processes have, in percent.
    share_percent: AtomicU32,
}

/// That a node stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paused {
    /// Its processes that live, without init.
    pub processes: usize,
    /// Their threads that are stopped.
    pub threads: usize,
    /// Threads inside the kernel, which stop on their way out: they wait for a disk, or for a child that they lent
    /// their memory (vfork).
    pub threads_in_kernel: usize,
    /// From the order until nothing ran any more.
    pub took: Duration,
}

/// That a node is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Killed {
    /// Processes that lived at the kill, without init.
    pub processes: usize,
    /// From the signal until the last was gone.
    pub took: Duration,
}

/// Processor time of a whole node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuTime {
    /// Used by all its processes since their start; of clock ticks, usually 10 ms.
    pub used: Duration,
    /// When that was read.
    pub at: Instant,
}

impl CpuTime {
    /// Processors' worth of time between an earlier reading and this one: 1.0 is one whole processor. None if no time
    /// has passed.
    pub fn share_since(&self, earlier: &Self) -> Option<f64> {
        let wall = self.at.checked_duration_since(earlier.at).filter(|wall| !wall.is_zero())?;
        Some(self.used.saturating_sub(earlier.used).as_secs_f64() / wall.as_secs_f64())
    }
}

impl Tree {
    pub(crate) fn new(kept: Arc<Kept>) -> Self {
        Self { kept, sequence: AtomicU32::new(0), share_percent: AtomicU32::new(100) }
    }

    /// The pid of init, as the bench sees it.
    pub fn init_pid(&self) -> i32 {
        self.kept.init_pid
    }

    /// The pid of the program, as the node sees it.
    pub fn program_pid_inside(&self) -> i32 {
        self.kept.program_pid_inside
    }

    /// How it ended; none while it lives.
    pub fn ended(&self) -> Option<End> {
        self.kept.ending.get()
    }

    /// Waits for its end; none if it has not come after this time.
    pub fn wait(&self, at_most: Duration) -> Option<End> {
        self.kept.ending.wait_blocking(at_most)
    }

    pub(crate) async fn wait_async(&self) -> End {
        self.kept.ending.wait().await
    }

    /// Its processes, init first; empty when it has ended.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn processes(&self) -> Result<Vec<Process>, NodeError> {
        processes::list(self.kept.namespace).map_err(NodeError::proc)
    }

    /// The processor time of all its processes.
    ///
    /// # Errors
    /// When it has ended, or `/proc` cannot be read.
    pub fn cpu_time(&self) -> Result<CpuTime, NodeError> {
        let used = self.living()?.iter().map(|process| process.cpu).sum();
        Ok(CpuTime { used, at: Instant::now() })
    }

    /// Sends a signal to the program that the node was started with: SIGTERM asks it to end.
    ///
    /// # Errors
    /// When the program has ended, or init refuses.
    pub fn signal_program(&self, signal: Signal) -> Result<(), NodeError> {
        self.order(Order::SignalProgram(signal as i32)).map(drop)
    }

    /// SIGKILL to every process, however far it has moved from its parents; returns when the last is gone.
    ///
    /// # Errors
    /// When some are still there after a while: processes that wait for a file system which does not answer.
    pub fn kill(&self) -> Result<Killed, NodeError> {
        let processes = self.processes()?.iter().filter(|process| lives(process) && process.pid_inside != 1).count();
        let began = Instant::now();
        self.kept.kill().map_err(|source| NodeError::Refused { order: "SIGKILL".to_owned(), source })?;
        if self.wait(EFFECT_TIMEOUT).is_none() {
            return Err(NodeError::NoEffect { wanted: "dead", seen: describe(&self.processes()?) });
        }
        Ok(Killed { processes, took: began.elapsed() })
    }

    /// Stops every process, and keeps new ones from escaping; returns when none runs. A pause while it is paused is
    /// fine.
    ///
    /// # Errors
    /// When it has ended, or something still runs after a while.
    pub fn pause(&self) -> Result<Paused, NodeError> {
        let began = Instant::now();
        self.order(Order::Freeze)?;
        loop {
            let states = self.thread_states()?;
            let took = began.elapsed();
            if states.able == 0 && (states.in_kernel == 0 || took >= IN_KERNEL_WAIT) {
                return Ok(states.paused(took));
            }
            if took >= EFFECT_TIMEOUT {
                return Err(NodeError::NoEffect { wanted: "stopped", seen: describe(&self.processes()?) });
            }
            sleep(POLL_INTERVAL);
            if states.able > 0 {
                self.order(Order::Freeze)?;
            }
        }
    }

    /// Lets every process go on, those too that had stopped by themselves; returns when none is stopped, or at once
    /// while the node is throttled.
    ///
    /// # Errors
    /// When it has ended, or something is still stopped after a while.
    pub fn resume(&self) -> Result<(), NodeError> {
        let began = Instant::now();
        self.order(Order::Thaw)?;
        while self.share_percent.load(Ordering::Relaxed) == 100 && self.thread_states()?.stopped > 0 {
            if began.elapsed() >= EFFECT_TIMEOUT {
                return Err(NodeError::NoEffect { wanted: "running", seen: describe(&self.processes()?) });
            }
            sleep(POLL_INTERVAL);
        }
        Ok(())
    }

    /// Starves the node of processor time: its processes run for this share of the time, 1 to 100 percent, in one pulse
    /// each period, 1 ms to 1 s ([`PERIOD`] is a good one). 100 ends it. Measure it by [`Tree::cpu_time`].
    ///
    /// What the processes get of the pulses depends on what else wants the processor. On a machine where many wait for
    /// it, pulses shorter than a round of all of them give a node more than its share; longer periods give the right
    /// one.
    ///
    /// # Errors
    /// When the share or the period is none, it has ended, or init refuses.
    pub fn throttle(&self, percent: u32, period: Duration) -> Result<(), NodeError> {
        let period_ms = u32::try_from(period.as_millis()).unwrap_or(u32::MAX);
        if !duty::makes_sense(percent, period_ms) {
            let text = "a share of processor time is 1 to 100 percent, and its period 1 ms to 1 s";
            return Err(NodeError::Value(format!("{text}, not {percent} and {period:?}")));
        }
        self.order(Order::Throttle { percent, period_ms })?;
        self.share_percent.store(percent, Ordering::Relaxed);
        Ok(())
    }

    /// How often its processes were stopped by the pulses of [`Tree::throttle`].
    ///
    /// # Errors
    /// When it has ended, or init refuses.
    pub fn pulses(&self) -> Result<u32, NodeError> {
        Ok(self.order(Order::Report)?.pulses)
    }

    /// How long the pulses of [`Tree::throttle`] have stopped its processes in all.
    ///
    /// # Errors
    /// When it has ended, or init refuses.
    pub fn held(&self) -> Result<Duration, NodeError> {
        Ok(Duration::from_millis(self.order(Order::Report)?.held_ms.into()))
    }

    /// What its processes use and may use.
    ///
    /// # Errors
    /// When it has ended, or `/proc` cannot be read.
    pub fn resources(&self) -> Result<Resources, NodeError> {
        self.still_lives()?;
        limits::resources(&self.kept)
    }

    /// Limits what each process may use, from now on; children inherit it. None lifts the limit as far as the hard
    /// limit allows, which stays as it is.
    ///
    /// # Errors
    /// When it has ended, the value is above the hard limit, or a limit did not take effect.
    pub fn limit(&self, limit: Limit, value: Option<u64>) -> Result<Limited, NodeError> {
        self.still_lives()?;
        limits::set(&self.kept, limit, value)
    }

    /// Makes the kernel prefer this node when memory is short: 0 is as others, 1000 first. Returns for how many
    /// processes it was set, and read again.
    ///
    /// # Errors
    /// When it has ended, or the kernel refuses.
    pub fn prefer_for_oom(&self, adjustment: u16) -> Result<usize, NodeError> {
        self.still_lives()?;
        limits::prefer_for_oom(&self.kept, adjustment)
    }

    /// Confines all its threads to these processors, from now on; children inherit it. Returns how many threads were
    /// confined, and found so.
    ///
    /// # Errors
    /// When it has ended, no processor is named, or the kernel refuses: a processor that is not there.
    pub fn confine(&self, processors: &[usize]) -> Result<usize, NodeError> {
        self.still_lives()?;
        scheduling::confine(&self.kept, processors)
    }

    /// Lets all its threads run only when nothing else on the machine wants to (SCHED_IDLE). An ordinary user cannot
    /// take it back: it lasts until the node is started anew. Returns for how many threads it was set.
    ///
    /// # Errors
    /// When it has ended, or the kernel refuses.
    pub fn run_when_idle(&self) -> Result<usize, NodeError> {
        self.still_lives()?;
        scheduling::run_when_idle(&self.kept)
    }

    /// How full the file system is that the node sees at this absolute path.
    ///
    /// # Errors
    /// When it has ended, or there is no such path.
    pub fn usage(&self, path: impl AsRef<Path>) -> Result<Usage, NodeError> {
        self.still_lives()?;
        let seen = self.path_from_outside(path.as_ref());
        disk::usage(&seen).map_err(|source| NodeError::Read { what: seen.display().to_string(), source })
    }

    /// Where the bench finds what the node sees at this absolute path; while the node lives.
    pub fn path_from_outside(&self, path: &Path) -> PathBuf {
        let inside = path.strip_prefix("/").unwrap_or(path);
        PathBuf::from(format!("/proc/{}/root", self.kept.init_pid)).join(inside)
    }

    /// Kills the node this long after it was started; returns how old it was when the signal was sent, and what died.
    ///
    /// # Errors
    /// When it ended before that by itself, or does not die.
    pub fn crash_after(&self, age: Duration) -> Result<Crash, NodeError> {
        let left = age.saturating_sub(self.kept.began.elapsed());
        self.wait(left).map_or(Ok(()), |end| Err(NodeError::Ended(end)))?;
        self.crash(None)
    }

    /// Kills the node as soon as a line with this phrase is in a log that it writes, from now on watched from its
    /// beginning; at the latest after `at_most`, when the phrase was not seen.
    ///
    /// # Errors
    /// When it ended before that by itself, the log cannot be read, or it does not die.
    pub fn crash_on_line(&self, log: &Path, phrase: &str, at_most: Duration) -> Result<Crash, NodeError> {
        let fails = |source| NodeError::Read { what: log.display().to_string(), source };
        let mut watched = LogWatch::new(log, phrase);
        let deadline = Instant::now() + at_most;
        loop {
            if let Some(line) = watched.line().map_err(fails)? {
                return self.crash(Some(line));
            }
            if let Some(end) = self.ended() {
                return Err(NodeError::Ended(end));
            }
            if Instant::now() >= deadline {
                return self.crash(None);
            }
            sleep(POLL_INTERVAL);
        }
    }

    fn crash(&self, line: Option<String>) -> Result<Crash, NodeError> {
        let age = self.kept.began.elapsed();
        Ok(Crash { age, line, killed: self.kill()? })
    }

    fn thread_states(&self) -> Result<ThreadStates, NodeError> {
        self.still_lives()?;
        processes::thread_states(self.kept.namespace, self.kept.init_pid).map_err(NodeError::proc)
    }

    fn living(&self) -> Result<Vec<Process>, NodeError> {
        self.still_lives()?;
        self.processes()
    }

    fn still_lives(&self) -> Result<(), NodeError> {
        self.ended().map_or(Ok(()), |end| Err(NodeError::Ended(end)))
    }

    /// Has init carry out an order, one at a time.
    fn order(&self, order: Order) -> Result<Answer, NodeError> {
        let answers = self.kept.answers.lock().unwrap_or_else(PoisonError::into_inner);
        // Late answers to orders that were given up.
        while answers.try_recv().is_ok() {}
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        let request = Request { sequence, order };
        let name = || format!("{order:?}");
        if let Err(source) = tell(self.kept.socket.as_fd(), &request.encode()) {
            return Err(self
                .wait(ORDER_TIMEOUT)
                .map_or(NodeError::Refused { order: name(), source }, NodeError::Ended));
        }
        let deadline = Instant::now() + ORDER_TIMEOUT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match answers.recv_timeout(left) {
                Ok(answer) if answer.sequence != sequence => {}
                Ok(answer) if answer.errno == 0 => return Ok(answer),
                Ok(answer) => {
                    let source = io::Error::from_raw_os_error(answer.errno);
                    return Err(NodeError::Refused { order: name(), source });
                }
                Err(_) => return Err(self.ended().map_or(NodeError::Silent { order: name() }, NodeError::Ended)),
            }
        }
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // It fails only if init has ended already. The keeper waits for the end, and reaps.
        let _ = self.kept.kill();
    }
}

/// A node killed while it was starting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crash {
    /// How long after its start it was killed.
    pub age: Duration,
    /// The line that the kill waited for; none if it came by the clock.
    pub line: Option<String>,
    /// What died.
    pub killed: Killed,
}

impl ThreadStates {
    fn paused(self, took: Duration) -> Paused {
        Paused { processes: self.processes, threads: self.stopped, threads_in_kernel: self.in_kernel, took }
    }
}

fn lives(process: &Process) -> bool {
    !matches!(process.state, 'Z' | 'X' | 'x')
}

/// Processes for an error, the first few.
fn describe(processes: &[Process]) -> String {
    const SHOWN_MAX: usize = 8;
    let shown: Vec<String> = processes
        .iter()
        .take(SHOWN_MAX)
        .map(|process| format!("{} {} {}", process.pid, process.name, process.state))
        .collect();
    let more = processes.len().saturating_sub(SHOWN_MAX);
    format!("pid, name and state: {}, and {more} more", shown.join(", "))
}
