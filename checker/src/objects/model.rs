//! A written value in a form that is cheap to compare.

use std::fmt;

use crate::history::{Datum, History, ValueId};

pub use super::object::{Object as Model, UnknownObject as UnknownModel};

/// A written value, cheap to compare.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Element {
    Integer(i64),
    /// The notation of anything else, which equal values share.
    Other(String),
}

impl Element {
    /// The element of a value of a history.
    pub(crate) fn new(history: &History, value: ValueId) -> Self {
        match history.datum(value) {
            Datum::Int(value) => Element::Integer(value),
            _ => Element::Other(history.notation(value)),
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Element::Integer(value) => write!(f, "{value}"),
            Element::Other(text) => f.write_str(text),
        }
    }
}
