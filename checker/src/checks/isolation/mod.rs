//! Transactions: which isolation a history shows, from its reads and writes alone.
//!
//! ```text
//! records ─► transactions ─► version order of each key ─► dependencies ─► cycles ─► anomalies ─► models still possible
//!               (input)      (list_append, rw_register)      (graph)      (cycles)                     (levels)
//!                    └──────► who must have been seen ──► forced order of writers ─► cycles ─► levels of weak isolation
//!                             (causality)                 (saturation)                        and causality refuted
//! ```
//!
//! What no order explains though no cycle of what is known shows it, is found by paths (`serial`): of registers, and of appends
//! that nobody read.
//!
//! [`levels`] has them all in one table: what each implies, and what it forbids. Whatever refutes a level refutes all that
//! imply it.
//!
//! Sources: Adya, "Weak consistency", MIT 1999; Kingsbury and Alvaro, "Elle", VLDB 2020.

pub(crate) mod by_key;
pub(crate) mod causality;
mod checks;
pub(crate) mod cycles;
pub(crate) mod findings;
pub(crate) mod graph;
pub(crate) mod input;
pub mod levels;
pub(crate) mod list_append;
mod meanings;
pub(crate) mod missed;
mod object;
pub(crate) mod order;
pub(crate) mod per_key;
pub(crate) mod records;
pub(crate) mod rw_register;
pub(crate) mod saturation;
mod serial;
mod versions;

use crate::checks::check::Context;
pub use crate::checks::settings::{Assume, Transactions as Options};
use crate::finding::Finding;
use crate::history::History;
use crate::limits::Limits;
use crate::objects::Object;
use crate::outcome::Outcome as Verdict;
pub(crate) use checks::Level;
use findings::{Beside, RawFindings};
use input::{Names, Transactions};
pub use object::looks_like;
pub(crate) use object::{functions, is_of_lists};
use rw_register::Basics;
use saturation::{Implied, Isolation};
use versions::KeyOrder;

/// Judges a history of transactions that append to lists; see [`list_append`].
pub(crate) fn check_list_append(records: &History, limits: &Limits<'_>, options: Options) -> Finding {
    let (transactions, ops) = match records::read(records, records::Form::Lists) {
        Ok(read) => read,
        Err(error) => return Finding::undecided(error.to_string()),
    };
    if let Some(finding) = too_large(&transactions, limits) {
        return finding;
    }
    let (mut findings, no_order) = list_append::analyse_for(&transactions, &ops, options.required, limits);
    ops.add_misreads(&mut findings, &transactions);
    let mut beside = Beside::default();
    if let Some((level, anomaly)) = no_order {
        beside.refuted.push(level);
        beside.by_saturation.add(anomaly.kind, || anomaly);
    }
    let mut finding = findings::decide(findings, beside, &transactions, &ops, options.required, limits);
    if options.required == Isolation::CausalMemory.name() && finding.outcome() == Verdict::Valid {
        finding.headline.clear();
        finding.doubt("of lists only what causality itself asks for was decided, in which nothing is wrong");
    }
    finding
}

/// Judges a history of transactions that write and read registers: by their dependencies, see [`rw_register`], and by what
/// the level implies of who has seen whom, see [`saturation`]; or by that alone, if it is a level of these.
pub(crate) fn check_rw_register(records: &History, limits: &Limits<'_>, options: Options) -> Finding {
    let (transactions, ops) = match records::read(records, records::Form::Registers) {
        Ok(read) => read,
        Err(error) => return Finding::undecided(error.to_string()),
    };
    if let Some(finding) = too_large(&transactions, limits) {
        return finding;
    }
    if let Some(level) = Isolation::named(options.required) {
        let findings = saturation::analyse(&transactions, &ops, level, limits);
        return findings::decide_plainly(findings, &transactions, &ops, level.name(), limits);
    }
    let (findings, beside) = registers(&transactions, &ops, options, limits);
    findings::decide(findings, beside, &transactions, &ops, options.required, limits)
}

