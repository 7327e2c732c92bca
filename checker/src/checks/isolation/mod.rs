//! Transactions: which isolation a history shows, from its reads and writes alone.
//!
//! ```text
//! records ─► transactions ─► version order of each key ─► dependencies ─► cycles ─► anomalies ─► models still possible
//!               (input)      (list_append, rw_register)      (graph)      (cycles)                     (models)
//! ```
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
pub(crate) mod order;
pub(crate) mod per_key;
pub(crate) mod records;
pub(crate) mod rw_register;
pub(crate) mod saturation;
mod versions;

use crate::checks::check::Context;
pub use crate::checks::settings::{Assume, Transactions as Options};
use crate::finding::Finding;
use crate::history::{Datum, History, ValueId};
use crate::limits::Limits;
use crate::objects::Object;
pub(crate) use checks::{Causality, Level};
use input::Transactions;

/// Judges a history of transactions that append to lists; see [`list_append`].
pub(crate) fn check_list_append(records: &History, limits: &Limits<'_>, options: Options) -> Finding {
    let (transactions, ops) = match records::read(records, records::Form::Lists) {
        Ok(read) => read,
        Err(error) => return Finding::undecided(error.to_string()),
    };
    if let Some(finding) = too_large(&transactions, limits) {
        return finding;
    }
    let findings = list_append::analyse(&transactions, &ops);
    findings::decide(findings, &transactions, &ops, options.required, limits)
}

/// Judges a history of transactions that write and read registers; see [`rw_register`].
pub(crate) fn check_rw_register(records: &History, limits: &Limits<'_>, options: Options) -> Finding {
    let (transactions, ops) = match records::read(records, records::Form::Registers) {
        Ok(read) => read,
        Err(error) => return Finding::undecided(error.to_string()),
    };
    if let Some(finding) = too_large(&transactions, limits) {
        return finding;
    }
    let findings = rw_register::analyse(&transactions, &ops, options.versions);
    findings::decide(findings, &transactions, &ops, options.required, limits)
}

/// Judges a level of weak isolation or causal consistency of transactions on registers; see [`saturation`].
pub(crate) fn check_isolation(records: &History, limits: &Limits<'_>, level: saturation::Isolation) -> Finding {
    let (transactions, ops) = match records::read(records, records::Form::Registers) {
        Ok(read) => read,
        Err(error) => return Finding::undecided(error.to_string()),
    };
    if let Some(finding) = too_large(&transactions, limits) {
        return finding;
    }
    let findings = saturation::analyse(&transactions, &ops, level, limits);
    findings::decide_plainly(findings, &transactions, &ops, level.name(), limits)
}

/// Judges a level of the table of [`levels`] by dependencies: of lists or of registers, whichever the history is of.
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

/// Whether transactions are of lists: that was said, or one of them appends.
pub(crate) fn is_of_lists(object: Option<Object>, records: &History) -> bool {
    match object {
        Some(Object::ListAppend) => true,
        Some(Object::RwRegister) => false,
        _ => functions(records).find(|f| matches!(*f, "append" | "w" | "write")) == Some("append"),
    }
}

/// The functions of all micro-operations asked for.
pub(crate) fn functions(records: &History) -> impl Iterator<Item = &str> {
    let micros = |value: ValueId| match records.datum(value) {
        Datum::List(micros) => micros,
        _ => &[],
    };
    records.ops.iter().flat_map(move |op| micros(op.argument)).filter_map(|micro| match records.datum(*micro) {
        Datum::List([f, ..]) => match records.datum(*f) {
            Datum::Text(f) => Some(f),
            _ => None,
        },
        _ => None,
    })
}

/// Bytes that a check needs for each transaction and each micro-operation, near enough: nodes and edges of the graph,
/// its sorted form, the stacks of the search for components.
const BYTES_PER_TRANSACTION: u64 = 100;
const BYTES_PER_MICRO: u64 = 90;
const BYTES_PER_ELEMENT: u64 = 4;

/// A finding not to begin what would not fit, or when the time is over.
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
#[cfg(test)]
pub(crate) use tests::draw as tests_draw;
