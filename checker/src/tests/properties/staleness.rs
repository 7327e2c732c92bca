//! Staleness against searches through every order.

use super::Random;
use crate::checks::simple::staleness::{Bounds, check};
use crate::finding::Finding;
use crate::history::EventType::{Invoke, Ok};
use crate::history::{History, HistoryBuilder, Op, RawEvent, ValueId};
use crate::limits::Limits;
use crate::verdict::Outcome::{Inconclusive, Invalid, Valid};

/// An operation with its times; `write` of a value or `read` of one (0 = nil), `end` none if nobody knows.
#[derive(Clone, Copy, Debug)]
struct Timed {
    write: bool,
    value: i64,
    start: u64,
    end: Option<u64>,
}

fn write(value: i64, start: u64, end: u64) -> Timed {
    Timed { write: true, value, start, end: Some(end) }
}

fn read(value: i64, start: u64, end: u64) -> Timed {
    Timed { write: false, value, start, end: Some(end) }
}

/// At equal times invocations come first: those operations are concurrent.
fn records(ops: &[Timed]) -> History {
    let mut events: Vec<(u64, bool, usize)> = Vec::new();
    for (process, operation) in ops.iter().enumerate() {
        events.push((operation.start, false, process));
        events.extend(operation.end.map(|end| (end, true, process)));
    }
    events.sort_unstable();
    let mut builder = HistoryBuilder::new();
    for (time_ns, ends, process) in events {
        let operation = ops[process];
        let number = match operation.value {
            0 => ValueId::NIL,
            value => builder.int(value).expect("there is room"),
        };
        let value = if operation.write || ends { number } else { ValueId::NIL };
        let f = if operation.write { "write" } else { "read" };
        let (kind, process, nil) = (if ends { Ok } else { Invoke }, Some(process as u64), ValueId::NIL);
        let event = RawEvent { index: None, time_ns, process, kind, f, key: nil, value, past: nil };
        builder.push_event(&event).expect("it fits");
    }
    builder.finish()
}

fn decide(ops: &[Timed], versions_max: Option<u64>, time_ns_max: Option<u64>) -> Finding {
    check(&records(ops), &Limits::default(), Bounds { versions_max, time_ns_max })
}

#[test]
fn times_that_run_back_measure_nothing() {
    let events = |times: [u64; 4]| {
        let mut builder = HistoryBuilder::new();
        let value = builder.int(1).expect("there is room");
        let events =
            [(Invoke, "write", value), (Ok, "write", value), (Invoke, "read", ValueId::NIL), (Ok, "read", value)];
        for ((kind, f, value), time_ns) in events.into_iter().zip(times) {
            let (key, past) = (ValueId::NIL, ValueId::NIL);
            let event = RawEvent { index: None, time_ns, process: Some(1), kind, f, key, value, past };
            builder.push_event(&event).expect("it fits");
        }
        check(&builder.finish(), &Limits::default(), Bounds::default())
    };
    assert_eq!(events([1, 2, 2, 3]).outcome(), Valid);
    let wrong = events([1, 5, 4, 6]);
    assert_eq!(wrong.outcome(), Inconclusive);
    assert!(wrong.summary().contains("index 2"), "{}", wrong.summary());
}

/// Whether some order that real time allows has every read return one of the last k values, when reads begin earlier.
fn some_order(ops: &[Timed], k: usize, shift: u64) -> bool {
    let span = |operation: &Timed| {
        let start = operation.start as i64 - if operation.write { 0 } else { shift as i64 };
        (start, operation.end.map_or(i64::MAX, |end| end as i64))
    };
    let spans: Vec<(i64, i64)> = ops.iter().map(span).collect();
    let needed: u32 = (0..ops.len()).filter(|at| ops[*at].end.is_some()).map(|at| 1 << at).sum();
    let mut states: Vec<(u32, Vec<i64>)> = vec![(0, vec![0])];
    while let Some((placed, values)) = states.pop() {
        if placed & needed == needed {
            return true;
        }
        for at in (0..ops.len()).filter(|at| placed & (1 << at) == 0) {
            let waits = (0..ops.len()).any(|other| placed & (1 << other) == 0 && spans[other].1 < spans[at].0);
            if waits {
                continue;
            }
            let mut after = values.clone();
            match ops[at] {
                Timed { write: true, value, .. } => after.push(value),
                Timed { value, .. } if !values[values.len().saturating_sub(k)..].contains(&value) => continue,
                Timed { .. } => {}
            }
            states.push((placed | (1 << at), after));
        }
    }
    false
}

fn random(random: &mut Random) -> Vec<Timed> {
    let mut ops: Vec<Timed> = Vec::new();
    let operations = 3 + random.below(4);
    for value in 1..=operations as i64 {
        let start = random.below(20);
        let end = Some(start + random.below(8)).filter(|_| random.below(8) > 0);
        let written: Vec<i64> = ops.iter().filter(|other| other.write).map(|other| other.value).collect();
        match random.below(2) == 0 || written.is_empty() {
            true => ops.push(Timed { write: true, value, start, end }),
            false => {
                let value = [0, written[random.below(written.len() as u64) as usize]][usize::from(random.below(4) > 0)];
                ops.push(read(value, start, start + random.below(8)));
            }
        }
    }
    ops
}

