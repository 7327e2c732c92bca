//! What is done to a running node, and that it has its effect.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use sandbox::{CpuTime, End, Limit, NodeError, PERIOD, SizedDisk, Tree};

use crate::Test;
use crate::support::{LIMIT, living, program, run, shell, until};

pub const TESTS: &[Test] = &[
    ("a_pause_stops_all_that_forks", a_pause_stops_all_that_forks),
    ("a_pause_stops_threads", a_pause_stops_threads),
    ("a_paused_node_dies", a_paused_node_dies),
    ("a_throttle_leaves_a_share", a_throttle_leaves_a_share),
    ("a_pause_outlasts_a_throttle", a_pause_outlasts_a_throttle),
    ("descriptors_run_out", descriptors_run_out),
    ("memory_runs_out", memory_runs_out),
    ("a_limit_reaches_all_that_forks", a_limit_reaches_all_that_forks),
    ("a_node_is_preferred_for_oom", a_node_is_preferred_for_oom),
    ("threads_are_confined_and_idle", threads_are_confined_and_idle),
    ("a_tmpfs_is_full", a_tmpfs_is_full),
    ("a_sized_disk_stays_and_fills", a_sized_disk_stays_and_fills),
];

const ENOSPC: i32 = 28;
const EMFILE: i32 = 24;

/// Long enough for something that runs to be seen; nothing waits for it to suffice.
const A_WHILE: Duration = Duration::from_millis(100);

