//! Availability: after the rest every node serves.

use serde_json::json;

use super::Story;
use crate::CheckName;
use crate::history::Phase;
use crate::verdict::Outcome;

const AVAILABILITY: CheckName = CheckName::AVAILABILITY;

fn served() -> Story {
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).final_read(1, "set-0", &[1]).final_read(2, "set-0", &[1]);
    story.after_rest(Phase::Probe, 1, "write", Ok(json!(1))).after_rest(Phase::Probe, 2, "write", Ok(json!(2)));
    story
}

#[test]
fn every_node_serves() {
    let found = served().result(AVAILABILITY);
    found.is_valid();
    assert_eq!(found.summary, "2 nodes served 2 of 2 final reads and 2 of 2 probe writes");
    assert_eq!(found.workload, None);
}

#[test]
fn an_attempt_that_succeeds_is_enough() {
    let mut story = served();
    story.final_read_fails(3, "set-0").final_read(3, "set-0", &[1]);
    story.after_rest(Phase::Probe, 3, "write", Err("refused")).after_rest(Phase::Probe, 3, "write", Ok(json!(3)));
    story.result(AVAILABILITY).is_valid();
}

#[test]
fn a_node_that_does_not_serve_is_one_anomaly() {
    let mut story = served();
    story.final_read(3, "set-1", &[]).final_read_fails(3, "set-0").final_read_fails(3, "set-0");
    story.after_rest(Phase::Probe, 3, "write", Err("too few replicas for w = 2 can be reached"));
    let found = story.result(AVAILABILITY);
    let anomaly = found.sole(Outcome::Invalid, "node-not-serving");
    assert_eq!(
        anomaly.explanation,
        "n3 did not serve 2 of 3 requests after the rest: `write` of probe-n3 at 0.017 s: too few replicas for w = 2 \
         can be reached"
    );
    assert_eq!(found.figure("probes-served"), 2.0);
}

#[test]
fn what_fails_while_the_run_goes_on_is_not_judged() {
    let mut story = Story::new("set");
    story.add_fail(0, "set-0", 1).add(0, "set-0", 2).replica_fails(1, 1, "set-0").final_read(1, "set-0", &[2]);
    story.result(AVAILABILITY).is_valid();
    let mut story = Story::new("set");
    story.add(0, "set-0", 1);
    story.result(AVAILABILITY).is_inconclusive("nothing was asked after the rest");
}

/// Probes and rings are of no workload, and no model has to know them.
#[test]
fn probes_are_of_no_workload() {
    let mut story = served();
    story.after_rest(Phase::Ring, 1, "members", Ok(json!([])));
    let verdict = super::check(&story.history(), &crate::Claims::default());
    assert_eq!(verdict.reasons, [] as [&str; 0]);
    assert!(verdict.properties.iter().all(|found| found.workload.as_deref().is_none_or(|name| name == "set")));
}
