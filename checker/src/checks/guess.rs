//! Which object or check a history looks like.

use std::collections::BTreeSet;

use crate::checks::isolation;
use crate::history::{Datum, History, Op, Phase};
use crate::objects::Object;
use crate::objects::siblings::{has_micros, lists_are_values};

/// The functions of clients of a log. Transactions alone are taken for those of registers and lists.
const LOG: &[&str] = &["send", "poll", "txn", "assign", "subscribe", "crash", "debug-topic-partitions"];

/// The functions of a deque.
const DEQUE: &[&str] = &["push-front", "push-back", "pop-front", "pop-back", "peek-front", "peek-back"];

/// The name of the object or check that the operations look like. None if they look like none, or like several.
pub fn guess(records: &History) -> Option<&'static str> {
    let functions: BTreeSet<&str> =
        records.ops.iter().map(|op| op.f).collect::<BTreeSet<_>>().into_iter().map(|f| records.text(f)).collect();
    let only = |known: &[&str]| functions.iter().all(|f| known.contains(f));
    let has = |f: &str| functions.contains(f);
    match () {
        () if functions.is_empty() => None,
        () if only(&["txn"]) => isolation::looks_like(records).map(Object::name),
        () if only(&["read", "write", "cas"]) && has("cas") => Some("cas-register"),
        () if only(&["read", "write"]) && has("write") => Some(long_fork_rows_or_register(records)),
        () if only(&["read", "add", "remove"]) && has("add") => Some(set_or_counter(records)),
        () if only(&["read", "inc", "dec"]) && (has("inc") || has("dec")) => Some("counter"),
        () if only(&["transfer", "read"]) && has("transfer") => Some("bank"),
        () if only(&["enqueue", "dequeue", "drain"]) && has("enqueue") => Some("total-queue"),
        () if only(&["enqueue", "dequeue", "peek"]) && has("enqueue") => Some("queue"),
        () if only(&["push", "pop", "peek", "top"]) && has("push") => Some("stack"),
        () if only(DEQUE) => Some("deque"),
        () if only(&["get", "put", "append"]) && has("append") => Some("text"),
        () if only(&["put", "delete", "watch"]) && has("watch") => Some("watch"),
        () if only(&["read-init", "write", "read"]) && has("read-init") => Some("causal-register"),
        () if only(&["broadcast", "read"]) && has("broadcast") => Some("broadcast"),
        () if only(&["echo"]) => Some("echo"),
        () if only(&["insert"]) => Some("adya-g2"),
        () if only(&["insert", "extract-min"]) && has("insert") => Some("priority-queue"),
        () if only(&["acquire", "release"]) => Some("mutex"),
        () if only(&["generate"]) => Some("unique-ids"),
        () if only(LOG) && (has("send") || has("poll")) => Some("kafka"),
        () => None,
    }
}

/// The functions of micro-operations that levels of isolation do not know; [`Selection::renames`] gives them other names.
///
/// [`Selection::renames`]: crate::formats::Selection::renames
pub fn unknown_micros(records: &History) -> BTreeSet<&str> {
    isolation::functions(records).filter(|f| !matches!(*f, "r" | "w" | "append")).collect()
}

fn long_fork_rows_or_register(records: &History) -> &'static str {
    let is_transaction = |op: &Op| has_micros(records, records.datum(op.argument));
    match !records.ops.is_empty() && records.ops.iter().all(is_transaction) {
        true => "long-fork",
        false if reads_rows(records) && !lists_are_values(records) => "dirty-reads",
        false => "register",
    }
}

/// Whether reads show the rows of a table, and not the siblings of a register: always as many, two at least, and some are alike,
/// which siblings never are.
fn reads_rows(records: &History) -> bool {
    let reads = || records.ops.iter().filter(|op| op.is_ok() && records.text(op.f) == "read");
    let rows = |op: &Op| match records.datum(op.result) {
        Datum::List(rows) | Datum::Set(rows) => rows,
        _ => &[],
    };
    let Some(count) = reads().map(|op| rows(op).len()).next().filter(|count| *count > 1) else { return false };
    reads().all(|op| rows(op).len() == count)
        && reads().any(|op| rows(op).windows(2).any(|pair| records.is_equal(pair[0], pair[1])))
}

fn set_or_counter(records: &History) -> &'static str {
    let reads_number =
        |op: &Op| op.is_ok() && records.text(op.f) == "read" && matches!(records.datum(op.result), Datum::Int(_));
    match records.ops.iter().any(reads_number) && !records.ops.iter().any(|op| records.reads_list(op)) {
        // Maelstrom marks the reads that have to show everything; those before may be behind.
        true if (0..records.ops.len()).any(|at| records.operation(at).phase() == Phase::Final) => "pn-counter",
        true => "counter",
        false => "set-full",
    }
}
