//! What each operation does, and what is recorded when each stage of it goes wrong.

use std::time::Duration;

use checker::history::{EventType, Phase};
use serde_json::{Value, json};
use workloads::client::{Attempt, Stage};
use workloads::{Invocation, Outcome, Settings};

use crate::support::{Behaviour, Bench, MemoryStore, client, ms, run};

type MakeBench = fn() -> Bench;

impl Bench {
    fn set() -> Self {
        Self::new("set")
    }

    fn cart() -> Self {
        Self::new("cart")
    }

    fn register() -> Self {
        Self::new("register")
    }

    fn outcome(&self, f: &'static str, value: impl Into<Value>) -> Outcome {
        self.perform(0, f, value.into()).0.outcome
    }

    fn read(&self) -> Value {
        let (completion, _) = self.perform(0, "read", Value::Null);
        assert_eq!(completion.outcome, Outcome::Ok);
        completion.value
    }
}

#[test]
fn adds_are_read_back_sorted_and_siblings_merged() {
    let bench = Bench::set();
    assert_eq!(bench.read(), json!([]));
    assert_eq!(bench.outcome("add", 5), Outcome::Ok);
    bench.store.plant("k", b"[9,2]");
    assert_eq!(bench.read(), json!([2, 5, 9]));
    assert_eq!(bench.outcome("add", 3), Outcome::Ok);
    assert_eq!(bench.read(), json!([2, 3, 5, 9]));
    assert_eq!(bench.stored(), ["[2,3,5,9]"], "the context covers both siblings");
}

#[test]
fn a_write_records_the_siblings_that_it_replaces() {
    let bench = Bench::register();
    let (first, attempt) = bench.perform(0, "write", json!(1));
    assert_eq!((first.outcome, first.value, attempt.past()), (Outcome::Ok, json!(1), Some(vec![])));
    bench.store.plant("k", b"7");
    bench.store.plant("k", b"3");
    assert_eq!(bench.read(), json!([1, 3, 7]));
    let (_, attempt) = bench.perform(0, "write", json!(8));
    assert_eq!(attempt.past(), Some(vec![json!(1), json!(3), json!(7)]));
    assert_eq!(bench.read(), json!([8]));
    assert_eq!(bench.perform(0, "read", Value::Null).1.past(), None, "a read has no past");
}

#[test]
fn a_delete_removes_what_it_has_read_and_records_it() {
    let bench = Bench::register();
    bench.store.plant("k", b"7");
    bench.store.plant("k", b"3");
    let (deleted, attempt) = bench.perform(0, "delete", Value::Null);
    assert_eq!((deleted.outcome, deleted.value), (Outcome::Ok, Value::Null));
    assert_eq!(attempt.past(), Some(vec![json!(3), json!(7)]));
    assert_eq!(bench.read(), json!([]));
    bench.store.puts.set(Behaviour::Unknown);
    let (unknown, attempt) = bench.perform(0, "delete", Value::Null);
    assert_eq!(unknown.outcome, Outcome::Info, "it may have happened");
    assert_eq!((unknown.error.as_deref(), attempt.past()), (Some("delete: connection reset"), Some(vec![])));
    bench.store.gets.set(Behaviour::Refuse);
    let (failed, attempt) = bench.perform(0, "delete", Value::Null);
    assert_eq!((failed.outcome, attempt.past()), (Outcome::Fail, None), "nothing was sent");
}

#[test]
fn what_is_not_in_the_cart_cannot_be_removed() {
    let bench = Bench::cart();
    bench.outcome("add", 1);
    bench.outcome("add", 2);
    assert_eq!(bench.outcome("remove", 1), Outcome::Ok);
    assert_eq!(bench.read(), json!([2]));
    let puts = bench.store.put_count.get();
    let (again, attempt) = bench.perform(0, "remove", json!(1));
    assert_eq!((again.outcome, again.error.as_deref()), (Outcome::Fail, Some("not in the cart")));
    assert_eq!((bench.store.put_count.get(), attempt.stage()), (puts, Stage::Reading("get")), "nothing was put");
}

