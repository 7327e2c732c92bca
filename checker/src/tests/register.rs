//! Registers: a write is visible if it is returned, or in the causal past of what is.

use super::Story;
use crate::CheckName;
use crate::history::EventType;
use crate::verdict::Outcome;

const LOST: CheckName = CheckName::NO_LOST_WRITES;

#[test]
fn a_write_that_was_seen_and_replaced_is_recovered() {
    let mut story = Story::new("register");
    story.write_ok(0, "register-0", 1, &[]).write_ok(1, "register-0", 2, &[1]).write_ok(0, "register-0", 3, &[2]);
    story.final_read(1, "register-0", &[3]);
    let found = story.result(LOST);
    found.is_valid();
    assert_eq!((found.figure("recovered"), found.figure("never-read")), (3.0, 0.0));
}

#[test]
fn a_concurrent_write_has_to_stay_where_siblings_are_kept() {
    let mut story = Story::new("register");
    story.write_ok(0, "register-0", 1, &[]).write_ok(1, "register-0", 2, &[]).final_read(1, "register-0", &[2]);
    let found = story.result(LOST);
    let anomaly = found.sole(Outcome::Invalid, "lost-write");
    assert!(anomaly.explanation.starts_with("write 1 to register-0"), "{}", anomaly.explanation);
    assert!(anomaly.explanation.contains("neither in, nor replaced by, any of all 1 final reads"), "{found:#?}");
    story.final_read(2, "register-0", &[1, 2]);
    assert_eq!(story.result(LOST).kinds(), ["stale-write"]);
}

#[test]
fn a_concurrent_write_may_be_overwritten_where_one_wins() {
    let mut story = Story::new("register");
    story.write_ok(0, "register-0", 1, &[]).write_ok(1, "register-0", 2, &[]).final_read(1, "register-0", &[2]);
    let found = story.result_one_wins(LOST);
    found.is_valid();
    assert_eq!((found.figure("overwritten"), found.figure("recovered"), found.figure("lost")), (1.0, 1.0, 0.0));
}

#[test]
fn where_one_wins_a_write_is_lost_if_only_older_ones_are_read() {
    let mut story = Story::new("register");
    story.write_ok(0, "register-0", 1, &[]).write_ok(1, "register-0", 2, &[1]).write_ok(1, "register-0", 3, &[2]);
    story.final_read(1, "register-0", &[1]);
    let found = story.result_one_wins(LOST);
    assert_eq!((found.outcome, found.kinds()), (Outcome::Invalid, vec!["lost-write", "lost-write"]));
    let mut story = Story::new("register");
    story.write_ok(0, "register-0", 1, &[]).final_read(1, "register-0", &[]);
    story.result_one_wins(LOST).sole(Outcome::Invalid, "lost-write");
}

#[test]
fn a_set_keeps_its_elements_even_where_one_wins() {
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).add(1, "set-0", 2).final_read(1, "set-0", &[2]);
    assert_eq!(story.result_one_wins(LOST).figure("lost"), 1.0);
}

#[test]
fn an_unknown_past_leaves_a_write_undecided() {
    let mut story = Story::new("register");
    story.write_ok(0, "register-0", 1, &[]).write(1, EventType::Info, "register-0", 2, None);
    story.final_read(1, "register-0", &[2]);
    let found = story.result(LOST);
    found.is_inconclusive("1 may have been replaced by a write of unknown outcome and causal past");
    assert_eq!((found.figure("undecided"), found.figure("recovered-unacknowledged")), (1.0, 1.0));
}

#[test]
fn an_unacknowledged_write_with_a_known_past_is_judged_like_any() {
    let mut story = Story::new("register");
    story.write_ok(0, "register-0", 1, &[]).write(1, EventType::Info, "register-0", 2, Some(&[1]));
    story.final_read(1, "register-0", &[2]);
    story.result(LOST).is_valid();
}

#[test]
fn an_unknown_past_cannot_hold_what_came_later() {
    let mut story = Story::new("register");
    story.write(1, EventType::Info, "register-0", 1, None).write_ok(0, "register-0", 2, &[]);
    story.final_read(1, "register-0", &[1]);
    story.result(LOST).sole(Outcome::Invalid, "lost-write");
}

#[test]
fn a_past_that_runs_in_a_circle_breaks_nothing() {
    let mut story = Story::new("register");
    story.write_ok(0, "register-0", 1, &[2]).write_ok(1, "register-0", 2, &[1, 2]).final_read(1, "register-0", &[2]);
    story.result(LOST).is_valid();
}

