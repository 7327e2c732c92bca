//! Faults, and what makes a whole run inconclusive.

use serde_json::json;

use super::Story;
use super::check;
use crate::finding::quantile;
use crate::formats::{Format, Selection, read};
use crate::history::EventType;
use crate::run::faults::{Windows, crashes, findings};
use crate::run::findings::active_between;
use crate::verdict::{Outcome, Verdict};
use crate::{CheckName, Claims};

/// A run that is fine but for its faults.
fn fine() -> Story {
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).read(0, "set-0", &[1]);
    story
}

fn judged(story: &Story) -> Verdict {
    check(&story.history(), &Claims::default())
}

fn sole_reason(story: &Story, reason: &str) {
    let verdict = judged(story);
    assert_eq!((verdict.outcome, verdict.reasons), (Outcome::Inconclusive, vec![reason.to_owned()]));
}

fn plan(story: &mut Story) {
    let entry = json!({"fault": 1, "kind": "partition", "detail": "{n1} | {n2}", "nodes": ["n1", "n2"], "at_ms": 5, "for_ms": 9});
    story.nemesis("plan", json!([entry]));
}

#[test]
fn a_proved_fault_is_found_with_its_times() {
    let mut story = fine();
    plan(&mut story);
    story.at(100).nemesis("start-partition", json!({"fault": 1, "detail": "{n1} | {n2}", "nodes": ["n1", "n2"]}));
    story.add(0, "set-0", 2).at(200).stop(1, "partition").heal();
    let verdict = judged(&story);
    assert_eq!((verdict.outcome, verdict.reasons.as_slice()), (Outcome::Valid, &[][..]));
    let [fault] = verdict.faults.as_slice() else { panic!("one fault: {verdict:#?}") };
    assert_eq!((fault.fault, fault.kind.as_str(), fault.detail.as_str()), (1, "partition", "{n1} | {n2}"));
    assert_eq!((fault.start_ns, fault.stop_ns), (Some(101_000_000), Some(201_000_000)));
    assert_eq!((fault.proved, fault.evidence.as_str(), fault.nodes.len()), (true, "seen", 2));
    assert_eq!(findings(&story.history()), verdict.faults);
}

#[test]
fn a_fault_that_never_started() {
    let mut story = fine();
    plan(&mut story);
    sole_reason(&story, "Fault 1 (partition {n1} | {n2}) never started.");
    story.nemesis("stop-partition", json!({"fault": 1, "proved": false, "evidence": "no such link"}));
    sole_reason(&story, "Fault 1 (partition {n1} | {n2}) never started: no such link.");
}

#[test]
fn a_fault_that_was_not_healed() {
    let mut story = fine();
    plan(&mut story);
    story.start(1, "partition", &["n1"]).add(0, "set-0", 2);
    sole_reason(&story, "Fault 1 (partition n1) was not healed.");
}

#[test]
fn a_fault_without_proof() {
    let mut story = fine();
    plan(&mut story);
    story.start(1, "partition", &["n1"]).add(0, "set-0", 2);
    story.nemesis("stop-partition", json!({"fault": 1, "proved": false, "evidence": "0 bytes blocked"}));
    sole_reason(&story, "Fault 1 (partition n1) is not proved to have taken effect: 0 bytes blocked.");
}

#[test]
fn an_event_that_cannot_be_read() {
    let mut story = fine();
    story.nemesis("stop-pause", json!({"fault": 1}));
    sole_reason(&story, "The nemesis event `stop-pause` at index 4 cannot be read: missing field `proved`.");
}

#[test]
fn a_fault_outside_the_plan_is_found_too() {
    let mut story = fine();
    story.start(4, "clock-bump", &["n2"]).stop(4, "clock-bump");
    let verdict = judged(&story);
    assert_eq!((verdict.faults[0].fault, verdict.faults[0].kind.as_str()), (4, "clock-bump"));
}

#[test]
fn a_kind_of_operation_that_never_succeeds_during_faults() {
    let mut story = fine();
    story.start(1, "pause", &["n1"]).add_fail(0, "set-0", 2).read(0, "set-0", &[1]).stop(1, "pause");
    sole_reason(&story, "No `add` of `set` succeeded while faults were active.");
    let verdict = judged(&story);
    let add = verdict.statistics.iter().find(|found| found.f == "add").expect("adds were counted");
    assert_eq!((add.availability_in_faults(), add.availability_outside_faults()), (Some(0.0), Some(1.0)));
}

/// A client that misreads every answer is not the store's fault, and nothing that it asked is known to be right.
#[test]
fn a_kind_of_operation_that_never_succeeds_at_all() {
    let mut story = Story::new("set");
    story.read(0, "set-0", &[]).read(1, "set-0", &[]);
    for element in 0..20 {
        story.add_fail(0, "set-0", element);
    }
    sole_reason(&story, "No `add` of `set` succeeded: 20 were tried.");
    assert_eq!(judged(story.add(1, "set-0", 20)).outcome, Outcome::Valid, "one succeeded");
}

