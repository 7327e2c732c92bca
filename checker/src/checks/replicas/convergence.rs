//! Convergence: after the heal, every replica, read by itself, returns the same versions.
//!
//! Replicas are polled in rounds. A key has *converged* if in its last round every replica was read and all hold the
//! same versions; it converged in the first round from which on every round agrees. Two replicas that differ in the
//! last round violate the property; a replica that could not be read then leaves the key undecided. A round after the
//! final reads is for [`crate::checks::survival::resurrection`]: alone, its reads are not at one moment.
//!
//! Two replicas that differ prove it; what the others hold is beside the proof and in the explanation.
//!
//! Time: O(v log v) in the versions read. Source: strong eventual consistency of Shapiro et al., SSS 2011, as far as
//! it can be observed: replicas that have received the same updates are equal, and after a while all have.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::checks::check::{Check, Context, Nature, Scope, View};
use crate::finding::{Draft, Explainer, Finding, Proof, at_time, ms, quantile};
use crate::history::Operation;
use crate::objects::Object;
use crate::visibility::{KeyFacts, WorkloadFacts};

/// How many versions of a replica an explanation shows, and how much of each.
const VERSIONS_SHOWN: usize = 4;
const VERSION_CHARACTERS_SHOWN: usize = 60;

/// The versions of one replica: identity and value.
type Versions = BTreeSet<(String, String)>;

/// What the replicas answered in one round; none from one that did not answer.
#[derive(Default)]
struct Round<'h> {
    answers: BTreeMap<&'h str, Option<Versions>>,
    /// In their order.
    reads: Vec<Operation<'h>>,
}

/// The result for a key.
enum Standing {
    /// At this time, ns since the run began.
    Converged(u64),
    Diverged,
    /// These replicas could not be read in the last round.
    Unread(Vec<String>),
}

/// Replicas agree at the end.
pub(crate) struct Convergence;

impl Check for Convergence {
    fn name(&self) -> &'static str {
        "convergence"
    }

    fn about(&self) -> &'static str {
        "after the heal every replica, read by itself, returns the same versions"
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
    let mut times_ms = Vec::new();
    let mut rounds_max = 0;
    for key in &workload.keys {
        let rounds = rounds(key.replica_reads.iter().filter(|read| Some(read.round()) <= key.rest_round));
        rounds_max = rounds_max.max(rounds.len());
        let Some((round, last)) = rounds.last_key_value() else {
            finding.doubts.push(format!("no replica reads of {}", key.name));
            continue;
        };
        match standing(&rounds) {
            Standing::Converged(time) => times_ms.push(ms(time.saturating_sub(explainer.heal_ns.unwrap_or(time)))),
            Standing::Unread(nodes) => finding.doubts.push(unread(key, *round, &nodes)),
            Standing::Diverged => {
                finding.violations += 1;
                explainer.add(&mut finding.anomalies, || diverged(key, *round, last));
            }
        }
    }
    if rounds_max == 0 {
        finding.doubts = vec!["no replica reads".to_owned()];
    }
    conclude(&mut finding, workload.keys.len(), rounds_max, times_ms, explainer.heal_ns.is_some());
    finding
}

fn conclude(finding: &mut Finding, keys: usize, rounds: usize, mut times_ms: Vec<f64>, healed: bool) {
    times_ms.sort_by(f64::total_cmp);
    let converged = times_ms.len();
    finding.headline = format!("{converged} of {keys} keys converged");
    let mut figures = BTreeMap::from([
        ("keys".to_owned(), keys as f64),
        ("rounds".to_owned(), rounds as f64),
        ("converged-keys".to_owned(), converged as f64),
        ("diverged-keys".to_owned(), finding.violations as f64),
    ]);
    // A time to converge means something only if all did, and if the heal is known.
    if converged == keys && healed {
        let slowest = quantile(&times_ms, 1.0);
        finding.headline.push_str(&format!(", the last {slowest:.0} ms after the heal"));
        figures.insert("converge_p50_ms".to_owned(), quantile(&times_ms, 0.5));
        figures.insert("converge_ms".to_owned(), slowest);
    }
    finding.figures = figures;
}

/// The answers by round. A replica that is asked in one round and not in another counts in the other as not answering.
fn rounds<'k, 'h: 'k>(reads: impl Iterator<Item = &'k Operation<'h>> + Clone) -> BTreeMap<u64, Round<'h>> {
    let nodes: BTreeSet<&str> = reads.clone().map(|read| read.node().unwrap_or("?")).collect();
    let mut rounds: BTreeMap<u64, Round<'h>> = BTreeMap::new();
    for read in reads {
        let round = rounds
            .entry(read.round())
            .or_insert_with(|| Round { answers: nodes.iter().map(|node| (*node, None)).collect(), reads: Vec::new() });
        round.reads.push(*read);
        round.answers.insert(read.node().unwrap_or("?"), held(read));
    }
    rounds
}

