//! Logs: what is a panic, what is an error, and what is neither.

use crate::run::logs::{Kind, Logs, SHOWN_MAX, TEXT_MAX};

fn kinds(expected: &[&str], lines: &[&str]) -> Vec<Kind> {
    let mut logs = Logs::new(expected);
    for (text, line) in lines.iter().zip(1..) {
        logs.line(&format!("n{line}"), line, text);
    }
    logs.found().keys().map(|(_, kind)| *kind).collect()
}

#[test]
fn lines_are_judged_by_their_words() {
    let lines = [
        "thread 'main' panicked at cluster/core/src/node/mod.rs:3:5:",
        "panic: runtime error: index out of range [3] with length 3",
        "thread 'main' has overflowed its stack",
        "12:00:00.000 n4 fatal: row 3 is damaged",
        "2026-01-02 ERROR [main] o.a.c.Storage - cannot flush",
        "Exception in thread \"main\" java.lang.NullPointerException",
    ];
    assert_eq!(kinds(&[], &lines), [Kind::Panic, Kind::Panic, Kind::Panic, Kind::Fatal, Kind::Error, Kind::Error]);
}

#[test]
fn what_is_expected_or_harmless_is_passed_over() {
    let reset = "n1 connection to peer n2 ended: Connection reset by peer (os error 104)";
    assert_eq!(kinds(&[], &[reset]), [Kind::Error]);
    assert_eq!(kinds(&["connection to peer "], &[reset]), []);
    assert_eq!(kinds(&["connection to peer "], &["connection to peer n2: task panicked"]), [Kind::Panic]);
    assert_eq!(kinds(&[], &["n1 started: 0 rows from terror.db", "the panicky one", "", "\u{0}\u{fffd}"]), []);
}

#[test]
fn a_flood_is_counted_and_cut() {
    let mut logs = Logs::new(&[]);
    for line in 1..=1000 {
        logs.line("n1", line, &format!("error {}", "x".repeat(10_000)));
    }
    let doubts = logs.doubts(|node| format!("nodes/{node}/stderr.log"));
    assert_eq!(doubts.len(), 1);
    assert!(doubts[0].starts_with("n1 reported an error: nodes/n1/stderr.log, line 1: \"error xxx"), "{}", doubts[0]);
    assert!(doubts[0].ends_with("; and 997 more"), "{}", doubts[0]);
    assert!(doubts[0].len() < SHOWN_MAX * (TEXT_MAX + 30) + 100);
}
