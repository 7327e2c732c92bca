//! Properties of single workloads: the shortest history that violates each in each way, and one that satisfies it.

use serde_json::{Value, json};

use crate::checks::check::Context;
use crate::checks::registry::{self, Asked, Settings};
use crate::finding::Finding;
use crate::history::EventType::{self, Fail, Info, Invoke, Ok};
use crate::history::{History, HistoryBuilder};
use crate::verdict::Outcome::{self, Inconclusive, Invalid, Valid};

mod staleness;

/// `PROCESS TYPE f value` for each event, in the order of events, a nanosecond each.
fn records(events: &[(u32, EventType, &str, Value)]) -> History {
    let mut builder = HistoryBuilder::new();
    for (process, kind, f, value) in events {
        builder.event(*process, *kind, f, None, value).expect("the events fit");
    }
    builder.finish()
}

/// The only check that a name asks for.
pub(super) fn asked(name: &str) -> Asked {
    let [asked] = registry::find(name, &Settings::default())[..] else { panic!("`{name}` is one check") };
    asked
}

fn decide(model: &str, events: &[(u32, EventType, &str, Value)]) -> Finding {
    let model = asked(model);
    let records = records(events);
    let decision = model.check(&records, &Context::default());
    for violation in decision.explained() {
        violation_by_itself(&model, events, &violation.events, &violation.kind);
    }
    decision
}

/// The events of a violation are one without all others.
fn violation_by_itself(model: &Asked, all: &[(u32, EventType, &str, Value)], events: &[u64], kind: &str) {
    let left: Vec<_> = events.iter().map(|index| all[*index as usize].clone()).collect();
    let decision = model.check(&records(&left), &Context::default());
    assert_eq!(decision.outcome(), Invalid, "{left:?}");
    assert!(decision.explained().any(|violation| violation.kind == kind), "{kind} in {left:?}");
}

/// An operation without others meanwhile.
fn done(process: u32, f: &'static str, argument: Value, result: Value) -> [(u32, EventType, &'static str, Value); 2] {
    [(process, Invoke, f, argument), (process, Ok, f, result)]
}

fn failed(process: u32, f: &'static str, argument: Value) -> [(u32, EventType, &'static str, Value); 2] {
    [(process, Invoke, f, argument.clone()), (process, Fail, f, argument)]
}

fn unknown(process: u32, f: &'static str, argument: Value) -> [(u32, EventType, &'static str, Value); 2] {
    [(process, Invoke, f, argument.clone()), (process, Info, f, argument)]
}

