//! What a check returns, and how it explains an anomaly.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::history::{Event, History, Op, Operation, Phase, ProcessName};
use crate::limits::Limits;
use crate::outcome::Outcome;
use crate::run::findings::{FaultFinding, active_between};

/// How many doubts a summary spells out.
const DOUBTS_SHOWN: usize = 3;

/// One violation, explained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Anomaly {
    /// What it is called: `lost-write`, `stale-read`, `diverged-key`, ...
    pub kind: String,
    /// The key concerned, if there is one.
    pub key: Option<String>,
    /// The process whose guarantee was violated, if there is one.
    pub process: Option<ProcessName>,
    /// What happened and why it is a violation, in a sentence or two that name values, nodes and times.
    pub explanation: String,
    /// Indices of the history events that prove it, in order: those of the fewest operations that are a violation by themselves.
    /// Judged as a history of their own they violate the same property in the same way; without any one of them they do not.
    /// What other operations should have done and did not is only in the explanation, which is about the whole history.
    pub events: Vec<u64>,
    /// Indices of the events of further operations that help to understand it, in order: the last read that saw a lost write.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub context: Vec<u64>,
    /// Ids of the faults that were active between the first and the last of them.
    pub faults: Vec<u64>,
    /// The first moment concerned, ns since the run began.
    pub from_ns: u64,
    /// The last moment concerned, ns since the run began.
    pub to_ns: u64,
    /// The cycle of transactions, if it is one: each edge ends where the next begins, the last where the first does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edges: Vec<Edge>,
}

/// Why one transaction comes before another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// The index of the event that invoked the earlier.
    pub from: u64,
    /// The index of the event that invoked the later.
    pub to: u64,
    /// The kind of dependency, and the key if it is of one: `rw x`, `process`, `real time`.
    pub label: String,
}

/// What one check found: of a key, of a workload, of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Finding {
    /// How often it was violated.
    pub violations: u64,
    /// Why it could not be decided, a clause each.
    pub doubts: Vec<String>,
    /// The finding in a clause, whatever the outcome; empty if there is nothing to say but the doubts.
    pub headline: String,
    /// Figures by name; the unit is the name's end (`stale_ms_p99`).
    pub figures: BTreeMap<String, f64>,
    /// The violations that are explained.
    pub(crate) anomalies: Anomalies,
    /// The strongest consistency models that what was found does not rule out; asked for by name, one may be refuted all the
    /// same. Only checks of transactions fill it.
    pub strongest: Vec<String>,
}

impl Finding {
    /// Invalid if violated, else inconclusive if in doubt, else valid.
    pub fn outcome(&self) -> Outcome {
        match (self.violations, self.doubts.is_empty()) {
            (0, true) => Outcome::Valid,
            (0, false) => Outcome::Inconclusive,
            _ => Outcome::Invalid,
        }
    }

    /// The headline, with the first doubts.
    pub fn summary(&self) -> String {
        let headline = Some(&self.headline).filter(|headline| !headline.is_empty());
        let mut clauses: Vec<&str> = headline.into_iter().map(String::as_str).collect();
        clauses.extend(self.doubts.iter().take(DOUBTS_SHOWN).map(String::as_str));
        let mut summary = clauses.join("; ");
        if self.doubts.len() > DOUBTS_SHOWN {
            summary.push_str(&format!("; and {} more doubts", self.doubts.len() - DOUBTS_SHOWN));
        }
        summary
    }

    /// Nothing could be decided, and why.
    pub(crate) fn undecided(why: impl Into<String>) -> Self {
        Self { doubts: vec![why.into()], ..Self::default() }
    }

    /// Adds a reason why it cannot be decided.
    pub(crate) fn doubt(&mut self, why: impl Into<String>) {
        self.doubts.push(why.into());
    }

    /// Sets a figure.
    pub(crate) fn figure(&mut self, name: &str, value: impl Into<f64>) {
        self.figures.insert(name.to_owned(), value.into());
    }

    /// The violations that are explained, the first ones.
    pub fn explained(&self) -> impl ExactSizeIterator<Item = &Anomaly> {
        self.anomalies.kept.iter().map(|kept| &kept.anomaly)
    }

    /// Counts a violation, and keeps it with its explanation if there is room; the explanation is only made then. The faults
    /// of its time are added by [`crate::checks::registry::judge`].
    pub(crate) fn violated<'d>(&mut self, limits: &Limits<'_>, draft: impl FnOnce() -> Draft<'d>) {
        self.violations += 1;
        let explainer = Explainer { faults: &[], heal_ns: None, anomalies_max: limits.anomalies_max };
        explainer.add(&mut self.anomalies, draft);
    }
}

/// For how many reads a property was decided, and for how many it could not be.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ReadTally {
    pub judged: u64,
    pub undecided: u64,
}

impl ReadTally {
    /// Counts the reads flagged.
    pub(crate) fn add(&mut self, judged: &[bool], undecided: &[bool]) {
        let count = |flags: &[bool]| flags.iter().filter(|flag| **flag).count() as u64;
        self.judged += count(judged);
        self.undecided += count(undecided);
    }

