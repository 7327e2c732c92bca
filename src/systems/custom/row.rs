//! A described store as a row of the registry: `--config FILE`.

use std::path::PathBuf;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::config::Config;
use super::driver_test;
use super::system::Custom;
use crate::exit::Problem;
use crate::systems::row::{Argument, Chosen, Options, OwnCommand, Preferences};
use crate::systems::system::System;

/// Its arguments.
#[derive(Args, Clone)]
#[command(next_help_heading = "Options of custom")]
pub struct CustomArgs {
    /// The file that describes the store (docs/custom.md)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How many nodes, whatever the file says
    #[arg(long)]
    nodes: Option<usize>,
}

/// A described store, as `run.json` keeps it: with all of its file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CustomSettings {
    /// Where the file was.
    pub file: Option<PathBuf>,
    /// How many nodes were asked for beside it.
    pub nodes: Option<usize>,
    /// What was in it.
    pub config: Config,
}

impl Options for CustomSettings {
    const NAME: &'static str = "custom";
    const ABOUT: &'static str = "any store, described by a file";
    const COMMANDS: &'static [OwnCommand] = &[driver_test::COMMAND];
    type Arguments = CustomArgs;

    fn choose(arguments: CustomArgs, _nemesis: Option<&str>) -> Result<Chosen<Self>, Problem> {
        let none = || Problem::BadArguments("--system custom needs --config FILE, which describes the store".into());
        let file = arguments.config.ok_or_else(none)?;
        let mut config = Config::read(&file).map_err(Problem::arguments)?;
        let is_attached = !config.cluster.attach.is_empty();
        if is_attached && arguments.nodes.is_some() {
            return Err(Problem::BadArguments(
                "--nodes is for nodes that are started: those of `attach` run already".into(),
            ));
        }
        if let Some(nodes) = arguments.nodes {
            config.cluster.nodes = nodes;
            config.check().map_err(Problem::arguments)?;
        }
        config.check_environment().map_err(Problem::arguments)?;
        let nemesis = match (is_attached, config.cluster.nodes) {
            (true, _) if config.faults.is_empty() => "none",
            (true, _) => "command",
            (false, 1) => "kill,pause",
            (false, _) => "partition,kill,pause",
        };
        let preferences = Preferences { workload: Some("all"), nemesis: Some(nemesis), ..Preferences::default() };
        Ok(Chosen { options: Self { file: Some(file), nodes: arguments.nodes, config }, preferences })
    }

    fn arguments(&self) -> Vec<Argument> {
        vec![
            Argument::maybe("config", self.file.as_ref().map(|file| file.display())),
            Argument::maybe("nodes", self.nodes),
        ]
    }

    fn open(self, _seed: u64) -> Result<Box<dyn System>, Problem> {
        Ok(Box::new(Custom::new(self.config).map_err(Problem::arguments)?))
    }
}
