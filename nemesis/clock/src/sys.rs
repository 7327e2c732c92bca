//! What Linux offers to C alone: seccomp listeners, descriptors in messages, ptrace. Small wrappers, and the only unsafe
//! code of the crate.
#![allow(unsafe_code)]

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::ptr::{from_mut, from_ref, null_mut};

use libc::{
    c_int, c_ulong, c_void, pid_t, seccomp_notif, seccomp_notif_addfd, seccomp_notif_resp, sock_filter, sock_fprog,
};

/// How many descriptors a message carries at most.
pub(crate) const DESCRIPTORS_MAX: usize = 3;

/// Bytes of control data for them, with room to spare for alignment.
const CONTROL_WORDS: usize = 8;

fn checked(result: impl Into<i64>) -> io::Result<i64> {
    let result = result.into();
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Lets `hook` run in the child between fork and exec.
pub(crate) fn before_exec(command: &mut Command, hook: impl FnMut() -> io::Result<()> + Send + Sync + 'static) {
    // SAFETY: the only caller passes a hook that makes system calls on memory it owns and allocates nothing.
    unsafe { command.pre_exec(hook) };
}

/// Puts this thread, and whatever it starts, under a filter, for good. Returns the descriptor on which calls are
/// reported. Allocates nothing: it may run between fork and exec.
pub(crate) fn install_filter(program: &[sock_filter]) -> io::Result<OwnedFd> {
    let program = sock_fprog { len: program.len() as u16, filter: program.as_ptr().cast_mut() };
    let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    // SAFETY: `program` points to as many instructions as it says, the kernel copies them; the result is a new
    // descriptor that nobody else owns.
    unsafe {
        checked(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
        let listener =
            checked(libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, from_ref(&program)))?;
        Ok(OwnedFd::from_raw_fd(listener as RawFd))
    }
}

/// Sends descriptors and a payload as one message. Allocates nothing: it may run between fork and exec.
pub(crate) fn send(socket: BorrowedFd, payload: &[u8], descriptors: &[BorrowedFd]) -> io::Result<()> {
    let mut numbers = [0 as RawFd; DESCRIPTORS_MAX];
    let numbers = numbers.get_mut(..descriptors.len()).ok_or(io::ErrorKind::InvalidInput)?;
    for (number, descriptor) in numbers.iter_mut().zip(descriptors) {
        *number = descriptor.as_raw_fd();
    }
    let mut control = [0u64; CONTROL_WORDS];
    let mut part = libc::iovec { iov_base: payload.as_ptr().cast_mut().cast(), iov_len: payload.len() };
    let bytes = size_of_val(numbers) as u32;
    // SAFETY: the message points to `part` and `control`, which outlive the call; the control data has room for the
    // descriptors (CMSG_SPACE of at most 12 bytes is 32), and the header is where CMSG_FIRSTHDR puts it.
    unsafe {
        let mut message: libc::msghdr = zeroed();
        message.msg_iov = from_mut(&mut part);
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = libc::CMSG_SPACE(bytes) as _;
        let header = libc::CMSG_FIRSTHDR(from_ref(&message));
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(bytes) as _;
        numbers.as_ptr().cast::<u8>().copy_to_nonoverlapping(libc::CMSG_DATA(header), size_of_val(numbers));
        checked(libc::sendmsg(socket.as_raw_fd(), from_ref(&message), libc::MSG_NOSIGNAL) as i64)?;
    }
    Ok(())
}

/// Receives a message into `payload`, and returns its descriptors: fewer than were sent if this process may open no more.
pub(crate) fn receive(socket: BorrowedFd, payload: &mut [u8]) -> io::Result<Vec<OwnedFd>> {
    let mut control = [0u64; CONTROL_WORDS];
    let mut part = libc::iovec { iov_base: payload.as_mut_ptr().cast(), iov_len: payload.len() };
    // SAFETY: the message points to `part` and `control`, which outlive the call; the kernel says how much of the control
    // data it has filled, and the descriptors in it are new, so nobody else owns them.
    unsafe {
        let mut message: libc::msghdr = zeroed();
        message.msg_iov = from_mut(&mut part);
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control) as _;
        let flags = libc::MSG_CMSG_CLOEXEC | libc::MSG_DONTWAIT;
        checked(libc::recvmsg(socket.as_raw_fd(), from_mut(&mut message), flags) as i64)?;
        let header = libc::CMSG_FIRSTHDR(from_ref(&message));
        if header.is_null() || (*header).cmsg_type != libc::SCM_RIGHTS {
            return Ok(Vec::new());
        }
        let count = ((*header).cmsg_len - libc::CMSG_LEN(0) as usize) / size_of::<RawFd>();
        let first = libc::CMSG_DATA(header).cast::<RawFd>();
        Ok((0..count).map(|index| OwnedFd::from_raw_fd(first.add(index).read_unaligned())).collect())
    }
}

