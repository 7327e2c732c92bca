//! Explanations without needless operations: what goes, what stays, and what is said where it was not tried.

use serde_json::json;

use crate::checks::minimal::shrink;
use crate::checks::registry::{self, Settings};
use crate::checks::simple::staleness::Bounds;
use crate::history::EventType::{Invoke, Ok};
use crate::history::{History, HistoryBuilder, RawEvent, ValueId};
use crate::limits::{Decision, Limits, Violation};
use crate::verdict::Outcome;

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

#[test]
fn a_read_that_shows_nothing_new_is_left_out() {
    let records = records(&[("read", json!(null)), ("write", json!(2)), ("read", json!(null))]);
    let staleness = registry::find("staleness").expect("it is registered");
    let bounds = Bounds { versions_max: Some(1), time_ns_max: None };
    let decision =
        staleness.check(&records, &Limits::default(), &Settings { staleness: bounds, ..Settings::default() });
    let told: Vec<&[u64]> = decision.violations.iter().map(|violation| &violation.events[..]).collect();
    assert_eq!(told, [[2, 3, 4, 5]]);
}

/// The number of versions is that of the whole; the writes told are as many as are too many.
#[test]
fn a_read_far_behind_is_told_with_as_many_writes_as_are_too_many() {
    let writes = (1..=5).map(|value| ("write", json!(value)));
    let records = records(&writes.chain([("read", json!(1))]).collect::<Vec<_>>());
    let staleness = registry::find("staleness").expect("it is registered");
    let bounds = Bounds { versions_max: Some(2), time_ns_max: None };
    let decision =
        staleness.check(&records, &Limits::default(), &Settings { staleness: bounds, ..Settings::default() });
    let [violation] = &decision.violations[..] else { panic!("one: {decision:?}") };
    assert!(violation.explanation.contains("though 4 writes were made after it"), "{violation:?}");
    assert_eq!(violation.events, [0, 1, 2, 3, 4, 5, 10, 11]);
}

#[test]
fn what_is_too_large_stays_and_says_so() {
    let adds: Vec<(&str, serde_json::Value)> = (0..120).map(|element| ("add", json!(element))).collect();
    let shown = (0..119).collect::<Vec<_>>();
    let records = records(&[&adds[..], &[("read", json!(shown))]].concat());
    let entry = registry::find("read-your-writes").expect("it is registered");
    let decision = entry.check(&records, &Limits::default(), &Settings::default());
    let [violation] = &decision.violations[..] else { panic!("one: {decision:?}") };
    assert_eq!(violation.events.len(), 242);
    let end = "Whether fewer than these 121 operations would do was not tried.";
    assert!(violation.explanation.ends_with(end), "{violation:?}");
}

fn violated(events: &[u64]) -> Decision {
    let violation =
        Violation { kind: "some".into(), key: None, explanation: "Broken.".into(), events: events.to_vec() };
    Decision { outcome: Outcome::Invalid, violations: vec![violation], violations_total: 1, ..Decision::default() }
}

#[test]
fn a_time_that_is_over_is_told() {
    let records = records(&[("write", json!(1)), ("read", json!(1))]);
    let mut decision = violated(&[0, 1, 2, 3]);
    let limits = Limits { out_of_time: &|| true, ..Limits::default() };
    shrink(&mut decision, &records, &limits, &|part, _| violated(&(0..u64::from(part.events)).collect::<Vec<_>>()));
    let [violation] = &decision.violations[..] else { panic!("one: {decision:?}") };
    assert_eq!(violation.explanation, "Broken. Whether fewer operations would do was not tried to the end.");
    assert_eq!(violation.events, [0, 1, 2, 3]);
}

/// What a delete replaced is not missed, so without it another reason would be told; and a write that is named in the past of
/// another is seen with that one.
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
    let mut decision = violated(&[0, 1, 2, 3, 4, 5]);
    let still = |part: &History, _: &Limits<'_>| violated(&part.events_of_all(0..part.ops.len()));
    shrink(&mut decision, &builder.finish(), &Limits::default(), &still);
    // Only the last goes, and with it what held the first.
    assert_eq!(decision.violations[0].events, [2, 3]);
}
