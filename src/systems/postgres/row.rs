//! PostgreSQL as a row of the registry: its arguments, and what they come to.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Command};

use super::agent;
use super::settings::{PostgresSettings, Reads, SynchronousCommit};
use super::system::{AGENT_COMMAND, Postgres};
use crate::exit::Problem;
use crate::sql::options::{Isolation, Updates};
use crate::systems::row::{Argument, Chosen, Options, OwnCommand, Preferences};
use crate::systems::system::System;

/// A primary that was replaced takes a copy of the new one, and is a standby only then.
const REST_LIMIT_MS: u64 = 30_000;

/// Its arguments.
#[derive(Args, Clone)]
#[command(next_help_heading = "Options of postgres")]
pub struct PostgresArgs {
    /// How many nodes: 1, or a primary and at least two standbys, of which one is promoted when the others do not reach
    /// the primary [default: 1]
    #[arg(long)]
    nodes: Option<usize>,
    /// How isolated transactions are [default: serializable]
    #[arg(long, value_name = "LEVEL")]
    isolation: Option<Isolation>,
    /// How clients add to counters and lists [default: select-then-update]
    #[arg(long, value_name = "HOW")]
    updates: Option<Updates>,
    /// Where transactions that only read are done [default: primary]
    #[arg(long, value_name = "WHERE")]
    reads: Option<Reads>,
    /// When a commit is acknowledged [default: on]
    #[arg(long, value_name = "WHEN")]
    synchronous_commit: Option<SynchronousCommit>,
    /// How many standbys must have a commit before it is acknowledged [default: 0]
    #[arg(long, value_name = "N")]
    synchronous_standbys: Option<usize>,
    /// Start the nodes with fsync=off: nothing is synced
    #[arg(long)]
    no_fsync: bool,
    /// A directory of unpacked packages, or one that has postgres in its bin, which is looked at before the machine's
    #[arg(long, value_name = "DIR")]
    binaries: Option<PathBuf>,
}

impl Options for PostgresSettings {
    const NAME: &'static str = "postgres";
    const ABOUT: &'static str =
        "PostgreSQL as it is installed, one node, or three with streaming replication and failover";
    const COMMANDS: &'static [OwnCommand] = &[OwnCommand { command: agent_command, run: |_| Ok(run_agent()) }];
    type Arguments = PostgresArgs;

    /// With one node there is no link to cut.
    fn choose(arguments: PostgresArgs, _nemesis: Option<&str>) -> Result<Chosen<Self>, Problem> {
        let usual = Self::default();
        let options = Self {
            nodes: arguments.nodes.unwrap_or(usual.nodes),
            isolation: arguments.isolation.unwrap_or_default(),
            updates: arguments.updates.unwrap_or_default(),
            reads: arguments.reads.unwrap_or_default(),
            synchronous_commit: arguments.synchronous_commit.unwrap_or_default(),
            synchronous_standbys: arguments.synchronous_standbys.unwrap_or(usual.synchronous_standbys),
            no_fsync: arguments.no_fsync,
            binaries: arguments.binaries,
        };
        let nemesis = if options.nodes == 1 { "kill,pause" } else { "partition,kill,pause" };
        let preferences = Preferences {
            workload: Some("cas-register,kv-set,append,bank"),
            nemesis: Some(nemesis),
            rest_limit_ms: (options.nodes > 1).then_some(REST_LIMIT_MS),
            ..Preferences::default()
        };
        Ok(Chosen { options, preferences })
    }

    fn arguments(&self) -> Vec<Argument> {
        vec![
            Argument::value("nodes", self.nodes),
            Argument::named("isolation", &self.isolation),
            Argument::named("updates", &self.updates),
            Argument::named("reads", &self.reads),
            Argument::named("synchronous-commit", &self.synchronous_commit),
            Argument::value("synchronous-standbys", self.synchronous_standbys),
            Argument::flag("no-fsync", self.no_fsync),
            Argument::maybe("binaries", self.binaries.as_ref().map(|dir| dir.display())),
        ]
    }

    fn open(self, _seed: u64) -> Result<Box<dyn System>, Problem> {
        Ok(Box::new(Postgres::new(self).map_err(Problem::arguments)?))
    }
}

/// The first process of a node, started by the bench.
fn agent_command() -> Command {
    Command::new(AGENT_COMMAND).hide(true)
}

fn run_agent() -> ExitCode {
    agent::main_from_stdin()
}
