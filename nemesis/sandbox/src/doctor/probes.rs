//! The probes: each tries one thing in a process of its own, with one thread, and says what came of it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;

use nix::sched::{CloneFlags, unshare};
use rustix::fs::MemfdFlags;
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount};
use rustix::process::{PidfdFlags, Resource, getpid, getrlimit, pidfd_open, prlimit};

use super::probe::{Answer, Probe};
use crate::command::NodeCommand;
use crate::enter::{EnterError, Entered, Namespaces, enter};
use crate::executable;
use crate::sys;
use crate::why::{self, Why};

/// The oldest kernel that has all that is used: WAIT_KILLABLE_RECV of seccomp came with it.
const KERNEL_LEAST: (u32, u32) = (5, 19);

pub(crate) const PROBES: &[Probe] = &[
    Probe { name: "kernel", purpose: "everything", attempt: kernel },
    Probe { name: "user-namespace", purpose: "everything but the proxy and seccomp", attempt: user_namespace },
    Probe {
        name: "mount-namespace",
        purpose: "disks, a tmpfs of fixed size, /proc of a node",
        attempt: mount_namespace,
    },
    Probe { name: "pid-namespace", purpose: "kill and pause of whole nodes", attempt: pid_namespace },
    Probe { name: "network-namespace", purpose: "the network of nodes", attempt: network_namespace },
    Probe { name: "ipc-namespace", purpose: "shared memory of nodes (PostgreSQL)", attempt: ipc_namespace },
    Probe { name: "tun", purpose: "the network of nodes", attempt: tun },
    Probe { name: "fuse", purpose: "faults of disks", attempt: fuse },
    Probe {
        name: "seccomp-notification",
        purpose: "clocks of programs, faults of disks without FUSE",
        attempt: seccomp,
    },
    Probe { name: "ptrace", purpose: "clocks of programs", attempt: ptrace },
    Probe { name: "memfd", purpose: "clocks of programs", attempt: memfd },
    Probe { name: "prlimit", purpose: "limits on running processes", attempt: limits },
    Probe { name: "pidfd", purpose: "the end of nodes", attempt: pidfd },
    Probe { name: "processors", purpose: "starvation by fewer processors", attempt: processors },
    Probe { name: "oom-score", purpose: "preferring a node when memory is short", attempt: oom_score },
];

fn kernel() -> Answer {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy().into_owned();
    let machine = name.machine().to_string_lossy().into_owned();
    let seen = format!("Linux {release} on {machine}");
    let (major, minor) = KERNEL_LEAST;
    match version(&release) {
        Some(version) if version >= KERNEL_LEAST => Ok(seen),
        _ => Err(Why::new(format!("{seen} is older than {major}.{minor}"), "use a newer kernel")),
    }
}

/// The first two numbers of a release such as `6.1.0-13-amd64`.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|character: char| !character.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Entered as the bench does it. AppArmor may let one be made and refuse everything in it; the mounts tried by entering
/// find that out.
fn user_namespace() -> Answer {
    let entered = inside()?;
    Ok(format!("uid {} is {} inside", entered.uid_outside, entered.uid_inside))
}

fn inside() -> Result<Entered, Why> {
    enter(Namespaces::default()).map_err(|error| match error {
        EnterError::Namespaces { why, .. } | EnterError::Mounts { why } => why,
        other => Why::new(other.to_string(), "try `unshare -Ur true` as this user; it should succeed"),
    })
}

/// Enters the user namespace, then one of another kind.
fn unshared(kind: &str, flag: CloneFlags) -> Result<(), Why> {
    inside()?;
    unshare(flag).map_err(|errno| why::namespace(kind, Errno::from_raw_os_error(errno as i32)))
}

fn mount_namespace() -> Answer {
    unshared("mnt", CloneFlags::CLONE_NEWNS)?;
    match mount(c"tmpfs", c"/proc", c"tmpfs", MountFlags::empty(), Some(c"size=4096")) {
        Ok(()) => Ok("a tmpfs can be mounted".to_owned()),
        Err(errno) => Err(why::namespace("mnt", errno)),
    }
}

fn network_namespace() -> Answer {
    unshared("net", CloneFlags::CLONE_NEWNET)?;
    Ok("a network without interfaces can be had".to_owned())
}

fn ipc_namespace() -> Answer {
    unshared("ipc", CloneFlags::CLONE_NEWIPC)?;
    Ok("shared memory of one's own can be had".to_owned())
}

/// A whole node, as it is started: with `/proc`, which a container may refuse though it allows the namespace.
fn pid_namespace() -> Answer {
    inside()?;
    // This process is a probe, and main has not come to the point where nodes can be started.
    executable::hold().map_err(|error| Why::new(error.to_string(), "is /proc mounted?"))?;
    let mut command = NodeCommand::new("/bin/sh");
    command.args(["-c", "exec sleep 100"]);
    let started = command.spawn_blocking();
    let node = started.map_err(|error| Why::new(error.to_string(), "nodes cannot be started here"))?;
    match node.pause().and_then(|_| node.kill()) {
        Ok(killed) => Ok(format!("a node was started, stopped, and killed in {:.1?}", killed.took)),
        Err(error) => Err(Why::new(error.to_string(), "is the machine overloaded?")),
    }
}

fn tun() -> Answer {
    device("/dev/net/tun", "tun")
}

fn fuse() -> Answer {
    device("/dev/fuse", "fuse")
}

