//! The processes of a node, as `/proc` shows them from outside: what every operation is measured by.
//!
//! A process belongs to a node if it is in the node's PID namespace. Each is read through a descriptor of its folder
//! in `/proc`, so that what is read is never of another process that got its pid meanwhile. Namespaces that the program
//! itself makes below its own are not seen here, though they are stopped and killed with the rest.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use procfs::ProcError;
use procfs::process::{self, Stat};
use rustix::fs::OFlags;

/// A process of a node, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its pid, as the bench sees it.
    pub pid: i32,
    /// The same, as the node sees it: 1 is init.
    pub pid_inside: i32,
    /// Its parent's pid, as the bench sees it.
    pub parent_pid: i32,
    /// The name of its executable, cut after 15 bytes.
    pub name: String,
    /// As in proc_pid_stat(5): R runs, S and D wait, T is stopped, Z has ended.
    pub state: char,
    /// Its threads.
    pub threads: u64,
    /// Processor time that it has used since its start, and children of it that it has reaped.
    pub cpu: Duration,
}

/// A thread of a node that is not stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Running {
    /// It runs, or waits for something that may come.
    Able,
    /// It is inside the kernel, and will stop on its way out.
    InKernel,
}

/// How many threads of a node are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ThreadStates {
    pub(crate) processes: usize,
    pub(crate) stopped: usize,
    pub(crate) in_kernel: usize,
    pub(crate) able: usize,
}

/// All processes of a PID namespace, init among them, by pid.
///
/// # Errors
/// When `/proc` cannot be read.
pub(crate) fn list(namespace: u64) -> io::Result<Vec<Process>> {
    let ticks = procfs::ticks_per_second();
    let mut processes: Vec<Process> = members(namespace)?.iter().filter_map(|member| observe(member, ticks)).collect();
    processes.sort_by_key(|process| process.pid);
    Ok(processes)
}

/// Each process of a namespace. One that ends meanwhile is left out.
pub(crate) fn members(namespace: u64) -> io::Result<Vec<process::Process>> {
    let all = process::all_processes().map_err(io_error)?;
    Ok(all.filter_map(Result::ok).filter(|process| namespace_of(process) == Some(namespace)).collect())
}

/// None if the process has ended, or belongs to somebody else.
fn namespace_of(process: &process::Process) -> Option<u64> {
    let namespace = process.open_relative_flags("ns/pid", OFlags::PATH | OFlags::CLOEXEC).ok()?;
    Some(namespace.metadata().ok()?.ino())
}

fn observe(process: &process::Process, ticks: u64) -> Option<Process> {
    let stat = process.stat().ok()?;
    let pid_inside = *process.status().ok()?.nspid?.last()?;
    let cpu = cpu_time(&stat, ticks);
    let threads = u64::try_from(stat.num_threads).unwrap_or(0);
    Some(Process { pid: stat.pid, pid_inside, parent_pid: stat.ppid, name: stat.comm, state: stat.state, threads, cpu })
}

/// With that of reaped children, so that the sum over a tree does not fall when a child ends.
fn cpu_time(stat: &Stat, ticks: u64) -> Duration {
    let children = u64::try_from(stat.cutime).unwrap_or(0) + u64::try_from(stat.cstime).unwrap_or(0);
    Duration::from_millis((stat.utime + stat.stime + children) * 1000 / ticks)
}

/// The states of all threads of a namespace but init's.
pub(crate) fn thread_states(namespace: u64, init_pid: i32) -> io::Result<ThreadStates> {
    let mut states = ThreadStates::default();
    for member in members(namespace)?.iter().filter(|member| member.pid() != init_pid) {
        let Ok(threads) = member.tasks() else { continue };
        let mut lives = false;
        for state in threads.filter_map(|thread| Some(thread.ok()?.stat().ok()?.state)) {
            lives |= !matches!(state, 'Z' | 'X' | 'x');
            states.count(state);
        }
        states.processes += usize::from(lives);
    }
    Ok(states)
}

impl ThreadStates {
    fn count(&mut self, state: char) {
        match running(state) {
            Some(Running::Able) => self.able += 1,
            Some(Running::InKernel) => self.in_kernel += 1,
            None if matches!(state, 'T' | 't') => self.stopped += 1,
            None => {}
        }
    }
}

/// None for a thread that is stopped or has ended.
fn running(state: char) -> Option<Running> {
    match state {
        'T' | 't' | 'Z' | 'X' | 'x' => None,
        'D' => Some(Running::InKernel),
        _ => Some(Running::Able),
    }
}

/// An error of the library as one of the system.
pub(crate) fn io_error(error: ProcError) -> io::Error {
    match error {
        ProcError::PermissionDenied(_) => io::ErrorKind::PermissionDenied.into(),
        ProcError::NotFound(_) => io::ErrorKind::NotFound.into(),
        ProcError::Io(source, _) => source,
        other => io::Error::other(other.to_string()),
    }
}

/// Whether a process has ended meanwhile, so that an operation on it has nothing left to do.
pub(crate) fn has_ended(error: &ProcError) -> bool {
    match error {
        ProcError::NotFound(_) => true,
        ProcError::Io(source, _) => source.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own_namespace() -> u64 {
        std::fs::metadata("/proc/self/ns/pid").expect("there").ino()
    }

    #[test]
    fn this_process_is_found_in_its_namespace() {
        let pid = std::process::id().cast_signed();
        let all = list(own_namespace()).expect("readable");
        let own = all.iter().find(|process| process.pid == pid).expect("it lives");
        assert!(own.threads >= 2 && "RSD".contains(own.state) && !own.name.is_empty(), "{own:?}");
        assert!(all.is_sorted_by_key(|process| process.pid));
    }

    #[test]
    fn a_namespace_that_is_not_there_has_no_processes() {
        assert_eq!(list(1).expect("readable"), []);
        assert_eq!(thread_states(1, 1).expect("readable"), ThreadStates::default());
    }

    #[test]
    fn states_are_told_apart() {
        let mut states = ThreadStates::default();
        "RSDITtZX".chars().for_each(|state| states.count(state));
        assert_eq!(states, ThreadStates { processes: 0, stopped: 2, in_kernel: 1, able: 3 });
    }
}
