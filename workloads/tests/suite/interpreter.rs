//! The main phase: pace, processes, placement, generators.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use checker::history::{EventType, Phase};
use workloads::clock::Clock;
use workloads::set::Set;
use workloads::workload::Unique;
use workloads::{GetPut, Interpreter, Placement, Settings, SettingsError, Workload, by_name, get_put};

use crate::support::{Behaviour, History, MemoryStore, Outcome, VirtualClock, client, ms, run, run_all};

fn settings() -> Settings {
    Settings { time_limit: Duration::from_secs(10), ..Settings::default() }
}

#[test]
fn the_rate_is_kept_and_the_time_limit_too() {
    for rate in [5.0, 200.0, 1_000.0] {
        let outcome = run("set,register,cart", Settings { rate, ..settings() }, |_| {});
        let expected = rate * 10.0;
        let invoked = outcome.operations(Phase::Main).len() as f64;
        assert!((invoked - expected).abs() <= 4.0 * expected.sqrt(), "{invoked} operations instead of {expected}");
        assert!(outcome.events.iter().all(|event| event.kind != EventType::Invoke || event.time < 10_000_000_000));
        assert!(
            (Duration::from_secs(10)..Duration::from_millis(10_020)).contains(&outcome.ended),
            "{:?}",
            outcome.ended
        );
        assert_eq!(outcome.missed, 0);
    }
}

#[test]
fn workloads_take_turns() {
    let outcome = run("set,register,cart", settings(), |_| {});
    let mut counts = BTreeMap::new();
    for operation in outcome.operations(Phase::Main) {
        *counts.entry(operation.invoke.workload.clone().unwrap()).or_insert(0_i64) += 1;
    }
    assert_eq!(counts.keys().collect::<Vec<_>>(), ["cart", "register", "set"]);
    assert!(counts.values().max().unwrap() - counts.values().min().unwrap() <= 1, "{counts:?}");
}

#[test]
fn slow_answers_leave_operations_out_instead_of_a_burst() {
    let outcome = run("set", Settings { concurrency: 2, ..settings() }, |store| store.latency.set(ms(500)));
    let invoked = outcome.operations(Phase::Main).len() as u64;
    assert!(invoked < 60, "{invoked} by two clients of half a second each");
    assert!(outcome.missed > 1_800, "{} of 2,000 left out", outcome.missed);
}

/// Two clients of half a second each do four operations a second, and twenty are due: what waits waits longer and longer.
#[test]
fn an_open_loop_leaves_nothing_out_and_says_how_late_it_is() {
    let slow = Settings { concurrency: 2, rate: 20.0, open_loop: true, ..settings() };
    let outcome = run("set", slow.clone(), |store| store.latency.set(ms(500)));
    let late = |outcome: &Outcome| -> Vec<u64> {
        let operations = outcome.operations(Phase::Main);
        operations.iter().map(|one| one.invoke.extra["late_ns"].as_u64().expect("a number")).collect()
    };
    let lates = late(&outcome);
    assert!(lates.windows(8).all(|some| some[7] > some[0]), "{lates:?}");
    let last = Duration::from_nanos(lates[lates.len() - 1]);
    assert!((ms(6_500)..ms(9_500)).contains(&last), "{last:?} of 10 s: one in five was done");
    let all = lates.len() as u64 + outcome.missed;
    assert!((170..=230).contains(&all), "{all} of 200 were due, {} were begun", lates.len());
    let quick = run("set", Settings { concurrency: 20, ..slow.clone() }, |_| {});
    assert!(late(&quick).iter().all(|late| *late == 0) && quick.missed <= 1, "{} missed", quick.missed);
    let closed = run("set", Settings { open_loop: false, ..slow }, |_| {});
    assert!(closed.events.iter().all(|event| !event.extra.contains_key("late_ns")));
}

#[test]
fn without_a_rate_clients_never_wait_and_never_spin() {
    let quick = Settings { rate: 0.0, time_limit: ms(500), concurrency: 4, ..settings() };
    let paced_by_the_store = run("register", quick.clone(), |_| {});
    let invoked = paced_by_the_store.operations(Phase::Main).len();
    assert!((250..=680).contains(&invoked), "{invoked} by four clients of 3 to 9 ms each in 500 ms");
    let refused_at_once = run("register", quick, |store| {
        store.latency.set(Duration::ZERO);
        store.gets.set(Behaviour::Refuse);
    });
    // The gap doubles from 0.1 to 25.6 ms, within the first 51 ms.
    let refused = refused_at_once.counts.fail;
    assert!((4 * 24..=4 * 28).contains(&refused), "{refused} by four clients");
}

#[test]
fn several_thousand_a_second_are_carried() {
    let fast = Settings { rate: 8_000.0, concurrency: 100, time_limit: Duration::from_secs(1), ..settings() };
    let outcome = run("set,register,cart", fast, |_| {});
    assert!(outcome.counts.ok > 7_700, "{:?}", outcome.counts);
    assert_eq!((outcome.counts.fail - not_in_the_cart(&outcome), outcome.counts.info, outcome.missed), (0, 0, 0));
}

