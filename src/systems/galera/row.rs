//! MariaDB with Galera as a row of the registry: its arguments, and what they come to.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Command};

use super::settings::{FlushLog, GaleraSettings};
use super::starter;
use super::system::{Galera, STARTER_COMMAND};
use crate::exit::Problem;
use crate::sql::options::{Isolation, Updates};
use crate::systems::row::{Argument, Chosen, Options, OwnCommand, Preferences};
use crate::systems::system::System;

/// Its arguments.
#[derive(Args, Clone)]
#[command(next_help_heading = "Options of galera")]
pub struct GaleraArgs {
    /// How many nodes: 3 or more, each of which takes writes, or 1 without Galera [default: 3]
    #[arg(long)]
    nodes: Option<usize>,
    /// How isolated transactions are [default: repeatable-read, with one node serializable]
    #[arg(long, value_name = "LEVEL")]
    isolation: Option<Isolation>,
    /// How clients add to counters and lists [default: select-then-update]
    #[arg(long, value_name = "HOW")]
    updates: Option<Updates>,
    /// Set innodb_snapshot_isolation: a transaction that would overwrite a change which it does not see fails
    #[arg(long)]
    snapshot_isolation: bool,
    /// Set wsrep_sync_wait: a node has what was committed elsewhere before it reads
    #[arg(long)]
    sync_wait: bool,
    /// What becomes of the log when a transaction commits [default: synced]
    #[arg(long, value_name = "WHEN")]
    flush_log: Option<FlushLog>,
    /// A directory of unpacked packages, which is looked at before the machine's
    #[arg(long, value_name = "DIR")]
    binaries: Option<PathBuf>,
}

impl Options for GaleraSettings {
    const NAME: &'static str = "galera";
    const ABOUT: &'static str = "MariaDB as it is installed, three nodes with Galera, or one";
    const COMMANDS: &'static [OwnCommand] = &[OwnCommand { command: starter_command, run: |_| Ok(run_starter()) }];
    type Arguments = GaleraArgs;

    /// Nodes that are all killed at once may need a person who says which of them begins; so kills are not drawn unless they
    /// are asked for.
    fn choose(arguments: GaleraArgs, _nemesis: Option<&str>) -> Result<Chosen<Self>, Problem> {
        let usual = Self::default();
        let nodes = arguments.nodes.unwrap_or(usual.nodes);
        let isolation_usual = if nodes == 1 { Isolation::Serializable } else { usual.isolation };
        let options = Self {
            nodes,
            isolation: arguments.isolation.unwrap_or(isolation_usual),
            updates: arguments.updates.unwrap_or_default(),
            snapshot_isolation: arguments.snapshot_isolation,
            sync_wait: arguments.sync_wait,
            flush_log: arguments.flush_log.unwrap_or_default(),
            binaries: arguments.binaries,
        };
        let nemesis = if nodes == 1 { "kill,pause" } else { "partition,pause" };
        let workload = Some("cas-register,kv-set,append,bank");
        Ok(Chosen { options, preferences: Preferences { workload, nemesis: Some(nemesis), ..Preferences::default() } })
    }

    fn arguments(&self) -> Vec<Argument> {
        vec![
            Argument::value("nodes", self.nodes),
            Argument::named("isolation", &self.isolation),
            Argument::named("updates", &self.updates),
            Argument::flag("snapshot-isolation", self.snapshot_isolation),
            Argument::flag("sync-wait", self.sync_wait),
            Argument::named("flush-log", &self.flush_log),
            Argument::maybe("binaries", self.binaries.as_ref().map(|dir| dir.display())),
        ]
    }

    fn open(self, _seed: u64) -> Result<Box<dyn System>, Problem> {
        Ok(Box::new(Galera::new(self).map_err(Problem::arguments)?))
    }
}

/// The first process of a node, started by the bench.
fn starter_command() -> Command {
    Command::new(STARTER_COMMAND).hide(true)
}

fn run_starter() -> ExitCode {
    starter::main_from_stdin()
}
