//! Histories as text: lines of JSON, Jepsen's EDN, and the operations in a Jepsen log.
//!
//! ```text
//! bytes ─► forms (a line, or a map that may span lines) ─► parser ─► a Sink: Records | Tree (kept whole) | nothing
//! ```
//! Nothing is read twice or held whole: a form at a time, or for records some blocks of lines, parsed side by side. A parser
//! calls a [`Sink`] for every value, so a million operations go straight into the columns of [`crate::records`], while a
//! conversion keeps each event as a [`Tree`].
//!
//! JSON has no keywords, sets, characters, ratios. How they are written as JSON so that they come back as they were is
//! in [`tree`].

mod blocks;
mod chunk;
pub mod edn;
pub mod events;
pub mod forms;
pub mod json;
pub mod log;
pub mod read;
pub mod tree;
pub mod write;

use std::fmt;
use std::io;
use std::str::FromStr;

use crate::records::{Misfit, TooManyValues};
pub use read::{Cut, Reading, Selection, read, read_within};
pub use tree::Tree;

/// How deep values may be nested; deeper ones are refused, since a parser follows them by recursion.
pub const NESTING_MAX: usize = 100;

/// How a history is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// An event a line, each a JSON object.
    Json,
    /// Maps of EDN, by themselves or in one vector or list.
    Edn,
    /// A log of Jepsen, with a line `PROCESS :type :f value` for each event.
    Log,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 3] = [Format::Json, Format::Edn, Format::Log];

    /// The name used at the command line.
    pub fn name(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Edn => "edn",
            Format::Log => "log",
        }
    }

    /// What the first bytes of a text look like; none if like no history. An empty text is a JSON history without events.
    pub fn detect(start: &[u8]) -> Option<Format> {
        let rest = start.strip_prefix("\u{feff}".as_bytes()).unwrap_or(start).trim_ascii_start();
        let next = |from: usize| rest[from..].trim_ascii_start().first();
        match rest.first() {
            None => Some(Format::Json),
            Some(b'{') if matches!(next(1), Some(b'"' | b'}') | None) => Some(Format::Json),
            Some(b'{' | b'[' | b'(' | b'#' | b';') => Some(Format::Edn),
            Some(_) if rest.windows(log::MARK.len()).any(|window| window == log::MARK.as_bytes()) => Some(Format::Log),
            Some(_) => None,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Format {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Format::ALL.into_iter().find(|format| format.name() == text);
        known.ok_or_else(|| "known formats are json, edn, log".to_owned())
    }
}

/// Where a text stops being a history, and how.
#[derive(Debug, thiserror::Error)]
#[error("line {line}, column {column}: {problem}")]
pub struct Damage {
    /// The line, from 1.
    pub line: u64,
    /// The column in bytes, from 1.
    pub column: u64,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong with a text.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The reader itself failed.
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    /// It is not in the language.
    #[error("{0}")]
    Syntax(String),
    /// It is in the language, but no event.
    #[error("not an event: {0}")]
    NotAnEvent(String),
    /// It is an event that does not fit to those before it.
    #[error(transparent)]
    Misfit(#[from] Misfit),
    /// There is too much of it.
    #[error(transparent)]
    TooMany(#[from] TooManyValues),
}

/// Where in a form a parser stopped: the offset in bytes, and why.
#[derive(Debug)]
pub struct Stop {
    /// From the form's first byte.
    pub at: usize,
    /// What is wrong there.
    pub problem: Problem,
}

impl Stop {
    /// A syntax error.
    pub fn syntax(at: usize, problem: impl Into<String>) -> Self {
        Self { at, problem: Problem::Syntax(problem.into()) }
    }

    /// Valid text that is no event.
    pub fn no_event(at: usize, problem: impl Into<String>) -> Self {
        Self { at, problem: Problem::NotAnEvent(problem.into()) }
    }

    /// There is no room for what begins there.
    pub fn full(at: usize) -> impl Fn(TooManyValues) -> Self {
        move |problem| Self { at, problem: problem.into() }
    }

    /// What stands there is not what has to.
    pub fn unexpected(bytes: &[u8], at: usize, expected: &str) -> Self {
        let found = match bytes.get(at) {
            None => "the end".to_owned(),
            Some(byte) if byte.is_ascii_graphic() => format!("`{}`", char::from(*byte)),
            Some(byte) => format!("byte {byte:#04x}"),
        };
        Self::syntax(at, format!("expected {expected}, found {found}"))
    }
}

/// Which brackets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sequence {
    /// `[1 2]`, and a JSON list.
    Vector,
    /// `(1 2)`.
    List,
    /// `#{1 2}`.
    Set,
    /// `{:a 1}`, and a JSON object: keys and values in turn.
    Map,
}

/// What a parser builds.
pub trait Sink {
    /// A value built.
    type Value;

    /// Nothing.
    fn nil(&mut self) -> Self::Value;
    /// A truth value.
    fn bool(&mut self, truth: bool) -> Self::Value;
    /// An integer.
    ///
    /// # Errors
    /// When there is no room, as with the others.
    fn int(&mut self, value: i64) -> Result<Self::Value, TooManyValues>;
    /// A number with a point or an exponent, or one that is none.
    ///
    /// # Errors
    /// When there is no room.
    fn float(&mut self, value: f64) -> Result<Self::Value, TooManyValues>;
    /// A string.
    ///
    /// # Errors
    /// When there is no room.
    fn text(&mut self, text: &str) -> Result<Self::Value, TooManyValues>;
    /// The name of a field of a JSON object.
    ///
    /// # Errors
    /// When there is no room.
    fn name(&mut self, name: &str) -> Result<Self::Value, TooManyValues>;
    /// A keyword, without its colon.
    ///
    /// # Errors
    /// When there is no room.
    fn keyword(&mut self, name: &str) -> Result<Self::Value, TooManyValues>;
    /// A scalar of another notation: a symbol, a character, a ratio, a large integer, a decimal.
    ///
    /// # Errors
    /// When there is no room.
    fn other(&mut self, notation: &str) -> Result<Self::Value, TooManyValues>;
    /// What is between two brackets.
    ///
    /// # Errors
    /// When there is no room.
    fn sequence(
        &mut self,
        kind: Sequence,
        elements: std::vec::Drain<'_, Self::Value>,
    ) -> Result<Self::Value, TooManyValues>;
    /// A value with a tag before it (`#inst "..."`); the tag is without its `#`.
    fn tagged(&mut self, tag: &str, value: Self::Value) -> Self::Value;
}

/// Builds nothing: what is read is only passed over.
pub struct Nothing;

impl Sink for Nothing {
    type Value = ();

    fn nil(&mut self) {}
    fn bool(&mut self, _: bool) {}
    fn int(&mut self, _: i64) -> Result<(), TooManyValues> {
        Ok(())
    }
    fn float(&mut self, _: f64) -> Result<(), TooManyValues> {
        Ok(())
    }
    fn text(&mut self, _: &str) -> Result<(), TooManyValues> {
        Ok(())
    }
    fn name(&mut self, _: &str) -> Result<(), TooManyValues> {
        Ok(())
    }
    fn keyword(&mut self, _: &str) -> Result<(), TooManyValues> {
        Ok(())
    }
    fn other(&mut self, _: &str) -> Result<(), TooManyValues> {
        Ok(())
    }
    fn sequence(&mut self, _: Sequence, _: std::vec::Drain<'_, ()>) -> Result<(), TooManyValues> {
        Ok(())
    }
    fn tagged(&mut self, _: &str, (): ()) {}
}
