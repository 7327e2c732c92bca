//! What is claimed of a system, and what it takes to judge that.

use crate::checks::registry::CheckName;
use crate::objects::{ConcurrentWrites, Object};

/// What is claimed, and what the checks need to know of the system.
#[derive(Clone, Debug)]
pub struct Claims {
    /// What makes the run invalid if it is violated. All that can be is measured.
    pub claims: Vec<Claim>,
    /// What becomes of concurrent writes of a register.
    pub concurrent_writes: ConcurrentWrites,
    /// What the keys are of operations that name no workload, or one that is not known.
    pub default_object: Option<Object>,
    /// How many anomalies a check explains; further ones are only counted.
    pub anomalies_max: usize,
}

/// One thing claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// What.
    pub check: CheckName,
    /// Of which workloads.
    pub on: On,
    /// Why the configuration promises it, in a sentence.
    pub reason: String,
}

/// What a claim is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum On {
    /// Every workload, and the run.
    All,
    /// The workload of this name.
    Workload(String),
    /// Every workload of these objects: last-write-wins can promise that a register reads its own writes, but not a set, whose
    /// adds a concurrent write may rightly replace.
    Object(Object),
}

impl Claim {
    /// That something holds of every workload.
    pub fn of_all(check: CheckName, reason: impl Into<String>) -> Self {
        Self { check, on: On::All, reason: reason.into() }
    }

    /// That something holds of every workload of these objects.
    pub fn of_object(check: CheckName, object: Object, reason: impl Into<String>) -> Self {
        Self { check, on: On::Object(object), reason: reason.into() }
    }
}

impl Default for Claims {
    fn default() -> Self {
        Self {
            claims: Vec::new(),
            concurrent_writes: ConcurrentWrites::default(),
            default_object: None,
            anomalies_max: 20,
        }
    }
}

impl Claims {
    /// Whether a check is claimed of a workload, or, if none is given, of the run.
    pub fn include(&self, check: CheckName, workload: Option<(&str, Object)>) -> bool {
        self.claims.iter().filter(|claim| claim.check == check).any(|claim| match &claim.on {
            On::All => true,
            On::Workload(name) => workload.is_some_and(|(workload, _)| workload == name),
            On::Object(object) => workload.is_some_and(|(_, of)| of == *object),
        })
    }

    /// That all of these hold of every workload, for one reason.
    pub fn of_all(checks: impl IntoIterator<Item = CheckName>, reason: &str) -> Self {
        let claims = checks.into_iter().map(|check| Claim::of_all(check, reason)).collect();
        Self { claims, ..Self::default() }
    }
}
