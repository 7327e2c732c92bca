//! Programs for the tests, compiled when they are needed, and how they are run under a clock.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use program_clock::{Clock, Reach, Reading, Setting, Supervisor, monotonic_ns};
use tempfile::TempDir;

/// Only a hung test reaches it.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// An hour back.
pub const OFFSET_MS: i64 = -3_600_000;

/// One for all tests: they are to disturb each other. None where this machine refuses, which is said.
pub fn supervisor() -> Option<&'static Supervisor> {
    static SUPERVISOR: OnceLock<Option<Supervisor>> = OnceLock::new();
    let started = SUPERVISOR.get_or_init(|| match Supervisor::start() {
        Ok(supervisor) => Some(supervisor),
        Err(refused) => {
            eprintln!("not tested on this machine: {refused}");
            None
        }
    });
    started.as_ref()
}

/// A clock that is an hour late.
pub fn late() -> Clock {
    let clock = Clock::create().expect("a memory file");
    clock.set(OFFSET_MS, 0).expect("in range");
    clock
}

fn directory() -> &'static Path {
    static DIRECTORY: OnceLock<TempDir> = OnceLock::new();
    DIRECTORY.get_or_init(|| tempfile::tempdir().expect("a directory")).path()
}

/// Compiles `tests/programs/NAME.c`; none if the compiler cannot do it with these flags, which is said.
pub fn compiled(name: &str, flags: &[&str]) -> Option<PathBuf> {
    let source = format!("{}/tests/programs/{name}.c", env!("CARGO_MANIFEST_DIR"));
    let program = tempfile::Builder::new().prefix(name).tempfile_in(directory()).expect("a file").into_temp_path();
    let program = program.keep().expect("it stays");
    let mut command = Command::new("cc");
    command.args(["-O1", "-pthread"]).args(flags).arg("-o").arg(&program).arg(source);
    if command.status().expect("there is a C compiler").success() {
        return Some(program);
    }
    eprintln!("not tested on this machine: {command:?} fails");
    None
}

/// The program that reads every clock.
pub fn clocks() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| compiled("clocks", &[]).expect("a plain program compiles"))
}

/// Starts a program under a clock, and waits until it has it.
pub fn start(command: &mut Command, clock: &Clock, reach: Reach) -> Option<Child> {
    let installation = supervisor()?.prepare(command, clock, reach).expect("descriptors");
    let child = command.spawn().expect("the program starts");
    installation.settled(PATIENCE).expect("it has its clock");
    Some(child)
}

/// What a program prints under a clock, and the true monotonic times before and after.
pub struct Ran {
    pub stdout: String,
    pub before_ns: i64,
    pub after_ns: i64,
}

/// What a child prints until it ends.
pub fn output(mut child: Child) -> io::Result<Output> {
    drop(child.stdin.take());
    let mut stdout = Vec::new();
    if let Some(mut pipe) = child.stdout.take() {
        pipe.read_to_end(&mut stdout)?;
    }
    Ok(Output { status: program_clock::wait(&mut child)?, stdout, stderr: Vec::new() })
}

/// Runs a program under a clock to its end.
pub fn run(command: &mut Command, clock: &Clock, reach: Reach) -> Option<Ran> {
    let before_ns = monotonic_ns().expect("a clock");
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let child = start(command, clock, reach)?;
    let output = output(child).expect("it ends");
    assert!(output.status.success(), "{command:?}: {output:?}");
    Some(Ran::new(output, before_ns))
}

impl Ran {
    /// Of a program that was started after `before_ns`.
    pub fn new(output: Output, before_ns: i64) -> Self {
        let stdout = String::from_utf8(output.stdout).expect("text");
        Self { stdout, before_ns, after_ns: monotonic_ns().expect("a clock") }
    }

    /// A wall clock that the program read some time during its run.
    pub fn reading(&self, wall_ns: i64) -> Reading {
        Reading { before_ns: self.before_ns, wall_ns, after_ns: self.after_ns }
    }

    /// The numbers of a line.
    pub fn numbers(&self) -> Vec<i64> {
        self.stdout.split_whitespace().map(|number| number.parse().expect("a number")).collect()
    }

    /// Asserts that the program showed a wall clock as set.
    pub fn assert_shows(&self, wall_ns: i64, setting: &Setting, what: &str) {
        assert_shows(&self.reading(wall_ns), setting, what);
    }
}

/// Asserts that a reading is as set. Coarse clocks may lag by a tick of the kernel, at most 10 ms; the machine's own
/// clock may be slewed meanwhile, by far less.
pub fn assert_shows(reading: &Reading, setting: &Setting, what: &str) {
    const TICK_NS: i64 = 10_000_000;
    let error_ns = reading.error_ns(&Reading::take().expect("clocks"), setting);
    assert!(error_ns.abs() <= TICK_NS, "{what} is {error_ns} ns away from {setting:?}");
}
