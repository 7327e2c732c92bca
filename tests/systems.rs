//! What systems can do with their nodes as processes. Those that are programs of their own are tested where they are
//! installed: on the PATH, or in the directory that `DISSENSUS_BINARIES` names. Where one is not, its tests say so and do
//! nothing.

mod support;

use std::rc::Rc;
use std::time::Duration;

use checker::CheckName;
use checker::verdict::{Outcome, PropertyResult, Verdict};
use dissensus::arena::processes::{Ground, ProcessArena};
use dissensus::systems::System;
use dissensus::systems::dynamo::{Dynamo, DynamoSettings};

use nix::sys::signal::Signal;

use support::{BENCH, Bench, Scratch, bench, found, one_cluster_at_a_time, programs_in, within};

/// Two kills, so that what a node forgets when it ends shows.
const KILLS: &str = r#"
version = 1
seed = 1
[[fault]]
id = 1
at_ms = 500
for_ms = 300
kind = "kill"
nodes = ["n1"]
[[fault]]
id = 2
at_ms = 1500
for_ms = 300
kind = "kill"
nodes = ["n1"]
"#;

/// It knows nothing of the bench, and is gone with it all the same.
#[test]
fn redis_does_not_outlive_a_bench_that_is_killed() {
    let Some(binaries) = found("redis-server") else { return };
    let _guard = one_cluster_at_a_time();
    let scratch = Scratch::new();
    let words = ["run", "--system", "redis", "--nemesis", "none", "--time-limit", "60s"];
    let mut bench = Bench::start(scratch.path(), words.iter().map(|word| (*word).to_owned()).chain(binaries));
    let runs = || programs_in(scratch.path()).values().any(|command| command.contains("redis-server"));
    bench.wait_until("redis-server runs", runs);
    bench.signal(Signal::SIGKILL);
    within(Duration::from_secs(5), "it is gone", || programs_in(scratch.path()).is_empty());
}

/// What a run of one node comes to, with these arguments; its nodes are gone then. None where the program is not
/// installed.
fn run_of_one(system: &str, program: &str, arguments: &[&str]) -> Option<Verdict> {
    let binaries = found(program)?;
    let _guard = one_cluster_at_a_time();
    let scratch = Scratch::new();
    scratch.file("plan.toml", KILLS);
    let words = ["run", "--system", system, "--seed", "1", "--json"].into_iter().chain(arguments.iter().copied());
    let ended = bench(scratch.path(), words.map(str::to_owned).chain(binaries));
    assert!(programs_in(scratch.path()).is_empty(), "nothing is left running");
    Some(serde_json::from_str(&ended.stdout).expect("a verdict"))
}

/// What a run of Redis with two kills comes to.
fn redis(options: &[&str]) -> Option<Verdict> {
    run_of_one("redis", "redis-server", &[&["--plan", "plan.toml", "--time-limit", "3s"], options].concat())
}

/// Nothing that is claimed is broken, each of these properties is claimed and holds, and both kills are proved.
fn keeps_its_claims(verdict: &Verdict, properties: &[(CheckName, &str)]) {
    assert_ne!(verdict.outcome, Outcome::Invalid, "{:?}", verdict.reasons);
    assert!(verdict.faults.len() == 2 && verdict.faults.iter().all(|fault| fault.proved), "{:?}", verdict.faults);
    for (property, workload) in properties {
        let is = |found: &&PropertyResult| found.property == *property && found.workload.as_deref() == Some(*workload);
        let found = verdict.properties.iter().find(is).unwrap_or_else(|| panic!("{property} of {workload} is judged"));
        assert!(found.claimed && found.outcome == Outcome::Valid, "{found:?}");
    }
}

/// While the only node is down nothing succeeds, so the run as a whole may be inconclusive; each claim is valid.
#[test]
fn redis_with_a_file_loses_nothing_when_it_is_killed() {
    let Some(verdict) = redis(&["--workload", "set,register"]) else { return };
    let properties = [
        (CheckName::DURABILITY, "set"),
        (CheckName::NO_LOST_WRITES, "register"),
        (CheckName::READ_YOUR_WRITES, "register"),
    ];
    keeps_its_claims(&verdict, &properties);
}

