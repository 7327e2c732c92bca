//! What a run promised and what it broke, decided from the recorded history alone.
//!
//! A history goes in (what every client saw, and what the nemesis did), a verdict comes out. Nothing here reads a
//! file, a socket or a clock, so the same judgement is reached in a test, after a run, and years later.
//!
//! ```text
//! history ─► operations ─► facts per workload and key ─► which write is visible in which read ─► one file per property ─► verdict
//!        └─► nemesis events ─► what each fault did, and when ─────────────────────────────────────────────────────────────┘
//! ```

use std::collections::BTreeSet;

pub mod decision;
pub mod faults;
pub mod formats;
pub mod history;
pub mod laws;
pub mod linearizability;
pub mod lint;
pub mod logs;
pub mod model;
pub mod records;
pub mod registry;
pub mod sessions;
pub mod transactions;
pub mod verdict;

mod availability;
mod causal;
mod convergence;
mod counter_bounds;
mod durability;
mod evidence;
mod finding;
mod harvest;
mod lost_writes;
mod meaning;
mod minimal;
mod monotonic_reads;
mod read_your_writes;
mod resurrection;
mod ring_agreement;
mod serializability;
mod session_order;
mod siblings;
mod statistics;
mod visibility;

use finding::{Explainer, Finding};
use history::{History, Operation};
use model::{Facts, Model, WorkloadFacts};
use verdict::{FaultFinding, Outcome, Property, PropertyResult, Verdict};

/// What the system does with writes that did not see one another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConcurrentWrites {
    /// It keeps all of them as siblings: none may go until a write that has seen it replaces it.
    #[default]
    Kept,
    /// It keeps one (last write wins): the others are legitimately overwritten.
    OneWins,
}

/// What is claimed, and what the checks need to know of the system.
#[derive(Clone, Debug)]
pub struct Options {
    /// The properties whose violation makes the run invalid. All are measured.
    pub claims: BTreeSet<Property>,
    /// Properties claimed for the workloads of one model only: last-write-wins can promise that a register reads its
    /// own writes, but not a set, whose adds a concurrent write may rightly replace.
    pub claims_of_model: BTreeSet<(Property, Model)>,
    /// What becomes of concurrent writes of a register.
    pub concurrent_writes: ConcurrentWrites,
    /// The model of operations that name no workload, or one that is not known.
    pub default_model: Option<Model>,
    /// How many anomalies a property explains; further ones are only counted.
    pub anomalies_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            claims: BTreeSet::new(),
            claims_of_model: BTreeSet::new(),
            concurrent_writes: ConcurrentWrites::default(),
            default_model: None,
            anomalies_max: 20,
        }
    }
}

/// Judges a history: every property for every workload in it, merged with the doubts that its faults and its shape leave.
pub fn check(history: &History, options: &Options) -> Verdict {
    if let Err(error) = history.validate() {
        return unreadable(format!("The history is malformed: {error}."));
    }
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

fn unreadable(reason: String) -> Verdict {
    let faults: Vec<FaultFinding> = Vec::new();
    Verdict {
        outcome: Outcome::Inconclusive,
        reasons: vec![reason],
        properties: Vec::new(),
        faults,
        statistics: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