/// A run of `n1` and `n2` with a fault that stops one or both, in which nothing succeeds while it lasts.
fn stopped(kind: &str, nodes: &[&str], goes_on: bool) -> Story {
    let mut story = fine();
    story.add(1, "set-0", 2).read(1, "set-0", &[1, 2]);
    story.start(1, kind, nodes).add_fail(0, "set-0", 3).add_fail(1, "set-0", 4).stop(1, kind);
    if goes_on {
        story.add(0, "set-0", 5).read(0, "set-0", &[1, 2, 5]);
    }
    story
}

const NO_ADD: &str = "No `add` of `set` succeeded while faults were active.";

#[test]
fn nothing_can_succeed_while_no_node_runs() {
    for kind in ["kill", "power", "torn", "pause"] {
        assert_eq!(judged(&stopped(kind, &["n1", "n2"], true)).outcome, Outcome::Valid, "{kind}");
        sole_reason(&stopped(kind, &["n1"], true), NO_ADD);
    }
    sole_reason(&stopped("partition", &["n1", "n2"], true), NO_ADD);
}

#[test]
fn what_survives_an_outage_has_to_succeed_before_and_after_it() {
    sole_reason(&stopped("power", &["n1", "n2"], false), NO_ADD);
    let mut story = Story::new("set");
    story.read(0, "set-0", &[]).read(1, "set-0", &[]);
    story.start(1, "power", &["n1", "n2"]).add_fail(0, "set-0", 3).stop(1, "power");
    sole_reason(story.add(0, "set-0", 5), NO_ADD);
}

/// Of the nodes that clients ask a majority has to run, if the system says so.
#[test]
fn where_a_majority_decides_an_outage_begins_with_half_of_the_nodes() {
    let story = stopped("power", &["n1"], true);
    let outcome = |nodes_to_serve| check(&story.history(), &Claims { nodes_to_serve, ..Claims::default() }).outcome;
    assert_eq!([1, 2].map(outcome), [Outcome::Inconclusive, Outcome::Valid]);
}

/// Two faults that overlap stop both nodes only while both last; what is invoked in the rest of them counts.
#[test]
fn an_operation_in_a_fault_that_leaves_a_node_has_to_succeed() {
    let overlap = |early: bool| {
        let mut story = fine();
        story.add(1, "set-0", 2).start(1, "kill", &["n1"]);
        if early {
            story.add_fail(1, "set-0", 3);
        }
        story.start(2, "power", &["n2"]).add_fail(0, "set-0", 4).stop(2, "power").stop(1, "kill");
        story.add(0, "set-0", 5);
        story
    };
    assert_eq!(judged(&overlap(false)).outcome, Outcome::Valid);
    sole_reason(&overlap(true), NO_ADD);
}

#[test]
fn a_fault_that_is_not_proved_makes_no_outage() {
    let mut story = fine();
    story.add(1, "set-0", 2).start(1, "power", &["n1", "n2"]).add_fail(0, "set-0", 3);
    story.nemesis("stop-power", json!({"fault": 1, "proved": false, "evidence": "still there"})).add(0, "set-0", 5);
    let reasons = ["Fault 1 (power n1 n2) is not proved to have taken effect: still there.", NO_ADD];
    assert_eq!(judged(&story).reasons, reasons);
}

/// A loss after a torn power failure was put down to replication, as only some of the faults that end nodes were known.
#[test]
fn regression_not_every_fault_that_ends_nodes_was_a_crash() {
    let count = |kind: &str| crashes(&fine().start(1, kind, &["n1"]).stop(1, kind).history()).len();
    for kind in ["kill", "power", "torn", "bit-flip", "restart", "crash-in-start"] {
        assert_eq!(count(kind), 1, "{kind}");
    }
    assert_eq!(["pause", "partition", "slow-disk"].map(count), [0, 0, 0]);
}

#[test]
fn a_run_without_success_shows_nothing() {
    sole_reason(&Story::new("set"), "No operation was acknowledged.");
    let mut story = Story::new("set");
    story.add_info(0, "set-0", 1).final_read(1, "set-0", &[]);
    sole_reason(&story, "No operation was acknowledged before the final reads.");
}

