//! Why a request was not done.

use serde::{Deserialize, Serialize};

/// Why a request was not done, and whether it may have happened all the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
pub enum Failure {
    /// The request itself is wrong: a malformed or foreign context, quorum numbers outside N. Nothing happened. HTTP 400.
    #[error("{0}")]
    BadRequest(String),
    /// Too few replicas could be reached, or too much is under way, and nothing was written anywhere. HTTP 503.
    #[error("{0}")]
    Unavailable(String),
    /// Too few replicas answered in time; a write may have happened, or still may. HTTP 504.
    #[error("{0}")]
    Unknown(String),
}
