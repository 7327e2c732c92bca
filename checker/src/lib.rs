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
pub mod finding;
pub mod formats;
pub mod history;
pub mod limits;
pub mod lint;
pub mod objects;
pub mod outcome;
pub mod run;
pub mod verdict;

mod claims;
mod visibility;

pub use checks::registry::CheckName;
pub use claims::{Claim, Claims, On};
pub use objects::{ConcurrentWrites, Object};

use checks::registry;

use checks::check::{Context, Scope, View};
use checks::minimal::{self, Budget, OfOperations};
use finding::{Finding, Kept};
use history::{History, Operation};
use limits::Limits;
use run::{faults, statistics};
use verdict::{Outcome, PropertyResult, Verdict};
use visibility::{Facts, WorkloadFacts};

/// Operations and values handed to checks to find needless operations, for each property of each workload.
const WORK_MAX: usize = 200_000;

/// Judges a history: every property for every workload in it, merged with the doubts that its faults and its shape leave.
pub fn check(history: &History, claims: &Claims) -> Verdict {
    let operations = history.operations();
    let faults = faults::findings(history);
    let facts = Facts::new(&operations, claims.default_object, claims.concurrent_writes);
    let crashes = faults::crashes(history);
    let context = Context {
        limits: Limits { anomalies_max: claims.anomalies_max, ..Limits::default() },
        faults: &faults,
        heal_ns: faults::heal_ns(history),
        concurrent_writes: claims.concurrent_writes,
        crashes: &crashes,
        ..Context::default()
    };
    let mut properties: Vec<PropertyResult> = Vec::new();
    for workload in &facts.workloads {
        let asked = asked(claims).filter(|name| name.check().scope() != Scope::Run && name.is_of(workload.model));
        properties.extend(
            asked.map(|name| result(name, Some(workload), judge(name, workload, &operations, &context), claims)),
        );
    }
    let of_run = asked(claims).filter(|name| name.check().scope() == Scope::Run);
    properties.extend(
        of_run.map(|name| {
            result(name, None, registry::judge(name.check(), &View::of_run(&operations), &context), claims)
        }),
    );
    let unnamed = claims.default_object.map_or("", Object::name);
    let statistics = statistics::statistics(&operations, &facts.workloads, &faults, unnamed);
    let mut doubts = facts.doubts;
    doubts.extend(faults::doubts(history, &faults, &statistics));
    let (outcome, reasons) = merge(&properties, doubts);
    Verdict { outcome, reasons, properties, faults, statistics }
}

/// The checks to judge by: those measured in every run, and those claimed.
fn asked(claims: &Claims) -> impl Iterator<Item = CheckName> {
    let claimed = |name: &CheckName| claims.claims.iter().any(|claim| claim.check == *name);
    CheckName::ALL.iter().copied().filter(move |name| name.check().nature().measured || claimed(name))
}

/// A check of one workload, with the fewest operations in each proof.
fn judge(
    name: CheckName,
    workload: &WorkloadFacts<'_>,
    operations: &[Operation<'_>],
    context: &Context<'_>,
) -> Finding {
    let mut finding = registry::judge(name.check(), &View::of_facts(workload), context);
    let all = Context { limits: Limits { anomalies_max: usize::MAX, ..context.limits }, ..*context };
    let again = |part: &[Operation<'_>]| -> Vec<Kept> {
        let part = WorkloadFacts::new(&workload.name, workload.model, part, workload.concurrent_writes);
        name.check().judge(&View::of_facts(&part), &all).anomalies.kept
    };
    let budget = Budget { work: WORK_MAX, out_of_time: context.limits.out_of_time };
    minimal::shrink(&mut finding.anomalies, &OfOperations { operations, judge: &again }, context.faults, budget);
    finding
}

fn result(
    property: CheckName,
    workload: Option<&WorkloadFacts<'_>>,
    finding: Finding,
    claims: &Claims,
) -> PropertyResult {
    PropertyResult {
        property,
        workload: workload.map(|workload| workload.name.clone()),
        claimed: claims.include(property, workload.map(|workload| (workload.name.as_str(), workload.model))),
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
