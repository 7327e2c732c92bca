//! `run.json`: what was run, when, and the command that repeats it.

use serde::{Deserialize, Serialize};

use crate::run::settings::RunSettings;

/// `run.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// [`super::FORMAT`].
    pub format: u32,
    /// The version of the bench.
    pub version: String,
    /// When the run began, UTC, ISO 8601.
    pub started_utc: String,
    /// The command that repeats it.
    pub command: String,
    /// The whole configuration.
    pub settings: RunSettings,
    /// The nodes' names.
    pub nodes: Vec<String>,
    /// The time from the start of the bench to the first acknowledged write, ms; none until then.
    pub first_ack_ms: Option<u64>,
    /// The time from the start of the bench to the end of the run, ms; none during the run, and if the bench was
    /// killed.
    pub took_ms: Option<u64>,
}
