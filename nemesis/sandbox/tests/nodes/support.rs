//! What the tests share: nodes that run this program or a shell, and waiting for conditions.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use sandbox::{End, NodeCommand, Process, Tree};

use crate::programs;

/// Only a hung test reaches it.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A node that runs a shell script, with its output in a file.
pub fn shell(script: &str, output: &Path) -> NodeCommand {
    let mut command = NodeCommand::new("/bin/sh");
    command.arg("-c").arg(script).stdout(File::create(output).expect("a file"));
    command
}

/// A node that runs one of this program's own programs.
pub fn program(name: &str, arguments: &[&str]) -> NodeCommand {
    let mut command = NodeCommand::new(env::current_exe().expect("known"));
    command.arg(programs::PROGRAM).arg(name).args(arguments);
    command
}

/// Waits for a condition.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {LIMIT:?}: {what}");
        sleep(Duration::from_millis(1));
    }
}

/// Runs a script to its end; returns the end and the output.
pub fn run(mut change: impl FnMut(&mut NodeCommand), script: &str) -> (End, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().join("output");
    let mut command = shell(script, &output);
    change(&mut command);
    let tree = command.spawn_blocking().expect("started");
    let end = tree.wait(LIMIT).expect("it ends");
    (end, fs::read_to_string(output).expect("written"))
}

/// Processes but init and zombies.
pub fn living(tree: &Tree) -> Vec<Process> {
    let mut processes = tree.processes().expect("readable");
    processes.retain(|process| process.pid_inside != 1 && process.state != 'Z');
    processes
}

/// The identity of a PID namespace, by a process in it.
pub fn namespace(pid: i32) -> String {
    let link = fs::read_link(format!("/proc/{pid}/ns/pid")).expect("it lives");
    link.to_string_lossy().into_owned()
}

/// How many processes a PID namespace has, found without the crate under test.
pub fn population(namespace: &str) -> usize {
    members(namespace).count()
}

/// The same without those that have ended and are not reaped.
pub fn population_living(namespace: &str) -> usize {
    let stats = members(namespace).filter_map(|process| fs::read_to_string(process.join("stat")).ok());
    stats.filter(|stat| !stat.contains(") Z ")).count()
}

fn members(namespace: &str) -> impl Iterator<Item = PathBuf> {
    let all = fs::read_dir("/proc").expect("readable").filter_map(|entry| Some(entry.ok()?.path()));
    all.filter(move |process| {
        fs::read_link(process.join("ns/pid")).is_ok_and(|link| link.to_string_lossy() == namespace)
    })
}
