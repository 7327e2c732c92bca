//! Runs whose nodes live in namespaces of their own: what only they can have done to them, and that nothing is left.
//!
//! Where a machine refuses namespaces, `dissensus doctor` says so; the tests then say so, too, and do nothing.

mod support;

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use checker::verdict::{Outcome, Verdict};
use nix::sys::signal::Signal;
use serde_json::Value;

use support::{BENCH, Bench, Ended, Scratch, bench, eventually, found, one_cluster_at_a_time};

/// One fault of each of what a proxy and signals cannot do: disks, limits, packets, clients.
const PLAN: &str = r#"
version = 1
seed = 1
[[fault]]
id = 1
at_ms = 300
for_ms = 300
kind = "power"
nodes = ["n1", "n2", "n3"]
[[fault]]
id = 2
at_ms = 1500
for_ms = 500
kind = "file-limit"
nodes = ["n2"]
more_files = 1000
[[fault]]
id = 3
at_ms = 2500
for_ms = 400
kind = "pause"
nodes = ["n3"]
[[fault]]
id = 4
at_ms = 3500
for_ms = 400
kind = "crash-in-start"
nodes = ["n1"]
after_ms = 1
"#;

/// What every run in namespaces needs, as `dissensus doctor` names it.
const NAMESPACES: [&str; 5] = ["user-namespace", "mount-namespace", "pid-namespace", "network-namespace", "tun"];

/// Whether this machine has what a run in namespaces needs.
fn is_possible(scratch: &Scratch) -> bool {
    has(&bench(scratch.path(), ["doctor"]), &[&NAMESPACES[..], &["fuse"]].concat())
}

fn has(doctor: &Ended, needed: &[&str]) -> bool {
    let refused = |line: &&str| line.contains("no: ") && needed.iter().any(|name| line.contains(name));
    let missing: Vec<&str> = doctor.stdout.lines().filter(refused).collect();
    if !missing.is_empty() {
        eprintln!("this machine refuses namespaces, so nothing is tested in them: {missing:?}");
    }
    missing.is_empty()
}

fn evidence(run: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run.join("evidence.json")).expect("the run has evidence");
    serde_json::from_str(&text).expect("it is a list")
}

#[test]
fn the_bundled_nodes_suffer_what_only_namespaces_allow() {
    let scratch = Scratch::new();
    if !is_possible(&scratch) {
        return;
    }
    let _guard = one_cluster_at_a_time();
    let plan = scratch.file("plan.toml", PLAN);
    let plan = plan.display().to_string();
    let words = ["run", "--net", "netns", "--nodes", "3", "--plan", &plan, "--time-limit", "5s", "--seed", "1"];
    let ended = bench(scratch.path(), words);
    let run = scratch.join("store/latest");
    let evidence = evidence(&run);
    let shown = || format!("{}\n{}\n{evidence:#?}", ended.stdout, ended.stderr);
    assert_eq!(evidence.len(), 4, "{}", shown());
    assert!(evidence.iter().all(|fault| fault["proved"] == true), "{}", shown());
    assert!(!ended.stdout.contains("INVALID"), "{}", shown());
    let trace = fs::read(run.join("trace.pcapng")).expect("every packet is recorded");
    let noted = |text: &[u8]| trace.windows(text.len()).any(|window| window == text);
    assert!(noted(b"start-power") && noted(b"stop-power"), "the trace names the faults");
    assert!(fs::read_dir(run.join("nodes/n1/data")).expect("its files stay").next().is_some());
}

/// The power of all nodes fails in the middle of the load; later one is paused, so that operations succeed under a fault.
const POWER: &str = r#"
version = 1
seed = 1
[[fault]]
id = 1
at_ms = 1000
for_ms = 300
kind = "power"
nodes = ["n1", "n2", "n3"]
[[fault]]
id = 2
at_ms = 2000
for_ms = 300
kind = "pause"
nodes = ["n3"]
"#;

