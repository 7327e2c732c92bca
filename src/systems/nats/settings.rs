//! A configuration of NATS, as `run.json` keeps it.

use std::path::PathBuf;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// When a node syncs what it has written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum SyncInterval {
    /// As it does unless told otherwise: every two minutes
    #[default]
    Default,
    /// Before it acknowledges a write; needs a server of version 2.10 or later
    Always,
}

/// A configuration of NATS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NatsSettings {
    /// How many nodes there are, each with a replica of every stream: 1, 3 or 5.
    pub nodes: usize,
    /// When a node syncs.
    pub sync_interval: SyncInterval,
    /// Where `nats-server` is looked for before the PATH.
    pub binaries: Option<PathBuf>,
    /// Where the next version of it is; none = there is none.
    pub binaries_next: Option<PathBuf>,
}

impl Default for NatsSettings {
    fn default() -> Self {
        Self { nodes: 3, sync_interval: SyncInterval::default(), binaries: None, binaries_next: None }
    }
}

impl NatsSettings {
    /// Refuses what cannot work.
    ///
    /// # Errors
    /// When streams cannot have so many replicas.
    pub fn check(&self) -> Result<(), SettingsError> {
        match self.nodes {
            1 | 3 | 5 => Ok(()),
            nodes => Err(SettingsError(nodes)),
        }
    }
}

/// Streams cannot have a replica on each of so many nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("--nodes is {0}: a stream of NATS has 1, 3 or 5 replicas")]
pub struct SettingsError(pub usize);
