//! Transactions that read a key again: every read counts, as what it shows and as what it misses.

use super::kinds::judge;

const ABOVE_READ_COMMITTED: &[&str] =
    &["read-committed", "cursor-stability", "monotonic-atomic-view", "repeatable-read", "serializable"];
const WITHOUT_CHANGES: &[&str] =
    &["repeatable-read", "consistent-view", "forward-consistent-view", "update-serializable", "read-atomic"];
const WITHOUT_LOST_UPDATES: &[&str] = &["cursor-stability", "consistent-view", "repeatable-read", "snapshot-isolation"];

#[test]
fn regression_only_the_first_read_of_a_register_made_dependencies() {
    judge(
        &[
            ("p1@0-2 r x nil, r x 2, w x 1; p2@1-3 r x 1, w x 2", ABOVE_READ_COMMITTED, &["read-uncommitted"]),
            ("p1@0-2 w x 1, r x 2, w y 1; p2@1-3 r y 1, w x 2", ABOVE_READ_COMMITTED, &["read-uncommitted"]),
            (
                "p1@0-2 r x nil, r x 2; p1@3-5 w x 2",
                &["strong-session-read-committed", "strong-read-committed"],
                &["read-committed", "cursor-stability", "strong-read-uncommitted"],
            ),
            (
                "p1@0-1 w x 1, r x 2; p2@2-3 w x 2, r x 2",
                &["strong-read-committed"],
                &["strong-session-read-committed", "repeatable-read", "update-serializable"],
            ),
        ],
        false,
    );
}

#[test]
fn regression_a_read_that_another_write_changed_was_no_read_skew() {
    let kept = &["read-committed", "cursor-stability", "monotonic-atomic-view"];
    judge(&[("p1@0-2 r x nil, r x 2; p2@1-3 w x 2", WITHOUT_CHANGES, kept)], false);
    judge(&[("p1@0-2 r x [], r x [2]; p2@1-3 append x 2", WITHOUT_CHANGES, kept)], true);
}

/// Who reads another version after its own write wrote the newer of them, or information flows in a circle.
#[test]
fn what_is_read_after_a_write_is_older_than_that_from_read_committed_on() {
    let history = "p1@0-3 w x 1, r x 2, w z 1; p2@1-4 w x 2; p3@2-5 r x 2, r z 1";
    judge(&[(history, WITHOUT_CHANGES, &["read-committed", "monotonic-atomic-view"])], false);
}

#[test]
fn regression_what_was_read_last_before_a_write_is_what_it_replaced() {
    judge(
        &[
            (
                "p1@0-1 w x 2; p2@2-4 r x nil, r x 2, w x 3; p3@3-5 r x 2, w x 4",
                WITHOUT_LOST_UPDATES,
                &["read-committed"],
            ),
            (
                "p1@0-2 r x nil, r x 2, w x 3; p2@1-3 r x nil, w x 2",
                WITHOUT_CHANGES,
                &["cursor-stability", "read-committed"],
            ),
        ],
        false,
    );
    judge(
        &[
            (
                "p1@0-2 append y 2, r y [2]; p2@1-3 append y 5, r y [5]",
                WITHOUT_LOST_UPDATES,
                &["read-committed", "prefix"],
            ),
            (
                "p1@0-2 append y 2, r y [2]; p2@1-3 append y 5, r y [5]; p3@4-5 r y [2 5]",
                WITHOUT_LOST_UPDATES,
                &["read-committed", "prefix"],
            ),
            (
                "p1@0-2 append y 2, append y 3, append y 4, r y [2 3 4]; p2@1-3 append y 5; p3@4-5 r y [5 2 3]",
                &["read-committed"],
                &["read-uncommitted"],
            ),
            (
                "p1@0-2 r y [], append y 2; p2@1-3 append y 5; p3@4-5 r y [5 2]",
                WITHOUT_LOST_UPDATES,
                &["read-committed", "prefix"],
            ),
            (
                "p1@0-2 append y 2, r y [2]; p2@1-3 r y [], append y 5",
                WITHOUT_LOST_UPDATES,
                &["read-committed", "prefix"],
            ),
            (
                "p1@0-2 r x [], r x [2], append x 3; p2@1-3 r x [], append x 2",
                WITHOUT_CHANGES,
                &["cursor-stability", "read-committed"],
            ),
        ],
        true,
    );
}

