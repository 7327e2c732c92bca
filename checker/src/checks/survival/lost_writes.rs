//! No lost writes: every acknowledged write is, at the end, read back or superseded by a write that had seen it.
//!
//! The end is what the `final` reads show, or the last round of replica reads where there is no final phase. Each
//! acknowledged write is judged by all of them together: *recovered* (every one sees it), *stale* (only some do: the
//! nodes still disagree, which convergence judges), *lost* (every one has provably missed it), *overwritten* (a
//! concurrent write won, where one may), or *undecided* (it may be in a causal past that is unknown). Reading
//! a value whose write certainly failed, or that nobody wrote, is a violation too.
//!
//! A write and one final read that lacks it prove a loss. That all final reads lack it, or that nobody wrote what was read,
//! needs the whole history: the explanation says so.
//!
//! Time: linear in what the analysis in [`crate::visibility`] costs. Source: Jepsen's set-full checker; for siblings,
//! the context of DeCandia et al., SOSP 2007, 4.4, as visibility of Burckhardt et al., POPL 2014.

use std::collections::{BTreeMap, BTreeSet};

use crate::checks::check::{Check, Context, Nature, Scope, View};
use crate::finding::{Draft, Explainer, Finding, Proof, a_read, by_node, ended, ms, quantile};
use crate::history::{EventType, Operation};
use crate::objects::Object;
use crate::visibility::Evidence;
use crate::visibility::{FinalSource, KeyFacts, Read, WorkloadFacts, Write};

/// How a write stands at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Visible in every final read, as far as is known.
    Recovered,
    /// Visible in some final reads only.
    Stale,
    /// Missed by every final read.
    Lost,
    /// Gone because a concurrent write won.
    Overwritten,
    /// The history does not decide it.
    Undecided,
    /// Its key has no final read.
    Unjudged,
    /// An item that somebody tried to remove.
    Exempt,
    /// Not acknowledged.
    Unacknowledged,
    /// A delete: it leaves nothing to be read. What it covered is for [`crate::checks::survival::resurrection`].
    Delete,
}

/// How a write stands at the end, by the final reads of its key.
pub(crate) fn standing(workload: &WorkloadFacts<'_>, key: &KeyFacts<'_>, position: usize) -> Standing {
    let write = &key.writes[position];
    let sight = key.analysis.fates[position].finals;
    let rest = key.finals.len() - sight.seen - sight.missed;
    let undecided = workload.rest_is_undecided();
    match sight.seen {
        _ if write.is_delete() => Standing::Delete,
        _ if write.acknowledged().is_none() => Standing::Unacknowledged,
        _ if write.removal_tried => Standing::Exempt,
        _ if key.finals.is_empty() => Standing::Unjudged,
        0 if rest == 0 => Standing::Lost,
        0 if undecided => Standing::Undecided,
        0 => Standing::Overwritten,
        _ if sight.missed == 0 && (rest == 0 || undecided) => Standing::Recovered,
        _ => Standing::Stale,
    }
}

/// No acknowledged write is lost.
pub(crate) struct NoLostWrites;

impl Check for NoLostWrites {
    fn name(&self) -> &'static str {
        "no-lost-writes"
    }

    fn about(&self) -> &'static str {
        "every acknowledged write is, at the end, read back or superseded by a write that had seen it"
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
    }
    let listed = [Listed::Lost, Listed::Failed, Listed::NeverWritten, Listed::Stale];
    for list in listed {
        // Stale writes are shown, and are for convergence to judge.
        let before = finding.anomalies.total;
        for key in workload.keys.iter().filter(|key| key.flaws.is_empty()) {
            list.anomalies(workload, key, explainer, &mut finding);
        }
        if list != Listed::Stale {
            finding.violations += finding.anomalies.total - before;
        }
    }
    finding.doubts = doubts(workload, &tally);
    finding.headline = tally.headline();
    finding.figures = tally.figures();
    finding
}

/// The anomalies, violations first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Listed {
    Lost,
    Failed,
    NeverWritten,
    Stale,
}