/// Five loops that fork all the time, and write a byte a turn.
fn forkers(counters: &Path) -> Tree {
    let script = "for i in 1 2 3 4 5; do setsid sh -c 'while :; do /bin/true; printf x; done' & done; wait";
    let tree = shell(script, counters).spawn_blocking().expect("started");
    until("they write", || length(counters) > 50);
    tree
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

fn a_pause_stops_all_that_forks() {
    let folder = tempfile::tempdir().expect("a folder");
    let counters = folder.path().join("counters");
    let tree = forkers(&counters);
    for _ in 0..10 {
        let paused = tree.pause().expect("paused");
        assert!(paused.processes >= 6 && paused.threads >= 1, "{paused:?}");
        let stood = (length(&counters), tree.cpu_time().expect("read").used);
        let pids: Vec<i32> = tree.processes().expect("read").iter().map(|process| process.pid).collect();
        sleep(A_WHILE);
        let still: Vec<i32> = tree.processes().expect("read").iter().map(|process| process.pid).collect();
        assert_eq!((length(&counters), tree.cpu_time().expect("read").used), stood, "{paused:?}");
        assert_eq!(pids, still, "nothing was forked, nothing ended");
        tree.resume().expect("resumed");
        until("they write again", || length(&counters) > stood.0 + 5);
    }
}

fn a_pause_stops_threads() {
    let tree = program("threads", &["8"]).spawn_blocking().expect("started");
    until("they run", || living(&tree).iter().any(|process| process.threads == 8));
    let paused = tree.pause().expect("paused");
    println!("    {paused:?}");
    assert_eq!((paused.processes, paused.threads, paused.threads_in_kernel), (1, 8, 0));
    let before = tree.cpu_time().expect("read");
    sleep(A_WHILE);
    assert_eq!(tree.cpu_time().expect("read").used, before.used);
    assert!(tree.pause().is_ok(), "twice is fine");
    tree.resume().expect("resumed");
    until("they run again", || tree.cpu_time().expect("read").used > before.used);
}

fn a_paused_node_dies() {
    let folder = tempfile::tempdir().expect("a folder");
    let tree = forkers(&folder.path().join("counters"));
    tree.pause().expect("paused");
    assert!(tree.kill().expect("killed").processes >= 6);
    assert_eq!(tree.ended(), Some(End::Killed));
}

/// Beside a twin that nothing stops, as what the two get depends on what else the machine does. While it is so busy
/// that the twin hardly runs, nothing can be said; a throttle that does nothing would give both the same for ever.
fn a_throttle_leaves_a_share() {
    let throttled = program("spin", &[]).spawn_blocking().expect("started");
    let twin = program("spin", &[]).spawn_blocking().expect("started");
    // Long pulses, so that each lasts for several rounds of all that want the processor.
    let period = Duration::from_millis(500);
    throttled.throttle(20, period).expect("throttled");
    until("it has a tenth to three tenths of what its twin has", || {
        let ratio = ratio_over(4 * period, &throttled, &twin);
        (0.1..=0.3).contains(&ratio)
    });
    assert!(throttled.pulses().expect("told") >= 3, "{:?}", throttled.pulses());
    for (percent, period) in [(0, period), (101, period), (20, Duration::ZERO), (20, Duration::from_secs(2))] {
        assert!(matches!(throttled.throttle(percent, period), Err(NodeError::Value(_))));
    }
    throttle_ends(&throttled);
}

/// Processor time of one node as a share of another one's, over a time.
fn ratio_over(time: Duration, one: &Tree, other: &Tree) -> f64 {
    let read = || (one.cpu_time().expect("read"), other.cpu_time().expect("read"));
    let (one, other) = read();
    sleep(time);
    let (one_then, other_then) = read();
    let share = |then: CpuTime, now: CpuTime| then.share_since(&now).expect("time has passed");
    let (one, other) = (share(one_then, one), share(other_then, other));
    println!("    {one:.3} processors beside {other:.3}: {:.1} %", one / other * 100.0);
    one / other
}

fn throttle_ends(throttled: &Tree) {
    throttled.throttle(100, PERIOD).expect("no more");
    let (pulses, before) = (throttled.pulses().expect("told"), throttled.cpu_time().expect("read").used);
    until("it runs again", || throttled.cpu_time().expect("read").used > before + A_WHILE);
    assert_eq!(throttled.pulses().expect("told"), pulses);
}

fn a_pause_outlasts_a_throttle() {
    let tree = program("spin", &[]).spawn_blocking().expect("started");
    tree.throttle(50, PERIOD).expect("throttled");
    tree.pause().expect("paused");
    let (used, pulses) = (tree.cpu_time().expect("read").used, tree.pulses().expect("told"));
    sleep(3 * A_WHILE);
    assert_eq!((tree.cpu_time().expect("read").used, tree.pulses().expect("told")), (used, pulses));
    tree.resume().expect("resumed");
    until("it runs in pulses again", || tree.pulses().expect("told") > pulses + 2);
    assert!(tree.cpu_time().expect("read").used > used);
}

/// What the program reports from now on, in whole lines.
fn reported(report: &Path) -> impl FnMut() -> Option<(usize, i32)> {
    let from = length(report);
    let report = report.to_owned();
    move || {
        let text = fs::read_to_string(&report).ok()?;
        // The first line may have begun before.
        let new = text.get(usize::try_from(from).ok()?..)?.split_once('\n')?.1;
        let (count, error) = new.split_once('\n')?.0.split_once(' ')?;
        Some((count.parse().ok()?, error.parse().ok()?))
    }
}

fn descriptors_run_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let report = folder.path().join("report");
    let tree = program("open", &[report.to_str().expect("text")]).spawn_blocking().expect("started");
    let expect = |what: &str, condition: &dyn Fn(usize, i32) -> bool| {
        let mut next = reported(&report);
        until(what, || next().is_some_and(|(count, error)| condition(count, error)));
    };
    expect("200 files are open", &|count, error| count == 200 && error == 0);
    let limited = tree.limit(Limit::FileDescriptors, Some(50)).expect("limited");
    assert!(limited.processes == 1 && limited.before.is_none_or(|before| before > 200), "{limited:?}");
    expect("EMFILE", &|count, error| (40..50).contains(&count) && error == EMFILE);
    tree.limit(Limit::FileDescriptors, limited.before).expect("lifted");
    expect("200 files are open again", &|count, error| count == 200 && error == 0);
}

fn memory_runs_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().join("output");
    // The shell's `read` waits until the limit is set; then a text of 64 MiB in its memory is too much.
    let script = "read go < go; text=$(head -c 67108864 /dev/zero | tr '\\0' x); echo ${#text}";
    let fifo = folder.path().join("go");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("a fifo");
    let start = || {
        let mut command = shell(script, &output);
        command.current_dir(folder.path()).stderr(fs::File::create(folder.path().join("errors")).expect("a file"));
        command.spawn_blocking().expect("started")
    };
    let go = || fs::write(&fifo, "go\n").expect("the shell reads");
    let tree = start();
    go();
    assert_eq!(tree.wait(LIMIT), Some(End::Program(Default::default())));
    assert_eq!(fs::read_to_string(&output).expect("written").trim(), "67108864");
    let tree = start();
    tree.limit(Limit::AddressSpace, Some(32 << 20)).expect("limited");
    go();
    assert!(matches!(tree.wait(LIMIT), Some(End::Program(status)) if !status.success()), "{:?}", tree.ended());
    assert!(!fs::read_to_string(&output).expect("written").contains("67108864"));
}

