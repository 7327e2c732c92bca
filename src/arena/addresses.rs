//! Where each node's clients are served at this moment.
//!
//! Shared by the arena, which writes, and clients, who read, some of them from tasks of their own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

/// The address of each node that runs; none while it is down. Clones share the addresses.
#[derive(Clone, Debug, Default)]
pub struct Addresses(Arc<RwLock<BTreeMap<String, SocketAddr>>>);

impl Addresses {
    /// Where this node's clients are served now; none while it is down.
    pub fn of(&self, node: &str) -> Option<SocketAddr> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(node).copied()
    }

    /// Where each running node's clients are served now.
    pub fn all(&self) -> BTreeMap<String, SocketAddr> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes where this node's clients are served from now on; none = nowhere.
    pub fn set(&self, node: &str, at: Option<SocketAddr>) {
        let mut addresses = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match at {
            Some(at) => addresses.insert(node.to_owned(), at),
            None => addresses.remove(node),
        };
    }
}