/// Opened inside the user namespace, as the bench will do.
fn device(path: &str, module: &str) -> Answer {
    inside()?;
    match OpenOptions::new().read(true).write(true).open(path) {
        Ok(_) => Ok(format!("{path} can be opened")),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let mode = fs::metadata(path).map(|metadata| metadata.mode() & 0o777);
            let mode = mode.map_or_else(|_| "unknown".to_owned(), |mode| format!("{mode:04o}"));
            Err(Why::new(format!("{path} has mode {mode} and cannot be opened"), format!("as root: chmod 0666 {path}")))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(Why::new(format!("there is no {path}"), format!("as root: modprobe {module}")))
        }
        Err(error) => Err(Why::new(format!("{path} cannot be opened: {error}"), format!("as root: modprobe {module}"))),
    }
}

/// A filter that allows everything, with a listener.
fn seccomp() -> Answer {
    let filter = rustix::thread::set_no_new_privs(true).map_err(io::Error::from).and_then(|()| sys::install_listener());
    match filter {
        Ok(()) => Ok("a filter with a listener was installed".to_owned()),
        Err(error) if error.raw_os_error() == Some(Errno::BUSY.raw_os_error()) => Err(Why::new(
            "there is a seccomp listener already, and the kernel allows but one",
            "run the bench outside of the container or tracer that has it",
        )),
        Err(error) => Err(Why::new(
            format!("a seccomp filter with a listener was refused: {error}"),
            "use a kernel with CONFIG_SECCOMP_FILTER, 5.19 or later, and no container that filters seccomp",
        )),
    }
}

/// A tracer needs a child's consent at most (yama 1); above that, a capability over the machine.
fn ptrace() -> Answer {
    let scope = why::sysctl("kernel.yama.ptrace_scope");
    if scope.as_deref().is_some_and(|scope| !matches!(scope, "0" | "1")) {
        let reason = format!("kernel.yama.ptrace_scope = {}", scope.unwrap_or_default());
        return Err(Why::new(reason, "as root: sysctl -w kernel.yama.ptrace_scope=1"));
    }
    let child = std::process::Command::new("sleep").arg("100").spawn();
    let mut child = child.map_err(|error| Why::new(format!("no `sleep` to trace: {error}"), "install coreutils"))?;
    let seized = sys::seize(child.id().cast_signed());
    // Killed and reaped whatever came of it; it has nothing to lose.
    let _ = child.kill().and_then(|()| child.wait());
    match (seized, scope) {
        (Ok(()), Some(scope)) => Ok(format!("a child was traced; kernel.yama.ptrace_scope = {scope}")),
        (Ok(()), None) => Ok("a child was traced; there is no yama".to_owned()),
        (Err(error), _) => Err(Why::new(
            format!("a child cannot be traced: {error}"),
            "start the container with --cap-add SYS_PTRACE, or without its seccomp filter",
        )),
    }
}

fn memfd() -> Answer {
    let made = rustix::fs::memfd_create(c"probe", MemfdFlags::CLOEXEC);
    let reopened = made.map_err(io::Error::from).and_then(|file| {
        File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
        Ok(())
    });
    match reopened {
        Ok(()) => Ok("a file in memory was made, and opened by its path".to_owned()),
        Err(error) => Err(Why::new(format!("no file in memory: {error}"), "is /proc mounted?")),
    }
}

fn limits() -> Answer {
    let child = std::process::Command::new("sleep").arg("100").spawn();
    let mut child = child.map_err(|error| Why::new(format!("no `sleep` to limit: {error}"), "install coreutils"))?;
    let has = getrlimit(Resource::Nofile);
    let set = prlimit(Some(rustix::process::Pid::from_child(&child)), Resource::Nofile, has);
    // As above.
    let _ = child.kill().and_then(|()| child.wait());
    match set {
        Ok(_) => Ok(format!("the limits of a child can be set; files {:?}, at most {:?}", has.current, has.maximum)),
        Err(errno) => Err(Why::new(
            format!("the limits of a child cannot be set: {errno}"),
            "run outside of the container that filters prlimit64",
        )),
    }
}

fn pidfd() -> Answer {
    match pidfd_open(getpid(), PidfdFlags::empty()) {
        Ok(_) => Ok("processes can be held by descriptors".to_owned()),
        Err(errno) => {
            Err(Why::new(format!("pidfd_open: {errno}"), "use a kernel 5.3 or later, and no filter that refuses it"))
        }
    }
}

fn processors() -> Answer {
    let may = rustix::thread::sched_getaffinity(None);
    match may.and_then(|may| rustix::thread::sched_setaffinity(None, &may).map(|()| may.count())) {
        Ok(count) => Ok(format!("{count} may be used")),
        Err(errno) => Err(Why::new(format!("threads cannot be confined: {errno}"), "run outside of the container")),
    }
}

fn oom_score() -> Answer {
    let file = "/proc/self/oom_score_adj";
    match fs::write(file, "1000") {
        Ok(()) => Ok(format!("{file} can be raised")),
        Err(error) => Err(Why::new(format!("{file}: {error}"), "is /proc mounted so that it can be written?")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_compared_as_numbers() {
        assert_eq!(version("6.1.0-13-amd64"), Some((6, 1)));
        assert_eq!(version("5.19-rc3"), Some((5, 19)));
        assert_eq!(version("five"), None);
        assert!(version("5.4.0") < Some(KERNEL_LEAST) && version("10.0.1") > Some(KERNEL_LEAST));
    }
}
