//! Each anomaly by itself, and what looks like one but is none.

use serde_json::{Value, json};

use crate::checks::log::check;
use crate::finding::Finding;
use crate::history::EventType::{self, Fail, Info, Invoke, Ok};
use crate::history::{History, HistoryBuilder};
use crate::limits::Limits;
use crate::outcome::Outcome;

/// Process, function, argument, outcome and result.
type Operation = (u32, &'static str, Value, EventType, Value);

/// The history of operations one after another.
fn of(operations: &[Operation]) -> History {
    let mut builder = HistoryBuilder::new();
    for (process, f, argument, kind, result) in operations {
        builder.event(*process, Invoke, f, None, argument).expect("an invocation");
        builder.event(*process, *kind, f, None, result).expect("a completion");
    }
    builder.finish()
}

fn sent(process: u32, key: &str, value: i64, offset: Value) -> Operation {
    (process, "send", json!([["send", key, value]]), Ok, json!([["send", key, [offset, value]]]))
}

fn ended(process: u32, key: &str, value: i64, kind: EventType) -> Operation {
    (process, "send", json!([["send", key, value]]), kind, json!([["send", key, value]]))
}

fn polled(process: u32, key: &str, records: Value) -> Operation {
    (process, "poll", json!([["poll"]]), Ok, json!([["poll", { key: records }]]))
}

fn judged(operations: &[Operation]) -> Finding {
    check(&of(operations), &Limits::default())
}

fn kinds(finding: &Finding) -> Vec<&str> {
    finding.explained().map(|anomaly| anomaly.kind.as_str()).collect()
}

#[test]
fn what_was_sent_and_polled_in_order_is_valid() {
    let finding = judged(&[
        sent(0, "x", 10, json!(0)),
        sent(0, "x", 11, json!(3)),
        sent(1, "y", 10, json!(0)),
        polled(2, "x", json!([[0, 10]])),
        polled(2, "x", json!([[3, 11]])),
        polled(2, "y", json!([[0, 10]])),
        // JSON reads the keys of a map with digits as numbers.
        sent(0, "5", 10, json!(0)),
        polled(2, "5", json!([[0, 10]])),
        // A key's log, a record of any kind, and an offset that is not known.
        (3, "send", json!([["send", ["t", 1], { "a": 1 }]]), Ok, json!([["send", ["t", 1], [null, { "a": 1 }]]])),
    ]);
    assert_eq!(
        (finding.outcome(), finding.summary().contains("5 sends acknowledged, 4 records polled from 4 logs")),
        (Outcome::Valid, true)
    );
}

#[test]
fn each_anomaly_has_its_name_and_its_operations() {
    let cases: [(&str, Vec<Operation>, usize); 10] = [
        ("lost-write", vec![sent(0, "x", 1, json!(0)), sent(0, "x", 2, json!(1)), polled(1, "x", json!([[1, 2]]))], 4),
        (
            "inconsistent-offsets",
            vec![sent(0, "x", 1, json!(0)), ended(0, "x", 2, Info), polled(1, "x", json!([[0, 2]]))],
            4,
        ),
        ("duplicate", vec![sent(0, "x", 1, json!(0)), polled(1, "x", json!([[0, 1], [1, 1]]))], 4),
        ("aborted-read", vec![ended(0, "x", 1, Fail), polled(1, "x", json!([[0, 1]]))], 4),
        ("never-sent", vec![polled(1, "x", json!([[0, 1]]))], 2),
        (
            "nonmonotonic-send",
            vec![sent(0, "x", 1, json!(5)), sent(0, "x", 2, json!(4)), polled(1, "x", json!([[4, 2], [5, 1]]))],
            4,
        ),
        (
            "nonmonotonic-poll",
            vec![
                sent(0, "x", 1, json!(0)),
                sent(0, "x", 2, json!(1)),
                polled(1, "x", json!([[0, 1], [1, 2]])),
                polled(1, "x", json!([[0, 1]])),
            ],
            4,
        ),
        (
            "int-nonmonotonic-poll",
            vec![sent(0, "x", 1, json!(0)), sent(0, "x", 2, json!(1)), polled(1, "x", json!([[1, 2], [0, 1]]))],
            2,
        ),
        (
            "poll-skip",
            vec![
                sent(0, "x", 1, json!(0)),
                sent(0, "x", 2, json!(1)),
                sent(0, "x", 3, json!(2)),
                polled(2, "x", json!([[0, 1], [1, 2], [2, 3]])),
                polled(1, "x", json!([[0, 1]])),
                polled(1, "x", json!([[2, 3]])),
            ],
            6,
        ),
        (
            "int-poll-skip",
            vec![
                sent(0, "x", 1, json!(0)),
                sent(0, "x", 2, json!(1)),
                sent(0, "x", 3, json!(2)),
                polled(2, "x", json!([[0, 1], [1, 2], [2, 3]])),
                polled(1, "x", json!([[0, 1], [2, 3]])),
            ],
            4,
        ),
    ];
    for (kind, operations, events) in cases {
        let finding = judged(&operations);
        let found: Vec<(&str, usize)> =
            finding.explained().map(|anomaly| (anomaly.kind.as_str(), anomaly.events.len())).collect();
        assert!(found.contains(&(kind, events)), "{kind}: {found:?}");
        assert_eq!(finding.outcome(), Outcome::Invalid, "{kind}");
    }
}

#[test]
fn a_process_that_begins_anew_may_read_from_anywhere() {
    let sends = [sent(0, "x", 1, json!(0)), sent(0, "x", 2, json!(1)), sent(0, "x", 3, json!(2))];
    let again = |f: &'static str, second: Value| {
        let mut all = sends.to_vec();
        all.push(polled(1, "x", json!([[0, 1], [1, 2], [2, 3]])));
        if !f.is_empty() {
            all.push((1, f, json!(["x"]), Ok, json!(["x"])));
        }
        all.push(polled(1, "x", second));
        judged(&all)
    };
    assert_eq!(kinds(&again("", json!([[0, 1]]))), ["nonmonotonic-poll"]);
    assert!(kinds(&again("assign", json!([[0, 1]]))).is_empty());
    assert!(kinds(&again("subscribe", json!([[1, 2]]))).is_empty());
    // Within one poll nothing explains it.
    assert_eq!(kinds(&again("subscribe", json!([[0, 1], [2, 3]]))), ["int-poll-skip"]);
}

