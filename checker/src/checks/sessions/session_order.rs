//! Monotonic writes and writes follow reads: a read that sees a write sees what the writer had done to the key before.
//!
//! - *monotonic writes*: the acknowledged writes that the writer's process had made before;
//! - *writes follow reads*: what the reads of the writer's process had shown before.
//!
//! Judged for each read by a client, the final ones too, each key by itself. The reader need not be the process that
//! wrote. One violation is one read, however many writes it lacks. With read-your-writes and monotonic-reads these two
//! are all that causal consistency requires of a key (Brzezinski, Sobaniec, Wawrzyniak, PDP 2004);
//! [`crate::checks::sessions::causal`] requires it over all keys.
//!
//! A write here is a get and a put with its context. So a store with read-your-writes also has the first of the two, and one
//! with monotonic reads the second: the context of the later write covers what came before.
//!
//! In a list, what must be seen because of a write also stands before it.
//!
//! Time: linear in what the analysis in [`crate::visibility`] costs; an explanation searches the causal past. Source:
//! Terry et al., "Session guarantees for weakly consistent replicated data", PDIS 1994.

use std::collections::BTreeSet;

use crate::checks::check::{Check, Context, Nature, Scope, View};
use crate::checks::sessions::{Guarantee, judge};
use crate::checks::survival::lost_writes::{flaws, name};
use crate::finding::{Draft, Finding, Proof, ReadTally, a_read};
use crate::history::Phase;
use crate::objects::Object;
use crate::visibility::Evidence;
use crate::visibility::{KeyFacts, Past, Read, WorkloadFacts, Write};
use crate::visibility::{Late, OwnMiss, Required};

/// Monotonic writes.
pub(crate) struct MonotonicWrites;

impl Check for MonotonicWrites {
    fn name(&self) -> &'static str {
        "monotonic-writes"
    }

    fn about(&self) -> &'static str {
        "who sees a write sees what its process wrote before it (Terry et al. 1994)"
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
        let guarantee = Guarantee::MonotonicWrites;
        judge(view, context, guarantee, |workload| check(workload, context, guarantee))
    }
}

/// Writes follow reads.
pub(crate) struct WritesFollowReads;

impl Check for WritesFollowReads {
    fn name(&self) -> &'static str {
        "writes-follow-reads"
    }

    fn about(&self) -> &'static str {
        "who sees a write sees what its process had seen before it (Terry et al. 1994)"
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
        let guarantee = Guarantee::WritesFollowReads;
        judge(view, context, guarantee, |workload| check(workload, context, guarantee))
    }
}

/// Judges a workload by one of the two.
fn check(workload: &WorkloadFacts<'_>, context: &Context<'_>, guarantee: Guarantee) -> Finding {
    let mut finding = Finding { doubts: flaws(workload), ..Finding::default() };
    let (explainer, mut tally) = (context.explainer(), ReadTally::default());
    for key in workload.keys.iter().filter(|key| key.flaws.is_empty()) {
        let required = of(key, guarantee);
        tally.merge(required.reads);
        for read in required.broken() {
            finding.violations += 1;
            explainer.add(&mut finding.anomalies, || match required.missed.get(&read) {
                Some(miss) => lacking(workload, key, read, *miss, guarantee),
                None => too_late(workload, key, read, required.disordered[&read], guarantee),
            });
        }
    }
    let did = match guarantee {
        Guarantee::MonotonicWrites => "lack an earlier write of a process whose later one they show",
        _ => "lack what a writer had seen before it wrote what they show",
    };
    let untested = "no read showed a write whose process had done something to the key before";
    tally.conclude(&mut finding, did, workload.untested(untested));
    finding
}

fn of<'k>(key: &'k KeyFacts<'_>, guarantee: Guarantee) -> &'k Required {
    match guarantee {
        Guarantee::MonotonicWrites => &key.analysis.of_writers,
        _ => &key.analysis.of_what_writers_saw,
    }
}

/// The writes that a read shows, and what they replaced, transitively.
pub(crate) fn seen_by(key: &KeyFacts<'_>, read: &Read<'_>) -> BTreeSet<u32> {
    let mut seen = BTreeSet::new();
    let mut open: Vec<u32> = read.listed.clone();
    while let Some(write) = open.pop() {
        if seen.insert(write)
            && let Past::Known(past) = &key.writes[write as usize].past
        {
            open.extend(past);
        }
    }
    seen
}

