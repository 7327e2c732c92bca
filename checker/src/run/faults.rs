//! What each fault did and when, and which of that makes a run inconclusive.
//!
//! The nemesis records in the history what it plans (`plan`), when a fault begins (`start-KIND`), and when it is healed
//! and what was measured (`stop-KIND`). A planned fault without evidence that it took effect leaves the claims
//! untested, and so does a function that never succeeded while faults were active (`outages.rs`): such a run is
//! inconclusive, not valid.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::findings::{FaultFinding, OperationStatistics};
use super::foreign_faults as foreign;
use super::kinds::is_crash;
use crate::history::{Event, History, Op, Torn};

/// One entry of the plan.
#[derive(Deserialize)]
struct Planned {
    fault: u64,
    kind: String,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    nodes: Vec<String>,
}

/// The value of `start-KIND`.
#[derive(Deserialize)]
struct Started {
    fault: u64,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    nodes: Vec<String>,
}

/// The value of `stop-KIND`.
#[derive(Deserialize)]
struct Stopped {
    fault: u64,
    proved: bool,
    #[serde(default)]
    evidence: String,
}

/// A moment at which nodes were killed.
pub(crate) struct Crash<'h> {
    pub event: &'h Event,
    pub nodes: Vec<String>,
}

/// Every fault that was planned or started, by id. An event of the nemesis that cannot be read is skipped here, and
/// [`crate::check`] reports it as a reason.
pub(crate) fn findings(history: &History) -> Vec<FaultFinding> {
    findings_of(history, history.nemesis())
}

/// The same by the order of events, for a history without times: each fault begins and ends at the index of an event.
pub(crate) fn by_order(history: &History) -> Vec<FaultFinding> {
    let at_its_index = |event: &Event| Event { time: event.index, ..event.clone() };
    findings_of(history, &nemesis(history).map(at_its_index).collect::<Vec<Event>>())
}

fn findings_of(history: &History, nemesis: &[Event]) -> Vec<FaultFinding> {
    if is_foreign(history) {
        return foreign::findings(nemesis);
    }
    let mut faults: BTreeMap<u64, FaultFinding> = BTreeMap::new();
    for event in nemesis {
        match classify(event) {
            Ok(NemesisRecord::Plan(planned)) => {
                faults.extend(planned.into_iter().map(|entry| (entry.fault, expected(entry))))
            }
            Ok(NemesisRecord::Start(kind, started)) => start(&mut faults, kind, started, event.time),
            Ok(NemesisRecord::Stop(kind, stopped)) => stop(&mut faults, kind, stopped, event.time),
            Ok(NemesisRecord::Other) | Err(_) => {}
        }
    }
    faults.into_values().collect()
}

/// When the cluster was healed for good, ns since the run began.
pub(crate) fn heal_ns(history: &History) -> Option<u64> {
    nemesis(history).find(|event| event.f == "heal").map(|event| event.time)
}

/// Every start of a fault that nodes do not survive, in order.
pub(crate) fn crashes(history: &History) -> Vec<Crash<'_>> {
    nemesis(history)
        .filter_map(|event| match classify(event) {
            Ok(NemesisRecord::Start(kind, started)) if is_crash(kind) => Some(Crash { event, nodes: started.nodes }),
            _ => None,
        })
        .collect()
}

/// The times, or the indices, at which any fault was active, merged.
pub(crate) struct Windows(Vec<(u64, u64)>);

impl Windows {
    pub(crate) fn new(faults: &[FaultFinding]) -> Self {
        let mut spans: Vec<(u64, u64)> =
            faults.iter().filter_map(|fault| Some((fault.start_ns?, fault.stop_ns.unwrap_or(u64::MAX)))).collect();
        spans.sort_unstable();
        let mut merged: Vec<(u64, u64)> = Vec::new();
        for (start, stop) in spans {
            match merged.last_mut() {
                Some(last) if start <= last.1 => last.1 = last.1.max(stop),
                _ => merged.push((start, stop)),
            }
        }
        debug_assert!(merged.is_sorted_by(|a, b| a.1 < b.0), "merged windows ascend and do not touch");
        Self(merged)
    }

    pub(crate) fn contain(&self, moment: u64) -> bool {
        let begun = self.0.partition_point(|(start, _)| *start <= moment);
        begun.checked_sub(1).is_some_and(|last| self.0[last].1 >= moment)
    }
}

