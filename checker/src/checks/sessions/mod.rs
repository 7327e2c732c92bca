//! Session guarantees: what one client may expect of its own operations, whatever others do.
//!
//! Terry et al., "Session guarantees for weakly consistent replicated data", PDIS 1994: read your writes, monotonic
//! reads, monotonic writes, writes follow reads. The first three together, over all keys, are PRAM; all four are causal
//! consistency (Brzezinski, Sobaniec, Wawrzyniak, PDP 2004).
//!
//! Where reads show which writes they have seen (sets, lists, registers with siblings, of the bench's own workloads and of
//! histories from anywhere) all are judged by the results of `visibility`. A read *sees* the writes that it shows and,
//! of a register, what those have in their pasts, transitively: in the terms of Burckhardt, Gotsman, Yang and Zawirski (POPL
//! 2014) the part of its visibility that clients know. With V(r) for that set:
//!
//! - read your writes: the acknowledged writes of the key that the session made before r are in V(r);
//! - monotonic reads: V(r') is in V(r) for each earlier read r' of the key by the session;
//! - monotonic writes: for each w in V(r), the acknowledged writes of the key by w's session before w are in V(r);
//! - writes follow reads: for each w in V(r), V(r') is in V(r) for each read r' of the key by w's session before w;
//! - PRAM: the acknowledged writes that the session made, each w that it has seen so far, on any key, and the acknowledged
//!   writes that w's session made before w are in V(r), as far as they are of the key;
//! - causal: all writes of the key that happened before r are in V(r).
//!
//! In a list, what must be seen because of a write also stands before it. What an unrecorded past may contain is undecided, and
//! a read need not see what is covered by a delete that it may have seen. `tests/session_engines` defines all this with sets.
//!
//! [`registers`] is for registers whose reads show one value, where the history does not record which of two writes won.

pub(crate) mod causal;
pub(crate) mod clocks;
mod guarantee;
pub(crate) mod monotonic_reads;
pub(crate) mod pram;
pub(crate) mod read_your_writes;
pub(crate) mod registers;
pub(crate) mod session_order;
mod unexplained;

pub(crate) use guarantee::Guarantee;

use crate::checks::check::{Context, View};
use crate::checks::isolation::findings::decide_plainly;
use crate::checks::isolation::is_of_lists;
use crate::checks::isolation::records as transactions;
use crate::finding::{Finding, a_read};
use crate::history::{Datum, History, Op, ValueId};
use crate::limits::Limits;
use crate::objects::siblings::{has_micros, lists_are_values};
use crate::visibility::{KeyFacts, Read, WorkloadFacts};

/// Judges a guarantee by what reads see of the writes, or as one of [`registers`] if they show single values.
pub(crate) fn judge(
    view: &View<'_>,
    context: &Context<'_>,
    guarantee: Guarantee,
    check: impl FnOnce(&WorkloadFacts<'_>) -> Finding,
) -> Finding {
    let by_values = |records: &History| by_values(records, &context.limits, guarantee);
    by_visibility(view, context, guarantee, shows_lists, check, by_values)
}

/// Judges by what reads see of the writes if this is a workload of the bench, or if the history shows lists.
pub(crate) fn by_visibility(
    view: &View<'_>,
    context: &Context<'_>,
    guarantee: Guarantee,
    shows_lists: impl Fn(&History) -> bool,
    check: impl FnOnce(&WorkloadFacts<'_>) -> Finding,
    by_values: impl FnOnce(&History) -> Finding,
) -> Finding {
    if let Some(workload) = view.facts {
        return check(workload);
    }
    view.by_records(|records| {
        if !shows_lists(records) {
            return unseen_elements(records).map_or_else(|| by_values(records), Finding::undecided);
        }
        match WorkloadFacts::of_history(records, &context.limits) {
            Ok(workload) => {
                let mut finding = check(&workload);
                let is_level = guarantee == Guarantee::Pram && is_of_lists(view.object, records);
                unexplained::add(&mut finding, &workload, guarantee, is_level, context);
                with_lacking(finding, &workload)
            }
            Err(why) => Finding::undecided(why),
        }
    })
}

/// Why nothing is seen of what is added to sets, where no read shows one.
fn unseen_elements(records: &History) -> Option<String> {
    let adds = |op: &Op| records.text(op.f) == "add" && !has_micros(records, records.datum(op.argument));
    let add = records.ops.iter().find(|op| adds(op))?;
    let has_read = records.ops.iter().any(|op| op.is_ok() && records.text(op.f) == "read");
    let why = if has_read { "no read shows a list or a set" } else { "no read succeeded" };
    let index = records.event_index(add.call);
    Some(format!("{why}: nothing is seen of what is added, as by the operation invoked at index {index}"))
}

/// What a read lacks of that with which its key began is a violation of some guarantees, and a doubt where it is none.
fn with_lacking(mut finding: Finding, workload: &WorkloadFacts<'_>) -> Finding {
    let lacking = |key: &KeyFacts<'_>| {
        key.reads.iter().find_map(|read| read.lacks.first().map(|element| lacks(key, read, *element)))
    };
    if let Some(lacking) = workload.keys.iter().find_map(lacking).filter(|_| finding.violations == 0) {
        finding.doubt(format!("{lacking}: no order of the writes explains that"));
    }
    finding
}

/// What a read does not show of that with which its key began ([`KeyFacts::initial`]), in words.
pub(super) fn lacks(key: &KeyFacts<'_>, read: &Read<'_>, element: u32) -> String {
    let element = &key.initial[element as usize];
    let place = if read.order.is_some() { " in its place" } else { "" };
    let (a_read, process) = (a_read(&read.operation), read.operation.process_name());
    format!("{a_read} of {0} by process {process} does not show {element}{place}, with which {0} began", key.name)
}

/// Whether some operation reads a list or a set that is no value of a register, or appends to a list.
fn shows_lists(records: &History) -> bool {
    records.ops.iter().any(|op| shows_list(records, op)) && !lists_are_values(records)
}

/// Whether an operation reads a list, or appends to one.
fn shows_list(records: &History, op: &Op) -> bool {
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
