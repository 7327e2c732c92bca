//! Redis as a row of the registry: its arguments, and what they come to.

use std::path::PathBuf;

use clap::Args;

use super::settings::{AppendFsync, RedisSettings};
use super::system::Redis;
use crate::exit::Problem;
use crate::systems::row::{Argument, Chosen, Options, Preferences};
use crate::systems::system::System;

/// Its arguments.
#[derive(Args, Clone)]
#[command(next_help_heading = "Options of redis")]
pub struct RedisArgs {
    /// When a write is in the append-only file, and synced [default: always]
    #[arg(long, value_name = "WHEN")]
    appendfsync: Option<AppendFsync>,
    /// A directory in which redis-server is looked for before the PATH, such as one of unpacked packages
    #[arg(long, value_name = "DIR")]
    binaries: Option<PathBuf>,
}

impl Options for RedisSettings {
    const NAME: &'static str = "redis";
    const ABOUT: &'static str = "Redis, one node: redis-server as it is installed";
    type Arguments = RedisArgs;

    /// With one node there is no link to cut, and its clock is the machine's.
    fn choose(arguments: RedisArgs, _nemesis: Option<&str>) -> Result<Chosen<Self>, Problem> {
        let options = Self { appendfsync: arguments.appendfsync.unwrap_or_default(), binaries: arguments.binaries };
        let (workload, nemesis) = (Some("set,register"), Some("kill,pause"));
        Ok(Chosen { options, preferences: Preferences { workload, nemesis, ..Preferences::default() } })
    }

    fn arguments(&self) -> Vec<Argument> {
        vec![
            Argument::named("appendfsync", &self.appendfsync),
            Argument::maybe("binaries", self.binaries.as_ref().map(|dir| dir.display())),
        ]
    }

    fn open(self, _seed: u64) -> Result<Box<dyn System>, Problem> {
        Ok(Box::new(Redis::new(self)))
    }
}