    /// Adds those of another key.
    pub(crate) fn merge(&mut self, other: Self) {
        self.judged += other.judged;
        self.undecided += other.undecided;
    }

    /// Completes a finding whose violations are reads, which `did` something; `untested` says why no read was judged,
    /// where that is a doubt.
    pub(crate) fn conclude(self, finding: &mut Finding, did: &str, untested: Option<&str>) {
        let Self { judged, undecided } = self;
        finding.doubts.extend(untested.filter(|_| judged == 0).map(str::to_owned));
        if undecided > 0 {
            finding.doubts.push(format!("{undecided} reads returned a write of unknown outcome and causal past"));
        }
        finding.headline = format!("{} of {judged} reads {did}", finding.violations);
        finding.figures = BTreeMap::from([
            ("reads-judged".to_owned(), judged as f64),
            ("violations".to_owned(), finding.violations as f64),
            ("undecided".to_owned(), undecided as f64),
        ]);
    }
}

/// The anomalies kept, and how many there were.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Anomalies {
    /// The first ones, at most [`Limits::anomalies_max`].
    pub kept: Vec<Kept>,
    /// How many there are in all.
    pub total: u64,
}

impl std::ops::Index<usize> for Anomalies {
    type Output = Anomaly;
    fn index(&self, at: usize) -> &Anomaly {
        &self.kept[at].anomaly
    }
}

/// An anomaly that is explained.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kept {
    /// As it is shown.
    pub anomaly: Anomaly,
    /// What proves it.
    pub proof: Vec<EventSpan>,
    /// What helps to understand it.
    pub context: Vec<EventSpan>,
    /// Whether some of the operations may be needless, which are then removed: see `checks/minimal.rs`.
    pub shrinks: Option<Shrinks>,
}

/// The events of an operation, or an event of the nemesis: index and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventSpan {
    /// Of the invocation, or of the event of the nemesis.
    pub begin: (u64, u64),
    /// Of the completion, if there is one.
    pub end: Option<(u64, u64)>,
}

impl EventSpan {
    /// Of an operation.
    pub(crate) fn of(operation: &Operation<'_>) -> Self {
        let end = operation.completed().zip(operation.completed_ns());
        Self { begin: (operation.invoked(), operation.invoked_ns()), end }
    }

    /// Of an operation of a history in columns.
    pub(crate) fn at(records: &History, op: usize) -> Self {
        let Op { called_ns, returned_ns, .. } = records.ops[op];
        let mut events = records.events_of(op);
        let begin = (events.next().unwrap_or_default(), called_ns);
        // A history may give indices of its own, and leave out times.
        let returned_ns = if returned_ns == u64::MAX { called_ns } else { returned_ns };
        Self { begin, end: events.next().map(|index| (index, returned_ns)) }
    }

    fn of_event(event: &Event) -> Self {
        Self { begin: (event.index, event.time), end: None }
    }
}

/// What an explanation uses.
#[derive(Clone, Copy)]
pub(crate) struct Explainer<'a> {
    pub faults: &'a [FaultFinding],
    /// When the cluster was healed, ns since the run began.
    pub heal_ns: Option<u64>,
    pub anomalies_max: usize,
}

/// An anomaly before its proof is put in order.
pub(crate) struct Draft<'a> {
    pub kind: &'static str,
    /// Empty where no key is concerned.
    pub key: &'a str,
    pub process: Option<ProcessName>,
    pub explanation: String,
    pub proof: Proof<'a>,
}

impl<'a> Draft<'a> {
    /// An anomaly that these operations of a history in columns prove; none is needless.
    pub(crate) fn at(
        records: &History,
        kind: &'static str,
        key: &'a str,
        ops: impl IntoIterator<Item = usize>,
        explanation: String,
    ) -> Self {
        Self { kind, key, process: None, explanation, proof: Proof::at(records, ops) }
    }
}

/// The operations of an anomaly.
#[derive(Default)]
pub(crate) struct Proof<'a> {
    /// Those that are a violation by themselves.
    pub operations: Vec<Operation<'a>>,
    /// The same of a history in columns.
    pub spans: Vec<EventSpan>,
    /// What the nemesis did to it.
    pub nemesis: Option<&'a Event>,
    /// Those that help to understand it, without those that prove it.
    pub context: Vec<Operation<'a>>,
    /// Whether some of the operations may be needless, which are then removed: see [`crate::checks::minimal`].
    pub shrinks: Option<Shrinks>,
    /// The cycle that they are, if they are one.
    pub edges: Vec<Edge>,
}

/// What happens to an anomaly when some of its operations turn out to be needless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shrinks {
    /// Its explanation is about the whole history, and stays.
    SameExplanation,
    /// Its explanation is about its operations alone, and is made again from those that are left.
    NewExplanation,
    /// Those that are left may be another anomaly, which is then reported instead.
    NewAnomaly,
}

