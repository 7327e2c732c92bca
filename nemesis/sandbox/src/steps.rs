//! What the first process of a node does between fork and exec: it enters the node's namespaces, mounts what the node
//! should see, and gives up every capability.
//!
//! The order matters. The network is entered while the process has capabilities; mounts are made in a mount namespace
//! of the node; privileges go last, so that neither init nor the program has any. All values are prepared before the
//! fork: here are system calls only.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::sched::{CloneFlags, unshare};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind_recursive, mount_change};
use rustix::process::{Signal, chdir, set_parent_process_death_signal, setsid};
use rustix::system::sethostname;
use rustix::thread::{
    CapabilitySet, CapabilitySets, LinkNameSpaceType, clear_ambient_capability_set, move_into_link_name_space,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};

use crate::wire::{Notice, tell};

/// A step between fork and exec, for the report of its failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A session of its own, and the socket to the bench.
    Session,
    /// The network namespace that was given.
    Network,
    /// Mount, IPC and UTS namespaces.
    Namespaces,
    /// Mounts that do not go back to the bench.
    Propagation,
    /// `/proc` of the PID namespace.
    Proc,
    /// A mount of the node's own: its place among those asked for, from 0.
    Mount(usize),
    /// The host's name.
    Hostname,
    /// The working directory.
    Directory,
    /// Giving up capabilities.
    Privileges,
    /// Dying with the bench.
    Lifeline,
}

/// A mount that only this node sees.
#[derive(Clone, Debug)]
pub(crate) enum Mount {
    /// An empty file system in memory: where, and its options.
    Tmpfs { onto: CString, options: CString },
    /// A file or folder in another one's place.
    Bind { from: CString, onto: CString },
}

/// What a node's first process does before it can become init.
#[derive(Debug)]
pub(crate) struct Steps {
    /// The node's end of the pair.
    pub(crate) socket: OwnedFd,
    pub(crate) network: Option<OwnedFd>,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) hostname: Option<CString>,
    pub(crate) directory: Option<CString>,
}

type Done = Result<(), Errno>;

impl Steps {
    /// Everything that needs capabilities.
    pub(crate) fn with_privileges(&self) -> io::Result<()> {
        self.step(Step::Session, || self.session())?;
        self.step(Step::Network, || self.enter_network())?;
        self.step(Step::Namespaces, separate)?;
        self.step(Step::Propagation, || {
            mount_change(c"/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)
        })?;
        self.step(Step::Proc, mount_proc)?;
        for (place, mount) in self.mounts.iter().enumerate() {
            self.step(Step::Mount(place), || mount.make())?;
        }
        self.step(Step::Hostname, || self.hostname.as_ref().map_or(Ok(()), |name| sethostname(name.as_bytes())))?;
        self.step(Step::Directory, || self.directory.as_deref().map_or(Ok(()), chdir))
    }

    /// The last steps: none of the bench's capabilities are left after them.
    pub(crate) fn without_privileges(&self) -> io::Result<()> {
        self.step(Step::Privileges, give_up_privileges)?;
        self.step(Step::Lifeline, || set_parent_process_death_signal(Some(Signal::KILL)))
    }

    /// Takes a step, and tells the bench which one failed: an error before an exec is but a number to it.
    fn step(&self, step: Step, work: impl FnOnce() -> Done) -> io::Result<()> {
        work().map_err(|errno| {
            let notice = Notice::StepFailed { step: step.number(), errno: errno.raw_os_error() };
            // The error itself is returned, too; the notice only names the step.
            let _ = tell(self.socket.as_fd(), &notice.encode());
            io::Error::from_raw_os_error(errno.raw_os_error())
        })
    }

    /// A session of its own keeps the signals of the bench's terminal away. The socket outlives the exec.
    fn session(&self) -> Done {
        setsid()?;
        fcntl_setfd(&self.socket, FdFlags::empty())
    }

    fn enter_network(&self) -> Done {
        let Some(network) = &self.network else { return Ok(()) };
        move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))
    }
}

impl Step {
    /// Places of mounts begin after all other steps.
    const MOUNTS: u32 = 100;

    const PLAIN: [Self; 9] = [
        Self::Session,
        Self::Network,
        Self::Namespaces,
        Self::Propagation,
        Self::Proc,
        Self::Hostname,
        Self::Directory,
        Self::Privileges,
        Self::Lifeline,
    ];

    fn number(self) -> u32 {
        match self {
            Self::Mount(place) => Self::MOUNTS.saturating_add(u32::try_from(place).unwrap_or(u32::MAX)),
            plain => (0..).zip(Self::PLAIN).find(|(_, step)| *step == plain).map_or(u32::MAX, |(number, _)| number),
        }
    }

    /// The step with this number.
    pub(crate) fn of(number: u32) -> Option<Self> {
        match number.checked_sub(Self::MOUNTS) {
            Some(place) => usize::try_from(place).ok().map(Self::Mount),
            None => usize::try_from(number).ok().and_then(|number| Self::PLAIN.get(number).copied()),
        }
    }
}

impl Mount {
    fn make(&self) -> Done {
        match self {
            Self::Tmpfs { onto, options } => mount_tmpfs(onto, options),
            Self::Bind { from, onto } => mount_bind_recursive(from.as_c_str(), onto.as_c_str()),
        }
    }
}

/// The PID namespace was entered by the fork itself, as the bench's thread has unshared it.
fn separate() -> Done {
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS)
        .map_err(|errno| Errno::from_raw_os_error(errno as i32))
}

fn mount_proc() -> Done {
    mount(c"proc", c"/proc", c"proc", MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC, None)
}

/// Mounts an empty file system in memory.
pub(crate) fn mount_tmpfs(onto: &CString, options: &CString) -> Done {
    mount(c"tmpfs", onto.as_c_str(), c"tmpfs", MountFlags::NOSUID | MountFlags::NODEV, Some(options.as_c_str()))
}

/// No capability now, none by an exec of root's (the bounding set), none by a setuid program.
fn give_up_privileges() -> Done {
    for number in 0..u64::BITS {
        match remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << number)) {
            // This kernel has no capability of that number, and none after it.
            Err(Errno::INVAL) => break,
            done => done?,
        }
    }
    clear_ambient_capability_set()?;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    set_no_new_privs(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_has_a_number_of_its_own() {
        for step in Step::PLAIN.into_iter().chain([Step::Mount(0), Step::Mount(17)]) {
            assert_eq!(Step::of(step.number()), Some(step));
        }
        assert_eq!(Step::of(99), None);
    }
}
