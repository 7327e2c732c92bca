//! The checks that peers have by name: each anomaly by itself, and what looks like one but is none.
//!
//! A history is written as text, an operation a line: process, function, argument, outcome, result.

use serde_json::Value;

use crate::checks::check::Context;
use crate::checks::registry::{self, Settings};
use crate::finding::Finding;
use crate::history::EventType::{self, Fail, Info, Invoke, Ok};
use crate::history::{Event, History, Phase, Process};
use crate::limits::Limits;
use crate::outcome::Outcome;

/// `0 add 5 ok 5`; `(0 add 5` begins without an end, and `0) ok 5` ends it. `final` at the end marks the phase.
fn of(lines: &str) -> History {
    let mut events = Vec::new();
    let mut open: Vec<(u64, String)> = Vec::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let phase = if words.last() == Some(&"final") { Phase::Final } else { Phase::Main };
        let words: Vec<&str> = words.into_iter().filter(|word| *word != "final").collect();
        let value = |text: &str| -> Value { serde_json::from_str(text).expect("a value of JSON") };
        let mut push = |process: u64, kind: EventType, f: &str, text: &str| {
            events.push(Event { phase, ..Event::new(0, Process::Client(process), kind, f, value(text)) });
        };
        let kind = |text: &str| match text {
            "ok" => Ok,
            "fail" => Fail,
            _ => Info,
        };
        match words[..] {
            [process, f, argument] if process.starts_with('(') => {
                let process = process[1..].parse().expect("a process");
                push(process, Invoke, f, argument);
                open.push((process, f.to_owned()));
            }
            [process, outcome, result] => {
                let process = process.trim_end_matches(')').parse().expect("a process");
                let (_, f) = open.iter().rev().find(|(of, _)| *of == process).expect("it was begun");
                push(process, kind(outcome), f, result);
            }
            [process, f, argument, outcome, result] => {
                let process = process.parse().expect("a process");
                push(process, Invoke, f, argument);
                push(process, kind(outcome), f, result);
            }
            _ => panic!("not an operation: {line}"),
        }
    }
    History::of_events(&events).expect("events that fit")
}

fn judged(name: &str, lines: &str) -> Finding {
    let settings = Settings::default();
    let asked = registry::find(name, &settings);
    asked[0].check(&of(lines), &Context::new(Limits::default(), &settings))
}

/// Outcome and kinds of anomalies of each history are as given.
fn all(name: &str, cases: &[(&str, Outcome, &[&str])]) {
    for (lines, outcome, kinds) in cases {
        let finding = judged(name, lines);
        let found: Vec<&str> = finding.explained().map(|anomaly| anomaly.kind.as_str()).collect();
        assert_eq!((finding.outcome(), &found[..]), (*outcome, *kinds), "{name}: {lines}\n{}", finding.summary());
    }
}

const VALID: Outcome = Outcome::Valid;
const INVALID: Outcome = Outcome::Invalid;
const OPEN: Outcome = Outcome::Inconclusive;

#[test]
fn who_sees_a_write_sees_what_had_completed_before_it() {
    let cases: &[(&str, Outcome, &[&str])] = &[
        ("0 write 1 ok 1\n1 write 2 ok 2\n2 read null ok [1,2]", VALID, &[]),
        ("0 write 1 ok 1\n1 write 2 ok 2\n2 read null ok [2]", INVALID, &["causal-reverse"]),
        // Stale as a whole: nothing is seen without its cause.
        ("0 write 1 ok 1\n1 write 2 ok 2\n2 read null ok [1]\n2 read null ok []", VALID, &[]),
        // Concurrent writes have no order.
        ("(0 write 1\n(1 write 2\n0) ok 1\n1) ok 2\n2 read null ok [2]", VALID, &[]),
        // Of unknown outcome, but seen; the cause was acknowledged.
        ("0 write 1 ok 1\n1 write 2 info 2\n2 read null ok [2]", INVALID, &["causal-reverse"]),
        // An unknown cause may never have happened.
        ("0 write 1 info 1\n1 write 2 ok 2\n2 read null ok [2]", VALID, &[]),
        ("0 write 1 fail 1\n2 read null ok [1]", INVALID, &["aborted-read"]),
        ("0 write 1 ok 1\n2 read null ok [1,9]", INVALID, &["never-written"]),
        ("0 write 1 ok 1", OPEN, &[]),
        ("0 cas 1 ok 1", OPEN, &[]),
    ];
    all("causal-reverse", cases);
    all("comments", cases);
}

