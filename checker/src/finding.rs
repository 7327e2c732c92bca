//! What a check hands back, and how it explains an anomaly.

use std::collections::BTreeMap;

use crate::faults::active_between;
use crate::history::{Event, Operation, Phase};
use crate::verdict::{Anomaly, FaultFinding, Outcome};

/// How many doubts a summary spells out.
const DOUBTS_SHOWN: usize = 3;

/// What one check found in one workload.
#[derive(Debug, Default)]
pub(crate) struct Finding {
    /// How often the property was violated.
    pub violations: u64,
    /// What kept it from being decided, a clause each.
    pub doubts: Vec<String>,
    /// The finding in a clause, whatever the outcome.
    pub headline: String,
    pub figures: BTreeMap<String, f64>,
    pub anomalies: Anomalies,
}

impl Finding {
    /// Violated, else in doubt, else fine.
    pub fn outcome(&self) -> Outcome {
        match (self.violations, self.doubts.is_empty()) {
            (0, true) => Outcome::Valid,
            (0, false) => Outcome::Inconclusive,
            _ => Outcome::Invalid,
        }
    }

    /// The headline, with the first doubts.
    pub fn summary(&self) -> String {
        let mut summary = self.headline.clone();
        for doubt in self.doubts.iter().take(DOUBTS_SHOWN) {
            summary.push_str("; ");
            summary.push_str(doubt);
        }
        if self.doubts.len() > DOUBTS_SHOWN {
            summary.push_str(&format!("; and {} more doubts", self.doubts.len() - DOUBTS_SHOWN));
        }
        summary
    }
}

/// How many reads a property was decided of, and of how many it could not be.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ReadTally {
    pub judged: u64,
    pub undecided: u64,
}

impl ReadTally {
    /// Counts the reads flagged.
    pub fn add(&mut self, judged: &[bool], undecided: &[bool]) {
        let count = |flags: &[bool]| flags.iter().filter(|flag| **flag).count() as u64;
        self.judged += count(judged);
        self.undecided += count(undecided);
    }

    /// Adds those of another key.
    pub fn merge(&mut self, other: Self) {
        self.judged += other.judged;
        self.undecided += other.undecided;
    }

    /// Completes a finding whose violations are reads, which `did` something; `untested` says why no read was judged.
    pub fn conclude(self, finding: &mut Finding, did: &str, untested: &str) {
        let Self { judged, undecided } = self;
        if judged == 0 {
            finding.doubts.push(untested.to_owned());
        }
        if undecided > 0 {
            finding.doubts.push(format!("{undecided} reads returned a write whose outcome and past nobody told"));
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
#[derive(Debug, Default)]
pub(crate) struct Anomalies {
    pub kept: Vec<Anomaly>,
    pub total: u64,
}

/// What an explanation draws on.
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
    pub process: Option<u64>,
    pub explanation: String,
    pub proof: Vec<Option<&'a Event>>,
}

impl Explainer<'_> {
    /// Counts an anomaly, and drafts and keeps it while there is room.
    pub fn add<'d>(&self, anomalies: &mut Anomalies, draft: impl FnOnce() -> Draft<'d>) {
        anomalies.total += 1;
        if anomalies.kept.len() < self.anomalies_max {
            anomalies.kept.push(self.anomaly(draft()));
        }
    }

    fn anomaly(&self, draft: Draft<'_>) -> Anomaly {
        let proof: BTreeMap<u64, u64> = draft.proof.iter().flatten().map(|event| (event.index, event.time)).collect();
        let from_ns = proof.values().min().copied().unwrap_or(0);
        let to_ns = proof.values().max().copied().unwrap_or(0);
        Anomaly {
            kind: draft.kind.to_owned(),
            key: (!draft.key.is_empty()).then(|| draft.key.to_owned()),
            process: draft.process,
            explanation: draft.explanation,
            events: proof.into_keys().collect(),
            faults: active_between(self.faults, from_ns, to_ns),
            from_ns,
            to_ns,
        }
    }
}

/// A moment of the run, for people.
pub(crate) fn at(time_ns: u64) -> String {
    format!("{:.3} s", time_ns as f64 / 1e9)
}

/// A span of time in ms.
pub(crate) fn ms(span_ns: u64) -> f64 {
    span_ns as f64 / 1e6
}

/// Who was asked, after a verb: ` by n3`; nothing if the history does not tell.
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
    format!("a read{through} at {}", at(operation.completion.unwrap_or(operation.invoke).time))
}

/// The smallest value that a share `q` of the values does not exceed (nearest rank); 0 of nothing. Sorts nothing:
/// `sorted` is ascending.
pub(crate) fn quantile(sorted: &[f64], q: f64) -> f64 {
    let rank = (q * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied().unwrap_or(0.0)
}
