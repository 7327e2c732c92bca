//! Which system calls of a program are reported to the supervisor: a seccomp filter as data.
//!
//! Of a program under a clock those that start another program (execve, execveat, also those of 32-bit programs, which may
//! start 64-bit ones), and as asked by [`Reach`] those that read a wall clock past the vDSO, and those that wait until a
//! time of it. Of one under a disk those that [`DiskReach`] asks for. All other calls are allowed after a few
//! instructions; the kernel remembers which are allowed whatever their arguments.

use libc::{BPF_ABS, BPF_ALU, BPF_AND, BPF_JEQ, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET, BPF_W, sock_filter};

use crate::reach::{DiskReach, Reach};

const ARCHITECTURE_X86_64: u32 = 0xC000_003E;
const ARCHITECTURE_I386: u32 = 0x4000_0003;
const I386_EXECVE: u32 = 11;
const I386_EXECVEAT: u32 = 358;
const X32_EXECVE: u32 = 0x4000_0000 + 520;
const X32_EXECVEAT: u32 = 0x4000_0000 + 545;

const NUMBER_AT: u32 = 0;
const ARCHITECTURE_AT: u32 = 4;

/// Where the lower half of an argument is in `struct seccomp_data`.
const fn argument(index: u32) -> u32 {
    16 + 8 * index
}

/// The clocks that are set by people: CLOCK_REALTIME, _COARSE, _ALARM and CLOCK_TAI.
pub(crate) const WALL_CLOCKS: [u32; 4] = [0, 5, 8, 11];

/// `FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME`, the futex call with an absolute time of the wall clock, and the bits of
/// its second argument that decide this.
const FUTEX_UNTIL: u32 = 9 | 256;
const FUTEX_BITS: u32 = 0x7F | 256;

/// `TIMER_ABSTIME` and `TFD_TIMER_ABSTIME`.
const ABSOLUTE: u32 = 1;

/// The flag of `msync` that makes it wait for the disk.
const MS_SYNC: u32 = libc::MS_SYNC as u32;

/// Reads, writes and syncs: each kind of a disk's calls whose first argument is a descriptor.
pub(crate) const READS: [i64; 5] = [libc::SYS_read, libc::SYS_pread64, libc::SYS_readv, libc::SYS_preadv, libc::SYS_preadv2];
pub(crate) const WRITES: [i64; 5] = [libc::SYS_write, libc::SYS_pwrite64, libc::SYS_writev, libc::SYS_pwritev, libc::SYS_pwritev2];
pub(crate) const SYNCS: [i64; 4] = [libc::SYS_fsync, libc::SYS_fdatasync, libc::SYS_sync_file_range, libc::SYS_syncfs];

/// The filter's instructions: what is reported of a program under a clock, if it is under one, and of its disk.
pub(crate) fn program(clock: Option<Reach>, disk: DiskReach) -> Vec<sock_filter> {
    let mut native = vec![load(NUMBER_AT)];
    native.extend(clock.into_iter().flat_map(calls_of_clock));
    native.extend(calls_of_disk(disk));
    native.push(allow());
    let mut foreign = vec![load(NUMBER_AT)];
    foreign.extend(clock.into_iter().flat_map(|_| reported([I386_EXECVE, I386_EXECVEAT])));
    foreign.push(allow());
    [
        vec![load(ARCHITECTURE_AT)],
        if_equal(ARCHITECTURE_X86_64, &native),
        if_equal(ARCHITECTURE_I386, &foreign),
        vec![allow()],
    ]
    .concat()
}

fn calls_of_clock(reach: Reach) -> Vec<sock_filter> {
    let execs = [libc::SYS_execve as u32, libc::SYS_execveat as u32, X32_EXECVE, X32_EXECVEAT];
    let mut calls: Vec<sock_filter> = reported(execs).collect();
    if reach.absolute_waits {
        calls.extend(absolute_waits());
    }
    if reach.raw_calls {
        calls.extend(raw_calls());
    }
    calls
}

fn calls_of_disk(reach: DiskReach) -> Vec<sock_filter> {
    let kinds = [(reach.reads, &READS[..]), (reach.writes, &WRITES), (reach.syncs, &SYNCS)];
    let asked_for = kinds.into_iter().filter(|(is_asked_for, _)| *is_asked_for).flat_map(|(_, calls)| calls);
    let mut calls: Vec<sock_filter> = reported(asked_for.map(|call| *call as u32)).collect();
    if reach.syncs {
        // Without MS_SYNC it does nothing.
        let of_mapping = [load(argument(2)), and(MS_SYNC)].into_iter().chain(if_equal(MS_SYNC, &[report()]));
        calls.extend(if_equal(libc::SYS_msync as u32, &of_mapping.chain([allow()]).collect::<Vec<_>>()));
    }
    calls
}

