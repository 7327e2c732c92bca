//! A configuration of Redis, as `run.json` keeps it.

use std::path::PathBuf;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// When a write is in the append-only file, and when that is synced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum AppendFsync {
    /// Synced before it is acknowledged
    #[default]
    Always,
    /// Written before it is acknowledged, synced once a second
    Everysec,
    /// There is no append-only file, nor any other
    Off,
}

/// A configuration of Redis.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedisSettings {
    /// What becomes of a write.
    pub appendfsync: AppendFsync,
    /// Where `redis-server` is looked for before the PATH.
    pub binaries: Option<PathBuf>,
}
