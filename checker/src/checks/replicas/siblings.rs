//! Siblings bounded: one write is one version, and only concurrent versions stand side by side.
//!
//! What would make siblings grow without bound:
//! - a read of a register that lists a value beside one that had replaced it;
//! - a client's read of a register that lists a value twice;
//! - two versions, among all that replicas showed, with the value of one write. Values of registers and sets name the
//!   write that made them; a cart may come to the same items in two ways;
//! - the converse, a version that is not the same value everywhere: it stands for two writes.
//!
//! Then siblings in a read are at most as many as concurrent writes. How many versions reads saw is counted, as in section
//! 6.3 of the paper (there 99.94 % of the reads saw one): by clients, who read a register and are shown all siblings, and by
//! replicas read alone, whatever the workload, tombstones included.
//!
//! Time: linear in what the analysis in [`crate::visibility`] costs, and O(v log v) in the versions that replicas
//! showed. Source: DeCandia et al., SOSP 2007, 4.4 (versions that a descendant subsumes are forgotten) and 6.3
//! (siblings are few, and come from concurrent writers); Preguiça et al., "Dotted version vectors", 2010.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::checks::check::{Check, Context, Nature, Scope, View};
use crate::checks::replicas::convergence::{id_of, shortened};
use crate::checks::survival::lost_writes::{flaws, name};
use crate::finding::{Draft, Explainer, Finding, Proof, a_read};
use crate::history::{Operation, Phase};
use crate::objects::Object;
use crate::objects::{Element, Model};
use crate::visibility::Evidence;
use crate::visibility::{KeyFacts, Read, WorkloadFacts};

/// Siblings are concurrent.
pub(crate) struct SiblingsBounded;

impl Check for SiblingsBounded {
    fn name(&self) -> &'static str {
        "siblings-bounded"
    }

    fn about(&self) -> &'static str {
        "one write is one version, and only concurrent versions are siblings"
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
        reads(workload, key, explainer, &mut finding, &mut tally);
        Versions::new(workload, key).check(explainer, &mut finding, &mut tally);
    }
    finding.violations = finding.anomalies.total;
    finding.doubts = flaws(workload);
    if tally.reads + tally.versions == 0 {
        finding.doubts.push("no read shows versions".to_owned());
    }
    finding.headline = tally.headline(workload);
    finding.figures = tally.seen_by_clients.figures("versions");
    finding.figures.extend(tally.held_by_replicas.figures("replica-versions"));
    finding.figures.extend([
        ("reads-judged".to_owned(), tally.reads as f64),
        ("versions-judged".to_owned(), tally.versions as f64),
        ("siblings-max".to_owned(), tally.siblings_max as f64),
        ("reads-with-siblings".to_owned(), tally.with_siblings as f64),
        ("replaced-siblings".to_owned(), tally.replaced as f64),
        ("doubled-values".to_owned(), tally.doubled as f64),
        ("doubled-writes".to_owned(), tally.doubled_writes as f64),
        ("reused-versions".to_owned(), tally.reused as f64),
    ]);
    finding
}

/// How many versions reads saw.
#[derive(Default)]
struct Distribution {
    /// Reads that saw none, one, two, and so on; the last is those that saw so many or more.
    reads: [u64; VERSIONS_SHOWN + 1],
    max: u64,
}

/// Reads of so many versions or more are one class.
const VERSIONS_SHOWN: usize = 5;

impl Distribution {
    fn add(&mut self, versions: usize) {
        self.reads[versions.min(VERSIONS_SHOWN)] += 1;
        self.max = self.max.max(versions as u64);
    }

    /// Each class that occurs: its name, and its share of all reads, 0 to 1.
    fn shares(&self) -> impl Iterator<Item = (String, f64)> {
        let all = self.reads.iter().sum::<u64>().max(1) as f64;
        self.reads.iter().enumerate().filter(|(_, reads)| **reads > 0).map(move |(versions, reads)| {
            let or_more = if versions == VERSIONS_SHOWN { "-or-more" } else { "" };
            (format!("{versions}{or_more}"), *reads as f64 / all)
        })
    }

    /// `NAME-1-share`, `NAME-2-share`, ..., `NAME-max`; nothing without reads.
    fn figures(&self, name: &str) -> BTreeMap<String, f64> {
        let mut figures: BTreeMap<String, f64> =
            self.shares().map(|(class, share)| (format!("{name}-{class}-share"), share)).collect();
        if !figures.is_empty() {
            figures.insert(format!("{name}-max"), self.max as f64);
        }
        figures
    }