/// Reports calls by their numbers, whatever their arguments.
fn reported(calls: impl IntoIterator<Item = u32>) -> impl Iterator<Item = sock_filter> {
    calls.into_iter().flat_map(|call| if_equal(call, &[report()]))
}

fn raw_calls() -> Vec<sock_filter> {
    let any_clock =
        [libc::SYS_gettimeofday, libc::SYS_time].into_iter().flat_map(|call| if_equal(call as u32, &[report()]));
    let of_wall: Vec<sock_filter> =
        [load(argument(0))].into_iter().chain(on_wall_clock(&[report()])).chain([allow()]).collect();
    any_clock.chain(if_equal(libc::SYS_clock_gettime as u32, &of_wall)).collect()
}

fn absolute_waits() -> Vec<sock_filter> {
    let flagged = |index| [load(argument(index)), and(ABSOLUTE)].into_iter().chain(if_equal(ABSOLUTE, &[report()]));
    let sleep: Vec<sock_filter> = [load(argument(0))]
        .into_iter()
        .chain(on_wall_clock(&flagged(1).chain([allow()]).collect::<Vec<_>>()))
        .chain([allow()])
        .collect();
    let timer: Vec<sock_filter> = flagged(1).chain([allow()]).collect();
    let until = if_equal(FUTEX_UNTIL, &[&if_any_bit(argument(3))[..], &if_any_bit(argument(3) + 4)[..]].concat());
    let futex: Vec<sock_filter> =
        [load(argument(1)), and(FUTEX_BITS)].into_iter().chain(until).chain([allow()]).collect();
    [
        if_equal(libc::SYS_clock_nanosleep as u32, &sleep),
        if_equal(libc::SYS_timerfd_settime as u32, &timer),
        if_equal(libc::SYS_futex as u32, &futex),
    ]
    .concat()
}

/// Runs `then` if the accumulator is one of the wall clocks.
fn on_wall_clock(then: &[sock_filter]) -> Vec<sock_filter> {
    WALL_CLOCKS.iter().flat_map(|clock| if_equal(*clock, then)).collect()
}

/// Reports the call if the word at `offset` is not zero.
fn if_any_bit(offset: u32) -> [sock_filter; 3] {
    [load(offset), jump(BPF_JSET, u32::MAX, 0, 1), report()]
}

/// Runs `then` if the accumulator is `value`, else goes on behind it. What `then` holds must fit a short jump.
fn if_equal(value: u32, then: &[sock_filter]) -> Vec<sock_filter> {
    let length = u8::try_from(then.len()).expect("blocks of this filter are short: a test compiles every one");
    [&[jump(BPF_JEQ, value, 0, length)], then].concat()
}

fn load(offset: u32) -> sock_filter {
    statement(BPF_LD | BPF_W | BPF_ABS, offset)
}

fn and(mask: u32) -> sock_filter {
    statement(BPF_ALU | BPF_AND | BPF_K, mask)
}

fn report() -> sock_filter {
    statement(BPF_RET | BPF_K, libc::SECCOMP_RET_USER_NOTIF)
}

fn allow() -> sock_filter {
    statement(BPF_RET | BPF_K, libc::SECCOMP_RET_ALLOW)
}

fn statement(code: u32, k: u32) -> sock_filter {
    sock_filter { code: code as u16, jt: 0, jf: 0, k }
}

