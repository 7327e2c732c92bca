//! Why a file does not describe a store, with the key that is wrong.

use std::path::PathBuf;

/// A file that does not describe a store.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("cannot read {path}: {error}")]
    Unread {
        /// Which.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// It is no TOML, or a key is unknown or missing.
    #[error("{path}: {error}")]
    Strange {
        /// Which.
        path: PathBuf,
        /// What is wrong, and where.
        error: toml::de::Error,
    },
    /// It cannot work.
    #[error("{key}: {why}")]
    Wrong {
        /// The key.
        key: String,
        /// Why not.
        why: String,
    },
}

/// The key that is wrong, and why.
pub(super) fn wrong(key: impl Into<String>, why: impl Into<String>) -> ConfigError {
    ConfigError::Wrong { key: key.into(), why: why.into() }
}
