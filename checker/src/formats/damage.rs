//! Where and why a text is not a valid history.

use std::io;

use crate::history::{Misfit, TooManyValues};

/// The longest line that is read, in bytes: a read of some five million elements.
pub(crate) const LINE_BYTES_MAX: u64 = 64 << 20;

/// How many levels of brackets a value may have in JSON's form; deeper ones are refused, since the parsers are recursive.
pub(super) const NESTING_MAX: usize = 100;

/// The place and the problem at which a text stops being a history.
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
    /// It is not valid JSON or EDN.
    #[error("{0}")]
    Syntax(String),
    /// It is valid JSON or EDN, but not an event.
    #[error("not an event: {0}")]
    NotAnEvent(String),
    /// It is an event that does not fit those before it.
    #[error(transparent)]
    Misfit(#[from] Misfit),
    /// There is too much of it.
    #[error(transparent)]
    TooMany(#[from] TooManyValues),
}

/// Where and why a parser stopped within a form.
#[derive(Debug)]
pub(crate) struct Stop {
    /// The offset in bytes from the form's first.
    pub at: usize,
    /// What is wrong there.
    pub problem: Problem,
}

impl Stop {
    /// A syntax error.
    pub(crate) fn syntax(at: usize, problem: impl Into<String>) -> Self {
        Self { at, problem: Problem::Syntax(problem.into()) }
    }

    /// A value with too many levels.
    pub(crate) fn too_deep(at: usize) -> Self {
        Self::syntax(at, format!("nested deeper than {NESTING_MAX}"))
    }

    /// Valid text that is not an event.
    pub(crate) fn no_event(at: usize, problem: impl Into<String>) -> Self {
        Self { at, problem: Problem::NotAnEvent(problem.into()) }
    }

    /// There is no room for what begins there.
    pub(crate) fn full(at: usize) -> impl Fn(TooManyValues) -> Self {
        move |problem| Self { at, problem: problem.into() }
    }

    /// Something else than expected is found there.
    pub(crate) fn unexpected(bytes: &[u8], at: usize, expected: &str) -> Self {
        let found = match bytes.get(at) {
            None => "the end".to_owned(),
            Some(byte) if byte.is_ascii_graphic() => format!("`{}`", char::from(*byte)),
            Some(byte) => format!("byte {byte:#04x}"),
        };
        Self::syntax(at, format!("expected {expected}, found {found}"))
    }
}
