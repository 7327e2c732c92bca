//! What client processes are called.
//!
//! Inside, a process is a number of 32 bits: its own where it is called by one below 2^31, else the place of its name among
//! the names of processes, counted from 2^31. So any scalar (any data) may name a process, and two events are of one process
//! if their names are equal values.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::values::{Datum, Sym, TooManyValues, ValueId, Values};

/// The first number of a process that is called by something else than a small number.
pub(super) const NAMED: u32 = 1 << 31;

/// A process as an event names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProcessRef {
    /// A number below 2^31.
    Number(u32),
    /// Anything else, by its notation.
    Named(Sym),
}

/// What a process is called in its history.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ProcessName {
    /// A number.
    Number(u64),
    /// Anything else: a string as it is, any other value in its notation.
    Name(String),
}

impl fmt::Display for ProcessName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProcessName::Number(number) => number.fmt(f),
            ProcessName::Name(name) => f.pad(name),
        }
    }
}

impl From<u64> for ProcessName {
    fn from(number: u64) -> Self {
        ProcessName::Number(number)
    }
}

impl Values {
    /// A process by its number.
    pub(crate) fn process_number(&mut self, number: u64) -> Result<ProcessRef, TooManyValues> {
        match u32::try_from(number) {
            Ok(small) if small < NAMED => Ok(ProcessRef::Number(small)),
            _ => self.intern(&number.to_string()).map(ProcessRef::Named),
        }
    }

    /// A process that any value names.
    pub(crate) fn process(&mut self, name: ValueId) -> Result<ProcessRef, TooManyValues> {
        match self.datum(name) {
            Datum::Int(number) if number >= 0 => self.process_number(number.unsigned_abs()),
            _ => self.name_as_key(name).map(ProcessRef::Named),
        }
    }
}