#[test]
fn figures_are_those_of_every_order() {
    let mut draw = Random(11);
    let (mut counts, mut refused) = ([[0u64; 2]; 2], 0);
    let rounds = std::env::var("STALENESS_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(3000);
    for _ in 0..rounds {
        let ops = random(&mut draw);
        let from_the_future = ops.iter().any(|read| {
            let begins = |write: &&Timed| write.write && write.value == read.value;
            !read.write && ops.iter().find(begins).is_some_and(|write| read.end < Some(write.start))
        });
        if from_the_future {
            assert_eq!(decide(&ops, None, None).anomalies[0].kind, "read-from-the-future", "{ops:?}");
            refused += 1;
            continue;
        }
        for k in [1, 2] {
            let atomic = decide(&ops, Some(k), None).outcome() != Invalid;
            assert_eq!(atomic, some_order(&ops, k as usize, 0), "k = {k}: {ops:?}");
            counts[k as usize - 1][usize::from(atomic)] += 1;
        }
        let figures = decide(&ops, None, None).figures;
        let delta_ns = (figures["delta_ms"] * 1e6).round() as u64;
        assert!(some_order(&ops, 1, delta_ns), "delta {delta_ns}: {ops:?}");
        assert!(delta_ns == 0 || !some_order(&ops, 1, delta_ns - 1), "delta {delta_ns}: {ops:?}");
        let least = figures["versions_at_least"] as usize;
        assert!(least < 2 || !some_order(&ops, least - 1, 0), "at least {least}: {ops:?}");
    }
    assert!(counts.iter().flatten().all(|count| *count > rounds / 60), "{counts:?}, and {refused} from the future");
}

/// With times of a coarse clock the same is found as with the exact ones, since the events are in the same order.
#[test]
fn coarse_times_keep_the_order_of_events() {
    let mut draw = Random(37);
    let (mut stale, mut fresh) = (0, 0);
    for _ in 0..3000 {
        let ops = random(&mut draw);
        let exact = records(&ops);
        for unit in [2, 5, 40] {
            let mut coarse = exact.clone();
            for op in &mut coarse.ops {
                op.called_ns /= unit;
                op.returned_ns = if op.ret == Op::NEVER { op.returned_ns } else { op.returned_ns / unit };
            }
            for versions_max in [None, Some(1), Some(2)] {
                let bounds = Bounds { versions_max, time_ns_max: None };
                let [one, other] = [&exact, &coarse].map(|history| check(history, &Limits::default(), bounds));
                let kinds = |finding: &Finding| {
                    finding
                        .explained()
                        .map(|anomaly| (anomaly.kind.clone(), anomaly.events.clone()))
                        .collect::<Vec<_>>()
                };
                assert_eq!((one.outcome(), kinds(&one)), (other.outcome(), kinds(&other)), "{unit}: {ops:?}");
                let figures = |finding: &Finding| {
                    ["versions_at_least", "keys_stale", "keys_beyond_two_versions"].map(|name| finding.figures[name])
                };
                assert_eq!(figures(&one), figures(&other), "{unit}: {ops:?}");
                let delta_ns = |finding: &Finding| (finding.figures["delta_ms"] * 1e6).round() as u64;
                let (exact_ns, coarse_ns) = (delta_ns(&one), delta_ns(&other));
                assert_eq!(coarse_ns == 0, exact_ns == 0, "{unit}: {ops:?}");
                assert!(coarse_ns <= exact_ns / unit + 1, "{exact_ns} ns, {coarse_ns} of {unit} ns: {ops:?}");
                let count = if one.outcome() == Invalid { &mut stale } else { &mut fresh };
                *count += 1;
            }
        }
    }
    assert!(stale > 1000 && fresh > 1000, "{stale} {fresh}");
}

#[test]
fn violations_are_violations_by_themselves() {
    let mut draw = Random(23);
    let mut shown = 0;
    for _ in 0..1000 {
        let ops = random(&mut draw);
        let all = records(&ops);
        for bounds in [(Some(1), None), (Some(2), None), (None, Some(3))] {
            let bounds = Bounds { versions_max: bounds.0, time_ns_max: bounds.1 };
            for violation in check(&all, &Limits::default(), bounds).explained() {
                let is_in = |op: usize| all.events_of(op).all(|event| violation.events.contains(&event));
                let left: Vec<Timed> =
                    (0..all.ops.len()).filter(|op| is_in(*op)).map(|op| ops[all.ops[op].process as usize]).collect();
                let again = check(&records(&left), &Limits::default(), bounds);
                assert_eq!(again.outcome(), Invalid, "{violation:?} of {ops:?} alone: {left:?}");
                shown += 1;
            }
        }
    }
    assert!(shown > 500, "{shown}");
}

#[test]
fn a_read_of_the_last_but_one_value_is_stale_by_a_version_and_a_time() {
    let ops = [write(1, 0, 1_000_000), write(2, 2_000_000, 3_000_000), read(1, 8_000_000, 9_000_000)];
    let measured = decide(&ops, None, None);
    assert_eq!(measured.outcome(), Valid, "without a bound it is measured only");
    let figure = |name: &str| measured.figures[name];
    assert_eq!((figure("versions_at_least"), figure("delta_ms"), figure("fresh_share")), (2.0, 5.0, 0.0));
    assert_eq!(figure("fresh_share_from_0005_ms"), 0.0);
    assert_eq!(decide(&ops, Some(1), None).anomalies[0].kind, "stale-read");
    assert_eq!(decide(&ops, Some(2), None).outcome(), Valid);
    assert_eq!(decide(&ops, None, Some(5_000_000)).outcome(), Valid);
    assert_eq!(decide(&ops, None, Some(4_999_999)).anomalies[0].kind, "stale-by-time");
}

#[test]
fn what_cannot_be_measured_is_reported() {
    assert_eq!(decide(&[read(5, 0, 1)], None, None).anomalies[0].kind, "unwritten");
    assert_eq!(decide(&[write(1, 0, 1), write(1, 2, 3)], None, None).outcome(), Inconclusive);
    assert_eq!(decide(&[write(1, 0, 1)], None, None).outcome(), Inconclusive, "there is no read");
}
