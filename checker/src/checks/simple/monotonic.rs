//! A number that only grows is never seen to shrink.
//!
//! It considers, for each key, the operations that return an integer. One that was invoked after another had completed
//! must not return less; if both are `inc` or `next`, each of which returns a number of its own, it must return more.
//! Real time counts, across processes; that includes each process's own order. One pass over the events, which keeps
//! the largest number returned so far: O(n log n).

use crate::checks::by_key::{by_key, is, of};
use crate::checks::check::{Check, Context, Nature, Scope, View};
use crate::finding::{Draft, Finding, at_time};
use crate::history::{Datum, History, ValueId};
use crate::limits::Limits;
use crate::objects::Object;

/// Checks that a number only grows.
pub(crate) struct Monotonic;

impl Check for Monotonic {
    fn name(&self) -> &'static str {
        "monotonic"
    }

    fn about(&self) -> &'static str {
        "read, inc, next, each of an integer: what is returned later is not less, and of two inc or next it is more"
    }

    fn scope(&self) -> Scope {
        Scope::Key
    }

    fn objects(&self) -> &'static [Object] {
        &[Object::Number]
    }

    fn nature(&self) -> Nature {
        Nature::LASTING.needing(60)
    }

    fn judge(&self, view: &View<'_>, context: &Context<'_>) -> Finding {
        view.by_records(|records| check(records, &context.limits))
    }
}

/// The largest number returned by operations that have ended, and by which.
type Largest = Option<(i64, usize)>;

/// Checks `read`, `inc` and `next`, each of which returns an integer. Operations that did not succeed are ignored.
pub(crate) fn check(records: &History, limits: &Limits<'_>) -> Finding {
    let keys = match by_key(records, &["read", "inc", "next"]) {
        Ok(keys) => keys,
        Err(why) => return Finding::undecided(why),
    };
    let mut finding = Finding::default();
    let mut seen: u64 = 0;
    for (key, ops) in &keys {
        let numbers = match numbers(records, ops) {
            Ok(numbers) => numbers,
            Err(problem) => return Finding::undecided(problem),
        };
        seen += numbers.len() as u64;
        match at_first(records, ops) {
            Ok(least) => walk(records, key, &numbers, least, limits, &mut finding),
            Err(why) => return Finding::undecided(why),
        }
    }
    if seen == 0 {
        finding.doubt("no number was returned");
    }
    finding.headline =
        format!("monotonic: {seen} numbers, {} less than one before, or given twice", finding.violations);
    finding.figure("numbers", seen as f64);
    finding.figure("backwards", finding.violations as f64);
    finding
}

fn numbers(records: &History, ops: &[usize]) -> Result<Vec<(usize, i64)>, String> {
    let ok = ops.iter().map(|at| (*at, &records.ops[*at])).filter(|(_, op)| op.is_ok());
    ok.map(|(at, op)| match records.datum(op.result) {
        Datum::Int(number) => Ok((at, number)),
        _ => Err(format!(
            "the result at index {} is no integer: {}",
            records.event_index(op.ret),
            records.show(op.result)
        )),
    })
    .collect()
}

/// The number that it begins with, if that was said.
fn at_first(records: &History, ops: &[usize]) -> Result<Option<i64>, String> {
    let initial = ops.first().map_or(ValueId::NIL, |at| records.initial(records.ops[*at].key));
    match records.datum(initial) {
        Datum::Nil => Ok(None),
        Datum::Int(number) => Ok(Some(number)),
        _ => Err(format!("a number cannot begin with {}", records.show(initial))),
    }
}

fn walk(
    records: &History,
    key: &str,
    numbers: &[(usize, i64)],
    least: Option<i64>,
    limits: &Limits<'_>,
    finding: &mut Finding,
) {
    debug_assert!(numbers.is_sorted_by(|a, b| a.0 < b.0), "operations are in the order of invocation");
    let mut ends = numbers.to_vec();
    ends.sort_unstable_by_key(|(at, _)| records.ops[*at].ret);
    let mut ended = ends.into_iter().peekable();
    let (mut largest, mut largest_own): (Largest, Largest) = (None, None);
    for &(at, number) in numbers {
        let op = &records.ops[at];
        while let Some((before, value)) = ended.next_if(|(before, _)| records.ops[*before].ret < op.call) {
            let larger = |largest: Largest| largest.filter(|(largest, _)| *largest >= value).or(Some((value, before)));
            largest = larger(largest);
            if !is(records, &records.ops[before], "read") {
                largest_own = larger(largest_own);
            }
        }
        let is_own = !is(records, op, "read");
        if let Some(least) = least.filter(|least| number < *least || (is_own && number == *least)) {
            finding.violated(limits, || {
                let (process, of) = (records.process_of(at), of(key));
                let explanation = format!("Process {process} was given {number}{of}, which began with {least}.");
                Draft::at(records, "backwards", key, [at], explanation)
            });
            continue;
        }
        let own = largest_own.filter(|(before, _)| *before >= number && is_own);
        let Some((value, before)) = largest.filter(|(before, _)| *before > number).or(own) else { continue };
        finding.violated(limits, || {
            let first = &records.ops[before];
            let explanation = format!(
                "Process {} was given {value}{}{}; process {} asked{} and was given {number}.",
                records.process_of(before),
                of(key),
                at_time(records, first.returned_ns),
                records.process_of(at),
                at_time(records, op.called_ns),
            );
            Draft::at(records, "backwards", key, [before, at], explanation)
        });
    }
}
