//! Where and why a text is no history.

use std::io;

use crate::history::{Misfit, TooManyValues};

/// The longest line that is read, in bytes: a read of some five million elements.
pub const LINE_BYTES_MAX: u64 = 64 << 20;

/// How deep values may be nested; deeper ones are refused, since a parser follows them by recursion.
pub const NESTING_MAX: usize = 100;

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
