//! Redis as a row of the registry: its arguments, and what they come to.

use std::path::PathBuf;

use clap::Args;

use super::settings::{AppendFsync, RedisSettings, Server};
use super::system::Redis;
use crate::exit::Problem;
use crate::systems::row::{Argument, Chosen, Options, Preferences};
use crate::systems::system::System;

/// A few that show most; more of them would have too few operations each.
const WORKLOADS: &str = "register,cas-register,kv-set,queue";

/// Sentinels that were stopped for two seconds, or whose clock was set, do nothing for the next thirty (TILT); a master
/// that was replaced is made a replica only ten seconds after that.
const REST_LIMIT_MS: u64 = 60_000;

/// Its arguments.
#[derive(Args, Clone)]
#[command(next_help_heading = "Options of redis")]
pub struct RedisArgs {
    /// Which server [default: redis]
    #[arg(long, value_name = "SERVER")]
    program: Option<Server>,
    /// How many nodes have the data; more than one need --sentinel [default: 1, with --sentinel 3]
    #[arg(long)]
    nodes: Option<usize>,
    /// A Sentinel beside each node (s1 beside n1), which takes part in replacing a master that fails, and tells clients
    /// of its node who the master is. The cluster may take 60s to come to rest then
    #[arg(long)]
    sentinel: bool,
    /// When a write is in the append-only file, and synced [default: always]
    #[arg(long, value_name = "WHEN")]
    appendfsync: Option<AppendFsync>,
    /// The master refuses writes while it has fewer replicas [default: 0]
    #[arg(long, value_name = "N")]
    min_replicas_to_write: Option<usize>,
    /// A replica that was not heard of for longer does not count [default: 10]
    #[arg(long, value_name = "SECONDS")]
    min_replicas_max_lag: Option<u64>,
    /// Clients wait until so many replicas have a write (WAIT) [default: 0]
    #[arg(long, value_name = "N")]
    wait: Option<usize>,
    /// A directory in which the server is looked for before the PATH, such as one of unpacked packages
    #[arg(long, value_name = "DIR")]
    binaries: Option<PathBuf>,
}

impl Options for RedisSettings {
    const NAME: &'static str = "redis";
    const ABOUT: &'static str = "Redis or Valkey as it is installed, one node, or three with Sentinels";
    type Arguments = RedisArgs;

    /// With one node there is no link to cut, and its clock is the machine's.
    fn choose(arguments: RedisArgs, _nemesis: Option<&str>) -> Result<Chosen<Self>, Problem> {
        let usual = Self::default();
        let nodes_usual = if arguments.sentinel { Self::NODES_USUAL } else { usual.nodes };
        let options = Self {
            program: arguments.program.unwrap_or_default(),
            nodes: arguments.nodes.unwrap_or(nodes_usual),
            sentinel: arguments.sentinel,
            appendfsync: arguments.appendfsync.unwrap_or_default(),
            min_replicas_to_write: arguments.min_replicas_to_write.unwrap_or(usual.min_replicas_to_write),
            min_replicas_max_lag: arguments.min_replicas_max_lag.unwrap_or(usual.min_replicas_max_lag),
            wait: arguments.wait.unwrap_or(usual.wait),
            binaries: arguments.binaries,
        };
        let nemesis = if options.sentinel { "partition,kill,pause" } else { "kill,pause" };
        let preferences = Preferences {
            workload: Some(WORKLOADS),
            nemesis: Some(nemesis),
            rest_limit_ms: options.sentinel.then_some(REST_LIMIT_MS),
            ..Preferences::default()
        };
        Ok(Chosen { options, preferences })
    }

    fn arguments(&self) -> Vec<Argument> {
        vec![
            Argument::named("program", &self.program),
            Argument::value("nodes", self.nodes),
            Argument::flag("sentinel", self.sentinel),
            Argument::named("appendfsync", &self.appendfsync),
            Argument::value("min-replicas-to-write", self.min_replicas_to_write),
            Argument::value("min-replicas-max-lag", self.min_replicas_max_lag),
            Argument::value("wait", self.wait),
            Argument::maybe("binaries", self.binaries.as_ref().map(|dir| dir.display())),
        ]
    }

    fn open(self, _seed: u64) -> Result<Box<dyn System>, Problem> {
        Ok(Box::new(Redis::new(self).map_err(Problem::arguments)?))
    }
}
