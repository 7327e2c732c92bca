//! A configuration of etcd, as `run.json` keeps it.

use std::path::PathBuf;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// How clients read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Reads {
    /// As etcd does unless told otherwise: a node asks a majority whether it has everything, then reads
    #[default]
    Default,
    /// A node answers from what it has applied itself, which may be old
    Serializable,
}

/// A configuration of etcd.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EtcdSettings {
    /// How many nodes there are.
    pub nodes: usize,
    /// How clients read.
    pub reads: Reads,
    /// How long the lease of a lock lasts, seconds. Nobody prolongs it.
    pub lease_seconds: u64,
    /// Nothing is synced.
    pub unsafe_no_fsync: bool,
    /// Where `etcd` is looked for before the PATH.
    pub binaries: Option<PathBuf>,
    /// Where the next version of it is; none = there is none.
    pub binaries_next: Option<PathBuf>,
}

impl Default for EtcdSettings {
    fn default() -> Self {
        Self {
            nodes: 3,
            reads: Reads::default(),
            lease_seconds: 3_600,
            unsafe_no_fsync: false,
            binaries: None,
            binaries_next: None,
        }
    }
}

impl EtcdSettings {
    /// More members than that etcd's documents advise against.
    const NODES_MAX: usize = 9;
    /// etcd gives no shorter lease than one and a half elections last.
    const LEASE_SECONDS_MIN: u64 = 2;
    /// A lease that outlives a run many times over.
    const LEASE_SECONDS_MAX: u64 = 86_400;

    /// Refuses what cannot work.
    ///
    /// # Errors
    /// When a number is out of its bounds.
    pub fn check(&self) -> Result<(), SettingsError> {
        match self {
            Self { nodes, .. } if !(1..=Self::NODES_MAX).contains(nodes) => Err(SettingsError::Nodes(*nodes)),
            Self { lease_seconds: s, .. } if !(Self::LEASE_SECONDS_MIN..=Self::LEASE_SECONDS_MAX).contains(s) => {
                Err(SettingsError::Lease(*s))
            }
            _ => Ok(()),
        }
    }
}

/// Settings that cannot work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// No nodes, or too many.
    #[error("--nodes is {0}: etcd has 1 to {max} members", max = EtcdSettings::NODES_MAX)]
    Nodes(usize),
    /// A lease that etcd does not give.
    #[error(
        "--lease is {0}: give {min} to {max} seconds",
        min = EtcdSettings::LEASE_SECONDS_MIN,
        max = EtcdSettings::LEASE_SECONDS_MAX
    )]
    Lease(u64),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_out_of_their_bounds_are_refused() {
        let usual = EtcdSettings::default();
        assert_eq!(usual.check(), Ok(()));
        assert_eq!(EtcdSettings { nodes: 0, ..usual.clone() }.check(), Err(SettingsError::Nodes(0)));
        assert_eq!(EtcdSettings { nodes: 10, ..usual.clone() }.check(), Err(SettingsError::Nodes(10)));
        assert_eq!(EtcdSettings { lease_seconds: 1, ..usual.clone() }.check(), Err(SettingsError::Lease(1)));
        assert_eq!(EtcdSettings { nodes: 9, lease_seconds: 2, ..usual }.check(), Ok(()));
    }

    #[test]
    fn settings_that_say_less_are_read() {
        let read: EtcdSettings = serde_json::from_str("{\"nodes\":1}").expect("older settings are read");
        assert_eq!(read, EtcdSettings { nodes: 1, ..EtcdSettings::default() });
    }
}