/// A reported call.
pub(crate) fn receive_notification(listener: BorrowedFd) -> io::Result<seccomp_notif> {
    // SAFETY: the structure is plain numbers, zero is what the kernel wants to find, and it fills no more than its size.
    unsafe {
        let mut notification: seccomp_notif = zeroed();
        checked(libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, from_mut(&mut notification)))?;
        Ok(notification)
    }
}

/// Ends a reported call: with a value, an error, or (by the flag) by letting the kernel carry it out.
pub(crate) fn answer_notification(listener: BorrowedFd, answer: seccomp_notif_resp) -> io::Result<()> {
    let mut answer = answer;
    // SAFETY: the structure outlives the call and is what this request takes.
    let result = unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, from_mut(&mut answer)) };
    checked(result).map(drop)
}

/// Ends a reported call by a new descriptor in the caller, whose number is the call's result.
pub(crate) fn answer_with_descriptor(listener: BorrowedFd, id: u64, descriptor: BorrowedFd) -> io::Result<()> {
    let mut addition = seccomp_notif_addfd {
        id,
        flags: libc::SECCOMP_ADDFD_FLAG_SEND as u32,
        srcfd: descriptor.as_raw_fd() as u32,
        newfd: 0,
        newfd_flags: libc::O_CLOEXEC as u32,
    };
    // SAFETY: the structure outlives the call and is what this request takes.
    let result = unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ADDFD, from_mut(&mut addition)) };
    checked(result).map(drop)
}

/// Whether the caller still waits in the reported call: if so, its number has not been given to another.
pub(crate) fn notification_is_valid(listener: BorrowedFd, id: u64) -> bool {
    // SAFETY: the request reads eight bytes, which outlive the call.
    unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ID_VALID, from_ref(&id)) == 0 }
}

/// The requests of ptrace that take numbers.
fn ptrace(request: libc::c_uint, tid: pid_t, address: usize, data: usize) -> io::Result<()> {
    // SAFETY: callers in this file pass either plain numbers or pointers that are valid for the request.
    let result = unsafe { libc::ptrace(request as _, tid, address as *mut c_void, data as *mut c_void) };
    checked(result).map(drop)
}

/// Attaches without a stop. If this thread ends, the traced one is killed: it might be in the middle of an injection.
pub(crate) fn seize(tid: pid_t) -> io::Result<()> {
    ptrace(libc::PTRACE_SEIZE, tid, 0, (libc::PTRACE_O_TRACEEXEC | libc::PTRACE_O_EXITKILL) as usize)
}

/// Asks for a stop.
pub(crate) fn interrupt(tid: pid_t) -> io::Result<()> {
    ptrace(libc::PTRACE_INTERRUPT, tid, 0, 0)
}

/// Lets a stopped thread go on, with a signal or (0) without.
pub(crate) fn resume(tid: pid_t, signal: c_int) -> io::Result<()> {
    ptrace(libc::PTRACE_CONT, tid, 0, signal as usize)
}

/// Lets a stopped thread execute one instruction, with a signal or (0) without.
pub(crate) fn step(tid: pid_t, signal: c_int) -> io::Result<()> {
    ptrace(libc::PTRACE_SINGLESTEP, tid, 0, signal as usize)
}

/// Lets a stopped thread go on, untraced.
pub(crate) fn detach(tid: pid_t) -> io::Result<()> {
    ptrace(libc::PTRACE_DETACH, tid, 0, 0)
}

/// Why a thread is stopped: signal and code; an error while it runs, or if this thread does not trace it.
pub(crate) fn stop_reason(tid: pid_t) -> io::Result<(c_int, c_int)> {
    // SAFETY: the structure is plain data for which zero is fine, and the kernel fills no more than its size.
    unsafe {
        let mut info: libc::siginfo_t = zeroed();
        ptrace(libc::PTRACE_GETSIGINFO, tid, 0, from_mut(&mut info) as usize)?;
        Ok((info.si_signo, info.si_code))
    }
}

/// The signals that a stopped thread blocks, a bit each.
pub(crate) fn blocked_signals(tid: pid_t) -> io::Result<u64> {
    let mut mask = 0u64;
    ptrace(libc::PTRACE_GETSIGMASK as _, tid, size_of::<u64>(), from_mut(&mut mask) as usize)?;
    Ok(mask)
}

/// Replaces them.
pub(crate) fn block_signals(tid: pid_t, mask: u64) -> io::Result<()> {
    ptrace(libc::PTRACE_SETSIGMASK as _, tid, size_of::<u64>(), from_ref(&mask) as usize)
}

/// The registers of a stopped thread.
pub(crate) fn registers(tid: pid_t) -> io::Result<libc::user_regs_struct> {
    // SAFETY: the structure is plain numbers, and the kernel fills no more than its size.
    unsafe {
        let mut registers: libc::user_regs_struct = zeroed();
        ptrace(libc::PTRACE_GETREGS, tid, 0, from_mut(&mut registers) as usize)?;
        Ok(registers)
    }
}

/// Replaces them.
pub(crate) fn set_registers(tid: pid_t, registers: &libc::user_regs_struct) -> io::Result<()> {
    ptrace(libc::PTRACE_SETREGS, tid, 0, from_ref(registers) as usize)
}

