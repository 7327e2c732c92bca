//! Calls of a program to files below a directory fail and are slow as told; those to other files, and those that nobody
//! has asked for, are not.

#![cfg(target_arch = "x86_64")]

#[allow(dead_code, reason = "most programs here have no clock")]
mod support;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use program_clock::{CallRule, DiskCalls, DiskCounts, DiskReach, DiskRules, Reach, Supervisor, Under};
use support::{PATIENCE, compiled, late, supervisor};
use tempfile::TempDir;

const EIO: i32 = Errno::EIO as i32;

const CALLS: [(&str, [&str; 5]); 3] = [
    ("syncs", ["fsync", "fdatasync", "sync_file_range", "syncfs", "msync"]),
    ("reads", ["read", "pread", "readv", "preadv", "preadv2"]),
    ("writes", ["write", "pwrite", "writev", "pwritev", "pwritev2"]),
];

const FAILING: CallRule = CallRule { error_share: 1.0, latency: Duration::ZERO };

/// A directory whose calls are answered by rules, and one beside it.
struct Disk {
    folder: TempDir,
    calls: DiskCalls,
}

impl Disk {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        for name in ["data", "data-not"] {
            std::fs::create_dir(folder.path().join(name)).expect("a directory");
        }
        let calls = DiskCalls::below(&folder.path().join("data"), 1).expect("it is there");
        Self { folder, calls }
    }

    fn with(rules: DiskRules) -> Self {
        let disk = Self::new();
        disk.calls.set_rules(rules).expect("they make sense");
        disk
    }

    /// A command that makes these calls to a file here, and then to one beside.
    fn command(&self, calls: &str, times: u32) -> Command {
        static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
        let program = PROGRAM.get_or_init(|| compiled("disk", &[]).expect("a plain program compiles"));
        let mut command = Command::new(program);
        command.args([calls, &times.to_string()]).stdin(Stdio::null()).stdout(Stdio::piped());
        command.arg(self.file("data")).arg(self.file("data-not"));
        command
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name).join("file")
    }

    /// Starts a program under this disk, and no clock.
    fn start(&self, supervisor: &Supervisor, command: &mut Command, reach: DiskReach) -> Child {
        let under = Under { disk: Some((&self.calls, reach)), clock: None };
        let (installer, _) = supervisor.installer_under(under).expect("descriptors");
        installer.prepare(command);
        command.spawn().expect("it starts")
    }

    /// What the calls of a program came to: here, and beside.
    fn run(&self, calls: &str, times: u32, reach: DiskReach) -> Option<[Vec<Call>; 2]> {
        Some(self.run_by(supervisor()?, calls, times, reach))
    }

    fn run_by(&self, supervisor: &Supervisor, calls: &str, times: u32, reach: DiskReach) -> [Vec<Call>; 2] {
        let child = self.start(supervisor, &mut self.command(calls, times), reach);
        let output = support::output(child).expect("it ends");
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).expect("text");
        let made: Vec<Call> = text.lines().map(Call::parse).collect();
        let (here, beside) = made.split_at(made.len() / 2);
        assert_eq!(here.len(), 5 * times as usize, "{text}");
        [here.to_vec(), beside.to_vec()]
    }
}

#[derive(Clone, Debug)]
struct Call {
    name: String,
    error: i32,
    took: Duration,
}

impl Call {
    fn parse(line: &str) -> Self {
        let mut words = line.split(' ');
        let name = words.next().expect("a name").to_owned();
        let mut number = || words.next().and_then(|word| word.parse::<u64>().ok()).expect("a number");
        Self { name, error: number() as i32, took: Duration::from_micros(number()) }
    }
}

fn errors(calls: &[Call]) -> Vec<i32> {
    calls.iter().map(|call| call.error).collect()
}

fn names(calls: &[Call]) -> Vec<&str> {
    calls.iter().map(|call| call.name.as_str()).collect()
}

/// Rules for one kind of call.
fn rules(kind: &str, rule: CallRule) -> DiskRules {
    let none = DiskRules::default();
    match kind {
        "reads" => DiskRules { reads: rule, ..none },
        "writes" => DiskRules { writes: rule, ..none },
        _ => DiskRules { syncs: rule, ..none },
    }
}

fn failed(counts: &DiskCounts) -> [u64; 3] {
    [counts.failed_syncs, counts.failed_reads, counts.failed_writes]
}

