//! Whether a list that a read of a register shows is a value, or several values at once.
//!
//! Some stores keep concurrent writes, and a read shows all of them: a list of siblings. Others hold lists as values. It is
//! the writes that show it: where none writes a list, lists are siblings. Where some do, a list that is read is a value if it
//! was written, or if an element of it was not; if everything that is read is made of written values, lists are siblings.
//! What a register begins with counts as written, where all operations are those of registers.

use rustc_hash::FxHashSet;

use crate::history::{Datum, History, Identities, Op, ValueId};

/// Whether some read, outside of transactions, shows several values at once.
pub fn reads_siblings(history: &History) -> bool {
    history.ops.iter().any(|op| history.reads_list(op)) && !lists_are_values(history)
}

/// Whether the lists that reads of registers show are values: see above. Linear in the history.
pub fn lists_are_values(history: &History) -> bool {
    let mut initials: Vec<ValueId> = history.initials().filter(|value| value.is_list()).collect();
    if !initials.is_empty() && !is_of_registers(history) {
        initials.clear();
    }
    let mut writes_list = !initials.is_empty();
    each(history, |is_write, value| writes_list |= is_write && value.is_list());
    if !writes_list {
        return false;
    }
    let mut same = Identities::new(history);
    let mut written: FxHashSet<ValueId> = initials.into_iter().map(|list| same.of(list)).collect();
    each(history, |is_write, value| {
        if is_write {
            written.insert(same.of(value));
        }
    });
    let mut is_value = false;
    each(history, |is_write, value| {
        let elements = if is_write { None } else { history.datum(value).elements() };
        let Some(elements) = elements.filter(|_| !is_value) else { return };
        is_value = written.contains(&same.of(value)) || elements.iter().any(|part| !written.contains(&same.of(*part)));
    });
    is_value
}

/// Whether all operations are those of registers, and some of them writes.
fn is_of_registers(history: &History) -> bool {
    let mut functions = history.ops.iter().map(|op| history.text(op.f));
    functions.clone().all(|f| matches!(f, "write" | "w" | "cas" | "read" | "r" | "txn"))
        && functions.any(|f| !matches!(f, "read" | "r"))
        && !history.ops.iter().any(|op| appends(history, op))
}

/// Whether an operation appends to a list.
fn appends(history: &History, op: &Op) -> bool {
    history.datum(op.argument).elements().unwrap_or(&[]).iter().any(|micro| match history.datum(*micro) {
        Datum::List(&[f, _, _]) => history.datum(f) == Datum::Text("append"),
        _ => false,
    })
}

/// Every value that is written (true) or read (false), by operations of registers or within transactions.
fn each(history: &History, mut take: impl FnMut(bool, ValueId)) {
    for op in &history.ops {
        match (history.text(op.f), history.datum(op.argument)) {
            ("write" | "w", argument) if !has_micros(history, argument) => take(true, op.argument),
            ("cas", Datum::List(&[_, new])) => take(true, new),
            ("read" | "r", argument) if !has_micros(history, argument) => {
                if op.is_ok() {
                    take(false, op.result);
                }
            }
            _ => micros(history, op).for_each(|(is_write, value)| take(is_write, value)),
        }
    }
}

fn micros<'h>(history: &'h History, op: &Op) -> impl Iterator<Item = (bool, ValueId)> + 'h {
    let is_ok = op.is_ok();
    let value = if is_ok { op.result } else { op.argument };
    history.datum(value).elements().unwrap_or(&[]).iter().filter_map(move |micro| match history.datum(*micro) {
        Datum::List(&[f, _, value]) => match history.datum(f) {
            Datum::Text("w" | "write") => Some((true, value)),
            Datum::Text("r" | "read") if is_ok => Some((false, value)),
            _ => None,
        },
        _ => None,
    })
}

/// Whether a value is a list of micro-operations `[f key value]`.
pub(crate) fn has_micros(history: &History, value: Datum<'_>) -> bool {
    let Datum::List([first, ..]) = value else { return false };
    let Datum::List(&[f, _, _]) = history.datum(*first) else { return false };
    matches!(history.datum(f), Datum::Text("r" | "read" | "w" | "write" | "append"))
}
