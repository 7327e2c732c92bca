//! No lost writes, by a set.

use serde_json::json;

use super::Story;
use crate::CheckName;
use crate::history::EventType;
use crate::verdict::Outcome;

const LOST: CheckName = CheckName::NO_LOST_WRITES;

#[test]
fn everything_recovered() {
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).add(1, "set-0", 2).final_read(1, "set-0", &[1, 2]).final_read(2, "set-0", &[1, 2]);
    let found = story.result(LOST);
    found.is_valid();
    assert_eq!((found.figure("attempted"), found.figure("acknowledged"), found.figure("recovered")), (2.0, 2.0, 2.0));
    assert_eq!(found.summary, "0 of 2 acknowledged writes are lost");
}

#[test]
fn a_lost_write_is_explained() {
    let mut story = Story::new("set");
    story.start(7, "partition", &["n1"]).at(1000).add(2, "set-0", 17).read(0, "set-0", &[17]).read(1, "set-0", &[]);
    story.stop(7, "partition").final_read(4, "set-0", &[]).final_read(5, "set-0", &[]);
    let found = story.result(LOST);
    let anomaly = found.sole(Outcome::Invalid, "lost-write");
    assert_eq!(
        anomaly.explanation,
        "add 17 to set-0 was acknowledged by n3 at 1.002 s, last seen by a read through n1 at 1.004 s, \
         and is absent from all 2 final reads of set-0"
    );
    assert_eq!((&anomaly.events[..], &anomaly.context[..]), (&[1, 2, 10, 11][..], &[3, 4, 5, 6][..]));
    assert_eq!((anomaly.faults.as_slice(), anomaly.key.as_deref()), (&[7][..], Some("set-0")));
    assert_eq!((anomaly.from_ns, anomaly.to_ns), (1_001_000_000, 1_011_000_000));
    assert_eq!((found.figure("lost"), found.figure("lost-share-percent")), (1.0, 100.0));
    assert_eq!((found.figure("lost_latest_ms"), found.figure("lost_p50_ms")), (2.0, 2.0));
}

#[test]
fn a_write_that_no_read_ever_saw() {
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).final_read(1, "set-0", &[]);
    let found = story.result(LOST);
    let anomaly = found.sole(Outcome::Invalid, "lost-write");
    assert!(anomaly.explanation.contains("never seen by any read"), "{}", anomaly.explanation);
    assert_eq!(found.figure("never-read"), 1.0);
    assert!(!found.figures.contains_key("lost_latest_ms"));
}

#[test]
fn a_stale_write_is_listed_and_no_violation() {
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).final_read(1, "set-0", &[1]).final_read(2, "set-0", &[]);
    let found = story.result(LOST);
    assert_eq!((found.outcome, found.kinds()), (Outcome::Valid, vec!["stale-write"]));
    assert_eq!((found.figure("stale"), found.figure("lost")), (1.0, 0.0));
    assert!(found.anomalies[0].explanation.contains("visible in 1 of all 2 final reads"), "{found:#?}");
}

#[test]
fn violations_come_before_stale_writes() {
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).add(0, "set-0", 2).final_read(1, "set-0", &[1]).final_read(2, "set-0", &[]);
    assert_eq!(story.result(LOST).kinds(), ["lost-write", "stale-write"]);
}

#[test]
fn an_unacknowledged_write_may_go_either_way() {
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).add_info(1, "set-0", 2).add_info(2, "set-0", 3).invoke(3, "add", "set-0", json!(4));
    story.final_read(1, "set-0", &[1, 2, 4]);
    let found = story.result(LOST);
    found.is_valid();
    assert_eq!((found.figure("attempted"), found.figure("recovered-unacknowledged")), (4.0, 2.0));
}

#[test]
fn a_failed_write_must_not_be_read() {
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).add_fail(1, "set-0", 2).read(0, "set-0", &[1, 2]).final_read(1, "set-0", &[1]);
    let found = story.result(LOST);
    let anomaly = found.sole(Outcome::Invalid, "failed-write-visible");
    assert_eq!((anomaly.events.as_slice(), anomaly.process.clone()), (&[2, 3, 4, 5][..], Some(1.into())));
    assert_eq!(found.figure("failed-write-visible"), 1.0);
}

/// It was called by the number that it has inside, here 2^31.
#[test]
fn regression_a_process_was_not_called_by_its_name_where_its_write_had_failed() {
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).add_fail(4_000_000_000, "set-0", 2).read(0, "set-0", &[1, 2]).final_read(1, "set-0", &[1]);
    let found = story.result(LOST);
    let anomaly = found.sole(Outcome::Invalid, "failed-write-visible");
    assert!(anomaly.explanation.contains("(process 4000000000, event 3)"), "{}", anomaly.explanation);
}

