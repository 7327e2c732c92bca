//! Puts the stand-in into a program that stands at its first instruction.
//!
//! The program is made to execute system calls, by the real vDSO's `syscall` instruction, a single step each: memory for
//! the page of code and the clock page behind it, and the clock file, which it gets from the supervisor by a call that
//! the filter reports ([`REQUEST_CLOCK`]), so that no path has to lead to it in the program's mount namespace. Then the
//! auxiliary vector on its stack is pointed at the new page, and every register and the signal mask are put back: the
//! program begins as if the kernel had given it this vDSO.

use std::fmt::Display;
use std::io::{self, IoSlice, IoSliceMut};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use libc::{SIGTRAP, pid_t};
use nix::sys::uio::{RemoteIoVec, process_vm_readv, process_vm_writev};
use nix::unistd::Pid;

use crate::statistics::Reason;
use crate::tracee::{NoStop, Patience, Tracee};
use crate::vdso::{PAGE, RealVdso};

/// `execveat` with these flags and without a path asks the supervisor for the clock file.
pub(crate) const REQUEST_CLOCK: u64 = 0x6C63_6F63;

/// How long a program may take for one injected call, machine overload included.
const CALL_PATIENCE: Duration = Duration::from_secs(30);

/// How often a call is made before it is given up. Only a storm of SIGSTOP and SIGCONT gets there.
const CALL_ATTEMPTS: usize = 1000;

/// `-ERESTARTSYS`: the kernel's own sign that a call is to be made again.
const INTERRUPTED: i64 = -512;

/// The code segment of 64-bit programs.
const CODE_SEGMENT_64: u64 = 0x33;

const AT_NULL: u64 = 0;
const AT_SYSINFO_EHDR: u64 = 33;

/// The kernel limits arguments and environment to 6 MiB of pointers and strings.
const STACK_WORDS_MAX: usize = 1 << 20;

/// The stand-in is mapped so far below the real vDSO if there is room: away from where programs map things.
const BELOW_REAL: u64 = 64 * 1024;

/// Where the auxiliary vector says where the vDSO is, and what it says.
#[derive(Clone, Copy, Debug)]
struct VdsoEntry {
    at: u64,
    base: u64,
}

/// The outer error means that the program did not come back from a call, the inner one that it goes on unpatched.
type Injected<T> = Result<Result<T, Reason>, NoStop>;

/// Installs the stand-in.
pub(crate) fn install(tracee: &mut Tracee, real: &RealVdso, shutdown: &AtomicBool) -> Injected<()> {
    let (registers, blocked) = match begin(tracee) {
        Ok(state) => state,
        Err(reason) => return Ok(Err(reason)),
    };
    let installed = Injection { tracee, real, shutdown, registers }.install()?;
    let restored = tracee.set_registers(&registers).and_then(|()| tracee.block_signals(blocked)).map_err(memory);
    Ok(installed.and(restored))
}

/// Reads what is to be put back, and blocks all signals but the one of single steps.
fn begin(tracee: &Tracee) -> Result<(libc::user_regs_struct, u64), Reason> {
    let registers = tracee.registers().map_err(memory)?;
    if registers.cs != CODE_SEGMENT_64 {
        return Err(Reason::ThirtyTwoBit);
    }
    let blocked = tracee.blocked_signals().map_err(memory)?;
    tracee.block_signals(!(1 << (SIGTRAP - 1))).map_err(memory)?;
    Ok((registers, blocked))
}

struct Injection<'a> {
    tracee: &'a mut Tracee,
    real: &'a RealVdso,
    shutdown: &'a AtomicBool,
    registers: libc::user_regs_struct,
}

/// Returns the inner error at once.
macro_rules! attempt {
    ($injected:expr) => {
        match $injected {
            Ok(value) => value,
            Err(reason) => return Ok(Err(reason)),
        }
    };
}

