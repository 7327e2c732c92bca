//! A configuration of PostgreSQL, as `run.json` keeps it.

use std::path::PathBuf;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::sql::options::{Isolation, Updates};

/// Where transactions that only read are done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Reads {
    /// At the primary, as all others
    #[default]
    Primary,
    /// At the client's node, whatever it is; on a standby SERIALIZABLE is REPEATABLE READ
    Standby,
}

/// When a commit is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum SynchronousCommit {
    /// When the log is synced that has it
    #[default]
    On,
    /// At once; the log is written and synced a little later
    Off,
}

/// A configuration of PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PostgresSettings {
    /// How many nodes there are: one, or a primary and at least two standbys.
    pub nodes: usize,
    /// Of the clients' transactions.
    pub isolation: Isolation,
    /// How clients add to what there is.
    pub updates: Updates,
    /// Where clients read.
    pub reads: Reads,
    /// When a commit is acknowledged.
    pub synchronous_commit: SynchronousCommit,
    /// How many standbys must have a commit on disk, whichever they are.
    pub synchronous_standbys: usize,
    /// Nothing is synced.
    pub no_fsync: bool,
    /// Where the programs are looked for first.
    pub binaries: Option<PathBuf>,
}

impl Default for PostgresSettings {
    fn default() -> Self {
        Self {
            nodes: 1,
            isolation: Isolation::default(),
            updates: Updates::default(),
            reads: Reads::default(),
            synchronous_commit: SynchronousCommit::default(),
            synchronous_standbys: 0,
            no_fsync: false,
            binaries: None,
        }
    }
}

impl PostgresSettings {
    /// Of fewer, none is a majority without the primary, and nobody would be promoted.
    const NODES_MIN: usize = 3;
    const NODES_MAX: usize = 9;

    /// Refuses what cannot work.
    ///
    /// # Errors
    /// When there are no such clusters, or more standbys are waited for than there are.
    pub fn check(&self) -> Result<(), SettingsError> {
        let Self { nodes, synchronous_standbys: waits_for, .. } = *self;
        match nodes {
            1 | Self::NODES_MIN..=Self::NODES_MAX if waits_for < nodes => Ok(()),
            1 | Self::NODES_MIN..=Self::NODES_MAX => Err(SettingsError::Standbys(waits_for, nodes - 1)),
            _ => Err(SettingsError::Nodes(nodes)),
        }
    }
}

/// Settings that cannot work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// No nodes, too few for a failover, or too many.
    #[error(
        "--nodes is {0}: there is one, or {min} to {max} so that a majority can replace the primary",
        min = PostgresSettings::NODES_MIN,
        max = PostgresSettings::NODES_MAX
    )]
    Nodes(usize),
    /// More standbys than there are.
    #[error("--synchronous-standbys is {0}, but the primary has {1} standbys")]
    Standbys(usize, usize),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(nodes: usize, synchronous_standbys: usize) -> Result<(), SettingsError> {
        PostgresSettings { nodes, synchronous_standbys, ..PostgresSettings::default() }.check()
    }

    #[test]
    fn there_is_one_node_or_a_majority_without_the_primary() {
        for nodes in [1, 3, 9] {
            assert_eq!(checked(nodes, 0), Ok(()));
        }
        for nodes in [0, 2, 10] {
            assert_eq!(checked(nodes, 0), Err(SettingsError::Nodes(nodes)));
        }
        assert_eq!(checked(3, 2), Ok(()));
        assert_eq!(checked(3, 3), Err(SettingsError::Standbys(3, 2)));
        assert_eq!(checked(1, 1), Err(SettingsError::Standbys(1, 0)));
    }

    #[test]
    fn settings_that_say_less_are_read() {
        let read: PostgresSettings = serde_json::from_str(r#"{"nodes":3}"#).expect("older settings are read");
        assert_eq!(read, PostgresSettings { nodes: 3, ..PostgresSettings::default() });
    }
}
