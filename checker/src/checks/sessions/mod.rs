//! Session guarantees: what one client may expect of its own operations, whatever others do.
//!
//! Terry et al., "Session guarantees for weakly consistent replicated data", PDIS 1994: read your writes, monotonic
//! reads, monotonic writes, writes follow reads. The first three together, over all keys, are PRAM; all four are causal
//! consistency (Brzezinski, Sobaniec, Wawrzyniak, PDP 2004).
//!
//! - [`visible`]: a read tells which writes it has seen: sets, lists, registers with siblings.
//! - [`registers`]: a read shows one value, and nobody tells which of two writes won.

pub(crate) mod causal;
mod guarantee;
mod miss;
pub(crate) mod monotonic_reads;
pub mod observed;
pub(crate) mod pram;
pub(crate) mod read_your_writes;
pub mod registers;
pub(crate) mod session_order;
pub mod visible;

pub use guarantee::Guarantee;

use crate::checks::isolation::check_isolation;
use crate::checks::isolation::findings::{RawAnomaly, RawFindings, decide_plainly};
use crate::checks::isolation::records as transactions;
use crate::checks::isolation::saturation::Isolation;
use crate::finding::{Draft, Finding, Proof};
use crate::history::{Datum, History, Op, ValueId};
use crate::limits::Limits;

/// Judges the four session guarantees of a history: [`visible`] if its reads show lists, [`registers`] if they show
/// single values.
pub fn check(records: &History, limits: &Limits<'_>) -> Finding {
    check_of(records, limits, &Guarantee::ALL[..4])
}

/// Judges some guarantees of a history.
pub fn check_of(records: &History, limits: &Limits<'_>, guarantees: &[Guarantee]) -> Finding {
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

/// Judges a guarantee of a history, or of its transactions. Reads that show lists are of sets, or of registers with siblings:
/// those are judged by what they see of the writes.
pub(crate) fn by_session(records: &History, limits: &Limits<'_>, level: Isolation, guarantee: Guarantee) -> Finding {
    match records.ops.iter().any(|op| records.reads_list(op)) {
        true => check_of(records, limits, &[guarantee]),
        false => check_isolation(records, limits, level),
    }
}

fn by_visibility(records: &History, limits: &Limits<'_>, guarantees: &[Guarantee]) -> Finding {
    let (observed, ops) = match observed::read(records) {
        Ok(read) => read,
        Err(why) => return Finding::undecided(why),
    };
    let found = visible::analyse(&observed, limits);
    let mut finding = Finding::default();
    for miss in found.misses.iter().filter(|miss| guarantees.contains(&miss.guarantee)) {
        let key = ops.key(records, miss.key);
        finding.violated(limits, || Draft {
            kind: miss.guarantee.name(),
            key: &key,
            process: None,
            explanation: ops.explain(records, &observed, miss),
            proof: Proof::at(records, ops.by_themselves(&observed, &miss.operations)),
        });
    }
    finding.violations = guarantees.iter().map(|guarantee| found.counts.get(guarantee).unwrap_or(&0)).sum();
    finding.anomalies.total = finding.violations;
    let mut parts = Vec::new();
    for guarantee in guarantees {
        let count = found.counts.get(guarantee).copied().unwrap_or(0);
        finding.figure(guarantee.name(), count as f64);
        parts.push(format!(
            "{guarantee} {}",
            if count == 0 { "holds".to_owned() } else { format!("missed {count} times") }
        ));
    }
    finding.figure("undecided", found.undecided as f64);
    finding.doubts = found.doubts;
    if found.undecided > 0 {
        finding.doubt(format!(
            "{} times a write whose past nobody told may have replaced what is missing",
            found.undecided
        ));
    }
    finding.headline = parts.join("; ");
    finding
}

fn by_values(records: &History, limits: &Limits<'_>, guarantees: &[Guarantee]) -> Finding {
    let (history, ops) = match transactions::read(records, transactions::Form::Registers) {
        Ok(read) => read,
        Err(error) => return Finding::undecided(error.to_string()),
    };
    let mut all = RawFindings::default();
    for guarantee in guarantees {
        let findings = registers::analyse(&history, &ops, *guarantee, limits);
        all.malformed = all.malformed.or(findings.malformed);
        // What is wrong whatever the guarantee, as a value that nobody wrote, is found for each of them.
        for anomaly in findings.anomalies {
            let known = |other: &RawAnomaly| (other.kind, &other.explanation) == (anomaly.kind, &anomaly.explanation);
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
