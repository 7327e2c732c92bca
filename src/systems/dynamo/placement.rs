//! Which nodes should hold a key: what both clients need to know about the ring to read replicas one by one.

use std::cell::RefCell;
use std::collections::BTreeMap;

use cluster_core::config::Config;
use cluster_core::ring::Ring;
use workloads::store::StoreError;

pub(super) struct Placement {
    names: Vec<String>,
    ring: Ring,
    n: usize,
    founders: usize,
    /// The replicas of keys as a node has reported them after a change of the membership.
    located: RefCell<BTreeMap<String, Vec<String>>>,
}

impl Placement {
    pub fn new(config: &Config) -> Self {
        let ring = Ring::of(config).expect("the settings are validated");
        Self {
            names: config.names.clone(),
            ring,
            n: usize::from(config.n),
            founders: usize::from(config.founders()),
            located: RefCell::default(),
        }
    }

    /// Refuses a name of no node.
    pub fn check(&self, node: &str) -> Result<(), StoreError> {
        match self.names.iter().any(|name| name == node) {
            true => Ok(()),
            false => Err(StoreError::Refused(format!("there is no node {node}"))),
        }
    }

    /// The nodes that clients talk to, by name, in order: the founders. A founder that has left still forwards
    /// requests.
    pub fn nodes(&self) -> Vec<String> {
        self.names[..self.founders].to_vec()
    }

    /// Keeps the preference list of a key that a node has reported.
    pub fn locate(&self, key: &str, mut preference: Vec<String>) {
        preference.truncate(self.n);
        self.located.borrow_mut().insert(key.to_owned(), preference);
    }

    /// The key's replicas by name, in order of preference: as a node has reported, or else as the founders' ring places
    /// them.
    pub fn replicas(&self, key: &str) -> Vec<String> {
        if let Some(located) = self.located.borrow().get(key) {
            return located.clone();
        }
        let preference = &self.ring.preference_list(key.as_bytes())[..self.n];
        preference.iter().map(|node| self.names[usize::from(node.0)].clone()).collect()
    }
}
