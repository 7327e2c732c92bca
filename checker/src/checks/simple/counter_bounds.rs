//! Counter bounds: each read of a counter lies between the least and the greatest sum that the changes allow.
//!
//! An increment that was acknowledged before the read was invoked must be in the sum. One that was invoked before the
//! read completed, and did not certainly fail, may be in it; the same holds for decrements. So the sum is at least the
//! increments acknowledged before the read less the decrements attempted until its completion, and at most the
//! increments attempted less the decrements acknowledged. Every read of a client is checked, including the final ones,
//! and only sums are used, so a history without `parts` is enough.
//!
//! The condition is necessary, not sufficient: a missing decrement can conceal a missing increment. If reads report
//! their parts, read-your-writes and no-lost-writes check each change by itself.
//!
//! The bounds are those of the whole history. An anomaly is proved by the read and the fewest acknowledged changes that
//! alone pass the sum that it shows: increments if it is too low, decrements if it is too high, none if it is below or
//! above nothing. The changes attempted in the other direction are in the bounds that the explanation states, not in
//! the proof.
//!
//! Time: O(n log n) in the operations of a key. Source: Jepsen's counter checker; the increment-only counter of
//! Burckhardt et al., POPL 2014.

use std::collections::BTreeMap;

use crate::checks::check::{Check, Context, Nature, Scope, View};
use crate::finding::{Draft, Explainer, Finding, Proof, a_read, by_node, ended};
use crate::history::{Datum, EventType, Operation};
use crate::objects::Model;
use crate::objects::Object;
use crate::objects::meaning::Meaning;
use crate::visibility::{KeyFacts, WorkloadFacts, Write};

/// The least and the greatest sum that a read may show, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bounds {
    least: i128,
    most: i128,
}

/// Checks that counters lie within their bounds.
pub(crate) struct CounterBounds;

impl Check for CounterBounds {
    fn name(&self) -> &'static str {
        "counter-bounds"
    }

    fn about(&self) -> &'static str {
        "each read of a counter lies between what was acknowledged before it and what was attempted until its end"
    }

    fn scope(&self) -> Scope {
        Scope::Workload
    }

    fn objects(&self) -> &'static [Object] {
        &[Object::Counter]
    }

    fn nature(&self) -> Nature {
        Nature::MEASURED
    }

    fn judge(&self, view: &View<'_>, context: &Context<'_>) -> Finding {
        view.by_facts(|workload| check(workload, &context.explainer()))
    }
}

/// Checks a workload of counters.
pub(crate) fn check(workload: &WorkloadFacts<'_>, explainer: &Explainer<'_>) -> Finding {
    let mut finding = Finding::default();
    let (mut judged, mut width_max, mut flawed) = (0, 0, 0);
    for key in &workload.keys {
        let Some(changes) = key.writes.iter().map(change).collect::<Option<Vec<i128>>>() else {
            flawed += 1;
            continue;
        };
        for (read, seen, bounds) in bounds(key, &changes) {
            judged += 1;
            debug_assert!(bounds.least <= bounds.most, "the bounds of a read are in order");
            width_max = width_max.max(bounds.most - bounds.least);
            if seen < bounds.least || seen > bounds.most {
                finding.violations += 1;
                explainer.add(&mut finding.anomalies, || out_of_bounds(key, read, seen, bounds));
            }
        }
    }
    if judged == 0 {
        finding.doubts.push("no counter was read".to_owned());
    }
    if flawed > 0 {
        finding.doubts.push(format!("{flawed} counters have a change that is not a number"));
    }
    finding.headline = format!("{} of {judged} reads lie outside their bounds", finding.violations);
    finding.figures = BTreeMap::from([
        ("reads-judged".to_owned(), judged as f64),
        ("violations".to_owned(), finding.violations as f64),
        ("width-max".to_owned(), width_max as f64),
    ]);
    finding
}

fn change(write: &Write<'_>) -> Option<i128> {
    match Model::Counter.meaning(&write.operation) {
        Meaning::Change(change) => Some(i128::from(change)),
        _ => None,
    }
}

/// The changes that are certain, or possible, at each moment: sums by event index.
struct Running {
    indices: Vec<u64>,
    /// After each event: the sum of all increments so far, and that of all decrements.
    sums: Vec<(i128, i128)>,
}

impl Running {
    fn new(mut events: Vec<(u64, i128)>) -> Self {
        events.sort_unstable();
        let mut sum = (0, 0);
        let sums = events.iter().map(|(_, change)| {
            sum = (sum.0 + change.max(&0), sum.1 + change.min(&0));
            sum
        });
        let sums = sums.collect();
        debug_assert!(events.is_sorted_by_key(|(index, _)| *index), "changes are in the order of events");
        Self { indices: events.iter().map(|(index, _)| *index).collect(), sums }
    }

