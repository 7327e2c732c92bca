//! What faults affect: links between nodes, and classes of things that can fail independently of each other.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The end of links that stands for all clients, as if it were one more node.
pub const CLIENTS: &str = "clients";

/// A directed link between two nodes: what `from` sends to `to`. Written `n1 -> n2`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Link {
    /// The sender's name.
    pub from: String,
    /// The receiver's name.
    pub to: String,
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", self.from, self.to)
    }
}

/// Not of the form `n1 -> n2`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a link: write \"n1 -> n2\"")]
pub struct NotALink(pub String);

impl FromStr for Link {
    type Err = NotALink;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (from, to) = text.split_once("->").ok_or_else(|| NotALink(text.to_owned()))?;
        Ok(Self { from: from.trim().to_owned(), to: to.trim().to_owned() })
    }
}

impl Serialize for Link {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Link {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// What a fault affects. Two faults of different classes may be active on a node at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Links: cut, slow, lossy, ...
    Network,
    /// Processes: kill, pause, limits, and everything else that a node may not survive.
    Process,
    /// Wall clocks: bump, drift, strobe.
    Clock,
    /// The membership: join, leave.
    Membership,
    /// Disks of nodes that go on running: slow ones, and such that lie.
    Disk,
}
