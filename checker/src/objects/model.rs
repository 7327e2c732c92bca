//! What a value is.

use std::fmt;

use serde_json::Value;

pub use super::object::{Object as Model, UnknownObject as UnknownModel};

/// A written value, cheap to compare.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Element {
    Integer(i64),
    /// The JSON text of anything else.
    Other(String),
}

impl From<&Value> for Element {
    fn from(value: &Value) -> Self {
        value.as_i64().map_or_else(|| Element::Other(value.to_string()), Element::Integer)
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
