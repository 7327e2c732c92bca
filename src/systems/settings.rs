//! Which system a run tests, and its options, without knowing which systems there are.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::row::{Argument, Options, Row, to_json};
use super::system::System;
use super::{find, usual};
use crate::exit::Problem;

/// A system and its options, which have been found to be that system's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct SystemSettings {
    name: String,
    options: Value,
}

/// As it is read.
#[derive(Deserialize)]
struct Unchecked {
    name: String,
    options: Value,
}

impl SystemSettings {
    /// The system of this name with these options.
    ///
    /// # Errors
    /// When there is no such system, or its options are different ones.
    pub fn new(name: &str, options: Value) -> Result<Self, Problem> {
        let strange = |error| Problem::BadArguments(format!("these are no options of {name}: {error}"));
        (find(name)?.arguments)(&options).map_err(strange)?;
        Ok(Self { name: name.to_owned(), options })
    }

    /// A system by its typed options.
    pub fn of<O: Options>(options: &O) -> Self {
        Self { name: O::NAME.to_owned(), options: to_json(options) }
    }

    /// The system's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The system, configured; `seed` is that of everything random.
    ///
    /// # Errors
    /// When its options cannot work.
    pub fn open(&self, seed: u64) -> Result<Box<dyn System>, Problem> {
        (self.row().open)(&self.options, seed)
    }

    /// The arguments that make these options.
    pub fn arguments(&self) -> Vec<Argument> {
        (self.row().arguments)(&self.options).expect("they were found to be its options")
    }

    /// The arguments that differ from those of the system without any.
    pub fn arguments_given(&self) -> Vec<Argument> {
        let row = self.row();
        let usual = (row.arguments)(&(row.usual)()).expect("they are its own");
        self.arguments().into_iter().filter(|argument| !usual.contains(argument)).collect()
    }

    fn row(&self) -> &'static Row {
        find(&self.name).expect("it was found when these settings were made")
    }
}

impl Default for SystemSettings {
    fn default() -> Self {
        let row = usual();
        Self { name: row.name.to_owned(), options: (row.usual)() }
    }
}

impl TryFrom<Unchecked> for SystemSettings {
    type Error = Problem;

    fn try_from(read: Unchecked) -> Result<Self, Problem> {
        Self::new(&read.name, read.options)
    }
}
