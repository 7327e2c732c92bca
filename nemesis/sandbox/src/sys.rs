//! The few calls that the compiler cannot check, each behind a safe function.
#![allow(unsafe_code)]

use std::fs;
use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};

/// Adds steps to be taken in the child, between fork and exec. They must not allocate, lock, or use another thread's
/// memory: the child of a process with threads may only make system calls there.
pub(crate) fn before_exec(command: &mut Command, steps: impl FnMut() -> io::Result<()> + Send + Sync + 'static) {
    // SAFETY: the steps given by this crate (`steps.rs`) make system calls on values prepared before the fork, and
    // nothing else.
    unsafe { command.pre_exec(steps) };
}

/// The descriptor that a parent passed on by its number, from now on closed at an exec; none if there is no such
/// descriptor. To be called once a number.
pub(crate) fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    if number <= 2 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: the number is not -1, and the borrow ends with the next call, which finds out if it is open.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    let flags = fcntl_getfd(borrowed)?;
    fcntl_setfd(borrowed, flags | FdFlags::CLOEXEC)?;
    // SAFETY: it is open, as the call above found out; it was opened for this process by its parent, and nothing else
    // here knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Has every descriptor but the standard three closed at an exec. For the start of main, when all that is open was
/// inherited: nothing of it is meant for a node.
pub(crate) fn keep_inherited_from_children() -> io::Result<()> {
    for entry in fs::read_dir("/proc/self/fd")? {
        let Some(number) = entry?.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok()) else { continue };
        if number > 2 {
            // SAFETY: the number is of an open descriptor, that of the folder read here included: it is open until the
            // loop ends, and no other thread runs to close one.
            fcntl_setfd(unsafe { BorrowedFd::borrow_raw(number) }, FdFlags::CLOEXEC)?;
        }
    }
    Ok(())
}

/// Lets a thread run only when no other wants the processor (SCHED_IDLE).
pub(crate) fn make_idle(thread: i32) -> io::Result<()> {
    let parameters = nix::libc::sched_param { sched_priority: 0 };
    // SAFETY: the call reads `parameters`, which lives until it returns.
    match unsafe { nix::libc::sched_setscheduler(thread, nix::libc::SCHED_IDLE, &raw const parameters) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Puts a seccomp filter with a listener on this process that lets every call pass, and closes the listener: for a
/// probe. It needs no_new_privs.
pub(crate) fn install_listener() -> io::Result<()> {
    use nix::libc;
    /// Waits for an answer to a notification end by a fatal signal only (Linux 5.19; not in every libc).
    const WAIT_KILLABLE_RECV: libc::c_ulong = 1 << 5;
    let allow = libc::BPF_RET as u16 | libc::BPF_K as u16;
    let mut rule = libc::sock_filter { code: allow, jt: 0, jf: 0, k: libc::SECCOMP_RET_ALLOW };
    let program = libc::sock_fprog { len: 1, filter: &raw mut rule };
    let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | WAIT_KILLABLE_RECV;
    // SAFETY: the kernel reads the program and its one rule, which live until the call returns.
    let made = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::c_ulong::from(libc::SECCOMP_SET_MODE_FILTER), flags, &raw const program)
    };
    let number = RawFd::try_from(made).ok().filter(|number| *number >= 0).ok_or_else(io::Error::last_os_error)?;
    // SAFETY: the kernel has just made it for this call.
    drop(unsafe { OwnedFd::from_raw_fd(number) });
    Ok(())
}

/// Begins to trace a child: for a probe.
pub(crate) fn seize(pid: i32) -> io::Result<()> {
    let nothing = std::ptr::null_mut::<nix::libc::c_void>();
    // SAFETY: PTRACE_SEIZE takes no address, and options by value: none.
    match unsafe { nix::libc::ptrace(nix::libc::PTRACE_SEIZE, pid, nothing, nothing) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