    /// `; SAW 1 version in 98.00 % of reads, 2 in 2.00 %`; nothing without reads.
    fn summary(&self, saw: &str) -> String {
        let unit = |at: usize| if at == 0 { " of reads" } else { "" };
        let class = |(at, (class, share)): (usize, (String, f64))| {
            format!("{} in {:.2} %{}", class.replace('-', " "), 100.0 * share, unit(at))
        };
        let classes: Vec<String> = self.shares().enumerate().map(class).collect();
        if classes.is_empty() { String::new() } else { format!("; versions {saw}: {}", classes.join(", ")) }
    }
}

/// What is counted over all keys.
#[derive(Default)]
struct Tally {
    reads: u64,
    versions: u64,
    siblings_max: u64,
    with_siblings: u64,
    replaced: u64,
    doubled: u64,
    doubled_writes: u64,
    reused: u64,
    seen_by_clients: Distribution,
    held_by_replicas: Distribution,
}

impl Tally {
    fn headline(&self, workload: &WorkloadFacts<'_>) -> String {
        let bad: Vec<String> = [
            (self.replaced, "reads list a value beside one that replaced it"),
            (self.doubled, "reads list a value twice"),
            (self.doubled_writes, "writes are two versions"),
            (self.reused, "versions are two writes"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
        let judged = match (bad.is_empty(), workload.model) {
            (false, _) => bad.join(", "),
            (true, model) if model.is_register() => {
                format!("at most {} siblings in a read, all concurrent", self.siblings_max)
            }
            (true, _) => format!("each of {} versions is one write", self.versions),
        };
        let (seen, held) =
            (self.seen_by_clients.summary("seen by clients"), self.held_by_replicas.summary("held by replicas"));
        judged + &seen + &held
    }
}

/// The siblings that reads of a register list. Elements of a set or a cart are no siblings.
fn reads(
    workload: &WorkloadFacts<'_>,
    key: &KeyFacts<'_>,
    explainer: &Explainer<'_>,
    finding: &mut Finding,
    tally: &mut Tally,
) {
    if !workload.model.is_register() {
        return;
    }
    for (position, read) in key.reads.iter().enumerate() {
        tally.reads += 1;
        tally.siblings_max = tally.siblings_max.max(read.listed.len() as u64);
        tally.with_siblings += u64::from(read.listed.len() > 1);
        if read.operation.phase() != Phase::Replica {
            tally.seen_by_clients.add(read.listed.len());
        }
        if let Some((by, _)) = key.analysis.beside.get(&position) {
            tally.replaced += 1;
            explainer.add(&mut finding.anomalies, || replaced_sibling(workload, key, position, *by));
        }
        if read.duplicated > 0 {
            tally.doubled += 1;
            explainer.add(&mut finding.anomalies, || doubled_value(workload, key, read));
        }
    }
}

fn replaced_sibling<'k>(workload: &WorkloadFacts<'_>, key: &'k KeyFacts<'_>, read: usize, by: usize) -> Draft<'k> {
    let (shown, write) = (&key.reads[read], &key.writes[by]);
    let read = &shown.operation;
    let explanation = format!(
        "{} of {} lists the value of {} beside one that its writer had seen and replaced",
        a_read(read),
        key.name,
        name(workload, key, write),
    );
    let mut proof = Proof::of([write.operation, shown.operation]);
    let evidence = Evidence::new(workload, key);
    if let Some(value) = evidence.first_replaced(by, &shown.listed) {
        proof = proof.and(key.writes[value].operation, evidence.of_replacement(by, value));
    }
    Draft { kind: "replaced-sibling", key: &key.name, process: Some(read.process_name()), explanation, proof }
}

fn doubled_value<'k>(workload: &WorkloadFacts<'_>, key: &'k KeyFacts<'_>, shown: &'k Read<'_>) -> Draft<'k> {
    let read = &shown.operation;
    let value = read.history().json(read.result());
    let explanation = format!(
        "{} of {} lists a value twice, which was written once: {}",
        a_read(read),
        key.name,
        shortened(&value.to_string()),
    );
    let proof = Proof::of([*read].into_iter().chain(doubled(workload, key, shown)));
    Draft { kind: "doubled-value", key: &key.name, process: Some(read.process_name()), explanation, proof }
}

/// The write of the first value that a read lists twice.
fn doubled<'h>(workload: &WorkloadFacts<'_>, key: &KeyFacts<'h>, read: &Read<'h>) -> Option<Operation<'h>> {
    let shown = Some(&read.operation).filter(|read| read.is_ok()).and_then(|read| workload.model.shown(read))?;
    let mut known = BTreeSet::new();
    let elements = shown.iter().map(|value| Element::new(read.operation.history(), *value));
    let twice = elements.filter(|element| !known.insert(element.clone()));
    let mut writes = twice.filter_map(|element| {
        let wrote = |at: &&u32| key.writes[**at as usize].element.as_ref() == Some(&element);
        read.listed.iter().find(wrote)
    });
    writes.next().map(|at| key.writes[*at as usize].operation)
}

