//! Durability: losses that only a crash accounts for.

use super::Story;
use crate::CheckName;
use crate::verdict::Outcome;

const DURABILITY: CheckName = CheckName::DURABILITY;

#[test]
fn without_a_crash_nothing_is_at_stake() {
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).final_read(1, "set-0", &[]);
    let found = story.result(DURABILITY);
    found.is_valid();
    assert_eq!(found.summary, "no node crashed");
}

#[test]
fn a_write_that_survives() {
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).start(1, "kill", &["n1"]).stop(1, "kill").add(0, "set-0", 2).final_read(1, "set-0", &[1]);
    let found = story.result(DURABILITY);
    found.is_valid();
    assert_eq!((found.figure("crashes"), found.figure("at-risk"), found.figure("lost-by-crash")), (1.0, 1.0, 0.0));
}

#[test]
fn a_write_that_a_crash_took_is_explained() {
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).read(1, "set-0", &[1]).start(1, "kill", &["n1", "n2"]).stop(1, "kill");
    story.final_read(1, "set-0", &[]);
    let found = story.result(DURABILITY);
    let anomaly = found.sole(Outcome::Invalid, "lost-by-crash");
    assert!(
        anomaly.explanation.ends_with(
            "last seen by a read through n2 at 0.004 s; n1, n2 were killed at 0.005 s, before any read missed it, \
             and no read invoked after that saw it"
        ),
        "{}",
        anomaly.explanation
    );
    assert_eq!((anomaly.events.as_slice(), anomaly.faults.as_slice()), (&[0, 1, 2, 3, 4, 6, 7][..], &[1][..]));
    assert_eq!(found.figure("lost-by-crash"), 1.0);
}

#[test]
fn a_write_missed_before_the_crash_was_lost_otherwise() {
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).read(1, "set-0", &[]).start(1, "kill", &["n1"]).final_read(1, "set-0", &[]);
    story.result(DURABILITY).is_valid();
}

#[test]
fn a_write_seen_after_the_last_crash_was_lost_otherwise() {
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).start(1, "kill", &["n1"]).read(1, "set-0", &[1]).final_read(1, "set-0", &[]);
    story.result(DURABILITY).is_valid();
}

#[test]
fn the_crash_to_blame_is_the_one_after_the_last_sight() {
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).start(1, "kill", &["n1"]).stop(1, "kill").read(1, "set-0", &[1]);
    story.start(2, "kill", &["n2"]).stop(2, "kill").start(3, "kill", &["n3"]).final_read(1, "set-0", &[]);
    let found = story.result(DURABILITY);
    let explanation = &found.sole(Outcome::Invalid, "lost-by-crash").explanation;
    assert!(explanation.contains("n2 was killed"), "{explanation}");
}

#[test]
fn a_read_that_straddles_the_crash_does_not_clear_it() {
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).read(2, "set-0", &[1]).invoke(1, "read", "set-0", serde_json::Value::Null).start(
        1,
        "kill",
        &["n1"],
    );
    story.complete(1, crate::history::EventType::Ok, "read", "set-0", serde_json::json!([]));
    story.final_read(1, "set-0", &[]);
    story.result(DURABILITY).sole(Outcome::Invalid, "lost-by-crash");
}

/// It may have been gone before the crash, for all that anybody saw.
#[test]
fn a_write_that_no_read_saw_before_the_crash_is_not_laid_to_it() {
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).start(1, "kill", &["n1"]).final_read(1, "set-0", &[]);
    story.result(DURABILITY).is_valid();
    assert_eq!(story.result(CheckName::NO_LOST_WRITES).outcome, Outcome::Invalid);
}

#[test]
fn a_write_after_the_crash_is_not_at_risk() {
    let mut story = Story::new("set");
    story.start(1, "kill", &["n1"]).add(0, "set-0", 1).final_read(1, "set-0", &[]);
    let found = story.result(DURABILITY);
    found.is_valid();
    assert_eq!(found.figure("at-risk"), 0.0);
}

#[test]
fn without_final_reads_survival_is_undecided() {
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).start(1, "kill", &["n1"]);
    story.result(DURABILITY).is_inconclusive("the final reads do not show whether 1 of them survived");
}

#[test]
fn a_crash_before_the_acknowledgement_is_not_to_blame() {
    let mut story = Story::new("set");
    story.start(1, "kill", &["n1"]).stop(1, "kill").add(0, "set-0", 1).read(1, "set-0", &[]);
    story.start(2, "kill", &["n2"]).stop(2, "kill").final_read(1, "set-0", &[]);
    story.result(DURABILITY).is_valid();
}