#[test]
fn calls_of_each_kind_fail_here_and_nowhere_else() {
    for (index, (kind, calls)) in CALLS.iter().enumerate() {
        let disk = Disk::with(rules(kind, FAILING));
        let Some([here, beside]) = disk.run(kind, 1, DiskReach::ALL) else { return };
        assert_eq!(names(&here), *calls);
        assert_eq!(errors(&here), [EIO; 5], "{kind}");
        assert_eq!(errors(&beside), [0; 5], "{kind}");
        let counts = disk.calls.counts();
        let expected = [0, 1, 2].map(|kind| if kind == index { 5 } else { 0 });
        assert_eq!((failed(&counts), counts.delayed_calls, counts.missed_calls), (expected, 0, 0), "{counts:?}");
    }
}

#[test]
fn what_is_not_reported_does_not_fail() {
    let disk = Disk::with(DiskRules { reads: FAILING, writes: FAILING, syncs: FAILING });
    for (kind, _) in CALLS {
        let reach = match kind {
            "syncs" => DiskReach { syncs: false, ..DiskReach::ALL },
            _ => DiskReach { syncs: true, ..DiskReach::default() },
        };
        let Some([here, _]) = disk.run(kind, 1, reach) else { return };
        assert_eq!(errors(&here), [0; 5], "{kind}");
    }
    assert_eq!(disk.calls.counts(), DiskCounts::default());
}

#[test]
fn a_failed_write_writes_nothing() {
    let disk = Disk::with(rules("writes", FAILING));
    std::fs::write(disk.file("data"), vec![7; 4096]).expect("a file");
    if disk.run("writes", 1, DiskReach::ALL).is_some() {
        assert_eq!(std::fs::read(disk.file("data")).expect("a file"), vec![7; 4096]);
        assert_eq!(std::fs::read(disk.file("data-not")).expect("a file")[0], 0);
    }
}

#[test]
fn slow_syncs_are_slow_here_and_counted() {
    let latency = Duration::from_millis(20);
    let disk = Disk::with(rules("syncs", CallRule { latency, ..CallRule::default() }));
    let Some([here, beside]) = disk.run("syncs", 2, DiskReach::ALL) else { return };
    assert!(here.iter().all(|call| call.error == 0 && call.took >= latency), "{here:?}");
    assert_eq!(errors(&beside), [0; 10]);
    let counts = disk.calls.counts();
    assert_eq!((counts.delayed_calls, failed(&counts), counts.missed_calls), (10, [0; 3], 0), "{counts:?}");
    assert!(u128::from(counts.delayed_us) >= 10 * latency.as_micros(), "{counts:?}");
}

#[test]
fn slow_calls_that_fail_do_both() {
    let latency = Duration::from_millis(10);
    let disk = Disk::with(rules("syncs", CallRule { latency, error_share: 1.0 }));
    let Some([here, _]) = disk.run("syncs", 1, DiskReach::ALL) else { return };
    assert!(here.iter().all(|call| call.error == EIO && call.took >= latency), "{here:?}");
    assert_eq!((disk.calls.counts().failed_syncs, disk.calls.counts().delayed_calls), (5, 5));
}

#[test]
fn a_share_fails_until_the_rule_is_gone() {
    let disk = Disk::with(rules("writes", CallRule { error_share: 0.3, ..CallRule::default() }));
    let Some([here, beside]) = disk.run("writes", 200, DiskReach::ALL) else { return };
    let struck = errors(&here).iter().filter(|error| **error == EIO).count();
    assert!((240..360).contains(&struck), "{struck} of 1,000 at 30 %");
    assert_eq!((disk.calls.counts().failed_writes, errors(&beside)), (struck as u64, vec![0; 1000]));
    disk.calls.set_rules(DiskRules::default()).expect("no rule makes sense");
    let Some([here, _]) = disk.run("writes", 1, DiskReach::ALL) else { return };
    assert_eq!((errors(&here), disk.calls.counts().failed_writes), (vec![0; 5], struck as u64));
}

/// A program that waits in an fsync, which the supervisor has taken in.
fn waiting(disk: &Disk, supervisor: &Supervisor) -> Child {
    // Its writes are not reported, so that it can say what came of it even without a supervisor.
    let reach = DiskReach { syncs: true, ..DiskReach::default() };
    let mut child = disk.start(supervisor, &mut disk.command("wait", 1), reach);
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().expect("a pipe")).read_line(&mut line).expect("it says so");
    assert_eq!(line, "now\n");
    let begin = Instant::now();
    while !is_in_fsync(child.id()) {
        assert!(begin.elapsed() < PATIENCE, "it makes no call");
        sleep(Duration::from_millis(1));
    }
    // What is reported later is answered later, unless somebody is to wait.
    Disk::new().run_by(supervisor, "syncs", 1, DiskReach::ALL);
    child
}

