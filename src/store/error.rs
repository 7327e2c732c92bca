//! Why a file of the run directory could not be written or read.

use std::io;
use std::path::{Path, PathBuf};

use super::format::FORMAT;

/// A file of the run directory could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused.
    #[error("cannot {what} {path}: {source}")]
    Io {
        /// `create`, `write`, `read`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not one that a run writes.
    #[error("{path} is damaged: {why}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where and how.
        why: String,
    },
    /// The file was written by a later version.
    #[error(
        "{path} has format {found}, and this version reads up to {FORMAT}: use the version that made it, or a later one"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
}

pub(super) fn failed(what: &'static str, path: &Path, source: io::Error) -> StoreError {
    StoreError::Io { what, path: path.to_owned(), source }
}
