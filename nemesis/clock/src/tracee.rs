//! One thread under ptrace, from just before its exec until its new program is to begin.
//!
//! Stops are found by asking for their reason, again and again with growing pauses, and never by waiting: a wait has no
//! time limit, and a wait of another thread of this process (for a child that happens to be the traced one) could take
//! the report away. Ends are looked at without reaping; a child of this process is left to whoever started it.

use std::fs;
use std::hint;
use std::io;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use libc::{PTRACE_EVENT_EXEC, PTRACE_EVENT_STOP, SIGKILL, SIGTRAP, c_int, pid_t};

use crate::sys::{self, Life};

/// So often a stop is asked for without a pause: most come within microseconds. (Not by yielding: that puts a thread
/// behind all others of a busy machine.)
const EAGER_POLLS: u32 = 16;
const PAUSE_MIN: Duration = Duration::from_micros(20);
const PAUSE_MAX: Duration = Duration::from_millis(1);

/// Why a traced thread stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It has become another program.
    Exec,
    /// As it was asked to, or because its whole process was stopped.
    Asked,
    /// It has executed one instruction, as it was asked to.
    Step,
    /// A signal is about to be delivered.
    Signal(c_int),
}

/// Why no stop came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoStop {
    /// The thread has ended.
    Ended,
    /// It took too long.
    TooLate,
    /// The supervisor ends.
    Shutdown,
}

/// How long to wait for a stop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience<'a> {
    /// Until when.
    pub(crate) until: Instant,
    /// Set when the supervisor ends.
    pub(crate) shutdown: &'a AtomicBool,
}

/// A thread that this thread traces.
#[derive(Debug)]
pub(crate) struct Tracee {
    /// The number by which ptrace knows it. A thread that becomes another program takes that of its process.
    tid: pid_t,
    /// Its process.
    pub(crate) pid: pid_t,
}

impl Tracee {
    /// Attaches to a thread, which goes on undisturbed.
    ///
    /// # Errors
    /// When it may not be traced, or has ended.
    pub(crate) fn seize(tid: pid_t) -> io::Result<Self> {
        sys::seize(tid)?;
        // A thread that is gone by now is noticed at the first wait.
        let pid = status_number(tid, "Tgid:").unwrap_or(tid);
        Ok(Self { tid, pid })
    }

    /// The next stop. On [`NoStop::Ended`] the thread has been taken care of.
    pub(crate) fn next_stop(&mut self, patience: Patience) -> Result<Stop, NoStop> {
        for poll in 0.. {
            if let Some(stop) = self.stop_now() {
                return Ok(stop);
            }
            if self.has_ended() {
                return Err(NoStop::Ended);
            }
            if patience.shutdown.load(Ordering::Acquire) {
                return Err(NoStop::Shutdown);
            }
            if Instant::now() >= patience.until {
                return Err(NoStop::TooLate);
            }
            pause(poll);
        }
        unreachable!("the range has no end")
    }

    /// The stop that it is in. By the thread's own number first: if the thread becomes another program between the two
    /// questions, the second finds it.
    fn stop_now(&mut self) -> Option<Stop> {
        let (tid, (signal, code)) = [self.tid, self.pid].into_iter().find_map(|tid| {
            sys::take_stop(tid);
            Some((tid, sys::stop_reason(tid).ok()?))
        })?;
        self.tid = tid;
        Some(match code >> 8 {
            PTRACE_EVENT_EXEC => Stop::Exec,
            PTRACE_EVENT_STOP => Stop::Asked,
            // Positive codes are the kernel's own: a SIGTRAP that somebody sends has none.
            0 if signal == SIGTRAP && code > 0 => Stop::Step,
            _ => Stop::Signal(signal),
        })
    }

    /// Whether it has ended; reaps it if nobody else will.
    fn has_ended(&self) -> bool {
        match (sys::life(self.tid), sys::life(self.pid)) {
            (Life::Alive, _) | (_, Life::Alive) => false,
            (Life::Zombie, _) => self.reap(self.tid),
            (Life::Gone, Life::Zombie) => self.reap(self.pid),
            (Life::Gone, Life::Gone) => true,
        }
    }