fn not_in_the_cart(outcome: &Outcome) -> u64 {
    outcome.events.iter().filter(|event| event.error.as_deref() == Some("not in the cart")).count() as u64
}

#[test]
fn after_an_info_a_worker_goes_on_as_the_next_process() {
    let settings = Settings { concurrency: 7, ..settings() };
    let outcome = run_all("set", settings, |store| store.puts.set(Behaviour::Unknown), |_| {});
    let mut next: BTreeMap<u64, u64> = (0..7).map(|worker| (worker, worker)).collect();
    for operation in outcome.operations(Phase::Main) {
        let process = client(&operation.invoke);
        let expected = next.get_mut(&(process % 7)).unwrap();
        assert_eq!(process, *expected);
        *expected += if operation.done.kind == EventType::Info { 7 } else { 0 };
    }
    assert!(next.values().all(|process| *process >= 70), "{next:?}");
    let used = next.into_values().max().unwrap();
    for phase in [Phase::Replica, Phase::Final] {
        let later = outcome.operations(phase);
        assert!(!later.is_empty());
        assert!(later.iter().all(|operation| client(&operation.invoke) > used), "processes after the run are fresh");
    }
}

#[test]
fn first_ack_is_the_first_ok() {
    let outcome = run("set,register,cart", settings(), |_| {});
    let first = outcome.events.iter().find(|event| event.kind == EventType::Ok).unwrap();
    assert_eq!(outcome.first_ack, Some(Duration::from_nanos(first.time)));
    let ok = outcome.events.iter().filter(|event| event.kind == EventType::Ok).count() as u64;
    assert_eq!(outcome.counts.ok, ok);
}

#[test]
fn the_same_seed_gives_the_same_history_and_another_does_not() {
    let history = |seed| run_all("set,register,cart", Settings { seed, ..settings() }, |_| {}, |_| {}).lines();
    let first = history(1);
    assert_eq!(first, history(1));
    assert_ne!(first, history(2));
}

#[test]
fn what_a_workload_is_asked_does_not_hang_on_the_answers() {
    let asked = |latency| {
        let outcome = run("set,register", settings(), |store| store.latency.set(latency));
        let main = outcome.operations(Phase::Main).into_iter();
        main.map(|done| (done.invoke.f, done.invoke.key, done.invoke.value)).take(1_000).collect::<Vec<_>>()
    };
    assert_eq!(asked(ms(1)), asked(ms(9)));
}

#[test]
fn sticky_clients_stay_with_their_node_and_others_do_not() {
    let nodes_of = |placement| {
        let outcome = run("set", Settings { placement, ..settings() }, |_| {});
        let mut nodes: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
        for event in outcome.events {
            nodes.entry(client(&event)).or_default().insert(event.node.unwrap());
        }
        nodes
    };
    for (process, nodes) in nodes_of(Placement::Sticky) {
        assert_eq!(nodes, BTreeSet::from([format!("n{}", process % 3 + 1)]));
    }
    assert!(nodes_of(Placement::Spread).values().all(|nodes| nodes.len() == 3));
}

#[test]
fn written_values_are_unique_and_grow() {
    let outcome = run(
        "set,register,cart",
        Settings { rate: 2_000.0, concurrency: 50, time_limit: Duration::from_secs(5), ..settings() },
        |_| {},
    );
    let invoked = outcome.operations(Phase::Main).into_iter().map(|operation| operation.invoke);
    let writes = invoked.filter(|event| matches!(event.f.as_str(), "add" | "write"));
    let values: Vec<u64> = writes.map(|event| event.value.as_u64().unwrap()).collect();
    assert!(values.len() > 2_000);
    assert!(values.is_sorted_by(|a, b| a < b));
}

#[test]
fn the_mix_is_as_described() {
    let outcome = run("set,register,cart", Settings { rate: 1_000.0, concurrency: 20, ..settings() }, |_| {});
    let share = |workload: &str, f: &str| {
        let of = |event: &&checker::history::Event| event.workload.as_deref() == Some(workload);
        let invoked = outcome.events.iter().filter(|event| event.kind == EventType::Invoke).filter(of);
        let (all, those) = invoked.fold((0, 0), |(all, those), event| (all + 1, those + u32::from(event.f == f)));
        those * 100 / all
    };
    let near = |percent: u32, wanted: u32| percent.abs_diff(wanted) <= 3;
    assert!(near(share("set", "add"), 80) && near(share("set", "read"), 20));
    assert!(near(share("register", "write"), 40) && near(share("register", "delete"), 10));
    assert!(near(share("register", "read"), 50));
    assert!(near(share("cart", "add"), 55) && near(share("cart", "remove"), 20) && near(share("cart", "read"), 25));
}

