//! Monotonic reads: what a read has shown to a process, each later read of the key by that process shows too, or
//! something causally newer.
//!
//! Judged for each read of the main phase whose process had read the key before. A read goes back if it has provably
//! missed what an earlier one showed, or lists a value again that an earlier one could lack only because of a delete.
//! One violation is one read, however many writes it went back behind. Items of a cart that somebody tried to remove
//! need not be seen. A process that got an `info` has ended; its worker goes on as another process, with no earlier reads.
//!
//! Time: linear in what the analysis in [`crate::visibility`] costs. Source: Terry et al., "Session guarantees for
//! weakly consistent replicated data", PDIS 1994.

use std::collections::BTreeMap;

use crate::checks::check::{Check, Context, Nature, Scope, View};
use crate::checks::sessions::{Guarantee, judge, lacks};
use crate::checks::survival::lost_writes::{flaws, name};
use crate::finding::{Draft, Finding, Proof, ReadTally, a_read};
use crate::history::{Operation, Phase};
use crate::objects::Object;
use crate::visibility::Evidence;
use crate::visibility::Regress;
use crate::visibility::{KeyFacts, Read, WorkloadFacts};

/// Monotonic reads.
pub(crate) struct MonotonicReads;

impl Check for MonotonicReads {
    fn name(&self) -> &'static str {
        "monotonic-reads"
    }

    fn about(&self) -> &'static str {
        "a read sees what its process saw before, or something causally newer (Terry et al. 1994)"
    }

    fn scope(&self) -> Scope {
        Scope::Workload
    }

    fn objects(&self) -> &'static [Object] {
        &Object::OF_WORKLOADS
    }

    fn nature(&self) -> Nature {
        Nature::MEASURED
    }

    fn judge(&self, view: &View<'_>, context: &Context<'_>) -> Finding {
        judge(view, context, Guarantee::MonotonicReads, |workload| check(workload, context))
    }
}

/// Judges a workload.
fn check(workload: &WorkloadFacts<'_>, context: &Context<'_>) -> Finding {
    let mut finding = Finding { doubts: flaws(workload), ..Finding::default() };
    let (explainer, mut tally) = (context.explainer(), ReadTally::default());
    for key in workload.keys.iter().filter(|key| key.flaws.is_empty()) {
        let forgotten = Forgotten::of(workload, key);
        tally.add(&forgotten.judged, &key.analysis.again_undecided);
        for (read, (element, shown_by)) in &forgotten.by_read {
            finding.violations += 1;
            explainer.add(&mut finding.anomalies, || forgot(key, *read, *element, *shown_by));
        }
        for (read, regress) in &key.analysis.regressed {
            finding.violations += 1;
            explainer.add(&mut finding.anomalies, || went_back(workload, key, *read, *regress));
        }
    }
    tally.conclude(&mut finding, "went back behind an earlier one", workload.untested("no process read a key again"));
    finding
}

/// What processes saw of that with which a key began, and did not see later. What a register begins with may be replaced.
struct Forgotten {
    /// For each read, whether its process had seen something before.
    judged: Vec<bool>,
    /// The reads that forgot, which lack nothing else that their process had seen, each with the first such element
    /// ([`KeyFacts::initial`]) and the first read that had shown it.
    by_read: BTreeMap<usize, (u32, usize)>,
}

impl Forgotten {
    fn of(workload: &WorkloadFacts<'_>, key: &KeyFacts<'_>) -> Self {
        let mut forgotten = Self { judged: key.analysis.again_judged.clone(), by_read: BTreeMap::new() };
        if key.initial.is_empty() || workload.model.is_register() {
            return forgotten;
        }
        let mut shown: BTreeMap<u64, Vec<Option<usize>>> = BTreeMap::new();
        let by_client = |(_, read): &(usize, &Read<'_>)| read.operation.phase() != Phase::Replica;
        for (at, read) in key.reads.iter().enumerate().filter(by_client) {
            let shown = shown.entry(read.operation.process()).or_insert_with(|| vec![None; key.initial.len()]);
            forgotten.judged[at] |= shown.iter().any(Option::is_some);
            let lost = read.lacks.iter().find_map(|element| Some((*element, shown[*element as usize]?)));
            let lost = lost.filter(|_| !key.analysis.regressed.contains_key(&at));
            forgotten.by_read.extend(lost.map(|lost| (at, lost)));
            let mut lacks = read.lacks.iter().peekable();
            for (element, shown) in (0..).zip(shown) {
                if lacks.next_if_eq(&&element).is_none() {
                    shown.get_or_insert(at);
                }
            }
        }
        forgotten
    }
}

/// A read that lacks something with which its key began, which another had shown to its process.
fn forgot<'k>(key: &'k KeyFacts<'_>, read: usize, element: u32, shown_by: usize) -> Draft<'k> {
    let (read, earlier) = (&key.reads[read], &key.reads[shown_by]);
    let lacks = lacks(key, read, element);
    let explanation = format!("{lacks}; {} had shown it to the same process", a_read(&earlier.operation));
    let (process, proof) = (Some(read.operation.process_name()), Proof::of([earlier.operation, read.operation]));
    Draft { kind: "non-monotonic-read", key: &key.name, process, explanation, proof }
}

fn went_back<'k>(workload: &WorkloadFacts<'_>, key: &'k KeyFacts<'_>, read: usize, regress: Regress) -> Draft<'k> {
    let (shown, shown_by) = (&key.reads[read], &key.reads[regress.shown_by]);
    let (read, earlier) = (&shown.operation, &shown_by.operation);
    let write = &key.writes[regress.latest];
    let what = match regress.came_back {
        true => "shows again, after it had been deleted in between,",
        false => "does not show",
    };
    let mut explanation = format!(
        "{} of {} by process {} {what} {}, which {} had shown to the same process",
        a_read(read),
        key.name,
        read.process_name(),
        name(workload, key, write),
        a_read(earlier),
    );
    if regress.count > 1 {
        explanation.push_str(&format!("; the same goes for {} more writes", regress.count - 1));
    }
    let evidence = Evidence::new(workload, key);
    let proof = Proof::of([write.operation, *earlier, *read]).with(evidence.of_sight(shown_by, regress.latest));
    let proof = match regress.came_back {
        true => proof.with(gone(&evidence, key, (shown_by, shown), regress.latest)),
        false => proof.with(evidence.of_miss(shown, regress.latest)),
    };
    Draft { kind: "non-monotonic-read", key: &key.name, process: Some(read.process_name()), explanation, proof }
}

/// The read between two others of its process that lacks a write because of a delete, with that delete.
fn gone<'h>(
    evidence: &Evidence<'_, 'h>,
    key: &KeyFacts<'h>,
    (from, to): (&Read<'_>, &Read<'_>),
    write: usize,
) -> Vec<Operation<'h>> {
    let between = |read: &&Read<'_>| {
        let own = read.operation.process() == to.operation.process() && read.operation.phase() != Phase::Replica;
        own && from.step() < read.step() && read.step() < to.step()
    };
    let mut lacking = key.reads.iter().filter(between).filter(|read| !evidence.shows(read, write));
    let read = lacking.find(|read| evidence.is_seen(read, write));
    read.map_or_else(Vec::new, |read| [vec![read.operation], evidence.of_delete(read, write)].concat())
}
