//! Nothing that a program does while it is started makes the supervisor hang or miss it in silence.

#![cfg(target_arch = "x86_64")]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use program_clock::{Clock, NotInstalled, Reach, Reason, Supervisor};
use support::{PATIENCE, clocks, compiled, late, run, supervisor};

/// A supervisor of a test's own, so that its statistics are; and a clock.
fn alone() -> Option<(Supervisor, Clock)> {
    supervisor()?;
    Some((Supervisor::start().expect("the other one started"), late()))
}

/// The state of a process (as in proc_pid_stat(5)) that is stopped or has ended, or is about to be.
fn settled_state(pid: Pid) -> char {
    let begin = Instant::now();
    loop {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("nobody has reaped it");
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next()).expect("as the kernel writes it");
        if matches!(state, 'T' | 'Z') || begin.elapsed() > PATIENCE {
            return state;
        }
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn execs_of_many_threads_at_once_are_all_patched() {
    let Some((supervisor, clock)) = alone() else { return };
    let starts = compiled("starts", &[]).expect("a plain program compiles");
    let mut command = Command::new(starts);
    command.arg("many").arg(clocks()).args(["8", "12"]).stdout(Stdio::piped());
    let installation = supervisor.prepare(&mut command, &clock, Reach::default()).expect("descriptors");
    let before_ns = program_clock::monotonic_ns().expect("a clock");
    let child = command.spawn().expect("it starts");
    installation.settled(PATIENCE).expect("it has its clock");
    let output = support::output(child).expect("it ends");
    assert!(output.status.success());
    let ran = support::Ran::new(output, before_ns);
    assert_eq!(ran.stdout.lines().count(), 96);
    for line in ran.stdout.lines() {
        let wall = line.split(' ').nth(1).and_then(|wall| wall.parse().ok()).expect("a number");
        ran.assert_shows(wall, &clock.setting(), "one of many");
    }
    let statistics = supervisor.statistics();
    assert_eq!((statistics.patched, statistics.unpatched_count()), (97, 0), "{statistics:?}");
}

#[test]
fn failed_execs_start_nothing_and_are_counted() {
    let Some((supervisor, clock)) = alone() else { return };
    let mut command = Command::new("/nonexistent/program");
    let installation = supervisor.prepare(&mut command, &clock, Reach::default()).expect("descriptors");
    assert!(command.spawn().is_err());
    // Though `command` is still there.
    assert!(matches!(installation.settled(PATIENCE), Err(NotInstalled::Gone(_))));
    let mut command = Command::new("bash");
    command.args(["-c", "/nonexistent/a; /nonexistent/b; cd /; /bin/true && exit 0"]).stderr(Stdio::null());
    let installation = supervisor.prepare(&mut command, &clock, Reach::default()).expect("descriptors");
    let mut child = command.spawn().expect("bash starts");
    installation.settled(PATIENCE).expect("it has its clock");
    assert!(program_clock::wait(&mut child).expect("it ends").success());
    let statistics = supervisor.statistics();
    assert_eq!((statistics.patched, statistics.unpatched_count()), (2, 0), "{statistics:?}");
    assert!(statistics.failed_execs >= 1, "{statistics:?}");
}

#[test]
fn processes_killed_at_any_moment_leave_nothing_behind() {
    let Some((supervisor, clock)) = alone() else { return };
    for round in 0..60u32 {
        let mut command = Command::new("cat");
        command.stdin(Stdio::piped());
        let installation = supervisor.prepare(&mut command, &clock, Reach::default()).expect("descriptors");
        let mut child = command.spawn().expect("it starts");
        let begin = Instant::now();
        // From before its program begins until long after.
        while begin.elapsed().as_micros() < u128::from(round * round * 4) {}
        child.kill().expect("it is ours to kill");
        let settled = installation.settled(PATIENCE);
        assert!(matches!(settled, Ok(()) | Err(NotInstalled::Ended)), "somebody forgot it: {settled:?}");
        let statistics = supervisor.statistics();
        assert_eq!(statistics.patched + statistics.ended, u64::from(round) + 1, "{statistics:?}");
        assert_eq!(program_clock::wait(&mut child).expect("its end is not lost").signal(), Some(9));
    }
    let statistics = supervisor.statistics();
    assert_eq!((statistics.patched + statistics.ended, statistics.unpatched_count()), (60, 0), "{statistics:?}");
}

/// A tracer has to take note of an end before the parent learns of it.
#[test]
fn parents_learn_of_children_killed_at_any_moment() {
    let Some((supervisor, clock)) = alone() else { return };
    let script = "for i in {1..60}; do sleep 1000 & for ((j = 0; j < i * 20; j++)); do :; done; \
                  kill -9 $!; wait $!; echo $?; done";
    let mut command = Command::new("bash");
    command.args(["-c", script]).stdout(Stdio::piped()).stderr(Stdio::null());
    let installation = supervisor.prepare(&mut command, &clock, Reach::default()).expect("descriptors");
    let child = command.spawn().expect("it starts");
    installation.settled(PATIENCE).expect("it has its clock");
    let output = support::output(child).expect("it ends");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "137\n".repeat(60));
    assert_eq!(supervisor.statistics().unpatched_count(), 0);
}