/// Why the run as a whole is inconclusive, a sentence for each reason.
pub(crate) fn doubts(history: &History, faults: &[FaultFinding], statistics: &[OperationStatistics]) -> Vec<String> {
    let mut doubts = Vec::new();
    if let Some(Torn { line, column }) = history.torn {
        doubts.push(format!(
            "The history ends in the middle of line {line}, at column {column}: the run did not finish."
        ));
    }
    doubts.extend(unacknowledged(history, statistics).map(str::to_owned));
    if !is_foreign(history) {
        doubts.extend(nemesis(history).filter_map(|event| classify(event).err()));
    }
    doubts.extend(faults.iter().filter_map(unproved));
    doubts
}

/// Why nothing was tested. In a history from elsewhere a final read that succeeded is as good as any; a run of the bench has to
/// have done something before its last reads, which statistics do not count.
fn unacknowledged(history: &History, statistics: &[OperationStatistics]) -> Option<&'static str> {
    let any = history.ops.iter().any(Op::is_ok);
    let before_the_end = statistics.is_empty() || statistics.iter().any(|found| found.ok > 0);
    match (any, before_the_end || history.workloads().is_empty()) {
        (false, _) => Some("No operation was acknowledged."),
        (true, false) => Some("No operation was acknowledged before the final reads."),
        (true, true) => None,
    }
}

fn unproved(fault: &FaultFinding) -> Option<String> {
    let because = if fault.evidence.is_empty() { String::new() } else { format!(": {}", fault.evidence) };
    if fault.foreign {
        return None;
    }
    let problem = match (fault.start_ns, fault.stop_ns, fault.proved) {
        (None, ..) => "never started",
        (_, None, _) => "was not healed",
        (_, _, false) => "is not proved to have taken effect",
        _ => return None,
    };
    let name = format!("{} {}", fault.kind, fault.detail);
    Some(format!("Fault {} ({}) {problem}{because}.", fault.fault, name.trim_end()))
}

/// Whether another bench recorded the faults of a history: none of its events is one of ours. In a history that names workloads
/// one that cannot be read is ours, too, if it looks like it.
fn is_foreign(history: &History) -> bool {
    let names_workloads = !history.workloads().is_empty();
    let looks_like_ours = |event: &Event| event.f == "plan" || event.value.get("fault").is_some();
    let is_ours = |event: &Event| match classify(event) {
        Ok(NemesisRecord::Plan(_) | NemesisRecord::Start(..) | NemesisRecord::Stop(..)) => true,
        Ok(NemesisRecord::Other) => false,
        Err(_) => names_workloads && looks_like_ours(event),
    };
    !nemesis(history).any(is_ours)
}

fn nemesis(history: &History) -> impl Iterator<Item = &Event> {
    history.nemesis().iter()
}

/// An event of the nemesis, by what it records.
enum NemesisRecord<'h> {
    Plan(Vec<Planned>),
    Start(&'h str, Started),
    Stop(&'h str, Stopped),
    Other,
}

/// Reads an event of the nemesis; the error is a sentence.
fn classify(event: &Event) -> Result<NemesisRecord<'_>, String> {
    if event.f == "plan" {
        return value(event).map(NemesisRecord::Plan);
    }
    match event.f.split_once('-') {
        Some(("start", kind)) => Ok(NemesisRecord::Start(kind, value(event)?)),
        Some(("stop", kind)) => Ok(NemesisRecord::Stop(kind, value(event)?)),
        _ => Ok(NemesisRecord::Other),
    }
}

fn value<'h, T: Deserialize<'h>>(event: &'h Event) -> Result<T, String> {
    let value: &'h Value = &event.value;
    T::deserialize(value)
        .map_err(|error| format!("The nemesis event `{}` at index {} cannot be read: {error}.", event.f, event.index))
}

fn expected(entry: Planned) -> FaultFinding {
    let Planned { fault, kind, detail, nodes } = entry;
    FaultFinding {
        fault,
        kind,
        detail,
        nodes,
        start_ns: None,
        stop_ns: None,
        proved: false,
        evidence: String::new(),
        foreign: false,
    }
}

fn unplanned(fault: u64, kind: &str) -> FaultFinding {
    expected(Planned { fault, kind: kind.to_owned(), detail: String::new(), nodes: Vec::new() })
}

fn start(faults: &mut BTreeMap<u64, FaultFinding>, kind: &str, started: Started, time: u64) {
    let found = faults.entry(started.fault).or_insert_with(|| unplanned(started.fault, kind));
    found.start_ns.get_or_insert(time);
    if !started.detail.is_empty() {
        found.detail = started.detail;
    }
    if !started.nodes.is_empty() {
        found.nodes = started.nodes;
    }
}

fn stop(faults: &mut BTreeMap<u64, FaultFinding>, kind: &str, stopped: Stopped, time: u64) {
    let found = faults.entry(stopped.fault).or_insert_with(|| unplanned(stopped.fault, kind));
    found.stop_ns = Some(time);
    found.proved = stopped.proved;
    found.evidence = stopped.evidence;
}
