//! From the words of a command line to its arguments.
//!
//! Each system has arguments of its own, so which ones a command takes depends on `--system`: that is looked for first,
//! and then the command is built.
//!
//! ```text
//!   words ─► --system NAME ─► the row of the system ─► run, sim, cluster up with its arguments ─► parsed
//! ```

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgMatches, Command, CommandFactory};

use super::arguments::Cli;
use crate::exit::Problem;
use crate::systems::row::{OwnCommand, Row};
use crate::systems::{SYSTEMS, find, usual};

/// The commands that take the arguments of a system.
const WITH_ARGUMENTS: [&str; 3] = ["run", "sim", "cluster"];

/// The commands that take the name of one.
const WITH_SYSTEM: [&str; 4] = ["run", "sim", "cluster", "bugs"];

/// Why the command line cannot be carried out.
pub enum Unparsed {
    /// The parser's word: help, the version, or what is wrong.
    Clap(clap::Error),
    /// The bench's own word.
    Problem(Problem),
}

/// Parses the words of a command line, the first of which is the program.
///
/// # Errors
/// When there is no such system or command, or its arguments are others.
pub fn parse(words: &[OsString]) -> Result<ArgMatches, Unparsed> {
    let row = named_system(words).map_or_else(|| Ok(usual()), |name| find(&name)).map_err(Unparsed::Problem)?;
    command(row).try_get_matches_from(words).map_err(|error| match of_another_system(&error, row) {
        Some(problem) => Unparsed::Problem(problem),
        None => Unparsed::Clap(error),
    })
}

/// The command of a system's own with this name.
pub fn own_command(name: &str) -> Option<&'static OwnCommand> {
    let mut commands = SYSTEMS.iter().flat_map(|row| row.commands);
    commands.find(|own| (own.command)().get_name() == name)
}

/// The whole command line, for this system.
fn command(row: &'static Row) -> Command {
    let own = SYSTEMS.iter().flat_map(|row| row.commands).map(|own| (own.command)());
    let with_arguments = |command: Command| with_arguments(command, row);
    let command = Cli::command().subcommands(own);
    WITH_ARGUMENTS.iter().fold(command, |command, name| match *name {
        "cluster" => command.mut_subcommand("cluster", |cluster| cluster.mut_subcommand("up", with_arguments)),
        name => command.mut_subcommand(name, with_arguments),
    })
}

fn with_arguments(command: Command, row: &'static Row) -> Command {
    let others: Vec<String> = SYSTEMS.iter().map(|row| format!("  {}: {}", row.name, row.about)).collect();
    let hint =
        format!("Systems, each with options of its own, which `--system NAME --help` shows:\n{}", others.join("\n"));
    // The arguments bring along a description of themselves and a heading, which are not the command's.
    let about = command.get_about().cloned().unwrap_or_default();
    (row.augment)(command).about(about).next_help_heading(None).after_help(hint)
}

/// The value of `--system`, if the command is one that takes it and has one.
fn named_system(words: &[OsString]) -> Option<String> {
    let mut words = words.iter().skip(1).map_while(|word| word.to_str()).take_while(|word| *word != "--");
    words.next().filter(|command| WITH_SYSTEM.contains(command))?;
    while let Some(word) = words.next() {
        match word.strip_prefix("--system") {
            Some("") => return words.next().map(str::to_owned),
            Some(value) if value.starts_with('=') => return Some(value[1..].to_owned()),
            _ => {}
        }
    }
    None
}

/// What to say if an argument is unknown because it is one of another system.
fn of_another_system(error: &clap::Error, row: &Row) -> Option<Problem> {
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else { return None };
    let others = SYSTEMS.iter().filter(|other| other.name != row.name && other.has_argument(argument));
    let others: Vec<&str> = others.map(|other| other.name).collect();
    (error.kind() == ErrorKind::UnknownArgument && !others.is_empty()).then(|| {
        let (names, system) = (others.join(" and "), row.name);
        Problem::BadArguments(format!("{argument} is an option of {names}, and the system is {system}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(line: &str) -> Option<String> {
        named_system(&line.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn the_system_is_found_wherever_it_is_named() {
        assert_eq!(named("dissensus run --seed 1 --system a --json"), Some("a".into()));
        assert_eq!(named("dissensus cluster up --system=b"), Some("b".into()));
        assert_eq!(named("dissensus run --systematic x"), None);
        assert_eq!(named("dissensus sim"), None);
        assert_eq!(named("dissensus __bound 1 store-server --system a"), None, "it is the program's own");
    }

    #[test]
    fn every_system_can_be_called_with_its_own_arguments_and_no_others() {
        for row in &SYSTEMS {
            let usual = (row.arguments)(&(row.usual)()).expect("its own options");
            let unknown = usual.iter().find(|argument| !row.has_argument(&format!("--{}", argument.name)));
            assert_eq!(unknown, None, "{} prints an argument that it does not take", row.name);
        }
    }
}