/// Why a read must see a write: the write that it does see, and the read by which the writer of that one knew.
fn because<'k, 'h>(
    key: &'k KeyFacts<'h>,
    read: &Read<'_>,
    missed: usize,
    guarantee: Guarantee,
) -> Option<(usize, Option<&'k Read<'h>>)> {
    let lacking = &key.writes[missed];
    let seen = seen_by(key, read);
    let mut writes = seen.iter().map(|write| (*write as usize, &key.writes[*write as usize]));
    if guarantee == Guarantee::MonotonicWrites {
        let later = |(_, write): &(usize, &Write<'_>)| {
            write.operation.process() == lacking.operation.process() && write.step() > lacking.step()
        };
        return Some((writes.find(later)?.0, None));
    }
    writes.find_map(|(at, write)| Some((at, Some(knew(key, write, missed)?))))
}

/// The first read by the process of a write, before it, that has seen another.
fn knew<'k, 'h>(key: &'k KeyFacts<'h>, write: &Write<'_>, other: usize) -> Option<&'k Read<'h>> {
    let earlier = |read: &&Read<'_>| {
        let operation = &read.operation;
        let own = operation.process() == write.operation.process() && operation.phase() != Phase::Replica;
        own && read.step() < write.step()
    };
    key.reads.iter().filter(earlier).find(|read| seen_by(key, read).contains(&(other as u32)))
}

fn lacking<'k>(
    workload: &WorkloadFacts<'_>,
    key: &'k KeyFacts<'_>,
    read: usize,
    miss: OwnMiss,
    guarantee: Guarantee,
) -> Draft<'k> {
    let read = &key.reads[read];
    let (operation, write) = (&read.operation, &key.writes[miss.latest]);
    let missed = name(workload, key, write);
    let mut explanation = format!("{} of {} by process {}", a_read(operation), key.name, operation.process_name());
    let evidence = Evidence::new(workload, key);
    let mut proof = Proof::of([write.operation, *operation]).with(evidence.of_miss(read, miss.latest));
    match because(key, read, miss.latest, guarantee) {
        Some((at, knew)) => {
            let through = &key.writes[at];
            let shown = name(workload, key, through);
            explanation.push_str(&format!(
                " has seen {shown} and lacks {missed}, which process {}",
                through.operation.process_name()
            ));
            explanation.push_str(&match knew {
                Some(knew) => format!(" had been shown by {} before it wrote that", a_read(&knew.operation)),
                None => " had been acknowledged before it wrote that".to_owned(),
            });
            proof = proof.and(through.operation, evidence.of_sight(read, at));
            if let Some(knew) = knew {
                proof = proof.and(knew.operation, evidence.of_sight(knew, miss.latest));
            }
        }
        None => explanation.push_str(&format!(" lacks {missed}")),
    }
    if miss.count > 1 {
        explanation.push_str(&format!("; the same goes for {} more writes", miss.count - 1));
    }
    Draft { kind: kind(guarantee), key: &key.name, process: Some(operation.process_name()), explanation, proof }
}

fn kind(guarantee: Guarantee) -> &'static str {
    match guarantee {
        Guarantee::MonotonicWrites => "non-monotonic-write",
        _ => "write-before-read",
    }
}

/// A read that shows an element of a list after one that it must precede.
fn too_late<'k>(
    workload: &WorkloadFacts<'_>,
    key: &'k KeyFacts<'_>,
    read: usize,
    late: Late,
    guarantee: Guarantee,
) -> Draft<'k> {
    let operation = &key.reads[read].operation;
    let (write, before) = (&key.writes[late.write], &key.writes[late.before]);
    let mut explanation = format!(
        "{} of {} by process {} shows {} after {}",
        a_read(operation),
        key.name,
        operation.process_name(),
        name(workload, key, write),
        name(workload, key, before),
    );
    let mut proof = Proof::of([write.operation, before.operation, *operation]);
    let process = before.operation.process_name();
    match knew(key, before, late.write).filter(|_| guarantee == Guarantee::WritesFollowReads) {
        Some(knew) => {
            let shown_by = a_read(&knew.operation);
            explanation
                .push_str(&format!(", though {shown_by} had shown it to process {process} before it wrote that"));
            proof.operations.push(knew.operation);
        }
        None => {
            explanation.push_str(&format!(", though process {process} had been acknowledged it before it wrote that"))
        }
    }
    Draft { kind: kind(guarantee), key: &key.name, process: Some(operation.process_name()), explanation, proof }
}
