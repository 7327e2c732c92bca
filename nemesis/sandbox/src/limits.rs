//! Limits on running processes: file descriptors, memory, and who goes first when the machine's memory is short.

use std::io;

use procfs::ProcResult;
use procfs::process::{LimitValue, Process};
use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::everyone::{self, Set, until_all_have};
use crate::keeper::Kept;
use crate::node_error::NodeError;
use crate::processes::{has_ended, io_error};

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
    /// Threads of the user, in this user namespace: further ones are refused with EAGAIN. It counts those of other
    /// nodes, too.
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

/// What the processes of a node use and may use at a moment, init left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Files that the process with the most has open.
    pub open_files: u64,
    /// The lowest limit of them; none without one.
    pub files_max: Option<u64>,
    /// Private writable memory of the process with the most, bytes: what [`Limit::Data`] limits.
    pub data_bytes: u64,
    /// The lowest limit of it, bytes; none without one.
    pub data_max_bytes: Option<u64>,
}

/// Reads what every process but init uses and may use. One that ends meanwhile is left out.
pub(crate) fn resources(kept: &Kept) -> Result<Resources, NodeError> {
    let mut all = Resources::default();
    for process in everyone::processes(kept)? {
        match resources_of(&process) {
            Ok(one) => all = all.with(one),
            Err(error) if has_ended(&error) => {}
            Err(error) => return Err(NodeError::proc(io_error(error))),
        }
    }
    Ok(all)
}

fn resources_of(process: &Process) -> ProcResult<Resources> {
    let of_status = process.status()?.vmdata.unwrap_or(0);
    Ok(Resources {
        open_files: process.fd_count()? as u64,
        files_max: Limit::FileDescriptors.of(process)?.0,
        data_bytes: of_status.saturating_mul(1024),
        data_max_bytes: Limit::Data.of(process)?.0,
    })
}

impl Resources {
    /// The most that either uses, and the least that either may use.
    fn with(self, other: Self) -> Self {
        let least = |one: Option<u64>, other: Option<u64>| one.into_iter().chain(other).min();
        Self {
            open_files: self.open_files.max(other.open_files),
            files_max: least(self.files_max, other.files_max),
            data_bytes: self.data_bytes.max(other.data_bytes),
            data_max_bytes: least(self.data_max_bytes, other.data_max_bytes),
        }
    }
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
    fn of(self, process: &Process) -> ProcResult<(Option<u64>, Option<u64>)> {
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
    let mut before: Option<u64> = None;
    let list = || everyone::processes(kept);
    let processes = until_all_have(&format!("{limit:?}"), list, |process| {
        let (soft, hard) = match limit.of(process) {
            Ok(limits) => limits,
            Err(error) if has_ended(&error) => return Ok(Set::Gone),
            Err(error) => return Err(failed(process, limit, io_error(error))),
        };
        let wanted = wanted(limit, value, hard)?;
        if soft == wanted {
            return Ok(Set::WasSo);
        }
        before = before.into_iter().chain(soft).min();
        let limits = Rlimit { current: wanted, maximum: hard };
        match prlimit(Pid::from_raw(process.pid()), limit.resource(), limits) {
            Ok(_) => Ok(Set::Changed),
            Err(Errno::SRCH) => Ok(Set::Gone),
            Err(errno) => Err(failed(process, limit, errno.into())),
        }
    })?;
    Ok(Limited { processes, before })
}

/// The soft limit to set, which the hard limit bounds.
fn wanted(limit: Limit, value: Option<u64>, hard: Option<u64>) -> Result<Option<u64>, NodeError> {
    let wanted = value.or(hard);
    match (wanted, hard) {
        (Some(wanted), Some(hard)) if wanted > hard => Err(NodeError::Value(format!(
            "{limit:?} {wanted} is above the hard limit, which is {hard} and cannot be raised"
        ))),
        _ => Ok(wanted),
    }
}

fn failed(process: &Process, limit: Limit, source: io::Error) -> NodeError {
    NodeError::Process { what: format!("{limit:?}"), pid: process.pid(), source }
}

/// Raises the adjustment of every process but init, until all have it.
pub(crate) fn prefer_for_oom(kept: &Kept, adjustment: u16) -> Result<usize, NodeError> {
    let wanted = i16::try_from(adjustment).ok().filter(|adjustment| *adjustment <= 1000);
    let wanted = wanted.ok_or_else(|| NodeError::Value(format!("an oom_score_adj is 0 to 1000, not {adjustment}")))?;
    until_all_have(
        "oom_score_adj",
        || everyone::processes(kept),
        |process| match adjust(process, wanted) {
            Ok(set) => Ok(set),
            Err(error) if has_ended(&error) => Ok(Set::Gone),
            Err(error) => {
                Err(NodeError::Process { what: "oom_score_adj".into(), pid: process.pid(), source: io_error(error) })
            }
        },
    )
}

fn adjust(process: &Process, wanted: i16) -> ProcResult<Set> {
    if process.oom_score_adj()? == wanted {
        return Ok(Set::WasSo);
    }
    process.set_oom_score_adj(wanted)?;
    Ok(Set::Changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hard_limit_bounds_the_soft_one() {
        let soft = |value, hard| wanted(Limit::Data, value, hard).ok();
        assert_eq!(soft(Some(5), Some(9)), Some(Some(5)));
        assert_eq!(soft(Some(5), None), Some(Some(5)));
        assert_eq!((soft(None, Some(9)), soft(None, None)), (Some(Some(9)), Some(None)), "lifted as far as it goes");
        assert_eq!(soft(Some(10), Some(9)), None);
    }
}