#[test]
fn a_chain_of_causes_is_seen_in_its_order() {
    all(
        "causal-register",
        &[
            (
                "0 read-init null ok null\n0 write 1 ok 1\n0 read null ok 1\n0 write 2 ok 2\n0 read null ok 2",
                VALID,
                &[],
            ),
            ("0 read-init null ok 0\n0 write 1 ok 1\n0 read null ok 1", VALID, &[]),
            ("0 read-init null ok 7", INVALID, &["never-written"]),
            // It begins with one of the two.
            ("0 read-init null ok 0\n0 read null ok null", INVALID, &["stale-read"]),
            ("0 read-init null ok null\n0 read null ok 0", INVALID, &["stale-read"]),
            ("0 write 0 info null\n1 read null ok null\n1 read null ok 0", VALID, &[]),
            ("0 write 0 info null\n1 read null ok 0\n1 read null ok null", INVALID, &["stale-read"]),
            ("0 read null ok 0\n0 write 1 ok 1\n0 read null ok 0", INVALID, &["stale-read"]),
            ("0 write 1 ok 1\n0 read null ok null", INVALID, &["stale-read"]),
            ("0 write 1 ok 1\n0 write 2 ok 2\n0 read null ok 1", INVALID, &["stale-read"]),
            ("0 write 1 ok 1\n0 write 2 info 2\n1 read null ok 1\n1 read null ok 2", VALID, &[]),
            ("0 write 1 ok 1\n0 write 2 info 2\n1 read null ok 2\n1 read null ok 1", INVALID, &["stale-read"]),
            ("0 write 1 fail 1\n0 read null ok 1", INVALID, &["never-written"]),
            ("(0 write 1\n(1 read null\n0) ok 1\n1) ok 1", OPEN, &[]),
            ("0 write 1 ok 1", OPEN, &[]),
        ],
    );
}

#[test]
fn one_insert_of_a_key_commits() {
    all(
        "adya-g2",
        &[
            ("0 insert [1,[10,null]] ok [1,[10,null]]\n1 insert [1,[null,11]] fail [1,[null,11]]", VALID, &[]),
            ("0 insert [1,[10,null]] ok [1,[10,null]]\n1 insert [1,[null,11]] ok [1,[null,11]]", INVALID, &["G2"]),
            ("0 insert [1,[10,null]] ok [1,[10,null]]\n1 insert [2,[null,11]] ok [2,[null,11]]", VALID, &[]),
            ("0 insert [1,[10,null]] ok [1,[10,null]]\n1 insert [1,[null,11]] info null", VALID, &[]),
            ("0 insert [[1,2],[10,null]] ok null\n1 insert [[1,2],[null,11]] ok null", INVALID, &["G2"]),
            ("0 insert [1,[10,null]] fail null", OPEN, &[]),
            ("0 insert 1 ok 1", OPEN, &[]),
        ],
    );
}

#[test]
fn the_final_reads_of_a_counter_are_the_sum() {
    let both: &[(&str, Outcome, &[&str])] = &[
        ("0 add 2 ok 2\n1 add 3 ok 3\n0 read null ok 2\n0 read null ok 5 final", VALID, &[]),
        ("0 add 2 ok 2\n1 add 3 ok 3\n0 read null ok 4 final", INVALID, &["wrong-sum"]),
        ("0 add 2 ok 2\n0 read null ok 0 final", INVALID, &["wrong-sum"]),
        ("0 add 2 ok 2\n1 add 3 info 3\n0 read null ok 2 final\n2 read null ok 5 final", VALID, &[]),
        ("0 add 2 ok 2\n1 add 3 info 3\n0 read null ok 4 final", INVALID, &["wrong-sum"]),
        ("0 add 2 ok 2\n1 add 3 fail 3\n0 read null ok 5 final", INVALID, &["wrong-sum"]),
        ("0 add 2 ok 2\n0 read null ok 2", OPEN, &[]),
        ("0 add 2 ok 2\n0 read null ok \"x\" final", INVALID, &["wrong-sum"]),
        ("0 add \"x\" ok null\n0 read null ok 0 final", OPEN, &[]),
    ];
    all("pn-counter", both);
    all("g-counter", both);
    let down = "0 add -2 ok -2\n0 read null ok -2 final";
    all("pn-counter", &[(down, VALID, &[])]);
    all("g-counter", &[(down, OPEN, &[])]);
}

#[test]
fn an_echo_repeats_what_was_asked() {
    all(
        "echo",
        &[
            ("0 echo \"a\" ok \"a\"\n0 echo [1,2] ok [1,2]\n0 echo 5 ok {\"type\":\"echo_ok\",\"echo\":5}", VALID, &[]),
            ("0 echo \"a\" ok \"b\"", INVALID, &["no-echo"]),
            ("0 echo {\"a\":1} ok {\"echo\":{\"a\":2}}", INVALID, &["no-echo"]),
            ("0 echo 1 ok null", INVALID, &["no-echo"]),
            ("0 echo 1 info null", OPEN, &[]),
            ("0 say 1 ok 1", OPEN, &[]),
        ],
    );
}

