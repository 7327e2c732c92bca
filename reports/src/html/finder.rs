//! Which operations and faults are drawn for an anomaly: what proves it, and the nearest others on its key.

use std::collections::{BTreeMap, BTreeSet};

use checker::verdict::{Anomaly, FaultFinding, PropertyResult};
use serde_json::Value;

use super::Run;
use super::lane::force;
use super::scene::{Drawn, FAULTS_MAX, Role, Scene};
use crate::format::{count, plural, seconds_ms};
use crate::operation::Operation;

/// The most operations in a drawing: those that prove the anomaly, of which the last are kept too, those that help to
/// understand it, and their neighbours.
const PROOF_MAX: usize = 28;
const PROOF_LAST: usize = 8;
const CONTEXT_MAX: usize = 12;
const NEIGHBOURS_MAX: usize = 12;

/// Finds operations by event and by key.
pub(super) struct Finder<'a> {
    run: &'a Run<'a>,
    by_event: BTreeMap<u64, usize>,
    by_key: BTreeMap<&'a str, Vec<usize>>,
}

impl<'a> Finder<'a> {
    pub(super) fn new(run: &'a Run<'a>) -> Self {
        let (mut by_event, mut by_key) = (BTreeMap::new(), BTreeMap::<&str, Vec<usize>>::new());
        if run.verdict.properties.iter().all(|p| p.anomalies.is_empty()) {
            return Self { run, by_event, by_key };
        }
        for (position, operation) in run.operations.iter().enumerate() {
            by_event.insert(operation.invoked(), position);
            by_event.extend(operation.completed().map(|index| (index, position)));
            by_key.entry(operation.key().unwrap_or_default()).or_default().push(position);
        }
        Self { run, by_event, by_key }
    }

    /// The operation that an event belongs to.
    pub(super) fn operation(&self, event: u64) -> Option<&'a Operation<'a>> {
        self.by_event.get(&event).map(|position| &self.run.operations[*position])
    }

    /// From when to when an anomaly was, in words; without times, from which event to which.
    pub(super) fn when(&self, anomaly: &Anomaly) -> String {
        if !self.run.is_untimed() {
            return format!("{} – {}", seconds_ms(anomaly.from_ns), seconds_ms(anomaly.to_ns));
        }
        match (anomaly.events.first(), anomaly.events.last()) {
            (Some(first), Some(last)) if first != last => format!("events {first} – {last}"),
            (Some(event), _) => format!("event {event}"),
            _ => String::new(),
        }
    }

