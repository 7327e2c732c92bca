//! How a check, or a whole run, came out.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a check, or a whole run, came out. Ordered by severity, so merging is `max`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Every claim held, and the run was fit to show it.
    #[default]
    Valid,
    /// Nothing claimed was broken, but the run does not prove it: a fault without evidence, no successful operation.
    Inconclusive,
    /// A claimed property was violated.
    Invalid,
}

impl Outcome {
    /// The worse of the two.
    pub fn merge(self, other: Self) -> Self {
        self.max(other)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Outcome::Valid => "valid",
            Outcome::Inconclusive => "inconclusive",
            Outcome::Invalid => "invalid",
        })
    }
}
