//! Why a cluster of processes could not be started.

/// The cluster could not be started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ArenaError {
    /// Files, sockets or the clock.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The machine refuses the network of the nodes.
    #[error("{0}")]
    Network(#[source] network::Refused),
    /// Packets cannot be recorded.
    #[error("the packets of the nodes cannot be recorded: {0}")]
    Trace(String),
    /// A node ended or did not answer instead of serving.
    #[error("node {node} did not start: {why}")]
    Node {
        /// The node.
        node: String,
        /// The last line of its log, or what went wrong.
        why: String,
    },
}

/// An error of files, sockets or the clock, with what was tried.
pub(super) fn io(what: &str, source: std::io::Error) -> ArenaError {
    ArenaError::Io { what: what.to_owned(), source }
}