impl<'a> Proof<'a> {
    /// Just these; none is needless.
    pub(crate) fn of(operations: impl IntoIterator<Item = Operation<'a>>) -> Self {
        Self { operations: operations.into_iter().collect(), ..Self::default() }
    }

    /// Just these operations of a history in columns; none is needless.
    pub(crate) fn at(records: &History, ops: impl IntoIterator<Item = usize>) -> Self {
        Self { spans: ops.into_iter().map(|op| EventSpan::at(records, op)).collect(), ..Self::default() }
    }

    /// With operations that help to understand it.
    pub(crate) fn beside(self, context: impl IntoIterator<Item = Operation<'a>>) -> Self {
        Self { context: context.into_iter().collect(), ..self }
    }

    /// With another operation, and those needed to interpret it.
    pub(crate) fn and(mut self, operation: Operation<'a>, known: Vec<Operation<'a>>) -> Self {
        self.operations.push(operation);
        self.with(known)
    }

    /// With operations that may be needless beside the others.
    pub(crate) fn with(mut self, operations: Vec<Operation<'a>>) -> Self {
        if !operations.is_empty() {
            self.shrinks = self.shrinks.or(Some(Shrinks::SameExplanation));
        }
        self.operations.extend(operations);
        self
    }
}

impl Explainer<'_> {
    /// Counts an anomaly, and drafts and keeps it while there is room.
    pub(crate) fn add<'d>(&self, anomalies: &mut Anomalies, draft: impl FnOnce() -> Draft<'d>) {
        anomalies.total += 1;
        if anomalies.kept.len() < self.anomalies_max {
            anomalies.kept.push(self.keep(draft()));
        }
    }

    fn keep(&self, draft: Draft<'_>) -> Kept {
        let Proof { operations, spans, nemesis, context, shrinks, edges } = draft.proof;
        let anomaly = Anomaly {
            kind: draft.kind.to_owned(),
            key: (!draft.key.is_empty()).then(|| draft.key.to_owned()),
            process: draft.process,
            explanation: draft.explanation,
            events: Vec::new(),
            context: Vec::new(),
            faults: Vec::new(),
            from_ns: 0,
            to_ns: 0,
            edges,
        };
        let proof = operations.iter().map(EventSpan::of).chain(spans).chain(nemesis.map(EventSpan::of_event)).collect();
        let mut kept = Kept { anomaly, proof, context: context.iter().map(EventSpan::of).collect(), shrinks };
        kept.settle(self.faults);
        kept
    }
}

impl Kept {
    /// Puts proof and context in order, and says when it was.
    pub(crate) fn settle(&mut self, faults: &[FaultFinding]) {
        self.proof.sort_unstable();
        self.proof.dedup();
        self.context.sort_unstable();
        self.context.dedup();
        self.context.retain(|span| self.proof.binary_search(span).is_err());
        let times = |spans: &[EventSpan]| -> BTreeMap<u64, u64> {
            spans.iter().flat_map(|span| [Some(span.begin), span.end]).flatten().collect()
        };
        let (proof, context) = (times(&self.proof), times(&self.context));
        let all = || proof.values().chain(context.values()).copied();
        let (from_ns, to_ns) = (all().min().unwrap_or(0), all().max().unwrap_or(0));
        let anomaly = &mut self.anomaly;
        (anomaly.from_ns, anomaly.to_ns) = (from_ns, to_ns);
        anomaly.faults = active_between(faults, from_ns, to_ns);
        anomaly.events = proof.into_keys().collect();
        anomaly.context = context.into_keys().collect();
    }
}

/// A moment of the run, for people: ` at 13.100 s`. Nothing in a history without times.
pub(crate) fn at_time(history: &History, time_ns: u64) -> String {
    if history.timed { format!(" at {:.3} s", time_ns as f64 / 1e9) } else { String::new() }
}

/// When an operation ended, as [`at_time`] says it.
pub(crate) fn ended(operation: &Operation<'_>) -> String {
    at_time(operation.history(), operation.last_ns())
}

/// A span of time in ms.
pub(crate) fn ms(span_ns: u64) -> f64 {
    span_ns as f64 / 1e6
}

/// Who was asked, after a verb: ` by n3`; nothing if the history does not record it.
pub(crate) fn by_node(operation: &Operation<'_>) -> String {
    operation.node().map_or_else(String::new, |node| format!(" by {node}"))
}

/// A read and its moment: `a read through n1 at 13.100 s`.
pub(crate) fn a_read(operation: &Operation<'_>) -> String {
    let through = match (operation.phase(), operation.node()) {
        (Phase::Replica, Some(node)) => format!(" of {node} alone"),
        (_, Some(node)) => format!(" through {node}"),
        (_, None) => String::new(),
    };
    format!("a read{through}{}", ended(operation))
}

/// The smallest value that a share `q` of the values does not exceed (nearest rank); 0 of nothing. Sorts nothing:
/// `sorted` is ascending.
pub(crate) fn quantile<T: Copy + Default>(sorted: &[T], q: f64) -> T {
    let rank = (q * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied().unwrap_or_default()
}
