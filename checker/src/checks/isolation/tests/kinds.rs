//! Kinds of histories that were once judged wrongly: what refutes a level refutes those above it, in each of these shapes.

use std::collections::BTreeSet;

use super::lattice::verdicts;
use super::peer::lines;
use super::table::parse;
use crate::verdict::Outcome as Verdict;

/// A history, the levels that it refutes, and those that it leaves.
pub type Row = (&'static str, &'static [&'static str], &'static [&'static str]);

pub fn judge(rows: &[Row], lists: bool) {
    for (history, refuted, kept) in rows {
        let text = lines(&parse(history));
        let verdicts = verdicts(&text, lists);
        let of = |verdict: Verdict| -> BTreeSet<&str> {
            verdicts.iter().filter(|(_, found)| **found == verdict).map(|(level, _)| *level).collect()
        };
        let (invalid, valid) = (of(Verdict::Invalid), of(Verdict::Valid));
        assert!(refuted.iter().all(|level| invalid.contains(level)), "{history}: only {invalid:?} are refuted");
        assert!(kept.iter().all(|level| valid.contains(level)), "{history}: only {valid:?} are left");
    }
}

const BY_SESSION: &[&str] = &[
    "strong-session-snapshot-isolation",
    "strong-snapshot-isolation",
    "strong-session-serializable",
    "strict-serializable",
];
const BY_REAL_TIME: &[&str] = &["strong-snapshot-isolation", "strict-serializable"];
const WITHOUT_SESSIONS: &[&str] = &["serializable", "snapshot-isolation", "update-serializable", "read-atomic"];
const WITHOUT_REAL_TIME: &[&str] =
    &["strong-session-serializable", "strong-session-snapshot-isolation", "causal-memory", "serializable"];

/// Blind writes had no order: only `--assume` gave them one, whatever level was asked for.
#[test]
fn levels_with_an_order_of_sessions_or_real_time_order_the_versions_of_each_key() {
    judge(
        &[
            ("p1@0-1 w x 1; p1@2-3 w x 2; p1@4-5 r x 1", BY_SESSION, WITHOUT_SESSIONS),
            ("p1@0-1 w x 1; p1@2-3 w x 2; p2@4-5 r x 2; p2@6-7 r x 1", BY_SESSION, WITHOUT_SESSIONS),
            ("p1@0-1 w x 1; p2@2-3 r x 1; p2@4-5 w x 2; p2@6-7 r x 1", BY_SESSION, WITHOUT_SESSIONS),
            ("p1@0-1 w x 1; p2@2-3 r x 1; p2@4-5 r x nil", BY_SESSION, WITHOUT_SESSIONS),
            ("p1@0-1 w x 1; p1@2-3 w y 1; p1@4-5 w y 2; p2@6-7 r y 2; p2@8-9 r y 1", BY_SESSION, WITHOUT_SESSIONS),
            (
                "p1@0-9 w x 1; p2@1-8 w x 2; p3@10-11 r x 1; p3@12-13 r x 2; p4@14-15 r x 2; p4@16-17 r x 1",
                BY_SESSION,
                WITHOUT_SESSIONS,
            ),
            ("p1@0-1 w x 1, w y 1; p1@2-3 w x 2, w z 2; p1@4-5 r z 2, r x 1", BY_SESSION, &["read-committed"]),
            ("p1@0-1 w x 1; p2@2-3 w x 2; p3@4-5 r x 1", BY_REAL_TIME, WITHOUT_REAL_TIME),
            ("p1@0-1 w x 1; p2@2-3 r x nil", BY_REAL_TIME, WITHOUT_REAL_TIME),
            ("p1@0-1 w x 1; p2@2-3 r x 1, w x 2; p3@4-5 w x 3; p4@6-7 r x 2", BY_REAL_TIME, WITHOUT_REAL_TIME),
            ("p1@0-1 w x 1, w y 1; p2@2-3 w x 2; p3@4-5 r x 1, r y 1", BY_REAL_TIME, WITHOUT_REAL_TIME),
            ("p1@0-1 w x 1; p2@2-3 w x 2; p3@4-5 w x 3; p4@6-7 r x 2", BY_REAL_TIME, WITHOUT_REAL_TIME),
            (
                "p1@0-9 w x 1; p2@1-8 w x 2; p3@10-11 r x 1; p4@12-13 r x 2; p5@14-15 r x 1",
                BY_REAL_TIME,
                WITHOUT_REAL_TIME,
            ),
            // The orders that sessions and real time leave open are left open.
            ("p1@0-9 w x 1; p2@1-8 w x 2; p3@10-11 r x 1; p4@12-13 r x 1", &[], &["strict-serializable"]),
            ("p1@0-9 w x 1; p2@1-8 w x 2; p3@10-11 r x 2; p4@12-13 r x 2", &[], &["strict-serializable"]),
            ("p1@0-1 w x 1; p2@2-5 w x 2; p3@3-4 r x 1; p4@6-7 r x 2", &[], &["strict-serializable"]),
        ],
        false,
    );
}

const ABOVE_READ_ATOMIC: &[&str] = &[
    "read-atomic",
    "strong-session-read-atomic",
    "update-atomic",
    "causal-cerone",
    "causal-convergence",
    "prefix",
    "parallel-snapshot-isolation",
    "snapshot-isolation",
    "strong-session-snapshot-isolation",
    "strong-snapshot-isolation",
    "serializable",
    "strong-session-serializable",
    "strict-serializable",
];

/// A fractured read of lists was none for read atomic, which had no cycle with one missed read.
#[test]
fn a_fractured_read_of_lists_refutes_read_atomic_and_all_above() {
    const VIEW: &[&str] = &["monotonic-atomic-view", "monotonic-view", "monotonic-snapshot-read"];
    let plain: &[&str] = &["read-committed", "strong-read-committed"];
    let forward: &[&str] = &["read-committed", "monotonic-atomic-view", "strong-session-monotonic-atomic-view"];
    let rows: Vec<Row> = vec![
        ("p0@0-1 append x 1, append y 1; p1@2-3 r x [1], r y []", ABOVE_READ_ATOMIC, plain),
        ("p0@0-1 append x 1, append y 1; p1@2-3 r y [], r x [1]", ABOVE_READ_ATOMIC, forward),
        ("p0@0-3 append x 1, append y 1; p1@1-4 append x 2; p2@2-5 r x [1 2], r y []", ABOVE_READ_ATOMIC, plain),
        (
            "p0@0-1 append y 5; p1@2-3 append x 1, append y 6; p2@4-5 r x [1], r y [5]; p3@6-7 r y [5 6]",
            ABOVE_READ_ATOMIC,
            plain,
        ),
        ("p0@0-1 append x 1, append y 1, append z 1; p1@2-3 r z [1], r x [1], r y []", ABOVE_READ_ATOMIC, plain),
        ("p0@0-1 append x 1, append y 1; p1@2-3 r x [1], r y [], append z 1", ABOVE_READ_ATOMIC, plain),
        (
            "p0@0-1 append x 1, append y 1; p1@2-3 append x 2, append y 2; p2@4-5 r y [1], r x [1 2]; p3@6-7 r y [1 2]",
            ABOVE_READ_ATOMIC,
            forward,
        ),
        ("p0@0-1 append x 1, append y 1; p1@2-3 r y [], r x [1]; p2@4-5 r y [1]", ABOVE_READ_ATOMIC, forward),
        ("p0@0-1 append x 1, append y 1; p1@2-3 append x 2, r x [1 2], r y []", ABOVE_READ_ATOMIC, plain),
        ("p0@0-1 append x 1, append x 2, append y 1; p1@2-3 r x [], r y [1]", ABOVE_READ_ATOMIC, forward),
    ];
    judge(&rows, true);
    let later: Vec<Row> = rows.iter().filter(|row| row.2 == plain).map(|row| (row.0, VIEW, row.2)).collect();
    assert!(later.len() > 5);
    judge(&later, true);
}

/// Only `read-atomic` itself looked for what must have been seen: levels above it knew nothing of it.
#[test]
fn what_saturation_refutes_of_registers_is_refuted_above() {
    const CAUSAL: &[&str] = &[
        "causal",
        "causal-convergence",
        "causal-memory",
        "strong-session-snapshot-isolation",
        "strong-session-serializable",
        "strict-serializable",
    ];
    const CONVERGENT: &[&str] = &[
        "strong-session-read-atomic",
        "causal-convergence",
        "strong-session-snapshot-isolation",
        "strong-session-serializable",
        "strict-serializable",
    ];
    const SESSION_VIEWS: &[&str] = &[
        "pram",
        "causal-memory",
        "strong-session-snapshot-isolation",
        "strong-session-serializable",
        "strict-serializable",
    ];
    judge(
        &[
            ("p0@0-3 w x 1, w y 1; p1@1-4 w x 2, w y 2; p2@2-5 r x 1, r y 2", ABOVE_READ_ATOMIC, &["read-committed"]),
            (
                "p0@0-3 w x 1, w y 1; p1@1-4 w x 2, w y 2; p2@2-5 r y 2, r x 1, w z 1",
                ABOVE_READ_ATOMIC,
                &["read-committed"],
            ),
            ("p0@0-2 w x 1, w y 1; p1@1-3 r y nil, r x 1", ABOVE_READ_ATOMIC, &["monotonic-atomic-view"]),
            (
                "p0@0-4 w x 1, w y 1; p1@1-5 w y 2, w z 2; p2@2-6 w z 3, w x 3; p3@3-7 r x 1, r y 2, r z 3",
                ABOVE_READ_ATOMIC,
                &["read-committed"],
            ),
            (
                "p0@0-4 w x 1, w y 1; p1@1-5 w x 2, w z 2; p2@2-6 r x 1, r z 2; p3@3-7 r x 2, r y 1",
                ABOVE_READ_ATOMIC,
                &["read-committed"],
            ),
            (
                "p0@0-4 w x 1, w y 1; p1@1-5 w x 2, w z 2; p2@2-6 r z 2, r x 1; p3@3-7 r y 1, r x 2",
                &["monotonic-atomic-view", "monotonic-view", "consistent-view", "repeatable-read", "serializable"],
                &["read-committed", "cursor-stability", "causal"],
            ),
            (
                "p1@0-1 w x 1; p2@2-3 r x 1; p2@4-5 w y 1; p3@6-7 r y 1; p3@8-9 r x nil",
                CAUSAL,
                &["serializable", "pram"],
            ),
            ("p1@0-1 w x 1; p1@2-3 w x 2; p2@4-5 r x 2; p2@6-7 r x 1", CAUSAL, &["serializable", "read-atomic"]),
            ("p1@0-1 w x 1; p1@4-5 r x 2; p2@2-3 w x 2; p2@6-7 r x 1", CONVERGENT, &["serializable", "causal-memory"]),
            ("p1@0-1 w x 1; p2@2-3 w x 2; p2@4-5 r x 1; p2@6-7 r x 2", SESSION_VIEWS, &["serializable", "causal"]),
            ("p1@0-1 w x 1; p1@2-3 r x nil", SESSION_VIEWS, &["serializable", "read-atomic"]),
        ],
        false,
    );
}

/// Causality had sessions by one way of asking, and none by another; of lists it had none.
#[test]
fn causality_has_sessions_everywhere() {
    const CAUSAL: &[&str] = &["causal", "causal-convergence", "causal-memory", "strong-session-serializable"];
    const PLAIN: &[&str] = &["read-atomic", "causal-cerone", "serializable"];
    judge(
        &[
            ("p1@0-1 r x 1, w y 1; p2@2-3 r y 1; p2@4-5 w x 1", CAUSAL, PLAIN),
            ("p1@0-1 r x 1; p1@2-3 w x 1", CAUSAL, PLAIN),
            ("p1@0-1 w x 1; p1@2-3 r x nil", CAUSAL, PLAIN),
            ("p1@0-1 w x 1; p2@2-3 r x 1; p2@4-5 r x nil", CAUSAL, PLAIN),
            ("p1@0-1 w x 1; p1@2-3 w y 1; p2@4-5 r y 1; p2@6-7 r x nil", CAUSAL, PLAIN),
        ],
        false,
    );
    judge(
        &[
            ("p1@0-1 r x [1], append y 1; p2@2-3 r y [1]; p2@4-5 append x 1", CAUSAL, PLAIN),
            ("p1@0-1 r x [1]; p1@2-3 append x 1", CAUSAL, PLAIN),
            ("p1@0-1 append x 1; p1@2-3 r x []", CAUSAL, PLAIN),
            ("p1@0-1 append x 1; p2@2-3 r x [1]; p2@4-5 r x []", CAUSAL, PLAIN),
            ("p1@0-1 append x 1; p1@2-3 append y 1; p2@4-5 r y [1]; p2@6-7 r x []", CAUSAL, PLAIN),
            ("p1@0-1 append x 1; p2@2-3 r x [1]; p2@4-5 append y 1; p3@6-7 r y [1]; p3@8-9 r x []", CAUSAL, PLAIN),
            // What another one appended in between has not happened before.
            (
                "p1@0-4 append x 1, append y 1; p2@1-2 append x 2; p2@3-5 r y []; p3@6-7 r x [1 2], r y [1]",
                &["strong-session-serializable"],
                &["causal", "causal-convergence", "strong-session-read-atomic"],
            ),
        ],
        true,
    );
}
