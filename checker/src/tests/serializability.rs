//! Transactions on single keys: each strength of serializability has a history that keeps the weaker and breaks it.

use serde_json::{Value, json};

use super::Story;
use crate::CheckName;
use crate::history::EventType::{self, Fail, Info, Ok};
use crate::verdict::{Outcome, PropertyResult};

const STRENGTHS: [CheckName; 3] =
    [CheckName::SERIALIZABLE, CheckName::STRONG_SESSION_SERIALIZABLE, CheckName::STRICT_SERIALIZABLE];

fn append(story: &mut Story, process: u64, kind: EventType, key: &str, element: i64) {
    story.txn(process, kind, key, "append", json!(element), json!(element));
}

fn write(story: &mut Story, process: u64, kind: EventType, key: &str, value: i64) {
    story.txn(process, kind, key, "w", json!(value), json!(value));
}

fn read(story: &mut Story, process: u64, key: &str, result: Value) {
    story.txn(process, Ok, key, "r", Value::Null, result);
}

/// The outcomes in the three strengths, the weakest first.
fn outcomes(story: &Story) -> [Outcome; 3] {
    STRENGTHS.map(|property| story.result(property).outcome)
}

const VALID: Outcome = Outcome::Valid;
const INVALID: Outcome = Outcome::Invalid;

#[test]
fn lists_that_only_grow_are_strictly_serializable() {
    let mut story = Story::new("list-append");
    append(&mut story, 1, Ok, "list-0", 10);
    read(&mut story, 2, "list-0", json!([10]));
    append(&mut story, 1, Ok, "list-0", 11);
    read(&mut story, 2, "list-0", json!([10, 11]));
    read(&mut story, 2, "list-1", Value::Null);
    assert_eq!(outcomes(&story), [VALID, VALID, VALID]);
    let found: PropertyResult = story.result(CheckName::SERIALIZABLE);
    assert_eq!((found.figure("transactions"), found.figure("keys")), (5.0, 2.0));
}

#[test]
fn a_stale_list_is_not_strict() {
    let mut story = Story::new("list-append");
    append(&mut story, 1, Ok, "list-0", 10);
    append(&mut story, 1, Ok, "list-0", 11);
    read(&mut story, 2, "list-0", json!([10, 11]));
    read(&mut story, 3, "list-0", json!([10]));
    assert_eq!(outcomes(&story), [VALID, VALID, INVALID]);
    let found = story.result(CheckName::STRICT_SERIALIZABLE);
    let anomaly = found.sole(INVALID, "G-single-realtime");
    assert!(anomaly.explanation.contains("had completed at index 3 when"), "{}", anomaly.explanation);
    assert_eq!(anomaly.key.as_deref(), Some("list-0"));
}

#[test]
fn a_list_that_goes_back_is_not_of_a_session() {
    let mut story = Story::new("list-append");
    append(&mut story, 1, Ok, "list-0", 10);
    append(&mut story, 1, Info, "list-0", 11);
    read(&mut story, 2, "list-0", json!([10, 11]));
    read(&mut story, 2, "list-0", json!([10]));
    assert_eq!(outcomes(&story), [VALID, INVALID, INVALID]);
}

#[test]
fn lists_that_part_are_not_serializable() {
    let mut story = Story::new("list-append");
    append(&mut story, 1, Ok, "list-0", 10);
    append(&mut story, 1, Ok, "list-0", 11);
    read(&mut story, 2, "list-0", json!([10]));
    read(&mut story, 3, "list-0", json!([11]));
    assert_eq!(outcomes(&story), [INVALID, INVALID, INVALID]);
    let found = story.result(CheckName::SERIALIZABLE);
    let anomaly = found.sole(INVALID, "incompatible-order");
    assert_eq!(anomaly.events, [4, 5, 6, 7], "two reads, neither a prefix of the other");
    assert!(found.summary.contains("1 of 1 keys: 1 incompatible-order"), "{}", found.summary);
}

/// Two keys are two objects: sessions over both are not asked for.
#[test]
fn each_key_has_an_order_of_its_own() {
    let mut story = Story::new("list-append");
    append(&mut story, 1, Ok, "list-0", 10);
    append(&mut story, 1, Ok, "list-1", 20);
    read(&mut story, 2, "list-1", json!([20]));
    read(&mut story, 2, "list-0", json!([]));
    assert_eq!(outcomes(&story), [VALID, VALID, INVALID]);
}

#[test]
fn what_failed_is_not_read() {
    let mut story = Story::new("list-append");
    append(&mut story, 1, Fail, "list-0", 10);
    read(&mut story, 2, "list-0", json!([10]));
    story.result(CheckName::SERIALIZABLE).sole(INVALID, "G1a");
    assert_eq!(story.result(CheckName::NO_LOST_WRITES).kinds(), ["failed-write-visible"]);
}

