//! How a node ends: all of it, whoever ends it.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{ChildStdout, Command, ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::kill;
use nix::unistd::Pid;
use sandbox::{End, Lifetime, Signal, Tree};

use crate::Test;
use crate::support::{LIMIT, living, namespace, population, population_living, program, run, shell, until};

/// The argument by which this executable knows that it is a bench to be killed.
pub const BENCH: &str = "__bench";

pub const TESTS: &[Test] = &[
    ("kill_leaves_none", kill_leaves_none),
    ("a_node_ends_with_its_program", a_node_ends_with_its_program),
    ("a_node_can_outlive_its_program", a_node_can_outlive_its_program),
    ("a_node_that_is_dropped_dies", a_node_that_is_dropped_dies),
    ("a_crash_in_start_comes_by_the_clock", a_crash_in_start_comes_by_the_clock),
    ("a_crash_in_start_comes_by_a_line", a_crash_in_start_comes_by_a_line),
    ("a_killed_bench_leaves_nothing", a_killed_bench_leaves_nothing),
    ("a_killed_bench_leaves_nothing_paused", a_killed_bench_leaves_nothing_paused),
    ("the_signal_of_death_suffices", the_signal_of_death_suffices),
    ("the_closed_socket_suffices", the_closed_socket_suffices),
];

/// Children in sessions of their own, orphans of orphans, one that ignores signals, one that has stopped itself.
const FAMILY: &str = "setsid sleep 1000 & (setsid sh -c 'sleep 1000 & sleep 1000' &) ;
    (trap '' TERM HUP INT; sleep 1000) & (kill -STOP $(exec sh -c 'echo $PPID'); :) & sleep 1000";

/// The five that sleep, and their shells: the first, that of the two sleepers of another session, and the stopped one.
const SLEEPERS: usize = 5;
const FAMILY_SIZE: usize = SLEEPERS + 3;

fn family() -> (Tree, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let tree = shell(FAMILY, &folder.path().join("output")).spawn_blocking().expect("started");
    // A shell that forks is counted twice for a moment, so that a number alone comes too early.
    until("the family is complete", || {
        let living = living(&tree);
        let sleepers = living.iter().filter(|process| process.name == "sleep").count();
        let stopped = living.iter().filter(|process| process.state == 'T').count();
        (living.len(), sleepers, stopped) == (FAMILY_SIZE, SLEEPERS, 1)
    });
    (tree, folder)
}

fn kill_leaves_none() {
    let (tree, _folder) = family();
    let space = namespace(tree.init_pid());
    until("none waits to be reaped", || population(&space) == FAMILY_SIZE + 1);
    let killed = tree.kill().expect("killed");
    println!("    {killed:?}");
    assert_eq!((killed.processes, population(&space), tree.ended()), (FAMILY_SIZE, 0, Some(End::Killed)));
    assert_eq!(tree.kill().expect("twice is fine").processes, 0);
}

fn a_node_ends_with_its_program() {
    let (end, pids) = run(|_| {}, "setsid sleep 1000 & echo $!; exit 5");
    assert_eq!(end, End::Program(std::os::unix::process::ExitStatusExt::from_raw(5 << 8)));
    assert_eq!(pids.lines().count(), 1);
}

fn a_node_can_outlive_its_program() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().join("output");
    let mut command = shell("(setsid sleep 1000 &); exit 0", &output);
    command.lifetime(Lifetime::LastProcess);
    let tree = command.spawn_blocking().expect("started");
    until("the program has ended", || living(&tree).iter().map(|process| process.name.as_str()).eq(["sleep"]));
    assert_eq!(tree.ended(), None);
    let last = living(&tree)[0].pid;
    kill(Pid::from_raw(last), Signal::SIGTERM).expect("sent");
    assert_eq!(tree.wait(LIMIT), Some(End::Program(ExitStatus::default())));
}

fn a_node_that_is_dropped_dies() {
    let (tree, _folder) = family();
    let space = namespace(tree.init_pid());
    drop(tree);
    until("all are gone", || population(&space) == 0);
}

fn a_crash_in_start_comes_by_the_clock() {
    let folder = tempfile::tempdir().expect("a folder");
    let tree = shell("exec sleep 1000", &folder.path().join("output")).spawn_blocking().expect("started");
    let age = Duration::from_millis(50);
    let crash = tree.crash_after(age).expect("crashed");
    assert!(crash.age >= age && crash.line.is_none() && crash.killed.processes == 1, "{crash:?}");
    assert!(tree.crash_after(age).is_err(), "it has ended");
}

