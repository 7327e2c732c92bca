//! Maelstrom's nodes as a row of the registry: their arguments, and what they come to.

use checker::CheckName;
use clap::Args;

use super::settings::{LatencyDistribution, MaelstromSettings, SettingsError};
use super::system::Maelstrom;
use super::topology::Topology;
use crate::exit::Problem;
use crate::systems::row::{Argument, Chosen, Options, Preferences};
use crate::systems::system::System;

/// Its arguments.
#[derive(Args, Clone)]
#[command(next_help_heading = "Options of maelstrom")]
pub struct MaelstromArgs {
    /// The program that each node runs, with its arguments (docs/maelstrom.md)
    #[arg(long, value_name = "CMD")]
    bin: Option<String>,
    /// How many nodes [default: 5]
    #[arg(long)]
    nodes: Option<usize>,
    /// Who is whose neighbour in the workload broadcast [default: grid]
    #[arg(long)]
    topology: Option<Topology>,
    /// How long messages between nodes, and to services, are under way on average, ms [default: 0]
    #[arg(long, value_name = "MS")]
    latency: Option<u64>,
    /// How that differs from message to message [default: constant]
    #[arg(long, value_name = "DIST")]
    latency_dist: Option<LatencyDistribution>,
    /// How long nodes have after the heal before what they say is final, ms [default: 10000]
    #[arg(long, value_name = "MS")]
    settle: Option<u64>,
    /// What transactions are held to, separated by commas [default: strict-serializable]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    consistency_models: Vec<CheckName>,
    /// Nodes keep on disk what they acknowledge (in $DISSENSUS_DATA), so they can be killed
    #[arg(long)]
    durable: bool,
}

impl Options for MaelstromSettings {
    const NAME: &'static str = "maelstrom";
    const ABOUT: &'static str = "a program that speaks Maelstrom's protocol on its standard input and output";
    type Arguments = MaelstromArgs;

    /// As in Maelstrom nothing is done to nodes unless it is asked for.
    fn choose(arguments: MaelstromArgs, _nemesis: Option<&str>) -> Result<Chosen<Self>, Problem> {
        let usual = Self::default();
        let command = arguments.bin.unwrap_or_default();
        let bin = shlex::split(&command).ok_or_else(|| Problem::arguments(SettingsError::Quotes(command)))?;
        let models = arguments.consistency_models;
        let options = Self {
            bin,
            nodes: arguments.nodes.unwrap_or(usual.nodes),
            topology: arguments.topology.unwrap_or_default(),
            latency_ms: arguments.latency.unwrap_or_default(),
            latency_dist: arguments.latency_dist.unwrap_or_default(),
            settle_ms: arguments.settle.unwrap_or(usual.settle_ms),
            consistency_models: if models.is_empty() { usual.consistency_models } else { models },
            durable: arguments.durable,
        };
        options.check().map_err(Problem::arguments)?;
        let preferences = Preferences { workload: Some("echo"), nemesis: Some("none"), ..Preferences::default() };
        Ok(Chosen { options, preferences })
    }

    fn arguments(&self) -> Vec<Argument> {
        let models: Vec<&str> = self.consistency_models.iter().map(|model| model.name()).collect();
        let bin = shlex::try_join(self.bin.iter().map(String::as_str)).ok();
        let quoted = bin.and_then(|bin| shlex::try_quote(&bin).ok().map(std::borrow::Cow::into_owned));
        vec![
            Argument::maybe("bin", quoted.filter(|_| !self.bin.is_empty())),
            Argument::value("nodes", self.nodes),
            Argument::named("topology", &self.topology),
            Argument::value("latency", self.latency_ms),
            Argument::named("latency-dist", &self.latency_dist),
            Argument::value("settle", self.settle_ms),
            Argument::value("consistency-models", models.join(",")),
            Argument::flag("durable", self.durable),
        ]
    }

    fn open(self, seed: u64) -> Result<Box<dyn System>, Problem> {
        Ok(Box::new(Maelstrom::new(self, seed).map_err(Problem::arguments)?))
    }
}
