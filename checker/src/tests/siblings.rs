//! Siblings bounded: one write is one version, and only concurrent versions stand side by side.

use serde_json::json;

use super::Story;
use crate::CheckName;
use crate::history::EventType;
use crate::verdict::Outcome;

const SIB: CheckName = CheckName::SIBLINGS_BOUNDED;

#[test]
fn concurrent_writes_are_siblings() {
    let mut story = Story::new("register");
    story.write_ok(0, "register-0", 1, &[]).write_ok(1, "register-0", 2, &[]).read(2, "register-0", &[1, 2]);
    story.replica(1, 1, "register-0", &[("a:1", json!(1)), ("b:1", json!(2))]);
    story.replica(1, 2, "register-0", &[("a:1", json!(1)), ("b:1", json!(2))]);
    let found = story.result(SIB);
    found.is_valid();
    assert_eq!((found.figure("siblings-max"), found.figure("reads-with-siblings")), (2.0, 3.0));
    assert_eq!(found.figure("versions-judged"), 2.0);
}

/// As many as are shown, not as were written.
#[test]
fn how_many_versions_reads_saw_is_reported() {
    let mut story = Story::new("register");
    for value in 1..=6 {
        story.write_ok(value as u64, "register-0", value, &[]);
    }
    story.read(9, "register-0", &[1, 2]).read(9, "register-0", &[3]).read(9, "register-0", &[4]);
    story.read(9, "register-0", &[]).read(9, "register-0", &[1, 2, 3, 4, 5, 6]);
    let (one, gone) = (("a:1", json!(1)), ("b:1", json!(null)));
    story.replica(1, 1, "register-0", &[one.clone(), gone]).replica(1, 2, "register-0", &[one]);
    let found = story.result(SIB);
    let share = |name: &str| found.figure(&format!("versions-{name}-share"));
    assert_eq!(["0", "1", "2", "5-or-more"].map(share), [0.2, 0.4, 0.2, 0.2]);
    assert!(!found.figures.contains_key("versions-3-share"), "{found:#?}");
    assert_eq!(found.figure("versions-max"), 6.0);
    assert_eq!((found.figure("replica-versions-2-share"), found.figure("replica-versions-max")), (0.5, 2.0));
    assert_eq!(
        found.summary,
        "at most 6 siblings in a read, all concurrent; versions seen by clients: 0 in 20.00 % of reads, 1 in 40.00 %, 2 in \
         20.00 %, 5 or more in 20.00 %; versions held by replicas: 1 in 50.00 % of reads, 2 in 50.00 %"
    );
}

/// Reads of a set merge siblings: only replicas show how many there are.
#[test]
fn replicas_of_a_set_show_how_many_versions_there_are() {
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).add(1, "set-0", 2).read(2, "set-0", &[1, 2]);
    story.replica(1, 1, "set-0", &[("a:1", json!([1])), ("b:1", json!([2]))]).replica(1, 2, "set-0", &[]);
    let found = story.result(SIB);
    assert_eq!((found.figure("replica-versions-0-share"), found.figure("replica-versions-2-share")), (0.5, 0.5));
    assert!(!found.figures.contains_key("versions-max"), "{found:#?}");
}

#[test]
fn a_value_does_not_stand_beside_one_that_replaced_it() {
    let mut story = Story::new("register");
    story.write_ok(0, "register-0", 1, &[]).write(1, EventType::Info, "register-0", 2, Some(&[1]));
    story.write_ok(0, "register-0", 3, &[2]).read(2, "register-0", &[1, 3]);
    let found = story.result(SIB);
    let anomaly = found.sole(Outcome::Invalid, "replaced-sibling");
    assert_eq!(
        anomaly.explanation,
        "a read through n3 at 0.008 s of register-0 lists the value of write 3 to register-0 beside one that its \
         writer had seen and replaced"
    );
}

#[test]
fn a_value_is_listed_once() {
    let mut story = Story::new("register");
    story.write_ok(0, "register-0", 7, &[]).read(2, "register-0", &[7, 7]);
    let found = story.result(SIB);
    assert!(found.sole(Outcome::Invalid, "doubled-value").explanation.ends_with("written once: [7,7]"), "{found:#?}");
}

#[test]
fn a_write_is_one_version_on_all_replicas_and_in_all_rounds() {
    for workload in ["register", "set"] {
        let value = if workload == "set" { json!([7]) } else { json!(7) };
        let f = if workload == "set" { "add" } else { "write" };
        let mut story = Story::new(workload);
        story.invoke(0, f, "k", json!(7)).complete(0, EventType::Ok, f, "k", json!(7));
        story.replica(1, 1, "k", &[("a:1", value.clone())]).replica(1, 2, "k", &[("a:1", value.clone())]);
        story.result(SIB).is_valid();
        story.replica(2, 3, "k", &[("b:1", value.clone())]).replica(3, 3, "k", &[("b:1", value)]);
        let found = story.result(SIB);
        let anomaly = found.sole(Outcome::Invalid, "doubled-write");
        assert!(anomaly.explanation.contains("is two versions: a:1 in a read of n1 alone"), "{}", anomaly.explanation);
    }
}

#[test]
fn a_version_is_one_write() {
    let mut story = Story::new("register");
    story.write_ok(0, "register-0", 1, &[]).write_ok(0, "register-0", 2, &[1]);
    story.replica(1, 1, "register-0", &[("a:1", json!(1))]).replica(1, 2, "register-0", &[("a:1", json!(2))]);
    story.result(SIB).sole(Outcome::Invalid, "reused-version");
}

#[test]
fn tombstones_and_carts_may_be_alike() {
    let mut story = Story::new("register");
    story.write_ok(0, "register-0", 1, &[]).delete_ok(0, "register-0", &[1]).delete_ok(1, "register-0", &[1]);
    story.replica(1, 1, "register-0", &[("a:1", json!(null)), ("b:1", json!(null))]);
    story.result(SIB).is_valid();
    let mut story = Story::new("cart");
    story.add(0, "cart-0", 1).remove(0, EventType::Ok, "cart-0", 1);
    story.replica(1, 1, "cart-0", &[("a:1", json!([]))]).replica(2, 1, "cart-0", &[("a:3", json!([]))]);
    story.result(SIB).is_valid();
}

#[test]
fn without_versions_there_is_nothing_to_judge() {
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).read(0, "set-0", &[1]);
    story.result(SIB).is_inconclusive("no read shows versions");
}
