//! What is claimed of a system, and what the checks need to know of it.

use std::collections::BTreeSet;

use crate::objects::Model;
use crate::verdict::Property;

/// What the system does with writes that did not see one another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConcurrentWrites {
    /// It keeps all of them as siblings: none may go until a write that has seen it replaces it.
    #[default]
    Kept,
    /// It keeps one (last write wins): the others are legitimately overwritten.
    OneWins,
}

/// What is claimed, and what the checks need to know of the system.
#[derive(Clone, Debug)]
pub struct Options {
    /// The properties whose violation makes the run invalid. All are measured.
    pub claims: BTreeSet<Property>,
    /// Properties claimed for the workloads of one model only: last-write-wins can promise that a register reads its
    /// own writes, but not a set, whose adds a concurrent write may rightly replace.
    pub claims_of_model: BTreeSet<(Property, Model)>,
    /// What becomes of concurrent writes of a register.
    pub concurrent_writes: ConcurrentWrites,
    /// The model of operations that name no workload, or one that is not known.
    pub default_model: Option<Model>,
    /// How many anomalies a property explains; further ones are only counted.
    pub anomalies_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            claims: BTreeSet::new(),
            claims_of_model: BTreeSet::new(),
            concurrent_writes: ConcurrentWrites::default(),
            default_model: None,
            anomalies_max: 20,
        }
    }
}
