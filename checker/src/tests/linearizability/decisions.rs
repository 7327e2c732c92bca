//! From records to a decision: what each model reads, what a violation reports, and what limits do.

use crate::checks::linearizable::{FailedCas, Options, check, check_sequential};
use crate::finding::Finding;
use crate::history::EventType::{self, Fail, Info, Invoke, Ok};
use crate::history::{History, HistoryBuilder};
use crate::limits::Limits;
use crate::objects::Object;
use crate::verdict::Outcome;
use serde_json::{Value, json};

type Event<'a> = (u32, EventType, &'a str, Value);

fn records(events: &[Event<'_>]) -> History {
    keyed(
        &events
            .iter()
            .map(|(process, kind, f, value)| (None, (*process, *kind, *f, value.clone())))
            .collect::<Vec<_>>(),
    )
}

fn keyed(events: &[(Option<&str>, Event<'_>)]) -> History {
    let mut builder = HistoryBuilder::new();
    for (key, (process, kind, f, value)) in events {
        builder.event(*process, *kind, f, *key, value).expect("the history of the test is well-formed");
    }
    builder.finish()
}

fn decide(object: Object, records: &History) -> Finding {
    check(object, records, &Limits::default(), &Options::default())
}

/// Of a case without an object registers are asked to be sequentially consistent.
fn decide_either(object: Option<Object>, records: &History) -> Finding {
    match object {
        Some(object) => decide(object, records),
        None => check_sequential(records, &Limits::default(), &Options::default()),
    }
}

/// The events of a violation's operations alone, as records.
fn alone<'a>(events: &[Event<'a>], decision: &Finding) -> Vec<Event<'a>> {
    decision.anomalies[0].events.iter().map(|at| events[*at as usize].clone()).collect()
}

fn one<'a>(process: u32, f: &'a str, argument: Value, result: Value) -> [Event<'a>; 2] {
    [(process, Invoke, f, argument), (process, Ok, f, result)]
}

#[test]
fn a_stale_read_is_reported_with_the_operations_that_prove_it() {
    let nil = Value::Null;
    let events: Vec<Event<'_>> = [
        one(0, "write", json!(1), json!(1)),
        one(1, "read", nil.clone(), json!(1)),
        one(0, "write", json!(2), json!(2)),
        one(1, "read", nil.clone(), json!(2)),
        one(2, "read", nil.clone(), json!(1)),
        one(2, "read", nil, json!(2)),
    ]
    .concat();
    let decision = decide(Object::Register, &records(&events));
    assert_eq!(decision.outcome(), Outcome::Invalid);
    assert_eq!(decision.anomalies[0].kind, "stale-read");
    assert_eq!(decision.anomalies[0].events, [0, 1, 4, 5, 8, 9], "both writes and the read of the first");
    assert!(decision.anomalies[0].explanation.contains("process 2 read -> 1"), "{decision:?}");
    let again = decide(Object::Register, &records(&alone(&events, &decision)));
    assert_eq!((again.outcome(), &again.anomalies[0].kind), (Outcome::Invalid, &decision.anomalies[0].kind));
}

#[test]
fn a_failed_cas_counts_only_when_it_is_enforced() {
    let mut events: Vec<Event<'_>> = one(0, "write", json!(1), json!(1)).into();
    events.extend([(1, Invoke, "cas", json!([1, 2])), (1, Fail, "cas", json!([1, 2]))]);
    let records = records(&events);
    let read = |failed_cas| {
        check(Object::Register, &records, &Limits::default(), &Options { failed_cas, ..Options::default() }).outcome()
    };
    assert_eq!((read(FailedCas::Drop), read(FailedCas::Enforce)), (Outcome::Valid, Outcome::Invalid));
}

#[test]
fn keys_are_judged_by_themselves_whatever_the_number_of_threads() {
    let key = |number: u32| format!("k{number}");
    let names: Vec<String> = (0..40).map(key).collect();
    let mut events = Vec::new();
    for (number, name) in names.iter().enumerate() {
        let seen = if number % 10 == 3 { json!(null) } else { json!(7) };
        for event in [one(0, "write", json!(7), json!(7)), one(1, "read", json!(null), seen)].concat() {
            events.push((Some(name.as_str()), event));
        }
    }
    let records = keyed(&events);
    let with =
        |threads| check(Object::Register, &records, &Limits { threads, ..Limits::default() }, &Options::default());
    let decision = with(1);
    assert_eq!((decision.outcome(), decision.violations), (Outcome::Invalid, 4));
    let keys: Vec<_> = decision.explained().filter_map(|violation| violation.key.as_deref()).collect();
    assert_eq!(keys, ["k3", "k13", "k23", "k33"]);
    assert_eq!(with(3), decision);
}

