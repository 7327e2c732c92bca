//! After the heal: replica rounds and final reads.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use checker::history::{Event, EventType, Phase};
use serde_json::{Value, json};
use workloads::clock::Clock;
use workloads::store::Store;
use workloads::{FinalReads, GetPut, Interpreter, Probes, Settings, by_name, get_put};

use crate::support::{Behaviour, History, MemoryStore, Outcome, VirtualClock, client, ms, run_all};

fn settings() -> Settings {
    Settings { time_limit: ms(500), ..Settings::default() }
}

fn after(heal: impl FnOnce(&MemoryStore)) -> Outcome {
    run_all("set,register,cart", settings(), |_| {}, heal)
}

/// Keys of the default workloads, each on three nodes.
const KEYS_AT_NODES: usize = (4 + 5 + 4) * 3;

#[test]
fn replicas_that_agree_are_confirmed_by_a_second_round() {
    let outcome = after(|_| {});
    let rest = outcome.rest.unwrap();
    assert!(rest.converged);
    assert_eq!(rest.rounds, 2);
    assert!(rest.took < ms(100), "the first round already agreed: {:?}", rest.took);
    let mut rounds: BTreeMap<u64, BTreeSet<(String, String)>> = BTreeMap::new();
    for read in outcome.operations(Phase::Replica) {
        assert_eq!((read.invoke.f.as_str(), read.done.kind), ("read", EventType::Ok));
        assert_eq!(read.invoke.extra["round"], read.done.extra["round"]);
        let round = read.done.extra["round"].as_u64().unwrap();
        assert!(rounds.entry(round).or_default().insert((read.done.key.unwrap(), read.done.node.unwrap())));
    }
    assert_eq!(rounds.keys().collect::<Vec<_>>(), [&1, &2, &3], "the third is the round after the final reads");
    assert!(
        rounds.values().all(|keys_at_nodes| keys_at_nodes.len() == KEYS_AT_NODES),
        "every key on every replica, once"
    );
}

#[test]
fn replica_reads_show_decoded_versions_sorted_by_id() {
    let outcome = run_all(
        "register",
        Settings { time_limit: ms(0), ..settings() },
        |_| {},
        |store| {
            store.plant("register-1", b"30");
            store.plant("register-1", b"10");
        },
    );
    let reads = outcome.operations(Phase::Replica);
    let read = reads.iter().find(|read| read.invoke.key.as_deref() == Some("register-1")).unwrap();
    assert_eq!(read.done.value, json!([{"id": "d000001", "value": 30}, {"id": "d000002", "value": 10}]));
    assert_eq!(read.done.workload.as_deref(), Some("register"));
    let empty = reads.iter().find(|read| read.invoke.key.as_deref() == Some("register-0")).unwrap();
    assert_eq!(empty.done.value, json!([]));
}

#[test]
fn tombstones_are_shown_as_null() {
    let outcome = run_all(
        "cart",
        Settings { time_limit: ms(0), ..settings() },
        |_| {},
        |store| {
            let deleted = futures::FutureExt::now_or_never(store.delete("n1", "cart-2", None));
            assert!(deleted.is_none(), "the tombstone is written, the answer still on its way");
        },
    );
    let reads = outcome.operations(Phase::Replica);
    let read = reads.iter().find(|read| read.invoke.key.as_deref() == Some("cart-2")).unwrap();
    assert_eq!(read.done.value, json!([{"id": "d000001", "value": null}]));
}

#[test]
fn a_lagging_replica_is_waited_for_with_growing_pauses() {
    let outcome = after(|store| store.lagging_until.set(Duration::from_secs(6)));
    let rest = outcome.rest.unwrap();
    assert!(rest.converged);
    let began = outcome.ended;
    assert!((Duration::from_secs(6)..Duration::from_secs(8)).contains(&(began + rest.took)), "{:?}", rest.took);
    let mut starts: BTreeMap<u64, u64> = BTreeMap::new();
    for read in outcome.operations(Phase::Replica) {
        starts.entry(read.invoke.extra["round"].as_u64().unwrap()).or_insert(read.invoke.time);
    }
    let last_round = starts.pop_last().expect("there were rounds").1;
    let finals = outcome.operations(Phase::Final);
    assert!(finals.iter().all(|read| read.done.time <= last_round), "it comes after the final reads");
    let starts: Vec<u64> = starts.into_values().collect();
    let pauses: Vec<u64> = starts.windows(2).map(|pair| (pair[1] - pair[0]) / 100_000_000).collect();
    assert_eq!(pauses[..5], [1, 2, 4, 8, 16]);
    assert!(pauses[5..].iter().all(|pause| *pause == 20), "{pauses:?}");
    assert_eq!(starts.len() as u64, rest.rounds);
}

#[test]
fn a_write_between_two_agreeing_rounds_is_no_rest() {
    let (clock, history) = (VirtualClock::default(), History::default());
    let store = MemoryStore::new(&clock, 3);
    let client = GetPut::new(Box::new(&store));
    let interpreter =
        Interpreter::new(&client, &clock, &history, by_name("set", &get_put::can).unwrap(), settings()).unwrap();
    let late_write = async {
        clock.sleep_until(ms(50)).await;
        store.plant("set-0", b"[1]");
    };
    let (rest, ()) = clock.block_on(async { futures::join!(interpreter.await_convergence(), late_write) });
    let rest = rest.expect("replicas can be read by themselves");
    assert!(rest.converged);
    assert_eq!(rest.rounds, 3, "the second round found something else than the first");
    assert!(rest.took > ms(100), "at rest from the second round on: {:?}", rest.took);
}

