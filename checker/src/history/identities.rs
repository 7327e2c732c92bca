//! Which lists, sets and maps are equal.
//!
//! Equal scalars have equal ids ([`super::values`]). Lists, sets and maps have an id for each time that they were written:
//! most are containers, such as the transactions and lists of a million operations, and comparing those would cost more
//! than reading them. Where a check takes one of them as a *value* that it compares with others (a register's value, an
//! element, a key, an identifier), it asks here for its identity: the id of the first equal one that was asked for. Two
//! values are equal exactly if [`Identities::of`] gives the same id for them.
//!
//! - Lists are equal if they have equal elements in the same order.
//! - Sets are equal if they have equal elements; how often and in which order does not matter.
//! - Maps are equal if they have equal keys with equal values, in any order.
//! - A list, a set and a map are never equal to one another.
//!
//! It costs nothing for scalars, and else a look-up for each part.

use std::borrow::Cow;

use rustc_hash::FxHashMap;

use super::columns::History;
use super::values::{Datum, ValueId};

/// What parts a value is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Shape {
    List,
    Set,
    Map,
}

/// The identities of the values of a history, as far as they were asked for.
#[derive(Clone, Debug)]
pub struct Identities<'h> {
    history: &'h History,
    /// By shape and the identities of the parts: the first value that was so.
    known: FxHashMap<(Shape, Box<[ValueId]>), ValueId>,
    /// The first name with these digits, and the same name in the other form.
    digits: FxHashMap<String, ValueId>,
    named: FxHashMap<ValueId, ValueId>,
}

impl<'h> Identities<'h> {
    /// Of a history, before anything was asked for.
    pub fn new(history: &'h History) -> Self {
        Self { history, known: FxHashMap::default(), digits: FxHashMap::default(), named: FxHashMap::default() }
    }

    /// The identity of a value: the same for equal values, another for others.
    #[inline]
    pub fn of(&mut self, value: ValueId) -> ValueId {
        if self.history.has_parts(value) { self.of_parts(value) } else { value }
    }

    /// The identity of what names a thing that is a key of a map elsewhere, such as a log or an account. JSON knows no
    /// other keys than strings, and `"5"` is read as the number there; so `5` and `"5"` are one name.
    pub fn of_name(&mut self, value: ValueId) -> ValueId {
        if let Some(named) = self.named.get(&value) {
            return *named;
        }
        let digits = match self.history.datum(value) {
            Datum::Int(number) => number.to_string(),
            Datum::Text(text) => text.to_owned(),
            _ => return self.of(value),
        };
        let first = *self.digits.entry(digits).or_insert(value);
        self.named.insert(value, first);
        first
    }

    /// Those of several values.
    pub fn of_all(&mut self, values: &[ValueId]) -> Vec<ValueId> {
        values.iter().map(|value| self.of(*value)).collect()
    }

    /// Those of the elements of a list or a set; the elements themselves where they are scalars.
    pub fn of_elements<'e>(&mut self, elements: &'e [ValueId]) -> Cow<'e, [ValueId]> {
        match elements.iter().any(|element| self.history.has_parts(*element)) {
            true => self.of_all(elements).into(),
            false => elements.into(),
        }
    }

    /// The identity of a value if an equal one was asked for before.
    pub fn known(&mut self, value: ValueId) -> Option<ValueId> {
        match self.history.has_parts(value) {
            true => {
                let parts = self.parts(value);
                self.known.get(&parts).copied()
            }
            false => Some(value),
        }
    }

    #[cold]
    fn of_parts(&mut self, value: ValueId) -> ValueId {
        let parts = self.parts(value);
        *self.known.entry(parts).or_insert(value)
    }

    /// The reader bounds the nesting of values, and so the recursion.
    fn parts(&mut self, value: ValueId) -> (Shape, Box<[ValueId]>) {
        match self.history.datum(value) {
            Datum::Set(elements) => {
                let mut parts = self.of_all(elements);
                parts.sort_unstable();
                parts.dedup();
                (Shape::Set, parts.into())
            }
            Datum::Map(entries) => {
                let mut parts: Vec<[ValueId; 2]> =
                    entries.iter().map(|entry| entry.map(|part| self.of(part))).collect();
                parts.sort_unstable();
                parts.dedup();
                (Shape::Map, parts.into_flattened().into())
            }
            Datum::List(elements) => (Shape::List, self.of_all(elements).into()),
            // Scalars have no parts, and are not asked for.
            _ => (Shape::List, [value].into()),
        }
    }
}

impl History {
    /// Whether two values are equal: see [`Identities`], which is quicker for many.
    pub fn is_equal(&self, one: ValueId, other: ValueId) -> bool {
        let has_parts = |value| self.has_parts(value);
        one == other
            || has_parts(one) && has_parts(other) && {
                let mut identities = Identities::new(self);
                identities.of(one) == identities.of(other)
            }
    }
}
