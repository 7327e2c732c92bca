//! No resurrection: what an acknowledged write or delete has replaced is not there again at the end.
//!
//! Judged for registers, by the final reads. A value has been *replaced* if it is in the causal past of an
//! acknowledged write or delete. It is *resurrected* if every final read of the key lists it nevertheless, or if
//! one does and a replica has it after that, although every replica had lacked it in the last round before. If only some
//! final reads list it otherwise, either the nodes still disagree, which convergence judges; or a node that considers
//! replicas lost answered from what it keeps for them. That is a stale read as in the middle of a run, where replaced
//! values may be shown; read-your-writes and monotonic-reads judge it.
//!
//! The value, what replaced it (with what is between them in the causal past) and one read that lists it again prove it: a final
//! read, or that of the replica that came back. That all final reads list it, or that no replica had it before, needs the
//! whole history: the explanation says so.
//!
//! Elements of a set are never replaced, and a removed item of a cart may come back through an add whose writer had
//! not seen the removal (DeCandia et al., SOSP 2007, 4.4): such items are counted.
//!
//! Time: linear in what the analysis in [`crate::visibility`] costs. Source: the tombstones of Demers et al., "Epidemic
//! algorithms for replicated database maintenance", PODC 1987, section 2: a deletion must not be undone by an old copy.

use std::collections::BTreeMap;

use crate::checks::check::{Check, Context, Nature, Scope, View};
use crate::checks::survival::lost_writes::{flaws, name};
use crate::finding::{Draft, Explainer, Finding, Proof, a_read, by_node, ended};
use crate::history::{Operation, Phase};
use crate::objects::Object;
use crate::visibility::Evidence;
use crate::visibility::{KeyFacts, Past, WorkloadFacts};

/// A replaced value does not come back.
pub(crate) struct NoResurrection;

impl Check for NoResurrection {
    fn name(&self) -> &'static str {
        "no-resurrection"
    }

    fn about(&self) -> &'static str {
        "what an acknowledged write or delete has replaced is not there again at the end"
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
        view.by_facts(|workload| check(workload, &context.explainer()))
    }
}

/// Judges a workload.
pub(crate) fn check(workload: &WorkloadFacts<'_>, explainer: &Explainer<'_>) -> Finding {
    let mut finding = Finding::default();
    let mut tally = Tally::default();
    for key in workload.keys.iter().filter(|key| key.flaws.is_empty()) {
        tally.key(workload, key);
        for (value, by) in &key.analysis.covered {
            match sight(key, *value) {
                Sight::Resurrected => {
                    finding.violations += 1;
                    explainer.add(&mut finding.anomalies, || resurrected(workload, key, *value, *by));
                }
                Sight::Stale => tally.stale += 1,
            }
        }
    }
    finding.doubts = flaws(workload);
    finding.doubts.extend(tally.unread_keys.iter().map(|key| format!("no final read of {key} succeeded")));
    finding.headline = match tally.replacing {
        0 => "nothing was replaced or deleted".to_owned(),
        replacing => {
            format!("{} values replaced by {replacing} writes and deletes are there again", finding.violations)
        }
    };
    finding.figures = BTreeMap::from([
        ("replacing-writes".to_owned(), (tally.replacing - tally.deletes) as f64),
        ("replacing-deletes".to_owned(), tally.deletes as f64),
        ("resurrected".to_owned(), finding.violations as f64),
        ("stale".to_owned(), tally.stale as f64),
        ("resurfaced".to_owned(), tally.resurfaced as f64),
    ]);
    finding
}

/// What is counted over all keys.
#[derive(Default)]
struct Tally {
    /// Acknowledged writes and deletes that replaced something.
    replacing: u64,
    deletes: u64,
    stale: u64,
    resurfaced: u64,
    unread_keys: Vec<String>,
}