fn a_crash_in_start_comes_by_a_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    let tree =
        shell("echo begun; echo recovering 17 entries; sleep 1000; echo up", &log).spawn_blocking().expect("started");
    let crash = tree.crash_on_line(&log, "recovering", LIMIT).expect("crashed");
    assert_eq!(crash.line.as_deref(), Some("recovering 17 entries"));
    let tree = shell("exec sleep 1000", &log).spawn_blocking().expect("started");
    let crash = tree.crash_on_line(&log, "never", Duration::from_millis(20)).expect("crashed");
    assert_eq!(crash.line, None);
}

/// How a bench is when it is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Busy,
    Paused,
    /// Without the signal that init gets at the bench's death.
    Unsignalled,
}

/// Starts nodes, says the pids of their inits, and waits to be killed.
pub fn bench(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    sandbox::serve_hidden_commands().expect("the executable can be opened");
    sandbox::enter(sandbox::Namespaces::default()).expect("a namespace within a namespace");
    let mood = match arguments.next().as_deref() {
        Some("Busy") => Mood::Busy,
        Some("Paused") => Mood::Paused,
        _ => Mood::Unsignalled,
    };
    let trees: Vec<Tree> = (0..3).map(|_| bench_node(mood)).collect();
    for tree in &trees {
        println!("{}", tree.init_pid());
    }
    std::io::stdout().flush().expect("written");
    std::thread::sleep(Duration::MAX);
    ExitCode::SUCCESS
}

#[allow(unsafe_code)]
fn bench_node(mood: Mood) -> Tree {
    let mut command = program("threads", &["2"]);
    command.stdout(Stdio::null());
    if mood == Mood::Unsignalled {
        let unset = || Ok(rustix::process::set_parent_process_death_signal(None)?);
        // SAFETY: it makes one system call.
        command.before_exec(move |command| {
            unsafe { command.pre_exec(unset) };
        });
    }
    let tree = command.spawn_blocking().expect("started");
    if mood == Mood::Paused {
        tree.pause().expect("paused");
    }
    tree
}

/// Starts a bench, kills it after `then`, and waits until nothing of its nodes is left.
fn kill_bench(mood: Mood, then: impl FnOnce(&[i32])) {
    let executable = env::current_exe().expect("known");
    let mut bench = Command::new(executable);
    bench.arg(BENCH).arg(format!("{mood:?}")).stdout(Stdio::piped()).process_group(0);
    let mut bench = bench.spawn().expect("started");
    let inits = read_pids(bench.stdout.take().expect("piped"), 3);
    let spaces: Vec<String> = inits.iter().map(|pid| namespace(*pid)).collect();
    assert!(spaces.iter().all(|space| population(space) == 2), "init and its program");
    then(&inits);
    bench.kill().expect("killed");
    bench.wait().expect("a child");
    // What is dead may wait to be reaped by the machine's init, whose children they are now.
    until("nothing is left", || spaces.iter().all(|space| population_living(space) == 0));
}

fn read_pids(output: ChildStdout, count: usize) -> Vec<i32> {
    let lines = BufReader::new(output).lines().take(count);
    let pids: Vec<i32> = lines.map(|line| line.expect("read").parse().expect("a pid")).collect();
    assert_eq!(pids.len(), count, "the bench has started its nodes");
    pids
}

fn a_killed_bench_leaves_nothing() {
    kill_bench(Mood::Busy, |_| {});
}

fn a_killed_bench_leaves_nothing_paused() {
    kill_bench(Mood::Paused, |_| {});
}

/// An init that is stopped itself cannot see the socket.
fn the_signal_of_death_suffices() {
    kill_bench(Mood::Busy, |inits| {
        for init in inits {
            kill(Pid::from_raw(*init), Signal::SIGSTOP).expect("sent");
            until("init has stopped", || {
                let stat = fs::read_to_string(format!("/proc/{init}/stat")).expect("it lives");
                stat.contains(") T ")
            });
        }
    });
}

fn the_closed_socket_suffices() {
    kill_bench(Mood::Unsignalled, |_| {});
}
