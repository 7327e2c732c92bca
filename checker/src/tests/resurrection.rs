//! No resurrection: what was replaced or deleted stays so.

use serde_json::json;

use super::Story;
use crate::CheckName;
use crate::history::EventType;
use crate::verdict::Outcome;

const RES: CheckName = CheckName::NO_RESURRECTION;

/// A write, and an acknowledged delete of it.
fn deleted() -> Story {
    let mut story = Story::new("register");
    story.write_ok(0, "register-0", 1, &[]).delete_ok(2, "register-0", &[1]);
    story
}

#[test]
fn what_was_deleted_is_gone_at_the_end() {
    let mut story = deleted();
    story.read(0, "register-0", &[1]).final_read(1, "register-0", &[]).final_read(2, "register-0", &[]);
    let found = story.result(RES);
    found.is_valid();
    assert_eq!((found.figure("replacing-deletes"), found.figure("replacing-writes")), (1.0, 0.0));
}

#[test]
fn a_deleted_value_that_every_final_read_lists_is_resurrected() {
    let mut story = deleted();
    story.read(0, "register-0", &[]).final_read(1, "register-0", &[1]).final_read(2, "register-0", &[1]);
    let found = story.result(RES);
    let anomaly = found.sole(Outcome::Invalid, "resurrected-value");
    assert_eq!(
        anomaly.explanation,
        "write 1 to register-0 had been replaced by delete of register-0, acknowledged by n3 at 0.004 s, and yet 2 of \
         all 2 final reads list it"
    );
    assert_eq!(anomaly.events, [0, 1, 2, 3, 8, 9]);
    story.result_one_wins(RES).sole(Outcome::Invalid, "resurrected-value");
}

#[test]
fn the_past_of_a_delete_reaches_back() {
    let mut story = Story::new("register");
    story.write_ok(0, "register-0", 1, &[]).write(1, EventType::Info, "register-0", 2, Some(&[1]));
    story.delete_ok(2, "register-0", &[2]).final_read(1, "register-0", &[1]);
    story.result(RES).sole(Outcome::Invalid, "resurrected-value");
}

#[test]
fn what_an_acknowledged_write_replaced_must_not_come_back_either() {
    let mut story = Story::new("register");
    story.write_ok(0, "register-0", 1, &[]).write_ok(0, "register-0", 2, &[1]).final_read(1, "register-0", &[1, 2]);
    let found = story.result(RES);
    assert!(found.sole(Outcome::Invalid, "resurrected-value").explanation.contains("by write 2 to register-0"));
}

#[test]
fn only_what_was_covered_and_acknowledged_is_gone_for_good() {
    let mut story = Story::new("register");
    story.write_ok(0, "register-0", 1, &[]).write_ok(1, "register-0", 2, &[]).delete_ok(2, "register-0", &[1]);
    story.final_read(1, "register-0", &[2]);
    story.result(RES).is_valid();
    for kind in [EventType::Info, EventType::Fail] {
        let mut story = Story::new("register");
        story.write_ok(0, "register-0", 1, &[]).delete(2, kind, "register-0", Some(&[1]));
        story.final_read(1, "register-0", &[1]);
        story.result(RES).is_valid();
    }
}

#[test]
fn where_only_some_still_list_it_convergence_is_to_judge() {
    let mut story = deleted();
    story.final_read(1, "register-0", &[1]).final_read(2, "register-0", &[]);
    let found = story.result(RES);
    found.is_valid();
    assert_eq!(found.figure("stale"), 1.0);
}

/// A delete that n1 hears of after n2, both before the final reads, of which one lists the deleted value.
fn deleted_everywhere() -> Story {
    let mut story = deleted();
    story.replica(1, 1, "register-0", &[("a:1", json!(1))]).replica(1, 2, "register-0", &[]);
    story.replica(2, 1, "register-0", &[]).replica(2, 2, "register-0", &[("a:2", json!(null))]);
    story.final_read(1, "register-0", &[1]).final_read(2, "register-0", &[]);
    story
}

#[test]
fn what_all_replicas_lacked_must_not_come_back() {
    let mut story = deleted_everywhere();
    story.replica(3, 1, "register-0", &[]).replica(3, 2, "register-0", &[("a:1", json!(1))]);
    let found = story.result(RES);
    let anomaly = found.sole(Outcome::Invalid, "resurrected-value");
    assert!(anomaly.events.contains(&19), "the read of n2 alone that shows it: {anomaly:?}");
    assert!(
        anomaly.explanation.ends_with(
            "and yet 1 of all 2 final reads list it, and after that a read of n2 alone at 0.020 s, although in round 2 no \
             replica had it"
        ),
        "{anomaly:?}"
    );
    let mut story = deleted();
    story.replica(1, 1, "register-0", &[("a:1", json!(1))]).replica(1, 2, "register-0", &[]);
    story.final_read(1, "register-0", &[1]).final_read(2, "register-0", &[]);
    story.replica(2, 1, "register-0", &[("a:1", json!(1))]).replica(2, 2, "register-0", &[]);
    story.result(RES).is_valid();
}

/// A node that still took replicas for lost answered a final read from what it kept for one of them.
#[test]
fn a_stale_answer_that_no_replica_stands_for_is_no_resurrection() {
    let mut story = deleted_everywhere();
    story.replica(3, 1, "register-0", &[]).replica(3, 2, "register-0", &[]);
    let found = story.result(RES);
    found.is_valid();
    assert_eq!(found.figure("stale"), 1.0);
}

#[test]
fn without_a_final_read_it_is_undecided() {
    let mut story = deleted();
    story.final_read_fails(1, "register-0");
    story.result(RES).is_inconclusive("no final read of register-0 succeeded");
}

#[test]
fn items_of_a_cart_may_come_back_and_elements_of_a_set_never_go() {
    let mut story = Story::new("cart");
    story.add(0, "cart-0", 1).remove(0, EventType::Ok, "cart-0", 1).final_read(1, "cart-0", &[1]);
    let found = story.result(RES);
    found.is_valid();
    assert_eq!(found.figure("resurfaced"), 1.0);
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).final_read(1, "set-0", &[1]);
    let found = story.result(RES);
    found.is_valid();
    assert_eq!(found.summary, "nothing was replaced or deleted");
}