#[test]
fn records_whose_send_failed_are_rightly_skipped_and_unknown_ones_may_be_there() {
    let finding = judged(&[
        sent(0, "x", 1, json!(0)),
        ended(0, "x", 2, Fail),
        ended(3, "x", 3, Info),
        sent(0, "x", 4, json!(3)),
        polled(1, "x", json!([[0, 1], [2, 3], [3, 4]])),
    ]);
    assert_eq!((finding.outcome(), kinds(&finding)), (Outcome::Valid, vec![]));
}

#[test]
fn what_nobody_looked_for_is_not_fine() {
    let unseen = judged(&[sent(0, "x", 1, json!(0)), sent(0, "x", 2, json!(1)), polled(1, "x", json!([[0, 1]]))]);
    let nothing_polled = judged(&[sent(0, "x", 1, json!(0))]);
    assert_eq!((unseen.outcome(), nothing_polled.outcome()), (Outcome::Inconclusive, Outcome::Inconclusive));
    assert!(unseen.summary().contains("1 acknowledged records lie behind"), "{}", unseen.summary());
    let unknown = judged(&[(0, "seek", json!(1), Ok, json!(1))]);
    assert!(unknown.summary().contains("knows no `seek`"), "{}", unknown.summary());
    let damaged = judged(&[(0, "poll", json!([["poll"]]), Ok, json!([["poll", { "x": [["a", 1]] }]]))]);
    assert!(damaged.summary().contains("offset is no integer"), "{}", damaged.summary());
}
