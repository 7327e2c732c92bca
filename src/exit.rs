//! Exit codes, those of Jepsen: a script can distinguish a broken store from a failure of the bench.

use std::process::ExitCode;

use checker::verdict::Outcome;

/// How the bench ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Every claim held.
    Valid = 0,
    /// A claimed property was violated.
    Invalid = 1,
    /// The run does not show whether its claims hold.
    Inconclusive = 2,
    /// The arguments, or an input file, cannot be used.
    BadArguments = 254,
    /// The bench itself failed.
    BenchFailed = 255,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

impl From<Outcome> for Exit {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Valid => Exit::Valid,
            Outcome::Inconclusive => Exit::Inconclusive,
            Outcome::Invalid => Exit::Invalid,
        }
    }
}

/// Why the bench gave up, in one line for the user.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Problem {
    /// The arguments or an input cannot be used: exit code 254.
    #[error("{0}")]
    BadArguments(String),
    /// The bench itself failed: exit code 255.
    #[error("{0}")]
    BenchFailed(String),
}

impl Problem {
    /// Bad arguments, from any error.
    pub fn arguments(error: impl std::fmt::Display) -> Self {
        Problem::BadArguments(error.to_string())
    }

    /// A failure of the bench, from any error.
    pub fn bench(error: impl std::fmt::Display) -> Self {
        Problem::BenchFailed(error.to_string())
    }

    /// The exit code that belongs to it.
    pub fn exit(&self) -> Exit {
        match self {
            Problem::BadArguments(_) => Exit::BadArguments,
            Problem::BenchFailed(_) => Exit::BenchFailed,
        }
    }
}