impl Listed {
    fn anomalies(
        self,
        workload: &WorkloadFacts<'_>,
        key: &KeyFacts<'_>,
        explainer: &Explainer<'_>,
        finding: &mut Finding,
    ) {
        let anomalies = &mut finding.anomalies;
        match self {
            Listed::Lost | Listed::Stale => {
                let wanted = if self == Listed::Lost { Standing::Lost } else { Standing::Stale };
                for position in 0..key.writes.len() {
                    if standing(workload, key, position) == wanted {
                        explainer.add(anomalies, || missing(workload, key, position, wanted));
                    }
                }
            }
            Listed::Failed => {
                for (position, read) in failed_but_read(key) {
                    explainer.add(anomalies, || failed_write_visible(workload, key, position, read));
                }
            }
            Listed::NeverWritten => {
                let mut known = BTreeSet::new();
                for read in &key.reads {
                    for element in read.unwritten.iter().filter(|element| known.insert(*element)) {
                        explainer.add(anomalies, || never_written(key, &element.to_string(), read));
                    }
                }
            }
        }
    }
}

/// Writes that certainly failed, with the first read that lists each.
fn failed_but_read<'k, 'h>(key: &'k KeyFacts<'h>) -> BTreeMap<usize, &'k Read<'h>> {
    let mut first = BTreeMap::new();
    for read in &key.reads {
        for position in read.listed.iter().map(|position| *position as usize) {
            if key.writes[position].operation.outcome() == EventType::Fail {
                first.entry(position).or_insert(read);
            }
        }
    }
    first
}

/// `add 17 to set-2`, `delete of register-1`.
pub(crate) fn name(workload: &WorkloadFacts<'_>, key: &KeyFacts<'_>, write: &Write<'_>) -> String {
    match &write.element {
        Some(element) => format!("{} {element} to {}", workload.model.verb(&write.operation), key.name),
        None => format!("delete of {}", key.name),
    }
}

/// `add 17 to set-2 was acknowledged by n3 at 12.345 s, last seen by a read through n1 at 13.100 s`.
pub(crate) fn story(workload: &WorkloadFacts<'_>, key: &KeyFacts<'_>, position: usize) -> String {
    let write = &key.writes[position];
    let acknowledged = ended(&write.operation);
    let seen = match key.analysis.fates[position].last_seen {
        Some(read) => format!("last seen by {}", a_read(&key.reads[read].operation)),
        None => "never seen by any read".to_owned(),
    };
    format!("{} was acknowledged{}{acknowledged}, {seen}", name(workload, key, write), by_node(&write.operation))
}

/// A lost or stale write, with its proof.
fn missing<'k>(workload: &WorkloadFacts<'_>, key: &'k KeyFacts<'_>, position: usize, standing: Standing) -> Draft<'k> {
    let story = story(workload, key, position);
    let sight = key.analysis.fates[position].finals;
    let (kind, end) = match standing {
        Standing::Stale => ("stale-write", format!("and is visible in {} of", sight.seen)),
        _ if workload.model.is_register() => ("lost-write", "and is neither in, nor replaced by, any of".to_owned()),
        _ => ("lost-write", "and is absent from".to_owned()),
    };
    let explanation = format!("{story}, {end} {}", final_reads(workload, key));
    let proof = match standing {
        Standing::Stale => stale(workload, key, position),
        _ => lost(workload, key, position),
    };
    Draft { kind, key: &key.name, process: None, explanation, proof }
}

/// `all 5 final reads`.
fn final_reads(workload: &WorkloadFacts<'_>, key: &KeyFacts<'_>) -> String {
    let reads = match workload.final_source {
        FinalSource::Replica => "replica reads of the last round",
        FinalSource::Final | FinalSource::Nothing => "final reads",
    };
    format!("all {} {reads} of {}", key.finals.len(), key.name)
}

/// The write and a final read; beside them the last read that saw it, and the first that missed it.
pub(crate) fn lost<'h>(workload: &WorkloadFacts<'_>, key: &KeyFacts<'h>, position: usize) -> Proof<'h> {
    let proof = Proof::of([key.writes[position].operation]);
    let proof = match key.finals.last().map(|read| &key.reads[*read]) {
        Some(last) => proof.and(last.operation, Evidence::new(workload, key).of_miss(last, position)),
        None => proof,
    };
    proof.beside(turn(key, position))
}

/// The last read that saw a write, and the first that missed it.
fn turn<'k, 'h>(key: &'k KeyFacts<'h>, position: usize) -> impl Iterator<Item = Operation<'h>> + 'k {
    let fate = key.analysis.fates[position];
    [fate.last_seen, fate.first_missed].into_iter().flatten().map(|read| key.reads[read].operation)
}

