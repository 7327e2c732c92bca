//! The names that nodes, requests and batches go by.

use serde::{Deserialize, Serialize};

/// A node of the cluster: its place in the configured membership, from 0. Shown as `n1`, `n2`, ... by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(pub u16);

impl NodeId {
    /// No node: the name under which clients make versions (see [`crate::client`]). A cluster has at most 256 nodes.
    pub const CLIENT: NodeId = NodeId(u16::MAX);
}

/// The driver's name for a client request, unique within one life of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// The node's name for a batch of writes. Grows by one with each batch of one life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersistId(pub u64);
