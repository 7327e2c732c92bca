//! What a run promised and what it broke, decided from the recorded history alone.
//!
//! A history goes in (what every client saw, and what the nemesis did), a verdict comes out. Nothing here reads a
//! file, a socket or a clock, so the same judgement is reached in a test, after a run, and years later.
//!
//! ```text
//! history ─► operations ─► facts per workload and key ─► which write is visible in which read ─► one file per property ─► verdict
//!        └─► nemesis events ─► what each fault did, and when ─────────────────────────────────────────────────────────────┘
//! ```

// What is `pub` is there for who uses the library.
#![cfg_attr(not(test), warn(unreachable_pub))]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub mod checks;
pub mod finding;
pub mod formats;
pub mod history;
pub mod limits;
pub mod lint;
pub mod objects;
mod outcome;
pub mod run;
pub mod verdict;

mod claims;
mod visibility;

pub use checks::native::object_of_workload;
pub use checks::registry::CheckName;
pub use claims::{Claim, Claims, On};
pub use objects::{ConcurrentWrites, Object};
pub use outcome::Outcome;

use checks::native::{Native, is_native, natives_of};
use checks::registry::{self, Asked};

use checks::check::{Context, Scope, View};
use checks::minimal::{self, Budget, OfOperations};
use finding::{Finding, Kept};
use history::{History, Operation, Phase};
use limits::Limits;
use run::{faults, outages, statistics};
use verdict::{PropertyResult, Verdict};
use visibility::{Facts, WorkloadFacts};

/// Operations and values handed to checks to find needless operations, for each property of each workload.
const WORK_MAX: usize = 200_000;

/// Judges a history: each workload by every property that is measured or claimed, the run as a whole, and the whole history
/// as one object where a claim says so; merged with the doubts that its faults and its shape leave.
///
/// ```
/// use dissensus_checker::history::{Event, EventType, History, Process};
/// use dissensus_checker::limits::Limits;
/// use dissensus_checker::{CheckName, Claims, Object, Outcome, check};
///
/// // Process 1 reads 1 after process 0 has written 2 over it.
/// let event = |process, kind, f: &str, value: u64| Event::new(0, Process::Client(process), kind, f, value.into());
/// let events = [
///     event(0, EventType::Invoke, "write", 1),
///     event(0, EventType::Ok, "write", 1),
///     event(0, EventType::Invoke, "write", 2),
///     event(0, EventType::Ok, "write", 2),
///     event(1, EventType::Invoke, "read", 0),
///     event(1, EventType::Ok, "read", 1),
/// ];
/// let history = History::of_events(&events)?;
/// let claims = Claims::of_history(CheckName::LINEARIZABLE, Some(Object::Register));
/// let verdict = check(&history, &claims, &Limits::default());
/// assert_eq!(verdict.outcome, Outcome::Invalid);
/// assert_eq!(verdict.properties[0].anomalies[0].kind, "stale-read");
/// # Ok::<(), dissensus_checker::formats::MisfitAt>(())
/// ```
pub fn check(history: &History, claims: &Claims, limits: &Limits<'_>) -> Verdict {
    let operations = if claims.by_workload || claims.statistics { history.operations() } else { Vec::new() };
    let faults = faults::findings(history);
    let crashes = faults::crashes(history);
    let context = Context {
        limits: *limits,
        settings: &claims.settings,
        // Where nothing has a time, nobody knows which of them an anomaly falls into.
        faults: if history.timed { &faults } else { &[] },
        heal_ns: faults::heal_ns(history).filter(|_| history.timed),
        crashes: &crashes,
    };
    let natives = if claims.by_workload { natives_of(history) } else { Vec::new() };
    let facts = if claims.by_workload { facts(&operations, claims) } else { Facts::default() };
    let mut properties: Vec<PropertyResult> = Vec::new();
    for workload in &facts.workloads {
        properties.extend(of_workload(history, workload, &operations, claims, &context));
    }
    for native in &natives {
        properties.extend(of_native(history, native, claims, &context));
    }
    if claims.by_workload {
        // Of a system whose members never change nobody is asked for them.
        let asks_for_members = operations.iter().any(|operation| operation.phase() == Phase::Ring);
        let is_shown =
            |name: &CheckName| *name != CheckName::RING_AGREEMENT || asks_for_members || claims.include(*name, None);
        let of_run = asked(claims).filter(|name| name.check().scope() == Scope::Run && !operations.is_empty());
        let of_run = of_run.filter(is_shown);
        let judge = |name: CheckName| registry::judge(name.check(), &View::of_run(&operations), &context);
        properties.extend(of_run.map(|name| result(name, None, judge(name), claims.include(name, None))));
    }
    properties.extend(of_history(history, claims, &context));
    let statistics = match claims.statistics {
        true => statistics::statistics(history, &operations, &facts.workloads, &faults, claims.unnamed()),
        false => Vec::new(),
    };
    let facts_are_none = facts.workloads.is_empty() && natives.is_empty();
    let mut doubts = facts.doubts;
    doubts.extend(faults::doubts(history, &faults, &statistics));
    let (unnamed, nodes_to_serve) = (claims.unnamed(), claims.nodes_to_serve);
    doubts.extend(outages::doubts(&operations, &faults, &statistics, unnamed, nodes_to_serve));
    if claims.by_workload && facts_are_none && doubts.is_empty() {
        doubts.push("there is no operation to judge.".to_owned());
    }
    let (outcome, reasons) = merge(&properties, doubts);
    Verdict { outcome, reasons, properties, faults, statistics }
}

