//! Values as numbers of 32 bits: scalars are interned, lists stand one after the other in one vector.
//!
//! ```text
//! 1iiiiiii iiiiiiii iiiiiiii iiiiiiii   the integer i itself, 0 <= i < 2^31
//! 01oooooo oooooooo oooooooo oooooooo   a list: its length is at offset o of `elements`, its elements follow
//! 00nnnnnn nnnnnnnn nnnnnnnn nnnnnnnn   entry n of `slots`: nil, false, true, then all other values as they came
//! ```
//!
//! A set is a list whose length is marked ([`SET`]). What is equal to what is written down in `docs/history.md`; among
//! scalars it is decided here ([`super::numbers`] for numbers), among lists, sets and maps by [`super::identities`].

use std::borrow::Cow;

use rustc_hash::FxHashMap;
use serde_json::Value;

use super::numbers::{self, Number};

/// A name (a function, a key), interned: equal names are equal symbols.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sym(pub u32);

impl Default for Sym {
    fn default() -> Self {
        Self::NONE
    }
}

impl Sym {
    /// No name; the key of an operation that has none.
    pub const NONE: Sym = Sym(u32::MAX);

    /// Its position among the names of its [`crate::history::History`].
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// Whether it is a name.
    pub fn is_some(self) -> bool {
        self != Sym::NONE
    }
}

/// A value of a history. Equal scalars have equal ids; each list, set and map has an id of its own. To compare values of any
/// shape, compare what [`super::Identities`] gives for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ValueId(pub u32);

const INTEGER: u32 = 1 << 31;
const LIST: u32 = 1 << 30;
/// Marks the length of a set among `elements`.
const SET: u32 = 1 << 31;

impl ValueId {
    /// Nil.
    pub const NIL: ValueId = ValueId(0);
    const FALSE: ValueId = ValueId(1);
    const TRUE: ValueId = ValueId(2);

    /// Whether it is nil.
    pub fn is_nil(self) -> bool {
        self == ValueId::NIL
    }

    /// Whether it is a list or a set.
    pub fn is_list(self) -> bool {
        self.0 & (INTEGER | LIST) == LIST
    }
}