#[test]
fn regression_an_own_append_hid_that_a_read_was_between_two_of_another() {
    let history = "p1@0-2 append x 1, append x 2; p2@1-3 append x 3, r x [1 3]";
    judge(&[(history, ABOVE_READ_COMMITTED, &["read-uncommitted"])], true);
}

const WITHOUT_CONFLICTS: &[&str] = &[
    "update-atomic",
    "parallel-snapshot-isolation",
    "consistent-view",
    "snapshot-isolation",
    "strong-session-snapshot-isolation",
    "strong-snapshot-isolation",
    "serializable",
];

/// Whichever of the two is first, a read is wrong: neither has seen the other.
#[test]
fn regression_two_that_wrote_one_key_overlooked_each_other() {
    let kept = &["read-atomic", "causal-convergence", "prefix", "read-committed"];
    judge(&[("p1@0-2 r y nil, w z 1, w x 1; p2@1-3 r x nil, w z 2, w y 2", WITHOUT_CONFLICTS, kept)], false);
    judge(
        &[
            ("p1@0-2 append x 1, r y []; p2@1-3 r x [], append x 2, append y 3", WITHOUT_CONFLICTS, kept),
            (
                "p1@0-2 r y [], append z 1, append x 1; p2@1-3 r x [], append z 2, append y 2",
                WITHOUT_CONFLICTS,
                &["read-atomic", "causal", "prefix", "read-committed"],
            ),
        ],
        true,
    );
}

/// The first has missed what was written by somebody whom the last has seen: for that the last must have seen the first only
/// where whoever was seen brings what he has seen.
#[test]
fn what_was_overlooked_by_way_of_another_counts_where_seeing_is_transitive() {
    let (refuted, kept) = (&WITHOUT_CONFLICTS[1..], &["update-atomic", "read-atomic", "read-committed"]);
    let history = "p1@0-3 r y nil, w z 1, w x 1; p2@1-4 w y 2, w q 2; p3@2-5 r q 2, r x nil, w z 3";
    judge(&[(history, refuted, kept)], false);
    let history =
        "p1@0-3 r y [], append z 1, append x 1; p2@1-4 append y 2, append q 2; p3@2-5 r q [2], r x [], append z 3";
    judge(&[(history, refuted, kept)], true);
}

/// What a transaction appended and then read stands behind what others had appended, but once.
#[test]
fn an_own_append_that_is_shown_twice_is_wrong_at_every_level() {
    let wrong: &[&str] = &["read-uncommitted", "read-committed", "serializable"];
    judge(
        &[
            ("p1@0-1 append y 1; p2@2-3 append y 5, r y [1 5 5]; p3@4-5 append y 6; p4@6-7 r y [1 5 6]", wrong, &[]),
            ("p1@0-1 append y 1; p2@2-3 append y 5, r y [1 5 6 5]; p3@4-5 append y 6; p4@6-7 r y [1 5 6]", wrong, &[]),
        ],
        true,
    );
}

/// The reader of [] overlooked what its own process had appended, but among three that read it and appended that was a path of
/// two overlooked appends.
#[test]
fn regression_of_three_that_read_a_list_and_appended_one_missed_its_own_append() {
    let history = "p2@0-1 r x [], append x 1, append x 2; p1@2-4 r x [], append x 3; p2@3-5 r x [], append x 5";
    judge(&[(history, &["strong-session-read-atomic", "causal", "causal-memory", "pram"], &["read-committed"])], true);
}