    fn before(&self, index: u64) -> (i128, i128) {
        let count = self.indices.partition_point(|event| *event < index);
        count.checked_sub(1).map_or((0, 0), |last| self.sums[last])
    }
}

/// Each read of a sum by a client, with its bounds.
fn bounds<'k, 'h>(key: &'k KeyFacts<'h>, changes: &[i128]) -> Vec<(&'k Operation<'h>, i128, Bounds)> {
    let writes = || key.writes.iter().zip(changes);
    let acknowledged = writes().filter_map(|(write, change)| Some((write.acknowledged()?, *change)));
    let acknowledged = Running::new(acknowledged.collect());
    let attempted = writes().filter(|(write, _)| write.operation.outcome() != EventType::Fail);
    let attempted = Running::new(attempted.map(|(write, change)| (write.operation.invoked(), *change)).collect());
    let judge = |read: &'k Operation<'h>| {
        let completed = read.acknowledged()?;
        let Datum::Int(seen) = read.history().datum(read.result()) else { return None };
        let seen = i128::from(seen);
        let (certain, possible) = (acknowledged.before(read.invoked()), attempted.before(completed));
        Some((read, seen, Bounds { least: certain.0 + possible.1, most: possible.0 + certain.1 }))
    };
    key.client_reads.iter().filter_map(judge).collect()
}

fn out_of_bounds<'k>(key: &'k KeyFacts<'_>, read: &'k Operation<'k>, seen: i128, bounds: Bounds) -> Draft<'k> {
    let Bounds { least, most } = bounds;
    let wrong = match seen < least {
        true => format!("what was acknowledged before it comes to at least {least}"),
        false => format!("what was attempted until then comes to at most {most}"),
    };
    let last = missing(key, read, seen < least);
    let mut explanation =
        format!("{} of {} by process {} shows {seen}, but {wrong}", a_read(read), key.name, read.process_name());
    if let Some(write) = last {
        let change = format!("{} {}", write.operation.f(), write.operation.history().show(write.operation.argument()));
        let acknowledged = ended(&write.operation);
        explanation.push_str(&format!(
            "; it lacks the {change} by process {}, acknowledged{}{acknowledged}",
            write.operation.process_name(),
            by_node(&write.operation)
        ));
    }
    let proof = Proof::of([*read].into_iter().chain(passing(key, read, seen, seen < least)));
    let proof = proof.beside(last.map(|write| write.operation));
    Draft { kind: "sum-out-of-bounds", key: &key.name, process: Some(read.process_name()), explanation, proof }
}

/// The fewest changes acknowledged before a read that alone exceed the sum that it shows if that is too low, or else
/// fall below it. Changes in the other direction may be in a sum or not; their total is in the bounds, so they are left
/// out.
fn passing<'h>(key: &KeyFacts<'h>, read: &Operation<'_>, seen: i128, is_low: bool) -> Vec<Operation<'h>> {
    let sign = if is_low { 1 } else { -1 };
    let before = key.writes.iter().filter(|write| write.acknowledged().is_some_and(|index| index < read.invoked()));
    let mut changes: Vec<(i128, Operation<'h>)> =
        before.filter_map(|write| Some((sign * change(write)?, write.operation))).filter(|(by, _)| *by > 0).collect();
    changes.sort_by_key(|(by, operation)| (-by, std::cmp::Reverse(operation.invoked())));
    let mut sum = 0;
    let needed = |(by, _): &(i128, Operation<'h>)| {
        let wanted = sum <= sign * seen;
        sum += by;
        wanted
    };
    changes.into_iter().take_while(needed).map(|(_, operation)| operation).collect()
}

/// The last change acknowledged before a read that is missing in its parts: an increment if the sum is too low, else a
/// decrement.
fn missing<'k, 'h>(key: &'k KeyFacts<'h>, read: &Operation<'_>, is_low: bool) -> Option<&'k Write<'h>> {
    let shown = key.reads.iter().find(|shown| shown.invoked() == read.invoked())?;
    let explains = |write: &Write<'_>| change(write).is_some_and(|by| (by > 0) == is_low);
    let required =
        |write: &Write<'_>| explains(write) && write.acknowledged().is_some_and(|index| index < read.invoked());
    let lacks = |at: usize| shown.listed.binary_search(&(at as u32)).is_err();
    let missed = (0..key.writes.len()).filter(|at| required(&key.writes[*at]) && lacks(*at));
    missed.map(|at| &key.writes[at]).max_by_key(|write| write.acknowledged())
}