/// What a power failure of all nodes does to the bundled ones, as a verdict and the bytes that were not synced; none where
/// this machine refuses namespaces.
fn power_failure(engine: &str, options: &[&str]) -> Option<(Verdict, u64)> {
    let scratch = Scratch::new();
    if !is_possible(&scratch) {
        return None;
    }
    let _guard = one_cluster_at_a_time();
    let plan = scratch.file("plan.toml", POWER).display().to_string();
    let words = ["run", "--net", "netns", "--nodes", "3", "--engine", engine, "--workload", "set", "--plan", &plan];
    let words = words.iter().chain(&["--time-limit", "3s", "--seed", "1", "--json"]).chain(options);
    let ended = bench(scratch.path(), words);
    let verdict: Verdict =
        serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("a verdict: {}", ended.stderr));
    assert!(verdict.faults.len() == 2 && verdict.faults.iter().all(|fault| fault.proved), "{:?}", verdict.faults);
    assert_eq!(ended.code() == 1, verdict.outcome == Outcome::Invalid);
    let power = evidence(&scratch.join("store/latest")).into_iter().find(|fault| fault["kind"] == "power");
    let power = power.expect("the fault that was planned");
    Some((verdict, power["figures"]["lost_bytes"].as_u64().unwrap_or(0)))
}

/// The properties that a verdict finds broken.
fn broken(verdict: &Verdict) -> Vec<&str> {
    let broken = verdict.properties.iter().filter(|found| found.claimed && found.outcome == Outcome::Invalid);
    broken.map(|found| found.property.name()).collect()
}

/// Until there were disks of the bench's, neither arena could tell whether the engines sync.
#[test]
fn engines_that_never_sync_lose_what_they_acknowledged_when_the_power_fails() {
    for engine in ["redb", "fjall"] {
        let Some((verdict, lost_bytes)) = power_failure(engine, &["--bug", "no-sync"]) else { return };
        assert!(broken(&verdict).contains(&"no-lost-writes"), "{engine}: {:?}", verdict.reasons);
        assert!(lost_bytes > 0, "{engine}: {:?}", verdict.faults);
    }
}

#[test]
fn engines_that_sync_lose_nothing_when_the_power_fails() {
    for engine in ["redb", "fjall"] {
        let Some((verdict, _)) = power_failure(engine, &[]) else { return };
        assert_ne!(verdict.outcome, Outcome::Invalid, "{engine}: {:?}", verdict.reasons);
        let acknowledged: u64 = verdict.statistics.iter().filter(|of| of.f == "add").map(|of| of.ok).sum();
        assert!(acknowledged > 0, "{engine}: {:?}", verdict.statistics);
    }
}

/// Its disks are mounted in namespaces that live as long as a process in them.
fn is_mounted_anywhere(below: &Path) -> bool {
    let below = below.display().to_string();
    let processes = fs::read_dir("/proc").expect("there are processes").filter_map(Result::ok);
    let mut mounts = processes.filter_map(|process| fs::read_to_string(process.path().join("mountinfo")).ok());
    mounts.any(|mounts| mounts.contains(&below))
}

#[test]
fn nothing_is_left_when_the_bench_is_killed() {
    let scratch = Scratch::new();
    if !is_possible(&scratch) {
        return;
    }
    let _guard = one_cluster_at_a_time();
    let words = ["run", "--net", "netns", "--nodes", "3", "--nemesis", "none", "--time-limit", "600s"];
    let mut running = Bench::start(scratch.path(), words);
    let history = scratch.join("store/latest/history.jsonl");
    running.wait_until("operations are recorded", || fs::metadata(&history).is_ok_and(|file| file.len() > 10_000));
    assert!(is_mounted_anywhere(scratch.path()), "the nodes' disks are mounted while they run");
    running.signal(Signal::SIGKILL);
    eventually("no disk is mounted and no process lives that sees one", || !is_mounted_anywhere(scratch.path()));
}

/// Syncs are slow, then they fail, and at last writes do.
const CALLS: &str = r#"
version = 1
seed = 1
[[fault]]
id = 1
at_ms = 500
for_ms = 1500
kind = "slow-disk"
nodes = ["n1", "n2", "n3"]
latency_ms = 20
[[fault]]
id = 2
at_ms = 2500
for_ms = 1000
kind = "sync-fail"
nodes = ["n2"]
[[fault]]
id = 3
at_ms = 4500
for_ms = 1000
kind = "write-error"
nodes = ["n3"]
error_percent = 50
"#;

