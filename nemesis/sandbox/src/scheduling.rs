//! Less of the processor by the scheduler's own means: fewer processors, or only what nobody else wants.
//!
//! Both are set for each thread, and inherited by those that it makes; so the list is read again until every thread
//! has it.

use std::io;

use procfs::ProcError;
use rustix::io::Errno;
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::keeper::Kept;
use crate::limits::others;
use crate::processes::{has_ended, io_error};
use crate::sys;
use crate::tree::NodeError;

/// How often the list of threads is gone through.
const ROUNDS_MAX: usize = 100;

/// SCHED_IDLE, as field 41 of proc_pid_stat(5) has it.
const POLICY_IDLE: u32 = nix::libc::SCHED_IDLE.cast_unsigned();

/// Confines all threads but init's to these processors.
pub(crate) fn confine(kept: &Kept, processors: &[usize]) -> Result<usize, NodeError> {
    if processors.is_empty() || processors.iter().any(|processor| *processor >= CpuSet::MAX_CPU) {
        return Err(NodeError::Value(format!("processors are 0 to {}, at least one", CpuSet::MAX_CPU - 1)));
    }
    let mut wanted = CpuSet::new();
    processors.iter().for_each(|processor| wanted.set(*processor));
    for_all_threads(kept, "the set of processors", |thread| {
        let thread = Pid::from_raw(thread.tid);
        if sched_getaffinity(thread)? == wanted {
            return Ok(false);
        }
        sched_setaffinity(thread, &wanted)?;
        Ok(true)
    })
}

/// Gives all threads but init's the policy SCHED_IDLE.
pub(crate) fn run_when_idle(kept: &Kept) -> Result<usize, NodeError> {
    for_all_threads(kept, "the policy SCHED_IDLE", |thread| {
        if thread.stat().map_err(io_error)?.policy == Some(POLICY_IDLE) {
            return Ok(false);
        }
        sys::make_idle(thread.tid)?;
        Ok(true)
    })
}

/// Goes through the threads until none has to be changed; `set` says if it has changed one. Returns how many there are.
fn for_all_threads(
    kept: &Kept,
    what: &str,
    set: impl Fn(&procfs::process::Task) -> io::Result<bool>,
) -> Result<usize, NodeError> {
    for _ in 0..ROUNDS_MAX {
        let (mut threads, mut changed) = (0, false);
        for thread in all_threads(kept)? {
            match set(&thread) {
                Ok(was_changed) => {
                    threads += 1;
                    changed |= was_changed;
                }
                Err(error) if gone(&error) => {}
                Err(source) => return Err(NodeError::Process { what: what.to_owned(), pid: thread.tid, source }),
            }
        }
        if !changed {
            return Ok(threads);
        }
    }
    Err(NodeError::Value(format!("{what} was set {ROUNDS_MAX} times, and there are still threads without it")))
}

fn all_threads(kept: &Kept) -> Result<Vec<procfs::process::Task>, NodeError> {
    let mut all = Vec::new();
    for process in others(kept)? {
        match process.tasks() {
            Ok(threads) => all.extend(threads.filter_map(Result::ok)),
            Err(error) if has_ended(&error) => {}
            Err(error) => return Err(unreadable(error)),
        }
    }
    Ok(all)
}

fn unreadable(error: ProcError) -> NodeError {
    NodeError::Read { what: "/proc".to_owned(), source: io_error(error) }
}

fn gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(Errno::SRCH.raw_os_error())
}
