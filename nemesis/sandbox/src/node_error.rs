//! Why an operation on a node has failed: what was asked for, and what was seen instead.

use std::io;
use std::time::Duration;

use crate::keeper::End;

/// How long init may take to carry out an order.
pub(crate) const ORDER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an order may take to show in `/proc`.
pub(crate) const EFFECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Why an operation on a node has failed.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// It has ended.
    #[error("the node has ended: {0:?}")]
    Ended(End),
    /// Init did not answer.
    #[error("the node's init did not carry out {order} within {ORDER_TIMEOUT:?}")]
    Silent {
        /// The order.
        order: String,
    },
    /// Init could not carry out the order.
    #[error("the node's init could not carry out {order}: {source}")]
    Refused {
        /// The order.
        order: String,
        /// Why.
        source: io::Error,
    },
    /// The order was carried out, and its effect was not seen.
    #[error("after {EFFECT_TIMEOUT:?} the node is not {wanted}; {seen}")]
    NoEffect {
        /// What was wanted: `stopped`, `running`, `dead`.
        wanted: &'static str,
        /// What was seen last.
        seen: String,
    },
    /// A process could not be changed.
    #[error("{what} of process {pid} cannot be set: {source}")]
    Process {
        /// What.
        what: String,
        /// Its pid.
        pid: i32,
        /// Why.
        source: io::Error,
    },
    /// A value that makes no sense.
    #[error("{0}")]
    Value(String),
    /// `/proc` or a file system cannot be read.
    #[error("{what} cannot be read: {source}")]
    Read {
        /// What.
        what: String,
        /// Why.
        source: io::Error,
    },
}

impl NodeError {
    /// `/proc` could not be read.
    pub(crate) fn proc(source: io::Error) -> Self {
        Self::Read { what: "/proc".to_owned(), source }
    }
}
