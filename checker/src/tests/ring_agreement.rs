//! Ring agreement: all nodes say the same of the members.

use serde_json::{Value, json};

use super::Story;
use crate::CheckName;
use crate::history::Phase;
use crate::verdict::Outcome;

const RING: CheckName = CheckName::RING_AGREEMENT;

/// What nodes n1, n2, ... say in their order; `Err` for one that does not answer.
fn answered(says: &[Result<Value, &str>]) -> Story {
    let mut story = Story::new("set");
    story.add(0, "set-0", 1);
    for (node, said) in (1..).zip(says) {
        story.after_rest(Phase::Ring, node, "members", said.clone());
    }
    story
}

#[test]
fn nodes_that_say_the_same_agree() {
    let members = json!([["n1", "member"], ["n2", "member"]]);
    let found = answered(&[Ok(members.clone()), Ok(members)]).result(RING);
    found.is_valid();
    assert_eq!((found.summary.as_str(), found.workload), ("2 of 2 nodes say the same of the members", None));
}

#[test]
fn two_rings_are_a_violation_whoever_is_silent() {
    let (whole, half) = (json!([["n1", "member"], ["n2", "member"]]), json!([["n3", "member"]]));
    let found = answered(&[Ok(whole.clone()), Ok(whole), Ok(half), Err("time-out")]).result(RING);
    let anomaly = found.sole(Outcome::Invalid, "split-ring");
    assert_eq!(
        anomaly.explanation,
        "after the rest the nodes do not agree on the members: n1, n2 say n1 member, n2 member, nothing of n3; \
         n3 says nothing of n1, nothing of n2, n3 member"
    );
    assert_eq!((anomaly.key.as_deref(), anomaly.events.as_slice()), (None, &[2, 3, 6, 7][..]));
    assert_eq!(anomaly.context, [4, 5], "who sides with whom");
}

/// What all nodes agree on is left out: of a hundred seats the reader wants the one in dispute.
#[test]
fn an_explanation_lists_what_is_in_dispute_and_how_much_more() {
    let explained = |says: &[Value]| {
        let says: Vec<Result<Value, &str>> = says.iter().cloned().map(Ok).collect();
        answered(&says).result(RING).sole(Outcome::Invalid, "split-ring").explanation.clone()
    };
    let seats = |standings: &[&str], view: &str| {
        let names = (1..).map(|number| format!("n{number}"));
        let ring = names.zip(standings).map(|(name, standing)| json!([name, standing]));
        Value::from(ring.chain([json!(["view", view])]).collect::<Vec<_>>())
    };
    let (joining, unheard) =
        (seats(&["member", "member", "joining"], "0"), seats(&["member", "member", "no-member"], "0"));
    assert_eq!(
        explained(&[joining.clone(), unheard, joining]),
        "after the rest the nodes do not agree on the members: n1, n3 say n3 joining; n2 says n3 no-member"
    );
    let settled = |view| seats(&["member"], view);
    let elsewhere = explained(&[settled("a"), settled("b")]);
    assert!(elsewhere.ends_with(": n1 says view a; n2 says view b"), "{elsewhere}");
    let many = explained(&[seats(&["member"; 12], "0"), seats(&["no-member"; 12], "0")]);
    assert!(many.ends_with(", n5 no-member and differ on 4 more"), "{many}");
    let foreign = explained(&[json!({ "leader": "a" }), json!({ "leader": "b" })]);
    assert!(foreign.ends_with(r#": n1 says {"leader":"a"}; n2 says {"leader":"b"}"#), "{foreign}");
}

#[test]
fn a_node_that_does_not_answer_leaves_it_undecided() {
    let found = answered(&[Ok(json!(["n1"])), Err("time-out")]).result(RING);
    found.is_inconclusive("1 of 2 nodes say the same of the members; n2 did not answer");
    answered(&[]).result(RING).is_inconclusive("no node was asked");
}

#[test]
fn the_last_answer_counts() {
    let mut story = answered(&[Ok(json!(["n1"])), Err("time-out")]);
    story.after_rest(Phase::Ring, 2, "members", Ok(json!(["n1"])));
    story.result(RING).is_valid();
    story.after_rest(Phase::Ring, 2, "members", Ok(json!(["n2"])));
    story.after_rest(Phase::Ring, 2, "members", Err("time-out"));
    story.result(RING).sole(Outcome::Invalid, "split-ring");
}
