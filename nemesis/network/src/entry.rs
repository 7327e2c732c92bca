//! Into a user namespace: there an ordinary user may make network namespaces and interfaces, seen by nobody outside.
//!
//! It is done at the very start of the program, while it has one thread, since the kernel moves only such processes.
//! The program keeps its files: the one id that is mapped is its own. Its capabilities inside end at an `exec`, because
//! that id is not root's: programs that it starts are as unprivileged as they would be outside.

use std::fs;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};

use crate::refused::{Refused, Settings};
use crate::sys::errno_of;

/// What root outside is inside, user and group: nodes are never root, which some of them refuse to be.
const ID_FOR_ROOT: u32 = 1000;

/// Who the process is inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entered {
    /// The user: the same number as outside, but 1000 for root.
    pub uid: u32,
    /// The group: the same number as outside, but 1000 for root's.
    pub gid: u32,
}

/// Moves this process into a user namespace of its own, with a network (not even its loopback is up) and mounts of its
/// own. Nothing that is mounted from now on is seen outside, and all of it is gone with the last process inside.
///
/// # Errors
/// [`Refused`] with the reason: the process has several threads, or the machine does not allow it. In the second case
/// the process may already be inside, and should end.
pub fn enter_user_namespace() -> Result<Entered, Refused> {
    assert_single_thread()?;
    let (user, group) = (geteuid().as_raw(), getegid().as_raw());
    let settings = Settings::read();
    let reason = |errno| settings.explain(errno);
    unshare(CloneFlags::CLONE_NEWUSER).map_err(|errno| Refused::UserNamespace { errno, reason: reason(errno) })?;
    let entered = Entered { uid: inside(user), gid: inside(group) };
    write("/proc/self/setgroups", "deny")?;
    write("/proc/self/uid_map", &format!("{} {user} 1", entered.uid))?;
    write("/proc/self/gid_map", &format!("{} {group} 1", entered.gid))?;
    for (kind, flag) in [("network", CloneFlags::CLONE_NEWNET), ("mount", CloneFlags::CLONE_NEWNS)] {
        unshare(flag).map_err(|errno| Refused::Namespace { kind, errno, reason: reason(errno) })?;
    }
    keep_mounts_private().map_err(|errno| Refused::Namespace {
        kind: "private mount",
        errno,
        reason: reason(errno),
    })?;
    assert_eq!(geteuid().as_raw(), entered.uid, "the map of ids was accepted");
    Ok(entered)
}

fn inside(outside: u32) -> u32 {
    if outside == 0 { ID_FOR_ROOT } else { outside }
}

fn assert_single_thread() -> Result<(), Refused> {
    let path = Path::new("/proc/self/task");
    let threads = fs::read_dir(path).map_err(|source| Refused::Kernel { path: path.into(), source })?.count();
    if threads == 1 { Ok(()) } else { Err(Refused::Threads { threads }) }
}

fn write(path: &str, text: &str) -> Result<(), Refused> {
    fs::write(path, text).map_err(|source| match errno_of(&source) {
        errno @ (Errno::EPERM | Errno::EACCES) => {
            Refused::UserNamespace { errno, reason: format!("{path}: {}", Settings::read().explain(errno)) }
        }
        _ => Refused::Kernel { path: PathBuf::from(path), source },
    })
}

fn keep_mounts_private() -> nix::Result<()> {
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_threads_is_refused() {
        let refused = std::thread::spawn(enter_user_namespace).join().expect("it does not panic");
        assert!(matches!(refused, Err(Refused::Threads { threads: 2.. })), "{refused:?}");
    }

    #[test]
    fn nobody_is_root_inside() {
        assert_eq!([0, 1, 1000, 65534].map(inside), [ID_FOR_ROOT, 1, 1000, 65534]);
    }
}
