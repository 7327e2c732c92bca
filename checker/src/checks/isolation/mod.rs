//! Transactions: which isolation a history shows, from its reads and writes alone.
//!
//! ```text
//! records ─► transactions ─► version order of each key ─► dependencies ─► cycles ─► anomalies ─► models still possible
//!               (input)      (list_append, rw_register)      (graph)      (cycles)                     (models)
//! ```
//!
//! Sources: Adya, "Weak consistency", MIT 1999; Kingsbury and Alvaro, "Elle", VLDB 2020.

pub mod by_key;
pub mod causality;
pub mod cycles;
pub mod findings;
pub mod graph;
pub mod input;
pub mod levels;
pub mod list_append;
pub mod order;
pub(crate) mod per_key;
pub mod records;
pub mod rw_register;
pub mod saturation;
mod versions;

use crate::history::History;
use crate::limits::{Decision, Limits};
use input::Transactions;
pub use versions::Assume;

/// What is asked of transactions.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The model that must hold, as [`levels::canonical`] names it.
    pub required: &'static str,
    /// What may be assumed of the versions of a register; only checks of registers look at it.
    pub versions: Assume,
}

impl Default for Options {
    fn default() -> Self {
        Self { required: "strict-serializable", versions: Assume::default() }
    }
}

/// Judges a history of transactions that append to lists; see [`list_append`].
pub fn check_list_append(records: &History, limits: &Limits<'_>, options: Options) -> Decision {
    let (transactions, ops) = match records::read(records, records::Form::Lists) {
        Ok(read) => read,
        Err(error) => return Decision::inconclusive(error.to_string()),
    };
    if let Some(decision) = too_large(&transactions, limits) {
        return decision;
    }
    let findings = list_append::analyse(&transactions, &ops);
    findings::decide(findings, &transactions, &ops, options.required, limits)
}

/// Judges a history of transactions that write and read registers; see [`rw_register`].
pub fn check_rw_register(records: &History, limits: &Limits<'_>, options: Options) -> Decision {
    let (transactions, ops) = match records::read(records, records::Form::Registers) {
        Ok(read) => read,
        Err(error) => return Decision::inconclusive(error.to_string()),
    };
    if let Some(decision) = too_large(&transactions, limits) {
        return decision;
    }
    let findings = rw_register::analyse(&transactions, &ops, options.versions);
    findings::decide(findings, &transactions, &ops, options.required, limits)
}

/// Judges a level of weak isolation or causal consistency of transactions on registers; see [`saturation`].
pub fn check_isolation(records: &History, limits: &Limits<'_>, level: saturation::Isolation) -> Decision {
    let (transactions, ops) = match records::read(records, records::Form::Registers) {
        Ok(read) => read,
        Err(error) => return Decision::inconclusive(error.to_string()),
    };
    if let Some(decision) = too_large(&transactions, limits) {
        return decision;
    }
    let findings = saturation::analyse(&transactions, &ops, level, limits);
    findings::decide_plainly(findings, &transactions, &ops, level.name(), limits)
}

/// Bytes that a check needs for each transaction and each micro-operation, near enough: nodes and edges of the graph,
/// its sorted form, the stacks of the search for components.
const BYTES_PER_TRANSACTION: u64 = 100;
const BYTES_PER_MICRO: u64 = 90;
const BYTES_PER_ELEMENT: u64 = 4;

/// A decision not to begin what would not fit, or when the time is over.
fn too_large(transactions: &Transactions, limits: &Limits<'_>) -> Option<Decision> {
    if (limits.out_of_time)() {
        let read = format!("the time limit was reached when {} transactions had been read", transactions.len());
        return Some(Decision::inconclusive(read));
    }
    let (micros, elements) = transactions.sizes();
    let needed = transactions.len() as u64 * BYTES_PER_TRANSACTION
        + micros as u64 * BYTES_PER_MICRO
        + elements as u64 * BYTES_PER_ELEMENT;
    let nodes = transactions.len() + 2 * transactions.keys() + transactions.len();
    (needed > limits.memory_bytes || nodes > graph::NODES_MAX).then(|| {
        Decision::inconclusive(format!(
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
