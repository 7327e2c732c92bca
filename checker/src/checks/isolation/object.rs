//! What transactions are of: lists, or registers.
//!
//! Micro-operations that write say it. Where none writes, it is what is read: `[1 2]` is a list, and alone a value of a
//! register that shows siblings only if something writes registers.

use crate::history::{Datum, History, ValueId};
use crate::objects::Object;

/// Whether transactions are of lists: the caller said so, or they look like it.
pub(crate) fn is_of_lists(object: Option<Object>, records: &History) -> bool {
    match object {
        Some(Object::ListAppend) => true,
        Some(Object::RwRegister) => false,
        _ => looks_like(records) == Some(Object::ListAppend),
    }
}

/// What the micro-operations of a history look like. None if none of them is known.
pub fn looks_like(records: &History) -> Option<Object> {
    let by_writes = functions(records).find_map(|f| match f {
        "append" => Some(Object::ListAppend),
        "w" | "write" => Some(Object::RwRegister),
        _ => None,
    });
    by_writes.or_else(|| only_reads(records))
}

/// What is read by transactions that write nothing. None if they do something else as well.
fn only_reads(records: &History) -> Option<Object> {
    if functions(records).any(|f| !matches!(f, "r" | "read")) {
        return None;
    }
    let micros = records.ops.iter().filter_map(|op| records.datum(op.result).elements()).flatten();
    let mut read = micros.filter_map(|micro| records.micro(*micro)).map(|(_, _, value)| value).peekable();
    read.peek()?;
    let is_list = |value| matches!(records.datum(value), Datum::List(_));
    Some(if read.any(is_list) { Object::ListAppend } else { Object::RwRegister })
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
