//! Durability: an acknowledged write survives the crash of every node that holds it.
//!
//! The history does not show disks, so a loss is attributed to a crash only where nothing else explains it: a write that is
//! lost at the end (see [`crate::checks::survival::lost_writes`]), such that a read saw it, a crash came after that, no read before the
//! crash missed it, and no read after the crash saw it. Without a read before the crash that saw it, it may have been gone
//! already; such a loss, like every other, is attributed to replication.
//!
//! Time: O(log crashes) for each lost write.

use std::collections::BTreeMap;

use crate::checks::check::{Check, Context, Nature, Scope, View};
use crate::checks::survival::lost_writes::{Standing, flaws, lost, standing, story};
use crate::finding::{Draft, Explainer, Finding, at_time};
use crate::objects::Object;
use crate::run::faults::Crash;
use crate::visibility::Evidence;
use crate::visibility::{KeyFacts, WorkloadFacts};

/// Crashes lose nothing.
pub(crate) struct Durability;

impl Check for Durability {
    fn name(&self) -> &'static str {
        "durability"
    }

    fn about(&self) -> &'static str {
        "an acknowledged write survives the crash of every node that holds it"
    }

    fn scope(&self) -> Scope {
        Scope::Workload
    }

    fn objects(&self) -> &'static [Object] {
        &Object::OF_WORKLOADS
    }

    fn nature(&self) -> Nature {
        Nature::MEASURED
    }

    fn judge(&self, view: &View<'_>, context: &Context<'_>) -> Finding {
        view.by_facts(|workload| check(workload, &context.explainer(), context.crashes))
    }
}

/// Judges a workload.
pub(crate) fn check(workload: &WorkloadFacts<'_>, explainer: &Explainer<'_>, crashes: &[Crash<'_>]) -> Finding {
    let mut finding = Finding::default();
    let (mut at_risk, mut unjudged) = (0, 0);
    let last_crash = crashes.last().map_or(0, |crash| crash.event.index);
    for key in workload.keys.iter().filter(|key| key.flaws.is_empty()) {
        for (position, write) in key.writes.iter().enumerate() {
            if write.is_delete() || write.must_stay().is_none_or(|acknowledged| acknowledged > last_crash) {
                continue;
            }
            at_risk += 1;
            match standing(workload, key, position) {
                Standing::Unjudged | Standing::Undecided => unjudged += 1,
                Standing::Lost => {
                    if let Some(crash) = blamed(key, position, crashes) {
                        finding.violations += 1;
                        explainer.add(&mut finding.anomalies, || lost_by_crash(workload, key, position, crash));
                    }
                }
                _ => {}
            }
        }
    }
    finding.doubts = doubts(workload, crashes, unjudged);
    finding.headline = headline(crashes.len(), at_risk, finding.violations);
    finding.figures = BTreeMap::from([
        ("crashes".to_owned(), crashes.len() as f64),
        ("at-risk".to_owned(), at_risk as f64),
        ("lost-by-crash".to_owned(), finding.violations as f64),
    ]);
    finding
}

/// The crash that lost a write, if a crash did: the first after the acknowledgement and after the last read that
/// saw it, unless none did, or a read had missed the write before.
fn blamed<'c, 'h>(key: &KeyFacts<'_>, position: usize, crashes: &'c [Crash<'h>]) -> Option<&'c Crash<'h>> {
    let fate = key.analysis.fates[position];
    let acknowledged = key.writes[position].acknowledged()?;
    let held_until = key.reads[fate.last_seen?].invoked().max(acknowledged);
    let crash = crashes.get(crashes.partition_point(|crash| crash.event.index < held_until))?;
    let missed_before = fate.first_missed.is_some_and(|read| key.reads[read].completed() < crash.event.index);
    (!missed_before).then_some(crash)
}

fn lost_by_crash<'k>(
    workload: &WorkloadFacts<'_>,
    key: &'k KeyFacts<'_>,
    position: usize,
    crash: &'k Crash<'_>,
) -> Draft<'k> {
    let explanation = format!(
        "{}; {} killed{}, before any read missed it, and no read invoked after that saw it",
        story(workload, key, position),
        were(&crash.nodes),
        at_time(key.writes[position].operation.history(), crash.event.time),
    );
    let mut proof = lost(workload, key, position);
    proof.nemesis = Some(crash.event);
    if let Some(witness) = key.analysis.fates[position].last_seen.map(|read| &key.reads[read]) {
        proof = proof.and(witness.operation, Evidence::new(workload, key).of_sight(witness, position));
    }
    Draft { kind: "lost-by-crash", key: &key.name, process: None, explanation, proof }
}

fn were(nodes: &[String]) -> String {
    match nodes {
        [] => "nodes were".to_owned(),
        [node] => format!("{node} was"),
        nodes => format!("{} were", nodes.join(", ")),
    }
}

fn headline(crashes: usize, at_risk: u64, lost: u64) -> String {
    match crashes {
        0 => "no node crashed".to_owned(),
        _ => format!("{lost} of {at_risk} writes acknowledged before a crash were lost by it"),
    }
}

/// Without a crash there is nothing to doubt.
fn doubts(workload: &WorkloadFacts<'_>, crashes: &[Crash<'_>], unjudged: u64) -> Vec<String> {
    if crashes.is_empty() {
        return Vec::new();
    }
    let mut doubts = flaws(workload);
    if unjudged > 0 {
        doubts.push(format!("the final reads do not show whether {unjudged} of them survived"));
    }
    doubts
}
