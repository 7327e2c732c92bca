//! Explanations without needless operations: what goes, what stays, and what is said where it was not tried.

use serde_json::json;

use super::properties::asked;
use crate::checks::check::Context;
use crate::checks::minimal::{Budget, OfColumns, shrink};
use crate::checks::registry::Settings;
use crate::checks::simple::staleness::Bounds;
use crate::finding::{Draft, Finding, Kept, Proof, Shrinks};
use crate::history::EventType::{Invoke, Ok};
use crate::history::{History, HistoryBuilder, RawEvent, ValueId};
use crate::limits::Limits;

/// One operation after the other, all by one process: function and what it wrote or found.
fn records(operations: &[(&str, serde_json::Value)]) -> History {
    let mut builder = HistoryBuilder::new();
    for (f, value) in operations {
        let argument = if *f == "read" { json!(null) } else { value.clone() };
        builder.event(0, Invoke, f, None, &argument).expect("the events fit");
        builder.event(0, Ok, f, None, value).expect("the events fit");
    }
    builder.finish()
}

fn within(staleness: Bounds) -> Settings {
    Settings { staleness, ..Settings::default() }
}

#[test]
fn a_read_that_shows_nothing_new_is_left_out() {
    let records = records(&[("read", json!(null)), ("write", json!(2)), ("read", json!(null))]);
    let staleness = asked("staleness");
    let bounds = Bounds { versions_max: Some(1), time_ns_max: None };
    let decision = staleness.check(&records, &Context::new(Limits::default(), &within(bounds)));
    let reported: Vec<&[u64]> = decision.explained().map(|violation| &violation.events[..]).collect();
    assert_eq!(reported, [[2, 3, 4, 5]]);
}

/// The number of versions is counted in the whole history; of the newer writes only as many are reported as exceed the
/// bound.
#[test]
fn a_read_far_behind_is_reported_with_just_enough_writes_to_exceed_the_bound() {
    let writes = (1..=5).map(|value| ("write", json!(value)));
    let records = records(&writes.chain([("read", json!(1))]).collect::<Vec<_>>());
    let staleness = asked("staleness");
    let bounds = Bounds { versions_max: Some(2), time_ns_max: None };
    let decision = staleness.check(&records, &Context::new(Limits::default(), &within(bounds)));
    let [Kept { anomaly: violation, .. }] = &decision.anomalies.kept[..] else { panic!("one: {decision:?}") };
    assert!(violation.explanation.contains("though 4 writes were made after it"), "{violation:?}");
    assert_eq!(violation.events, [0, 1, 2, 3, 4, 5, 10, 11]);
}

#[test]
fn what_is_too_large_stays_and_says_so() {
    let records = records(&(0..121).map(|element| ("add", json!(element))).collect::<Vec<_>>());
    let mut decision = violated(&records, 0..121);
    let judge = |part: &History| violated(part, 0..part.ops.len());
    let budget = Budget { work: usize::MAX, out_of_time: &|| false };
    shrink(&mut decision.anomalies, &OfColumns { records: &records, judge: &judge }, &[], budget);
    let [Kept { anomaly: violation, .. }] = &decision.anomalies.kept[..] else { panic!("one: {decision:?}") };
    assert_eq!(violation.events.len(), 242);
    let end = "; whether fewer than these 121 operations would do was not tried to the end";
    assert!(violation.explanation.ends_with(end), "{violation:?}");
}

/// A violation by these operations of a history.
fn violated(records: &History, ops: std::ops::Range<usize>) -> Finding {
    let mut finding = Finding::default();
    let proof = Proof { shrinks: Some(Shrinks::NewAnomaly), ..Proof::at(records, ops) };
    let draft = Draft { kind: "some", key: "", process: None, explanation: "Broken.".into(), proof };
    finding.violated(&Limits::default(), || draft);
    finding
}

#[test]
fn running_out_of_time_is_reported() {
    let records = records(&[("write", json!(1)), ("read", json!(1))]);
    let mut decision = violated(&records, 0..2);
    let judge = |part: &History| violated(part, 0..part.ops.len());
    let budget = Budget { work: usize::MAX, out_of_time: &|| true };
    shrink(&mut decision.anomalies, &OfColumns { records: &records, judge: &judge }, &[], budget);
    let [Kept { anomaly, .. }] = &decision.anomalies.kept[..] else { panic!("one: {decision:?}") };
    assert_eq!(anomaly.explanation, "Broken; whether fewer than these 2 operations would do was not tried to the end");
    assert_eq!(anomaly.events, [0, 1, 2, 3]);
}

/// A value that a delete replaced is not missed, so without the delete another reason would be reported; and a write in the
/// past of another is seen together with it.
#[test]
fn what_hides_others_stays() {
    let mut builder = HistoryBuilder::new();
    let steps =
        [("write", json!(1), json!(null)), ("delete", json!(null), json!(null)), ("write", json!(2), json!([1]))];
    for (f, value, past) in &steps {
        let (value, past) = (builder.json(value).expect("room"), builder.json(past).expect("room"));
        for (kind, past) in [(Invoke, ValueId::NIL), (Ok, past)] {
            let (time_ns, key) = (u64::from(builder.events()), ValueId::NIL);
            let event = RawEvent { index: None, time_ns, process: Some(0), kind, f, key, value, past };
            builder.push_event(&event).expect("the events fit");
        }
    }
    let records = builder.finish();
    let mut decision = violated(&records, 0..3);
    let judge = |part: &History| violated(part, 0..part.ops.len());
    let budget = Budget { work: usize::MAX, out_of_time: &|| false };
    shrink(&mut decision.anomalies, &OfColumns { records: &records, judge: &judge }, &[], budget);
    // Only the last goes, and with it what held the first.
    assert_eq!(decision.anomalies[0].events, [2, 3]);
}
