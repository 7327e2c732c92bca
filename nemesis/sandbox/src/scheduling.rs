//! Less of the processor by the scheduler's own means: fewer processors, or only what nobody else wants.
//!
//! Both are set for each thread, and inherited by those that it makes.

use std::io;

use procfs::process::Task;
use rustix::io::Errno;
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::everyone::{self, Set, until_all_have};
use crate::keeper::Kept;
use crate::node_error::NodeError;
use crate::processes::{has_ended, io_error};
use crate::sys;

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
            return Ok(Set::WasSo);
        }
        sched_setaffinity(thread, &wanted)?;
        Ok(Set::Changed)
    })
}

/// Gives all threads but init's the policy SCHED_IDLE.
pub(crate) fn run_when_idle(kept: &Kept) -> Result<usize, NodeError> {
    for_all_threads(kept, "the policy SCHED_IDLE", |thread| {
        if thread.stat().map_err(io_error)?.policy == Some(POLICY_IDLE) {
            return Ok(Set::WasSo);
        }
        sys::make_idle(thread.tid)?;
        Ok(Set::Changed)
    })
}

fn for_all_threads(kept: &Kept, what: &str, set: impl Fn(&Task) -> io::Result<Set>) -> Result<usize, NodeError> {
    until_all_have(
        what,
        || threads(kept),
        |thread| match set(thread) {
            Err(error) if gone(&error) => Ok(Set::Gone),
            set => set.map_err(|source| NodeError::Process { what: what.to_owned(), pid: thread.tid, source }),
        },
    )
}

fn threads(kept: &Kept) -> Result<Vec<Task>, NodeError> {
    let mut all = Vec::new();
    for process in everyone::processes(kept)? {
        match process.tasks() {
            Ok(threads) => all.extend(threads.filter_map(Result::ok)),
            Err(error) if has_ended(&error) => {}
            Err(error) => return Err(NodeError::proc(io_error(error))),
        }
    }
    Ok(all)
}

fn gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(Errno::SRCH.raw_os_error())
}