#[test]
fn removing_the_last_item_leaves_an_empty_cart_not_a_missing_one() {
    let bench = Bench::cart();
    bench.outcome("add", 1);
    assert_eq!(bench.outcome("remove", 1), Outcome::Ok);
    assert_eq!(bench.read(), json!([]));
    assert_eq!(bench.stored(), ["[]"]);
}

#[test]
fn each_stage_has_its_outcome() {
    let writes: [(MakeBench, &'static str); 4] =
        [(Bench::set, "add"), (Bench::register, "write"), (Bench::cart, "add"), (Bench::cart, "remove")];
    let stages = [
        (Behaviour::Refuse, Behaviour::Right, Outcome::Fail, "get: refused: too few replicas"),
        (Behaviour::Unknown, Behaviour::Right, Outcome::Fail, "get: connection reset"),
        (Behaviour::Right, Behaviour::Refuse, Outcome::Fail, "put: refused: too few replicas"),
        (Behaviour::Right, Behaviour::Unknown, Outcome::Info, "put: connection reset"),
    ];
    for (bench, f) in writes {
        for (gets, puts, outcome, error) in stages {
            let bench = bench();
            bench.store.plant("k", if f == "write" { b"4" } else { b"[4]" });
            bench.store.gets.set(gets);
            bench.store.puts.set(puts);
            let (completion, attempt) = bench.perform(0, f, json!(4));
            assert_eq!((completion.outcome, completion.error.as_deref()), (outcome, Some(error)), "{f}");
            assert_eq!(completion.value, json!(4));
            assert_eq!(attempt.past().is_some(), f == "write" && gets == Behaviour::Right, "past is known once read");
        }
    }
}

#[test]
fn a_read_that_is_not_answered_fails() {
    for behaviour in [Behaviour::Refuse, Behaviour::Unknown] {
        for bench in [Bench::set(), Bench::register(), Bench::cart()] {
            bench.store.gets.set(behaviour);
            assert_eq!(bench.outcome("read", Value::Null), Outcome::Fail);
        }
    }
}

#[test]
fn bytes_that_nobody_wrote_fail_the_operation_and_are_never_overwritten() {
    for (bench, f) in [(Bench::set(), "add"), (Bench::register(), "write"), (Bench::cart(), "remove")] {
        bench.store.gets.set(Behaviour::Garbage);
        for f in [f, "read"] {
            let (completion, _) = bench.perform(0, f, json!(1));
            assert_eq!((completion.outcome, completion.corrupt), (Outcome::Fail, true), "{f}");
            assert!(completion.error.unwrap().starts_with("k: stored bytes are not a "));
        }
        assert_eq!(bench.store.put_count.get(), 0);
    }
}

#[test]
fn operations_that_a_workload_does_not_have_fail() {
    for bench in [Bench::set(), Bench::register(), Bench::cart()] {
        assert_eq!(bench.outcome("cas", 1), Outcome::Fail);
        let f = if bench.workload == "register" { "write" } else { "add" };
        assert_eq!(bench.outcome(f, "one"), Outcome::Fail);
        assert_eq!(bench.store.put_count.get(), 0);
    }
}

/// One client that does nothing but hang.
fn hanging(prepare: impl FnOnce(&MemoryStore)) -> crate::support::Outcome {
    let settings = Settings {
        concurrency: 2,
        operation_timeout: ms(700),
        time_limit: Duration::from_secs(10),
        ..Settings::default()
    };
    run("register", settings, prepare)
}

#[test]
fn a_get_that_hangs_fails_at_the_time_out_exactly() {
    let outcome = hanging(|store| store.gets.set(Behaviour::Hang));
    let operations = outcome.operations(Phase::Main);
    assert!(operations.len() > 20);
    for operation in operations {
        assert_eq!((operation.done.kind, operation.took()), (EventType::Fail, ms(700)));
        assert_eq!(operation.done.error.as_deref(), Some("no answer to the get within 700 ms"));
        assert_eq!(operation.done.past, None);
        assert!(client(&operation.invoke) < 2, "a process that knows its outcome goes on");
    }
}

#[test]
fn a_put_that_hangs_is_info_at_the_time_out_exactly_and_ends_the_process() {
    let outcome = hanging(|store| store.puts.set(Behaviour::Hang));
    let (mut writes, mut ended) = (0, std::collections::BTreeSet::new());
    for operation in outcome.operations(Phase::Main) {
        assert!(!ended.contains(&operation.invoke.process), "{:?} goes on", operation.invoke.process);
        if operation.invoke.f == "read" {
            assert_eq!(operation.done.kind, EventType::Ok);
            continue;
        }
        assert_eq!((operation.done.kind, operation.took()), (EventType::Info, ms(700)));
        assert_eq!(operation.done.error.as_deref(), Some("no answer to the put within 700 ms"));
        assert!(operation.done.past.is_some(), "an info write may have replaced what it read");
        ended.insert(operation.invoke.process);
        writes += 1;
    }
    assert!(writes > 10);
    assert_eq!(outcome.counts.info, writes);
}

#[test]
fn an_answer_at_the_very_time_out_counts() {
    let outcome = hanging(|store| store.latency.set(ms(700)));
    let (mut ok, mut late) = (0, 0);
    for read in outcome.operations(Phase::Main).iter().filter(|operation| operation.invoke.f == "read") {
        let slower = matches!(read.invoke.key.as_deref(), Some("register-1" | "register-3"));
        assert_eq!((read.done.kind, read.took()), (if slower { EventType::Fail } else { EventType::Ok }, ms(700)));
        *(if slower { &mut late } else { &mut ok }) += 1;
    }
    assert!(ok > 0 && late > 0, "{ok} in time, {late} late");
}

#[test]
fn corrupt_values_are_counted() {
    let outcome = hanging(|store| store.gets.set(Behaviour::Garbage));
    assert!(outcome.counts.corrupt > 100);
    assert_eq!(outcome.counts.corrupt, outcome.counts.fail);
    assert_eq!((outcome.counts.ok, outcome.first_ack), (0, None));
}

/// A client that does not say what it sent has sent whatever its operation may change.
#[test]
fn a_time_out_is_as_certain_as_what_the_client_says_that_it_sent() {
    let timed_out = |f, value: Value, prepare: fn(&Attempt)| {
        let attempt = Attempt::default();
        prepare(&attempt);
        attempt.timed_out(&Invocation::without_key(f, value).by("w", 1), ms(5)).outcome
    };
    let unsaid: fn(&Attempt) = |_| {};
    for (f, value) in [("read", Value::Null), ("watch", json!(7)), ("txn", json!([["r", "x", null]]))] {
        assert_eq!(timed_out(f, value.clone(), unsaid), Outcome::Fail, "{f} {value}");
    }
    let changes = [
        ("write", json!(1)),
        ("cas", json!([1, 2])),
        ("txn", json!([["r", "x", null], ["append", "x", 1]])),
        ("dequeue", Value::Null),
        ("poll", json!([["poll"]])),
        ("acquire", Value::Null),
    ];
    for (f, value) in changes {
        assert_eq!(timed_out(f, value.clone(), unsaid), Outcome::Info, "{f} {value}");
        assert_eq!(timed_out(f, value.clone(), |attempt| attempt.reading("get")), Outcome::Fail);
        let sent = |attempt: &Attempt| {
            attempt.reading("get");
            attempt.writing("put");
            attempt.reading("get again");
        };
        assert_eq!(timed_out(f, value, sent), Outcome::Info, "what was sent cannot be taken back");
    }
}
