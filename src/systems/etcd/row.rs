//! etcd as a row of the registry: its arguments, and what they come to.

use std::path::PathBuf;

use clap::Args;

use super::settings::{EtcdSettings, Reads};
use super::system::Etcd;
use crate::exit::Problem;
use crate::systems::row::{Argument, Chosen, Options, Preferences};
use crate::systems::system::System;

/// Its arguments.
#[derive(Args, Clone)]
#[command(next_help_heading = "Options of etcd")]
pub struct EtcdArgs {
    /// How many nodes [default: 3]
    #[arg(long)]
    nodes: Option<usize>,
    /// How clients read [default: default]
    #[arg(long)]
    reads: Option<Reads>,
    /// How long the lease of a lock lasts, seconds; nobody prolongs it [default: 3600]
    #[arg(long, value_name = "SECONDS")]
    lease: Option<u64>,
    /// Start the nodes with --unsafe-no-fsync: nothing is synced
    #[arg(long)]
    unsafe_no_fsync: bool,
    /// A directory in which etcd is looked for before the PATH, such as one of unpacked packages
    #[arg(long, value_name = "DIR")]
    binaries: Option<PathBuf>,
    /// A directory with the next version of etcd, for `--nemesis upgrade`
    #[arg(long, value_name = "DIR")]
    binaries_next: Option<PathBuf>,
}

impl Options for EtcdSettings {
    const NAME: &'static str = "etcd";
    const ABOUT: &'static str = "etcd, three nodes: etcd as it is installed";
    type Arguments = EtcdArgs;

    /// A single node has no link to cut; the clock is the machine's.
    fn choose(arguments: EtcdArgs, _nemesis: Option<&str>) -> Result<Chosen<Self>, Problem> {
        let usual = Self::default();
        let options = Self {
            nodes: arguments.nodes.unwrap_or(usual.nodes),
            reads: arguments.reads.unwrap_or_default(),
            lease_seconds: arguments.lease.unwrap_or(usual.lease_seconds),
            unsafe_no_fsync: arguments.unsafe_no_fsync,
            binaries: arguments.binaries,
            binaries_next: arguments.binaries_next,
        };
        let nemesis = if options.nodes == 1 { "kill,pause" } else { "partition,kill,pause" };
        let (workload, nemesis) = (Some("cas-register,kv-set,append,watch"), Some(nemesis));
        Ok(Chosen { options, preferences: Preferences { workload, nemesis, ..Preferences::default() } })
    }

    fn arguments(&self) -> Vec<Argument> {
        let shown = |dir: &Option<PathBuf>| dir.as_ref().map(|dir| dir.display().to_string());
        vec![
            Argument::value("nodes", self.nodes),
            Argument::named("reads", &self.reads),
            Argument::value("lease", self.lease_seconds),
            Argument::flag("unsafe-no-fsync", self.unsafe_no_fsync),
            Argument::maybe("binaries", shown(&self.binaries)),
            Argument::maybe("binaries-next", shown(&self.binaries_next)),
        ]
    }

    fn open(self, _seed: u64) -> Result<Box<dyn System>, Problem> {
        Ok(Box::new(Etcd::new(self).map_err(Problem::arguments)?))
    }
}
