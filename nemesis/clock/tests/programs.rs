//! Programs of every kind show the clock that they are started under, whatever they start does too, and the clock can
//! be bent while they run.

#![cfg(target_arch = "x86_64")]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use program_clock::{Clock, Reach, Reading, Setting};
use support::{clocks, compiled, late, run, start, supervisor};

const SECOND_NS: i64 = 1_000_000_000;

/// Every clock of a C program, see `programs/clocks.c`.
fn assert_every_clock(ran: &support::Ran, setting: &Setting, raw: &Setting) {
    let [monotonic, wall, coarse, tai, day, seconds, by_call, resolution, cpu] = ran.numbers()[..] else {
        panic!("nine numbers are expected: {}", ran.stdout);
    };
    assert!((ran.before_ns..=ran.after_ns).contains(&monotonic), "the monotonic clock is the machine's");
    for (shown, what) in [(wall, "clock_gettime"), (coarse, "the coarse clock"), (day, "gettimeofday")] {
        ran.assert_shows(shown, setting, what);
    }
    let tai_offset = tai - wall;
    assert!((-SECOND_NS..120 * SECOND_NS).contains(&tai_offset), "CLOCK_TAI is shifted too: {tai_offset}");
    let cut = coarse - seconds;
    assert!((-SECOND_NS..2 * SECOND_NS + (ran.after_ns - ran.before_ns)).contains(&cut), "time(): {cut}");
    ran.assert_shows(by_call, raw, "the system call");
    assert!((1..=SECOND_NS).contains(&resolution) && cpu >= 0);
}

#[test]
fn dynamic_and_static_programs_show_it_by_every_function() {
    let clock = late();
    for flags in [&[][..], &["-static"], &["-static-pie", "-fPIE"], &["-no-pie"], &["-Wl,-z,now"]] {
        let Some(program) = compiled("clocks", flags) else { continue };
        let Some(ran) = run(&mut Command::new(program), &clock, Reach::default()) else { return };
        assert_every_clock(&ran, &clock.setting(), &Setting::default());
    }
}

#[test]
fn raw_calls_show_it_if_asked_for() {
    let clock = late();
    let before = supervisor().map(|supervisor| supervisor.statistics().raw_calls);
    let reach = Reach { raw_calls: true, ..Reach::default() };
    let Some(ran) = run(&mut Command::new(clocks()), &clock, reach) else { return };
    assert_every_clock(&ran, &clock.setting(), &clock.setting());
    let statistics = supervisor().expect("it ran").statistics();
    assert!(statistics.raw_calls > before.expect("it ran"), "{statistics:?}");
}

#[test]
fn programs_of_other_languages_show_it() {
    let clock = late();
    let java = format!("{}/tests/programs/Now.java", env!("CARGO_MANIFEST_DIR"));
    let go = format!("{}/tests/programs/now.go", env!("CARGO_MANIFEST_DIR"));
    let cases: [(&str, &[&str]); 5] = [
        ("python3", &["-c", "import time; print(time.monotonic_ns(), time.time_ns())"]),
        ("perl", &["-MTime::HiRes=time", "-e", "printf '0 %d000', time() * 1000000"]),
        ("date", &["+0 %s%N"]),
        ("java", &["-Xshare:auto", "-XX:+UseSerialGC", &java]),
        ("go", &["run", &go]),
    ];
    for (program, arguments) in cases {
        if Command::new(program).arg("--version").output().is_err() {
            eprintln!("not tested on this machine: there is no {program}");
            continue;
        }
        let Some(ran) = run(Command::new(program).args(arguments), &clock, Reach::default()) else { return };
        ran.assert_shows(ran.numbers()[1], &clock.setting(), program);
    }
}

