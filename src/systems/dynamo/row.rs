//! The bundled Dynamo as a row of the registry.

use std::process::ExitCode;

use super::arguments::{DynamoArgs, choose};
use super::bugs::Bugs;
use super::paper::command as paper;
use super::settings::DynamoSettings;
use super::system::{Dynamo, NODE_COMMAND};
use crate::exit::Problem;
use crate::systems::row::{Argument, Chosen, Options, OwnCommand, PlantedBugs};
use crate::systems::system::System;

impl Options for DynamoSettings {
    const NAME: &'static str = "dynamo";
    const ABOUT: &'static str = "the bundled Dynamo (DeCandia et al., SOSP 2007)";
    const BUGS: Option<&'static (dyn PlantedBugs + Sync)> = Some(&Bugs);
    const COMMANDS: &'static [OwnCommand] = &[
        OwnCommand { command: paper::command, run: paper::run },
        OwnCommand { command: node_command, run: |_| Ok(run_node()) },
    ];
    type Arguments = DynamoArgs;

    fn choose(arguments: DynamoArgs, nemesis: Option<&str>) -> Result<Chosen<Self>, Problem> {
        choose(&arguments, nemesis)
    }

    fn arguments(&self) -> Vec<Argument> {
        vec![
            Argument::value("nodes", self.nodes),
            Argument::value("n", self.n),
            Argument::value("r", self.r),
            Argument::value("w", self.w),
            Argument::named("quorum", &self.quorum),
            Argument::named("versions", &self.versions),
            Argument::value("clock-pairs", self.clock_pairs),
            Argument::named("coordinator", &self.coordinator),
            Argument::flag("session", self.session),
            Argument::value("data-centres", self.data_centres),
            Argument::named("strategy", &self.strategy),
            Argument::named("engine", &self.engine),
            Argument::named("durability", &self.durability),
            Argument::value("spares", self.spares),
            Argument::value("protocol", self.protocol),
            Argument::named("coordination", &self.coordination),
            Argument::maybe("bug", self.bug),
            Argument::maybe("port", self.port),
        ]
    }

    fn open(self, seed: u64) -> Result<Box<dyn System>, Problem> {
        Ok(Box::new(Dynamo::new(self, seed).map_err(Problem::arguments)?))
    }
}

/// One node, started by the bench; the name is for people who look at the process list.
fn node_command() -> clap::Command {
    clap::Command::new(NODE_COMMAND).hide(true).arg(clap::Arg::new("name").required(true))
}

fn run_node() -> ExitCode {
    cluster_node::main_from_stdin()
}
