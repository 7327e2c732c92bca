//! Monotonic reads: what a read has shown to a process, each later read of the key by that process shows too, or
//! something causally newer.
//!
//! Judged for each read of the main phase whose process had read the key before. A read goes back if it has provably
//! missed what an earlier one showed, or lists a value again that an earlier one could lack only because of a delete.
//! One violation is one read, however many writes it went back behind. Items of a cart that somebody tried to remove
//! are not owed. A process that got an `info` has ended, and its worker goes on as another one that is owed nothing.
//!
//! Time: linear in what the analysis in [`crate::visibility`] costs. Source: Terry et al., "Session guarantees for
//! weakly consistent replicated data", PDIS 1994.

use crate::finding::{Draft, Explainer, Finding, ReadTally, a_read};
use crate::lost_writes::{flaws, name};
use crate::model::{KeyFacts, WorkloadFacts};
use crate::visibility::Regress;

/// Judges a workload.
pub(crate) fn check(workload: &WorkloadFacts<'_>, explainer: &Explainer<'_>) -> Finding {
    let mut finding = Finding { doubts: flaws(workload), ..Finding::default() };
    let mut tally = ReadTally::default();
    for key in workload.keys.iter().filter(|key| key.flaws.is_empty()) {
        tally.add(&key.analysis.again_judged, &key.analysis.again_undecided);
        for (read, regress) in &key.analysis.regressed {
            finding.violations += 1;
            explainer.add(&mut finding.anomalies, || went_back(workload, key, *read, *regress));
        }
    }
    tally.conclude(&mut finding, "went back behind an earlier one", "no process read a key again");
    finding
}

fn went_back<'k>(workload: &WorkloadFacts<'_>, key: &'k KeyFacts<'_>, read: usize, regress: Regress) -> Draft<'k> {
    let (read, earlier) = (&key.reads[read].operation, &key.reads[regress.shown_by].operation);
    let write = &key.writes[regress.latest];
    let what = match regress.came_back {
        true => "shows again, after it had been deleted in between,",
        false => "does not show",
    };
    let mut explanation = format!(
        "{} of {} by process {} {what} {}, which {} had shown to the same process",
        a_read(read),
        key.name,
        read.process,
        name(workload, key, write),
        a_read(earlier),
    );
    if regress.count > 1 {
        explanation.push_str(&format!("; the same goes for {} more writes", regress.count - 1));
    }
    let proof = vec![Some(write.operation.invoke), earlier.completion, Some(read.invoke), read.completion];
    Draft { kind: "non-monotonic-read", key: &key.name, process: Some(read.process), explanation, proof }
}
