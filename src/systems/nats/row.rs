//! NATS as a row of the registry: its arguments, and what they come to.

use std::path::PathBuf;

use clap::Args;

use super::settings::{NatsSettings, SyncInterval};
use super::system::Nats;
use crate::exit::Problem;
use crate::systems::row::{Argument, Chosen, Options, Preferences};
use crate::systems::system::System;

/// Its arguments.
#[derive(Args, Clone)]
#[command(next_help_heading = "Options of nats")]
pub struct NatsArgs {
    /// How many nodes, each with a replica of every stream: 1, 3 or 5 [default: 3]
    #[arg(long)]
    nodes: Option<usize>,
    /// When a node syncs what it has written [default: default]
    #[arg(long, value_name = "WHEN")]
    sync_interval: Option<SyncInterval>,
    /// A directory in which nats-server is looked for before the PATH, such as one of unpacked packages
    #[arg(long, value_name = "DIR")]
    binaries: Option<PathBuf>,
    /// A directory with the next version of nats-server, for `--nemesis upgrade`
    #[arg(long, value_name = "DIR")]
    binaries_next: Option<PathBuf>,
}

impl Options for NatsSettings {
    const NAME: &'static str = "nats";
    const ABOUT: &'static str = "NATS JetStream, three nodes: nats-server as it is installed";
    type Arguments = NatsArgs;

    /// A single node has no link to cut; the clock is the machine's.
    fn choose(arguments: NatsArgs, _nemesis: Option<&str>) -> Result<Chosen<Self>, Problem> {
        let options = Self {
            nodes: arguments.nodes.unwrap_or(Self::default().nodes),
            sync_interval: arguments.sync_interval.unwrap_or_default(),
            binaries: arguments.binaries,
            binaries_next: arguments.binaries_next,
        };
        let nemesis = if options.nodes == 1 { "kill,pause" } else { "partition,kill,pause" };
        let (workload, nemesis) = (Some("log,queue"), Some(nemesis));
        Ok(Chosen { options, preferences: Preferences { workload, nemesis, ..Preferences::default() } })
    }

    fn arguments(&self) -> Vec<Argument> {
        let shown = |dir: &Option<PathBuf>| dir.as_ref().map(|dir| dir.display().to_string());
        vec![
            Argument::value("nodes", self.nodes),
            Argument::named("sync-interval", &self.sync_interval),
            Argument::maybe("binaries", shown(&self.binaries)),
            Argument::maybe("binaries-next", shown(&self.binaries_next)),
        ]
    }

    fn open(self, _seed: u64) -> Result<Box<dyn System>, Problem> {
        Ok(Box::new(Nats::new(self).map_err(Problem::arguments)?))
    }
}
