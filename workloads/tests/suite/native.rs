//! Workloads whose operations a client does as they are: on a perfect store the check that judges each finds nothing,
//! whatever answers get lost; on a store with a flaw it finds it.

use std::time::Duration;

use checker::history::{Event, EventType, History as Checked, Phase};
use checker::limits::Limits;
use checker::verdict::{Outcome, PropertyResult};
use checker::{CheckName, Claims, Object, object_of_workload};
use futures::future::{LocalBoxFuture, ready};
use proptest::prelude::*;
use serde_json::json;
use workloads::clock::Clock;
use workloads::{Attempt, Client, Completion, Interpreter, Operation, Settings, by_name, get_put};

use crate::support::{Flaw, History, Outcome as Ran, Reference, VirtualClock, ms};

const LOAD: Duration = Duration::from_secs(4);

/// A run of one workload by the reference client.
fn run(workload: &str, seed: u64, flaw: Option<Flaw>, trouble: bool) -> Vec<Event> {
    let (clock, history) = (VirtualClock::default(), History::default());
    let trouble_until = if trouble { LOAD } else { Duration::ZERO };
    let client = Reference::new(&clock, seed, flaw, trouble_until);
    let settings = Settings { seed, rate: 300.0, time_limit: LOAD, operation_timeout: ms(300), ..Settings::default() };
    let workloads = by_name(workload, &|_, _| true).expect("it is known");
    let interpreter = Interpreter::new(&client, &clock, &history, workloads, settings).expect("it can run");
    clock.block_on(async {
        interpreter.run(&|| false).await;
        assert_eq!(interpreter.await_convergence().await, None, "no replica can be read by itself");
        assert_eq!(interpreter.probes().await.failed, 0);
        assert_eq!(interpreter.final_reads().await.failed, 0);
    });
    drop(interpreter);
    Ran::of(history).events
}

/// What is found of the workload by the checks that judge it in every run.
fn judged(workload: &str, events: &[Event]) -> Vec<PropertyResult> {
    let history = Checked::of_events(events).expect("it is well-formed");
    let verdict = checker::check(&history, &Claims::of_measured("the store is perfect"), &Limits::default());
    let of_it = |found: &PropertyResult| found.workload.as_deref() == Some(workload);
    let found: Vec<PropertyResult> = verdict.properties.into_iter().filter(of_it).collect();
    assert!(!found.is_empty() && found.iter().all(|found| found.claimed), "{workload} is judged");
    found
}

fn outcome(workload: &str, events: &[Event]) -> Outcome {
    let found = judged(workload, events);
    let worst = found.iter().map(|found| found.outcome).max().expect("it is judged");
    if worst != Outcome::Valid {
        let summaries: Vec<&str> = found.iter().map(|found| found.summary.as_str()).collect();
        eprintln!("{workload} is {worst}: {}", summaries.join("; "));
    }
    worst
}

/// A perfect store is never accused; where every operation is answered, nothing is left open either.
fn perfect(workload: &str, seed: u64) {
    assert_eq!(outcome(workload, &run(workload, seed, None, false)), Outcome::Valid, "{workload}, seed {seed}");
    let troubled = run(workload, seed, None, true);
    let infos = troubled.iter().filter(|event| event.kind == EventType::Info).count();
    assert!(infos > 5, "answers get lost: {infos}");
    assert_ne!(outcome(workload, &troubled), Outcome::Invalid, "{workload}, seed {seed}");
}

fn flawed(workload: &str, flaw: Flaw, seed: u64) {
    let events = run(workload, seed, Some(flaw), false);
    assert_eq!(outcome(workload, &events), Outcome::Invalid, "{workload} with {flaw:?}, seed {seed}");
}

