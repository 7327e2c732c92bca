//! Limits on running processes: file descriptors, memory, and who goes first when the machine's memory is short.
//!
//! A process inherits its parent's limits at the fork. So while one goes through the processes, one that has not had
//! its turn may fork a child that escapes; the list is read again until every process has what was asked for.

use std::io;

use procfs::process::{self, LimitValue};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::keeper::Kept;
use crate::processes::{has_ended, io_error, members};
use crate::tree::NodeError;

/// How often the list of processes is gone through. A program that forks faster than that is reported.
const ROUNDS_MAX: usize = 100;

/// What a process may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// Open file descriptors: further ones are refused with EMFILE.
    FileDescriptors,
    /// Address space, bytes: further memory is refused with ENOMEM, mapped files too. Programs that reserve much and
    /// use little (Go, the JVM) need far more of it than memory.
    AddressSpace,
    /// Heap and other private writable memory, bytes: further memory is refused with ENOMEM.
    Data,
    /// The size of a file that it writes, bytes: beyond it SIGXFSZ, or EFBIG.
    FileSize,
    /// Threads of the user, in this user namespace: further ones are refused with EAGAIN. It counts those of other nodes, too.
    Threads,
}

/// That a limit is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limited {
    /// Processes that have it, without init, by `/proc/PID/limits`.
    pub processes: usize,
    /// The lowest limit that one of them had before; none if none had any.
    pub before: Option<u64>,
}

impl Limit {
    fn resource(self) -> Resource {
        match self {
            Self::FileDescriptors => Resource::Nofile,
            Self::AddressSpace => Resource::As,
            Self::Data => Resource::Data,
            Self::FileSize => Resource::Fsize,
            Self::Threads => Resource::Nproc,
        }
    }

    /// The soft and the hard limit that a process has.
    fn of(self, process: &process::Process) -> procfs::ProcResult<(Option<u64>, Option<u64>)> {
        let limits = process.limits()?;
        let limit = match self {
            Self::FileDescriptors => limits.max_open_files,
            Self::AddressSpace => limits.max_address_space,
            Self::Data => limits.max_data_size,
            Self::FileSize => limits.max_file_size,
            Self::Threads => limits.max_processes,
        };
        Ok((number(limit.soft_limit), number(limit.hard_limit)))
    }
}

fn number(value: LimitValue) -> Option<u64> {
    match value {
        LimitValue::Value(value) => Some(value),
        LimitValue::Unlimited => None,
    }
}

/// Sets a soft limit for every process but init, until all have it.
pub(crate) fn set(kept: &Kept, limit: Limit, value: Option<u64>) -> Result<Limited, NodeError> {
    let mut before = None;
    for _ in 0..ROUNDS_MAX {
        let (mut processes, mut changed) = (0, 0);
        for process in others(kept)? {
            let Some(was) = set_one(&process, limit, value)? else { continue };
            processes += 1;
            if let Set::Changed(old) = was {
                changed += 1;
                before = least(before, old);
            }
        }
        if changed == 0 {
            return Ok(Limited { processes, before });
        }
    }
    Err(NodeError::Value(format!("{limit:?} was set {ROUNDS_MAX} times, and there are still processes without it")))
}

enum Set {
    WasSo,
    Changed(Option<u64>),
}

/// None for a process that has ended.
fn set_one(process: &process::Process, limit: Limit, value: Option<u64>) -> Result<Option<Set>, NodeError> {
    let fails = |source| NodeError::Process { what: format!("{limit:?}"), pid: process.pid(), source };
    let (soft, hard) = match limit.of(process) {
        Ok(limits) => limits,
        Err(error) if has_ended(&error) => return Ok(None),
        Err(error) => return Err(fails(io_error(error))),
    };
    let wanted = value.or(hard);
    if soft == wanted {
        return Ok(Some(Set::WasSo));
    }
    if hard.is_some_and(|hard| wanted.is_none_or(|wanted| wanted > hard)) {
        return Err(NodeError::Value(format!("{limit:?} {wanted:?} is above the hard limit of {hard:?}")));
    }
    match prlimit(Pid::from_raw(process.pid()), limit.resource(), Rlimit { current: wanted, maximum: hard }) {
        Ok(_) => Ok(Some(Set::Changed(soft))),
        Err(rustix::io::Errno::SRCH) => Ok(None),
        Err(errno) => Err(fails(errno.into())),
    }
}

/// The lower of two limits, where none is no limit.
fn least(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    one.into_iter().chain(other).min()
}

/// Raises the adjustment of every process but init, until all have it.
pub(crate) fn prefer_for_oom(kept: &Kept, adjustment: u16) -> Result<usize, NodeError> {
    let adjustment = i16::try_from(adjustment).ok().filter(|adjustment| *adjustment <= 1000);
    let adjustment = adjustment.ok_or_else(|| NodeError::Value("an oom_score_adj is 0 to 1000".to_owned()))?;
    for _ in 0..ROUNDS_MAX {
        let (mut processes, mut changed) = (0, 0);
        for process in others(kept)? {
            let fails =
                |source: io::Error| NodeError::Process { what: "oom_score_adj".into(), pid: process.pid(), source };
            match process.oom_score_adj() {
                Err(error) if has_ended(&error) => continue,
                Err(error) => return Err(fails(io_error(error))),
                Ok(has) if has == adjustment => {}
                Ok(_) => {
                    changed += 1;
                    match process.set_oom_score_adj(adjustment) {
                        Err(error) if !has_ended(&error) => return Err(fails(io_error(error))),
                        _ => {}
                    }
                }
            }
            processes += 1;
        }
        if changed == 0 {
            return Ok(processes);
        }
    }
    Err(NodeError::Value(format!("oom_score_adj was set {ROUNDS_MAX} times, and there are still processes without it")))
}

/// Every process of a node but init.
pub(crate) fn others(kept: &Kept) -> Result<Vec<process::Process>, NodeError> {
    let mut all = members(kept.namespace).map_err(|source| NodeError::Read { what: "/proc".to_owned(), source })?;
    all.retain(|process| process.pid() != kept.init_pid);
    Ok(all)
}