/// Runs the bench where `/dev/fuse` is a socket, which nobody can open; none where no such place can be made.
fn without_fuse(scratch: &Scratch, words: &[&str]) -> Option<Ended> {
    let socket = scratch.join("socket");
    if !socket.exists() {
        // It is the file that counts: it stays when nobody listens any more.
        drop(UnixListener::bind(&socket).expect("the test's directory can be written"));
    }
    let hiding = || {
        let mut command = Command::new("unshare");
        command.args([
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            "mount --bind \"$0\" /dev/fuse && exec \"$@\"",
        ]);
        command.arg(&socket);
        command
    };
    let probe = hiding().arg("true").output();
    if !probe.as_ref().is_ok_and(|output| output.status.success()) {
        eprintln!("/dev/fuse cannot be hidden here, so nothing is tested without it: {probe:?}");
        return None;
    }
    let mut command = hiding();
    command.arg(BENCH);
    Some(Bench::start_by(scratch.path(), command, words).end())
}

#[test]
fn without_fuse_calls_fail_and_syncs_are_slow() {
    let scratch = Scratch::new();
    let Some(doctor) = without_fuse(&scratch, &["doctor"]) else { return };
    if !has(&doctor, &[&NAMESPACES[..], &["seccomp-notification"]].concat()) {
        return;
    }
    assert!(doctor.stdout.contains("by a listener to system calls"), "{doctor:?}");
    let _guard = one_cluster_at_a_time();
    let plan = scratch.file("plan.toml", CALLS).display().to_string();
    let words = ["run", "--net", "netns", "--nodes", "3", "--plan", &plan, "--time-limit", "7s", "--seed", "1"];
    let ended = without_fuse(&scratch, &words).expect("it was possible a moment ago");
    let evidence = evidence(&scratch.join("store/latest"));
    let shown = || format!("{}\n{}\n{evidence:#?}", ended.stdout, ended.stderr);
    assert_eq!(evidence.len(), 3, "{}", shown());
    assert!(evidence.iter().all(|fault| fault["proved"] == true), "{}", shown());
    assert!(!ended.stdout.contains("INVALID"), "{}", shown());
    let refused = without_fuse(&scratch, &["run", "--net", "netns", "--nemesis", "disk:power"]).expect("as before");
    assert!(refused.stderr.contains("/dev/fuse cannot be opened"), "{refused:?}");
    assert_eq!((refused.code(), refused.stderr.lines().count()), (254, 1), "{refused:?}");
}

/// What a run of a system that is installed here comes to under a plan; none where it is not installed.
fn verdict(system: &str, program: &str, plan: &str, options: &[&str]) -> Option<Verdict> {
    let scratch = Scratch::new();
    if !is_possible(&scratch) {
        return None;
    }
    let binaries = found(program)?;
    let _guard = one_cluster_at_a_time();
    let plan = scratch.file("plan.toml", plan).display().to_string();
    let usual = ["run", "--system", system, "--plan", &plan, "--seed", "1", "--json"];
    let words = usual.iter().chain(options).map(|word| (*word).to_owned()).chain(binaries);
    let ended = bench(scratch.path(), words);
    Some(serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("a verdict: {}", ended.stderr)))
}

/// What an unmodified program can suffer that the bundled one takes part in: its clock; and what it cannot know of.
const FOREIGN: &str = r#"
version = 1
seed = 1
[[fault]]
id = 1
at_ms = 300
for_ms = 500
kind = "clock-bump"
nodes = ["n1"]
offset_ms = 5000
[[fault]]
id = 2
at_ms = 8000
for_ms = 500
kind = "power"
nodes = ["n1", "n2", "n3"]
[[fault]]
id = 3
at_ms = 10500
for_ms = 500
kind = "kill"
nodes = ["n2"]
"#;

/// A new member takes the place of a dead one.
const REPLACED: &str = r#"
[[fault]]
id = 4
at_ms = 3000
for_ms = 500
kind = "replace"
nodes = ["n3"]
"#;

#[test]
fn etcd_loses_nothing_when_a_member_is_replaced_and_when_the_power_of_all_nodes_fails() {
    let Some(verdict) = verdict("etcd", "etcd", &format!("{FOREIGN}{REPLACED}"), &["--time-limit", "12s"]) else {
        return;
    };
    assert_ne!(verdict.outcome, Outcome::Invalid, "{:?}", verdict.reasons);
    assert!(verdict.faults.len() == 4 && verdict.faults.iter().all(|fault| fault.proved), "{:?}", verdict.faults);
    let claimed: Vec<_> = verdict.properties.iter().filter(|found| found.claimed).collect();
    assert!(claimed.iter().any(|found| found.property.name() == "linearizable"), "{claimed:?}");
}

