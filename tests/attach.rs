//! Clusters that run already, which are started here as their user would: what is done to them are shell commands, and what
//! proves it is one as well. What needs Python, Redis or namespaces says so where there is none, and does nothing.

mod support;

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use checker::verdict::{Outcome, PropertyResult, Verdict};
use nix::sys::signal::Signal;
use support::{BENCH, Bench, Scratch, bench, eventually, found, one_cluster_at_a_time, programs_in, within};

/// A fault of n1: `FOR_MS` is how long it lasts.
const PLAN: &str = r#"
version = 1
seed = 1
[[fault]]
id = 1
at_ms = 500
for_ms = FOR_MS
kind = "command"
name = "cut-off"
nodes = ["n1"]
"#;

/// It is in force while there is the file `cut-n1`.
const FAULT: &str = r#"
[[faults]]
name = "cut-off"
begin = ["sh", "-c", "echo begin >> did; touch cut-{node}"]
end = ["sh", "-c", "echo end >> did; rm -f cut-{node}"]
measure = ["sh", "-c", "ls cut-{node}"]
"#;

/// A file of docs/custom.
fn example(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/custom").join(name)
}

/// The server of docs/custom.md, one node of it, and a file that attaches it with such faults.
struct Attached {
    server: Child,
    scratch: Scratch,
}

impl Attached {
    /// None where there is no Python.
    fn new(faults: &str, for_ms: u64) -> Option<Self> {
        let scratch = Scratch::new();
        let free = TcpListener::bind(("127.0.0.1", 0)).and_then(|bound| bound.local_addr()).expect("a free port");
        let mut server = Command::new("python3");
        server.arg(example("kv.py")).args([&free.to_string(), ""]).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(server) = server.spawn() else {
            eprintln!("not tested: there is no python3");
            return None;
        };
        let attached = Self { server, scratch };
        eventually("the server serves", || TcpStream::connect(free).is_ok());
        attached.describe(free, faults);
        attached.scratch.file("plan.toml", PLAN.replace("FOR_MS", &for_ms.to_string()));
        Some(attached)
    }

    fn describe(&self, at: SocketAddr, faults: &str) {
        let started = fs::read_to_string(example("kv.toml")).expect("it is there");
        let (_, operations) = started.split_once("[operations").expect("it has operations");
        let text = format!("[cluster]\nattach = [\"{at}\"]\n[operations{operations}\n{faults}");
        self.scratch.file("attached.toml", text);
    }

    fn words(more: &[&str]) -> Vec<String> {
        let words = ["run", "--system", "custom", "--config", "attached.toml", "--seed", "1", "--plan", "plan.toml"];
        words.iter().chain(more).map(|word| (*word).to_owned()).collect()
    }

    fn verdict(&self) -> Verdict {
        let ended = bench(self.scratch.path(), Self::words(&["--json", "--time-limit", "3s"]));
        assert!(programs_in(self.scratch.path()).is_empty(), "nothing is left running");
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
    }

    /// Whether the fault is in force.
    fn is_cut(&self) -> bool {
        self.scratch.join("cut-n1").exists()
    }

    /// Which commands were run, without those that measure.
    fn did(&self) -> String {
        fs::read_to_string(self.scratch.join("did")).unwrap_or_default().replace('\n', " ")
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn property<'v>(verdict: &'v Verdict, name: &str) -> &'v PropertyResult {
    let is = |found: &&PropertyResult| found.property.name() == name && found.claimed;
    verdict.properties.iter().find(is).unwrap_or_else(|| panic!("{name} is claimed: {verdict:?}"))
}

/// The second run finds what the first has written, under other keys.
#[test]
fn a_fault_by_commands_is_proved_and_a_cluster_can_be_attached_again() {
    let _guard = one_cluster_at_a_time();
    let Some(attached) = Attached::new(FAULT, 500) else { return };
    for _ in 0..2 {
        let verdict = attached.verdict();
        assert_eq!(verdict.outcome, Outcome::Valid, "{:?}", verdict.reasons);
        assert_eq!(property(&verdict, "linearizable").outcome, Outcome::Valid, "{:?}", verdict.reasons);
        let fault = &verdict.faults[0];
        assert!(fault.proved && fault.evidence.contains("n1 (cut-n1)"), "{fault:?}");
        assert!(!attached.is_cut());
    }
    assert_eq!(attached.did(), "begin end begin end ");
    let printed = attached.scratch.join("store/latest/commands/001-measure-cut-off-n1.log");
    assert!(fs::read_to_string(printed).is_ok_and(|text| text.contains("cut-n1")), "what a command prints is kept");
}

