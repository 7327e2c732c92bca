//! A session of a database: a connection on which one statement follows the other.

use futures::future::LocalBoxFuture;

/// What a session comes to; an error says what is known of the statement.
pub type SessionFuture<'a, T> = LocalBoxFuture<'a, Result<T, Failure>>;

/// A database of one node or many.
pub trait Database {
    /// A new session through this node. It fails where none was opened, so nothing was asked.
    fn open<'a>(&'a self, node: &'a str, access: Access) -> LocalBoxFuture<'a, Result<Box<dyn Session>, String>>;
}

/// What a session is for. Databases with replicas may do these at different nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Transactions that may change something.
    Write,
    /// Transactions that only read.
    Read,
}

/// A session. It is given up, which ends its transaction without effect, by dropping it.
pub trait Session {
    /// Executes a statement.
    fn run<'a>(&'a mut self, statement: &'a str) -> SessionFuture<'a, Answer>;
}

/// What a statement came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// What it returned; none of a row's values is null in the tables of the workloads.
    pub rows: Vec<Vec<String>>,
    /// How many rows it has found to change.
    pub changed: u64,
}

/// Why a statement failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The database says so.
    #[error("{why} ({state})")]
    Refused {
        /// The SQLSTATE, of five characters; its first two are a class.
        state: String,
        /// In words.
        why: String,
    },
    /// The connection is lost, or makes no sense: what became of the statement is unknown.
    #[error("{0}")]
    Lost(String),
}

impl Failure {
    /// Classes of SQLSTATE that say that a transaction was rolled back although it was told to commit: a constraint, a
    /// transaction that was read-only or had failed, a deadlock or a conflict.
    const ROLLED_BACK: [&str; 3] = ["23", "25", "40"];

    /// Whether a transaction whose commit failed like this has certainly no effect.
    pub fn is_rolled_back(&self) -> bool {
        matches!(self, Failure::Refused { state, .. } if Self::ROLLED_BACK.iter().any(|class| state.starts_with(class)))
    }
}

/// A text as a literal. Sessions take a backslash as it is.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_conflicts_are_certain_to_be_rolled_back() {
        let refused = |state: &str| Failure::Refused { state: state.into(), why: String::new() };
        for state in ["40001", "40P01", "23505", "25006"] {
            assert!(refused(state).is_rolled_back(), "{state}");
        }
        for state in ["57P01", "08S01", "53100", "XX000"] {
            assert!(!refused(state).is_rolled_back(), "{state}: the node may have committed before it ended");
        }
        assert!(!Failure::Lost("40001".into()).is_rolled_back());
    }

    #[test]
    fn a_literal_ends_where_its_text_does() {
        assert_eq!(quoted("it's\\"), "'it''s\\'");
    }
}
