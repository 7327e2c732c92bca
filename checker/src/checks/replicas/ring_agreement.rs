//! Ring agreement: once the cluster has come to rest, all nodes say the same of who its members are.
//!
//! Judged by the reads of phase `ring`: each node is asked for the membership as it knows it, and the last answer of
//! each counts. Two answers that differ violate the property. A node that was asked and did not answer leaves it
//! undecided, since its answer might differ.
//!
//! Time: O(n log n) in the answers. Source: DeCandia et al., SOSP 2007, 4.8.1 (gossip leads to an eventually consistent
//! view of membership) and 4.8.2 (seeds prevent logically partitioned rings).

use std::collections::{BTreeMap, BTreeSet};

use crate::checks::check::{Check, Context, Nature, Scope, View};
use crate::checks::replicas::convergence::shortened;
use crate::finding::{Draft, Explainer, Finding, Proof};
use crate::history::{Operation, Phase};
use crate::objects::Object;

/// How many seats an explanation lists.
const SEATS_SHOWN: usize = 8;

/// Nodes agree on who the members are.
pub(crate) struct RingAgreement;

impl Check for RingAgreement {
    fn name(&self) -> &'static str {
        "ring-agreement"
    }

    fn about(&self) -> &'static str {
        "after the heal all nodes say the same of who the members are"
    }

    fn scope(&self) -> Scope {
        Scope::Run
    }

    fn objects(&self) -> &'static [Object] {
        &[]
    }

    fn nature(&self) -> Nature {
        Nature::MEASURED
    }

    fn judge(&self, view: &View<'_>, context: &Context<'_>) -> Finding {
        view.by_operations(|operations| check(operations, &context.explainer()))
    }
}

/// Judges a history.
pub(crate) fn check(operations: &[Operation<'_>], explainer: &Explainer<'_>) -> Finding {
    let mut last: BTreeMap<&str, Operation<'_>> = BTreeMap::new();
    let asked = operations.iter().filter(|operation| operation.phase() == Phase::Ring);
    for operation in asked {
        let node = operation.node().unwrap_or("?");
        // An answer counts until there is a later one; silence does not undo it.
        if operation.is_ok() || !last.contains_key(node) {
            last.insert(node, *operation);
        }
    }
    let mut groups: BTreeMap<String, Vec<Operation<'_>>> = BTreeMap::new();
    for operation in last.values() {
        if operation.is_ok() {
            groups.entry(operation.history().json(operation.result()).to_string()).or_default().push(*operation);
        }
    }
    let mut finding = Finding::default();
    if groups.len() > 1 {
        finding.violations = 1;
        explainer.add(&mut finding.anomalies, || split(&groups));
    }
    finding.doubts = doubts(&last);
    finding.headline = match groups.len() {
        0 => "no node said who the members are".to_owned(),
        1 => format!("{} of {} nodes say the same of the members", last.len() - finding.doubts.len(), last.len()),
        rings => format!("{} nodes say {rings} different things of the members", last.len()),
    };
    finding.figures =
        BTreeMap::from([("nodes-asked".to_owned(), last.len() as f64), ("rings".to_owned(), groups.len() as f64)]);
    finding
}

fn doubts(last: &BTreeMap<&str, Operation<'_>>) -> Vec<String> {
    if last.is_empty() {
        return vec!["no node was asked".to_owned()];
    }
    let silent = last.iter().filter(|(_, operation)| !operation.is_ok());
    silent.map(|(node, _)| format!("{node} did not answer")).collect()
}

/// What each group of nodes says where others say something else.
fn split<'k>(groups: &BTreeMap<String, Vec<Operation<'k>>>) -> Draft<'k> {
    let sayings: Vec<String> = groups
        .keys()
        .zip(differences(groups))
        .zip(groups.values())
        .map(|((answer, apart), nodes)| {
            let names: Vec<&str> = nodes.iter().filter_map(Operation::node).collect();
            let says = if names.len() == 1 { "says" } else { "say" };
            format!("{} {says} {}", names.join(", "), apart.unwrap_or_else(|| shortened(answer)))
        })
        .collect();
    let explanation = format!("after the rest the nodes do not agree on the members: {}", sayings.join("; "));
    // Two that differ; the others show who agrees with whom.
    let two = groups.values().take(2).filter_map(|nodes| nodes.first());
    let proof = Proof::of(two.copied()).beside(groups.values().flatten().copied());
    Draft { kind: "split-ring", key: "", process: None, explanation, proof }
}

/// For each answer, in the order of the groups, the seats on which another answer differs. None for all answers if no seat
/// distinguishes them, or if one of them is not a list of pairs.
fn differences(groups: &BTreeMap<String, Vec<Operation<'_>>>) -> Vec<Option<String>> {
    let answers: Option<Vec<BTreeMap<String, String>>> = groups.keys().map(|answer| seats(answer)).collect();
    let Some(answers) = answers else { return vec![None; groups.len()] };
    let asked: BTreeSet<&String> = answers.iter().flat_map(BTreeMap::keys).collect();
    let differ = |seat: &&String| answers.iter().any(|answer| answer.get(*seat) != answers[0].get(*seat));
    let disputed: Vec<&String> = asked.into_iter().filter(differ).collect();
    if disputed.is_empty() {
        return vec![None; groups.len()];
    }
    let said = |answer: &BTreeMap<String, String>, seat: &str| match answer.get(seat) {
        Some(standing) => format!("{seat} {standing}"),
        None => format!("nothing of {seat}"),
    };
    let rest = disputed.len().saturating_sub(SEATS_SHOWN);
    let apart = |answer: &BTreeMap<String, String>| {
        let shown: Vec<String> = disputed.iter().take(SEATS_SHOWN).map(|seat| said(answer, seat)).collect();
        match rest {
            0 => shown.join(", "),
            more => format!("{} and differ on {more} more", shown.join(", ")),
        }
    };
    answers.iter().map(|answer| Some(apart(answer))).collect()
}

/// An answer as the bench records it: pairs of a node, or of what they all have in common, and what is said of it.
fn seats(answer: &str) -> Option<BTreeMap<String, String>> {
    let pairs: Vec<(String, String)> = serde_json::from_str(answer).ok()?;
    Some(pairs.into_iter().collect())
}
