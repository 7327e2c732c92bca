//! A value with every distinction that EDN makes. [`super::json_form`] converts it to JSON and back.

use super::edn;
use super::sink::{Sequence, Sink};
use crate::history::TooManyValues;

/// A value of a history with every distinction that EDN makes; maps keep the order of their entries.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    /// Nothing.
    Nil,
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A number with a point or an exponent, an infinity, or NaN.
    Float(f64),
    /// A string.
    Text(String),
    /// A keyword, without its colon.
    Keyword(String),
    /// Any other scalar, by its notation: a symbol, a character, a ratio, a large integer, a decimal.
    Other(String),
    /// `[1 2]`.
    Vector(Vec<Tree>),
    /// `(1 2)`.
    List(Vec<Tree>),
    /// `#{1 2}`.
    Set(Vec<Tree>),
    /// `{:a 1}`.
    Map(Vec<(Tree, Tree)>),
    /// `#tag v`.
    Tagged(String, Box<Tree>),
}

/// Builds trees, exactly as the text has them.
pub(crate) struct Plain;

impl Sink for Plain {
    type Value = Tree;

    fn nil(&mut self) -> Tree {
        Tree::Nil
    }
    fn bool(&mut self, truth: bool) -> Tree {
        Tree::Bool(truth)
    }
    fn int(&mut self, value: i64) -> Result<Tree, TooManyValues> {
        Ok(Tree::Int(value))
    }
    fn float(&mut self, value: f64) -> Result<Tree, TooManyValues> {
        Ok(Tree::Float(value))
    }
    fn text(&mut self, text: &str) -> Result<Tree, TooManyValues> {
        Ok(Tree::Text(text.to_owned()))
    }
    fn name(&mut self, name: &str) -> Result<Tree, TooManyValues> {
        self.text(name)
    }
    fn keyword(&mut self, name: &str) -> Result<Tree, TooManyValues> {
        Ok(Tree::Keyword(name.to_owned()))
    }
    fn other(&mut self, notation: &str) -> Result<Tree, TooManyValues> {
        Ok(Tree::Other(notation.to_owned()))
    }
    fn sequence(&mut self, kind: Sequence, elements: std::vec::Drain<'_, Tree>) -> Result<Tree, TooManyValues> {
        Ok(match kind {
            Sequence::Vector => Tree::Vector(elements.collect()),
            Sequence::List => Tree::List(elements.collect()),
            Sequence::Set => Tree::Set(elements.collect()),
            Sequence::Map => Tree::Map(pairs(elements)),
        })
    }
    fn tagged(&mut self, tag: &str, value: Tree) -> Tree {
        Tree::Tagged(tag.to_owned(), Box::new(value))
    }
}

fn pairs(mut elements: std::vec::Drain<'_, Tree>) -> Vec<(Tree, Tree)> {
    let mut entries = Vec::with_capacity(elements.len() / 2);
    while let (Some(key), Some(value)) = (elements.next(), elements.next()) {
        entries.push((key, value));
    }
    entries
}

/// The single value in a text of EDN; none if the text is damaged or has more than one.
pub fn parse_edn(text: &str) -> Option<Tree> {
    let mut parser = edn::Parser::new(text.as_bytes());
    let value = parser.value(&mut Plain, &mut Vec::new()).ok()?;
    parser.end().ok().map(|()| value)
}

impl Tree {
    /// A field of a map, by the name of a keyword or a string.
    pub fn get(&self, field: &str) -> Option<&Tree> {
        match self {
            Tree::Map(entries) => entries.iter().find(|(key, _)| key.name() == Some(field)).map(|(_, value)| value),
            Tree::Tagged(_, value) => value.get(field),
            _ => None,
        }
    }

    /// The same, to be changed.
    pub(crate) fn get_mut(&mut self, field: &str) -> Option<&mut Tree> {
        match self {
            Tree::Map(entries) => entries.iter_mut().find(|(key, _)| key.name() == Some(field)).map(|(_, value)| value),
            Tree::Tagged(_, value) => value.get_mut(field),
            _ => None,
        }
    }

    /// The text of a string or the name of a keyword.
    pub fn name(&self) -> Option<&str> {
        match self {
            Tree::Text(text) | Tree::Keyword(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is an integer of 64 bits.
    pub fn int(&self) -> Option<i64> {
        match self {
            Tree::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// Builds it in a sink.
    ///
    /// # Errors
    /// When there is no room.
    pub(crate) fn feed<S: Sink>(&self, sink: &mut S) -> Result<S::Value, TooManyValues> {
        let (kind, elements): (_, Vec<&Tree>) = match self {
            Tree::Nil => return Ok(sink.nil()),
            Tree::Bool(truth) => return Ok(sink.bool(*truth)),
            Tree::Int(value) => return sink.int(*value),
            Tree::Float(value) => return sink.float(*value),
            Tree::Text(text) => return sink.text(text),
            Tree::Keyword(name) => return sink.keyword(name),
            Tree::Other(notation) => return sink.other(notation),
            Tree::Tagged(tag, value) => {
                let value = value.feed(sink)?;
                return Ok(sink.tagged(tag, value));
            }
            Tree::Vector(elements) => (Sequence::Vector, elements.iter().collect()),
            Tree::List(elements) => (Sequence::List, elements.iter().collect()),
            Tree::Set(elements) => (Sequence::Set, elements.iter().collect()),
            Tree::Map(entries) => (Sequence::Map, entries.iter().flat_map(|(key, value)| [key, value]).collect()),
        };
        let mut built = elements.into_iter().map(|element| element.feed(sink)).collect::<Result<Vec<_>, _>>()?;
        sink.sequence(kind, built.drain(..))
    }
}