/// NATS JetStream syncs every two minutes unless it is told otherwise: what it acknowledged between is in no file.
#[test]
fn nats_that_does_not_sync_loses_its_streams_when_the_power_of_all_nodes_fails() {
    let Some(verdict) = verdict("nats", "nats-server", FOREIGN, &["--time-limit", "12s"]) else { return };
    assert!(verdict.faults.iter().all(|fault| fault.proved), "{:?}", verdict.faults);
    let acknowledged: u64 = verdict.statistics.iter().filter(|of| of.f == "send").map(|of| of.ok).sum();
    assert!(acknowledged > 0, "it was there: {:?}", verdict.statistics);
    assert_eq!(verdict.outcome, Outcome::Invalid, "{:?}", verdict.reasons);
}

/// All power is gone for a moment.
const POWER_OF_ONE: &str = r#"
version = 1
seed = 1
[[fault]]
id = 1
at_ms = 2000
for_ms = 500
kind = "power"
nodes = ["n1"]
"#;

#[test]
fn redis_that_syncs_each_write_loses_nothing_when_its_power_fails() {
    let options = ["--net", "netns", "--workload", "kv-set,cas-register,queue", "--time-limit", "5s"];
    let Some(verdict) = verdict("redis", "redis-server", POWER_OF_ONE, &options) else { return };
    assert_ne!(verdict.outcome, Outcome::Invalid, "{:?}", verdict.reasons);
    assert!(verdict.faults.len() == 1 && verdict.faults.iter().all(|fault| fault.proved), "{:?}", verdict.faults);
    let claimed: Vec<_> = verdict.properties.iter().filter(|found| found.claimed).collect();
    assert!(claimed.iter().all(|found| found.outcome == Outcome::Valid), "{claimed:?}");
    for name in ["set-full", "linearizable", "total-queue"] {
        assert!(claimed.iter().any(|found| found.property.name() == name), "{name}: {claimed:?}");
    }
}

/// A partition of the master of three nodes, and of the Sentinel beside it, from all others, for so long that these
/// make another master.
fn master_is_cut_off() -> String {
    let (inside, outside) = (["n1", "s1"], ["n2", "n3", "s2", "s3"]);
    let pairs = inside.iter().flat_map(|one| outside.iter().map(move |other| (one, other)));
    let links: Vec<String> =
        pairs.flat_map(|(one, other)| [format!("{one} -> {other}"), format!("{other} -> {one}")]).collect();
    let fault = "id = 1\nat_ms = 1000\nfor_ms = 5000\nkind = \"partition\"\nshape = \"majority-minority\"";
    format!("version = 1\nseed = 1\n[[fault]]\n{fault}\nlinks = {links:?}\n")
}

/// Redis replicates after it has acknowledged: what the old master was given is gone when it follows the new one.
#[test]
fn redis_loses_what_a_master_acknowledges_that_is_cut_off() {
    let options = ["--sentinel", "--workload", "kv-set", "--require", "set-full", "--time-limit", "8s"];
    let Some(verdict) = verdict("redis", "redis-server", &master_is_cut_off(), &options) else { return };
    assert!(verdict.faults.len() == 1 && verdict.faults.iter().all(|fault| fault.proved), "{:?}", verdict.faults);
    assert_eq!(verdict.outcome, Outcome::Invalid, "{:?}", verdict.reasons);
    assert!(
        verdict.reasons.iter().any(|reason| reason.contains("set-full") && reason.contains("lost")),
        "{:?}",
        verdict.reasons
    );
    let of_claims = verdict.properties.iter().filter(|found| found.claimed && found.property.name() != "set-full");
    assert!(of_claims.clone().all(|found| found.outcome == Outcome::Valid), "{:?}", of_claims.collect::<Vec<_>>());
}

/// Where Debian's packages have the server, below a directory where they are unpacked.
const POSTGRES: &str = "usr/lib/postgresql/15/bin/postgres";