#[test]
fn a_measure_that_measures_nothing_proves_nothing() {
    let _guard = one_cluster_at_a_time();
    let measure = "[\"sh\", \"-c\", \"ls cut-{node}\"]";
    for (instead, says) in [
        ("[\"true\"]", "its measure says so before it was begun: n1"),
        ("[\"false\"]", "its measure never says so of n1"),
        ("[\"no-such-program\"]", "it could not be measured before: its measure of n1 could not be run"),
        ("[\"sh\", \"-c\", \"ls did\"]", "its measure still says so once it was ended: n1 (did)"),
    ] {
        let Some(attached) = Attached::new(&FAULT.replace(measure, instead), 500) else { return };
        let verdict = attached.verdict();
        assert_eq!(verdict.outcome, Outcome::Inconclusive, "{instead}: {:?}", verdict.reasons);
        let fault = &verdict.faults[0];
        assert!(!fault.proved && fault.evidence.contains(says), "{instead}: {fault:?}");
        assert_eq!(attached.did(), "begin end ", "{instead}");
    }
}

#[test]
fn what_does_not_begin_is_ended_and_what_does_not_end_is_said_with_the_command() {
    let _guard = one_cluster_at_a_time();
    let Some(attached) = Attached::new(&FAULT.replace("touch cut-{node}", "touch cut-{node}; echo half; exit 3"), 500)
    else {
        return;
    };
    let verdict = attached.verdict();
    let says = "it could not be started: its begin of n1 ended with exit code 3: half";
    assert!(verdict.faults[0].evidence.contains(says), "{:?}", verdict.faults);
    assert_eq!((attached.did().as_str(), attached.is_cut()), ("begin end ", false));

    let Some(attached) = Attached::new(&FAULT.replace("rm -f cut-{node}", "echo stuck; exit 4"), 500) else { return };
    let verdict = attached.verdict();
    let by_hand = format!("run it by hand: cd {} && sh -c 'echo end", attached.scratch.path().display());
    assert_eq!(verdict.outcome, Outcome::Inconclusive);
    let reason = verdict.reasons.iter().find(|reason| reason.contains(&by_hand));
    assert!(reason.is_some_and(|reason| reason.contains("ended with exit code 4: stuck")), "{:?}", verdict.reasons);
    assert_eq!(attached.did(), "begin end end end ", "with the fault, when all is healed, and when the bench ends");
}

/// Nobody is left to end the fault but the process that has begun it.
#[test]
fn a_bench_that_is_killed_leaves_no_fault_behind() {
    let _guard = one_cluster_at_a_time();
    let Some(attached) = Attached::new(FAULT, 60_000) else { return };
    let mut bench = Bench::start(attached.scratch.path(), Attached::words(&["--time-limit", "90s"]));
    bench.wait_until("the fault", || attached.is_cut());
    bench.signal(Signal::SIGKILL);
    within(Duration::from_secs(20), "the fault is ended", || !attached.is_cut());
    within(Duration::from_secs(20), "nothing runs", || programs_in(attached.scratch.path()).is_empty());
    assert_eq!(attached.did(), "begin end ");
}

/// The first interrupt heals; the second one gives up the run, and not the ends that are owed.
#[test]
fn a_bench_that_is_interrupted_ends_the_fault() {
    let _guard = one_cluster_at_a_time();
    for (end, interrupts) in [("rm -f cut-{node}", 1), ("sleep 1; rm -f cut-{node}", 2)] {
        let Some(attached) = Attached::new(&FAULT.replace("rm -f cut-{node}", end), 60_000) else { return };
        let mut bench = Bench::start(attached.scratch.path(), Attached::words(&["--time-limit", "90s"]));
        bench.wait_until("the fault", || attached.is_cut());
        for nth in 1..=interrupts {
            bench.signal(Signal::SIGINT);
            bench.wait_until("its end is being run", || nth == interrupts || attached.did().contains("end"));
        }
        let ended = bench.end();
        assert_eq!(ended.code(), if interrupts == 1 { 2 } else { 255 }, "{ended:?}");
        assert!(!attached.is_cut(), "{ended:?}");
    }
}

