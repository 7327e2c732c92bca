//! Counters, whose siblings merge, and transactions, whose keys have one writer each.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use checker::history::{EventType, Phase};
use proptest::prelude::*;
use serde_json::{Value, json};
use workloads::client::Stage;
use workloads::counter::{self, Part, Parts};
use workloads::list_append;
use workloads::{Completion, Outcome, Settings};

use crate::support::{Behaviour, Bench, client, ms, run, run_all};

impl Bench {
    fn counter() -> Self {
        Self::new("counter")
    }

    fn lists() -> Self {
        Self::new("list-append")
    }

    fn registers() -> Self {
        Self::new("rw-register")
    }

    fn txn(&self, micro: Value) -> Completion {
        self.perform(1, "txn", json!([micro])).0
    }

    /// The value that a transaction reads.
    fn reads(&self) -> Value {
        let completion = self.txn(json!(["r", "k", null]));
        assert_eq!(completion.outcome, Outcome::Ok);
        completion.value[0][2].clone()
    }
}

#[test]
fn a_counter_adds_up_what_processes_did_and_shows_the_parts() {
    let bench = Bench::counter();
    for (process, f, by) in [(1, "inc", 5), (2, "inc", 7), (1, "dec", 3), (1, "inc", 1)] {
        assert_eq!(bench.perform(process, f, json!(by)).0.outcome, Outcome::Ok);
    }
    bench.store.plant("k", br#"{"2":[4,9],"8":[1,0]}"#);
    let (read, attempt) = bench.perform(3, "read", Value::Null);
    assert_eq!(attempt.parts(), Some(json!({"1": [6, 3], "2": [7, 9], "8": [1, 0]})), "siblings merge by the greater");
    assert_eq!(read.value, json!(2));
    bench.perform(8, "inc", json!(2));
    assert_eq!(
        bench.stored(),
        [r#"{"1":[6,3],"2":[7,9],"8":[2,0]}"#],
        "who writes merges; it alone knows its own part"
    );
}

/// A get that misses the last change of its process must not take that change back.
#[test]
fn a_stale_read_does_not_make_a_process_forget() {
    let bench = Bench::counter();
    bench.perform(1, "inc", json!(5));
    bench.store.gets.set(Behaviour::Lose);
    bench.perform(1, "inc", json!(2));
    bench.store.gets.set(Behaviour::Right);
    assert_eq!(bench.stored(), [r#"{"1":[5,0]}"#, r#"{"1":[7,0]}"#]);
    assert_eq!(bench.perform(2, "read", Value::Null).0.value, json!(7));
}

#[test]
fn what_failed_is_not_counted_on() {
    let bench = Bench::counter();
    for (gets, puts) in [(Behaviour::Refuse, Behaviour::Right), (Behaviour::Right, Behaviour::Refuse)] {
        bench.store.gets.set(gets);
        bench.store.puts.set(puts);
        assert_eq!(bench.perform(1, "inc", json!(5)).0.outcome, Outcome::Fail);
    }
    bench.store.puts.set(Behaviour::Unknown);
    let (unknown, attempt) = bench.perform(2, "inc", json!(1));
    assert_eq!((unknown.outcome, attempt.stage()), (Outcome::Info, Stage::Writing("put")));
    bench.store.puts.set(Behaviour::Right);
    bench.perform(1, "inc", json!(4));
    assert_eq!(bench.stored(), [r#"{"1":[4,0],"2":[1,0]}"#]);
    let (beyond, _) = bench.perform(1, "inc", json!(u64::MAX));
    assert_eq!((beyond.outcome, beyond.error.as_deref()), (Outcome::Fail, Some("the sum is beyond 64 bits")));
}

#[test]
fn a_list_keeps_its_order_and_merges_its_siblings() {
    let bench = Bench::lists();
    assert_eq!(bench.reads(), json!([]));
    for element in [5, 9] {
        assert_eq!(bench.txn(json!(["append", "k", element])).value, json!([["append", "k", element]]));
    }
    assert_eq!(bench.reads(), json!([5, 9]));
    bench.store.plant("k", b"[5,7,8]");
    assert_eq!(bench.reads(), json!([5, 7, 8, 9]));
    bench.txn(json!(["append", "k", 10]));
    assert_eq!(bench.stored(), ["[5,7,8,9,10]"]);
}

#[test]
fn a_register_shows_nothing_one_value_or_all_siblings() {
    let bench = Bench::registers();
    assert_eq!(bench.reads(), Value::Null);
    let (written, attempt) = bench.perform(1, "txn", json!([["w", "k", 5]]));
    assert_eq!((written.outcome, attempt.past()), (Outcome::Ok, Some(vec![])));
    assert_eq!(bench.reads(), json!(5));
    bench.store.plant("k", b"3");
    assert_eq!(bench.reads(), json!([3, 5]));
    let (_, attempt) = bench.perform(1, "txn", json!([["w", "k", 6]]));
    assert_eq!(attempt.past(), Some(vec![json!(3), json!(5)]));
    assert_eq!(bench.reads(), json!(6));
}

#[test]
fn each_stage_of_a_transaction_has_its_outcome() {
    for (bench, micro) in [(Bench::lists(), json!(["append", "k", 4])), (Bench::registers(), json!(["w", "k", 4]))] {
        bench.store.gets.set(Behaviour::Unknown);
        assert_eq!(bench.txn(micro.clone()).outcome, Outcome::Fail, "nothing was sent that could change anything");
        assert_eq!(bench.txn(json!(["r", "k", null])).outcome, Outcome::Fail);
        bench.store.gets.set(Behaviour::Right);
        bench.store.puts.set(Behaviour::Refuse);
        assert_eq!(bench.txn(micro.clone()).outcome, Outcome::Fail);
        bench.store.puts.set(Behaviour::Unknown);
        let unknown = bench.txn(micro.clone());
        assert_eq!((unknown.outcome, unknown.value), (Outcome::Info, json!([micro])));
    }
}

#[test]
fn what_is_no_transaction_of_the_workload_fails_and_nothing_is_put() {
    for bench in [Bench::lists(), Bench::registers(), Bench::counter()] {
        for micro in [json!(["cas", "k", 1]), json!(["append", "other", 1]), json!(["w", "k", "x"]), json!("r")] {
            assert_eq!(bench.txn(micro.clone()).outcome, Outcome::Fail, "{micro}");
        }
        assert_eq!(bench.perform(1, "txn", json!([])).0.outcome, Outcome::Fail);
        assert_eq!(bench.perform(1, "add", json!(1)).0.outcome, Outcome::Fail);
        bench.store.gets.set(Behaviour::Garbage);
        let f = if bench.workload == "counter" { "inc" } else { "txn" };
        let value = match bench.workload {
            "counter" => json!(1),
            "list-append" => json!([["append", "k", 1]]),
            _ => json!([["w", "k", 1]]),
        };
        assert!(bench.perform(1, f, value).0.corrupt);
        assert_eq!(bench.store.put_count.get(), 0);
    }
}

fn settings() -> Settings {
    Settings { rate: 500.0, time_limit: Duration::from_secs(10), seed: 7, ..Settings::default() }
}

/// By key, the processes that wrote it.
fn writers(events: &[checker::history::Event]) -> BTreeMap<String, BTreeSet<u64>> {
    let mut writers: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    let written = events.iter().filter(|event| event.kind == EventType::Invoke && event.phase == Phase::Main);
    for event in written.filter(|event| event.value[0][0] != "r") {
        writers.entry(event.key.clone().expect("it has a key")).or_default().insert(client(event));
    }
    writers
}

#[test]
fn a_key_has_one_writer_and_after_an_unknown_outcome_none() {
    for workload in ["list-append", "rw-register"] {
        let outcome = run(workload, settings(), |store| store.puts.set(Behaviour::Right));
        let by_key = writers(&outcome.events);
        assert!(by_key.len() > 5, "keys give way to new ones: {by_key:?}");
        assert!(by_key.values().all(|writers| writers.len() == 1), "{by_key:?}");
        let read = |event: &&checker::history::Event| event.kind == EventType::Ok && event.value[0][0] == "r";
        let readers: BTreeSet<u64> = outcome.events.iter().filter(read).map(client).collect();
        assert_eq!(readers.len(), 10, "all read");

        let outcome = run(workload, settings(), |store| store.puts.set(Behaviour::Unknown));
        let writes = outcome.operations(Phase::Main).into_iter().filter(|done| done.invoke.value[0][0] != "r");
        let keys: Vec<Option<String>> = writes.map(|done| done.invoke.key).collect();
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len(), "each key is given up with its first write");
        assert!(keys.len() > 100, "{} writes", keys.len());
    }
}

#[test]
fn transactions_are_recorded_in_the_form_of_jepsen_and_read_at_the_end() {
    for (workload, change) in [("list-append", "append"), ("rw-register", "w")] {
        let outcome = run_all(workload, settings(), |_| {}, |_| {});
        let mut changed = BTreeSet::new();
        for done in outcome.operations(Phase::Main) {
            let (invoked, completed) = (&done.invoke.value[0], &done.done.value[0]);
            assert_eq!((done.invoke.f.as_str(), done.done.kind), ("txn", EventType::Ok));
            assert_eq!(invoked[1].as_str(), done.invoke.key.as_deref());
            match invoked[0].as_str() {
                Some("r") => assert_eq!((&invoked[2], &completed[0]), (&Value::Null, &json!("r"))),
                f => assert_eq!((f, invoked), (Some(change), completed)),
            }
            changed.extend((invoked[0] != "r").then(|| done.invoke.key.clone()));
        }
        let finals = outcome.operations(Phase::Final);
        assert!(finals.iter().all(|done| done.done.f == "txn" && done.done.value[0][0] == "r"));
        let read: BTreeSet<_> = finals.into_iter().map(|done| done.invoke.key).collect();
        assert_eq!(read, changed, "every key is read at the end");
    }
}

#[test]
fn counters_are_mixed_as_described_and_give_way_to_new_ones() {
    for (workload, inc, dec) in [("counter", 40, 30), ("grow-counter", 70, 0)] {
        let outcome = run_all(workload, Settings { rate: 1_000.0, concurrency: 20, ..settings() }, |_| {}, |_| {});
        let main = outcome.operations(Phase::Main);
        let share = |f: &str| 100 * main.iter().filter(|done| done.invoke.f == f).count() / main.len();
        assert!(share("inc").abs_diff(inc) <= 3 && share("dec").abs_diff(dec) <= 3, "{workload}");
        let keys: BTreeSet<_> = main.iter().filter_map(|done| done.invoke.key.clone()).collect();
        assert!(keys.len() > 8, "{keys:?}");
        let read = |phase| outcome.operations(phase).into_iter().filter(|done| done.invoke.f == "read");
        assert!(read(Phase::Main).chain(read(Phase::Final)).all(|done| {
            let parts: Parts =
                counter::decode(done.done.extra["parts"].to_string().as_bytes()).expect("they are parts");
            done.done.value == json!(counter::sum(&parts))
        }));
    }
}

/// At the end every acknowledged change is in the sum: nothing is lost when counters are replaced by new ones.
#[test]
fn a_right_store_loses_no_change() {
    let outcome = run_all("counter", Settings { rate: 2_000.0, concurrency: 30, ..settings() }, |_| {}, |_| {});
    let mut sums: BTreeMap<Option<String>, i64> = BTreeMap::new();
    for done in outcome.operations(Phase::Main).into_iter().filter(|done| done.done.kind == EventType::Ok) {
        let by = done.invoke.value.as_i64().unwrap_or(0);
        *sums.entry(done.invoke.key).or_default() += if done.invoke.f == "dec" { -by } else { by };
    }
    let finals = outcome.operations(Phase::Final);
    assert!(!finals.is_empty());
    for done in finals {
        assert_eq!(done.done.value.as_i64(), sums.get(&done.invoke.key).copied().or(Some(0)), "{:?}", done.invoke.key);
    }
}

#[test]
fn the_same_seed_gives_the_same_history() {
    for workload in ["counter", "list-append", "rw-register"] {
        let history = |seed| run_all(workload, Settings { seed, ..settings() }, |_| {}, |_| {}).lines();
        assert_eq!(history(1), history(1));
        assert_ne!(history(1), history(2));
    }
}

/// Processes that had ended in another workload kept their keys for ever, and soon no process could write any more.
#[test]
fn who_ended_in_another_workload_gives_up_its_key() {
    for workload in ["list-append", "rw-register"] {
        let outcome = run(&format!("{workload},set"), settings(), |store| {
            store.puts_of.set("set-");
            store.puts.set(Behaviour::Unknown);
        });
        let of_workload = |event: &&checker::history::Event| event.workload.as_deref() == Some(workload);
        let of_workload: Vec<_> = outcome.events.iter().filter(of_workload).cloned().collect();
        let by_key = writers(&of_workload);
        assert!(by_key.values().all(|writers| writers.len() == 1), "{by_key:?}");
        let late = of_workload.iter().filter(|event| event.time > 9_000_000_000);
        let writes = late.filter(|event| event.kind == EventType::Ok && event.value[0][0] != "r");
        assert!(writes.count() > 50, "{by_key:?}");
    }
}

#[test]
fn a_put_that_hangs_ends_its_process_and_gives_up_its_key() {
    let outcome = run("list-append", Settings { operation_timeout: ms(300), ..settings() }, |store| {
        store.puts.set(Behaviour::Hang);
    });
    let by_key = writers(&outcome.events);
    assert!(by_key.len() > 10 && by_key.values().all(|writers| writers.len() == 1), "{by_key:?}");
}

fn any_parts() -> impl Strategy<Value = Parts> {
    prop::collection::btree_map(0_u64..5, (0_u64..20, 0_u64..20), 0..5)
        .prop_map(|parts| parts.into_iter().map(|(process, (up, down))| (process, Part { up, down })).collect())
}

proptest! {
    #[test]
    fn parts_come_back_and_merge_in_any_order(a in any_parts(), b in any_parts(), c in any_parts()) {
        prop_assert_eq!(counter::decode(&counter::encode(&a)), Ok(a.clone()));
        let pair = |a: &Parts, b: &Parts| counter::merge([a.clone(), b.clone()]);
        prop_assert_eq!(pair(&a, &b), pair(&b, &a));
        prop_assert_eq!(pair(&a, &a), a.clone());
        prop_assert_eq!(pair(&pair(&a, &b), &c), counter::merge([a, b, c]));
    }

    #[test]
    fn merged_lists_have_every_element_once_and_keep_what_all_begin_with(
        prefix in prop::collection::btree_set(0_u64..40, 0..6),
        tails in prop::collection::vec(prop::collection::btree_set(40_u64..60, 0..6), 1..4),
    ) {
        let list = |tail: &BTreeSet<u64>| prefix.iter().rev().chain(tail).copied().collect::<Vec<u64>>();
        let lists: Vec<Vec<u64>> = tails.iter().map(list).collect();
        let merged = list_append::merge(&lists);
        let all: BTreeSet<u64> = lists.iter().flatten().copied().collect();
        prop_assert_eq!(merged.iter().copied().collect::<BTreeSet<u64>>(), all.clone());
        prop_assert_eq!(merged.len(), all.len());
        prop_assert!(merged.starts_with(&prefix.iter().rev().copied().collect::<Vec<u64>>()));
        prop_assert_eq!(list_append::merge(std::slice::from_ref(&merged)), merged.clone());
        let mut reversed = lists.clone();
        reversed.reverse();
        prop_assert_eq!(list_append::merge(&reversed), merged);
    }
}
