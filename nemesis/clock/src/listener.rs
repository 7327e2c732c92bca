//! The supervisor's end of one tree of processes: the calls that its filter reports, and their answers.

use std::fs::File;
use std::io::{self, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use libc::{pid_t, seccomp_data, seccomp_notif, seccomp_notif_resp};
use nix::time::ClockId;

use crate::clock::{self, Setting};
use crate::disk_calls::{CallKind, Disk, Fate};
use crate::exec::Ending;
use crate::files::{self, Target};
use crate::filter::{READS, SYNCS, WRITES};
use crate::inject::{self, REQUEST_CLOCK};
use crate::install::{TOLD_MAX, Told};
use crate::statistics::AbsoluteWaits;
use crate::sys;
use crate::vdso::RealVdso;

/// Bytes before the place of a call that are compared with the vDSO's.
const CODE_BYTES: usize = 16;

/// What a reported call asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// To become another program.
    Exec,
    /// The clock file: from a program that is being patched.
    Clock,
    /// To read a wall clock.
    Raw(Raw),
    /// To wait until a time of the wall clock.
    Wait(AbsoluteWaits),
    /// To read, write or sync.
    Disk(DiskCall),
}

/// A call that may be to a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DiskCall {
    pub(crate) kind: CallKind,
    target: Target,
}

/// A reading of a wall clock past the vDSO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Raw {
    /// `clock_gettime`: the clock, where to write it.
    ClockGettime(i32, u64),
    /// `gettimeofday`: where to write the time and the time zone; zero for nowhere.
    Gettimeofday(u64, u64),
    /// `time`: where to write it too, if not zero.
    Time(u64),
}

/// What a call reports itself as.
pub(crate) fn request(data: &seccomp_data) -> Request {
    let arguments = data.args;
    match i64::from(data.nr) {
        libc::SYS_execveat if arguments[4] == REQUEST_CLOCK && arguments[1] == 0 => Request::Clock,
        libc::SYS_clock_gettime => Request::Raw(Raw::ClockGettime(arguments[0] as i32, arguments[1])),
        libc::SYS_gettimeofday => Request::Raw(Raw::Gettimeofday(arguments[0], arguments[1])),
        libc::SYS_time => Request::Raw(Raw::Time(arguments[0])),
        libc::SYS_clock_nanosleep => Request::Wait(AbsoluteWaits { sleeps: 1, ..AbsoluteWaits::default() }),
        libc::SYS_futex => Request::Wait(AbsoluteWaits { futexes: 1, ..AbsoluteWaits::default() }),
        libc::SYS_timerfd_settime => Request::Wait(AbsoluteWaits { timers: 1, ..AbsoluteWaits::default() }),
        libc::SYS_msync => Request::Disk(DiskCall {
            kind: CallKind::Sync,
            target: Target::Memory { from: arguments[0], bytes: arguments[1] },
        }),
        number => disk_kind(number).map_or(Request::Exec, |kind| {
            Request::Disk(DiskCall { kind, target: Target::Descriptor(arguments[0] as i32) })
        }),
    }
}

/// What a call does to the file whose descriptor is its first argument; none if it does nothing to it.
fn disk_kind(number: i64) -> Option<CallKind> {
    let kinds = [(&READS[..], CallKind::Read), (&WRITES, CallKind::Write), (&SYNCS, CallKind::Sync)];
    kinds.into_iter().find(|(calls, _)| calls.contains(&number)).map(|(_, kind)| kind)
}

/// A tree of processes under one clock, one disk, or both.
#[derive(Debug)]
pub(crate) struct Listener {
    descriptor: OwnedFd,
    clock: Option<File>,
    disk: Option<Arc<Disk>>,
    /// Where the outcomes of the first execs are to be told.
    outcomes: Mutex<Outcomes>,
}

#[derive(Debug)]
struct Outcomes {
    socket: UnixStream,
    /// How many may be told yet.
    left: usize,
}

impl Listener {
    pub(crate) fn new(
        descriptor: OwnedFd,
        outcomes: OwnedFd,
        clock: Option<OwnedFd>,
        disk: Option<Arc<Disk>>,
    ) -> Self {
        let outcomes = Mutex::new(Outcomes { socket: UnixStream::from(outcomes), left: TOLD_MAX });
        Self { descriptor, clock: clock.map(File::from), disk, outcomes }
    }

    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    /// The next reported call; an error if its caller has gone meanwhile.
    pub(crate) fn receive(&self) -> io::Result<seccomp_notif> {
        sys::receive_notification(self.descriptor())
    }

