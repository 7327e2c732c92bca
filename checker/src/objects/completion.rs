//! What an `ok` says whose value is not that of its invocation.
//!
//! Knossos takes the completion's value. So does this, where it can be a value of the function: one of the same sort as the
//! argument (both numbers, both texts, both lists, both maps), or any where the argument is nil. Everything else is an
//! acknowledgement and says nothing: nil, `true`, "OK", a number where texts are written. A `false` says that nothing was
//! done, which has to be recorded as `fail`: what happened then is not understood.

use crate::history::{Datum, History, Op, ValueId};

/// Texts that mean no more than that it was done, in any case.
const ACKNOWLEDGEMENTS: [&str; 8] = ["ok", "done", "success", "ack", "acknowledged", "stored", "true", "yes"];

/// The sort of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Sort<'a> {
    Nil,
    Bool(bool),
    Number,
    Text(&'a str),
    List,
    Map,
    Other,
}

impl<'a> Sort<'a> {
    pub(crate) fn of(datum: Datum<'a>) -> Self {
        match datum {
            Datum::Nil => Sort::Nil,
            Datum::Bool(truth) => Sort::Bool(truth),
            Datum::Int(_) | Datum::Float(_) => Sort::Number,
            Datum::Text(text) => Sort::Text(text),
            Datum::Other(notation) => Sort::of_notation(notation),
            Datum::List(_) | Datum::Set(_) => Sort::List,
            Datum::Map(_) => Sort::Map,
        }
    }

    /// The sort of a scalar that JSON does not have.
    pub(crate) fn of_notation(notation: &str) -> Self {
        match notation.starts_with(|first: char| first.is_ascii_digit() || first == '-') {
            true => Sort::Number,
            false => Sort::Other,
        }
    }
}

/// What a completion of another value means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Completion {
    /// It is the value that was written.
    Counts,
    /// It only says that it was done.
    Acknowledges,
    /// It says that nothing was done.
    Denies,
}

/// What an `ok` with the value `answered` says of an operation that was asked for with `asked`, which is another value.
pub(crate) fn completion(asked: Sort<'_>, answered: Sort<'_>) -> Completion {
    match (asked, answered) {
        (Sort::Bool(_), Sort::Bool(_)) => Completion::Counts,
        (_, Sort::Bool(false)) => Completion::Denies,
        (_, Sort::Nil | Sort::Bool(true)) => Completion::Acknowledges,
        (Sort::Nil | Sort::Text(_), Sort::Text(text)) => {
            match ACKNOWLEDGEMENTS.iter().any(|known| text.eq_ignore_ascii_case(known)) {
                true => Completion::Acknowledges,
                false => Completion::Counts,
            }
        }
        (Sort::Nil, _) | (Sort::Number, Sort::Number) | (Sort::List, Sort::List) | (Sort::Map, Sort::Map) => {
            Completion::Counts
        }
        (Sort::Other, Sort::Other) => Completion::Counts,
        _ => Completion::Acknowledges,
    }
}

/// The value with which something was written, added, or put in.
///
/// # Errors
/// The value of an `ok` that says that nothing was done.
pub(crate) fn written(history: &History, op: &Op) -> Result<ValueId, ValueId> {
    if !op.is_ok() || op.result == op.argument || op.result.is_nil() {
        return Ok(op.argument);
    }
    match completion(Sort::of(history.datum(op.argument)), Sort::of(history.datum(op.result))) {
        Completion::Counts => Ok(op.result),
        Completion::Acknowledges => Ok(op.argument),
        Completion::Denies => Err(op.result),
    }
}