#[test]
fn a_limit_leaves_it_open_and_reports_how_far_it_holds() {
    // Many writes at a time that leave different states, and a read of what none left: too much for so little memory.
    let write = |value: u32| json!([["w", "x", value], ["w", value, 1]]);
    let mut events: Vec<Event<'_>> = one(99, "txn", write(0), write(0)).into();
    events.extend((1..=24).map(|process| (process, Invoke, "txn", write(process))));
    events.extend((1..=24).rev().map(|process| (process, Ok, "txn", write(process))));
    events.extend(one(99, "txn", json!([["r", "x", null]]), json!([["r", "x", 0]])));
    let limits = Limits { memory_bytes: 200_000, ..Limits::default() };
    let decision = check(Object::MultiRegister, &records(&events), &limits, &Options::default());
    assert_eq!(decision.outcome(), Outcome::Inconclusive, "{decision:?}");
    assert!(decision.summary().contains("memory limit") && decision.summary().contains("what completed before event"));
    let late = Limits { out_of_time: &|| true, ..Limits::default() };
    assert_eq!(
        check(Object::MultiRegister, &records(&events), &late, &Options::default()).outcome(),
        Outcome::Inconclusive
    );
}

/// A key whose operations need more than the memory is judged up to where there is none left.
#[test]
fn as_much_of_a_key_is_judged_as_there_is_memory_for() {
    let step = |number: u64| {
        let written = one(0, "write", json!(number), json!(number));
        // A read that is open for a while: some are where the memory ends.
        let read = [(1, Invoke, "read", Value::Null), (1, Ok, "read", json!(number))];
        [written, [read[0].clone(), read[1].clone()]].concat()
    };
    let sound: Vec<Event<'_>> = (1..=1_000).flat_map(step).collect();
    let stale_at = |at: usize| {
        let mut events = sound.clone();
        events[4 * at + 3].3 = json!(1);
        events
    };
    let limits = Limits { memory_bytes: 100_000, ..Limits::default() };
    let within = |events: &[Event<'_>]| check(Object::Register, &records(events), &limits, &Options::default());
    let open = within(&sound);
    assert_eq!(open.outcome(), Outcome::Inconclusive, "{open:?}");
    assert!(open.summary().contains("the memory limit was reached; what completed before event"), "{}", open.summary());
    let summary = open.summary();
    let holds_before: u64 = summary.split(' ').find_map(|word| word.parse().ok().filter(|at| *at > 100)).unwrap();
    assert!((500..3_000).contains(&holds_before), "{}", open.summary());
    let early = within(&stale_at(20));
    assert_eq!((early.outcome(), early.violations), (Outcome::Invalid, 1), "{early:?}");
    assert_eq!(within(&stale_at(999)).outcome(), Outcome::Inconclusive, "it is beyond what there is memory for");
    assert_eq!(decide(Object::Register, &records(&stale_at(999))).outcome(), Outcome::Invalid);
    let sequential = check_sequential(&records(&stale_at(20)), &limits, &Options::default());
    assert_eq!(sequential.outcome(), Outcome::Inconclusive, "a part says nothing where real time does not count");
}

#[test]
fn no_model_goes_on_when_the_time_is_over() {
    let events: Vec<Event<'_>> = (1..=50).flat_map(|number| one(0, "write", json!(number), json!(number))).collect();
    let records = records(&events);
    // Whenever it is asked for the first time, the second, and so on.
    for allowed in 0..4 {
        let asked = std::sync::atomic::AtomicU32::new(0);
        let out_of_time = || asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) >= allowed;
        let limits = Limits { out_of_time: &out_of_time, ..Limits::default() };
        let decision = check(Object::Register, &records, &limits, &Options::default());
        assert_eq!(decision.outcome(), Outcome::Inconclusive, "{allowed}: {decision:?}");
        assert!(decision.summary().contains("the time limit was reached"), "{}", decision.summary());
    }
}