/// Nothing that is claimed is broken, these properties of these workloads are claimed and hold, and all faults are proved.
fn keeps_its_claims(verdict: &Verdict, properties: &[(&str, &str)]) {
    assert_ne!(verdict.outcome, Outcome::Invalid, "{:?}", verdict.reasons);
    assert!(verdict.faults.iter().all(|fault| fault.proved), "{:?}", verdict.faults);
    for (name, workload) in properties {
        let mut found = verdict.properties.iter().filter(|found| found.claimed && found.property.name() == *name);
        let found = found.find(|found| found.workload.as_deref() == Some(*workload));
        let found = found.unwrap_or_else(|| panic!("{name} of {workload} is claimed"));
        assert_eq!(found.outcome, Outcome::Valid, "{found:?}");
    }
}

/// The log is synced before a commit is acknowledged, and transactions are as isolated as they ask to be.
#[test]
fn postgres_loses_nothing_and_isolates_transactions_when_its_power_fails() {
    let options = ["--workload", "cas-register,kv-set,kv-counter,append,bank", "--time-limit", "6s"];
    let Some(verdict) = verdict("postgres", POSTGRES, POWER_OF_ONE, &options) else { return };
    assert_eq!(verdict.faults.len(), 1, "{:?}", verdict.faults);
    let properties = [
        ("linearizable", "cas-register"),
        ("set-full", "kv-set"),
        ("linearizable", "kv-counter"),
        ("serializable", "append"),
        ("bank", "bank"),
    ];
    keeps_its_claims(&verdict, &properties);
}

/// For so long that a standby is promoted, and the old primary acknowledges what nobody else has.
const PRIMARY_CUT_OFF: &str = r#"
version = 1
seed = 1
[[fault]]
id = 1
at_ms = 1000
for_ms = 7000
kind = "partition"
shape = "majority-minority"
links = ["n1 -> n2", "n1 -> n3", "n2 -> n1", "n3 -> n1"]
"#;

#[test]
fn postgres_loses_what_a_primary_acknowledges_that_is_cut_off() {
    let options = ["--nodes", "3", "--workload", "kv-set", "--require", "set-full", "--time-limit", "10s"];
    let Some(verdict) = verdict("postgres", POSTGRES, PRIMARY_CUT_OFF, &options) else { return };
    assert!(verdict.faults.len() == 1 && verdict.faults.iter().all(|fault| fault.proved), "{:?}", verdict.faults);
    assert_eq!(verdict.outcome, Outcome::Invalid, "{:?}", verdict.reasons);
    let is_lost = |reason: &String| reason.contains("set-full") && reason.contains("lost");
    assert!(verdict.reasons.iter().any(is_lost), "{:?}", verdict.reasons);
}

/// InnoDB's REPEATABLE READ reads a snapshot, and overwrites what it does not show: nothing is wrong with the network.
#[test]
fn galera_loses_updates_in_a_healthy_cluster() {
    let options = ["--workload", "append", "--require", "snapshot-isolation", "--time-limit", "5s"];
    let Some(verdict) = verdict("galera", "mariadbd", "version = 1\nseed = 1\n", &options) else { return };
    assert_eq!(verdict.outcome, Outcome::Invalid, "{:?}", verdict.reasons);
    assert!(verdict.reasons.iter().any(|reason| reason.contains("snapshot-isolation")), "{:?}", verdict.reasons);
    let of_claims = verdict.properties.iter().filter(|found| found.claimed);
    let others = of_claims.filter(|found| found.property.name() != "snapshot-isolation");
    assert!(others.clone().all(|found| found.outcome == Outcome::Valid), "{:?}", others.collect::<Vec<_>>());
}

/// One node that is told to isolate transactions does, and syncs them.
#[test]
fn a_single_mariadb_loses_nothing_and_isolates_transactions_when_its_power_fails() {
    let workloads = "cas-register,kv-set,kv-counter,append,bank";
    let options = ["--nodes", "1", "--workload", workloads, "--time-limit", "6s"];
    let Some(verdict) = verdict("galera", "mariadbd", POWER_OF_ONE, &options) else { return };
    assert_eq!(verdict.faults.len(), 1, "{:?}", verdict.faults);
    let properties = [
        ("linearizable", "cas-register"),
        ("set-full", "kv-set"),
        ("linearizable", "kv-counter"),
        ("serializable", "append"),
        ("bank", "bank"),
    ];
    keeps_its_claims(&verdict, &properties);
}