/// What is said of one read does not depend on there being another.
#[test]
fn a_list_that_repeats_an_element_is_asked_who_appended_it_too() {
    let mut story = Story::new("list-append");
    append(&mut story, 1, Fail, "list-0", 10);
    read(&mut story, 2, "list-0", json!([10, 10, 11, 11]));
    let found = story.result(CheckName::SERIALIZABLE);
    let kinds: std::collections::BTreeSet<&str> = found.kinds().into_iter().collect();
    assert_eq!(kinds, ["G1a", "duplicate-elements", "garbage-read"].into(), "{found:#?}");
}

#[test]
fn a_register_of_two_values_has_no_order() {
    let mut story = Story::new("rw-register");
    write(&mut story, 1, Ok, "rw-0", 10);
    write(&mut story, 1, Ok, "rw-0", 11);
    read(&mut story, 2, "rw-0", json!([10, 11]));
    let found = story.result(CheckName::SERIALIZABLE);
    let anomaly = found.sole(INVALID, "sibling-read");
    assert!(anomaly.explanation.ends_with("read 2 values of rw-0 at once: 10, 11."), "{}", anomaly.explanation);
    assert_eq!((&anomaly.events[..], &anomaly.context[..]), (&[4, 5][..], &[0, 1, 2, 3][..]), "the read says it all");
}

/// Of registers the order is assumed to be that of each process, or of real time: what then goes in a circle is wrong.
#[test]
fn registers_are_judged_in_each_strength() {
    let mut story = Story::new("rw-register");
    write(&mut story, 1, Ok, "rw-0", 10);
    write(&mut story, 1, Ok, "rw-0", 11);
    read(&mut story, 2, "rw-0", json!(11));
    read(&mut story, 3, "rw-0", json!(10));
    assert_eq!(outcomes(&story), [VALID, VALID, INVALID], "stale");
    let summary = story.result(CheckName::STRICT_SERIALIZABLE).summary;
    assert!(summary.ends_with("still possible: strong-session-serializable, strong-read-committed"), "{summary}");
    read(&mut story, 2, "rw-0", json!(10));
    assert_eq!(outcomes(&story), [VALID, INVALID, INVALID], "gone back");
    read(&mut story, 2, "rw-0", json!(9));
    assert_eq!(outcomes(&story), [INVALID, INVALID, INVALID], "nobody wrote 9");
}

#[test]
fn a_transaction_of_several_micro_operations_is_not_of_the_workload() {
    let mut story = Story::new("list-append");
    story.invoke(1, "txn", "list-0", json!([["append", "list-0", 1], ["r", "list-0", null]]));
    story.result(CheckName::SERIALIZABLE).is_inconclusive("is not one micro-operation of list-append");
}

/// Elements of a list are its writes, whatever their order.
#[test]
fn what_a_list_lost_is_reported_as_of_a_set() {
    let mut story = Story::new("list-append");
    append(&mut story, 1, Ok, "list-0", 10);
    append(&mut story, 1, Ok, "list-0", 11);
    read(&mut story, 1, "list-0", json!([11]));
    story.replica(1, 1, "list-0", &[("a", json!([11]))]);
    let lost = story.result(CheckName::NO_LOST_WRITES);
    assert!(lost.sole(INVALID, "lost-write").explanation.starts_with("append 10 to list-0"), "{lost:?}");
    story.result(CheckName::READ_YOUR_WRITES).sole(INVALID, "stale-read");
}

/// A key that only the micro-operation names is found, so histories of Jepsen's can be judged.
#[test]
fn keys_within_micro_operations_are_found() {
    let mut story = Story::new("list-append");
    for key in ["a", "b"] {
        append(&mut story, 1, Ok, key, 10);
        read(&mut story, 2, key, json!([10]));
    }
    let mut events = story.events();
    events.iter_mut().for_each(|event| event.key = None);
    let verdict = super::check(&super::of(&events), &super::claiming_all(crate::ConcurrentWrites::Kept));
    let found = verdict.properties.iter().find(|found| found.property == CheckName::SERIALIZABLE);
    let found = found.expect("it is judged");
    assert_eq!((found.outcome, found.figure("keys")), (VALID, 2.0));
}

/// Only transactions have an order, and only counters bounds.
#[test]
fn properties_of_some_models_are_not_judged_of_others() {
    let mut story = Story::new("set");
    story.add(1, "set-0", 1).read(1, "set-0", &[1]);
    let verdict = story.verdict();
    let judged = |property| verdict.properties.iter().any(|found| found.property == property);
    assert!(!STRENGTHS.into_iter().any(judged) && !judged(CheckName::COUNTER_BOUNDS));
    assert!(judged(CheckName::CAUSAL) && judged(CheckName::MONOTONIC_WRITES));
}
