//! A configuration of MariaDB with Galera, as `run.json` keeps it.

use std::path::PathBuf;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::sql::options::{Isolation, Updates};

/// What becomes of the log when a transaction commits (`innodb_flush_log_at_trx_commit`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum FlushLog {
    /// It is written and synced
    #[default]
    Synced,
    /// It is written, and synced once a second
    Written,
    /// It is written and synced once a second, as Galera's documents advise
    Later,
}

impl FlushLog {
    /// As the variable has it.
    pub fn number(self) -> u8 {
        match self {
            FlushLog::Synced => 1,
            FlushLog::Written => 2,
            FlushLog::Later => 0,
        }
    }
}

/// A configuration of MariaDB.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GaleraSettings {
    /// How many nodes there are: one without Galera, or at least three.
    pub nodes: usize,
    /// Of the clients' transactions.
    pub isolation: Isolation,
    /// How clients add to what there is.
    pub updates: Updates,
    /// A transaction of REPEATABLE READ fails where it would overwrite a change that it does not see.
    pub snapshot_isolation: bool,
    /// A node has what was committed elsewhere before it reads (`wsrep_sync_wait`).
    pub sync_wait: bool,
    /// What becomes of the log at a commit.
    pub flush_log: FlushLog,
    /// Where the programs are looked for first.
    pub binaries: Option<PathBuf>,
}

impl Default for GaleraSettings {
    fn default() -> Self {
        Self {
            nodes: 3,
            isolation: Isolation::RepeatableRead,
            updates: Updates::default(),
            snapshot_isolation: false,
            sync_wait: false,
            flush_log: FlushLog::default(),
            binaries: None,
        }
    }
}

impl GaleraSettings {
    /// Of two, one alone is no majority.
    const NODES_MIN: usize = 3;
    const NODES_MAX: usize = 9;

    /// Refuses what cannot work.
    ///
    /// # Errors
    /// When there are no such clusters, or when other nodes are waited for and there are none.
    pub fn check(&self) -> Result<(), SettingsError> {
        match self.nodes {
            1 if self.sync_wait => Err(SettingsError::SyncWait),
            1 | Self::NODES_MIN..=Self::NODES_MAX => Ok(()),
            nodes => Err(SettingsError::Nodes(nodes)),
        }
    }
}

/// Settings that cannot work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// No nodes, too few for a majority, or too many.
    #[error(
        "--nodes is {0}: there is one without Galera, or {min} to {max} with it",
        min = GaleraSettings::NODES_MIN,
        max = GaleraSettings::NODES_MAX
    )]
    Nodes(usize),
    /// There is nobody to wait for.
    #[error("--sync-wait needs several nodes")]
    SyncWait,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_node_or_a_cluster_that_can_lose_one() {
        let checked = |nodes, sync_wait| GaleraSettings { nodes, sync_wait, ..GaleraSettings::default() }.check();
        assert!([1, 3, 9].into_iter().all(|nodes| checked(nodes, false) == Ok(())));
        assert!([0, 2, 10].into_iter().all(|nodes| checked(nodes, false) == Err(SettingsError::Nodes(nodes))));
        assert_eq!((checked(3, true), checked(1, true)), (Ok(()), Err(SettingsError::SyncWait)));
    }

    #[test]
    fn settings_that_say_less_are_read() {
        let read: GaleraSettings = serde_json::from_str(r#"{"nodes":1}"#).expect("older settings are read");
        assert_eq!(read, GaleraSettings { nodes: 1, ..GaleraSettings::default() });
    }
}