fn a_limit_reaches_all_that_forks() {
    let folder = tempfile::tempdir().expect("a folder");
    let tree = forkers(&folder.path().join("counters"));
    let limited = tree.limit(Limit::FileDescriptors, Some(77)).expect("limited");
    assert!(limited.processes >= 6, "{limited:?}");
    for _ in 0..20 {
        for process in living(&tree) {
            let Ok(limits) = fs::read_to_string(format!("/proc/{}/limits", process.pid)) else { continue };
            let Some(line) = limits.lines().find(|line| line.starts_with("Max open files")) else { continue };
            assert_eq!(line.split_whitespace().nth(3), Some("77"), "{process:?}");
        }
    }
}

fn a_node_is_preferred_for_oom() {
    let folder = tempfile::tempdir().expect("a folder");
    let tree = shell("sleep 1000 & sleep 1000", &folder.path().join("output")).spawn_blocking().expect("started");
    until("all are there", || living(&tree).len() == 3);
    let adjustment =
        |pid: i32| fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).expect("read").trim().to_owned();
    let before = adjustment(living(&tree)[0].pid);
    assert_eq!(tree.prefer_for_oom(900).expect("set"), 3);
    assert!(living(&tree).iter().all(|process| adjustment(process.pid) == "900"));
    assert!(adjustment(tree.init_pid()) == before, "init is not the one to be killed");
    assert!(matches!(tree.prefer_for_oom(1001), Err(NodeError::Value(_))));
}

fn threads_are_confined_and_idle() {
    let tree = program("threads", &["4"]).spawn_blocking().expect("started");
    until("they run", || living(&tree).iter().any(|process| process.threads == 4));
    assert_eq!(tree.confine(&[0]).expect("confined"), 4);
    let threads = format!("/proc/{}/task", living(&tree)[0].pid);
    let read = |file: &str| {
        let entries = fs::read_dir(&threads).expect("read");
        let texts = entries.map(|entry| fs::read_to_string(entry.expect("read").path().join(file)).expect("read"));
        texts.collect::<Vec<String>>()
    };
    assert!(read("status").iter().all(|status| status.contains("Cpus_allowed_list:\t0\n")));
    assert!(tree.confine(&[]).is_err() && tree.confine(&[100_000]).is_err());
    assert_eq!(tree.run_when_idle().expect("idle"), 4);
    let policy = |stat: &String| stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(38)).map(str::to_owned);
    assert!(read("stat").iter().all(|stat| policy(stat).as_deref() == Some("5")), "{:?}", read("stat"));
}

fn a_tmpfs_is_full() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("data");
    fs::create_dir(&place).expect("made");
    let output = folder.path().join("output");
    let start = |name: &str, arguments: &[&str]| {
        let mut command = program(name, arguments);
        command.tmpfs(&place, 1 << 20).stdout(fs::File::create(&output).expect("a file"));
        command.spawn_blocking().expect("started")
    };
    let filled = place.join("file");
    start("fill", &[filled.to_str().expect("text")]).wait(LIMIT).expect("it ends");
    assert_eq!(fs::read_to_string(&output).expect("written").trim(), format!("{} {ENOSPC}", 1 << 20));
    let usage = start("spin", &[]).usage(&place).expect("seen from outside");
    assert_eq!((usage.bytes, usage.bytes_used()), (1 << 20, 0), "it went with the node");
    assert_eq!(fs::read_dir(&place).expect("read").count(), 0, "nothing of it was outside");
}

fn a_sized_disk_stays_and_fills() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = SizedDisk::mount(folder.path().join("disk"), 1 << 20).expect("mounted");
    let write = format!("head -c 524288 /dev/zero > {}/$$.half && echo written", disk.path().display());
    assert_eq!(run(|_| {}, &write).1, "written\n");
    assert_eq!(disk.usage().expect("read").bytes_used(), 524_288, "it stays when the node has ended");
    disk.resize(524_288).expect("smaller");
    let grow = format!("echo x 2>&1 > {}/more || echo full", disk.path().display());
    assert!(run(|_| {}, &grow).1.ends_with("full\n"));
    assert!(disk.resize(4096).is_err(), "smaller than what is used");
    assert!(disk.resize(0).is_err() && SizedDisk::mount(folder.path().join("none"), 0).is_err());
    disk.resize(1 << 20).expect("larger");
    assert_eq!(run(|_| {}, &write.replace("$$", "other")).1, "written\n");
    assert_eq!(disk.usage().expect("read").bytes_free, 0);
    let path = disk.path().to_owned();
    let began = Instant::now();
    drop(disk);
    assert_eq!(fs::read_dir(path).expect("the folder is left").count(), 0, "after {:?}", began.elapsed());
}