#[test]
fn sets_and_carts_stay_small_and_all_their_keys_are_known() {
    let outcome = run_all(
        "set,cart",
        Settings { rate: 2_000.0, concurrency: 50, time_limit: Duration::from_secs(5), ..settings() },
        |_| {},
        |_| {},
    );
    let mut added: BTreeMap<&str, usize> = BTreeMap::new();
    for event in outcome.events.iter().filter(|event| event.kind == EventType::Invoke && event.f == "add") {
        *added.entry(event.key.as_deref().unwrap()).or_default() += 1;
    }
    assert!(added.len() > 8 && added.values().all(|elements| *elements <= 500), "{added:?}");
    let finally: BTreeSet<String> =
        outcome.operations(Phase::Final).into_iter().filter_map(|operation| operation.invoke.key).collect();
    assert!(added.keys().all(|key| finally.contains(*key)));
}

#[test]
fn only_known_items_are_removed_and_each_once() {
    let outcome = run(
        "cart",
        Settings { rate: 1_000.0, concurrency: 20, time_limit: Duration::from_secs(5), ..settings() },
        |_| {},
    );
    let (mut known, mut removed) = (BTreeSet::new(), BTreeSet::new());
    for event in &outcome.events {
        match (event.f.as_str(), event.kind) {
            ("add", EventType::Ok) => known.extend([(event.key.clone(), event.value.clone().as_u64())]),
            ("read", EventType::Ok) => {
                known.extend(event.value.as_array().unwrap().iter().map(|item| (event.key.clone(), item.as_u64())))
            }
            ("remove", EventType::Invoke) => {
                let item = (event.key.clone(), event.value.as_u64());
                assert!(known.contains(&item), "nobody knew of {item:?}");
                assert!(removed.insert(item.clone()), "{item:?} is removed twice");
            }
            ("remove", EventType::Fail) => {
                removed.remove(&(event.key.clone(), event.value.as_u64()));
            }
            _ => {}
        }
    }
    assert!(removed.len() > 500, "{} removed", removed.len());
}

#[test]
fn a_store_that_forgets_carts_makes_removes_fail() {
    let outcome = run("cart", settings(), |store| store.puts.set(Behaviour::Lose));
    let removes: Vec<_> =
        outcome.operations(Phase::Main).into_iter().filter(|operation| operation.invoke.f == "remove").collect();
    assert!(removes.len() > 100);
    assert!(removes.iter().all(|remove| remove.done.error.as_deref() == Some("not in the cart")));
}

#[test]
fn a_run_that_is_stopped_waits_for_what_is_under_way() {
    let (clock, history, asked) = (VirtualClock::default(), History::default(), Cell::new(0));
    let store = MemoryStore::new(&clock, 3);
    let settings = Settings { rate: 2.0, ..settings() };
    let client = GetPut::new(Box::new(&store));
    let interpreter =
        Interpreter::new(&client, &clock, &history, by_name("set", &get_put::can).unwrap(), settings).unwrap();
    clock.block_on(interpreter.run(&|| {
        asked.set(asked.get() + 1);
        clock.now() >= ms(1_234)
    }));
    assert!((ms(1_234)..ms(1_350)).contains(&clock.now()), "stopped at {:?}", clock.now());
    let counts = interpreter.progress().counts();
    assert!(counts.ok >= 1 && counts.ok + counts.fail + counts.info <= 6, "{counts:?}");
}

#[test]
fn error_texts_are_bounded_in_the_history() {
    let outcome = run("register", settings(), |store| store.plant("register-0", &[b'['; 300_000]));
    let longest = outcome.events.iter().filter_map(|event| event.error.as_ref().map(String::len)).max();
    assert!(longest.is_some_and(|length| length < 510), "{longest:?}");
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let clock = VirtualClock::default();
    let (store, nobody, history) = (MemoryStore::new(&clock, 3), MemoryStore::new(&clock, 0), History::default());
    let error = |store: &MemoryStore, workloads: Vec<Box<dyn Workload>>, settings| {
        Interpreter::new(&GetPut::new(Box::new(store)), &clock, &history, workloads, settings).err()
    };
    let set = || -> Vec<Box<dyn Workload>> { vec![Box::new(Set::new(0, 0, Unique::default()))] };
    let wrong = |change: fn(&mut Settings)| {
        let mut settings = settings();
        change(&mut settings);
        error(&store, set(), settings)
    };
    assert_eq!(wrong(|settings| settings.concurrency = 0), Some(SettingsError::Concurrency(0)));
    assert_eq!(wrong(|settings| settings.concurrency = 10_001), Some(SettingsError::Concurrency(10_001)));
    assert_eq!(wrong(|settings| settings.rate = -1.0), Some(SettingsError::Rate(-1.0)));
    assert_eq!(wrong(|settings| (settings.rate, settings.open_loop) = (0.0, true)), Some(SettingsError::OpenLoop));
    assert!(matches!(wrong(|settings| settings.rate = f64::NAN), Some(SettingsError::Rate(_))));
    assert_eq!(wrong(|settings| settings.operation_timeout = Duration::ZERO), Some(SettingsError::OperationTimeout));
    assert_eq!(error(&store, vec![], settings()), Some(SettingsError::NoWorkloads));
    assert_eq!(error(&nobody, set(), settings()), Some(SettingsError::NoNodes));
    assert_eq!(wrong(|_| {}), None);
}
