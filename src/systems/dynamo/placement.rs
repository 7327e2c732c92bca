//! Which nodes should hold a key: what either client must know of the ring to read replicas one by one.

use cluster_core::config::Config;
use cluster_core::ring::Ring;
use workloads::store::StoreError;

pub(super) struct Placement {
    names: Vec<String>,
    ring: Ring,
    n: usize,
}

impl Placement {
    pub fn new(config: &Config) -> Self {
        let ring = Ring::of(config).expect("the settings are validated");
        Self { names: config.names.clone(), ring, n: usize::from(config.n) }
    }

    /// Refuses a name that is no node's.
    pub fn check(&self, node: &str) -> Result<(), StoreError> {
        match self.names.iter().any(|name| name == node) {
            true => Ok(()),
            false => Err(StoreError::Refused(format!("there is no node {node}"))),
        }
    }

    /// All nodes by name, in order.
    pub fn nodes(&self) -> Vec<String> {
        self.names.clone()
    }

    /// The key's replicas by name, in order of preference.
    pub fn replicas(&self, key: &str) -> Vec<String> {
        let preference = &self.ring.preference_list(key.as_bytes())[..self.n];
        preference.iter().map(|node| self.names[usize::from(node.0)].clone()).collect()
    }
}
