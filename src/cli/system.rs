//! A system at the command line: its name, and what was said of it in arguments of its own.

use clap::error::ErrorKind;
use clap::{ArgMatches, Args, Command, FromArgMatches};

use crate::exit::Problem;
use crate::systems::row::{Chosen, Row};
use crate::systems::{SystemSettings, find, usual};

/// The name of a system.
#[derive(Args, Clone)]
pub struct SystemName {
    /// The system under test
    #[arg(long = "system", value_name = "NAME", default_value = usual().name)]
    pub name: String,
}

/// A system, and what was said of it.
#[derive(Clone)]
pub struct SystemArgs {
    row: &'static Row,
    matches: ArgMatches,
}

impl SystemArgs {
    /// The planted bugs are to be printed.
    pub fn lists_bugs(&self) -> Option<Vec<(&'static str, &'static str)>> {
        let asked = self.row.bugs.filter(|_| self.matches.get_one::<String>("bug").is_some_and(|name| name == "list"));
        asked.map(|bugs| bugs.all())
    }

    /// The system's settings, and what it prefers of a run under these faults (none = nothing said).
    ///
    /// # Errors
    /// When its arguments cannot work together.
    pub fn choose(&self, nemesis: Option<&str>) -> Result<Chosen<SystemSettings>, Problem> {
        let Chosen { options, preferences } = (self.row.choose)(&self.matches, nemesis)?;
        Ok(Chosen { options: SystemSettings::new(self.row.name, options)?, preferences })
    }
}

impl FromArgMatches for SystemArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let SystemName { name } = SystemName::from_arg_matches(matches)?;
        let row = find(&name).map_err(|problem| clap::Error::raw(ErrorKind::InvalidValue, problem))?;
        Ok(Self { row, matches: matches.clone() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Adds `--system`; the arguments of the system are added when it is known.
impl Args for SystemArgs {
    fn augment_args(command: Command) -> Command {
        SystemName::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}