    /// As long as a tracer has not reaped it, its parent is not told; but if that parent is this process, reaping would
    /// take the exit status from the one who waits for it.
    fn reap(&self, tid: pid_t) -> bool {
        let own_child = tid == self.pid && status_number(tid, "PPid:") == i32::try_from(process::id()).ok();
        if !own_child {
            sys::reap(tid);
        }
        true
    }

    /// Asks for a stop as soon as it is about to run its own code.
    pub(crate) fn interrupt(&self) -> io::Result<()> {
        sys::interrupt(self.tid)
    }

    /// Lets it go on, with a signal or (0) without.
    pub(crate) fn resume(&self, signal: c_int) -> io::Result<()> {
        sys::resume(self.tid, signal)
    }

    /// Lets it go on, untraced; a process that was stopped meanwhile stays so. One that is killed while it stands still
    /// cannot be let go: its end is waited for, since its parent does not learn of it before.
    pub(crate) fn release(mut self, shutdown: &AtomicBool) {
        while sys::detach(self.tid).is_err() {
            let patience = Patience { until: Instant::now() + PAUSE_MAX, shutdown };
            if let Err(NoStop::Ended | NoStop::Shutdown) = self.next_stop(patience) {
                return;
            }
        }
    }

    /// Whether it stands still. One that is killed does not.
    pub(crate) fn is_stopped(&self) -> bool {
        sys::registers(self.tid).is_ok()
    }

    /// Kills its process: what may not run on must not.
    pub(crate) fn kill(&self) {
        // If it is gone already, so be it.
        let _ = sys::kill(self.pid, SIGKILL);
    }

    /// Executes one instruction.
    ///
    /// Signals that come up meanwhile are delivered (only SIGSTOP can, as long as the others are blocked). The kernel
    /// notes that the process is stopped, lets this one thread execute the instruction all the same, and stops it when
    /// it is released, unless it was continued meanwhile. To put a SIGSTOP aside and send it again would bring it
    /// behind a SIGCONT that came after it: the process would stay stopped for ever.
    pub(crate) fn step(&mut self, patience: Patience) -> Result<io::Result<()>, NoStop> {
        let mut signal = 0;
        loop {
            if let Err(error) = sys::step(self.tid, signal) {
                return Ok(Err(error));
            }
            signal = match self.next_stop(patience)? {
                Stop::Step => return Ok(Ok(())),
                Stop::Signal(signal) => signal,
                Stop::Asked | Stop::Exec => 0,
            };
        }
    }

    pub(crate) fn registers(&self) -> io::Result<libc::user_regs_struct> {
        sys::registers(self.tid)
    }

    pub(crate) fn set_registers(&self, registers: &libc::user_regs_struct) -> io::Result<()> {
        sys::set_registers(self.tid, registers)
    }

    pub(crate) fn blocked_signals(&self) -> io::Result<u64> {
        sys::blocked_signals(self.tid)
    }

    pub(crate) fn block_signals(&self, mask: u64) -> io::Result<()> {
        sys::block_signals(self.tid, mask)
    }
}

fn pause(poll: u32) {
    match poll.checked_sub(EAGER_POLLS) {
        None => hint::spin_loop(),
        Some(late) => thread::sleep((PAUSE_MIN * (1 + late / 8)).min(PAUSE_MAX)),
    }
}

/// A number in `/proc/TID/status`.
fn status_number(tid: pid_t, key: &str) -> Option<pid_t> {
    let status = fs::read_to_string(format!("/proc/{tid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix(key))?.trim().parse().ok()
}

/// The executable of a process; empty if it cannot be read.
pub(crate) fn program_of(pid: pid_t) -> String {
    fs::read_link(format!("/proc/{pid}/exe")).map(|path| path.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_a_process_are_read_by_name() {
        let own = i32::try_from(process::id()).expect("a small number");
        assert_eq!(status_number(own, "Tgid:"), Some(own));
        assert_eq!(status_number(own, "PPid:"), Some(nix::unistd::getppid().as_raw()));
        assert_eq!(status_number(own, "Nonsense:"), None);
    }

    #[test]
    fn pauses_grow_and_are_bounded() {
        let begin = Instant::now();
        (0..EAGER_POLLS).for_each(pause);
        pause(u32::MAX);
        assert!(begin.elapsed() >= PAUSE_MAX);
    }
}