/// The write, a final read that sees it, and one that does not.
fn stale<'h>(workload: &WorkloadFacts<'_>, key: &KeyFacts<'h>, position: usize) -> Proof<'h> {
    let evidence = Evidence::new(workload, key);
    let sees = |read: &usize| evidence.is_seen(&key.reads[*read], position);
    let (seeing, lacking) = (key.finals.iter().find(|read| sees(read)), key.finals.iter().rfind(|read| !sees(read)));
    let mut proof = Proof::of([key.writes[position].operation]);
    if let Some(read) = seeing.map(|read| &key.reads[*read]) {
        proof = proof.and(read.operation, evidence.of_sight(read, position));
    }
    if let Some(read) = lacking.map(|read| &key.reads[*read]) {
        let unseen = evidence.of_unseen_deletes(read, position, &proof.operations);
        proof = proof.and(read.operation, [evidence.of_miss(read, position), unseen].concat());
    }
    proof.beside(turn(key, position))
}

fn failed_write_visible<'k>(
    workload: &WorkloadFacts<'_>,
    key: &'k KeyFacts<'_>,
    position: usize,
    read: &'k Read<'_>,
) -> Draft<'k> {
    let write = &key.writes[position];
    let name = name(workload, key, write);
    let failed = ended(&write.operation);
    let error = write.operation.error().map_or_else(String::new, |error| format!(" with `{error}`"));
    let event = write.operation.completed().unwrap_or(write.operation.invoked());
    let explanation = format!(
        "{name} certainly failed{failed}{error} (process {}, event {event}), and yet {} lists it: if the client cannot \
         know, record `info`",
        write.operation.process_name(),
        a_read(&read.operation)
    );
    let named = Evidence::new(workload, key).of_sight(read, position);
    let proof = Proof::of([write.operation, read.operation]).with(named);
    Draft {
        kind: "failed-write-visible",
        key: &key.name,
        process: Some(write.operation.process_name()),
        explanation,
        proof,
    }
}

fn never_written<'k>(key: &'k KeyFacts<'_>, element: &str, read: &'k Read<'_>) -> Draft<'k> {
    let explanation = format!("{} lists {element} in {}, which nobody wrote there", a_read(&read.operation), key.name);
    let proof = Proof::of([read.operation]);
    Draft { kind: "never-written", key: &key.name, process: Some(read.operation.process_name()), explanation, proof }
}

/// What is counted over all keys.
#[derive(Default)]
struct Tally {
    attempted: u64,
    acknowledged: u64,
    recovered: u64,
    recovered_unacknowledged: u64,
    lost: u64,
    stale: u64,
    overwritten: u64,
    undecided: u64,
    removal_tried: u64,
    resurfaced: u64,
    deletes: u64,
    never_read: u64,
    duplicated: u64,
    failed_visible: u64,
    never_written: u64,
    final_reads: u64,
    unread_keys: Vec<String>,
    /// From the acknowledgement of each lost write to the last read that saw it.
    lost_latencies_ms: Vec<f64>,
}

impl Tally {
    fn key(&mut self, workload: &WorkloadFacts<'_>, key: &KeyFacts<'_>) {
        let mut unjudged = false;
        for position in 0..key.writes.len() {
            let standing = standing(workload, key, position);
            self.write(key, position, standing);
            unjudged |= standing == Standing::Unjudged;
        }
        if unjudged {
            self.unread_keys.push(key.name.clone());
        }
        self.final_reads += key.finals.len() as u64;
        self.duplicated += key.reads.iter().map(|read| read.duplicated).sum::<u64>();
        self.failed_visible += failed_but_read(key).len() as u64;
        let unwritten: BTreeSet<_> = key.reads.iter().flat_map(|read| &read.unwritten).collect();
        self.never_written += unwritten.len() as u64;
    }

    fn write(&mut self, key: &KeyFacts<'_>, position: usize, standing: Standing) {
        let write = &key.writes[position];
        if standing == Standing::Delete {
            self.deletes += u64::from(write.acknowledged().is_some());
            return;
        }
        let fate = key.analysis.fates[position];
        self.attempted += 1;
        self.acknowledged += u64::from(write.acknowledged().is_some());
        self.never_read += u64::from(write.must_stay().is_some() && fate.last_seen.is_none());
        self.resurfaced += u64::from(write.removed && fate.finals.seen > 0);
        match standing {
            Standing::Recovered => self.recovered += 1,
            Standing::Stale => self.stale += 1,
            Standing::Overwritten => self.overwritten += 1,
            Standing::Undecided => self.undecided += 1,
            Standing::Exempt => self.removal_tried += 1,
            Standing::Unjudged | Standing::Delete => {}
            Standing::Lost => {
                self.lost += 1;
                self.lost_latencies_ms.extend(seen_for_ms(key, position));
            }
            Standing::Unacknowledged => {
                let open = write.operation.outcome() == EventType::Info;
                self.recovered_unacknowledged += u64::from(open && fate.finals.seen > 0);
            }
        }
    }

