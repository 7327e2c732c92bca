//! From lines of a history to the decision; and beside a peer.

use super::brute::{Respect, serializable};
use super::draw::{Draw, Shape, cases, history};
use crate::decision::Limits;
use crate::formats::{Format, Selection, read};
use crate::records::Records;
use crate::sessions;
use crate::transactions::input::{Micro, Numbers, Outcome, Transactions};
use crate::transactions::isolation::Isolation;
use crate::transactions::{Options, check_isolation, check_list_append, check_rw_register, list_append, models};
use crate::verdict;

fn records(lines: &str) -> Records {
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
    assert_eq!(decision.outcome, verdict::Outcome::Invalid, "{decision:?}");
    assert_eq!(
        (decision.violations[0].kind.as_str(), &decision.violations[0].events[..]),
        ("G2-item", &[0, 1, 2, 3][..])
    );
    assert!(
        decision.violations[0].explanation.contains("T0 read x as [], without the 1 that T1 appended"),
        "{decision:?}"
    );
    assert_eq!(decision.strongest[0], "strong-snapshot-isolation");
    let options = Options { required: "snapshot-isolation", ..Options::default() };
    assert_eq!(check_list_append(&records, &Limits::default(), options).outcome, verdict::Outcome::Valid);
}

/// Too little memory is told, and nothing is called valid.
#[test]
fn a_limit_is_told() {
    let limits = Limits { memory_bytes: 10, ..Limits::default() };
    let decision = check_list_append(&records(WRITE_SKEW), &limits, Options::default());
    assert_eq!(decision.outcome, verdict::Outcome::Inconclusive);
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
    assert_eq!(seen("[1]").outcome, verdict::Outcome::Valid);
    assert_eq!(seen("[]").outcome, verdict::Outcome::Valid);
    assert_eq!(seen("[2]").outcome, verdict::Outcome::Invalid);
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
    let outcome = |level| check_isolation(&records, &Limits::default(), level).outcome;
    assert_eq!(outcome(Isolation::Causal), verdict::Outcome::Invalid);
    assert_eq!(outcome(Isolation::ReadAtomic), verdict::Outcome::Valid);
    let sessions = sessions::check(&records, &Limits::default());
    assert_eq!(sessions.outcome, verdict::Outcome::Invalid);
    let kinds: Vec<&str> = sessions.violations.iter().map(|violation| violation.kind.as_str()).collect();
    assert_eq!(kinds, ["monotonic-writes"], "{sessions:?}");
    assert_eq!(sessions.violations[0].key.as_deref(), Some("x"));
    let transactions = check_rw_register(&records, &Limits::default(), Options::default());
    assert_eq!(transactions.outcome, verdict::Outcome::Valid, "without assumptions nothing is known of the order");
}

#[test]
fn siblings_in_lines() {
    let history = |past: &str| {
        let second = format!(r#""f":"write","key":"x","value":2,"past":{past}"#);
        serial(&[(0, r#""f":"write","key":"x","value":1"#), (1, &second), (0, r#""f":"read","key":"x","value":[2]"#)])
    };
    let sessions = |past: &str| sessions::check(&records(&history(past)), &Limits::default());
    assert_eq!(sessions("[1]").outcome, verdict::Outcome::Valid, "{:?}", sessions("[1]"));
    let lost = sessions("[]");
    assert_eq!((lost.outcome, lost.violations[0].kind.as_str()), (verdict::Outcome::Invalid, "read-your-writes"));
    assert!(lost.violations[0].explanation.contains("does not show the write of 1 at index 0"), "{lost:?}");
}

/// The same history as lines that the peer reads, too.
fn lines(all: &Transactions) -> String {
    let mut events: Vec<(u32, String)> = Vec::new();
    for at in 0..all.len() as u32 {
        let row = all.row(at);
        let micro = |micro: &Micro, shown: bool| match *micro {
            Micro::Append { key, value } => format!(r#"["append",{key},{value}]"#),
            Micro::List { key, .. } if shown => format!(r#"["r",{key},{:?}]"#, all.list(*micro)),
            other => format!(r#"["r",{},null]"#, other.key()),
        };
        let line = |kind: &str, index: u32, shown: bool| {
            let micros: Vec<String> = all.micros(at).iter().map(|one| micro(one, shown)).collect();
            let (process, micros) = (row.process, micros.join(","));
            format!(r#"{{"index":{index},"process":{process},"type":"{kind}","f":"txn","value":[{micros}]}}"#)
        };
        events.push((row.call, line("invoke", row.call, false)));
        events.push((row.ret, line("ok", row.ret, true)));
    }
    events.sort();
    events.into_iter().map(|(_, line)| line + "\n").collect()
}

/// `adya` is a checker of the same kind. Where it disagrees, permutations decide, and they decide for us.
#[test]
fn beside_a_peer() {
    let (mut invalid, mut disagreements) = (0, 0);
    let total = cases(1500);
    for seed in 0..total {
        let mut draw = Draw(seed);
        let stale = [0, 15, 40][draw.below(3) as usize];
        let transactions = 2 + draw.below(5) as u32;
        let shape = Shape { transactions, processes: 3, keys: 2, micros_max: 3, stale, unsure: 0, lists: true };
        let all = history(&mut draw, shape);
        assert!(all.rows().iter().all(|row| row.outcome == Outcome::Ok));
        let peer = adya::History::from_json(&lines(&all)).expect("the peer reads it");
        let kinds = list_append::analyse(&all, &Numbers).kinds();
        for (model, respect) in [("serializable", Respect::Nothing), ("strict-serializable", Respect::RealTime)] {
            let options = adya::Opts { models: vec![model.to_owned()], ..adya::Opts::default() };
            let report = adya::check(&peer, adya::Workload::ListAppend, &options);
            let ours = models::allows(model, &kinds);
            invalid += u64::from(!ours);
            if (report.valid == adya::Valid::False) == ours {
                disagreements += 1;
                assert_eq!(
                    ours,
                    serializable(&all, respect),
                    "seed {seed}, {model}: {kinds:?}, {:?}",
                    report.anomaly_types
                );
            }
        }
    }
    println!(
        "{total} histories, two models: {invalid} invalid, the peer disagrees {disagreements} times and is wrong then"
    );
    assert!(invalid > total / 10);
}
