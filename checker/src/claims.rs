//! What is claimed of a system, and what it takes to judge that.

use crate::checks::native::{NATIVE, Native, native};
use crate::checks::registry::{CheckName, Settings};
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
    /// Whether workloads are judged by the properties that are measured in every run, and by those claimed of them. Not so
    /// where only the history as a whole is asked about.
    pub by_workload: bool,
    /// Whether operations are counted and their latencies measured: near the cost of a check in a long history.
    pub statistics: bool,
    /// How many nodes have to run for the system to serve anything: more than half where a majority decides.
    pub nodes_to_serve: usize,
    /// What checks need to know, and what is asked of them.
    pub settings: Settings,
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
    /// Every workload whose operations are gets and puts, and the run: not those in the form of a model, which show other
    /// things.
    GetsAndPuts,
    /// The workload of this name.
    Workload(String),
    /// Every workload of these objects: last-write-wins can promise that a register reads its own writes, but not a set, whose
    /// adds a concurrent write may replace.
    Object(Object),
    /// The whole history, every key of which is such an object (none: whatever its operations look like).
    History(Option<Object>),
}

impl Claim {
    /// That something holds of every workload.
    pub fn of_all(check: CheckName, reason: impl Into<String>) -> Self {
        Self { check, on: On::All, reason: reason.into() }
    }

    /// That something holds of every workload whose operations are gets and puts.
    pub fn of_gets_and_puts(check: CheckName, reason: impl Into<String>) -> Self {
        Self { check, on: On::GetsAndPuts, reason: reason.into() }
    }

    /// That something holds of the workload of this name.
    pub fn of_workload(check: CheckName, workload: &str, reason: impl Into<String>) -> Self {
        Self { check, on: On::Workload(workload.to_owned()), reason: reason.into() }
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
            by_workload: true,
            statistics: true,
            nodes_to_serve: 1,
            settings: Settings::default(),
        }
    }
}

impl Claims {
    /// Whether a check is claimed of a workload, or, if none is given, of the run.
    pub(crate) fn include(&self, check: CheckName, workload: Option<(&str, Object)>) -> bool {
        self.claims.iter().filter(|claim| claim.check == check).any(|claim| match &claim.on {
            On::All => true,
            On::GetsAndPuts => workload.is_none_or(|(name, _)| native(name).is_none()),
            On::Workload(name) => workload.is_some_and(|(workload, _)| workload == name),
            On::Object(object) => workload.is_some_and(|(_, of)| of == *object),
            On::History(_) => false,
        })
    }

    /// The name under which operations are judged that name no workload; empty if nothing is known of them.
    pub(crate) fn unnamed(&self) -> &'static str {
        self.default_object.map_or("", Object::name)
    }

    /// That one thing holds of a whole history, whose keys are such objects; nothing else is judged.
    pub fn of_history(check: CheckName, object: Option<Object>) -> Self {
        let reason = "it was asked for".to_owned();
        let claims = vec![Claim { check, on: On::History(object), reason }];
        Self { claims, by_workload: false, ..Self::default() }
    }

    /// That everything holds which is measured in every run, for one reason.
    pub fn of_measured(reason: &str) -> Self {
        let claim = |check, on| Claim { check, on, reason: reason.to_owned() };
        let of_native = |native: &'static Native| {
            native.measured.iter().map(move |check| (*check, On::Workload(native.name.to_owned())))
        };
        let of_all = CheckName::measured().map(|check| (check, On::GetsAndPuts));
        let claims = of_all.chain(NATIVE.iter().flat_map(of_native)).map(|(check, on)| claim(check, on)).collect();
        Self { claims, ..Self::default() }
    }

    /// That all of these hold of every workload, for one reason.
    pub fn of_all(checks: impl IntoIterator<Item = CheckName>, reason: &str) -> Self {
        let claims = checks.into_iter().map(|check| Claim::of_all(check, reason)).collect();
        Self { claims, ..Self::default() }
    }
}