#[test]
fn without_replicas_to_read_nothing_is_seen_to_converge() {
    let rest = after(|store| store.without_replicas.set(true)).rest.unwrap();
    assert_eq!((rest.converged, rest.rounds, rest.took), (false, 0, Duration::ZERO));
}

#[test]
fn replicas_that_never_agree_are_given_up_at_the_bound() {
    let settings = Settings { rest_limit: Duration::from_secs(5), ..settings() };
    let outcome = run_all("set,register,cart", settings, |_| {}, |store| store.lagging_until.set(Duration::MAX));
    let rest = outcome.rest.unwrap();
    assert!(!rest.converged);
    assert!((Duration::from_secs(5)..ms(5_100)).contains(&rest.took), "{:?}", rest.took);
}

#[test]
fn replicas_that_never_answer_are_given_up_at_the_bound() {
    let settings = Settings { rest_limit: Duration::from_secs(5), ..settings() };
    let outcome = run_all("set,register,cart", settings, |_| {}, |store| store.replica_reads.set(Behaviour::Hang));
    let rest = outcome.rest.unwrap();
    assert!(!rest.converged);
    assert!(rest.took <= Duration::from_secs(6), "the limit and one operation time-out: {:?}", rest.took);
    for read in outcome.operations(Phase::Replica) {
        assert_eq!((read.done.kind, read.done.error.as_deref()), (EventType::Fail, Some("no answer in time")));
    }
}

#[test]
fn corrupt_replicas_do_not_agree_however_alike() {
    let settings = Settings { rest_limit: Duration::from_secs(1), ..settings() };
    let outcome = run_all("set,register,cart", settings, |_| {}, |store| store.replica_reads.set(Behaviour::Garbage));
    let rest = outcome.rest.unwrap();
    assert!(!rest.converged);
    assert_eq!(rest.corrupt, rest.rounds * KEYS_AT_NODES as u64);
    let error = outcome.operations(Phase::Replica)[0].done.error.clone().unwrap();
    assert!(error.starts_with("set-0 on n1: stored bytes are not a list of elements: "), "{error}");
}

#[test]
fn final_reads_reach_every_key_through_every_node() {
    let outcome = after(|_| {});
    assert_eq!(outcome.finals, Some(FinalReads { pairs: KEYS_AT_NODES as u64, failed: 0 }));
    let mut values: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let reads = outcome.operations(Phase::Final);
    assert_eq!(reads.len(), KEYS_AT_NODES);
    let replica_processes: BTreeSet<u64> =
        outcome.operations(Phase::Replica).iter().map(|read| client(&read.invoke)).collect();
    for read in reads {
        assert!(!replica_processes.contains(&client(&read.invoke)));
        assert_eq!(read.invoke.value, Value::Null);
        values.entry(read.done.key.unwrap()).or_default().insert(read.done.value.to_string());
    }
    assert!(values.values().all(|seen| seen.len() == 1), "one copy has one answer");
}

#[test]
fn final_reads_are_retried_three_times_and_then_given_up() {
    let outcome = after(|store| store.gets.set(Behaviour::Refuse));
    assert_eq!(outcome.finals, Some(FinalReads { pairs: KEYS_AT_NODES as u64, failed: KEYS_AT_NODES as u64 }));
    let reads = outcome.operations(Phase::Final);
    assert_eq!(reads.len(), KEYS_AT_NODES * 4);
    assert!(reads.iter().all(|read| read.done.kind == EventType::Fail));
}

fn probed(puts: Behaviour) -> (Probes, Outcome) {
    let (clock, history) = (VirtualClock::default(), History::default());
    let store = MemoryStore::new(&clock, 3);
    store.puts.set(puts);
    let client = GetPut::new(Box::new(&store));
    let interpreter =
        Interpreter::new(&client, &clock, &history, by_name("set", &get_put::can).unwrap(), settings()).unwrap();
    let probes = clock.block_on(interpreter.probes());
    drop(interpreter);
    (probes, Outcome::of(history))
}

#[test]
fn each_node_is_probed_with_a_write_of_its_own_key() {
    let (probes, outcome) = probed(Behaviour::Right);
    assert_eq!(probes, Probes { nodes: 3, failed: 0 });
    let operations = outcome.operations(Phase::Probe);
    assert_eq!(operations.len(), 3);
    for (node, operation) in (1..).zip(operations) {
        let Event { f, key, node: asked, workload, kind, .. } = operation.done;
        assert_eq!((f.as_str(), kind, workload), ("write", EventType::Ok, None));
        assert_eq!((key, asked), (Some(format!("probe-n{node}")), Some(format!("n{node}"))));
    }
}

#[test]
fn a_probe_is_retried_three_times_whatever_comes_of_it() {
    for (puts, kind) in [(Behaviour::Refuse, EventType::Fail), (Behaviour::Hang, EventType::Info)] {
        let (probes, outcome) = probed(puts);
        assert_eq!(probes, Probes { nodes: 3, failed: 3 });
        let operations = outcome.operations(Phase::Probe);
        assert_eq!(operations.len(), 3 * 4);
        assert!(operations.iter().all(|operation| operation.done.kind == kind));
        checker::history::History::of_events(&outcome.events).expect("an info ends its process");
    }
}