fn is_in_fsync(pid: u32) -> bool {
    let call = std::fs::read_to_string(format!("/proc/{pid}/syscall")).expect("it has not ended");
    call.starts_with(&format!("{} ", libc::SYS_fsync))
}

#[test]
fn a_call_that_waits_holds_up_nobody_else_and_its_program_can_be_killed() {
    let latency = Duration::from_secs(60);
    let disk = Disk::with(rules("syncs", CallRule { latency, ..CallRule::default() }));
    let Some(supervisor) = supervisor() else { return };
    let mut waiting = waiting(&disk, supervisor);
    let other = Disk::with(rules("syncs", FAILING));
    for _ in 0..20 {
        let [here, _] = other.run("syncs", 1, DiskReach::ALL).expect("there is a supervisor");
        assert_eq!(errors(&here), [EIO; 5]);
        assert!(here.iter().all(|call| call.took < latency), "{here:?}");
    }
    assert!(waiting.try_wait().expect("it is ours").is_none(), "it still waits");
    waiting.kill().expect("it is ours");
    assert!(!program_clock::wait(&mut waiting).expect("it ends").success());
    assert_eq!(disk.calls.counts(), DiskCounts::default(), "nobody was answered");
}

#[test]
fn nobody_waits_for_a_supervisor_that_has_ended() {
    let Some(_) = supervisor() else { return };
    let supervisor = Supervisor::start().expect("another one started");
    let disk = Disk::with(rules("syncs", CallRule { latency: Duration::from_secs(60), ..CallRule::default() }));
    let child = waiting(&disk, &supervisor);
    let begin = Instant::now();
    drop(supervisor);
    let output = support::output(child).expect("it ends");
    assert!(begin.elapsed() < Duration::from_secs(60), "it was answered before its time");
    let said = String::from_utf8(output.stdout).expect("text");
    assert!(said.starts_with("fsync 0 "), "it was carried out: {said}");
}

/// Both by one listener: the kernel allows no second one.
#[test]
fn a_program_has_its_clock_beside_its_disk() {
    let disk = Disk::with(rules("syncs", FAILING));
    let clock = late();
    let Some(supervisor) = supervisor() else { return };
    let under = Under { clock: Some((&clock, Reach::default())), disk: Some((&disk.calls, DiskReach::ALL)) };
    let (installer, installation) = supervisor.installer_under(under).expect("descriptors");
    let python = "import os, sys, time; f = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY)\n\
                  try: os.fsync(f)\nexcept OSError as error: print(error.errno, time.time_ns())";
    let mut command = Command::new("python3");
    command.args(["-c", python]).arg(disk.file("data")).stdout(Stdio::piped());
    installer.prepare(&mut command);
    let before_ns = program_clock::monotonic_ns().expect("a clock");
    let Ok(child) = command.spawn() else { return eprintln!("not tested on this machine: there is no python3") };
    installation.settled(PATIENCE).expect("it has its clock");
    let ran = support::Ran::new(support::output(child).expect("it ends"), before_ns);
    let [error, wall_ns] = ran.numbers()[..] else { panic!("two numbers: {}", ran.stdout) };
    assert_eq!(error, i64::from(EIO));
    ran.assert_shows(wall_ns, &clock.setting(), "beside a disk");
}

/// Without a clock, no exec is followed.
#[test]
fn programs_that_it_starts_have_the_same_disk() {
    let Some(_) = supervisor() else { return };
    let supervisor = Supervisor::start().expect("another one started");
    let disk = Disk::with(rules("syncs", FAILING));
    let mut shell = Command::new("sh");
    let command = disk.command("syncs", 1);
    shell.args(["-c", "\"$0\" \"$@\"; exit 0"]).arg(command.get_program()).args(command.get_args());
    shell.stdout(Stdio::piped());
    let output = support::output(disk.start(&supervisor, &mut shell, DiskReach::ALL)).expect("it ends");
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 10);
    assert_eq!(disk.calls.counts().failed_syncs, 5);
    assert_eq!(supervisor.statistics(), Default::default());
}

#[test]
fn a_path_through_a_link_is_the_same_disk() {
    let disk = Disk::new();
    let link = disk.folder.path().join("link");
    std::os::unix::fs::symlink(disk.folder.path().join("data"), &link).expect("a link");
    let through = DiskCalls::below(&link, 1).expect("it is there");
    through.set_rules(rules("syncs", FAILING)).expect("they make sense");
    let linked = Disk { calls: through, ..disk };
    let Some([here, beside]) = linked.run("syncs", 1, DiskReach::ALL) else { return };
    assert_eq!((errors(&here), errors(&beside)), (vec![EIO; 5], vec![0; 5]));
}