/// What has become of a thread that this one traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// It runs or is stopped.
    Alive,
    /// It has ended and waits to be reaped.
    Zombie,
    /// This thread traces nothing of that number.
    Gone,
}

/// Takes the report of a stop, if there is one. A thread that has become another program answers to no request before.
pub(crate) fn take_stop(tid: pid_t) {
    // An error means that this thread traces nothing of that number.
    let _ = wait_for(tid, libc::WSTOPPED);
}

/// Looks without reaping. `__WNOTHREAD`: only what this thread traces.
pub(crate) fn life(tid: pid_t) -> Life {
    match wait_for(tid, libc::WEXITED | libc::WNOWAIT) {
        Err(_) => Life::Gone,
        Ok(libc::CLD_EXITED | libc::CLD_KILLED | libc::CLD_DUMPED) => Life::Zombie,
        Ok(_) => Life::Alive,
    }
}

/// Reaps a zombie that this thread traces, so that its parent learns of the end.
pub(crate) fn reap(tid: pid_t) {
    // An error means that somebody else was faster.
    let _ = wait_for(tid, libc::WEXITED);
}

fn wait_for(tid: pid_t, what: c_int) -> io::Result<c_int> {
    let options = what | libc::WNOHANG | libc::__WALL | libc::__WNOTHREAD;
    // SAFETY: the structure is plain data, zero if nothing is to be said, and the kernel fills no more than its size.
    unsafe {
        let mut info: libc::siginfo_t = zeroed();
        checked(libc::waitid(libc::P_PID, tid as libc::id_t, from_mut(&mut info), options))?;
        Ok(info.si_code)
    }
}

/// Sends a signal to a process by number.
pub(crate) fn kill(pid: pid_t, signal: c_int) -> io::Result<()> {
    // SAFETY: takes numbers only.
    checked(unsafe { libc::kill(pid, signal) }).map(drop)
}

/// A descriptor that becomes readable when a process has ended.
pub(crate) fn open_process(pid: pid_t) -> io::Result<OwnedFd> {
    // SAFETY: takes numbers only; the result is a new descriptor that nobody else owns.
    unsafe {
        let descriptor = checked(libc::syscall(libc::SYS_pidfd_open, pid, 0))?;
        Ok(OwnedFd::from_raw_fd(descriptor as RawFd))
    }
}

/// Whether this kernel reports calls to a listener (`SECCOMP_RET_USER_NOTIF`), asked without changing anything.
pub(crate) fn can_report_calls() -> io::Result<()> {
    let action: u32 = libc::SECCOMP_RET_USER_NOTIF;
    let flags: c_ulong = 0;
    // SAFETY: the request reads four bytes, which outlive the call.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, flags, from_ref(&action)) };
    checked(result).map(drop)
}

/// Whether the kernel knows the filter's flags: with a null filter it says EFAULT if it does, EINVAL if it does not.
pub(crate) fn knows_filter_flags() -> bool {
    let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    // SAFETY: a null filter installs nothing.
    let result =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, null_mut::<sock_fprog>()) };
    checked(result).is_err_and(|error| error.raw_os_error() == Some(libc::EFAULT))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Seek, Write};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixDatagram;

    use super::*;

    #[test]
    fn descriptors_arrive_in_order_and_nothing_is_made_up() {
        let (here, there) = UnixDatagram::pair().expect("sockets");
        let files: Vec<File> = (0..DESCRIPTORS_MAX).map(|_| tempfile::tempfile().expect("a file")).collect();
        let descriptors = [0, 1, 2].map(|index| files[index].as_fd());
        send(here.as_fd(), b"L", &descriptors).expect("there is room");
        let mut payload = [0; 2];
        for (index, descriptor) in receive(there.as_fd(), &mut payload).expect("a message").into_iter().enumerate() {
            File::from(descriptor).write_all(&[index as u8]).expect("it is open");
        }
        assert_eq!(payload, *b"L\0");
        for (index, mut file) in files.iter().enumerate() {
            let mut said = Vec::new();
            file.rewind().and_then(|()| file.read_to_end(&mut said)).expect("it is ours");
            assert_eq!(said, [index as u8]);
        }
        send(here.as_fd(), b"L", &descriptors[..2]).expect("there is room");
        assert_eq!(receive(there.as_fd(), &mut payload).expect("a message").len(), 2);
        assert!(send(here.as_fd(), b"L", &[descriptors[0]; DESCRIPTORS_MAX + 1]).is_err(), "too many");
        here.send(b"L").expect("there is room");
        assert!(receive(there.as_fd(), &mut payload).expect("a message").is_empty());
        let nothing = receive(there.as_fd(), &mut payload).expect_err("nothing is there");
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn threads_that_are_not_traced_are_told_from_others() {
        let own = nix::unistd::getpid().as_raw();
        assert_eq!(life(own), Life::Gone);
        assert!(stop_reason(own).is_err() && registers(own).is_err());
    }
}