    /// Whether the caller still waits for its answer.
    pub(crate) fn is_waiting(&self, id: u64) -> bool {
        sys::notification_is_valid(self.descriptor(), id)
    }

    /// Lets the kernel carry out a call.
    pub(crate) fn let_run(&self, id: u64) -> io::Result<()> {
        let flags = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32;
        sys::answer_notification(self.descriptor(), seccomp_notif_resp { id, val: 0, error: 0, flags })
    }

    /// Lets a call fail with this error (a positive number).
    pub(crate) fn refuse(&self, id: u64, error: i32) -> io::Result<()> {
        sys::answer_notification(self.descriptor(), seccomp_notif_resp { id, val: 0, error: -error, flags: 0 })
    }

    /// Gives the caller the clock file, read-only; or the error, if it has no room for a descriptor.
    pub(crate) fn give_clock(&self, id: u64) {
        let given = match &self.clock {
            Some(clock) => sys::answer_with_descriptor(self.descriptor(), id, clock.as_fd()),
            None => Err(no_clock()),
        };
        if let Err(error) = given {
            // An error here means that the caller has gone.
            let _ = self.refuse(id, error.raw_os_error().unwrap_or(libc::EIO));
        }
    }

    /// The disk that a call is to and what is to become of it; none if it is to be carried out like any.
    pub(crate) fn judge(&self, call: &seccomp_notif, of: DiskCall) -> Option<(&Arc<Disk>, Fate)> {
        let disk = self.disk.as_ref()?;
        let is_below = |directory: &Path| match files::is_below(call.pid as pid_t, of.target, directory) {
            // If the caller has gone meanwhile, what was read may be of another process.
            Ok(is_below) => is_below && self.is_waiting(call.id),
            Err(_) => {
                if self.is_waiting(call.id) {
                    disk.count_missed();
                }
                false
            }
        };
        disk.judge(of.kind, is_below).map(|fate| (disk, fate))
    }

    /// Tells whoever started the tree how its first execs ended: those of programs, not a failed look along the PATH.
    pub(crate) fn tell(&self, ending: &Ending) {
        let told = match ending {
            Ending::Patched => Told::Installed,
            Ending::Unpatched(reason) => Told::Unpatched(reason.to_string()),
            Ending::Died => Told::Ended,
            Ending::Failed => return,
        };
        let mut outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(left) = outcomes.left.checked_sub(1) {
            outcomes.left = left;
            // Who does not want to know has closed the other end. It never waits: the socket has room for all of them.
            let _ = outcomes.socket.write(&told.encode());
        }
    }

    /// Answers a raw reading of a wall clock. Returns whether it did; if not, the kernel has to.
    ///
    /// A call by the real vDSO (for clocks or machines that it cannot read by itself) is left to the kernel, since the
    /// stand-in adds the setting afterwards.
    pub(crate) fn answer_raw(&self, call: &seccomp_notif, raw: Raw, real: &RealVdso) -> io::Result<bool> {
        let pid = call.pid as pid_t;
        let mut code = [0; CODE_BYTES];
        let address = call.data.instruction_pointer;
        inject::read_memory(pid, address.saturating_sub(CODE_BYTES as u64), &mut code)?;
        if real.is_code(&code, address) {
            return Ok(false);
        }
        let clock = match raw {
            Raw::ClockGettime(clock, _) => ClockId::from_raw(clock),
            Raw::Gettimeofday(..) => ClockId::CLOCK_REALTIME,
            Raw::Time(_) => ClockId::CLOCK_REALTIME_COARSE,
        };
        let (writes, value) = answer(raw, self.bent_ns(clock)?);
        // The caller has not gone until here, so its number is still its own.
        if !self.is_waiting(call.id) {
            return Err(io::Error::from_raw_os_error(libc::ENOENT));
        }
        let written = writes.iter().try_for_each(|(at, bytes)| inject::write_memory(pid, *at, bytes));
        let error = if written.is_ok() { 0 } else { -libc::EFAULT };
        let answer = seccomp_notif_resp { id: call.id, val: value, error, flags: 0 };
        sys::answer_notification(self.descriptor(), answer).map(|()| true)
    }

    /// What a wall clock shows under the setting.
    fn bent_ns(&self, clock: ClockId) -> io::Result<i64> {
        let file = self.clock.as_ref().ok_or_else(no_clock)?;
        let mut first = [0; clock::CHECKED_LENGTH];
        let setting = loop {
            file.read_exact_at(&mut first, 0)?;
            // Torn only while the bench writes, which takes microseconds.
            if let Some(setting) = Setting::from_checked(&first) {
                break setting;
            }
        };
        Ok(clock::clock_ns(clock)?.saturating_add(setting.ahead_ns(clock::monotonic_ns()?)))
    }
}

