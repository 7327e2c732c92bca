//! Convergence.

use serde_json::json;

use super::Story;
use crate::CheckName;
use crate::verdict::Outcome;

const CONVERGENCE: CheckName = CheckName::CONVERGENCE;

#[test]
fn equal_replicas_have_converged_since_the_round_that_began_it() {
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).at(1000).heal();
    story.replica(0, 1, "set-0", &[("a", json!([1]))]).replica(0, 2, "set-0", &[("a", json!([1]))]);
    story.at(1500).replica(1, 1, "set-0", &[("a", json!([1]))]).replica(1, 2, "set-0", &[]);
    story.at(2000).replica(2, 1, "set-0", &[("a", json!([1]))]).replica(2, 2, "set-0", &[("a", json!([1]))]);
    story.at(3000).replica(3, 1, "set-0", &[]).replica(3, 2, "set-0", &[]);
    let found = story.result(CONVERGENCE);
    found.is_valid();
    assert_eq!((found.figure("converge_ms"), found.figure("rounds"), found.figure("keys")), (1003.0, 4.0, 1.0));
}

#[test]
fn the_slowest_key_determines_the_time() {
    let mut story = Story::new("register");
    story.heal().at(100);
    for key in ["register-0", "register-1"] {
        story.replica(0, 1, key, &[("a", json!(1))]).replica(0, 2, key, &[("a", json!(1))]);
    }
    let found = story.result(CONVERGENCE);
    found.is_valid();
    assert_eq!((found.figure("converge_p50_ms"), found.figure("converge_ms")), (103.0, 107.0));
}

#[test]
fn a_diverged_key_is_explained() {
    let mut story = Story::new("set");
    story.heal();
    let both = ("b", json!([1, 2]));
    story.replica(0, 1, "set-0", &[("a", json!([1])), both.clone()]).replica(
        0,
        2,
        "set-0",
        std::slice::from_ref(&both),
    );
    story.replica(0, 3, "set-0", &[("a", json!([1])), both]);
    let found = story.result(CONVERGENCE);
    let anomaly = found.sole(Outcome::Invalid, "diverged-key");
    assert_eq!(
        anomaly.explanation,
        "in the last round of replica reads (0, ended at 0.007 s) the replicas of set-0 differ: \
         n1, n3 hold [1] (version a); n2 holds only what all hold"
    );
    assert_eq!((&anomaly.events[..], &anomaly.context[..]), (&[1, 2, 3, 4][..], &[5, 6][..]));
    assert_eq!(found.figure("diverged-keys"), 1.0);
    assert!(!found.figures.contains_key("converge_ms"));
}

#[test]
fn equal_values_under_different_identities_and_tombstones_differ() {
    for (one, other) in [(("a", json!([1])), ("b", json!([1]))), (("a", json!(null)), ("a", json!([1])))] {
        let mut story = Story::new("set");
        story.heal().replica(0, 1, "set-0", &[one]).replica(0, 2, "set-0", &[other]);
        story.result(CONVERGENCE).sole(Outcome::Invalid, "diverged-key");
    }
}

#[test]
fn an_empty_replica_beside_a_full_one_differs() {
    let mut story = Story::new("set");
    story.heal().replica(0, 1, "set-0", &[]).replica(0, 2, "set-0", &[("a", json!([1]))]);
    let found = story.result(CONVERGENCE);
    let explanation = &found.sole(Outcome::Invalid, "diverged-key").explanation;
    assert!(explanation.contains("n1 holds nothing; n2 holds [1]"), "{explanation}");
}

#[test]
fn long_versions_are_shortened() {
    let mut story = Story::new("set");
    let long: Vec<i64> = (0..1000).collect();
    let many: Vec<(String, i64)> = (0..50).map(|value| (format!("é{value:0100}"), value)).collect();
    let many: Vec<(&str, serde_json::Value)> = many.iter().map(|(id, value)| (id.as_str(), json!(value))).collect();
    story.heal().replica(0, 1, "set-0", &many).replica(0, 2, "set-0", &[("b", json!(long))]);
    let found = story.result(CONVERGENCE);
    assert!(found.anomalies[0].explanation.len() < 1500, "{found:#?}");
    assert!(found.anomalies[0].explanation.contains("46 more versions"), "{found:#?}");
}

#[test]
fn a_replica_that_could_not_be_read_leaves_the_key_undecided() {
    let mut story = Story::new("set");
    story.heal().replica(0, 1, "set-0", &[]).replica(0, 2, "set-0", &[]);
    story.replica(1, 1, "set-0", &[]).replica_fails(1, 2, "set-0");
    story.result(CONVERGENCE).is_inconclusive("set-0 could not be read from n2 in round 1");
    // Nor may it be left out of the round.
    let mut story = Story::new("set");
    story.heal().replica(0, 1, "set-0", &[]).replica(0, 2, "set-0", &[]).replica(1, 1, "set-0", &[]);
    story.result(CONVERGENCE).is_inconclusive("set-0 could not be read from n2 in round 1");
}

#[test]
fn two_that_differ_are_diverged_whatever_the_third_would_say() {
    let mut story = Story::new("set");
    story.heal().replica(0, 1, "set-0", &[]).replica(0, 2, "set-0", &[("a", json!([1]))]).replica_fails(0, 3, "set-0");
    story.result(CONVERGENCE).sole(Outcome::Invalid, "diverged-key");
}

#[test]
fn without_replica_reads_nothing_is_decided() {
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).final_read(1, "set-0", &[1]);
    let found = story.result(CONVERGENCE);
    found.is_inconclusive("no replica reads");
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).add(0, "set-1", 2).heal().replica(0, 1, "set-0", &[]).replica(0, 2, "set-0", &[]);
    story.result(CONVERGENCE).is_inconclusive("no replica reads of set-1");
}

#[test]
fn a_broken_answer_is_no_answer() {
    let mut story = Story::new("set");
    story.heal().replica(0, 1, "set-0", &[]);
    story.final_read(1, "set-0", &[]);
    let mut events = story.events();
    let completion = events.iter_mut().find(|event| event.value.is_array()).expect("the replica read");
    completion.value = json!([{"value": 1}]);
    let verdict = super::check(&super::of(&events), &super::claiming_all(crate::ConcurrentWrites::Kept));
    super::result(verdict, CONVERGENCE).is_inconclusive("could not be read from n1 in round 0");
}