#[test]
fn a_broadcast_element_appears_and_stays() {
    all(
        "broadcast",
        &[
            ("0 broadcast 1 ok 1\n1 broadcast 2 ok 2\n2 read null ok [1,2]", VALID, &[]),
            ("0 broadcast 1 ok 1\n1 broadcast 2 ok 2\n2 read null ok [1,2]\n2 read null ok [2]", INVALID, &["lost"]),
        ],
    );
}

#[test]
fn a_watch_reports_every_change_once_and_in_order() {
    let puts = "0 put [\"a\",1] ok 2\n0 put [\"b\",1] ok 3\n0 delete \"a\" ok 4\n";
    let (a, b, c) = (r#"[2,"put","a",1]"#, r#"[3,"put","b",1]"#, r#"[4,"delete","a"]"#);
    let watch = |from: &str, responses: String| format!("{puts}1 watch {from} ok {responses}");
    let cases: Vec<(String, Outcome, Vec<&str>)> = vec![
        (watch("2", format!("[[{a}],[{b},{c}]]")), VALID, vec![]),
        (watch("3", format!("[[{b}]]")), VALID, vec![]),
        (watch("null", format!("[[{b},{c}]]")), VALID, vec![]),
        (watch("2", format!("[[{a}],[{c}]]")), INVALID, vec!["watch-gap"]),
        (watch("2", format!("[[{b}]]")), INVALID, vec!["watch-gap"]),
        (watch("2", format!("[[{b}],[{a}]]")), INVALID, vec!["watch-unordered"]),
        (watch("2", format!("[[{a}],[{b}],[{b}]]")), INVALID, vec!["watch-duplicate", "watch-not-atomic"]),
        (watch("3", format!("[[{a}],[{b}]]")), INVALID, vec!["watch-too-early"]),
        (watch("2", r#"[[[2,"put","a",9]]]"#.to_owned()), INVALID, vec!["watch-contradiction"]),
        (
            watch("5", r#"[[[5,"put","x",1]],[[5,"put","y",1]]]"#.to_owned()),
            INVALID,
            vec!["watch-contradiction", "never-written", "watch-not-atomic"],
        ),
        (watch("2", "[]".to_owned()), OPEN, vec![]),
        (watch("2", "7".to_owned()), OPEN, vec![]),
    ];
    for (lines, outcome, kinds) in &cases {
        all("watch", &[(lines, *outcome, &kinds[..])]);
    }
}

#[test]
fn deques_texts_and_accounts_are_linearizable_or_not() {
    all(
        "deque",
        &[
            (
                "0 push-front 1 ok 1\n0 push-back 2 ok 2\n1 pop-front null ok 1\n1 peek-back null ok 2\n1 pop-back null ok 2",
                VALID,
                &[],
            ),
            ("0 push-front 1 ok 1\n0 push-front 2 ok 2\n1 pop-back null ok 2", INVALID, &["not-linearizable"]),
            ("0 push-front 1 ok 1\n0 spin 2 ok 2", OPEN, &[]),
        ],
    );
    all(
        "queue",
        &[
            ("0 enqueue 1 ok 1\n0 enqueue 2 ok 2\n1 peek null ok 1\n1 dequeue null ok 1\n1 peek null ok 2", VALID, &[]),
            ("0 enqueue 1 ok 1\n0 enqueue 2 ok 2\n1 peek null ok 2", INVALID, &["not-linearizable"]),
        ],
    );
    all(
        "stack",
        &[
            ("0 push 1 ok 1\n0 push 2 ok 2\n1 peek null ok 2\n1 pop null ok 2\n1 top null ok 1", VALID, &[]),
            ("0 push 1 ok 1\n0 push 2 ok 2\n1 peek null ok 1", INVALID, &["not-linearizable"]),
        ],
    );
    all(
        "text",
        &[
            ("0 put \"a\" ok null\n1 append \"b\" ok null\n2 get null ok \"ab\"", VALID, &[]),
            ("0 put \"a\" ok null\n1 append \"b\" ok null\n2 get null ok \"a\"", INVALID, &["not-linearizable"]),
            ("0 get null ok \"\"", VALID, &[]),
            ("0 put 5 ok null\n0 get null ok \"5\"", OPEN, &[]),
        ],
    );
    let transfers = |last: &str| {
        let first = r#"0 read null ok {"a":10,"b":0}"#;
        format!("{first}\n1 transfer {{\"from\":\"a\",\"to\":\"b\",\"amount\":4}} ok null\n0 read null ok {last}")
    };
    all(
        "accounts",
        &[
            (&transfers(r#"{"b":4,"a":6}"#), VALID, &[]),
            (&transfers(r#"{"a":10,"b":0}"#), INVALID, &["not-linearizable"]),
            (&transfers(r#"{"b":4,"a":6}"#).replace("\"a\"", "\"1\"").replace("\"b\"", "\"2\""), VALID, &[]),
            ("0 transfer 5 ok 5", OPEN, &[]),
        ],
    );
}
