//! Reads that no order of the writes explains, whatever a session is promised: of what nobody wrote, and of a write that failed.
//!
//! Where a write comes after what its session had read before (writes follow reads, and with it PRAM and causality), a read of
//! what the session itself writes only later is one, too.

use super::Guarantee;
use crate::checks::check::Context;
use crate::finding::{Draft, Finding, Proof, a_read};
use crate::history::{EventType, Phase};
use crate::visibility::{KeyFacts, Read, WorkloadFacts, Write};

/// Adds such reads to what else was found of a history from anywhere.
///
/// Where the guarantee is a level of isolation, too, only those that no anomaly of the level is.
pub(super) fn add(
    finding: &mut Finding,
    workload: &WorkloadFacts<'_>,
    guarantee: Guarantee,
    is_level: bool,
    context: &Context<'_>,
) {
    let explainer = context.explainer();
    let is_own = |reason: &Reason<'_, '_>| !is_level || matches!(reason, Reason::Later(_));
    let mut count = 0;
    for key in workload.keys.iter().filter(|key| key.flaws.is_empty()) {
        for read in key.reads.iter().filter(|read| read.operation.phase() != Phase::Replica) {
            let Some(reason) = Reason::of(key, read, guarantee).filter(is_own) else { continue };
            count += 1;
            explainer.add(&mut finding.anomalies, || reason.explain(key, read, guarantee));
        }
    }
    if count > 0 {
        finding.violations += count;
        finding.figure("unexplained-reads", count as f64);
        finding.figure("violations", finding.violations as f64);
        let known = std::mem::take(&mut finding.headline);
        let reads = if count == 1 { "1 read shows".to_owned() } else { format!("{count} reads show") };
        finding.headline = format!("{reads} what no order of the writes explains; {known}");
    }
}

/// Why nothing explains a read.
enum Reason<'k, 'h> {
    Garbage,
    Failed(&'k Write<'h>),
    Later(&'k Write<'h>),
}

impl<'k, 'h> Reason<'k, 'h> {
    fn of(key: &'k KeyFacts<'h>, read: &Read<'h>, guarantee: Guarantee) -> Option<Self> {
        let shown = read.listed.iter().map(|write| &key.writes[*write as usize]);
        let failed = shown.clone().find(|write| write.operation.outcome() == EventType::Fail);
        let is_later =
            |write: &&Write<'_>| write.operation.process() == read.operation.process() && write.step() > read.step();
        let orders_writes_after_reads =
            matches!(guarantee, Guarantee::WritesFollowReads | Guarantee::Pram | Guarantee::Causal);
        let later = || shown.clone().find(is_later).filter(|_| orders_writes_after_reads);
        // What needs another operation comes first: a part of the history may lack the writes of everything else.
        let garbage = || Some(Self::Garbage).filter(|_| !read.unwritten.is_empty());
        failed.map(Self::Failed).or_else(|| later().map(Self::Later)).or_else(garbage)
    }

    /// The kinds have the names that they have for registers and transactions.
    fn explain(&self, key: &'k KeyFacts<'h>, read: &'k Read<'h>, guarantee: Guarantee) -> Draft<'k> {
        let (what, process) = (a_read(&read.operation), read.operation.process_name());
        let shows = |write: &Write<'_>| {
            let element = write.element.as_ref().map_or_else(|| "a delete".to_owned(), ToString::to_string);
            format!("{what} of {} by process {process} shows {element}", key.name)
        };
        let (kind, explanation, write) = match self {
            Self::Garbage => {
                let element = &read.unwritten[0];
                let explanation =
                    format!("{what} of {} by process {process} shows {element}, which nobody wrote", key.name);
                ("garbage-read", explanation, None)
            }
            Self::Failed(write) => {
                let writer = write.operation.process_name();
                ("G1a", format!("{}, whose write by process {writer} failed", shows(write)), Some(write))
            }
            Self::Later(write) => {
                (guarantee.name(), format!("{}, which the process itself wrote only later", shows(write)), Some(write))
            }
        };
        let operations = write.map(|write| write.operation).into_iter().chain([read.operation]);
        Draft { kind, key: &key.name, process: Some(process), explanation, proof: Proof::of(operations) }
    }
}