    fn headline(&self) -> String {
        let Tally { lost, acknowledged, stale, failed_visible, never_written, .. } = self;
        let mut headline = format!("{lost} of {acknowledged} acknowledged writes are lost");
        if *lost > 0 {
            headline.push_str(&format!(" ({:.1} %)", self.lost_share_percent()));
        }
        for (count, what) in [
            (*stale, "are visible in some final reads only"),
            (*failed_visible, "certainly failed and were read"),
            (*never_written, "were read and never written"),
        ] {
            if count > 0 {
                headline.push_str(&format!(", {count} {what}"));
            }
        }
        headline
    }

    fn lost_share_percent(&self) -> f64 {
        match self.acknowledged {
            0 => 0.0,
            acknowledged => 100.0 * self.lost as f64 / acknowledged as f64,
        }
    }

    fn figures(mut self) -> BTreeMap<String, f64> {
        let share = self.lost_share_percent();
        self.lost_latencies_ms.sort_by(f64::total_cmp);
        let counts = [
            ("attempted", self.attempted),
            ("acknowledged", self.acknowledged),
            ("recovered", self.recovered),
            ("recovered-unacknowledged", self.recovered_unacknowledged),
            ("lost", self.lost),
            ("stale", self.stale),
            ("overwritten", self.overwritten),
            ("undecided", self.undecided),
            ("removal-tried", self.removal_tried),
            ("resurfaced", self.resurfaced),
            ("deletes", self.deletes),
            ("never-read", self.never_read),
            ("duplicated", self.duplicated),
            ("failed-write-visible", self.failed_visible),
            ("never-written", self.never_written),
            ("final-reads", self.final_reads),
        ];
        let mut figures: BTreeMap<String, f64> =
            counts.into_iter().map(|(name, count)| (name.to_owned(), count as f64)).collect();
        figures.insert("lost-share-percent".to_owned(), share);
        if !self.lost_latencies_ms.is_empty() {
            figures.insert("lost_p50_ms".to_owned(), quantile(&self.lost_latencies_ms, 0.5));
            figures.insert("lost_latest_ms".to_owned(), quantile(&self.lost_latencies_ms, 1.0));
        }
        figures
    }
}

/// For how long after its acknowledgement a write was still seen; none if it never was, or in a history without times.
fn seen_for_ms(key: &KeyFacts<'_>, position: usize) -> Option<f64> {
    let read = &key.reads[key.analysis.fates[position].last_seen?];
    if !read.operation.history().timed {
        return None;
    }
    let acknowledged = Some(&key.writes[position].operation).filter(|write| write.is_ok())?.completed_ns()?;
    Some(ms(read.operation.completed_ns()?.saturating_sub(acknowledged)))
}

/// Why there is no answer, or no complete one; `tally` is over the keys without flaws.
fn doubts(workload: &WorkloadFacts<'_>, tally: &Tally) -> Vec<String> {
    let mut doubts = flaws(workload);
    if tally.acknowledged == 0 {
        doubts.push("no write was acknowledged".to_owned());
    } else if workload.final_source == FinalSource::Nothing {
        doubts.push("the history has no final reads".to_owned());
    } else {
        doubts.extend(tally.unread_keys.iter().map(|key| format!("no final read of {key} succeeded")));
    }
    if tally.undecided > 0 {
        doubts
            .push(format!("{} may have been replaced by a write of unknown outcome and causal past", tally.undecided));
    }
    doubts
}

/// Why keys could not be judged at all, or only in part.
pub(crate) fn flaws(workload: &WorkloadFacts<'_>) -> Vec<String> {
    let cut = workload.keys.iter().filter(|key| key.analysis.is_cut);
    let cut = cut.map(|key| format!("the time was over before all of {} was looked at", key.name));
    workload.keys.iter().flat_map(|key| key.flaws.iter().cloned()).chain(cut).collect()
}
