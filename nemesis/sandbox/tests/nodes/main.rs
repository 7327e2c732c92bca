//! The crate end to end, on real processes. Namespaces are entered while the process has one thread, so this is a
//! program with a main of its own: it is the tests, the bench that they kill, and the programs that run in nodes.
//!
//! Started by root, it runs all tests a second time as an ordinary user.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, ExitCode};

mod ends;
mod faults;
mod programs;
mod starts;
mod support;

/// The user and group `nobody` of most distributions.
const ORDINARY_ID: u32 = 65534;

type Test = (&'static str, fn());

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    match arguments.next().as_deref() {
        Some(programs::PROGRAM) => return programs::run(arguments),
        // The bench of another test, in the state in which it is killed.
        Some(ends::BENCH) => return ends::bench(arguments),
        _ => sandbox::serve_hidden_commands().expect("the executable can be opened"),
    }
    let wanted: Vec<String> = env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let as_ordinary_user = is_root().then(|| run_as_ordinary_user(&wanted));
    let code = run_here(&wanted);
    if as_ordinary_user.unwrap_or(true) { code } else { ExitCode::FAILURE }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Runs all of it once more; the executable may be where only root can read it, so that a copy is run.
fn run_as_ordinary_user(wanted: &[String]) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    let open_to_all = |path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("permitted");
    let copy = folder.path().join("nodes");
    fs::copy(env::current_exe().expect("known"), &copy).expect("copied");
    open_to_all(folder.path(), 0o755);
    open_to_all(&copy, 0o755);
    let mut command = Command::new(&copy);
    command.args(wanted).current_dir("/").uid(ORDINARY_ID).gid(ORDINARY_ID);
    command.status().expect("an ordinary user can run it").success()
}

fn run_here(wanted: &[String]) -> ExitCode {
    let user = rustix::process::geteuid().as_raw();
    if let Err(error) = sandbox::enter(sandbox::Namespaces::default()) {
        eprintln!("user {user}: nothing is tested here, as this machine does not allow it: {error}");
        return ExitCode::SUCCESS;
    }
    let all = starts::TESTS.iter().chain(ends::TESTS).chain(faults::TESTS);
    let chosen =
        all.filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|wanted| name.contains(wanted.as_str())));
    let failed: Vec<&str> = chosen.filter(|test| !passes(user, test)).map(|(name, _)| *name).collect();
    println!(
        "user {user}: {}",
        if failed.is_empty() { "all passed".to_owned() } else { format!("FAILED: {failed:?}") }
    );
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn passes(user: u32, (name, test): &Test) -> bool {
    let began = std::time::Instant::now();
    let passed = catch_unwind(AssertUnwindSafe(test)).is_ok();
    println!("user {user}: {name} ... {} in {:.2?}", if passed { "ok" } else { "FAILED" }, began.elapsed());
    passed
}