impl Tally {
    fn key(&mut self, workload: &WorkloadFacts<'_>, key: &KeyFacts<'_>) {
        let replaced_something = |past: &Past| matches!(past, Past::Known(replaced) if !replaced.is_empty());
        let acknowledged = key.writes.iter().filter(|write| write.acknowledged().is_some());
        let replacing = acknowledged.filter(|write| workload.model.is_register() && replaced_something(&write.past));
        let before = self.replacing;
        for write in replacing {
            self.replacing += 1;
            self.deletes += u64::from(write.is_delete());
        }
        if self.replacing > before && key.finals.is_empty() {
            self.unread_keys.push(key.name.clone());
        }
        let fates = key.analysis.fates.iter();
        self.resurfaced +=
            key.writes.iter().zip(fates).filter(|(write, fate)| write.removed && fate.finals.seen > 0).count() as u64;
    }
}

/// How a replaced value that some final read lists stands.
enum Sight {
    Resurrected,
    Stale,
}

fn sight(key: &KeyFacts<'_>, value: usize) -> Sight {
    let lists = |read: usize| key.reads[read].listed.binary_search(&(value as u32)).is_ok();
    let all = key.finals.iter().all(|read| lists(*read));
    match all || came_back(key, value).is_some() {
        true => Sight::Resurrected,
        false => Sight::Stale,
    }
}

/// The read of a replica that has it after the final reads, if no replica had it in the last round before them.
fn came_back<'k, 'h>(key: &'k KeyFacts<'h>, value: usize) -> Option<&'k Operation<'h>> {
    let rest = key.rest_round?;
    let before = |operation: &Operation<'_>| operation.round() == rest;
    let all_read = key.replica_reads.iter().filter(|read| before(read)).all(|read| read.is_ok());
    let of_replicas = key.reads.iter().filter(|read| read.operation.phase() == Phase::Replica);
    let mut holding = of_replicas.filter(|read| read.listed.binary_search(&(value as u32)).is_ok());
    let had_it = holding.clone().any(|read| before(&read.operation));
    let has_it = holding.find(|read| read.operation.round() > rest)?;
    (all_read && !had_it).then_some(&has_it.operation)
}

fn resurrected<'k>(workload: &WorkloadFacts<'_>, key: &'k KeyFacts<'_>, value: usize, by: usize) -> Draft<'k> {
    let (value_write, by_write) = (&key.writes[value], &key.writes[by]);
    let final_read = key.finals.iter().rev().find(|read| key.reads[**read].listed.contains(&(value as u32)));
    let listing = key.finals.iter().filter(|read| key.reads[**read].listed.contains(&(value as u32))).count();
    let again = came_back(key, value).filter(|_| listing < key.finals.len());
    let mut explanation = format!(
        "{} had been replaced by {}, acknowledged{}{}, and yet {listing} of all {} final reads list it",
        name(workload, key, value_write),
        name(workload, key, by_write),
        by_node(&by_write.operation),
        ended(&by_write.operation),
        key.finals.len(),
    );
    if let Some(read) = again {
        let round = key.rest_round.unwrap_or(0);
        explanation
            .push_str(&format!(", and after that {}, although in round {round} no replica had it", a_read(read)));
    }
    // Where replica reads show it, it came back on one of them; the final read may be merely stale.
    let listed_by = final_read.map(|read| key.reads[*read].operation);
    let shown = again.copied().or(listed_by);
    let between = Evidence::new(workload, key).of_replacement(by, value);
    let proof = Proof::of([value_write.operation, by_write.operation].into_iter().chain(shown)).with(between);
    let proof = proof.beside(listed_by.into_iter().chain(before(key, again)));
    Draft { kind: "resurrected-value", key: &key.name, process: None, explanation, proof }
}

/// The reads of the replicas that lacked a value before one of them showed it again.
fn before<'k, 'h>(key: &'k KeyFacts<'h>, again: Option<&Operation<'_>>) -> impl Iterator<Item = Operation<'h>> + 'k {
    let round = key.rest_round.filter(|_| again.is_some());
    key.replica_reads.iter().filter(move |read| Some(read.round()) == round).copied()
}
