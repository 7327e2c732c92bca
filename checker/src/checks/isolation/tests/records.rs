//! From lines of a history to the decision; and beside a peer.

use crate::checks::check::Context;
use crate::checks::isolation::{Options, check_list_append, check_rw_register};
use crate::checks::registry::{self, Settings};
use crate::finding::Finding;
use crate::formats::{Format, Selection, read};
use crate::history::History;
use crate::limits::Limits;
use crate::verdict;

fn records(lines: &str) -> History {
    read(lines.as_bytes(), Format::Json, &Selection::default()).expect("the lines are a history").records
}

/// Lines of one operation after the other.
fn serial(operations: &[(u32, &str)]) -> String {
    let line = |kind: &str, at: usize, process: u32, fields: &str| {
        format!("{{\"index\":{at},\"time\":{at},\"process\":{process},\"type\":\"{kind}\",{fields}}}\n")
    };
    let pairs = operations.iter().enumerate();
    let lines = pairs.map(|(at, (process, fields))| {
        line("invoke", 2 * at, *process, fields) + &line("ok", 2 * at + 1, *process, fields)
    });
    lines.collect()
}

const WRITE_SKEW: &str = r#"{"index":0,"time":0,"process":0,"type":"invoke","f":"txn","value":[["r","x",null],["append","y",1]]}
{"index":1,"time":1,"process":1,"type":"invoke","f":"txn","value":[["r","y",null],["append","x",1]]}
{"index":2,"time":2,"process":0,"type":"ok","f":"txn","value":[["r","x",[]],["append","y",1]]}
{"index":3,"time":3,"process":1,"type":"ok","f":"txn","value":[["r","y",[]],["append","x",1]]}
"#;

#[test]
fn a_write_skew_in_lines() {
    let records = records(WRITE_SKEW);
    let decision = check_list_append(&records, &Limits::default(), Options::default());
    assert_eq!(decision.outcome(), verdict::Outcome::Invalid, "{decision:?}");
    assert_eq!(
        (decision.anomalies[0].kind.as_str(), &decision.anomalies[0].events[..]),
        ("G2-item", &[0, 1, 2, 3][..])
    );
    assert!(
        decision.anomalies[0].explanation.contains("T0 read x as [], without the 1 that T1 appended"),
        "{decision:?}"
    );
    assert_eq!(decision.strongest[0], "strong-snapshot-isolation");
    let options = Options { required: "snapshot-isolation", ..Options::default() };
    assert_eq!(check_list_append(&records, &Limits::default(), options).outcome(), verdict::Outcome::Valid);
}

/// Too little memory is reported, and nothing is called valid.
#[test]
fn a_limit_is_reported() {
    let limits = Limits { memory_bytes: 10, ..Limits::default() };
    let decision = check_list_append(&records(WRITE_SKEW), &limits, Options::default());
    assert_eq!(decision.outcome(), verdict::Outcome::Inconclusive);
}

/// What is unknown takes part only where it was seen.
#[test]
fn an_unknown_transaction_that_was_seen() {
    let unknown = r#"{"index":0,"time":0,"process":0,"type":"invoke","f":"txn","value":[["append","x",1]]}
{"index":1,"time":1,"process":0,"type":"info","f":"txn","value":[["append","x",1]]}
"#;
    let seen = |list: &str| {
        let tail = serial(&[(1, &format!(r#""f":"txn","value":[["r","x",{list}]]"#))]);
        let tail = tail.replace("\"index\":1", "\"index\":3").replace("\"index\":0", "\"index\":2");
        check_list_append(&records(&format!("{unknown}{tail}")), &Limits::default(), Options::default())
    };
    assert_eq!(seen("[1]").outcome(), verdict::Outcome::Valid);
    assert_eq!(seen("[]").outcome(), verdict::Outcome::Valid);
    assert_eq!(seen("[2]").outcome(), verdict::Outcome::Invalid);
}

#[test]
fn registers_in_lines() {
    let lines = serial(&[
        (0, r#""f":"write","key":"x","value":1"#),
        (0, r#""f":"write","key":"x","value":2"#),
        (1, r#""f":"read","key":"x","value":2"#),
        (1, r#""f":"read","key":"x","value":1"#),
    ]);
    let records = records(&lines);
    let outcome = |level| {
        check_rw_register(&records, &Limits::default(), Options { required: level, ..Options::default() }).outcome()
    };
    assert_eq!(outcome("causal"), verdict::Outcome::Invalid);
    assert_eq!(outcome("read-atomic"), verdict::Outcome::Valid);
    let sessions = sessions(&records);
    let broken: Vec<&Finding> = sessions.iter().filter(|found| found.outcome() == verdict::Outcome::Invalid).collect();
    let [broken] = broken[..] else { panic!("{sessions:?}") };
    let kinds: Vec<&str> = broken.explained().map(|violation| violation.kind.as_str()).collect();
    assert_eq!(kinds, ["monotonic-writes"], "{sessions:?}");
    assert_eq!(broken.anomalies[0].key.as_deref(), Some("x"));
    assert_eq!(outcome("serializable"), verdict::Outcome::Valid, "nothing is known of the order");
    assert_eq!(outcome("strict-serializable"), verdict::Outcome::Invalid, "the order of each key is that of real time");
}

#[test]
fn siblings_in_lines() {
    let history = |past: &str| {
        let second = format!(r#""f":"write","key":"x","value":2,"past":{past}"#);
        serial(&[(0, r#""f":"write","key":"x","value":1"#), (1, &second), (0, r#""f":"read","key":"x","value":[2]"#)])
    };
    let sessions = |past: &str| sessions(&records(&history(past)));
    assert!(sessions("[1]").iter().all(|found| found.outcome() == verdict::Outcome::Valid), "{:?}", sessions("[1]"));
    let lost = &sessions("[]")[0];
    assert_eq!((lost.outcome(), lost.anomalies[0].kind.as_str()), (verdict::Outcome::Invalid, "stale-read"));
    assert!(lost.anomalies[0].explanation.contains("did not see its own write 1 to x"), "{lost:?}");
}

/// The four guarantees.
fn sessions(records: &History) -> Vec<Finding> {
    let asked = registry::find("session", &Settings::default());
    asked.iter().map(|asked| asked.check(records, &Context::default())).collect()
}
