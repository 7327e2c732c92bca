//! What the tests of the whole bench share: its executable with a bounded life, and the processes that work in a
//! directory.
//!
//! A process of a run is known by the files it holds open under the run's directory (a node's standard error is its
//! log there), so no test ever sees, or ends, a process of another run on the same machine.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// No test waits longer than this for anything; none needs more than a few seconds.
pub const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(10);

/// The executable under test.
pub const BENCH: &str = env!("CARGO_BIN_EXE_dissensus");

static CLUSTERS: Mutex<()> = Mutex::new(());

/// Held by a test that starts a cluster, so that two do not compete for the machine.
pub fn one_cluster_at_a_time() -> MutexGuard<'static, ()> {
    CLUSTERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A directory of the test's own, by its real path.
pub struct Scratch {
    dir: TempDir,
    path: PathBuf,
}

impl Scratch {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory for the test");
        let path = dir.path().canonicalize().expect("it is there");
        Self { dir, path }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// A file with this content.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        fs::write(&path, content).expect("the file can be written");
        path
    }
}

impl Drop for Scratch {
    /// Whatever became of the test, nothing that works in its directory outlives it.
    fn drop(&mut self) {
        for pid in programs_in(&self.path).into_keys() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

/// How the bench ended and what it said.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// The exit code.
    #[track_caller]
    pub fn code(&self) -> i32 {
        match self.status.code() {
            Some(code) => code,
            None => panic!("ended by signal {:?}: {self:?}", self.status.signal()),
        }
    }

    /// Panics unless it ended with this code and without a panic of its own.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        self.expect_no_panic();
        assert_eq!(self.code(), code, "{self:?}");
        self
    }

    #[track_caller]
    pub fn expect_no_panic(&self) {
        assert!(!self.stderr.contains("panicked"), "the bench panicked: {self:?}");
    }
}

/// The bench as a process, in a directory of its own.
pub struct Bench {
    child: Child,
    dir: PathBuf,
    began: Instant,
}

impl Bench {
    /// Starts it with `dir` as its current directory.
    pub fn start<S: AsRef<OsStr>>(dir: &Path, args: impl IntoIterator<Item = S>) -> Self {
        Self::start_by(dir, Command::new(BENCH), args)
    }

    /// The same by a command that becomes the bench, given these arguments beside its own.
    pub fn start_by<S: AsRef<OsStr>>(dir: &Path, mut by: Command, args: impl IntoIterator<Item = S>) -> Self {
        let output = |name| File::create(dir.join(name)).expect("the test's directory can be written");
        let child = by
            .args(args)
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(output("stdout"))
            .stderr(output("stderr"))
            .spawn()
            .expect("the bench starts");
        Self { child, dir: dir.to_owned(), began: Instant::now() }
    }

    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).expect("the bench is not yet reaped, so it can be signalled");
    }

    /// Waits until the condition holds, with the bench running all the while.
    #[track_caller]
    pub fn wait_until(&mut self, what: &str, mut condition: impl FnMut() -> bool) {
        while !condition() {
            let ended = self.child.try_wait().expect("a child");
            assert!(ended.is_none(), "ended before {what}: {ended:?}\n{}", self.said("stderr"));
            self.stay_patient(what);
            sleep(POLL);
        }
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_some()
    }

    /// Waits until it has ended.
    #[track_caller]
    pub fn end(mut self) -> Ended {
        let status = loop {
            match self.child.try_wait().expect("a child") {
                Some(status) => break status,
                None => self.stay_patient("its end"),
            }
            sleep(POLL);
        };
        Ended { status, stdout: self.said("stdout"), stderr: self.said("stderr") }
    }

    #[track_caller]
    fn stay_patient(&self, what: &str) {
        let waited = self.began.elapsed();
        assert!(waited < PATIENCE, "no {what} in {waited:?}\n{}", self.said("stderr"));
    }

    fn said(&self, name: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.dir.join(name)).unwrap_or_default()).into_owned()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the bench to its end.
#[track_caller]
pub fn bench<S: AsRef<OsStr>>(dir: &Path, args: impl IntoIterator<Item = S>) -> Ended {
    Bench::start(dir, args).end()
}

/// Waits for a condition for as long as a test may.
#[track_caller]
pub fn eventually(what: &str, condition: impl FnMut() -> bool) {
    within(PATIENCE, what, condition);
}

/// Waits for a condition that must hold within this time.
#[track_caller]
pub fn within(limit: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < limit, "not within {limit:?}: {what}");
        sleep(POLL);
    }
}

/// Live processes of the bench that hold a file under this directory open, with their command lines.
///
/// A process that another test is about to start is still a copy of this one, with all its files: what it executes is
/// looked at first.
pub fn processes_in(dir: &Path) -> BTreeMap<i32, String> {
    let mut processes = programs_in(dir);
    processes.retain(|pid, _| is_bench(*pid));
    processes
}

/// Live processes of any program but this test that hold a file under this directory open, with their command lines.
pub fn programs_in(dir: &Path) -> BTreeMap<i32, String> {
    let pids = fs::read_dir("/proc").expect("/proc").flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| !is_this_test(*pid) && holds_open(*pid, dir)).map(|pid| (pid, command_line(pid))).collect()
}

/// The nodes of clusters under this directory.
pub fn nodes_in(dir: &Path) -> BTreeMap<i32, String> {
    let mut processes = processes_in(dir);
    processes.retain(|_, command| command.contains(" __node "));
    processes
}

fn is_bench(pid: i32) -> bool {
    let executable = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    // Followed by a remark if it has been rebuilt since.
    executable.to_string_lossy().starts_with(BENCH)
}

fn is_this_test(pid: i32) -> bool {
    fs::read_link(format!("/proc/{pid}/exe")).ok() == fs::read_link("/proc/self/exe").ok()
}

fn holds_open(pid: i32, dir: &Path) -> bool {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    open.filter_map(|descriptor| fs::read_link(descriptor.path()).ok()).any(|file| file.starts_with(dir))
}

fn command_line(pid: i32) -> String {
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&words).replace('\0', " ")
}

/// The state of a process as one letter: `R`, `S`, `T`, `Z`, ...; none if it is gone.
pub fn state(pid: i32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat[stat.rfind(')')? + 1..].trim_start().chars().next()
}

/// Below a directory of unpacked packages, where their programs are.
const BELOW: [&str; 5] = ["", "bin", "sbin", "usr/bin", "usr/sbin"];

/// The arguments that find a program; none where it is not installed.
pub fn found(program: &str) -> Option<Vec<String>> {
    let binaries = std::env::var_os("DISSENSUS_BINARIES").map(PathBuf::from);
    let binaries = binaries.filter(|dir| BELOW.iter().any(|below| dir.join(below).join(program).is_file()));
    let on_path = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()));
    match binaries {
        Some(dir) => Some(vec!["--binaries".into(), dir.display().to_string()]),
        None if on_path => Some(Vec::new()),
        None => {
            eprintln!("{program} is not installed, so nothing is tested with it");
            None
        }
    }
}