/// How many seeds of each are tried: a few, or `DISSENSUS_CASES`.
fn cases() -> u32 {
    std::env::var("DISSENSUS_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cas_registers(seed: u64) {
        perfect("cas-register", seed);
        flawed("cas-register", Flaw::Lose, seed);
        flawed("cas-register", Flaw::Stale, seed);
    }

    #[test]
    fn kv_sets(seed: u64) {
        perfect("kv-set", seed);
        flawed("kv-set", Flaw::Lose, seed);
        flawed("kv-set", Flaw::Double, seed);
    }

    #[test]
    fn kv_counters(seed: u64) {
        perfect("kv-counter", seed);
        flawed("kv-counter", Flaw::Lose, seed);
        flawed("kv-counter", Flaw::Stale, seed);
        flawed("kv-counter", Flaw::Double, seed);
    }

    #[test]
    fn appends(seed: u64) {
        perfect("append", seed);
        flawed("append", Flaw::Stale, seed);
    }

    #[test]
    fn queues(seed: u64) {
        perfect("queue", seed);
        flawed("queue", Flaw::Lose, seed);
    }

    #[test]
    fn logs(seed: u64) {
        perfect("log", seed);
        flawed("log", Flaw::Lose, seed);
        flawed("log", Flaw::Double, seed);
    }

    #[test]
    fn locks(seed: u64) {
        for workload in ["lock", "fenced-lock"] {
            perfect(workload, seed);
            flawed(workload, Flaw::Double, seed);
        }
    }

    #[test]
    fn identifiers(seed: u64) {
        perfect("unique-ids", seed);
        flawed("unique-ids", Flaw::Lose, seed);
    }

    #[test]
    fn banks(seed: u64) {
        perfect("bank", seed);
        flawed("bank", Flaw::Double, seed);
    }

    #[test]
    fn one_set(seed: u64) {
        for workload in ["g-set", "broadcast"] {
            perfect(workload, seed);
            flawed(workload, Flaw::Lose, seed);
            flawed(workload, Flaw::Double, seed);
        }
    }

    #[test]
    fn one_counter(seed: u64) {
        perfect("g-counter", seed);
        flawed("g-counter", Flaw::Lose, seed);
        // What is lost of numbers below and above zero may come to nothing.
        perfect("pn-counter", seed);
    }

    #[test]
    fn echoes(seed: u64) {
        perfect("echo", seed);
    }

    #[test]
    fn workloads_under_other_names(seed: u64) {
        for (workload, flaw) in [("lin-kv", Flaw::Stale), ("txn-list-append", Flaw::Stale), ("kafka", Flaw::Lose)] {
            perfect(workload, seed);
            flawed(workload, flaw, seed);
        }
    }

    #[test]
    fn registers_in_transactions(seed: u64) {
        perfect("txn-rw-register", seed);
        flawed("txn-rw-register", Flaw::Stale, seed);
    }

    #[test]
    fn watches(seed: u64) {
        perfect("watch", seed);
        flawed("watch", Flaw::Lose, seed);
        flawed("watch", Flaw::Double, seed);
    }
}

#[test]
fn every_workload_that_get_and_put_cannot_do_is_of_an_object_and_judged() {
    let all = by_name("all", &|_, _| true).expect("all are known");
    let native: Vec<&str> =
        all.iter().map(|workload| workload.name()).filter(|name| !get_put::can(name, "read")).collect();
    let native: Vec<&str> = native.into_iter().filter(|name| !get_put::can(name, "txn")).collect();
    assert_eq!(native.len(), 20, "{native:?}");
    for name in native {
        assert!(object_of_workload(name).is_some(), "{name}");
        judged(name, &run(name, 1, None, false));
    }
    assert_eq!(object_of_workload("lock"), Some(Object::OwnerMutex));
    assert_eq!(object_of_workload("grow-counter"), Some(Object::Counter));
    assert_eq!(object_of_workload("bank"), Some(Object::Accounts));
    assert_eq!(object_of_workload("banks"), None);
}