/// A Rust program: this test itself, started again.
#[test]
fn a_rust_program_shows_it() {
    if std::env::var_os("READ_THE_CLOCK").is_some() {
        return println!("reading: {}", Reading::take().expect("clocks"));
    }
    let clock = late();
    let mut command = Command::new(std::env::current_exe().expect("a path"));
    command.args(["--exact", "a_rust_program_shows_it", "--nocapture"]).env("READ_THE_CLOCK", "1");
    let Some(ran) = run(&mut command, &clock, Reach::default()) else { return };
    let line = ran.stdout.lines().find_map(|line| line.split_once("reading: ")).expect("a reading").1;
    support::assert_shows(&line.parse().expect("a reading"), &clock.setting(), "Rust");
}

#[test]
fn whatever_a_program_starts_shows_it() {
    let clock = late();
    let program = clocks().to_str().expect("a plain path");
    let starts = compiled("starts", &[]).expect("a plain program compiles");
    for how in ["exec", "thread", "vfork", "spawn", "fail"] {
        let Some(ran) = run(Command::new(&starts).args([how, program]), &clock, Reach::default()) else { return };
        ran.assert_shows(ran.numbers()[1], &clock.setting(), how);
    }
    let scripts = [
        program.to_owned(),
        format!("({program} | cat) & wait"),
        format!("setsid -w {program}"),
        format!("exec bash -c 'exec -a other {program}'"),
        format!("env -i nice {program}"),
    ];
    for script in scripts {
        let Some(ran) = run(Command::new("bash").args(["-c", &script]), &clock, Reach::default()) else { return };
        ran.assert_shows(ran.numbers()[1], &clock.setting(), &script);
    }
}

#[test]
fn it_is_bent_again_while_the_program_runs() {
    let clock = Clock::create().expect("a memory file");
    let follow = compiled("follow", &[]).expect("a plain program compiles");
    let mut command = Command::new(follow);
    let Some(mut child) = start(command.stdin(Stdio::piped()).stdout(Stdio::piped()), &clock, Reach::default()) else {
        return;
    };
    let mut questions = child.stdin.take().expect("it is piped");
    let mut answers = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let settings = [(0, 0), (86_400_000, 0), (-999, 0), (1, 500_000), (0, -500_000), (7_777, 10_000_000), (0, 0)];
    for (offset_ms, drift_ppm) in settings {
        clock.set(offset_ms, drift_ppm).expect("in range");
        for _ in 0..20 {
            let before_ns = program_clock::monotonic_ns().expect("a clock");
            questions.write_all(b"?\n").expect("it reads");
            let answer = answers.next().expect("an answer").expect("text");
            let after_ns = program_clock::monotonic_ns().expect("a clock");
            let (monotonic, wall) = answer.split_once(' ').expect("two numbers");
            assert!((before_ns..=after_ns).contains(&monotonic.parse().expect("a number")), "monotonic time is right");
            let reading = Reading { before_ns, wall_ns: wall.parse().expect("a number"), after_ns };
            support::assert_shows(&reading, &clock.setting(), &format!("{offset_ms} ms, {drift_ppm} ppm"));
        }
    }
    drop(questions);
    assert!(program_clock::wait(&mut child).expect("it ends").success());
}

#[test]
fn trees_have_clocks_of_their_own() {
    let (late, right) = (late(), Clock::create().expect("a memory file"));
    for _ in 0..3 {
        for clock in [&late, &right] {
            let Some(ran) = run(&mut Command::new(clocks()), clock, Reach::default()) else { return };
            ran.assert_shows(ran.numbers()[1], &clock.setting(), "its own clock");
        }
    }
}

#[test]
fn waits_until_a_time_of_the_wall_clock_are_counted() {
    let Some(supervisor) = supervisor() else { return };
    let clock = Clock::create().expect("a memory file");
    let waits = compiled("waits", &[]).expect("a plain program compiles");
    let before = supervisor.statistics().absolute_waits;
    let reach = Reach { absolute_waits: true, ..Reach::default() };
    run(&mut Command::new(waits), &clock, reach).expect("there is a supervisor");
    let after = supervisor.statistics().absolute_waits;
    assert_eq!(after.sleeps - before.sleeps, 2);
    assert_eq!(after.timers - before.timers, 1);
    assert_eq!(after.futexes - before.futexes, 1);
}