impl Injection<'_> {
    fn install(&mut self) -> Injected<()> {
        let entry = attempt!(self.vdso_entry());
        let page = PAGE as u64;
        let private = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
        let hint = entry.base.saturating_sub(BELOW_REAL);
        let writable = (libc::PROT_READ | libc::PROT_WRITE) as u64;
        let code =
            attempt!(self.call(entry, "mmap", libc::SYS_mmap, [hint, 2 * page, writable, private, u64::MAX, 0])?);
        attempt!(self.map_clock(entry, code + page)?);
        attempt!(self.write(code, &self.real.stand_in(entry.base)));
        let executable = (libc::PROT_READ | libc::PROT_EXEC) as u64;
        attempt!(self.call(entry, "mprotect", libc::SYS_mprotect, [code, page, executable, 0, 0, 0])?);
        Ok(self.write(entry.at, &code.to_le_bytes()))
    }

    /// Maps the clock file at `at`.
    fn map_clock(&mut self, entry: VdsoEntry, at: u64) -> Injected<()> {
        let request = [u64::MAX, 0, 0, 0, REQUEST_CLOCK, 0];
        let file = attempt!(self.call(entry, "the request for the clock file", libc::SYS_execveat, request)?);
        let shared = (libc::MAP_SHARED | libc::MAP_FIXED) as u64;
        let map = [at, PAGE as u64, libc::PROT_READ as u64, shared, file, 0];
        let mapped = self.call(entry, "mmap of the clock file", libc::SYS_mmap, map)?;
        attempt!(self.call(entry, "close", libc::SYS_close, [file, 0, 0, 0, 0, 0])?);
        Ok(mapped.map(drop))
    }

    /// Makes the program execute a system call, again if a SIGSTOP interrupted it.
    fn call(&mut self, entry: VdsoEntry, name: &'static str, number: i64, arguments: [u64; 6]) -> Injected<u64> {
        let mut registers = self.registers;
        registers.rip = self.real.system_call(entry.base);
        registers.rax = number as u64;
        // The kernel is not to repeat the call by itself.
        registers.orig_rax = u64::MAX;
        let [rdi, rsi, rdx, r10, r8, r9] = arguments;
        registers = libc::user_regs_struct { rdi, rsi, rdx, r10, r8, r9, ..registers };
        for _ in 0..CALL_ATTEMPTS {
            match attempt!(self.call_once(&registers)?) {
                INTERRUPTED => {}
                error @ -4095..=-1 => {
                    let error = io::Error::from_raw_os_error(-error as i32).to_string();
                    return Ok(Err(Reason::Call { call: name, error }));
                }
                result => return Ok(Ok(result as u64)),
            }
        }
        Ok(Err(Reason::Call { call: name, error: "interrupted again and again".to_owned() }))
    }

    /// The call's result.
    fn call_once(&mut self, registers: &libc::user_regs_struct) -> Injected<i64> {
        attempt!(self.tracee.set_registers(registers).map_err(memory));
        let patience = Patience { until: Instant::now() + CALL_PATIENCE, shutdown: self.shutdown };
        attempt!(self.tracee.step(patience)?.map_err(memory));
        Ok(self.tracee.registers().map(|registers| registers.rax as i64).map_err(memory))
    }

    /// Walks over arguments and environment to the auxiliary vector, as the kernel laid them on the stack.
    fn vdso_entry(&self) -> Result<VdsoEntry, Reason> {
        let mut stack = Words::new(self.tracee.pid, self.registers.rsp);
        let arguments = stack.next()?;
        for _ in 0..=arguments {
            stack.next()?;
        }
        while stack.next()? != 0 {}
        loop {
            let key = stack.next()?;
            let at = stack.at();
            let base = stack.next()?;
            match key {
                AT_NULL => return Err(Reason::NoVdso),
                AT_SYSINFO_EHDR => return Ok(VdsoEntry { at, base }),
                _ => {}
            }
        }
    }

    fn write(&self, at: u64, bytes: &[u8]) -> Result<(), Reason> {
        write_memory(self.tracee.pid, at, bytes).map_err(memory)
    }
}

fn memory(error: impl Display) -> Reason {
    Reason::Memory(error.to_string())
}

/// Writes into a process's memory.
pub(crate) fn write_memory(pid: pid_t, at: u64, bytes: &[u8]) -> io::Result<()> {
    let remote = [RemoteIoVec { base: at as usize, len: bytes.len() }];
    let written = process_vm_writev(Pid::from_raw(pid), &[IoSlice::new(bytes)], &remote)?;
    if written == bytes.len() { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::EFAULT)) }
}

/// Reads a process's memory, as far as it is there.
pub(crate) fn read_memory(pid: pid_t, at: u64, into: &mut [u8]) -> io::Result<usize> {
    let remote = [RemoteIoVec { base: at as usize, len: into.len() }];
    Ok(process_vm_readv(Pid::from_raw(pid), &mut [IoSliceMut::new(into)], &remote)?)
}

/// The words of a process's memory from an address on, read a page at a time.
struct Words {
    pid: pid_t,
    next: u64,
    page: Vec<u8>,
    read: usize,
    left: usize,
}

impl Words {
    fn new(pid: pid_t, from: u64) -> Self {
        Self { pid, next: from, page: Vec::new(), read: 0, left: STACK_WORDS_MAX }
    }

    /// The address of the word that comes next.
    fn at(&self) -> u64 {
        self.next
    }

    fn next(&mut self) -> Result<u64, Reason> {
        if self.left == 0 {
            return Err(Reason::Memory("its stack has no end".to_owned()));
        }
        if self.read == self.page.len() {
            self.fill()?;
        }
        let word = self.page.get(self.read..self.read + 8).and_then(|word| word.try_into().ok());
        let word = word.ok_or_else(|| Reason::Memory("its stack is not aligned".to_owned()))?;
        self.read += 8;
        self.next += 8;
        self.left -= 1;
        Ok(u64::from_le_bytes(word))
    }

    /// Up to the end of the page, since behind the stack there is nothing.
    fn fill(&mut self) -> Result<(), Reason> {
        self.page = vec![0; PAGE - (self.next % PAGE as u64) as usize];
        let read = read_memory(self.pid, self.next, &mut self.page).map_err(memory)?;
        self.page.truncate(read);
        self.read = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own_pid() -> pid_t {
        nix::unistd::getpid().as_raw()
    }

    #[test]
    fn words_are_read_across_pages_and_end_with_the_memory() {
        let words: Vec<u64> = (0..2000).collect();
        let mut read = Words::new(own_pid(), words.as_ptr() as u64);
        assert!(words.iter().all(|word| read.next() == Ok(*word)));
        assert_eq!(read.at(), words.as_ptr_range().end as u64);
        assert!(matches!(Words::new(own_pid(), 8).next(), Err(Reason::Memory(_))));
    }

    #[test]
    fn a_stack_without_end_is_given_up() {
        let words: Vec<u64> = vec![1; STACK_WORDS_MAX + 1];
        let mut read = Words::new(own_pid(), words.as_ptr() as u64);
        let good = (0..STACK_WORDS_MAX).take_while(|_| read.next().is_ok()).count();
        assert_eq!((good, read.next().is_err()), (STACK_WORDS_MAX, true));
    }

    #[test]
    fn memory_that_is_not_there_is_not_written() {
        assert!(write_memory(own_pid(), 8, &[1]).is_err());
    }
}