/// The versions that a replica showed; none if it did not answer.
fn held(read: &Operation<'_>) -> Option<Versions> {
    if read.is_ok() { versions(&read.history().json(read.result())) } else { None }
}

/// The versions in the value of a replica read; none if it is not a list of versions.
fn versions(value: &Value) -> Option<Versions> {
    value.as_array()?.iter().map(version).collect()
}

fn version(version: &Value) -> Option<(String, String)> {
    Some((id_of(version)?, version.get("value")?.to_string()))
}

/// The identity of a version.
pub(crate) fn id_of(version: &Value) -> Option<String> {
    let id = version.get("id")?;
    Some(id.as_str().map_or_else(|| id.to_string(), str::to_owned))
}

impl Round<'_> {
    /// Every replica answered, all the same.
    fn agrees(&self) -> bool {
        self.answers.values().all(Option::is_some) && !self.differs()
    }

    /// Two replicas answered differently.
    fn differs(&self) -> bool {
        let mut answers = self.answers.values().flatten();
        let first = answers.next();
        answers.any(|answer| Some(answer) != first)
    }

    /// When its last read ended, for people; nothing in a history without times.
    fn ended(&self) -> String {
        let history = self.reads.first().map(|read| read.history());
        history.map_or_else(String::new, |history| at_time(history, self.end_ns()).replacen(' ', ", ended ", 1))
    }

    fn end_ns(&self) -> u64 {
        self.reads.iter().filter_map(Operation::completed_ns).max().unwrap_or(0)
    }
}

fn standing(rounds: &BTreeMap<u64, Round<'_>>) -> Standing {
    let agreeing = rounds.values().rev().take_while(|round| round.agrees()).last();
    match (agreeing, rounds.values().next_back()) {
        (Some(first), _) => Standing::Converged(first.end_ns()),
        (None, Some(last)) if last.differs() => Standing::Diverged,
        (None, last) => {
            let silent = last.iter().flat_map(|last| &last.answers).filter(|(_, answer)| answer.is_none());
            Standing::Unread(silent.map(|(node, _)| (*node).to_owned()).collect())
        }
    }
}

fn unread(key: &KeyFacts<'_>, round: u64, nodes: &[String]) -> String {
    format!("{} could not be read from {} in round {round}", key.name, nodes.join(", "))
}

fn diverged<'k>(key: &'k KeyFacts<'_>, round: u64, last: &Round<'k>) -> Draft<'k> {
    let explanation = format!(
        "in the last round of replica reads ({round}{}) the replicas of {} differ: {}",
        last.ended(),
        key.name,
        groups(last).join("; "),
    );
    let mut answers = last.reads.iter().filter_map(|read| Some((read, held(read)?)));
    let first = answers.next();
    let other = answers.find(|(_, versions)| first.as_ref().is_some_and(|(_, first)| first != versions));
    let proof = Proof::of(first.into_iter().chain(other).map(|(read, _)| *read)).beside(last.reads.iter().copied());
    Draft { kind: "diverged-key", key: &key.name, process: None, explanation, proof }
}

/// What each group of equal replicas holds beyond what all hold.
fn groups(round: &Round<'_>) -> Vec<String> {
    let mut holders: BTreeMap<&Versions, Vec<&str>> = BTreeMap::new();
    for (node, versions) in &round.answers {
        if let Some(versions) = versions {
            holders.entry(versions).or_default().push(node);
        }
    }
    let common: Versions = holders.keys().copied().cloned().reduce(|all, next| &all & &next).unwrap_or_default();
    holders
        .into_iter()
        .map(|(versions, nodes)| {
            let verb = if nodes.len() == 1 { "holds" } else { "hold" };
            format!("{} {verb} {}", nodes.join(", "), shown(&(versions - &common), common.len()))
        })
        .collect()
}

fn shown(versions: &Versions, common: usize) -> String {
    let mut parts: Vec<String> = versions
        .iter()
        .take(VERSIONS_SHOWN)
        .map(|(id, value)| format!("{} (version {})", shortened(value), shortened(id)))
        .collect();
    if versions.len() > VERSIONS_SHOWN {
        parts.push(format!("{} more versions", versions.len() - VERSIONS_SHOWN));
    }
    match (parts.is_empty(), common) {
        (true, 0) => "nothing".to_owned(),
        (true, _) => "only what all hold".to_owned(),
        (false, _) => parts.join(" and "),
    }
}

/// A text cut to a length that fits in an explanation.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(VERSION_CHARACTERS_SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