/// A file that may be executed and not read: the kernel hides its memory. Root sees everything.
#[test]
fn a_program_that_may_not_be_read_runs_unpatched_and_is_named() {
    let Some((supervisor, clock)) = alone() else { return };
    let program = compiled("bare", &["-nostdlib", "-static"]).expect("a plain program compiles");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o111)).expect("it is ours");
    if std::fs::read(&program).is_ok() {
        return eprintln!("not tested as this user, who may read every file");
    }
    let mut command = Command::new(&program);
    let installation = supervisor.prepare(&mut command, &clock, Reach::default()).expect("descriptors");
    let mut child = command.spawn().expect("it starts");
    assert!(matches!(installation.settled(PATIENCE), Err(NotInstalled::Unpatched(_))));
    assert_eq!(program_clock::wait(&mut child).expect("it ends").code(), Some(5));
    assert!(matches!(supervisor.statistics().unpatched[0].reason, Reason::Memory(_)));
}

#[test]
fn stopped_and_continued_while_it_starts_a_program_is_patched_all_the_same() {
    let Some((supervisor, clock)) = alone() else { return };
    for round in 0..60u32 {
        let mut command = Command::new(clocks());
        command.stdout(Stdio::piped());
        let installation = supervisor.prepare(&mut command, &clock, Reach::default()).expect("descriptors");
        let before_ns = program_clock::monotonic_ns().expect("a clock");
        let child = command.spawn().expect("it starts");
        let pid = Pid::from_raw(child.id() as i32);
        let begin = Instant::now();
        while begin.elapsed().as_micros() < u128::from(round * 20) {}
        for signal in [Signal::SIGSTOP, Signal::SIGUSR2, Signal::SIGCONT] {
            kill(pid, if signal == Signal::SIGUSR2 { Signal::SIGWINCH } else { signal }).expect("it is ours");
        }
        installation.settled(PATIENCE).expect("it has its clock");
        let output = support::output(child).expect("it ends");
        assert!(output.status.success(), "{output:?}");
        let ran = support::Ran::new(output, before_ns);
        ran.assert_shows(ran.numbers()[1], &clock.setting(), "stopped and continued");
    }
    assert_eq!(supervisor.statistics().unpatched_count(), 0);
}

/// As the kernel orders them: a SIGCONT undoes the SIGSTOP before it, and no other.
#[test]
fn stopped_while_it_starts_a_program_is_patched_and_stays_stopped() {
    let Some((supervisor, clock)) = alone() else { return };
    for round in 0..30u32 {
        let mut command = Command::new(clocks());
        command.stdout(Stdio::piped());
        let installation = supervisor.prepare(&mut command, &clock, Reach::default()).expect("descriptors");
        let before_ns = program_clock::monotonic_ns().expect("a clock");
        let child = command.spawn().expect("it starts");
        let pid = Pid::from_raw(child.id() as i32);
        let begin = Instant::now();
        while begin.elapsed().as_micros() < u128::from(round * 20) {}
        for signal in [Signal::SIGSTOP, Signal::SIGCONT, Signal::SIGSTOP] {
            kill(pid, signal).expect("it is ours");
        }
        installation.settled(PATIENCE).expect("it has its clock");
        let state = settled_state(pid);
        // It may have ended before the signals came.
        assert!(matches!(state, 'T' | 'Z'), "{state}");
        kill(pid, Signal::SIGCONT).expect("it is ours");
        let output = support::output(child).expect("it ends");
        assert!(output.status.success(), "{output:?}");
        let ran = support::Ran::new(output, before_ns);
        ran.assert_shows(ran.numbers()[1], &clock.setting(), "stopped");
    }
    assert_eq!(supervisor.statistics().unpatched_count(), 0);
}