/// What a [`ValueId`] stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Datum<'a> {
    /// Nothing.
    Nil,
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A string, or a keyword without its colon.
    Text(&'a str),
    /// Any other number that JSON has; all NaNs are one value, and so are both zeros.
    Float(f64),
    /// A scalar that JSON does not have, as EDN writes it: `1/3`, `12345678901234567890N`, `\a`.
    Other(&'a str),
    /// A list or a vector: the same.
    List(&'a [ValueId]),
    /// A set: its elements, in the order in which they were written.
    Set(&'a [ValueId]),
    /// Pairs of key and value, in the order in which they were written.
    Map(&'a [[ValueId; 2]]),
}

impl<'a> Datum<'a> {
    /// The elements of a list or a set.
    pub fn elements(self) -> Option<&'a [ValueId]> {
        match self {
            Datum::List(elements) | Datum::Set(elements) => Some(elements),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Slot {
    Nil,
    Bool(bool),
    Int(i64),
    Text(Sym),
    Float(f64),
    Other(Sym),
    /// The offset in `elements` of its length; keys and values follow alternately.
    Map(u32),
}

/// The history has more values than there are ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the history has more than 2^30 values: too many to be held in memory")]
pub struct TooManyValues;

/// Every value and name of a history.
#[derive(Clone, Debug)]
pub(crate) struct Values {
    slots: Vec<Slot>,
    elements: Vec<ValueId>,
    /// The ends of the names in `text`.
    names: Vec<u32>,
    text: String,
    by_name: FxHashMap<Box<str>, Sym>,
    /// The id of each name as a string value, by symbol; nil if the name does not occur as a value yet.
    texts: Vec<ValueId>,
    others: FxHashMap<Sym, ValueId>,
    integers: FxHashMap<i64, ValueId>,
    floats: FxHashMap<u64, ValueId>,
}

impl Default for Values {
    fn default() -> Self {
        Self {
            slots: vec![Slot::Nil, Slot::Bool(false), Slot::Bool(true)],
            elements: Vec::new(),
            names: Vec::new(),
            text: String::new(),
            by_name: FxHashMap::default(),
            texts: Vec::new(),
            others: FxHashMap::default(),
            integers: FxHashMap::default(),
            floats: FxHashMap::default(),
        }
    }
}

impl Values {
    pub(crate) fn datum(&self, ValueId(id): ValueId) -> Datum<'_> {
        if id & INTEGER != 0 {
            return Datum::Int(i64::from(id & !INTEGER));
        }
        if id & LIST != 0 {
            let (at, elements) = (id & !LIST, self.elements_at(id & !LIST));
            return if self.elements[at as usize].0 & SET == 0 { Datum::List(elements) } else { Datum::Set(elements) };
        }
        match self.slots[id as usize] {
            Slot::Nil => Datum::Nil,
            Slot::Bool(truth) => Datum::Bool(truth),
            Slot::Int(value) => Datum::Int(value),
            Slot::Text(name) => Datum::Text(self.name(name)),
            Slot::Float(value) => Datum::Float(value),
            Slot::Other(name) => Datum::Other(self.name(name)),
            Slot::Map(at) => Datum::Map(self.elements_at(at).as_chunks().0),
        }
    }

    fn elements_at(&self, at: u32) -> &[ValueId] {
        debug_assert!((at as usize) < self.elements.len(), "a list begins within the elements");
        let from = at as usize + 1;
        &self.elements[from..from + (self.elements[at as usize].0 & !SET) as usize]
    }

    /// Whether a value is a list, a set or a map: what has parts, and no identity of its own.
    #[inline]
    pub(crate) fn has_parts(&self, ValueId(id): ValueId) -> bool {
        id & INTEGER == 0 && (id & LIST != 0 || matches!(self.slots[id as usize], Slot::Map(_)))
    }

    pub(crate) fn name(&self, name: Sym) -> &str {
        if name == Sym::NONE {
            return "";
        }
        let from = name.index().checked_sub(1).map_or(0, |before| self.names[before]);
        &self.text[from as usize..self.names[name.index()] as usize]
    }

    pub(crate) fn names(&self) -> usize {
        self.names.len()
    }

    pub(crate) fn find(&self, name: &str) -> Option<Sym> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn intern(&mut self, name: &str) -> Result<Sym, TooManyValues> {
        if let Some(known) = self.by_name.get(name) {
            return Ok(*known);
        }
        let end = u32::try_from(self.text.len() + name.len()).map_err(|_| TooManyValues)?;
        let sym = Sym(self.names.len() as u32);
        self.text.push_str(name);
        self.names.push(end);
        self.by_name.insert(name.into(), sym);
        Ok(sym)
    }

    pub(crate) fn bool(truth: bool) -> ValueId {
        if truth { ValueId::TRUE } else { ValueId::FALSE }
    }

    pub(crate) fn int(&mut self, value: i64) -> Result<ValueId, TooManyValues> {
        if let Ok(small) = u32::try_from(value)
            && small < INTEGER
        {
            return Ok(ValueId(small | INTEGER));
        }
        match self.integers.get(&value) {
            Some(known) => Ok(*known),
            None => {
                let id = self.slot(Slot::Int(value))?;
                self.integers.insert(value, id);
                Ok(id)
            }
        }
    }

    pub(crate) fn float(&mut self, value: f64) -> Result<ValueId, TooManyValues> {
        self.number(numbers::double(value))
    }

    fn number(&mut self, number: Number) -> Result<ValueId, TooManyValues> {
        match number {
            Number::Int(value) => self.int(value),
            Number::Float(value) => self.float_of(value),
            Number::Other(notation) => self.intern(&notation).and_then(|name| self.other_of(name)),
        }
    }

    fn float_of(&mut self, value: f64) -> Result<ValueId, TooManyValues> {
        match self.floats.get(&value.to_bits()) {
            Some(known) => Ok(*known),
            None => {
                let id = self.slot(Slot::Float(value))?;
                self.floats.insert(value.to_bits(), id);
                Ok(id)
            }
        }
    }

    pub(crate) fn text(&mut self, text: &str) -> Result<ValueId, TooManyValues> {
        let name = self.intern(text)?;
        self.text_of(name)
    }

    fn text_of(&mut self, name: Sym) -> Result<ValueId, TooManyValues> {
        if self.texts.len() < self.names.len() {
            self.texts.resize(self.names.len(), ValueId::NIL);
        }
        if self.texts[name.index()].is_nil() {
            self.texts[name.index()] = self.slot(Slot::Text(name))?;
        }
        Ok(self.texts[name.index()])
    }

    /// The name that a value has as a key, or as a process: equal values have equal names, others have others.
    pub(crate) fn name_as_key(&mut self, key: ValueId) -> Result<Sym, TooManyValues> {
        match self.slots.get(key.0 as usize) {
            Some(Slot::Text(name)) if is_plain(self.name(*name)) => Ok(*name),
            _ => {
                let name = self.plain_notation(key).into_owned();
                self.intern(&name)
            }
        }
    }

    /// A scalar that is neither nil, a truth value, a string nor an integer of 64 bits, by its notation in EDN.
    pub(crate) fn other(&mut self, notation: &str) -> Result<ValueId, TooManyValues> {
        match numbers::number(notation) {
            Some(number) => self.number(number),
            None => self.intern(&character(notation)).and_then(|name| self.other_of(name)),
        }
    }

    fn other_of(&mut self, name: Sym) -> Result<ValueId, TooManyValues> {
        match self.others.get(&name) {
            Some(known) => Ok(*known),
            None => {
                let id = self.slot(Slot::Other(name))?;
                self.others.insert(name, id);
                Ok(id)
            }
        }
    }

    pub(crate) fn list(&mut self, elements: &[ValueId]) -> Result<ValueId, TooManyValues> {
        Ok(ValueId(self.append(elements)? | LIST))
    }

    pub(crate) fn set(&mut self, elements: &[ValueId]) -> Result<ValueId, TooManyValues> {
        let list = self.list(elements)?;
        Ok(self.list_to_set(list))
    }

    /// The list that was made last, as the set that it stands for.
    pub(crate) fn list_to_set(&mut self, list: ValueId) -> ValueId {
        debug_assert!(list.is_list(), "only a list can stand for a set");
        self.elements[(list.0 & !LIST) as usize].0 |= SET;
        list
    }

    /// A map of keys and values, alternately.
    pub(crate) fn map(&mut self, entries: &[ValueId]) -> Result<ValueId, TooManyValues> {
        debug_assert!(entries.len().is_multiple_of(2), "every key of a map has a value");
        let at = self.append(entries)?;
        self.slot(Slot::Map(at))
    }

    fn append(&mut self, elements: &[ValueId]) -> Result<u32, TooManyValues> {
        let at = self.elements.len();
        if at + elements.len() >= LIST as usize {
            return Err(TooManyValues);
        }
        // No cycles: a list contains only lists that were finished before it.
        debug_assert!(
            elements.iter().all(|element| !element.is_list() || ((element.0 & !LIST) as usize) < at),
            "a list comes after the lists in it"
        );
        debug_assert!(elements.len() < SET as usize, "a length leaves room for the mark of a set");
        self.elements.push(ValueId(elements.len() as u32));
        self.elements.extend_from_slice(elements);
        Ok(at as u32)
    }

    fn slot(&mut self, slot: Slot) -> Result<ValueId, TooManyValues> {
        let id = self.slots.len() as u32;
        if id >= LIST {
            return Err(TooManyValues);
        }
        self.slots.push(slot);
        Ok(ValueId(id))
    }

    /// Forgets everything, but keeps the allocated memory.
    pub(crate) fn clear(&mut self) {
        self.slots.truncate(3);
        self.elements.clear();
        self.names.clear();
        self.text.clear();
        self.by_name.clear();
        self.texts.clear();
        self.others.clear();
        self.integers.clear();
        self.floats.clear();
    }

    /// Reserves room for the elements of another one, and for those still to come if the elements here and these
    /// together are the given share of all. Growing by doubling would touch three times the memory; reserved room that
    /// is never touched takes no physical memory.
    pub(crate) fn expect(&mut self, other: &Values, share: f64, bytes_max: u64) {
        let needed = self.elements.len() + other.elements.len();
        if needed > self.elements.capacity() {
            let most = usize::try_from(bytes_max).unwrap_or(usize::MAX) / size_of::<ValueId>();
            let wanted = (needed as f64 / share.max(1e-6) * 1.05) as usize;
            // If the reservation fails, the vector grows as it would without one.
            let _ = self.elements.try_reserve_exact(wanted.min(most).max(needed) - self.elements.len());
        }
    }

    /// Takes over everything from another one. The result translates the ids of the other one into those of this one.
    pub(crate) fn absorb(&mut self, other: &Values) -> Result<Translation, TooManyValues> {
        let names = (0..other.names.len() as u32).map(|name| self.intern(other.name(Sym(name))));
        let names = names.collect::<Result<Vec<Sym>, TooManyValues>>()?;
        let mut translation =
            Translation { names, slots: Vec::with_capacity(other.slots.len()), list: self.elements.len() };
        if self.elements.len() + other.elements.len() >= LIST as usize {
            return Err(TooManyValues);
        }
        for slot in &other.slots {
            let id = match *slot {
                Slot::Nil => ValueId::NIL,
                Slot::Bool(truth) => Values::bool(truth),
                Slot::Int(value) => self.int(value)?,
                Slot::Text(name) => self.text_of(translation.names[name.index()])?,
                Slot::Float(value) => self.float(value)?,
                Slot::Other(name) => self.other_of(translation.names[name.index()])?,
                Slot::Map(at) => self.slot(Slot::Map(translation.list as u32 + at))?,
            };
            translation.slots.push(id);
        }
        // One list after the other: its length, which stays as it is, then its elements, which are translated.
        let mut at = 0;
        while at < other.elements.len() {
            let length = other.elements[at];
            let elements = &other.elements[at + 1..at + 1 + (length.0 & !SET) as usize];
            self.elements.push(length);
            self.elements.extend(elements.iter().map(|element| translation.value(*element)));
            at += 1 + elements.len();
        }
        Ok(translation)
    }

    /// The value as people write it, in the order in which it was written. The reader bounds the nesting, and so the
    /// recursion.
    pub(crate) fn show(&self, value: ValueId) -> String {
        self.written(value, false)
    }

    /// The same, with sets and maps in an order of their own: equal values have equal notations, others have others.
    pub(crate) fn notation(&self, value: ValueId) -> String {
        self.written(value, true)
    }

    /// The notation without the quotes of a string, where it is not taken for something else without them.
    pub(crate) fn plain_notation(&self, value: ValueId) -> Cow<'_, str> {
        match self.datum(value) {
            Datum::Text(text) if is_plain(text) => text.into(),
            // A symbol, which is no string.
            Datum::Other(notation) if is_plain(notation) => format!("'{notation}").into(),
            _ => self.notation(value).into(),
        }
    }

    fn written(&self, value: ValueId, in_order: bool) -> String {
        let all = |elements: &[ValueId]| elements.iter().map(|element| self.written(*element, in_order)).collect();
        let sorted = |mut parts: Vec<String>| {
            if in_order {
                parts.sort_unstable();
                parts.dedup();
            }
            parts.join(", ")
        };
        match self.datum(value) {
            Datum::Nil => "nil".into(),
            Datum::Bool(truth) => truth.to_string(),
            Datum::Int(value) => value.to_string(),
            Datum::Text(text) => format!("{text:?}"),
            Datum::Float(value) if value.is_finite() => format!("{value:?}"),
            Datum::Float(value) => format!(
                "##{}",
                if value.is_nan() {
                    "NaN"
                } else if value > 0.0 {
                    "Inf"
                } else {
                    "-Inf"
                }
            ),
            Datum::Other(notation) => notation.to_owned(),
            Datum::List(elements) => {
                let elements: Vec<String> = all(elements);
                format!("[{}]", elements.join(", "))
            }
            Datum::Set(elements) => format!("#{{{}}}", sorted(all(elements))),
            Datum::Map(entries) => {
                let entry = |[key, value]: &[ValueId; 2]| {
                    format!("{}: {}", self.written(*key, in_order), self.written(*value, in_order))
                };
                format!("{{{}}}", sorted(entries.iter().map(entry).collect()))
            }
        }
    }

    /// A value as JSON. What JSON does not have becomes a string of its notation, and so does a map's key that is not a
    /// string.
    pub(crate) fn json(&self, value: ValueId) -> Value {
        match self.datum(value) {
            Datum::Nil => Value::Null,
            Datum::Bool(truth) => Value::Bool(truth),
            Datum::Int(value) => value.into(),
            Datum::Text(text) => Value::String(text.to_owned()),
            Datum::Float(value) => value.into(),
            Datum::Other(notation) => match notation.trim_end_matches('N').parse::<u64>() {
                Ok(large) => large.into(),
                Err(_) => Value::String(notation.to_owned()),
            },
            Datum::List(elements) | Datum::Set(elements) => {
                elements.iter().map(|element| self.json(*element)).collect()
            }
            Datum::Map(entries) => {
                let name = |key: ValueId| match self.datum(key) {
                    Datum::Text(text) => text.to_owned(),
                    _ => self.show(key),
                };
                Value::Object(entries.iter().map(|[key, value]| (name(*key), self.json(*value))).collect())
            }
        }
    }

    /// About the most memory that it takes while it grows: when a column doubles or a table is rebuilt, the old one and
    /// the new one are there together.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let tables = self.by_name.len() * 25 + self.others.len() * 9 + (self.integers.len() + self.floats.len()) * 17;
        let columns =
            self.slots.len() * size_of::<Slot>() + (self.elements.len() + self.names.len() + self.texts.len()) * 4;
        // Names are stored twice: in `text`, and as the keys of the table.
        let names = self.by_name.len() * 16 + self.text.len();
        (4 * tables + 2 * (columns + self.text.len()) + names) as u64
    }
}

/// Whether a string is its own notation as a key: nothing else is written like it.
fn is_plain(text: &str) -> bool {
    text.starts_with(|first: char| first.is_alphabetic() || first == '_') && !matches!(text, "nil" | "true" | "false")
}

/// A character in the one notation that it has: `\\u0041` and `\\o101` are `\\A`. Any other notation is left as it is.
fn character(notation: &str) -> Cow<'_, str> {
    let hexadecimal = notation.strip_prefix("\\u").filter(|code| code.len() == 4).map(|code| (code, 16));
    let octal = || notation.strip_prefix("\\o").filter(|code| !code.is_empty()).map(|code| (code, 8));
    let code = hexadecimal.or_else(octal).and_then(|(code, radix)| u32::from_str_radix(code, radix).ok());
    let Some(character) = code.and_then(char::from_u32) else {
        return notation.into();
    };
    match character {
        '\n' => "\\newline".into(),
        '\r' => "\\return".into(),
        '\t' => "\\tab".into(),
        ' ' => "\\space".into(),
        '\u{8}' => "\\backspace".into(),
        '\u{c}' => "\\formfeed".into(),
        other => format!("\\{other}").into(),
    }
}

/// The ids that the values and names of one [`Values`] have in another that absorbed them.
pub(crate) struct Translation {
    names: Vec<Sym>,
    slots: Vec<ValueId>,
    /// Where the elements of its lists begin.
    list: usize,
}

impl Translation {
    pub(crate) fn value(&self, ValueId(id): ValueId) -> ValueId {
        if id & INTEGER != 0 {
            return ValueId(id);
        }
        if id & LIST != 0 {
            debug_assert!((id & !LIST) as usize + self.list < LIST as usize, "a translated list still has an id");
            return ValueId(((id & !LIST) + self.list as u32) | LIST);
        }
        self.slots[id as usize]
    }

    pub(crate) fn name(&self, name: Sym) -> Sym {
        if name.is_some() { self.names[name.index()] } else { name }
    }
}
