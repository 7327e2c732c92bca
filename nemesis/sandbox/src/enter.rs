//! How the bench gets its own user namespace: once, at the very start of main, while it has a single thread.
//!
//! Inside, the bench has every capability over what it makes there (mounts, networks, PID namespaces) and none over
//! the machine. All its nodes live in this one namespace. Ids stay what they are outside, so files belong to the same
//! user inside and outside; root alone gets another id inside, as many programs refuse to run as root, or do things
//! that fail.
//!
//! Mounts of the machine reach the bench; the bench's own reach its nodes and not the machine:
//!
//! ```text
//!   machine ──► bench ──► nodes        (each arrow: mounts and unmounts propagate, one way only)
//! ```

use std::fs;
use std::io;

use nix::sched::{CloneFlags, unshare};
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, mount_change};

use crate::why::{self, Why};

/// The id inside of a bench that is started by root.
const ID_INSTEAD_OF_ROOT: u32 = 1000;

/// What the bench gets besides a user and a mount namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Namespaces {
    /// A network of its own, without any interface that is up.
    pub network: bool,
}

/// The bench is in its namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entered {
    /// The user's id outside.
    pub uid_outside: u32,
    /// The same inside: equal, but never 0.
    pub uid_inside: u32,
    /// The group's id outside.
    pub gid_outside: u32,
    /// The same inside: equal, but never 0.
    pub gid_inside: u32,
}

/// Why the bench could not enter namespaces of its own.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// It has begun threads already, and a process may enter a user namespace only while it has one.
    #[error("namespaces must be entered at the start of main: the process has {0} threads already")]
    Threads(usize),
    /// The kernel refused.
    #[error("this machine does not allow namespaces to user {uid}: {why}")]
    Namespaces {
        /// The user outside.
        uid: u32,
        /// The reason, and what to do.
        why: Why,
    },
    /// Ids could not be mapped.
    #[error("{file} of the new user namespace cannot be written: {source}")]
    Map {
        /// Which file of `/proc/self`.
        file: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The mounts could not be made the bench's own.
    #[error("the mounts of the new namespace cannot be made private: {why}")]
    Mounts {
        /// The reason, and what to do.
        why: Why,
    },
    /// `/proc` cannot be read.
    #[error("/proc/self/task cannot be read: {0}")]
    Proc(io::Error),
}

/// Moves this process into a user namespace and a mount namespace of its own, and what else is wanted.
///
/// # Errors
/// When the process has more than one thread, and when the machine refuses: with the reason, and what to do. After an
/// error the process may be half inside: it should report and exit.
pub fn enter(namespaces: Namespaces) -> Result<Entered, EnterError> {
    let threads = fs::read_dir("/proc/self/task").map_err(EnterError::Proc)?.count();
    if threads != 1 {
        return Err(EnterError::Threads(threads));
    }
    let uid = rustix::process::geteuid().as_raw();
    let gid = rustix::process::getegid().as_raw();
    let entered = Entered { uid_outside: uid, uid_inside: inside(uid), gid_outside: gid, gid_inside: inside(gid) };
    unshare_all(namespaces, uid)?;
    map_ids(&entered)?;
    separate_mounts()?;
    Ok(entered)
}

/// The id inside for one outside.
fn inside(id: u32) -> u32 {
    if id == 0 { ID_INSTEAD_OF_ROOT } else { id }
}

fn unshare_all(namespaces: Namespaces, uid: u32) -> Result<(), EnterError> {
    let mut flags = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS;
    flags.set(CloneFlags::CLONE_NEWNET, namespaces.network);
    unshare(flags).map_err(|errno| {
        let errno = Errno::from_raw_os_error(errno as i32);
        EnterError::Namespaces { uid, why: why::namespace("user", errno) }
    })
}

/// One id each. A process without privileges may map a group only after it has given up `setgroups`
/// (user_namespaces(7)).
fn map_ids(entered: &Entered) -> Result<(), EnterError> {
    let write = |file, text: &str| {
        fs::write(format!("/proc/self/{file}"), text).map_err(|source| EnterError::Map { file, source })
    };
    write("setgroups", "deny")?;
    write("uid_map", &format!("{} {} 1\n", entered.uid_inside, entered.uid_outside))?;
    write("gid_map", &format!("{} {} 1\n", entered.gid_inside, entered.gid_outside))
}

/// Mounts come in from the machine and do not go back; what the bench mounts goes on to the namespaces made from its
/// own.
fn separate_mounts() -> Result<(), EnterError> {
    let change = |kind| mount_change(c"/", kind | MountPropagationFlags::REC);
    change(MountPropagationFlags::DOWNSTREAM)
        .and_then(|()| change(MountPropagationFlags::SHARED))
        .map_err(|errno| EnterError::Mounts { why: why::namespace("mnt", errno) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_root_inside() {
        assert_eq!(inside(0), ID_INSTEAD_OF_ROOT);
        assert_eq!(inside(65534), 65534);
    }

    /// The harness has a thread of its own beside that of the test.
    #[test]
    fn a_process_with_threads_is_refused() {
        assert!(matches!(enter(Namespaces::default()), Err(EnterError::Threads(2..))));
    }
}