/// What is known of the workloads that stand on get and put.
fn facts<'h>(operations: &[Operation<'h>], claims: &Claims) -> Facts<'h> {
    let of = |operations: &[Operation<'h>]| Facts::new(operations, claims.default_object, claims.concurrent_writes);
    if !operations.iter().any(is_native) {
        return of(operations);
    }
    let others: Vec<Operation<'h>> = operations.iter().filter(|operation| !is_native(operation)).copied().collect();
    of(&others)
}

/// Everything that is judged of one workload.
fn of_workload(
    history: &History,
    workload: &WorkloadFacts<'_>,
    operations: &[Operation<'_>],
    claims: &Claims,
    context: &Context<'_>,
) -> Vec<PropertyResult> {
    let of_it = |name: &CheckName| name.check().scope() != Scope::Run && name.is_of(workload.model);
    let is_claimed = |name: CheckName| claims.include(name, Some((&workload.name, workload.model)));
    let is_asked = |name: &CheckName| name.check().nature().measured || is_claimed(*name);
    let asked: Vec<CheckName> = CheckName::ALL.iter().copied().filter(of_it).filter(is_asked).collect();
    // The models of consistency read columns: those of the workload alone, made only if one is asked for.
    let reads_columns = asked.iter().any(|name| !name.check().nature().measured);
    let columns = reads_columns.then(|| history.of_workload(&workload.name, claims.unnamed())).transpose();
    let columns = columns.unwrap_or_default();
    let results = asked.into_iter().map(|name| {
        let finding = match (name.check().nature().measured, &columns) {
            (false, Some(columns)) => {
                registry::judge(name.check(), &View::of_records(columns, Some(workload.model)), context)
            }
            _ => judge(name, workload, operations, context),
        };
        result(name, Some(&workload.name), finding, is_claimed(name))
    });
    results.collect()
}

/// Everything that is judged of a workload whose operations are those of a model.
fn of_native(history: &History, native: &Native, claims: &Claims, context: &Context<'_>) -> Vec<PropertyResult> {
    let is_claimed = |name: CheckName| claims.include(name, Some((native.name, native.object)));
    let is_asked = |name: &CheckName| native.is_judged_by(*name, is_claimed(*name));
    let asked: Vec<CheckName> = CheckName::ALL.iter().copied().filter(is_asked).collect();
    let findings = native.judge(history, claims.unnamed(), &asked, context);
    let judged = asked.into_iter().zip(findings);
    judged.map(|(name, finding)| result(name, Some(native.name), finding, is_claimed(name))).collect()
}

/// What is asked of the history as a whole. Of the first part of one nothing is valid, and a violation counts only if
/// nothing that follows can explain it.
fn of_history(history: &History, claims: &Claims, context: &Context<'_>) -> Vec<PropertyResult> {
    let asked = claims.claims.iter().filter_map(|claim| match claim.on {
        On::History(object) => Some(Asked { name: claim.check.name(), check: claim.check, object }),
        On::All | On::GetsAndPuts | On::Workload(_) | On::Object(_) => None,
    });
    let judge = |asked: Asked| {
        let finding = match history.is_part {
            true => asked.check_part(history, context),
            false => asked.check(history, context),
        };
        result(asked.check, asked.object.map(Object::name), finding, true)
    };
    asked.map(judge).collect()
}

/// The checks to judge by: those measured in every run, and those claimed.
fn asked(claims: &Claims) -> impl Iterator<Item = CheckName> {
    let of_workloads = |claim: &&Claim| !matches!(claim.on, On::History(_));
    let claimed = move |name: &CheckName| claims.claims.iter().filter(of_workloads).any(|claim| claim.check == *name);
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

fn result(property: CheckName, of: Option<&str>, finding: Finding, claimed: bool) -> PropertyResult {
    PropertyResult {
        property,
        workload: of.map(str::to_owned),
        claimed,
        outcome: finding.outcome(),
        summary: finding.summary(),
        figures: finding.figures,
        anomalies_total: finding.anomalies.total,
        anomalies: finding.anomalies.kept.into_iter().map(|kept| kept.anomaly).collect(),
        strongest: finding.strongest,
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