#[test]
fn what_cannot_be_done_to_a_cluster_that_runs_already_is_refused() {
    let _guard = one_cluster_at_a_time();
    let Some(attached) = Attached::new(FAULT, 500) else { return };
    let run = |more: &[&str]| {
        let words = ["run", "--system", "custom", "--config", "attached.toml"].iter().chain(more);
        bench(attached.scratch.path(), words.map(|word| (*word).to_owned()))
    };
    for (more, says) in [
        (&["--nemesis", "kill"][..], "cannot kill nodes and start them again: it runs already"),
        (&["--nemesis", "cut-on"], "unknown fault 'cut-on': known are"),
        (&["--nemesis", "command:cut-on"], "no fault is called cut-on: there are cut-off"),
        (&["--net", "netns"], "custom is attached, not started: leave out --net"),
        (&["--nodes", "2"], "--nodes is for nodes that are started"),
    ] {
        let ended = run(more);
        assert_eq!(ended.code(), 254, "{ended:?}");
        assert!(ended.stderr.contains(says), "{says}: {}", ended.stderr);
    }
    let up = bench(attached.scratch.path(), ["cluster", "up", "--system", "custom", "--config", "attached.toml"]);
    assert!(up.code() == 254 && up.stderr.contains("its nodes run already"), "{up:?}");
    let text = fs::read_to_string(attached.scratch.join("attached.toml")).expect("it is there");
    attached.scratch.file("attached.toml", text.replace("[cluster]", "[cluster]\nstop = \"term\""));
    let stopped = run(&[]);
    assert!(
        stopped.code() == 254 && stopped.stderr.contains("cluster.stop: it is about nodes that are"),
        "{stopped:?}"
    );
    let nowhere = TcpListener::bind(("127.0.0.1", 0)).and_then(|bound| bound.local_addr()).expect("a free port");
    attached.describe(nowhere, FAULT);
    let gone = run(&["--nemesis", "cut-off"]);
    assert!(gone.code() == 255 && gone.stderr.contains("n1 does not accept connections at 127.0.0.1:"), "{gone:?}");
}

/// A command that becomes the bench beside three Redis in namespaces of their own, as docs/custom.md says; none where this machine
/// has not what that needs.
fn lab(scratch: &Scratch) -> Option<Command> {
    let binaries = found("redis-server")?.get(1).map(PathBuf::from);
    let below = |part: &str| binaries.iter().map(|directory| directory.join(part)).collect::<Vec<_>>();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = [below("bin"), below("usr/bin"), std::env::split_paths(&path).collect()].concat();
    let libraries = below("usr/lib").into_iter().filter_map(|directory| fs::read_dir(directory).ok()).flatten();
    let libraries: Vec<PathBuf> = libraries.flatten().map(|entry| entry.path()).collect();
    let in_namespaces = || {
        let mut command = Command::new("unshare");
        command.args(["-Urn", "sh"]).env("PATH", std::env::join_paths(&path).expect("a path"));
        command.env("LD_LIBRARY_PATH", std::env::join_paths(&libraries).expect("a path")).env("TMPDIR", scratch.path());
        command
    };
    let needs = "command -v redis-cli && ip link add peers type bridge && ip link add a type veth peer name b && \
        unshare -n nsenter -t $$ -n true";
    let probe = in_namespaces().args(["-c", needs]).output();
    if !probe.as_ref().is_ok_and(|output| output.status.success()) {
        eprintln!("not tested: three Redis in namespaces cannot be had here: {probe:?}");
        return None;
    }
    let mut command = in_namespaces();
    command.arg(example("attached/lab.sh")).arg(BENCH);
    Some(command)
}

/// What a run beside three Redis comes to, with these arguments. Their failover believes that n1 is gone after so many misses.
fn run_in_lab(misses: &str, more: &[&str]) -> Option<Verdict> {
    let scratch = Scratch::new();
    let mut command = lab(&scratch)?;
    command.env("MISSES", misses);
    scratch.file("plan.toml", PLAN.replace("FOR_MS", "3000"));
    let config = example("attached/redis.toml").display().to_string();
    let words = ["run", "--system", "custom", "--config", &config, "--seed", "1", "--json", "--rest-limit", "1s"];
    let ended = Bench::start_by(scratch.path(), command, words.iter().chain(more)).end();
    assert!(programs_in(scratch.path()).is_empty(), "nothing is left running: {ended:?}");
    Some(serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}")))
}

/// The partition of the user makes two primaries, and what the old one acknowledged is lost when it follows the new one.
#[test]
fn the_split_brain_of_three_redis_that_run_already_is_found() {
    let _guard = one_cluster_at_a_time();
    let Some(verdict) = run_in_lab("3", &["--plan", "plan.toml", "--time-limit", "6s"]) else { return };
    let fault = &verdict.faults[0];
    assert!(fault.proved && fault.evidence.contains("n1 reaches none of the others"), "{fault:?}");
    assert_eq!(verdict.outcome, Outcome::Invalid, "{:?}", verdict.reasons);
    assert_eq!(property(&verdict, "set-full").outcome, Outcome::Invalid, "{:?}", verdict.reasons);
}

/// The same cluster, to which nothing is done; its failover waits as if for ever, however slow the machine is.
#[test]
fn three_redis_that_run_already_keep_their_promise_without_faults() {
    let _guard = one_cluster_at_a_time();
    let Some(verdict) = run_in_lab("1000000", &["--nemesis", "none", "--time-limit", "3s"]) else { return };
    assert_eq!(verdict.outcome, Outcome::Valid, "{:?}", verdict.reasons);
}