/// What dependencies show of registers, and what saturation does where they do not refute the level.
fn registers(
    transactions: &Transactions,
    names: &dyn Names,
    options: Options,
    limits: &Limits<'_>,
) -> (RawFindings, Beside) {
    let Options { required, versions } = options;
    let mut beside = Beside { assumed: versions != Assume::default(), ..Beside::default() };
    let basics = rw_register::basics(transactions, names);
    if basics.findings.malformed.is_some() {
        return (basics.findings, beside);
    }
    let is_fine = Implied::by(required).is_none_or(|implied| saturation::is_fine(&basics, implied, limits));
    let (order, plain) = (KeyOrder::of(required, versions), KeyOrder::from(versions));
    let order = if basics.rereads { order } else { order.without_rereads() };
    let findings = rw_register::by_dependencies(basics, order);
    if order != plain && !findings.kinds().is_empty() {
        beside.plain = Some(rw_register::analyse(transactions, names, plain).kinds());
    }
    if is_fine && serial::decides(transactions, required) && !findings.have_no_order(required) {
        let basics = rw_register::basics(transactions, names);
        if let Some((level, why)) = serial::refuted(&basics, required, limits) {
            beside.refuted.push(level);
            beside.by_saturation = why;
        }
    }
    if !is_fine {
        let basics = rw_register::basics(transactions, names);
        beside.refuted.extend(Some(saturation::ONE_ORDER).filter(|level| levels::includes(required, level)));
        if levels::allows(required, &findings.kinds()) {
            let (level, why) = weakest(&basics, required, limits);
            beside.refuted.push(level);
            beside.by_saturation = why;
        } else {
            beside.refuted.extend(saturation::refuted_nearby(&basics));
        }
    }
    (findings, beside)
}

/// The weakest level implied that saturation refutes, and why.
fn weakest(basics: &Basics<'_>, required: &'static str, limits: &Limits<'_>) -> (&'static str, RawFindings) {
    let implied = Isolation::ALL.into_iter().filter(|level| levels::includes(required, level.name()));
    let found = implied.map(|level| (level.name(), saturation::beside(basics, Some(level), limits)));
    let first = found.into_iter().find(|(_, findings)| !findings.counts.is_empty());
    first.unwrap_or_else(|| (saturation::ONE_ORDER, saturation::beside(basics, None, limits)))
}

/// Judges a level of the table of [`levels`]: of lists or of registers, whichever the history is of.
pub(crate) fn check_level(
    object: Option<Object>,
    records: &History,
    context: &Context<'_>,
    required: &'static str,
) -> Finding {
    let options = Options { required, ..context.settings.transactions };
    match is_of_lists(object, records) {
        true => check_list_append(records, &context.limits, options),
        false => check_rw_register(records, &context.limits, options),
    }
}

/// Approximate bytes that a check needs for each transaction and each micro-operation: nodes and edges of the graph,
/// its sorted form, the stacks of the search for components.
const BYTES_PER_TRANSACTION: u64 = 100;
const BYTES_PER_MICRO: u64 = 90;
const BYTES_PER_ELEMENT: u64 = 4;

/// The finding of a check that does not start, because it would not fit in memory or the time is over.
fn too_large(transactions: &Transactions, limits: &Limits<'_>) -> Option<Finding> {
    if (limits.out_of_time)() {
        let read = format!("the time limit was reached when {} transactions had been read", transactions.len());
        return Some(Finding::undecided(read));
    }
    let (micros, elements) = transactions.sizes();
    let needed = transactions.len() as u64 * BYTES_PER_TRANSACTION
        + micros as u64 * BYTES_PER_MICRO
        + elements as u64 * BYTES_PER_ELEMENT;
    let nodes = transactions.len() + 2 * transactions.keys() + transactions.len();
    (needed > limits.memory_bytes || nodes > graph::NODES_MAX).then(|| {
        Finding::undecided(format!(
            "{} transactions need about {} MiB, the limit is {} MiB: nothing was checked",
            transactions.len(),
            needed >> 20,
            limits.memory_bytes >> 20
        ))
    })
}

#[cfg(test)]
mod tests;
