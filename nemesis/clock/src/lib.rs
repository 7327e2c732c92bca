//! The wall clock of any unmodified program, bent at run time and without privileges; and its disk, as far as system calls
//! go.
//!
//! Programs read the time without a system call, in the vDSO that the kernel maps into each of them. The kernel says at
//! exec where that is. So at every exec of a supervised program and its descendants a stand-in is put in its place: it
//! calls the real functions and adds what a page of memory says, which the bench writes. It works for dynamic and static
//! programs in C, Go, Rust, Java and Python alike; monotonic clocks stay right.
//!
//! ```no_run
//! # use std::{process::Command, time::Duration};
//! # use program_clock::{Clock, Reach, Supervisor};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let supervisor = Supervisor::start()?;
//! let clock = Clock::create()?;
//! let mut command = Command::new("date");
//! let installation = supervisor.prepare(&mut command, &clock, Reach::default())?;
//! clock.set(-3_600_000, 0)?; // an hour ago
//! let mut child = command.spawn()?;
//! installation.settled(Duration::from_secs(10))?;
//! program_clock::wait(&mut child)?;
//! # Ok(())
//! # }
//! ```
//!
//! A node of the crate `sandbox` begins with an init, so that its program is the second one:
//!
//! ```text
//! sandbox::enter(...)                      before the supervisor starts: it has threads
//! let (installer, installation) = supervisor.installer(&clock, Reach::default())?;
//! node.before_exec(move |command| installer.prepare(command));     the last of such steps
//! let tree = node.spawn_blocking()?;
//! installation.programs_settled(2, patience)?;
//! ```
//!
//! ## Its disk, too
//!
//! What follows execs is a seccomp listener, and the kernel allows one in a tree of processes. So the same one takes in the
//! calls of a program to its disk: those to files below a directory can be made to fail (EIO) or to be slow, where there
//! is no FUSE for a disk that could do more ([`DiskCalls`], [`Supervisor::installer_under`]). Which calls are reported is
//! chosen at the start ([`DiskReach`]).
//!
//! ## What it does not reach
//! - Raw system calls that read the clock (`clock_gettime` by number, the legacy vsyscall page): the former are answered
//!   under [`Reach::raw_calls`].
//! - Waits until an absolute time of the wall clock: the kernel ends them by the true time. [`Reach::absolute_waits`]
//!   counts them. Relative waits and those of the monotonic clock are what they should be.
//! - Times that the kernel writes by itself: those of files, of processes, of packets.
//! - 32-bit programs, programs that another tracer holds, programs whose file may not be read: they run with the true
//!   clock, and are counted ([`Statistics::unpatched`]).
//! - Programs that themselves use a seccomp listener: the kernel allows one in a tree of processes (EBUSY).
//! - Of a disk: what is read and written through mappings, by `sendfile`, `copy_file_range`, `splice` or io_uring, and by
//!   `sync(2)`; that a write to a file opened with O_SYNC or O_DSYNC is a sync; and calls of 32-bit programs.
//! - A time namespace: settings count from the bench's CLOCK_MONOTONIC.
//!
//! Programs run under `no_new_privs`: files with the set-user-ID bit give no privileges. Linux on x86_64, from 5.19.

// Where there is no supervisor, what it alone uses is idle.
#![cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]

mod clock;
mod disk_calls;
mod evidence;
mod reach;
mod statistics;
mod under;

pub use clock::{Clock, DRIFT_PPM_MAX, MAGIC, OFFSET_MS_MAX, SetError, Setting, monotonic_ns};
pub use disk_calls::{BadRule, CallRule, DiskCalls, DiskCounts, DiskRules, LATENCY_MAX};
pub use evidence::{NoReading, Reading};
pub use reach::{DiskReach, Reach};
pub use statistics::{AbsoluteWaits, NAMED_MAX, Reason, Statistics, Unpatched};
pub use under::Under;

/// Declares modules of the one architecture whose programs can be given a clock.
macro_rules! supported {
    ($($item:item)*) => { $(#[cfg(target_arch = "x86_64")] $item)* };
}

supported! {
    mod exec;
    mod files;
    mod filter;
    mod inject;
    mod install;
    mod late;
    mod listener;
    mod supervisor;
    mod sys;
    mod tracee;
    mod vdso;

    pub use install::{Installation, Installer, NotInstalled, wait};
    pub use supervisor::{Refused, Supervisor, TREES_MAX};
    pub use vdso::NoVdso;
}

#[cfg(not(target_arch = "x86_64"))]
mod elsewhere;
#[cfg(not(target_arch = "x86_64"))]
pub use elsewhere::{Installation, Installer, NotInstalled, Refused, Supervisor, wait};