#[test]
fn a_long_chain_of_replaced_writes() {
    let mut story = Story::new("register");
    story.write_ok(0, "register-0", 0, &[]);
    for value in 1..5000 {
        story.write_ok(value as u64 % 7, "register-0", value, &[value - 1]);
    }
    story.final_read(1, "register-0", &[4999]);
    let found = story.result(LOST);
    found.is_valid();
    assert_eq!(found.figure("recovered"), 5000.0);
    let last = found.figures["never-read"];
    assert_eq!(last, 0.0);
}

#[test]
fn what_a_delete_covered_is_superseded() {
    let mut story = Story::new("register");
    story.write_ok(0, "register-0", 1, &[]).write_ok(1, "register-0", 2, &[1]).delete_ok(2, "register-0", &[2]);
    story.read(0, "register-0", &[]).final_read(1, "register-0", &[]);
    for found in [story.result(LOST), story.result_one_wins(LOST)] {
        found.is_valid();
        assert_eq!((found.figure("recovered"), found.figure("acknowledged"), found.figure("deletes")), (2.0, 2.0, 1.0));
    }
    story.result(CheckName::READ_YOUR_WRITES).is_valid();
}

#[test]
fn what_a_delete_has_not_covered_has_to_stay_where_siblings_are_kept() {
    let mut story = Story::new("register");
    story.write_ok(0, "register-0", 1, &[]).write_ok(1, "register-0", 2, &[]).delete_ok(2, "register-0", &[1]);
    story.final_read(1, "register-0", &[]);
    let anomaly = story.result(LOST);
    assert!(anomaly.sole(Outcome::Invalid, "lost-write").explanation.starts_with("write 2 to register-0"));
    let one_wins = story.result_one_wins(LOST);
    one_wins.is_valid();
    assert_eq!(one_wins.figure("overwritten"), 1.0, "the delete may be the winner");
}

#[test]
fn a_delete_of_unknown_outcome_may_have_taken_what_it_covered() {
    let mut story = Story::new("register");
    story.write_ok(0, "register-0", 1, &[]).delete(1, EventType::Info, "register-0", Some(&[1]));
    story.final_read(1, "register-0", &[]);
    story.result(LOST).is_valid();
    let mut story = Story::new("register");
    story.write_ok(0, "register-0", 1, &[]).delete(1, EventType::Info, "register-0", Some(&[1]));
    story.final_read(1, "register-0", &[1]);
    story.result(LOST).is_valid();
    let mut story = Story::new("register");
    story.write_ok(0, "register-0", 1, &[]).delete(1, EventType::Info, "register-0", None);
    story.final_read(1, "register-0", &[]);
    story.result(LOST).is_inconclusive("1 may have been replaced");
}

#[test]
fn a_delete_that_failed_or_came_later_excuses_nothing() {
    let mut story = Story::new("register");
    story.write_ok(0, "register-0", 1, &[]).delete(1, EventType::Fail, "register-0", Some(&[1]));
    story.final_read(1, "register-0", &[]);
    story.result(LOST).sole(Outcome::Invalid, "lost-write");
    let mut story = Story::new("register");
    story.write_ok(0, "register-0", 1, &[]).read(0, "register-0", &[]).delete_ok(1, "register-0", &[1]);
    story.result(CheckName::READ_YOUR_WRITES).sole(Outcome::Invalid, "stale-read");
}

#[test]
fn a_process_sees_its_own_delete() {
    let mut story = Story::new("register");
    story.write_ok(0, "register-0", 1, &[]).delete_ok(1, "register-0", &[1]).read(1, "register-0", &[1]);
    let found = story.result(CheckName::READ_YOUR_WRITES);
    let anomaly = found.sole(Outcome::Invalid, "stale-read");
    assert!(anomaly.explanation.contains("did not see its own delete of register-0"), "{}", anomaly.explanation);
    let mut story = Story::new("register");
    story.write_ok(0, "register-0", 1, &[]).delete_ok(1, "register-0", &[1]).write_ok(0, "register-0", 2, &[]);
    story.read(1, "register-0", &[2]);
    story.result(CheckName::READ_YOUR_WRITES).is_valid();
}

#[test]
fn something_older_shows_that_the_delete_was_not_seen_either() {
    let mut story = Story::new("register");
    story.write_ok(0, "register-0", 1, &[]).write_ok(1, "register-0", 2, &[1]).delete_ok(2, "register-0", &[2]);
    story.read(1, "register-0", &[1]);
    let found = story.result(CheckName::READ_YOUR_WRITES);
    assert!(found.sole(Outcome::Invalid, "stale-read").explanation.contains("its own write 2"), "{found:#?}");
}
