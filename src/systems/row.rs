//! A system as a row of the registry, before it is configured: its command-line arguments, how they become options, and
//! how options become a [`System`].
//!
//! ```text
//!   arguments ─► choose ─► options (typed in the system's folder, JSON outside) ─► run.json ─► open ─► System
//! ```
//! Inside its folder a system's options are a type of its own, which implements [`Options`]; [`Row::of`] takes the type
//! away, so that the rest of the bench can keep, print and repeat them without knowing any system.

use std::process::ExitCode;

use checker::CheckName;
use clap::{ArgMatches, Args, Command};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::system::System;
use crate::exit::Problem;

/// The options of a system, which say all of its configuration.
pub trait Options: Serialize + DeserializeOwned + Default {
    /// As at the command line.
    const NAME: &'static str;
    /// What it is, in one line.
    const ABOUT: &'static str;
    /// Planted defects, if it has any.
    const BUGS: Option<&'static (dyn PlantedBugs + Sync)> = None;
    /// Commands of its own.
    const COMMANDS: &'static [OwnCommand] = &[];
    /// Its arguments at the command line.
    type Arguments: Args;

    /// What the user's arguments come to, under the faults that the user has asked for (none = nothing said).
    ///
    /// # Errors
    /// When they cannot work together.
    fn choose(arguments: Self::Arguments, nemesis: Option<&str>) -> Result<Chosen<Self>, Problem>;

    /// The arguments that make these options, in the order of the help.
    fn arguments(&self) -> Vec<Argument>;

    /// The system, configured; `seed` is that of everything random.
    ///
    /// # Errors
    /// When the options cannot work.
    fn open(self, seed: u64) -> Result<Box<dyn System>, Problem>;
}

/// What arguments come to.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen<O> {
    /// The options of the system.
    pub options: O,
    /// What the rest of the run is to be unless the user says otherwise.
    pub preferences: Preferences,
}

/// What a configuration prefers of a run; for none the general default applies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preferences {
    /// Workloads.
    pub workload: Option<&'static str>,
    /// Faults.
    pub nemesis: Option<&'static str>,
    /// Clients at a time, each with a node of its own.
    pub sticky_clients: Option<u64>,
    /// How long the healed cluster may take to come to rest, ms.
    pub rest_limit_ms: Option<u64>,
    /// Properties that are claimed for this load in addition to those that the configuration claims for every load.
    pub require: Vec<CheckName>,
}

/// An argument as at the command line, without the dashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub value: ArgumentValue,
}

/// What an argument says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArgumentValue {
    /// A value; none = not given.
    Value(Option<String>),
    /// A flag that is given or not.
    Flag(bool),
}

impl Argument {
    /// An argument with a value.
    pub fn value(name: &'static str, value: impl ToString) -> Self {
        Self { name, value: ArgumentValue::Value(Some(value.to_string())) }
    }

    /// An argument that need not be given.
    pub fn maybe(name: &'static str, value: Option<impl ToString>) -> Self {
        Self { name, value: ArgumentValue::Value(value.map(|value| value.to_string())) }
    }

    /// An argument whose values serde names as the command line does.
    ///
    /// # Panics
    /// When serde gives the value no name.
    pub fn named(name: &'static str, value: &impl Serialize) -> Self {
        match serde_json::to_value(value) {
            Ok(Value::String(value)) => Self::value(name, value),
            other => panic!("--{name} is no name: {other:?}"),
        }
    }

    /// An argument that has no value.
    pub fn flag(name: &'static str, given: bool) -> Self {
        Self { name, value: ArgumentValue::Flag(given) }
    }

    /// As a word of a command; none if it is not given.
    pub fn word(&self) -> Option<String> {
        match &self.value {
            ArgumentValue::Value(value) => value.as_ref().map(|value| format!("--{} {value}", self.name)),
            ArgumentValue::Flag(given) => given.then(|| format!("--{}", self.name)),
        }
    }

    /// For a table: its name and what it says; none if it is not given.
    pub fn row(&self) -> Option<(String, String)> {
        let value = match &self.value {
            ArgumentValue::Value(value) => value.clone(),
            ArgumentValue::Flag(given) => given.then(|| "yes".to_owned()),
        };
        value.map(|value| (self.name.to_owned(), value))
    }
}

/// Defects that a system can be started with. Its argument `--bug NAME` plants one; `--bug list`, which the bench
/// answers, prints them all.
pub trait PlantedBugs {
    /// Every bug: its name and an explanation of one line.
    fn all(&self) -> Vec<(&'static str, &'static str)>;
    /// The options under which a bug shows itself, with the bug or without it; none if there is no such bug.
    fn shows_itself(&self, name: &str, planted: bool) -> Option<Chosen<Value>>;
}

/// A command of a system's own.
pub struct OwnCommand {
    /// How it is called, and its arguments.
    pub command: fn() -> Command,
    /// Carries it out.
    pub run: fn(&ArgMatches) -> Result<ExitCode, Problem>,
}

/// Makes a system of its options and a seed.
pub type Open = fn(&Value, u64) -> Result<Box<dyn System>, Problem>;

/// A system of the registry. Its options are JSON here.
pub struct Row {
    /// As at the command line.
    pub name: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
    /// Planted defects, if it has any.
    pub bugs: Option<&'static (dyn PlantedBugs + Sync)>,
    /// Commands of its own.
    pub commands: &'static [OwnCommand],
    /// Adds its arguments to a command.
    pub augment: fn(Command) -> Command,
    /// [`Options::choose`].
    pub choose: fn(&ArgMatches, Option<&str>) -> Result<Chosen<Value>, Problem>,
    /// The options without any argument.
    pub usual: fn() -> Value,
    /// [`Options::arguments`]; fails for what are not its options.
    pub arguments: fn(&Value) -> Result<Vec<Argument>, serde_json::Error>,
    /// [`Options::open`].
    pub open: Open,
}

impl Row {
    /// The row of the system with these options.
    pub const fn of<O: Options>() -> Self {
        Self {
            name: O::NAME,
            about: O::ABOUT,
            bugs: O::BUGS,
            commands: O::COMMANDS,
            augment: <O::Arguments as Args>::augment_args,
            choose: choose::<O>,
            usual: || to_json(&O::default()),
            arguments: |options| Ok(from_json::<O>(options)?.arguments()),
            open: |options, seed| from_json::<O>(options).map_err(Problem::arguments)?.open(seed),
        }
    }

    /// Whether it has this argument, written with its dashes.
    pub fn has_argument(&self, argument: &str) -> bool {
        let command = (self.augment)(Command::new(self.name));
        command.get_arguments().filter_map(|known| known.get_long()).any(|long| argument == format!("--{long}"))
    }
}

impl<O: Options> Chosen<O> {
    /// The same with its options as JSON.
    pub fn into_json(self) -> Chosen<Value> {
        Chosen { options: to_json(&self.options), preferences: self.preferences }
    }
}

fn choose<O: Options>(matches: &ArgMatches, nemesis: Option<&str>) -> Result<Chosen<Value>, Problem> {
    let arguments = <O::Arguments as clap::FromArgMatches>::from_arg_matches(matches).map_err(Problem::arguments)?;
    O::choose(arguments, nemesis).map(Chosen::into_json)
}

/// Options as JSON.
///
/// # Panics
/// When they are not plain data, which is what options have to be.
pub fn to_json(options: &impl Options) -> Value {
    serde_json::to_value(options).expect("options are plain data")
}

fn from_json<O: Options>(options: &Value) -> Result<O, serde_json::Error> {
    O::deserialize(options)
}
