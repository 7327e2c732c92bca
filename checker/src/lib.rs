//! What a run promised and what it broke, decided from the recorded history alone.
//!
//! A history goes in (what every client saw, and what the nemesis did), a verdict comes out. Nothing here reads a
//! file, a socket or a clock, so the same judgement is reached in a test, after a run, and years later.
//!
//! ```text
//! history ─► operations ─► facts per workload and key ─► which write is visible in which read ─► one file per property ─► verdict
//!        └─► nemesis events ─► what each fault did, and when ─────────────────────────────────────────────────────────────┘
//! ```

pub mod checks;
pub mod formats;
pub mod history;
pub mod limits;
pub mod lint;
pub mod objects;
pub mod run;
pub mod verdict;

mod finding;
mod options;
mod visibility;

pub use options::{ConcurrentWrites, Options};

use checks::isolation::per_key as serializability;
use checks::minimal;
use checks::replicas::{availability, convergence, ring_agreement, siblings};
use checks::sessions::{causal, monotonic_reads, read_your_writes, session_order};
use checks::simple::counter_bounds;
use checks::survival::{durability, lost_writes, resurrection};
use finding::{Explainer, Finding};
use history::{History, Operation};
use objects::Model;
use run::{faults, statistics};
use verdict::{Outcome, Property, PropertyResult, Verdict};
use visibility::{Facts, WorkloadFacts};

/// Judges a history: every property for every workload in it, merged with the doubts that its faults and its shape leave.
pub fn check(history: &History, options: &Options) -> Verdict {
    let operations = history.operations();
    let faults = faults::findings(history);
    let facts = Facts::new(&operations, options);
    let explainer =
        Explainer { faults: &faults, heal_ns: faults::heal_ns(history), anomalies_max: options.anomalies_max };
    let crashes = faults::crashes(history);
    let mut properties: Vec<PropertyResult> = Vec::new();
    for workload in &facts.workloads {
        properties.extend(Property::ALL.into_iter().filter_map(|property| {
            let mut finding = judge(property, workload, &explainer, &crashes)?;
            let again = |part: &[Operation<'_>]| {
                let part = WorkloadFacts::new(&workload.name, workload.model, part, options);
                let all_told = Explainer { anomalies_max: usize::MAX, ..explainer };
                judge(property, &part, &all_told, &crashes).map_or_else(Vec::new, |found| found.anomalies.kept)
            };
            minimal::shrink_proofs(&mut finding.anomalies, &operations, &faults, &again);
            Some(result(property, Some(workload), finding, options))
        }));
    }
    properties.extend(
        Property::ALL.into_iter().filter_map(|property| {
            Some(result(property, None, judge_all(property, &operations, &explainer)?, options))
        }),
    );
    let unnamed = options.default_model.map_or("", Model::name);
    let statistics = statistics::statistics(&operations, &facts.workloads, &faults, unnamed);
    let mut doubts = facts.doubts;
    doubts.extend(faults::doubts(history, &faults, &statistics));
    let (outcome, reasons) = merge(&properties, doubts);
    Verdict { outcome, reasons, properties, faults, statistics }
}

/// A property of one workload; none if it spans all.
fn judge(
    property: Property,
    workload: &WorkloadFacts<'_>,
    explainer: &Explainer<'_>,
    crashes: &[faults::Crash<'_>],
) -> Option<Finding> {
    if !property.is_of(workload.model) {
        return None;
    }
    Some(match property {
        Property::NoLostWrites => lost_writes::check(workload, explainer),
        Property::ReadYourWrites => read_your_writes::check(workload, explainer),
        Property::Convergence => convergence::check(workload, explainer),
        Property::Durability => durability::check(workload, explainer, crashes),
        Property::MonotonicReads => monotonic_reads::check(workload, explainer),
        Property::NoResurrection => resurrection::check(workload, explainer),
        Property::SiblingsBounded => siblings::check(workload, explainer),
        Property::MonotonicWrites | Property::WritesFollowReads => session_order::check(workload, explainer, property),
        Property::Causal => causal::check(workload, explainer),
        Property::CounterBounds => counter_bounds::check(workload, explainer),
        Property::Serializable | Property::StrongSessionSerializable | Property::StrictSerializable => {
            serializability::check(workload, explainer, property)
        }
        Property::RingAgreement | Property::Availability => return None,
    })
}

/// A property of the whole history; none if each workload has it by itself.
fn judge_all(property: Property, operations: &[Operation<'_>], explainer: &Explainer<'_>) -> Option<Finding> {
    match property {
        Property::RingAgreement => Some(ring_agreement::check(operations, explainer)),
        Property::Availability => Some(availability::check(operations, explainer)),
        _ => None,
    }
}

fn result(
    property: Property,
    workload: Option<&WorkloadFacts<'_>>,
    finding: Finding,
    options: &Options,
) -> PropertyResult {
    let of_model = workload.is_some_and(|found| options.claims_of_model.contains(&(property, found.model)));
    PropertyResult {
        property,
        workload: workload.map(|workload| workload.name.clone()),
        claimed: options.claims.contains(&property) || of_model,
        outcome: finding.outcome(),
        summary: finding.summary(),
        figures: finding.figures,
        anomalies_total: finding.anomalies.total,
        anomalies: finding.anomalies.kept.into_iter().map(|kept| kept.anomaly).collect(),
    }
}

/// The worst of what is claimed and of the doubts, with the reasons, the worst first.
fn merge(properties: &[PropertyResult], doubts: Vec<String>) -> (Outcome, Vec<String>) {
    let mut outcome = if doubts.is_empty() { Outcome::Valid } else { Outcome::Inconclusive };
    let mut reasons = Vec::new();
    for level in [Outcome::Invalid, Outcome::Inconclusive] {
        for found in properties.iter().filter(|found| found.claimed && found.outcome == level) {
            outcome = outcome.merge(level);
            let workload = found.workload.as_deref().unwrap_or("the run");
            reasons.push(format!("{} of {workload} is {level}: {}.", found.property, found.summary));
        }
    }
    reasons.extend(doubts);
    (outcome, reasons)
}

#[cfg(test)]
mod tests;