#[test]
fn a_function_that_the_model_lacks_leaves_it_open() {
    let decision = decide(Object::Register, &records(&one(0, "append", json!(1), json!(1))));
    assert_eq!(decision.outcome(), Outcome::Inconclusive);
    assert!(decision.summary().contains("knows no `append`"), "{}", decision.summary());
}

/// A history that holds and one that does not, of each model.
#[test]
fn every_model_distinguishes_right_from_wrong() {
    let nil = || Value::Null;
    type Case = (Option<Object>, Vec<[Event<'static>; 2]>, [Event<'static>; 2], [Event<'static>; 2]);
    let cases: Vec<Case> = vec![
        (
            Some(Object::MultiRegister),
            vec![one(0, "txn", json!([["w", "x", 1], ["w", "y", 2]]), json!([["w", "x", 1], ["w", "y", 2]]))],
            one(1, "txn", json!([["r", "x", null], ["r", "y", null]]), json!([["r", "x", 1], ["r", "y", 2]])),
            one(1, "txn", json!([["r", "x", null], ["r", "y", null]]), json!([["r", "x", 1], ["r", "y", null]])),
        ),
        (
            Some(Object::Mutex),
            vec![one(0, "acquire", nil(), nil())],
            one(0, "release", nil(), nil()),
            one(1, "acquire", nil(), nil()),
        ),
        (
            Some(Object::Set),
            vec![one(0, "add", json!(1), json!(1)), one(0, "add", json!(2), json!(2))],
            one(1, "read", nil(), json!([2, 1])),
            one(1, "read", nil(), json!([1])),
        ),
        (
            Some(Object::Counter),
            vec![one(0, "add", json!(2), json!(2)), one(0, "add", json!(-1), json!(-1))],
            one(1, "read", nil(), json!(1)),
            one(1, "read", nil(), json!(2)),
        ),
        (
            Some(Object::Queue),
            vec![one(0, "enqueue", json!("a"), nil()), one(0, "enqueue", json!("b"), nil())],
            one(1, "dequeue", nil(), json!("a")),
            one(1, "dequeue", nil(), json!("b")),
        ),
        (
            Some(Object::Stack),
            vec![one(0, "push", json!("a"), nil()), one(0, "push", json!("b"), nil())],
            one(1, "pop", nil(), json!("b")),
            one(1, "pop", nil(), json!("a")),
        ),
        (
            Some(Object::PriorityQueue),
            vec![one(0, "insert", json!(9), nil()), one(0, "insert", json!(-3), nil())],
            one(1, "extract-min", nil(), json!(-3)),
            one(1, "extract-min", nil(), nil()),
        ),
        (
            None,
            vec![one(0, "write", json!(1), json!(1)), one(1, "read", nil(), json!(1))],
            one(2, "read", nil(), nil()),
            one(1, "read", nil(), nil()),
        ),
    ];
    for (model, before, right, wrong) in cases {
        let with = |last: [Event<'static>; 2]| [before.concat(), last.into()].concat();
        let events = with(right);
        assert_eq!(decide_either(model, &records(&events)).outcome(), Outcome::Valid, "{model:?}");
        let events = with(wrong);
        let decision = decide_either(model, &records(&events));
        assert_eq!(decision.outcome(), Outcome::Invalid, "{model:?}: {decision:?}");
        let again = decide_either(model, &records(&alone(&events, &decision)));
        assert_eq!(again.outcome(), Outcome::Invalid, "{model:?}: {decision:?} explains nothing");
    }
}

#[test]
fn a_dequeue_that_never_completed_may_have_taken_an_element() {
    let mut events: Vec<Event<'_>> = [one(0, "enqueue", json!(1), nil()), one(0, "enqueue", json!(2), nil())].concat();
    let took_the_second = one(1, "dequeue", nil(), json!(2));
    assert_eq!(
        decide(Object::Queue, &records(&[events.clone(), took_the_second.to_vec()].concat())).outcome(),
        Outcome::Invalid
    );
    events.extend([(2, Invoke, "dequeue", nil()), (2, Info, "dequeue", nil())]);
    events.extend(took_the_second);
    assert_eq!(decide(Object::Queue, &records(&events)).outcome(), Outcome::Valid);
}

fn nil() -> Value {
    Value::Null
}