#[test]
fn redis_does_each_command_once_and_keeps_it() {
    let Some(verdict) = redis(&["--workload", "cas-register,kv-set,kv-counter,queue"]) else { return };
    let properties = [
        (CheckName::LINEARIZABLE, "cas-register"),
        (CheckName::SET_FULL, "kv-set"),
        (CheckName::LINEARIZABLE, "kv-counter"),
        (CheckName::TOTAL_QUEUE, "queue"),
    ];
    keeps_its_claims(&verdict, &properties);
}

/// The history shows what the configuration does not promise.
#[test]
fn redis_without_a_file_is_caught_when_more_is_required_of_it() {
    let options = ["--appendfsync", "off", "--workload", "set,register", "--require", "no-lost-writes"];
    let Some(verdict) = redis(&options) else { return };
    assert_eq!(verdict.outcome, Outcome::Invalid, "{:?}", verdict.reasons);
    assert!(verdict.reasons[0].contains("no-lost-writes"), "{:?}", verdict.reasons);
}

/// As with Redis: nothing that was synced is lost, and what is in doubt is said to be.
#[test]
fn etcd_keeps_what_it_claims_when_it_is_killed() {
    let workloads = "cas-register,kv-set,append,watch,unique-ids,lock,fenced-lock,set";
    let arguments = ["--nodes", "1", "--workload", workloads, "--plan", "plan.toml", "--time-limit", "4s"];
    let Some(verdict) = run_of_one("etcd", "etcd", &arguments) else { return };
    let properties = [
        (CheckName::LINEARIZABLE, "cas-register"),
        (CheckName::SET_FULL, "kv-set"),
        (CheckName::UNIQUE_IDS, "unique-ids"),
        (CheckName::STRICT_SERIALIZABLE, "append"),
        (CheckName::WATCH, "watch"),
        (CheckName::LINEARIZABLE, "lock"),
        (CheckName::LINEARIZABLE, "fenced-lock"),
        (CheckName::NO_LOST_WRITES, "set"),
        (CheckName::CONVERGENCE, "set"),
    ];
    keeps_its_claims(&verdict, &properties);
}

/// So few operations a second that a client holds a lock longer than its lease: nothing is wrong with etcd, but such
/// locks do not exclude others.
#[test]
fn etcd_lets_two_hold_a_lock_whose_lease_has_run_out() {
    let load = ["--workload", "lock", "--rate", "3", "--concurrency", "10", "--time-limit", "12s"];
    let options = ["--nodes", "1", "--nemesis", "none", "--lease", "2", "--require", "linearizable"];
    let Some(verdict) = run_of_one("etcd", "etcd", &[&load[..], &options].concat()) else { return };
    assert_eq!(verdict.outcome, Outcome::Invalid, "{:?}", verdict.reasons);
    assert!(verdict.reasons[0].contains("linearizable"), "{:?}", verdict.reasons);
}

#[test]
fn nats_keeps_what_it_claims_when_it_is_killed() {
    let arguments = ["--nodes", "1", "--workload", "log,queue", "--plan", "plan.toml", "--time-limit", "4s"];
    let Some(verdict) = run_of_one("nats", "nats-server", &arguments) else { return };
    keeps_its_claims(&verdict, &[(CheckName::KAFKA, "log"), (CheckName::TOTAL_QUEUE, "queue")]);
}

/// Faults around the owners of a key need to know them: each node says the same, and its client looks for the replicas
/// there.
#[test]
fn the_nodes_of_dynamo_say_who_holds_a_key() {
    let _guard = one_cluster_at_a_time();
    let scratch = Scratch::new();
    let settings = DynamoSettings { nodes: 3, n: 2, ..DynamoSettings::default() };
    let system: Rc<dyn System> = Rc::new(Dynamo::new(settings, 7).expect("the settings can work"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let arena =
            ProcessArena::start(Rc::clone(&system), BENCH.into(), scratch.join("nodes"), Ground::Machine, 0).await;
        let arena = arena.expect("the cluster starts");
        let (client, owners) = (system.client(arena.addresses()), system.owners().expect("it can"));
        for key in ["a", "b/ü", "c"] {
            let mut expected = client.replicas().expect("its replicas can be read").replicas(key);
            expected.sort();
            for (node, address) in arena.addresses().all() {
                let said = owners.owners(address, key).await.expect("it answers");
                let mut first: Vec<String> = said.into_iter().take(2).collect();
                first.sort();
                assert_eq!(first, expected, "{key} as {node} says");
            }
        }
        arena.stop().await;
    });
}
