//! What may be chosen of transactions, whatever the database.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// How isolated transactions are from each other, as SQL names it. What a name means, each database says for itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// SERIALIZABLE
    #[default]
    Serializable,
    /// REPEATABLE READ
    RepeatableRead,
    /// READ COMMITTED
    ReadCommitted,
}

impl Isolation {
    /// As a statement has it.
    pub fn sql(self) -> &'static str {
        match self {
            Isolation::Serializable => "SERIALIZABLE",
            Isolation::RepeatableRead => "REPEATABLE READ",
            Isolation::ReadCommitted => "READ COMMITTED",
        }
    }
}

/// How a client adds to a counter or appends to a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Updates {
    /// It selects what there is, and updates that to what it computes
    #[default]
    SelectThenUpdate,
    /// One statement updates it
    InPlace,
}
