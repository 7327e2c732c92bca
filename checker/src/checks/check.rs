//! What every check is: its names, what it judges, and how.
//!
//! Below all checks. [`crate::checks::registry`] lists them.

use crate::finding::{Explainer, Finding};
use crate::history::{History, Operation};
use crate::limits::Limits;
use crate::objects::Object;
use crate::run::faults::Crash;
use crate::run::findings::FaultFinding;
use crate::visibility::WorkloadFacts;

pub use crate::checks::settings::Settings;

/// A check: of one property, or of one consistency model.
pub(crate) trait Check: Sync {
    /// The name: that of the command line, of claims, and of `verdict.json`.
    fn name(&self) -> &'static str;
    /// What is decided, and of which functions and values, in a line.
    fn about(&self) -> &'static str;
    /// What is judged by itself.
    fn scope(&self) -> Scope;
    /// What a key may be; of others nothing is judged. Empty where it does not matter.
    fn objects(&self) -> &'static [Object];
    /// How its findings are to be interpreted.
    fn nature(&self) -> Nature;
    /// Judges.
    fn judge(&self, view: &View<'_>, context: &Context<'_>) -> Finding;
}

/// What is judged by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Each key: it is an object by itself.
    Key,
    /// Each workload, all its keys together.
    Workload,
    /// The whole run.
    Run,
}

/// How the findings of a check are to be interpreted, and what they cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Nature {
    /// Whether a violation among the first events of a history is one of the whole, whatever follows, if what was open then
    /// counts as never completed. Where real time does not count it is not: what was read may be written later. Nor where
    /// the end decides, as with what was lost.
    pub lasting: bool,
    /// Whether its proofs may have needless operations, which are then removed. The others' have none.
    pub shrinks: bool,
    /// What it needs besides the history for each operation, in bytes, if it does not limit itself.
    pub bytes_per_operation: u64,
    /// Whether every run is judged by it, claimed or not; the others only where they are claimed or asked for.
    pub measured: bool,
}

impl Nature {
    /// Of the bench's own workloads, in every run.
    pub(crate) const MEASURED: Nature =
        Nature { lasting: false, shrinks: true, bytes_per_operation: 0, measured: true };
    /// Whatever follows cannot explain it.
    pub(crate) const LASTING: Nature =
        Nature { lasting: true, shrinks: false, bytes_per_operation: 0, measured: false };
    /// By what transactions or sessions show of one another.
    pub(crate) const RELATIONS: Nature =
        Nature { lasting: false, shrinks: true, bytes_per_operation: 0, measured: false };

    /// With so many bytes for an operation.
    pub(crate) const fn needing(self, bytes_per_operation: u64) -> Self {
        Self { bytes_per_operation, ..self }
    }
}

/// What is judged.
#[derive(Clone, Copy, Default)]
pub(crate) struct View<'v> {
    /// What a key is, if that is known.
    pub object: Option<Object>,
    /// The operations as columns.
    pub records: Option<&'v History>,
    /// What is known of each write and read of a workload.
    pub(crate) facts: Option<&'v WorkloadFacts<'v>>,
    /// The operations of the run, for what spans all workloads.
    pub(crate) operations: Option<&'v [Operation<'v>]>,
}

impl<'v> View<'v> {
    /// Of a history that may come from anywhere.
    pub(crate) fn of_records(records: &'v History, object: Option<Object>) -> Self {
        Self { object, records: Some(records), ..Self::default() }
    }

    /// Of one of the bench's own workloads.
    pub(crate) fn of_facts(facts: &'v WorkloadFacts<'v>) -> Self {
        Self { object: Some(facts.model), facts: Some(facts), ..Self::default() }
    }

    /// Of all operations of a run.
    pub(crate) fn of_run(operations: &'v [Operation<'v>]) -> Self {
        Self { operations: Some(operations), ..Self::default() }
    }

    /// Judges by the facts of a workload.
    pub(crate) fn by_facts(&self, judge: impl FnOnce(&WorkloadFacts<'v>) -> Finding) -> Finding {
        self.facts.map_or_else(|| Finding::undecided("only the bench's own workloads are judged by it"), judge)
    }

    /// Judges by the operations of the run.
    pub(crate) fn by_operations(&self, judge: impl FnOnce(&[Operation<'v>]) -> Finding) -> Finding {
        self.operations.map_or_else(|| Finding::undecided("only whole runs of the bench are judged by it"), judge)
    }

    /// Judges by the columns.
    pub(crate) fn by_records(&self, judge: impl FnOnce(&'v History) -> Finding) -> Finding {
        self.records.map_or_else(|| Finding::undecided("the operations are not at hand as columns"), judge)
    }
}

/// What a check uses besides what it judges.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// What it may spend, and how many anomalies are explained.
    pub(crate) limits: Limits<'a>,
    /// What it needs to know, and what is asked for.
    pub(crate) settings: &'a Settings,
    /// The faults of the run.
    pub(crate) faults: &'a [FaultFinding],
    /// When the cluster was healed, ns since the run began.
    pub(crate) heal_ns: Option<u64>,
    /// The faults that nodes do not survive.
    pub(crate) crashes: &'a [Crash<'a>],
}

/// What is known where nothing was said.
static DEFAULT_SETTINGS: Settings = Settings::DEFAULT;

impl Default for Context<'_> {
    fn default() -> Self {
        Self { limits: Limits::default(), settings: &DEFAULT_SETTINGS, faults: &[], heal_ns: None, crashes: &[] }
    }
}

impl<'a> Context<'a> {
    /// For a history about which nothing more is known.
    pub fn new(limits: Limits<'a>, settings: &'a Settings) -> Self {
        Self { limits, settings, ..Self::default() }
    }

    /// What an explanation draws on.
    pub(crate) fn explainer(&self) -> Explainer<'a> {
        Explainer { faults: self.faults, heal_ns: self.heal_ns, anomalies_max: self.limits.anomalies_max }
    }
}