/// Where something was first shown by a replica.
type Shown<'k, 'h> = (&'k Operation<'h>, Value);

/// All versions that replicas showed of a key.
struct Versions<'k, 'h> {
    key: &'k KeyFacts<'h>,
    one_value_one_write: bool,
    by_id: BTreeMap<String, Shown<'k, 'h>>,
    /// The text of a value, and the version that it was first seen as.
    by_value: BTreeMap<String, (String, &'k Operation<'h>)>,
    /// Those reported already.
    reported: BTreeSet<String>,
}

impl<'k, 'h> Versions<'k, 'h> {
    fn new(workload: &WorkloadFacts<'_>, key: &'k KeyFacts<'h>) -> Self {
        let one_value_one_write = workload.model != Model::Cart;
        Self { key, one_value_one_write, by_id: BTreeMap::new(), by_value: BTreeMap::new(), reported: BTreeSet::new() }
    }

    fn check(mut self, explainer: &Explainer<'_>, finding: &mut Finding, tally: &mut Tally) {
        for read in self.key.replica_reads.iter().filter(|read| read.phase() == Phase::Replica) {
            let Some(versions) = held(read) else { continue };
            tally.held_by_replicas.add(versions.len());
            for version in &versions {
                let (Some(id), Some(value)) = (id_of(version), version.get("value")) else { continue };
                self.version(id, value, read, explainer, finding, tally);
            }
        }
        tally.versions += self.by_id.len() as u64;
    }

    fn version(
        &mut self,
        id: String,
        value: &Value,
        read: &'k Operation<'h>,
        explainer: &Explainer<'_>,
        finding: &mut Finding,
        tally: &mut Tally,
    ) {
        let key = self.key;
        if let Some((first, known)) = self.by_id.get(&id) {
            if known != value && self.reported.insert(id.clone()) {
                tally.reused += 1;
                explainer.add(&mut finding.anomalies, || reused_version(key, &id, (first, known), (read, value)));
            }
            return;
        }
        self.by_id.insert(id.clone(), (read, value.clone()));
        if value.is_null() || !self.one_value_one_write {
            return;
        }
        let text = value.to_string();
        match self.by_value.get(&text) {
            Some((other, first)) => {
                if self.reported.insert(text.clone()) {
                    tally.doubled_writes += 1;
                    explainer.add(&mut finding.anomalies, || doubled_write(key, &text, (other, first), (&id, read)));
                }
            }
            None => drop(self.by_value.insert(text, (id, read))),
        }
    }
}

fn doubled_write<'k>(
    key: &'k KeyFacts<'_>,
    value: &str,
    first: (&str, &Operation<'k>),
    second: (&str, &Operation<'k>),
) -> Draft<'k> {
    let explanation = format!(
        "the value {} of {} was written once and is two versions: {} in {}, and {} in {}",
        shortened(value),
        key.name,
        first.0,
        a_read(first.1),
        second.0,
        a_read(second.1),
    );
    let other = |version: &Value| {
        let text = version["value"].to_string();
        text == value && id_of(version).as_deref() != Some(second.0)
    };
    let proof = two_versions(*first.1, *second.1, other);
    Draft { kind: "doubled-write", key: &key.name, process: None, explanation, proof }
}

fn reused_version<'k>(
    key: &'k KeyFacts<'_>,
    id: &str,
    first: (&Operation<'k>, &Value),
    second: (&Operation<'k>, &Value),
) -> Draft<'k> {
    let explanation = format!(
        "the version {id} of {} is {} in {}, and {} in {}: it stands for two writes",
        key.name,
        shortened(&first.1.to_string()),
        a_read(first.0),
        shortened(&second.1.to_string()),
        a_read(second.0),
    );
    let other = |version: &Value| version["value"] != *second.1 && id_of(version).as_deref() == Some(id);
    let proof = two_versions(*first.0, *second.0, other);
    Draft { kind: "reused-version", key: &key.name, process: None, explanation, proof }
}

/// The reads that show two versions: only the second, if it shows both.
fn two_versions<'h>(first: Operation<'h>, second: Operation<'h>, other: impl Fn(&Value) -> bool) -> Proof<'h> {
    let versions = held(&second);
    match versions.is_some_and(|versions| versions.iter().any(other)) {
        true => Proof::of([second]).beside([first]),
        false => Proof::of([first, second]),
    }
}

/// The versions that a replica showed; none if it did not answer.
fn held(read: &Operation<'_>) -> Option<Vec<Value>> {
    match read.history().json(read.result()) {
        Value::Array(versions) if read.is_ok() => Some(versions),
        _ => None,
    }
}