/// Statistics leave final operations out, and so a history from elsewhere whose only successes are final was said to have none.
#[test]
fn regression_a_final_read_was_no_acknowledgement() {
    let lines = [
        r#"{"process":0,"type":"invoke","f":"add","value":1}"#,
        r#"{"process":0,"type":"info","f":"add","value":1}"#,
        r#"{"process":1,"type":"invoke","f":"read","final?":true}"#,
        r#"{"process":1,"type":"ok","f":"read","value":1,"final?":true}"#,
    ];
    let judged = |lines: &[&str]| {
        let text = lines.join("\n") + "\n";
        let history = read(text.as_bytes(), Format::Json, &Selection::default()).expect("it is a history").records;
        let verdict = check(&history, &Claims::of_history(CheckName::PN_COUNTER, None));
        (verdict.outcome, verdict.reasons.join(" "))
    };
    assert_eq!(judged(&lines), (Outcome::Valid, String::new()));
    assert!(judged(&lines[..2]).1.contains("No operation was acknowledged."), "{:?}", judged(&lines[..2]));
}

#[test]
fn a_torn_history_did_not_finish() {
    let mut history = fine().history();
    history.torn = Some(crate::history::Torn { line: 5, column: 7 });
    let verdict = check(&history, &Claims::default());
    assert_eq!(verdict.reasons, ["The history ends in the middle of line 5, at column 7: the run did not finish."]);
    assert_eq!(verdict.outcome, Outcome::Inconclusive);
}

#[test]
fn active_means_overlapping() {
    let mut story = Story::new("set");
    story.at(9).start(1, "pause", &[]).at(19).stop(1, "pause").at(29).start(2, "pause", &[]);
    let faults = findings(&story.history());
    let active = |from: u64, to: u64| active_between(&faults, from * 1_000_000, to * 1_000_000);
    assert_eq!((active(0, 9), active(0, 10), active(20, 21), active(21, 29)), (vec![], vec![1], vec![1], vec![]));
    assert_eq!((active(15, 99), active(50, 60)), (vec![1, 2], vec![2]));
    let windows = Windows::new(&faults);
    assert_eq!(
        [5, 10, 20, 25, 30, 99].map(|time| windows.contain(time * 1_000_000)),
        [false, true, true, false, true, true]
    );
}

#[test]
fn overlapping_windows_merge() {
    let mut story = Story::new("set");
    story.start(1, "pause", &[]).start(2, "kill", &[]).stop(2, "kill").at(99).stop(1, "pause");
    assert!(Windows::new(&findings(&story.history())).contain(50_000_000));
}

#[test]
fn latencies_are_exact_quantiles_of_what_succeeded() {
    let mut story = Story::new("set");
    for value in 0..1000 {
        story.at(10_000 * value as u64).invoke(0, "add", "set-0", json!(value));
        story.at(10_000 * value as u64 + value as u64 + 1);
        story.complete(0, EventType::Ok, "add", "set-0", json!(value));
    }
    story.at(90_000_000).invoke(0, "add", "set-0", json!(-1)).at(99_000_000);
    story.complete(0, EventType::Fail, "add", "set-0", json!(-1)).invoke(1, "add", "set-0", json!(-2));
    let verdict = judged(&story);
    let [add] = verdict.statistics.as_slice() else { panic!("one function: {verdict:#?}") };
    assert_eq!((add.ok, add.fail, add.info, add.workload.as_str()), (1000, 1, 1, "set"));
    assert_eq!((add.latency_p50_ms, add.latency_p99_ms), (500.0, 990.0));
    assert_eq!((add.latency_p999_ms, add.latency_max_ms), (999.0, 1000.0));
    assert_eq!((add.availability_in_faults(), add.invoked_in_faults), (None, 0));
    assert_eq!(
        (add.latency_in_faults_p50_ms, add.apdex),
        (0.0, 500.0 / 2004.0),
        "100 within 100 ms, 400 within 400 ms, of 1002"
    );
}

#[test]
fn latencies_in_faults_are_of_what_was_invoked_then() {
    let mut story = Story::new("set");
    for value in 0..100u64 {
        if value == 50 {
            story.at(10_000 * value - 1).start(1, "pause", &["n1"]);
        }
        story.at(10_000 * value).invoke(0, "add", "set-0", json!(value));
        story.at(10_000 * value + value + 1).complete(0, EventType::Ok, "add", "set-0", json!(value));
    }
    let verdict = judged(&story);
    let add = verdict.statistics.iter().find(|found| found.f == "add").expect("adds were counted");
    assert_eq!((add.latency_p50_ms, add.latency_in_faults_p50_ms, add.latency_in_faults_p99_ms), (50.0, 75.0, 100.0));
    assert_eq!((add.invoked_in_faults, add.apdex), (50, 1.0));
}

#[test]
fn a_quantile_is_one_of_the_values() {
    let of = |values: &[f64]| [0.0, 0.5, 0.9, 1.0].map(|q| quantile(values, q));
    assert_eq!(of(&[1.0, 2.0, 4.0]), [1.0, 2.0, 4.0, 4.0]);
    assert_eq!((of(&[3.0]), of(&[])), ([3.0; 4], [0.0; 4]));
}