type Events = Vec<(u32, EventType, &'static str, Value)>;

/// Operations one after the other.
fn join(operations: &[[(u32, EventType, &'static str, Value); 2]]) -> Events {
    operations.concat()
}

#[track_caller]
fn holds(model: &str, cases: &[(&str, Outcome, &str, Events)]) {
    for (what, outcome, kind, events) in cases {
        let decision = decide(model, events);
        assert_eq!(decision.outcome(), *outcome, "{what}: {decision:?}");
        let kinds: Vec<&str> = decision.explained().map(|violation| violation.kind.as_str()).collect();
        assert_eq!(kinds.join(" "), *kind, "{what}: {decision:?}");
    }
}

#[test]
fn set_full() {
    let add = |element: u64| done(0, "add", json!(element), json!(element));
    let read = |elements: Value| done(1, "read", json!(null), elements);
    let early = vec![
        (1, Invoke, "read", json!(null)),
        (0, Invoke, "add", json!(1)),
        (0, Ok, "add", json!(1)),
        (1, Ok, "read", json!([])),
    ];
    holds(
        "set-full",
        &[
            ("an element stays", Valid, "", join(&[add(1), read(json!([1])), add(2), read(json!([2, 1]))])),
            ("an acknowledged one is missed", Invalid, "lost", join(&[add(1), read(json!([]))])),
            ("it was there, and went", Invalid, "lost", join(&[add(1), read(json!([1])), read(json!([]))])),
            ("a read without a value", Inconclusive, "", join(&[add(1), read(json!([1])), read(json!(null))])),
            (
                "one that was only read went",
                Invalid,
                "lost",
                join(&[unknown(0, "add", json!(1)), read(json!([1])), read(json!([]))]),
            ),
            ("it was late", Valid, "", join(&[add(1), read(json!([])), read(json!([1]))])),
            ("nobody added it", Invalid, "unexpected", join(&[add(1), read(json!([1, 2]))])),
            ("its add failed", Invalid, "unexpected", join(&[failed(0, "add", json!(2)), add(1), read(json!([1, 2]))])),
            ("twice in one list", Invalid, "duplicate", join(&[add(1), read(json!([1, 1]))])),
            ("a read that began before the add ended", Inconclusive, "", early),
            ("an add that nobody knows of", Inconclusive, "", join(&[unknown(0, "add", json!(1)), read(json!([]))])),
            ("no read", Inconclusive, "", join(&[add(1)])),
            ("another function", Inconclusive, "", join(&[done(0, "pop", json!(1), json!(1))])),
            ("a read without a list", Inconclusive, "", join(&[add(1), read(json!(1))])),
        ],
    );
    let late = decide("set-full", &join(&[add(1), read(json!([])), read(json!([1]))]));
    assert_eq!((late.figures["stale"], late.figures["stable"]), (1.0, 1.0));
    assert!(late.figures["stable_ms_max"] > 0.0);
}

/// The walk over differences against the definition, element by element.
#[test]
fn set_full_is_what_its_definition_says() {
    let mut random = Random(7);
    let (mut lost, mut stable) = (0, 0);
    for _ in 0..3000 {
        let events = random_set(&mut random);
        let decision = decide("set-full", &events);
        let expected = by_definition(&events);
        let counted = ["stable", "lost", "never_read"].map(|name| decision.figures[name] as u64);
        assert_eq!(counted, expected, "{events:?}");
        stable += u64::from(expected[0] > 0);
        lost += u64::from(expected[1] > 0);
    }
    assert!(lost > 500 && stable > 500, "{lost} with lost elements, {stable} with stable ones");
}

fn random_set(random: &mut Random) -> Events {
    let mut events: Events = Vec::new();
    let mut open: Vec<(u32, &'static str, Value)> = Vec::new();
    for process in 0..8u32 {
        let element = json!(u64::from(process % 3) + 3 * random.below(2));
        let added = events.iter().any(|(_, kind, f, value)| *kind == Invoke && *f == "add" && *value == element);
        match random.below(2) == 0 && !added {
            true => open.push((process, "add", element.clone())),
            false => open.push((process, "read", json!(null))),
        }
        let (f, value) = open.last().map(|(_, f, value)| (*f, value.clone())).unwrap_or_default();
        events.push((process, Invoke, f, value));
        while !open.is_empty() && random.below(3) > 0 {
            let (process, f, argument) = open.remove(random.below(open.len() as u64) as usize);
            let invoked: Vec<Value> = events
                .iter()
                .filter(|event| event.2 == "add" && event.1 == Invoke)
                .map(|event| event.3.clone())
                .collect();
            let seen: Vec<Value> = invoked.into_iter().filter(|_| random.below(3) > 0).collect();
            let info = f == "add" && random.below(4) == 0;
            let result = if f == "add" { argument } else { json!(seen) };
            events.push((process, if info { Info } else { Ok }, f, result));
        }
    }
    events
}

/// Stable, lost and never read elements, straight from the definition.
fn by_definition(events: &Events) -> [u64; 3] {
    let mut counts = [0; 3];
    let mut elements: Vec<&Value> = Vec::new();
    elements.extend(events.iter().filter(|event| event.1 == Invoke && event.2 == "add").map(|event| &event.3));
    let invoked = |end: usize| (0..end).rev().find(|at| events[*at].0 == events[end].0).expect("it was invoked");
    for element in elements {
        let ends = events.iter().enumerate().filter(|(_, event)| event.1 == Ok);
        let ends: Vec<(usize, bool, bool)> = ends
            .map(|(at, event)| match &event.3 {
                Value::Array(list) => (at, true, list.contains(element)),
                value => (at, false, value == element),
            })
            .collect();
        let known = ends.iter().filter(|(_, _, has)| *has).map(|(at, ..)| *at).min();
        let latest =
            |seen: bool| ends.iter().filter(|(_, read, has)| *read && *has == seen).map(|(at, ..)| invoked(*at)).max();
        let (Some(known), present, absent) = (known, latest(true), latest(false)) else { continue };
        let outcome = match (present, absent) {
            (Some(present), absent) if absent < Some(present) => 0,
            (_, Some(absent)) if absent > known => 1,
            _ => 2,
        };
        counts[outcome] += 1;
    }
    counts
}

/// A small generator, so that a test is the same every time (xorshift, Marsaglia 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        for (left, shift) in [(true, 13), (false, 7), (true, 17)] {
            self.0 ^= if left { self.0 << shift } else { self.0 >> shift };
        }
        (self.0 >> 11) % end
    }
}

#[test]
fn total_queue() {
    let enqueue = |element: u64| done(0, "enqueue", json!(element), json!(element));
    let dequeue = |element: Value| done(1, "dequeue", json!(null), element);
    let drain = |elements: Value| done(1, "drain", json!(null), elements);
    holds(
        "total-queue",
        &[
            ("in and out", Valid, "", join(&[enqueue(1), dequeue(json!(1)), dequeue(json!(null))])),
            ("in and drained", Valid, "", join(&[enqueue(1), enqueue(2), drain(json!([2, 1]))])),
            ("lost", Invalid, "lost", join(&[enqueue(1), dequeue(json!(null))])),
            ("lost before a drain", Invalid, "lost", join(&[enqueue(1), enqueue(2), drain(json!([1]))])),
            ("empty by failing", Invalid, "lost", join(&[enqueue(1), failed(1, "dequeue", json!("empty"))])),
            ("one that failed otherwise", Inconclusive, "", join(&[enqueue(1), failed(1, "dequeue", json!(null))])),
            ("still queued", Inconclusive, "", join(&[enqueue(1), enqueue(2), dequeue(json!(1))])),
            (
                "perhaps taken by one that timed out",
                Inconclusive,
                "",
                join(&[enqueue(1), unknown(2, "dequeue", json!(null)), dequeue(json!(null))]),
            ),
            (
                "but one alone",
                Invalid,
                "lost",
                join(&[enqueue(1), enqueue(2), unknown(2, "dequeue", json!(null)), drain(json!([]))]),
            ),
            ("nobody enqueued it", Invalid, "unexpected", join(&[dequeue(json!(5))])),
            ("its enqueue failed", Invalid, "unexpected", join(&[failed(0, "enqueue", json!(5)), dequeue(json!(5))])),
            ("recovered", Valid, "", join(&[unknown(0, "enqueue", json!(5)), dequeue(json!(5))])),
            ("delivered twice", Valid, "", join(&[enqueue(1), dequeue(json!(1)), dequeue(json!(1)), drain(json!([]))])),
        ],
    );
    let twice = decide("total-queue", &join(&[enqueue(1), dequeue(json!(1)), dequeue(json!(1))]));
    assert_eq!(twice.figures["duplicated"], 1.0);
    let recovered = decide("total-queue", &join(&[unknown(0, "enqueue", json!(5)), dequeue(json!(5))]));
    assert_eq!(recovered.figures["recovered"], 1.0);
}

#[test]
fn unique_ids() {
    let given = |process, id: Value| done(process, "generate", json!(null), id);
    holds(
        "unique-ids",
        &[
            ("different ones", Valid, "", join(&[given(0, json!(1)), given(1, json!("1"))])),
            ("one twice", Invalid, "duplicate", join(&[given(0, json!(1)), given(1, json!(2)), given(0, json!(1))])),
            (
                "failures say nothing",
                Inconclusive,
                "",
                join(&[failed(0, "generate", json!(1)), unknown(1, "generate", json!(1))]),
            ),
            ("nothing was given", Inconclusive, "", join(&[given(0, json!(null))])),
        ],
    );
}

#[test]
fn monotonic() {
    let read = |process, number: i64| done(process, "read", json!(null), json!(number));
    let inc = |process, number: i64| done(process, "inc", json!(null), json!(number));
    let concurrent = vec![
        (0, Invoke, "read", json!(null)),
        (1, Invoke, "read", json!(null)),
        (1, Ok, "read", json!(5)),
        (0, Ok, "read", json!(4)),
    ];
    holds(
        "monotonic",
        &[
            ("it grows", Valid, "", join(&[read(0, 1), inc(1, 2), read(0, 2), inc(0, 3)])),
            ("it shrinks", Invalid, "backwards", join(&[read(0, 2), read(1, 1)])),
            ("it shrinks later", Invalid, "backwards", join(&[read(0, 2), read(0, 3), read(1, 2)])),
            ("one number twice", Invalid, "backwards", join(&[inc(0, 2), read(1, 2), inc(1, 2)])),
            ("at the same time", Valid, "", concurrent),
            ("no number", Inconclusive, "", join(&[done(0, "read", json!(null), json!("x"))])),
            ("none at all", Inconclusive, "", join(&[unknown(0, "read", json!(null))])),
        ],
    );
}

#[test]
fn bank() {
    let read = |process, balances: Value| done(process, "read", json!(null), balances);
    let moved = done(9, "transfer", json!({"from": 0, "to": 1, "amount": 5}), json!(null));
    holds(
        "bank",
        &[
            (
                "all stays",
                Valid,
                "",
                join(&[read(0, json!({"0": 5, "1": 5})), moved.clone(), read(1, json!({"0": 0, "1": 10}))]),
            ),
            (
                "a balance below zero",
                Invalid,
                "negative-balance",
                join(&[read(0, json!({"0": 5, "1": 5})), moved.clone(), read(1, json!({"0": -5, "1": 15}))]),
            ),
            (
                "some goes",
                Invalid,
                "wrong-total",
                join(&[read(0, json!({"0": 5, "1": 5})), moved, read(1, json!({"0": 0, "1": 5}))]),
            ),
            ("an account without a balance", Invalid, "no-balance", join(&[read(0, json!({"0": null, "1": 5}))])),
            ("no read", Inconclusive, "", join(&[failed(0, "read", json!(null))])),
        ],
    );
    let below = decide("bank", &join(&[read(0, json!({"0": 5, "1": 5})), read(1, json!({"0": -5, "1": 15}))]));
    assert_eq!(below.figures["reads_below_zero"], 1.0);
}

#[test]
fn dirty_reads() {
    let write = |value: u64| done(0, "write", json!(value), json!(value));
    let read = |rows: Value| done(1, "read", json!(null), rows);
    let early = vec![
        (1, Invoke, "read", json!(null)),
        (0, Invoke, "write", json!(1)),
        (1, Ok, "read", json!([1, 1])),
        (0, Fail, "write", json!(1)),
    ];
    holds(
        "dirty-reads",
        &[
            ("what was written", Valid, "", join(&[read(json!([-1, -1])), write(1), read(json!([1, 1]))])),
            ("what may have been", Valid, "", join(&[unknown(0, "write", json!(1)), read(json!([1, 1]))])),
            ("what failed", Invalid, "dirty-read", join(&[failed(0, "write", json!(1)), read(json!([1, 1]))])),
            ("in one row", Invalid, "dirty-read", join(&[write(2), failed(0, "write", json!(1)), read(json!([2, 1]))])),
            ("what was to fail", Invalid, "dirty-read", early),
            (
                "what failed and was tried again",
                Valid,
                "",
                join(&[failed(0, "write", json!(1)), write(1), read(json!([1, 1]))]),
            ),
            (
                "what failed and was only later tried again",
                Invalid,
                "dirty-read",
                join(&[failed(0, "write", json!(1)), read(json!([1, 1])), write(1)]),
            ),
            ("rows differ", Invalid, "inconsistent-read", join(&[write(1), write(2), read(json!([1, 1, 2]))])),
            ("before it was written", Valid, "", join(&[read(json!([1, 1])), write(1)])),
            (
                "two that nobody wrote",
                Invalid,
                "unwritten-value",
                join(&[read(json!([-1, -1])), write(1), read(json!([0, 0]))]),
            ),
            ("no rows", Valid, "", join(&[read(json!([]))])),
            ("no list", Inconclusive, "", join(&[write(1), read(json!(1))])),
            ("no read", Inconclusive, "", join(&[write(1)])),
            ("another function", Inconclusive, "", join(&[done(0, "cas", json!([1, 2]), json!([1, 2]))])),
        ],
    );
}

/// The rows of docs/anomalies.md: each anomaly alone is found, and is gone without any one operation.
#[test]
fn dirty_reads_are_as_the_page_says() {
    const PAGE: &str = include_str!("anomalies.md");
    let section = PAGE.split("\n## ").find(|part| part.starts_with("Dirty reads")).expect("the page has this section");
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let mut kinds = Vec::new();
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let operations: Vec<Events> = cells[1].split("; ").map(|text| written_as(text).to_vec()).collect();
        let found = |operations: &[Events]| {
            let kinds = decide("dirty-reads", &operations.concat())
                .explained()
                .map(|violation| violation.kind.clone())
                .collect::<Vec<_>>()
                .into_iter();
            kinds.collect::<Vec<String>>()
        };
        assert_eq!(found(&operations), [cells[0]], "{row}");
        for out in 0..operations.len() {
            let rest = [&operations[..out], &operations[out + 1..]].concat();
            assert!(found(&rest).is_empty(), "{row} without its operation {out}");
        }
        kinds.push(cells[0].to_owned());
    }
    assert_eq!(kinds, ["dirty-read", "inconsistent-read", "unwritten-value"]);
}

/// `p1@0-1! write 1` or `p2@2-3 read [1 1]`; one operation ends before the next begins.
fn written_as(text: &str) -> [(u32, EventType, &'static str, Value); 2] {
    let (head, what) = text.split_once(' ').expect("a process and what it did");
    let process = head[1..].split('@').next().and_then(|number| number.parse().ok()).expect("a process");
    match what.split_once(' ').expect("a function and a value") {
        ("write", value) if head.ends_with('!') => failed(process, "write", value.parse().expect("a number")),
        ("write", value) => done(process, "write", value.parse().expect("a number"), value.parse().expect("a number")),
        ("read", rows) => {
            let rows = rows.replace(' ', ",").parse().expect("a list of numbers");
            done(process, "read", json!(null), rows)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn long_fork() {
    let write = |process, key: u64| done(process, "txn", json!([["w", key, 1]]), json!([["w", key, 1]]));
    let read = |process, seen: Value| done(process, "txn", json!([["r", 0, null], ["r", 1, null]]), seen);
    let (only_x, only_y) = (json!([["r", 0, 1], ["r", 1, null]]), json!([["r", 1, 1], ["r", 0, null]]));
    let (none, both) = (json!([["r", 0, null], ["r", 1, null]]), json!([["r", 0, 1], ["r", 1, 1]]));
    let writes = [write(0, 0), write(1, 1)];
    let with = |reads: &[Value]| {
        let reads: Vec<_> = (2..).zip(reads).map(|(process, seen)| read(process, seen.clone())).collect();
        join(&[&writes[..], &reads].concat())
    };
    holds(
        "long-fork",
        &[
            ("a fork", Invalid, "long-fork", with(&[only_x.clone(), only_y])),
            ("a chain", Valid, "", with(&[both.clone(), none, only_x, both])),
            ("a key written twice", Inconclusive, "", join(&[write(0, 0), write(1, 0)])),
            ("no read", Inconclusive, "", join(&writes)),
            ("no list", Inconclusive, "", join(&[done(0, "txn", json!(1), json!(1))])),
        ],
    );
}

#[test]
fn the_model_of_a_history_is_guessed() {
    let guess = |events: &Events| registry::guess(&records(events));
    let cas = join(&[done(0, "cas", json!([1, 2]), json!([1, 2]))]);
    let append = join(&[done(0, "txn", json!([["append", 1, 2]]), json!([["append", 1, 2]]))]);
    let counter = join(&[done(0, "add", json!(1), json!(1)), done(0, "read", json!(null), json!(1))]);
    let set = join(&[done(0, "add", json!(1), json!(1)), done(0, "read", json!(null), json!([1]))]);
    let found = [&cas, &append, &counter, &set].map(guess);
    assert_eq!(found, [Some("cas-register"), Some("list-append"), Some("counter"), Some("set-full")]);
    let siblings = join(&[done(0, "write", json!(1), json!(1)), done(1, "read", json!(null), json!([1, 2]))]);
    let rows = join(&[done(0, "write", json!(1), json!(1)), done(1, "read", json!(null), json!([1, 1]))]);
    let more = join(&[
        done(0, "write", json!(1), json!(1)),
        done(1, "read", json!(null), json!([1, 1])),
        done(1, "read", json!(null), json!([1])),
    ]);
    assert_eq!([&siblings, &rows, &more].map(guess), [Some("register"), Some("dirty-reads"), Some("register")]);
    assert_eq!(guess(&join(&[done(0, "dance", json!(1), json!(1))])), None);
    assert_eq!(guess(&Vec::new()), None);
}