/// A descriptor is needed for a moment: where the limit leaves none, the program cannot be given its clock.
#[test]
fn a_program_without_room_for_its_clock_runs_unpatched_and_is_named() {
    let Some((supervisor, clock)) = alone() else { return };
    let Some(program) = compiled("clocks", &["-static", "-no-pie"]) else { return };
    let mut command = Command::new("bash");
    command.args(["-c", "ulimit -n 3; exec \"$0\""]).arg(&program).stdout(Stdio::piped());
    let installation = supervisor.prepare(&mut command, &clock, Reach::default()).expect("descriptors");
    let child = command.spawn().expect("it starts");
    installation.settled(PATIENCE).expect("the shell has its clock");
    let output = support::output(child).expect("it ends");
    assert!(output.status.success() && !output.stdout.is_empty(), "it runs all the same: {output:?}");
    let statistics = supervisor.statistics();
    assert_eq!((statistics.patched, statistics.unpatched_count()), (1, 1), "{statistics:?}");
    let unpatched = &statistics.unpatched[0];
    assert!(matches!(unpatched.reason, Reason::Call { .. }), "{unpatched:?}");
}

#[test]
fn thirty_two_bit_programs_run_unpatched_and_are_named() {
    let Some((supervisor, clock)) = alone() else { return };
    let Some(program) = compiled("bare", &["-m32", "-nostdlib", "-static", "-ffreestanding"]) else { return };
    match Command::new(&program).status() {
        Ok(status) if status.code() == Some(5) => {}
        other => return eprintln!("not tested on this machine: it runs no 32-bit programs ({other:?})"),
    }
    let mut command = Command::new(&program);
    let installation = supervisor.prepare(&mut command, &clock, Reach::default()).expect("descriptors");
    let mut child = command.spawn().expect("it starts");
    assert!(matches!(installation.settled(PATIENCE), Err(NotInstalled::Unpatched(_))));
    assert_eq!(program_clock::wait(&mut child).expect("it ends").code(), Some(5));
    assert_eq!(supervisor.statistics().unpatched[0].reason, Reason::ThirtyTwoBit);
}

#[test]
fn without_a_supervisor_nothing_is_started() {
    let Some((supervisor, clock)) = alone() else { return };
    let mut command = Command::new(clocks());
    let installation = supervisor.prepare(&mut command, &clock, Reach::default()).expect("descriptors");
    drop(supervisor);
    assert!(command.spawn().is_err(), "rather an error than a program with the wrong clock");
    drop(command);
    assert!(matches!(installation.settled(PATIENCE), Err(NotInstalled::Gone(_))));
}

#[test]
fn programs_outlive_their_supervisor_but_start_no_others() {
    let Some((supervisor, clock)) = alone() else { return };
    let mut command = Command::new("bash");
    command.args(["-c", "read line; /bin/true; echo $?"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    command.stderr(Stdio::null());
    let installation = supervisor.prepare(&mut command, &clock, Reach::default()).expect("descriptors");
    let child = command.spawn().expect("it starts");
    installation.settled(PATIENCE).expect("it has its clock");
    drop(supervisor);
    let output = support::output(child).expect("it ends");
    assert_ne!(output.stdout, b"0\n", "{output:?}");
}

#[test]
fn a_program_in_namespaces_of_its_own_shows_it() {
    let clock = late();
    let probe = Command::new("unshare").args(["-Urpfm", "--mount-proc", "/bin/true"]).output();
    if !probe.as_ref().is_ok_and(|output| output.status.success()) {
        return eprintln!("not tested on this machine: it has no user namespaces ({probe:?})");
    }
    let mut command = Command::new("unshare");
    command.args(["-Urpfm", "--mount-proc", "sh", "-c", "exec \"$0\""]).arg(clocks());
    let Some(ran) = run(&mut command, &clock, Reach::default()) else { return };
    ran.assert_shows(ran.numbers()[1], &clock.setting(), "in namespaces");
}

#[test]
fn tokio_starts_programs_and_learns_how_they_end() {
    let Some(supervisor) = supervisor() else { return };
    let clock = late();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        for round in 0..20 {
            let mut command = tokio::process::Command::new("bash");
            command.args(["-c", &format!("exit {round}")]).process_group(0);
            let installation = supervisor.prepare(command.as_std_mut(), &clock, Reach::default()).expect("descriptors");
            let mut child = command.spawn().expect("it starts");
            let settled = tokio::task::spawn_blocking(move || installation.settled(PATIENCE)).await;
            settled.expect("no panic").expect("it has its clock");
            assert_eq!(child.wait().await.expect("it ends").code(), Some(round));
        }
    });
}

#[test]
fn earlier_steps_of_the_command_stay() {
    let clock = late();
    let mut command = Command::new(clocks());
    command.current_dir("/").env_clear().process_group(0);
    assert!(run(&mut command, &clock, Reach::default()).is_none_or(|ran| ran.numbers().len() == 9));
}
