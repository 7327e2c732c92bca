//! What can be wrong with one fault of a plan, and how its fields are read.
//!
//! A fault is read by `serde` from the TOML table of its entry. Serde makes the error of a field that is missing or
//! unknown by calling the error's own constructors, so [`Problem`] is such an error: the file's author reads of fields,
//! not of Rust.

use std::fmt;
use std::ops::RangeInclusive;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor};

/// The longest time in a plan, ms: ten days. Keeps every sum of times far from overflow.
pub const TIME_MAX_MS: u64 = 10 * 24 * 3_600_000;

/// What is wrong with one fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Not a kind of fault.
    #[error("unknown kind '{kind}': known are {known}")]
    UnknownKind {
        /// The name given.
        kind: String,
        /// The names that there are.
        known: String,
    },
    /// A field that its kind requires is missing.
    #[error("the field '{0}' is missing")]
    Missing(&'static str),
    /// A field that its kind does not have.
    #[error("the field '{0}' does not belong to this kind")]
    Foreign(String),
    /// A field with a value that cannot be read.
    #[error("the field '{field}': {message}")]
    Value {
        /// The field.
        field: String,
        /// Why not.
        message: String,
    },
    /// Fields that make no sense together.
    #[error("{0}")]
    Senseless(String),
    /// Zero or used before.
    #[error("ids are unique and start at 1")]
    Id,
    /// Lasts no time.
    #[error("for_ms is 0: a fault has to last")]
    ZeroDuration,
    /// Beyond [`TIME_MAX_MS`].
    #[error("at_ms or for_ms is beyond ten days")]
    TooLong,
    /// It affects neither nodes nor links.
    #[error("it names no node and no link")]
    NoTarget,
    /// A name of no node.
    #[error("unknown node '{name}': the cluster has {}", known.join(", "))]
    UnknownNode {
        /// The name.
        name: String,
        /// The nodes that there are.
        known: Vec<String>,
    },
    /// A node or link named twice.
    #[error("{0} is named twice")]
    Twice(String),
    /// A link from a node to itself.
    #[error("a link from {0} to itself cannot have a fault")]
    LinkToItself(String),
    /// An amount that does nothing or too much.
    #[error("{field} is {value}, which is zero or out of bounds: allowed are {allowed}")]
    Amount {
        /// The field.
        field: &'static str,
        /// Its value.
        value: i64,
        /// What is allowed, in words.
        allowed: String,
    },
    /// More turns than a fault may have.
    #[error("it would change more than 10,000 times while it lasts: choose a longer period")]
    TooManyTurns,
    /// It needs what the cluster cannot do.
    #[error(transparent)]
    Unmet(#[from] crate::capability::Unmet),
    /// Two process faults on a node at the same time.
    #[error("{node} is killed, paused or robbed of its disk by fault {other} at that time already")]
    Overlap {
        /// The node.
        node: String,
        /// The id of the other fault.
        other: u64,
    },
}

/// Checks that an amount is neither zero nor out of bounds; `allowed` says in words what is allowed.
pub(crate) fn check_amount(
    field: &'static str,
    value: impl TryInto<i64>,
    bounds: RangeInclusive<i64>,
    allowed: &str,
) -> Result<(), Problem> {
    let value = value.try_into().unwrap_or(i64::MAX);
    match value != 0 && bounds.contains(&value) {
        true => Ok(()),
        false => Err(Problem::Amount { field, value, allowed: allowed.to_owned() }),
    }
}

/// Reads a fault's own fields. Each of them has to be there, and no other: it would silently have no effect.
///
/// # Errors
/// The first field that is missing, foreign, or of the wrong form.
pub(crate) fn read_fields<T: DeserializeOwned>(fields: toml::Table) -> Result<T, Problem> {
    T::deserialize(Fields { left: fields.into_iter(), next: None })
}

/// The fields of an entry, as serde asks for them.
struct Fields {
    left: toml::map::IntoIter<String, toml::Value>,
    next: Option<(String, toml::Value)>,
}

impl<'de> Deserializer<'de> for Fields {
    type Error = Problem;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_map(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> MapAccess<'de> for Fields {
    type Error = Problem;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Problem> {
        self.next = self.left.next();
        let Some((name, _)) = &self.next else { return Ok(None) };
        let name: StrDeserializer<'_, Problem> = name.as_str().into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Problem> {
        let (field, value) = self.next.take().expect("serde asks for a value after its key");
        seed.deserialize(value).map_err(|error: toml::de::Error| {
            let message = error.message().replace('\n', " ");
            Problem::Value { field, message }
        })
    }
}

impl de::Error for Problem {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Problem::Senseless(message.to_string())
    }

    fn missing_field(field: &'static str) -> Self {
        Problem::Missing(field)
    }

    fn unknown_field(field: &str, _expected: &'static [&'static str]) -> Self {
        Problem::Foreign(field.to_owned())
    }
}