fn jump(condition: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code: (BPF_JMP | condition | BPF_K) as u16, jt, jf, k }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERYTHING: Reach = Reach { raw_calls: true, absolute_waits: true };

    /// What the kernel would do: the few instructions that the filter is made of, by their definition.
    fn is_reported(reach: Reach, architecture: u32, number: u32, arguments: [u64; 4]) -> bool {
        is_reported_by(&program(Some(reach), DiskReach::default()), architecture, number, arguments)
    }

    fn is_reported_by(program: &[sock_filter], architecture: u32, number: u32, arguments: [u64; 4]) -> bool {
        let mut data = vec![number, architecture, 0, 0];
        data.extend(arguments.iter().flat_map(|argument| [*argument as u32, (*argument >> 32) as u32]));
        let (mut at, mut accumulator) = (0, 0u32);
        loop {
            let step = program[at];
            at += 1;
            let mut branch = |taken: bool| at += usize::from(if taken { step.jt } else { step.jf });
            match u32::from(step.code) {
                code if code == BPF_LD | BPF_W | BPF_ABS => accumulator = data[step.k as usize / 4],
                code if code == BPF_ALU | BPF_AND | BPF_K => accumulator &= step.k,
                code if code == BPF_JMP | BPF_JEQ | BPF_K => branch(accumulator == step.k),
                code if code == BPF_JMP | BPF_JSET | BPF_K => branch(accumulator & step.k != 0),
                code if code == BPF_RET | BPF_K => return step.k == libc::SECCOMP_RET_USER_NOTIF,
                code => panic!("an instruction that the filter should not have: {code:#x}"),
            }
        }
    }

    fn native(reach: Reach, call: i64, arguments: [u64; 4]) -> bool {
        is_reported(reach, ARCHITECTURE_X86_64, call as u32, arguments)
    }

    /// The calls of 64-bit programs that a filter reports, of the first 600.
    fn natively(clock: Option<Reach>, disk: DiskReach) -> Vec<i64> {
        let program = program(clock, disk);
        (0..600).filter(|call| is_reported_by(&program, ARCHITECTURE_X86_64, *call as u32, [u64::MAX; 4])).collect()
    }

    #[test]
    fn calls_to_a_disk_are_reported_as_asked_for() {
        let (reads, writes, syncs) = ([0, 17, 19, 295, 327], [1, 18, 20, 296, 328], [26, 74, 75, 277, 306]);
        let none = DiskReach::default();
        assert_eq!(natively(None, DiskReach { reads: true, ..none }), reads);
        assert_eq!(natively(None, DiskReach { writes: true, ..none }), writes);
        assert_eq!(natively(None, DiskReach { syncs: true, ..none }), syncs);
        let mut all = [&[59, 322][..], &reads, &writes, &syncs].concat();
        all.sort_unstable();
        assert_eq!(natively(Some(Reach::default()), DiskReach::ALL), all, "beside execs");
        assert!(natively(Some(EVERYTHING), DiskReach::ALL).len() > all.len(), "every part fits its jumps");
        assert_eq!(natively(None, none), [0; 0]);
        let of_syncs = program(None, DiskReach { syncs: true, ..none });
        let msync = |flags| is_reported_by(&of_syncs, ARCHITECTURE_X86_64, libc::SYS_msync as u32, [0, 0, flags, 0]);
        assert_eq!([libc::MS_SYNC, libc::MS_ASYNC].map(|flags| msync(flags as u64)), [true, false]);
        let program = program(None, DiskReach::ALL);
        let foreign = (0..600).filter(|call| is_reported_by(&program, ARCHITECTURE_I386, *call, [0; 4])).count();
        assert_eq!(foreign, 0, "numbers mean other calls there");
    }

    #[test]
    fn every_way_to_start_a_program_is_reported_and_nothing_else() {
        for reach in [Reach::default(), EVERYTHING] {
            assert!(native(reach, libc::SYS_execve, [0; 4]) && native(reach, libc::SYS_execveat, [0; 4]));
            assert!(native(reach, X32_EXECVE.into(), [0; 4]) && native(reach, X32_EXECVEAT.into(), [0; 4]));
            assert!(is_reported(reach, ARCHITECTURE_I386, I386_EXECVE, [0; 4]));
            assert!(!is_reported(reach, ARCHITECTURE_I386, libc::SYS_execve as u32, [0; 4]), "59 is another call there");
            assert!(!is_reported(reach, 0xC000_00B7, libc::SYS_execve as u32, [0; 4]), "another machine");
        }
        assert_eq!(natively(Some(Reach::default()), DiskReach::default()).len(), 2, "of 600 calls two are reported");
    }

    #[test]
    fn raw_readings_of_wall_clocks_are_reported_if_asked_for() {
        let clocks: Vec<u64> =
            (0..20).filter(|clock| native(EVERYTHING, libc::SYS_clock_gettime, [*clock, 0, 0, 0])).collect();
        assert_eq!(clocks, [0, 5, 8, 11]);
        for call in [libc::SYS_gettimeofday, libc::SYS_time] {
            assert!(native(EVERYTHING, call, [0; 4]) && !native(Reach::default(), call, [0; 4]));
        }
        assert!(!native(Reach::default(), libc::SYS_clock_gettime, [0; 4]));
    }

    #[test]
    fn only_waits_until_a_time_of_the_wall_clock_are_reported() {
        let sleep = |clock, flags| native(EVERYTHING, libc::SYS_clock_nanosleep, [clock, flags, 0, 0]);
        assert!(sleep(0, 1) && sleep(11, 1) && !sleep(0, 0) && !sleep(1, 1));
        let futex = |operation, until| native(EVERYTHING, libc::SYS_futex, [7, operation, 0, until]);
        assert!(futex(9 | 128 | 256, 1 << 40) && futex(9 | 256, 4096));
        assert!(!futex(9 | 128 | 256, 0), "without an end");
        assert!(!futex(9 | 128, 4096), "monotonic");
        assert!(!futex(256, 4096), "relative");
        assert!(native(EVERYTHING, libc::SYS_timerfd_settime, [3, 1, 0, 0]));
        assert!(!native(EVERYTHING, libc::SYS_timerfd_settime, [3, 0, 0, 0]));
        assert!(!native(Reach::default(), libc::SYS_futex, [7, 9 | 256, 0, 4096]));
    }
}
