//! A configuration, as `run.json` keeps it.

use std::path::{Path, PathBuf};

use checker::{CheckName, Object};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::topology::Topology;
use crate::arena::launch::Program;

/// As many as Maelstrom's documents have in their examples.
const NODES_USUAL: usize = 5;
/// So many nodes are started at most.
const NODES_MAX: usize = 50;
/// The longest latency, ms.
const LATENCY_MS_MAX: u64 = 60_000;
/// As long as Maelstrom waits.
const SETTLE_MS_USUAL: u64 = 10_000;

/// How the latencies of messages differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum LatencyDistribution {
    /// All are the same
    #[default]
    Constant,
    /// From nothing to twice as long
    Uniform,
    /// Most are short, few many times as long
    Exponential,
}

/// A program that speaks Maelstrom's protocol, and how it is run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MaelstromSettings {
    /// The program and its arguments.
    pub bin: Vec<String>,
    /// How many nodes.
    pub nodes: usize,
    /// Who is whose neighbour.
    pub topology: Topology,
    /// How long a message between nodes, or to a service, is under way on average, ms.
    pub latency_ms: u64,
    /// How that differs.
    pub latency_dist: LatencyDistribution,
    /// How long nodes have after the heal before what they say is final, ms.
    pub settle_ms: u64,
    /// What transactions are held to.
    pub consistency_models: Vec<CheckName>,
    /// Whether nodes keep on disk what they acknowledge.
    pub durable: bool,
}

impl Default for MaelstromSettings {
    fn default() -> Self {
        Self {
            bin: Vec::new(),
            nodes: NODES_USUAL,
            topology: Topology::default(),
            latency_ms: 0,
            latency_dist: LatencyDistribution::default(),
            settle_ms: SETTLE_MS_USUAL,
            consistency_models: vec![CheckName::STRICT_SERIALIZABLE],
            durable: false,
        }
    }
}

/// The settings cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// There is no program.
    #[error(
        "--system maelstrom needs --bin CMD, the program that each node runs: --bin ./node, or --bin \"python3 node.py\""
    )]
    NoProgram,
    /// The command has an open quotation mark.
    #[error("--bin: the quotation marks do not match in {0}")]
    Quotes(String),
    /// There are too few nodes or too many.
    #[error("--nodes is {0}: there can be 1 to {NODES_MAX}")]
    Nodes(usize),
    /// Messages would take too long.
    #[error("--latency is {0} ms: it can be {LATENCY_MS_MAX} ms at most")]
    Latency(u64),
    /// Transactions cannot show it.
    #[error("--consistency-models: {0} is not about transactions")]
    Model(CheckName),
}

impl MaelstromSettings {
    /// Refuses what cannot work.
    ///
    /// # Errors
    /// When something cannot.
    pub fn check(&self) -> Result<(), SettingsError> {
        if self.bin.is_empty() {
            return Err(SettingsError::NoProgram);
        }
        if !(1..=NODES_MAX).contains(&self.nodes) {
            return Err(SettingsError::Nodes(self.nodes));
        }
        if self.latency_ms > LATENCY_MS_MAX {
            return Err(SettingsError::Latency(self.latency_ms));
        }
        let is_of_txn = |model: &&CheckName| [Object::ListAppend, Object::RwRegister].iter().any(|of| model.is_of(*of));
        let strange = self.consistency_models.iter().find(|model| !is_of_txn(model));
        strange.map_or(Ok(()), |model| Err(SettingsError::Model(*model)))
    }

    /// The program: a path from the current directory if there is such a file, as Maelstrom takes it, else looked for on the PATH.
    pub(super) fn program(&self) -> Program {
        let named = self.bin.first().map_or("", String::as_str);
        let path = Path::new(named);
        let directory = || std::path::absolute(path).ok().and_then(|path| path.parent().map(Path::to_owned));
        let binaries: Option<PathBuf> = if named.contains('/') || path.is_file() { directory() } else { None };
        let name = path.file_name().map_or_else(|| named.to_owned(), |name| name.to_string_lossy().into_owned());
        Program::Installed { name: name.into(), binaries, package: "your own program: --bin names it".into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_refused() {
        let settings = |change: fn(&mut MaelstromSettings)| {
            let mut settings = MaelstromSettings { bin: vec!["./node".into()], ..MaelstromSettings::default() };
            change(&mut settings);
            settings.check()
        };
        assert_eq!(settings(|_| {}), Ok(()));
        assert_eq!(settings(|it| it.bin.clear()), Err(SettingsError::NoProgram));
        assert_eq!(settings(|it| it.nodes = 0), Err(SettingsError::Nodes(0)));
        assert_eq!(settings(|it| it.latency_ms = 60_001), Err(SettingsError::Latency(60_001)));
        let about_queues = settings(|it| it.consistency_models = vec![CheckName::TOTAL_QUEUE]);
        assert_eq!(about_queues, Err(SettingsError::Model(CheckName::TOTAL_QUEUE)));
    }

    #[test]
    fn a_program_with_a_directory_is_taken_from_there() {
        let program = |named: &str| {
            let settings = MaelstromSettings { bin: vec![named.to_owned()], ..MaelstromSettings::default() };
            match settings.program() {
                Program::Installed { name, binaries, .. } => (name.into_owned(), binaries),
                Program::Own => panic!("it is not the bench"),
            }
        };
        assert_eq!(program("/opt/x/node"), ("node".into(), Some("/opt/x".into())));
        assert_eq!(program("python3"), ("python3".into(), None));
        assert!(program("./node").1.is_some_and(|directory| directory.is_absolute()));
    }
}
