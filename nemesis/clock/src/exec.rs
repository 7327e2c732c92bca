//! Follows one exec: from the call that the filter reported to the first instruction of the new program.
//!
//! ```text
//!  the call is reported ─► SEIZE ─► INTERRUPT ─► it may go on ─┬─► exec happens ─► INTERRUPT, CONT ─► stop at the first
//!                                                              │                                     instruction: patch,
//!                                                              └─► exec fails ─► stop: detach        detach
//! ```
//! The interrupt is asked for a second time, since any stop forgets one that is pending. When it comes into effect, the
//! new program has not executed an instruction.

use std::io;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use libc::{SIGTRAP, pid_t};

use crate::inject;
use crate::statistics::Reason;
use crate::tracee::{NoStop, Patience, Stop, Tracee};
use crate::vdso::RealVdso;

/// An exec that takes longer is counted as slow. It is waited for all the same.
pub(crate) const SLOW: Duration = Duration::from_secs(10);

/// How an exec ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The new program has the stand-in.
    Patched,
    /// There is no new program: the exec failed (or is tried once more, and reported again).
    Failed,
    /// The process ended meanwhile.
    Died,
    /// The new program runs with the true clock.
    Unpatched(Reason),
}

/// An exec that waits for its answer, and who is told of it.
pub(crate) trait Reported {
    /// Whether it still waits: if so, the thread's number has not been given to another.
    fn is_waiting(&self) -> bool;
    /// Lets the kernel carry out the call.
    ///
    /// # Errors
    /// When it does not wait any more.
    fn let_run(&self) -> io::Result<()>;
    /// It takes long.
    fn is_slow(&self);
    /// It has ended, for a process. Said once, and before a new program executes its first instruction.
    fn has_ended(&self, pid: pid_t, ending: Ending);
}

/// Follows an exec of the thread `tid` to its end, or until the supervisor ends.
pub(crate) fn follow(exec: &impl Reported, tid: pid_t, real: &RealVdso, shutdown: &AtomicBool) {
    match Tracee::seize(tid) {
        Ok(tracee) => follow_seized(exec, tracee, real, shutdown),
        Err(error) => let_go(exec, tid, Reason::NotTraceable(error.to_string())),
    }
}

/// Lets an exec go on with nobody to follow it.
pub(crate) fn let_go(exec: &impl Reported, tid: pid_t, reason: Reason) {
    exec.has_ended(tid, if exec.is_waiting() { Ending::Unpatched(reason) } else { Ending::Died });
    // An error means that it has died by now.
    let _ = exec.let_run();
}

fn follow_seized(exec: &impl Reported, mut tracee: Tracee, real: &RealVdso, shutdown: &AtomicBool) {
    // Before the answer: else the exec could fail, and the next one be reported, before the stop is asked for. The
    // reported call itself is not interrupted (WAIT_KILLABLE_RECV).
    let _ = tracee.interrupt();
    // Now that it is held: if the caller has ended before, its number may be another thread's.
    if !exec.is_waiting() {
        exec.has_ended(tracee.pid, Ending::Died);
        return tracee.release(shutdown);
    }
    // Where the call has ended by itself the answer fails; the stop that follows says what has become of it.
    let _ = exec.let_run();
    let ending = match until_program(&mut tracee, exec, shutdown) {
        Ok(true) => patch(&mut tracee, real, shutdown),
        Ok(false) => Ending::Failed,
        Err(NoStop::Ended) => return exec.has_ended(tracee.pid, Ending::Died),
        Err(NoStop::TooLate | NoStop::Shutdown) => Ending::Unpatched(Reason::Ended),
    };
    exec.has_ended(tracee.pid, ending);
    tracee.release(shutdown);
}

/// Waits until the thread stands at the first instruction of a new program (true), or its exec has failed.
fn until_program(tracee: &mut Tracee, exec: &impl Reported, shutdown: &AtomicBool) -> Result<bool, NoStop> {
    let mut executed = false;
    loop {
        match next_stop_saying_slow(tracee, exec, shutdown)? {
            Stop::Asked => return Ok(executed),
            Stop::Exec => {
                executed = true;
                // These fail only if it was killed in this moment, which the next wait reports.
                let _ = tracee.interrupt();
                let _ = tracee.resume(0);
            }
            Stop::Signal(signal) => {
                let _ = tracee.resume(signal);
            }
            Stop::Step => {
                let _ = tracee.resume(SIGTRAP);
            }
        }
    }
}

/// A stop, however long it takes.
fn next_stop_saying_slow(tracee: &mut Tracee, exec: &impl Reported, shutdown: &AtomicBool) -> Result<Stop, NoStop> {
    let mut said = false;
    loop {
        match tracee.next_stop(Patience { until: Instant::now() + SLOW, shutdown }) {
            Err(NoStop::TooLate) if said => {}
            Err(NoStop::TooLate) => {
                said = true;
                exec.is_slow();
            }
            stop => return stop,
        }
    }
}

fn patch(tracee: &mut Tracee, real: &RealVdso, shutdown: &AtomicBool) -> Ending {
    match inject::install(tracee, real, shutdown) {
        Ok(Ok(())) => Ending::Patched,
        Ok(Err(reason)) if tracee.is_stopped() => Ending::Unpatched(reason),
        Ok(Err(_)) => Ending::Died,
        Err(NoStop::Ended) => Ending::Died,
        Err(NoStop::TooLate | NoStop::Shutdown) => {
            tracee.kill();
            Ending::Unpatched(Reason::Stuck)
        }
    }
}
