//! Which nodes should hold a key: what either client must know of the ring to read replicas one by one.

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
    /// What a node has said of where keys belong since members came or went.
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

    /// Refuses a name that is no node's.
    pub fn check(&self, node: &str) -> Result<(), StoreError> {
        match self.names.iter().any(|name| name == node) {
            true => Ok(()),
            false => Err(StoreError::Refused(format!("there is no node {node}"))),
        }
    }

    /// The nodes that clients talk to, by name, in order: the founders. One that leaves still forwards.
    pub fn nodes(&self) -> Vec<String> {
        self.names[..self.founders].to_vec()
    }

    /// Takes a node's word for who is preferred for a key.
    pub fn locate(&self, key: &str, mut preference: Vec<String>) {
        preference.truncate(self.n);
        self.located.borrow_mut().insert(key.to_owned(), preference);
    }

    /// The key's replicas by name, in order of preference: as a node has said, or as the founders place them.
    pub fn replicas(&self, key: &str) -> Vec<String> {
        if let Some(located) = self.located.borrow().get(key) {
            return located.clone();
        }
        let preference = &self.ring.preference_list(key.as_bytes())[..self.n];
        preference.iter().map(|node| self.names[usize::from(node.0)].clone()).collect()
    }
}
