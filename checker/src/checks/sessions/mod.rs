//! Session guarantees: what one client may expect of its own operations, whatever others do.
//!
//! Terry et al., "Session guarantees for weakly consistent replicated data", PDIS 1994: read your writes, monotonic
//! reads, monotonic writes, writes follow reads. The first three together, over all keys, are PRAM; all four are causal
//! consistency (Brzezinski, Sobaniec, Wawrzyniak, PDP 2004).
//!
//! Where reads tell which writes they have seen (sets, lists, registers with siblings, of the bench's own workloads and of
//! histories from anywhere) all are judged by what [`crate::visibility`] settles. [`registers`] has those of which a read shows
//! one value, and nobody tells which of two writes won.

pub(crate) mod causal;
pub(crate) mod clocks;
mod guarantee;
pub(crate) mod monotonic_reads;
pub(crate) mod pram;
pub(crate) mod read_your_writes;
pub mod registers;
pub(crate) mod session_order;

pub use guarantee::Guarantee;

use crate::checks::check::{Context, View};
use crate::checks::isolation::findings::decide_plainly;
use crate::checks::isolation::records as transactions;
use crate::finding::Finding;
use crate::history::{Datum, History, Op, ValueId};
use crate::limits::Limits;
use crate::visibility::WorkloadFacts;

/// Judges a guarantee by what reads see of the writes, or as one of [`registers`] if they show single values.
pub(crate) fn judge(
    view: &View<'_>,
    context: &Context<'_>,
    guarantee: Guarantee,
    check: impl FnOnce(&WorkloadFacts<'_>) -> Finding,
) -> Finding {
    let by_values = |records: &History| by_values(records, &context.limits, guarantee);
    by_visibility(view, context, shows_lists, check, by_values)
}

/// Judges by what reads see of the writes if this is a workload of the bench, or if the history shows lists.
pub(crate) fn by_visibility(
    view: &View<'_>,
    context: &Context<'_>,
    shows_lists: impl Fn(&History, &Op) -> bool,
    check: impl FnOnce(&WorkloadFacts<'_>) -> Finding,
    by_values: impl FnOnce(&History) -> Finding,
) -> Finding {
    if let Some(workload) = view.facts {
        return check(workload);
    }
    view.by_records(|records| {
        if !records.ops.iter().any(|op| shows_lists(records, op)) {
            return by_values(records);
        }
        match WorkloadFacts::of_history(records, &context.limits) {
            Ok(workload) => check(&workload),
            Err(why) => Finding::undecided(why),
        }
    })
}

/// Whether an operation is a read of a list, outside of transactions: those have levels of isolation, too.
pub(crate) fn shows_plain_list(records: &History, op: &Op) -> bool {
    records.reads_list(op)
}

/// Whether an operation reads a list, or appends to one.
fn shows_lists(records: &History, op: &Op) -> bool {
    let value = if op.is_ok() { op.result } else { op.argument };
    let read_a_list = records.reads_list(op);
    let Datum::List(micros) = records.datum(value) else { return read_a_list };
    let of_lists = |micro: &ValueId| match records.datum(*micro) {
        Datum::List([f, _, value]) => match records.datum(*f) {
            Datum::Text("append") => true,
            Datum::Text("r") => value.is_list(),
            _ => false,
        },
        _ => false,
    };
    read_a_list || micros.iter().any(of_lists)
}

fn by_values(records: &History, limits: &Limits<'_>, guarantee: Guarantee) -> Finding {
    let (history, ops) = match transactions::read(records, transactions::Form::Registers) {
        Ok(read) => read,
        Err(error) => return Finding::undecided(error.to_string()),
    };
    let found = registers::analyse(&history, &ops, guarantee, limits);
    decide_plainly(found, &history, &ops, guarantee.name(), limits)
}

#[cfg(test)]
mod tests;