#[test]
fn a_claim_on_the_workload_or_on_its_object_is_judged_beside_what_is_measured() {
    let history = Checked::of_events(&run("append", 3, None, false)).expect("it is well-formed");
    let mut claims = Claims::default();
    claims.claims.push(checker::Claim::of_object(CheckName::SNAPSHOT_ISOLATION, Object::ListAppend, "it says so"));
    let verdict = checker::check(&history, &claims, &Limits::default());
    let found: Vec<(&str, bool)> = verdict
        .properties
        .iter()
        .filter(|found| found.workload.as_deref() == Some("append"))
        .map(|found| (found.property.name(), found.claimed))
        .collect();
    assert_eq!(found, [("serializable", false), ("strict-serializable", false), ("snapshot-isolation", true)]);
}

#[test]
fn what_a_client_cannot_do_after_the_heal_is_left_out_and_the_history_says_so() {
    let left_out = |workload: &str| {
        let events = run(workload, 1, None, false);
        let left_out = events.iter().filter(|event| event.f == "left-out");
        left_out.map(|event| event.value["phase"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(left_out("queue"), [json!("replica")]);
    assert_eq!(left_out("lock"), [json!("replica"), json!("probe")], "a lock is not probed");
}

#[test]
fn probes_and_final_visits_are_operations_of_the_workload() {
    let outcome = |workload: &str| {
        let events = run(workload, 2, None, false);
        let of = |phase: Phase| {
            let invoked = events.iter().filter(move |event| event.phase == phase && event.kind == EventType::Invoke);
            invoked.map(|event| (event.f.clone(), event.node.clone(), event.workload.clone())).collect::<Vec<_>>()
        };
        (of(Phase::Probe), of(Phase::Final))
    };
    let (probes, finals) = outcome("queue");
    let on = |f: &str, node: &str| (f.to_owned(), Some(node.to_owned()), Some("queue".to_owned()));
    assert_eq!(probes, ["n1", "n2", "n3"].map(|node| on("enqueue", node)));
    assert!(finals.len() >= 6 && finals.iter().all(|(f, ..)| f == "drain"), "{finals:?}");
    let (_, finals) = outcome("log");
    assert_eq!(finals.iter().filter(|(f, ..)| f == "assign").count(), 3, "one for each node");
    assert!(finals.iter().filter(|(f, ..)| f == "poll").count() > 20, "until nothing more comes");
}

/// A cluster that has no leader until some time.
struct Leaderless<'c> {
    client: Reference,
    clock: &'c VirtualClock,
    until: Duration,
}

impl Client for Leaderless<'_> {
    fn nodes(&self) -> Vec<String> {
        self.client.nodes()
    }

    fn can(&self, workload: &str, f: &str) -> bool {
        self.client.can(workload, f)
    }

    fn invoke<'a>(
        &'a self,
        node: &'a str,
        operation: &'a Operation,
        attempt: &'a Attempt,
    ) -> LocalBoxFuture<'a, Completion> {
        match self.clock.now() < self.until {
            true => Box::pin(ready(operation.fail("there is no leader"))),
            false => self.client.invoke(node, operation, attempt),
        }
    }
}

/// How many probes and final reads fail on a cluster that elects a leader so long after the heal.
fn failed_after_the_heal(leaderless: Duration) -> (u64, u64) {
    let (clock, history) = (VirtualClock::default(), History::default());
    let client =
        Leaderless { client: Reference::new(&clock, 1, None, Duration::ZERO), clock: &clock, until: leaderless };
    let settings = Settings { rest_limit: ms(20_000), ..Settings::default() };
    let workloads = by_name("queue", &|_, _| true).expect("it is known");
    let interpreter = Interpreter::new(&client, &clock, &history, workloads, settings).expect("it can run");
    clock.block_on(async {
        interpreter.await_convergence().await;
        (interpreter.probes().await.failed, interpreter.final_reads().await.failed)
    })
}

/// Where no replica can be read, what the cluster serves is all that shows whether it has come to rest.
#[test]
fn a_cluster_whose_replicas_cannot_be_read_is_given_the_same_time_to_come_to_rest() {
    assert_eq!(failed_after_the_heal(ms(15_000)), (0, 0));
    assert_eq!(failed_after_the_heal(ms(60_000)), (3, 6), "three nodes, two queues");
}
