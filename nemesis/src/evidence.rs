//! No fault without evidence: what was measured between a fault's start and stop, and whether it proves that the
//! fault took effect.
//!
//! Each kind proves itself by a pure function from measurements to a [`Finding`] (`faults/`). A fault that cannot be
//! proved is not an error, but its finding says why, for example that the links were cut, but nothing was sent over
//! them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// One fault with its proof, an entry of `evidence.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceRecord {
    /// Its id in the plan.
    pub fault: u64,
    /// Its kind: `partition`, `kill`, ...
    pub kind: String,
    /// What it did, and to which nodes: `{n1 n2} | {n3 n4 n5}`.
    pub detail: String,
    /// Every node it touched.
    pub nodes: Vec<String>,
    /// When it started, ms since the run began; for a fault that failed to start, the time of the attempt.
    pub start_ms: u64,
    /// When it was healed, ms since the run began.
    pub stop_ms: u64,
    /// Whether it measurably took effect, and was healed.
    pub proved: bool,
    /// What was measured, in a sentence.
    pub evidence: String,
    /// The measurements by name; times end in `_ms`.
    pub figures: BTreeMap<String, i64>,
}

/// What measurements say of a fault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finding {
    /// Whether it measurably took effect.
    pub proved: bool,
    /// What was measured, in a sentence.
    pub evidence: String,
    /// The measurements by name.
    pub figures: BTreeMap<String, i64>,
}

impl Finding {
    /// A finding without proof, for this reason.
    pub fn failed(reason: impl Into<String>) -> Self {
        Self { proved: false, evidence: reason.into(), figures: BTreeMap::new() }
    }

    /// A finding with these figures.
    pub(crate) fn new<const N: usize>(proved: bool, evidence: String, figures: [(&str, u64); N]) -> Self {
        let mut finding = Self { proved, evidence, figures: BTreeMap::new() };
        figures.into_iter().for_each(|(name, value)| finding.add(name, value));
        finding
    }

    /// Adds a measurement.
    pub(crate) fn add(&mut self, name: &str, value: u64) {
        self.figures.insert(name.to_owned(), i64::try_from(value).unwrap_or(i64::MAX));
    }

    /// Adds a condition of the proof, with what was measured of it.
    pub(crate) fn and(mut self, proved: bool, measured: &str) -> Self {
        self.proved &= proved;
        self.evidence = format!("{}; {measured}", self.evidence);
        self
    }

    /// Withdraws the proof, and puts the reason first.
    pub(crate) fn disprove(&mut self, reason: &str) {
        self.proved = false;
        self.evidence =
            if self.evidence.is_empty() { reason.to_owned() } else { format!("{reason}; {}", self.evidence) };
    }
}

/// What proves a fault that a process shows: the nodes seen dead (or stopped) while it lasted, and seen running after
/// it.
pub(crate) fn process(
    state: &str,
    nodes: &[String],
    affected: &BTreeSet<String>,
    running: &BTreeSet<String>,
) -> Finding {
    let missing = |seen: &BTreeSet<String>| nodes.iter().filter(|n| !seen.contains(*n)).cloned().collect::<Vec<_>>();
    let (not_affected, not_running) = (missing(affected), missing(running));
    let mut reasons = Vec::new();
    if !not_affected.is_empty() {
        reasons.push(format!("{} never seen {state}", not_affected.join(" ")));
    }
    if !not_running.is_empty() {
        reasons.push(format!("{} not seen running afterwards", not_running.join(" ")));
    }
    let proved = reasons.is_empty();
    let evidence = if proved {
        format!("{} seen {state}, and running again afterwards", nodes.join(" "))
    } else {
        reasons.join("; ")
    };
    let seen = [
        ("nodes", nodes.len() as u64),
        ("hurt", (nodes.len() - not_affected.len()) as u64),
        ("running", (nodes.len() - not_running.len()) as u64),
    ];
    Finding::new(proved, evidence, seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn set(text: &str) -> BTreeSet<String> {
        names(text).into_iter().collect()
    }

    #[test]
    fn a_process_fault_needs_every_node_affected_and_every_node_back() {
        let finding = process("dead", &names("n1 n2"), &set("n1 n2"), &set("n1 n2"));
        assert_eq!(finding.evidence, "n1 n2 seen dead, and running again afterwards");
        assert!(finding.proved);
        let missed = process("stopped", &names("n1 n2"), &set("n1"), &set("n2"));
        assert_eq!(missed.evidence, "n2 never seen stopped; n1 not seen running afterwards");
        assert!(!missed.proved && missed.figures["hurt"] == 1);
    }

    #[test]
    fn records_survive_json() {
        let record = EvidenceRecord {
            fault: 1,
            kind: "kill".into(),
            detail: "n1".into(),
            nodes: names("n1"),
            start_ms: 1,
            stop_ms: 2,
            proved: true,
            evidence: "seen".into(),
            figures: BTreeMap::from([("hurt".to_owned(), 1)]),
        };
        let text = serde_json::to_string(&record).expect("plain data");
        assert_eq!(serde_json::from_str::<EvidenceRecord>(&text).expect("its own text"), record);
    }
}