/// When the tree has ended and no exec of it is followed any more.
impl Drop for Listener {
    /// Nothing more will be told: who waits for it is not to wait in vain, though the command that started the tree may
    /// hold this socket, too.
    fn drop(&mut self) {
        let outcomes = self.outcomes.get_mut().unwrap_or_else(PoisonError::into_inner);
        // An error means that the other end is closed.
        let _ = outcomes.socket.shutdown(Shutdown::Write);
    }
}

/// Only programs under a clock have calls reported that need one.
fn no_clock() -> io::Error {
    io::Error::from_raw_os_error(libc::EINVAL)
}

/// What is written where for a reading, and the call's result.
fn answer(raw: Raw, wall_ns: i64) -> (Vec<(u64, Vec<u8>)>, i64) {
    let (seconds, ns) = (wall_ns.div_euclid(1_000_000_000), wall_ns.rem_euclid(1_000_000_000));
    let pair = |first: i64, second: i64| [first.to_le_bytes(), second.to_le_bytes()].concat();
    let there = |(at, _): &(u64, Vec<u8>)| *at != 0;
    match raw {
        Raw::ClockGettime(_, at) => (vec![(at, pair(seconds, ns))], 0),
        // Since 1970 no kernel has a time zone of its own: both of its numbers are zero.
        Raw::Gettimeofday(at, zone) => {
            let writes = [(at, pair(seconds, ns / 1000)), (zone, vec![0; 8])];
            (writes.into_iter().filter(there).collect(), 0)
        }
        Raw::Time(at) => ([(at, seconds.to_le_bytes().to_vec())].into_iter().filter(there).collect(), seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(number: i64, args: [u64; 6]) -> seccomp_data {
        seccomp_data { nr: number as i32, arch: 0, instruction_pointer: 0, args }
    }

    #[test]
    fn calls_are_told_apart() {
        assert_eq!(request(&data(libc::SYS_execve, [1; 6])), Request::Exec);
        assert_eq!(request(&data(libc::SYS_execveat, [1; 6])), Request::Exec);
        assert_eq!(request(&data(libc::SYS_execveat, [u64::MAX, 0, 0, 0, REQUEST_CLOCK, 0])), Request::Clock);
        assert_eq!(request(&data(libc::SYS_execveat, [3, 4096, 0, 0, REQUEST_CLOCK, 0])), Request::Exec, "has a path");
        assert_eq!(request(&data(11, [0; 6])), Request::Exec, "of a 32-bit program");
        assert_eq!(request(&data(libc::SYS_time, [9; 6])), Request::Raw(Raw::Time(9)));
        let sync = |target| Request::Disk(DiskCall { kind: CallKind::Sync, target });
        assert_eq!(request(&data(libc::SYS_fsync, [7; 6])), sync(Target::Descriptor(7)));
        let memory = Target::Memory { from: 4096, bytes: 10 };
        assert_eq!(request(&data(libc::SYS_msync, [4096, 10, 4, 0, 0, 0])), sync(memory));
        let read = DiskCall { kind: CallKind::Read, target: Target::Descriptor(-1) };
        assert_eq!(request(&data(libc::SYS_read, [u64::MAX; 6])), Request::Disk(read));
        assert!(matches!(request(&data(libc::SYS_futex, [9; 6])), Request::Wait(AbsoluteWaits { futexes: 1, .. })));
    }

    #[test]
    fn readings_are_written_as_programs_expect_them() {
        let number = |bytes: &[u8]| i64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        let (writes, value) = answer(Raw::ClockGettime(0, 64), 1_500_000_000);
        assert_eq!((writes[0].0, number(&writes[0].1[..8]), number(&writes[0].1[8..]), value), (64, 1, 500_000_000, 0));
        let (writes, _) = answer(Raw::Gettimeofday(64, 0), -1);
        assert_eq!((writes.len(), number(&writes[0].1[..8]), number(&writes[0].1[8..])), (1, -1, 999_999));
        assert_eq!(answer(Raw::Time(0), 7_999_999_999), (Vec::new(), 7));
        assert_eq!(answer(Raw::Time(8), 7_999_999_999), (vec![(8, 7i64.to_le_bytes().to_vec())], 7));
    }
}