    /// What is drawn for an anomaly, in order of invocation.
    pub(super) fn scene(&self, result: &PropertyResult, anomaly: &Anomaly) -> Scene<'a> {
        let of = |events: &[u64]| -> BTreeSet<usize> {
            events.iter().filter_map(|index| self.by_event.get(index).copied()).collect()
        };
        let all = of(&anomaly.events);
        let context: BTreeSet<usize> = of(&anomaly.context).difference(&all).copied().collect();
        let first = all.iter().copied().take(PROOF_MAX - PROOF_LAST);
        let last = all.iter().rev().copied().take(PROOF_LAST);
        let proof: BTreeSet<usize> = first.chain(last).collect();
        let context_shown: BTreeSet<usize> = context.iter().copied().take(CONTEXT_MAX).collect();
        let near = self.neighbours(result, anomaly, &all.union(&context).copied().collect());
        let near_shown: BTreeSet<usize> = near.iter().copied().take(NEIGHBOURS_MAX).collect();
        let counts = [(proof.len(), all.len()), (context_shown.len(), context.len()), (near_shown.len(), near.len())];
        let roles = [(near_shown, Role::Near), (context_shown, Role::Context), (proof, Role::Proof)];
        let shown: BTreeMap<usize, Role> =
            roles.into_iter().flat_map(|(all, role)| all.into_iter().map(move |position| (position, role))).collect();
        let drawn: Vec<Drawn<'a>> = shown
            .into_iter()
            .map(|(position, role)| Drawn { operation: &self.run.operations[position], role })
            .collect();
        let (focus, (faults, faults_left_out)) = (focus(&drawn), self.faults(&drawn));
        let mut note = note(counts);
        if faults_left_out > 0 {
            note += &format!(" {} not drawn.", plural(faults_left_out as u64, "later fault"));
        }
        Scene { drawn, faults, focus, end_ns: self.run.end_ns, untimed: self.run.is_untimed(), note }
    }

    /// The other operations on the key within the anomaly's time, those nearest to its proof first.
    fn neighbours(&self, result: &PropertyResult, anomaly: &Anomaly, proof: &BTreeSet<usize>) -> Vec<usize> {
        let key = anomaly.key.as_deref().unwrap_or_default();
        let spans: Vec<(u64, u64)> = proof.iter().take(PROOF_MAX).map(|position| self.extent(*position)).collect();
        let (from, to) = match self.run.history.timed {
            true => (anomaly.from_ns, anomaly.to_ns),
            false => (
                spans.iter().map(|(begins, _)| *begins).min().unwrap_or(0),
                spans.iter().map(|(_, ends)| *ends).max().unwrap_or(0),
            ),
        };
        let same_workload = |position: &usize| {
            let workload = self.run.operations[*position].workload();
            result.workload.is_none() || workload.is_none() || workload == result.workload.as_deref()
        };
        let mut near: Vec<(u64, usize)> = self
            .by_key
            .get(key)
            .into_iter()
            .flatten()
            .copied()
            .filter(|position| !key.is_empty() && !proof.contains(position) && same_workload(position))
            .map(|position| (position, self.extent(position)))
            .filter(|(_, (start, end))| *start <= to && *end >= from)
            .map(|(position, extent)| (spans.iter().map(|span| gap(*span, extent)).min().unwrap_or(0), position))
            .collect();
        near.sort_unstable();
        near.into_iter().map(|(_, position)| position).collect()
    }

    fn extent(&self, position: usize) -> (u64, u64) {
        let operation = &self.run.operations[position];
        (operation.begins(), operation.ends(self.run.end_ns))
    }

    /// The faults in force while anything drawn was going on, and how many of them are not drawn. Without times nobody knows.
    fn faults(&self, drawn: &[Drawn<'_>]) -> (Vec<&'a FaultFinding>, usize) {
        if self.run.is_untimed() {
            return (Vec::new(), 0);
        }
        let from = drawn.iter().map(|d| d.operation.begins()).min().unwrap_or(0);
        let to = drawn.iter().map(|d| d.operation.ends(self.run.end_ns)).max().unwrap_or(0);
        let overlaps =
            |f: &&FaultFinding| force(f, self.run.end_ns).is_some_and(|(start, stop)| start <= to && stop >= from);
        let mut faults: Vec<&FaultFinding> = self.run.verdict.faults.iter().filter(overlaps).collect();
        let left_out = faults.len().saturating_sub(FAULTS_MAX);
        faults.truncate(FAULTS_MAX);
        (faults, left_out)
    }
}

/// How far apart in time two operations are; 0 if they overlap.
fn gap(a: (u64, u64), b: (u64, u64)) -> u64 {
    b.0.saturating_sub(a.1).max(a.0.saturating_sub(b.1))
}

/// What is shown of each role: how many, of how many.
fn note([proof, context, near]: [(usize, usize); 3]) -> String {
    let shown = |(shown, all): (usize, usize)| match shown == all {
        true => count(all as u64),
        false => format!("{} of {}", count(shown as u64), count(all as u64)),
    };
    let helping = match context.1 {
        0 => String::new(),
        _ => format!(" {} that help to understand it,", shown(context)),
    };
    format!(
        "Shown: {} operations that prove it,{helping} {} others on the same key meanwhile.",
        shown(proof),
        shown(near)
    )
}

/// The values that the anomaly is about: those written by the operations that prove it.
fn focus(drawn: &[Drawn<'_>]) -> Vec<Value> {
    const FOCUS_MAX: usize = 2;
    let proving = drawn.iter().filter(|d| d.role == Role::Proof).map(|d| d.operation.argument());
    proving.filter(|v| v.is_number() || v.is_string()).take(FOCUS_MAX).collect()
}
