//! What tests and examples need around a disk: namespaces of their own, directories, children, and a runner that has
//! one thread to begin with, which `unshare` demands.
#![allow(dead_code)]

pub mod stores;

use std::fs::{self, OpenOptions};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;
use nix::unistd::{getgid, getuid};
use program_disk::{Disk, DiskOptions};

/// How long a test waits for what must come. A hung one reaches it, nothing else does.
pub const HUNG: Duration = Duration::from_secs(60);

/// A disk with its directories, which go away with it.
pub struct Bench {
    pub disk: Disk,
    pub backing: PathBuf,
    pub at: PathBuf,
    pub directory: tempfile::TempDir,
}

impl Bench {
    pub fn new() -> Bench {
        Bench::with(&DiskOptions::default())
    }

    pub fn with(options: &DiskOptions) -> Bench {
        let directory = tempfile::tempdir().expect("a directory");
        let [backing, at] = ["backing", "at"].map(|name| directory.path().join(name));
        fs::create_dir(&backing).expect("a directory");
        fs::create_dir(&at).expect("a directory");
        let disk = Disk::mount(&backing, &at, options).expect("a disk");
        Bench { disk, backing, at, directory }
    }

    /// A path on the disk.
    pub fn path(&self, name: &str) -> PathBuf {
        self.at.join(name)
    }
}

/// Enters a user and a mount namespace in which this user is the same one, and may mount.
///
/// # Errors
/// Why this machine does not allow disks.
pub fn enter() -> Result<(), String> {
    let (user, group) = (getuid(), getgid());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS).map_err(|error| format!("unshare: {error}"))?;
    let write = |file: &str, text: String| fs::write(file, text).map_err(|error| format!("{file}: {error}"));
    write("/proc/self/setgroups", "deny".to_owned())?;
    write("/proc/self/uid_map", format!("{user} {user} 1"))?;
    write("/proc/self/gid_map", format!("{group} {group} 1"))?;
    // Nothing goes out to the machine, and namespaces made from this one follow what is unmounted here.
    for propagation in [MsFlags::MS_SLAVE, MsFlags::MS_SHARED] {
        let set = mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | propagation, None::<&str>);
        set.map_err(|error| format!("the propagation of mounts: {error}"))?;
    }
    let device = OpenOptions::new().read(true).write(true).open("/dev/fuse");
    device.map(drop).map_err(|error| format!("/dev/fuse: {error}"))
}

/// A test with its name.
pub type Test = (&'static str, fn());

/// Runs tests one after the other, those whose names contain the first argument, and says how it went.
pub fn run(tests: &[Test]) -> ExitCode {
    if let Err(reason) = enter() {
        eprintln!("skipped, as this machine allows no disks of programs: {reason}");
        return ExitCode::SUCCESS;
    }
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    let (mut passed, mut failed) = (0, 0);
    for (name, test) in tests.iter().filter(|(name, _)| name.contains(&filter)) {
        let started = Instant::now();
        let ok = catch_unwind(AssertUnwindSafe(test)).is_ok();
        let ms = started.elapsed().as_millis();
        println!("test {name} ... {} ({ms} ms)", if ok { "ok" } else { "FAILED" });
        *(if ok { &mut passed } else { &mut failed }) += 1;
    }
    println!("\n{passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Names the functions of tests.
#[macro_export]
macro_rules! tests {
    ($($test:ident),* $(,)?) => { &[$((stringify!($test), $test as fn())),*] };
}

/// A Python program, which reads from the test and so ends with it. None where there is no Python, which is said.
pub fn python(program: &str, arguments: &[&Path]) -> Option<Child> {
    let mut command = Command::new("python3");
    command.arg("-c").arg(program).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    match command.spawn() {
        Ok(child) => Some(child),
        Err(error) => {
            eprintln!("this part is skipped, as python3 cannot be started: {error}");
            None
        }
    }
}

/// Kills a child, and waits until it is gone.
pub fn kill(child: &mut Child) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id() as i32), Signal::SIGKILL).ok();
    child.wait().expect("a child that was killed ends");
}

/// Waits until something holds.
pub fn until(what: &str, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < HUNG, "never: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