#[test]
fn what_nobody_wrote_must_not_be_read() {
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).add(0, "set-1", 2).read(1, "set-0", &[1, 2]);
    story.final_read(1, "set-0", &[1, 2]).final_read(1, "set-1", &[2]);
    let found = story.result(LOST);
    let anomaly = found.sole(Outcome::Invalid, "never-written");
    assert_eq!((anomaly.events.as_slice(), found.figure("never-written")), (&[4, 5][..], 1.0));
    assert!(anomaly.explanation.contains("lists 2 in set-0"), "{}", anomaly.explanation);
}

#[test]
fn duplicates_are_counted() {
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).final_read(1, "set-0", &[1, 1]);
    let found = story.result(LOST);
    found.is_valid();
    assert_eq!(found.figure("duplicated"), 1.0);
}

#[test]
fn a_value_written_twice_cannot_be_judged() {
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).add(1, "set-0", 1).add(1, "set-1", 2).final_read(1, "set-0", &[]);
    story.final_read(1, "set-1", &[2]);
    story.result(LOST).is_inconclusive("`add` of 1 was invoked twice on set-0");
    story.result(CheckName::READ_YOUR_WRITES).is_inconclusive("invoked twice");
}

#[test]
fn a_foreign_function_and_a_broken_read_cannot_be_judged() {
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).invoke(0, "pop", "set-0", json!(1)).complete(0, EventType::Ok, "pop", "set-0", json!(1));
    story.final_read(1, "set-0", &[]);
    story.result(LOST).is_inconclusive("`pop` on set-0 is not of the model set");
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).invoke(0, "read", "set-0", json!(null));
    story.complete(0, EventType::Ok, "read", "set-0", json!("1")).final_read(1, "set-0", &[]);
    story.result(LOST).is_inconclusive("is not the list it should be");
}

#[test]
fn without_final_reads_nothing_is_decided() {
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).read(0, "set-0", &[1]);
    story.result(LOST).is_inconclusive("the history has no final reads");
}

#[test]
fn a_key_without_a_successful_final_read_is_undecided_unless_another_is_violated() {
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).add(0, "set-1", 2).final_read(1, "set-0", &[1]).final_read_fails(1, "set-1");
    story.result(LOST).is_inconclusive("no final read of set-1 succeeded");
    story.final_read(2, "set-0", &[1]).add(0, "set-2", 3).final_read(1, "set-2", &[]);
    story.result(LOST).sole(Outcome::Invalid, "lost-write");
}

#[test]
fn no_acknowledged_write_decides_nothing() {
    let mut story = Story::new("set");
    story.add_info(0, "set-0", 1).final_read(1, "set-0", &[]);
    story.result(LOST).is_inconclusive("no write was acknowledged");
}

#[test]
fn replica_reads_of_the_last_round_stand_in_for_final_reads() {
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).add(0, "set-0", 2).add(0, "set-0", 3).heal();
    story.replica(0, 1, "set-0", &[("a", json!([1, 3]))]).replica(0, 2, "set-0", &[]);
    story.replica(1, 1, "set-0", &[("a", json!([1])), ("b", json!([2])), ("c", json!(null))]);
    story.replica(1, 2, "set-0", &[("b", json!([1, 2]))]);
    let found = story.result(LOST);
    let anomaly = found.sole(Outcome::Invalid, "lost-write");
    assert!(anomaly.explanation.starts_with("add 3 to set-0"), "{}", anomaly.explanation);
    assert!(anomaly.explanation.contains("last seen by a read of n1 alone at"), "{}", anomaly.explanation);
    assert!(anomaly.explanation.ends_with("all 2 replica reads of the last round of set-0"), "{}", anomaly.explanation);
    assert_eq!((found.figure("recovered"), found.figure("duplicated")), (2.0, 0.0));
    // With a final phase the replicas are not asked.
    story.final_read(1, "set-0", &[1, 2, 3]);
    story.result(LOST).is_valid();
}

#[test]
fn anomalies_are_capped_and_counted() {
    let mut story = Story::new("set");
    for value in 0..30 {
        story.add(0, "set-0", value);
    }
    story.final_read(1, "set-0", &[]);
    let found = story.result(LOST);
    assert_eq!((found.anomalies.len(), found.anomalies_total, found.figure("lost")), (20, 30, 30.0));
}
