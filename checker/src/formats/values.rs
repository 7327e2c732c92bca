//! The sinks that build the values of a history.
//!
//! A value is the same whether it was read as EDN or as the JSON that the EDN was converted to: a keyword is the string
//! of its name, lists are vectors, and a tag is ignored.

use super::json_form::{key_text_from_json, tagged_from_json, text_from_json, unquoted_mark};
use super::sink::{Sequence, Sink};
use super::tree::Tree;
use crate::history::{Datum, TooManyValues, ValueId, Values};

/// Builds the values of EDN.
pub(crate) struct FromEdn<'b>(pub &'b mut Values);

/// Builds the values of JSON.
pub(crate) struct FromJson<'b>(pub &'b mut Values);

impl Sink for FromEdn<'_> {
    type Value = ValueId;

    fn nil(&mut self) -> ValueId {
        ValueId::NIL
    }
    fn bool(&mut self, truth: bool) -> ValueId {
        Values::bool(truth)
    }
    fn int(&mut self, value: i64) -> Result<ValueId, TooManyValues> {
        self.0.int(value)
    }
    fn float(&mut self, value: f64) -> Result<ValueId, TooManyValues> {
        self.0.float(value)
    }
    fn text(&mut self, text: &str) -> Result<ValueId, TooManyValues> {
        self.0.text(text)
    }
    fn name(&mut self, name: &str) -> Result<ValueId, TooManyValues> {
        self.0.text(name)
    }
    fn keyword(&mut self, name: &str) -> Result<ValueId, TooManyValues> {
        self.0.text(name)
    }
    fn other(&mut self, notation: &str) -> Result<ValueId, TooManyValues> {
        self.0.other(notation)
    }
    fn sequence(&mut self, kind: Sequence, elements: std::vec::Drain<'_, ValueId>) -> Result<ValueId, TooManyValues> {
        match kind {
            Sequence::Map => self.0.map(elements.as_slice()),
            Sequence::Set => self.0.set(elements.as_slice()),
            Sequence::Vector | Sequence::List => self.0.list(elements.as_slice()),
        }
    }
    fn tagged(&mut self, _: &str, value: ValueId) -> ValueId {
        value
    }
}

impl Sink for FromJson<'_> {
    type Value = ValueId;

    fn nil(&mut self) -> ValueId {
        ValueId::NIL
    }
    fn bool(&mut self, truth: bool) -> ValueId {
        Values::bool(truth)
    }
    fn int(&mut self, value: i64) -> Result<ValueId, TooManyValues> {
        self.0.int(value)
    }
    fn float(&mut self, value: f64) -> Result<ValueId, TooManyValues> {
        self.0.float(value)
    }
    fn text(&mut self, text: &str) -> Result<ValueId, TooManyValues> {
        match text.starts_with(':') {
            true => text_from_json(text).feed(&mut FromEdn(self.0)),
            false => self.0.text(text),
        }
    }
    fn name(&mut self, name: &str) -> Result<ValueId, TooManyValues> {
        match name.as_bytes().first() {
            Some(byte) if byte.is_ascii_alphabetic() => match name {
                "nil" | "true" | "false" => key_text_from_json(name).feed(&mut FromEdn(self.0)),
                _ => self.0.text(name),
            },
            // It may be a mark or just a name: that is decided in `sequence`, when the whole object is known.
            Some(b'#' | b'"') => self.0.other(&format!("{PERHAPS_A_MARK}{name}")),
            _ => key_text_from_json(name).feed(&mut FromEdn(self.0)),
        }
    }
    fn keyword(&mut self, name: &str) -> Result<ValueId, TooManyValues> {
        self.0.text(name)
    }
    fn other(&mut self, notation: &str) -> Result<ValueId, TooManyValues> {
        self.0.other(notation)
    }
    fn sequence(&mut self, kind: Sequence, elements: std::vec::Drain<'_, ValueId>) -> Result<ValueId, TooManyValues> {
        match (kind, elements.as_slice()) {
            (Sequence::Map, &[key, value]) => match self.marked(key, value)? {
                Some(marked) => Ok(marked),
                None => {
                    let key = self.plain_name(key)?;
                    self.0.map(&[key, value])
                }
            },
            (Sequence::Map, entries) => {
                let mut entries = entries.to_vec();
                for key in entries.iter_mut().step_by(2) {
                    *key = self.plain_name(*key)?;
                }
                self.0.map(&entries)
            }
            (_, elements) => self.0.list(elements),
        }
    }
    fn tagged(&mut self, _: &str, value: ValueId) -> ValueId {
        value
    }
}

impl Tree {
    /// A notation that equal values share, and no others: equal as values of a history are.
    pub(crate) fn notation(&self) -> String {
        let mut values = Values::default();
        // A tree that is in memory has not too many values.
        self.feed(&mut FromEdn(&mut values)).map_or_else(|_| String::new(), |value| values.notation(value))
    }
}

/// Begins the notation of a name that may be a mark; no value of a history begins with it.
const PERHAPS_A_MARK: char = '\0';

impl FromJson<'_> {
    /// The name of a field as written, if it begins like a mark.
    fn perhaps_a_mark(&self, key: ValueId) -> Option<&str> {
        match self.0.datum(key) {
            Datum::Other(notation) => notation.strip_prefix(PERHAPS_A_MARK),
            _ => None,
        }
    }

    /// A name that turned out not to be a mark.
    fn plain_name(&mut self, key: ValueId) -> Result<ValueId, TooManyValues> {
        match self.perhaps_a_mark(key) {
            Some(name) => key_text_from_json(name).feed(&mut FromEdn(self.0)),
            None => Ok(key),
        }
    }

    /// What an object of one field stands for, if its name is a mark: `{"#set":[1]}`.
    fn marked(&mut self, key: ValueId, value: ValueId) -> Result<Option<ValueId>, TooManyValues> {
        let Some(name) = self.perhaps_a_mark(key) else { return Ok(None) };
        // What the mark means depends on the shape of the value alone.
        let shape = match self.0.datum(value) {
            Datum::List(_) => Tree::Vector(Vec::new()),
            Datum::Text(text) => Tree::Text(text.to_owned()),
            _ => Tree::Nil,
        };
        if let Some(name) = unquoted_mark(name, &shape) {
            let name = self.0.text(&name)?;
            return self.0.map(&[name, value]).map(Some);
        }
        let Some(tag) = name.strip_prefix('#') else { return Ok(None) };
        match tagged_from_json(tag, &shape) {
            None => Ok(None),
            Some(notation) if tag == "edn" => notation.feed(&mut FromEdn(self.0)).map(Some),
            Some(_) if tag == "set" => Ok(Some(self.0.list_to_set(value))),
            Some(_) => Ok(Some(value)),
        }
    }
}
