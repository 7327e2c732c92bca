//! Session guarantees: what one client may expect of its own operations, whatever others do.
//!
//! Terry et al., "Session guarantees for weakly consistent replicated data", PDIS 1994: read your writes, monotonic
//! reads, monotonic writes, writes follow reads. The first three together, over all keys, are PRAM; all four are causal
//! consistency (Brzezinski, Sobaniec, Wawrzyniak, PDP 2004).
//!
//! - [`visible`]: a read tells which writes it has seen: sets, lists, registers with siblings.
//! - [`registers`]: a read shows one value, and nobody tells which of two writes won.

pub(crate) mod causal;
pub(crate) mod monotonic_reads;
pub mod observed;
pub(crate) mod read_your_writes;
pub mod registers;
pub(crate) mod session_order;
pub mod visible;

use std::fmt;

use crate::checks::isolation::findings::{Anomaly, Findings, decide_plainly};
use crate::checks::isolation::records as transactions;
use crate::history::{Datum, History, Op, ValueId};
use crate::limits::{Decision, Limits, Violation};
use crate::verdict::Outcome;

/// A guarantee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Guarantee {
    /// A read sees what its session wrote before.
    ReadYourWrites,
    /// A read sees what its session saw before.
    MonotonicReads,
    /// Who sees a write sees what its session wrote before it.
    MonotonicWrites,
    /// Who sees a write sees what its session had seen before it.
    WritesFollowReads,
    /// The first three, over all keys together.
    Pram,
    /// All four, over all keys together.
    Causal,
}

impl Guarantee {
    /// All of them.
    pub const ALL: [Guarantee; 6] = [
        Guarantee::ReadYourWrites,
        Guarantee::MonotonicReads,
        Guarantee::MonotonicWrites,
        Guarantee::WritesFollowReads,
        Guarantee::Pram,
        Guarantee::Causal,
    ];

    /// Its name, also of its violations.
    pub fn name(self) -> &'static str {
        match self {
            Guarantee::ReadYourWrites => "read-your-writes",
            Guarantee::MonotonicReads => "monotonic-reads",
            Guarantee::MonotonicWrites => "monotonic-writes",
            Guarantee::WritesFollowReads => "writes-follow-reads",
            Guarantee::Pram => "pram",
            Guarantee::Causal => "causal",
        }
    }
}

impl fmt::Display for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Judges the four session guarantees of a history: [`visible`] if its reads show lists, [`registers`] if they show
/// single values.
pub fn check(records: &History, limits: &Limits<'_>) -> Decision {
    check_of(records, limits, &Guarantee::ALL[..4])
}

/// Judges some guarantees of a history.
pub fn check_of(records: &History, limits: &Limits<'_>, guarantees: &[Guarantee]) -> Decision {
    let lists = records.ops.iter().any(|op| shows_lists(records, op));
    if lists { by_visibility(records, limits, guarantees) } else { by_values(records, limits, guarantees) }
}

/// Whether an operation reads a list, or appends to one.
fn shows_lists(records: &History, op: &Op) -> bool {
    let value = if op.is_ok() { op.result } else { op.argument };
    let read_a_list = records.reads_list(op);
    let Datum::List(micros) = records.datum(value) else { return read_a_list };
    let of_lists = |micro: &ValueId| match records.datum(*micro) {
        Datum::List([f, _, value]) => match records.datum(*f) {
            Datum::Text("append") => true,
            Datum::Text("r") => value.is_list(),
            _ => false,
        },
        _ => false,
    };
    read_a_list || micros.iter().any(of_lists)
}

fn by_visibility(records: &History, limits: &Limits<'_>, guarantees: &[Guarantee]) -> Decision {
    let (observed, ops) = match observed::read(records) {
        Ok(read) => read,
        Err(why) => return Decision::inconclusive(why),
    };
    let found = visible::analyse(&observed, limits);
    let mut decision = Decision::default();
    for miss in found.misses.iter().filter(|miss| guarantees.contains(&miss.guarantee)) {
        decision.violated(limits, || Violation {
            kind: miss.guarantee.name().to_owned(),
            key: Some(ops.key(records, miss.key)),
            explanation: ops.explain(records, &observed, miss),
            events: records.events_of_all(ops.by_themselves(&observed, &miss.operations)),
        });
    }
    decision.violations_total = guarantees.iter().map(|guarantee| found.counts.get(guarantee).unwrap_or(&0)).sum();
    let mut parts = Vec::new();
    for guarantee in guarantees {
        let count = found.counts.get(guarantee).copied().unwrap_or(0);
        decision.figure(guarantee.name(), count as f64);
        parts.push(format!(
            "{guarantee} {}",
            if count == 0 { "holds".to_owned() } else { format!("missed {count} times") }
        ));
    }
    decision.figure("undecided", found.undecided as f64);
    let mut doubts = found.doubts;
    if found.undecided > 0 {
        doubts.push(format!(
            "{} times a write whose past nobody told may have replaced what is missing",
            found.undecided
        ));
    }
    if decision.outcome == Outcome::Valid && !doubts.is_empty() {
        decision.outcome = Outcome::Inconclusive;
    }
    parts.extend(doubts);
    decision.headline = parts.join("; ");
    decision
}

fn by_values(records: &History, limits: &Limits<'_>, guarantees: &[Guarantee]) -> Decision {
    let (history, ops) = match transactions::read(records, transactions::Form::Registers) {
        Ok(read) => read,
        Err(error) => return Decision::inconclusive(error.to_string()),
    };
    let mut all = Findings::default();
    for guarantee in guarantees {
        let findings = registers::analyse(&history, &ops, *guarantee, limits);
        all.malformed = all.malformed.or(findings.malformed);
        // What is wrong whatever the guarantee, as a value that nobody wrote, is found for each of them.
        for anomaly in findings.anomalies {
            let known = |other: &Anomaly| (other.kind, &other.explanation) == (anomaly.kind, &anomaly.explanation);
            if !all.anomalies.iter().any(known) {
                all.anomalies.push(anomaly);
            }
        }
        for (kind, count) in findings.counts {
            let known = all.counts.entry(kind).or_default();
            *known = (*known).max(count);
        }
        all.doubts.extend(findings.doubts.into_iter().filter(|doubt| !all.doubts.contains(doubt)).collect::<Vec<_>>());
    }
    let names: Vec<&str> = guarantees.iter().map(|guarantee| guarantee.name()).collect();
    decide_plainly(all, &history, &ops, &names.join(", "), limits)
}

#[cfg(test)]
mod tests;
