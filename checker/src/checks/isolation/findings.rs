//! What a check of transactions found, and the finding that follows for the model required.
//!
//! An anomaly carries the transactions that show it: few enough to be read, enough that a check of those alone finds
//! it again. Transactions are called by the history's index of their invocation: `T7` was invoked at index 7.

use std::collections::{BTreeMap, BTreeSet};

use super::cycles::{Cycle, Found, Order, Shape, Step};
use super::graph::Kind;
use super::input::{Micro, Names, Transactions};
use super::levels;
use super::meanings;
use crate::finding::{Draft, Edge, Finding, Proof};
use crate::history::{History, ValueId};
use crate::limits::Limits;
use crate::outcome::Outcome;

/// One anomaly in numbers of transactions, before it is one of the history.
#[derive(Clone, Debug, Default)]
pub(crate) struct RawAnomaly {
    /// Its name, as in `G-single`.
    pub kind: &'static str,
    /// The key it is about, if it is one.
    pub key: Option<u32>,
    /// The transactions that show it, ascending.
    pub transactions: Vec<u32>,
    /// What happened, in a sentence or two.
    pub explanation: String,
    /// The cycle, if it is one: each edge ends where the next begins, the last where the first does.
    pub edges: Vec<RawEdge>,
}

/// Why one transaction comes before another.
#[derive(Clone, Debug)]
pub(crate) struct RawEdge {
    /// The earlier transaction.
    pub from: u32,
    /// The later transaction.
    pub to: u32,
    /// The kind of dependency, and the key if it is of one: `rw x`, `process`, `real time`.
    pub label: String,
}

impl RawAnomaly {
    /// The edges between events of the history.
    pub(crate) fn edges_of(&self, transactions: &Transactions, names: &dyn Names) -> Vec<Edge> {
        let event = |transaction: u32| names.event(transactions.row(transaction).call);
        let edge = |edge: &RawEdge| Edge { from: event(edge.from), to: event(edge.to), label: edge.label.clone() };
        self.edges.iter().map(edge).collect()
    }
}

/// Everything that was found, in numbers of transactions.
#[derive(Clone, Debug, Default)]
pub(crate) struct RawFindings {
    /// Anomalies with explanations, at most [`KEPT_MAX`] of a kind.
    pub anomalies: Vec<RawAnomaly>,
    /// How many there are of each kind.
    pub counts: BTreeMap<&'static str, u64>,
    /// What has no anomaly of its own but forbids models nevertheless: by the kind that implies it, with the first of
    /// those.
    pub implied: BTreeMap<&'static str, RawAnomaly>,
    /// Why something was left undecided, a sentence each.
    pub doubts: Vec<String>,
    /// Why a level, and all that imply it, was left undecided.
    pub doubts_of: Vec<(&'static str, String)>,
    /// Why the history cannot be judged at all.
    pub malformed: Option<String>,
    /// Figures by name.
    pub figures: BTreeMap<&'static str, f64>,
}

/// Anomalies of one kind that are explained.
pub(crate) const KEPT_MAX: u64 = 20;

impl RawFindings {
    /// Whether so many of a kind are explained that this one is only counted, which is done then: asked before an explanation
    /// is made that costs something.
    pub(crate) fn is_only_counted(&mut self, kind: &'static str) -> bool {
        let is_full = self.counts.get(kind).is_some_and(|count| *count >= KEPT_MAX);
        if is_full {
            *self.counts.entry(kind).or_default() += 1;
        }
        is_full
    }

    /// Counts an anomaly; explains it if there is room.
    pub(crate) fn add(&mut self, kind: &'static str, explain: impl FnOnce() -> RawAnomaly) {
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        if *count <= KEPT_MAX {
            let mut anomaly = explain();
            anomaly.transactions.sort_unstable();
            anomaly.transactions.dedup();
            self.anomalies.push(anomaly);
        }
    }

    /// Only what a level forbids.
    pub(crate) fn forbidden_by(mut self, level: &'static str) -> Self {
        let forbidden: BTreeSet<&str> =
            self.counts.keys().copied().filter(|kind| levels::forbids(level, kind)).collect();
        self.counts.retain(|kind, _| forbidden.contains(kind));
        self.anomalies.retain(|anomaly| forbidden.contains(anomaly.kind));
        self
    }

    /// Adds what a search for cycles found.
    pub(crate) fn add_cycles(
        &mut self,
        found: &Found,
        transactions: &Transactions,
        explainer: &dyn Explain,
        names: &dyn Names,
    ) {
        for cycle in &found.cycles {
            let reads_only =
                |step: &&Step| transactions.micros(step.from).iter().all(|micro| micro.written().is_none());
            if cycle.class.order == Order::Data && cycle.steps.iter().filter(reads_only).count() <= 1 {
                let shown = || explain_cycle(cycle, transactions, explainer, names);
                self.implied.entry(cycle.class.name()).or_insert_with(|| RawAnomaly { kind: "G-update", ..shown() });
            }
            self.add(cycle.class.name(), || explain_cycle(cycle, transactions, explainer, names));
        }
        self.figures.insert("components", found.components as f64);
        if found.cut > 0 {
            let times = found.cut;
            self.doubts.push(format!("{times} searches for cycles ended with their budget, a graver one may be there"));
        }
    }

    /// Adds the cycles of a graph that holds where no update is lost: either they are there, or a lost update is. So they
    /// refute the levels that forbid both. What was found without that needs no second proof.
    pub(crate) fn add_cycles_or_lost_updates(
        &mut self,
        found: &Found,
        transactions: &Transactions,
        explainer: &dyn Explain,
        names: &dyn Names,
    ) {
        let known: BTreeSet<&str> = self.counts.keys().copied().collect();
        for cycle in &found.cycles {
            let kind = match (cycle.class.shape, cycle.class.order) {
                (Shape::G0 | Shape::G1c, Order::Data) => "lost-update",
                // Whoever forbids these forbids lost updates, too.
                (Shape::GSingle | Shape::GNonadjacent | Shape::G2Item, _) => cycle.class.name(),
                // Prefix consistency does not.
                (Shape::G0 | Shape::G1c | Shape::LongFork, _) => continue,
            };
            if !known.contains(kind) {
                self.add(kind, || RawAnomaly { kind, ..explain_cycle(cycle, transactions, explainer, names) });
            }
        }
        if found.cut > 0 {
            self.doubts.push("searches for cycles with lost updates ended with their budget".to_owned());
        }
    }

    /// Whether cycles or lost updates refute a level. What else is wrong, with single reads, does not show that there is no order.
    pub(super) fn have_no_order(&self, level: &'static str) -> bool {
        let is_cycle = |kind: &str| kind.starts_with('G') && !["G1a", "G1b"].contains(&kind);
        let of_order = |kind: &String| kind == "lost-update" || is_cycle(kind);
        !levels::allows(level, &self.kinds().into_iter().filter(of_order).collect())
    }

    /// Every kind found, with what is implied without an anomaly of its own.
    pub(crate) fn kinds(&self) -> BTreeSet<String> {
        self.counts.keys().copied().chain(self.implied.values().map(|only| only.kind)).map(str::to_owned).collect()
    }
}

/// Explains the dependencies of a workload in words.
pub(crate) trait Explain {
    /// Why `step.from` goes before `step.to`: a sentence, the key, and transactions that prove it besides these two.
    fn explain(&self, step: Step) -> Option<Reason>;
}

/// Why one transaction depends on another.
#[derive(Clone, Debug)]
pub(crate) struct Reason {
    /// The key.
    pub key: u32,
    /// A clause.
    pub clause: String,
    /// The further transactions needed to prove it.
    pub witnesses: Vec<u32>,
}

/// The name of a transaction.
pub(crate) fn name(transactions: &Transactions, names: &dyn Names, transaction: u32) -> String {
    format!("T{}", names.event(transactions.row(transaction).call))
}

fn explain_cycle(cycle: &Cycle, transactions: &Transactions, explainer: &dyn Explain, names: &dyn Names) -> RawAnomaly {
    let mut involved: Vec<u32> = cycle.steps.iter().map(|step| step.from).collect();
    let (mut clauses, mut keys, mut edges) = (Vec::new(), BTreeSet::new(), Vec::new());
    for step in &cycle.steps {
        let mut key = None;
        match explainer.explain(*step).filter(|_| !matches!(step.kind, Kind::Process | Kind::RealTime)) {
            Some(reason) => {
                involved.extend(reason.witnesses);
                keys.insert(reason.key);
                key = Some(reason.key);
                clauses.push(reason.clause);
            }
            None => clauses.push(explain_order(*step, transactions, names)),
        }
        edges.push(RawEdge { from: step.from, to: step.to, label: label(step.kind, key, names) });
    }
    let key = keys.first().copied().filter(|_| keys.len() == 1);
    let means = meanings::of(cycle.class.name()).map_or_else(String::new, |means| format!(" That is {means}."));
    let explanation = format!("{}: a cycle.{means}", clauses.join("; "));
    RawAnomaly { kind: cycle.class.name(), key, transactions: involved, explanation, edges }
}

/// The name of a dependency, as reports draw it.
pub(crate) fn label(kind: Kind, key: Option<u32>, names: &dyn Names) -> String {
    let name = match kind {
        Kind::Ww => "ww",
        Kind::Wr => "wr",
        Kind::Rw => "rw",
        Kind::Process => "process",
        Kind::RealTime => "real time",
        Kind::Pass => "before",
    };
    match key.map(|key| names.key_alone(key)) {
        Some(key) if !key.is_empty() => format!("{name} {key}"),
        _ => name.to_owned(),
    }
}

fn explain_order(step: Step, transactions: &Transactions, names: &dyn Names) -> String {
    let (from, to) = (name(transactions, names, step.from), name(transactions, names, step.to));
    let (first, second) = (transactions.row(step.from), transactions.row(step.to));
    match step.kind {
        Kind::RealTime => {
            let (done, begun) = (names.event(first.ret), names.event(second.call));
            format!("{from} had completed at index {done} when {to} was invoked at index {begun}")
        }
        _ => format!("process {} ran {from} before {to}", names.process(first.process)),
    }
}

/// A list as people write it, cut in the middle if it is long.
pub(crate) fn show_list(names: &dyn Names, list: &[u32]) -> String {
    const SHOWN: usize = 12;
    let show = |part: &[u32]| part.iter().map(|value| names.value(*value)).collect::<Vec<_>>().join(" ");
    match list.len() {
        0..=SHOWN => format!("[{}]", show(list)),
        length => format!("[{} … {}] of {length}", show(&list[..2]), show(&list[length - 4..])),
    }
}

/// What is known beside the findings of an analysis by dependencies.
#[derive(Clone, Debug, Default)]
pub(super) struct Beside {
    /// The kinds that are there whatever the level implies of the order of versions, if they may be others.
    pub plain: Option<BTreeSet<String>>,
    /// Levels that are refuted without an order of versions.
    pub refuted: Vec<&'static str>,
    /// By what, if nothing else refutes the level that is asked for.
    pub by_saturation: RawFindings,
    /// Whether more was assumed of the versions than the level implies: then they must not contradict that.
    pub assumed: bool,
}

/// Anomalies that say the same as graver ones, if those are forbidden, too.
const SAID_BY: [(&str, &[&str]); 5] = [
    ("long-fork", &["G-single", "G-nonadjacent"]),
    ("observed-transaction-vanishes", &["G-single"]),
    ("fractured-read", &["G-single"]),
    ("missed-own-write", &["G-single", "G-single-process"]),
    ("missed-cause", &["G-single", "G-single-process"]),
];

/// The kinds found that break a level; `assumed` if more was assumed of versions than the level implies.
pub(super) fn bad(
    counts: &BTreeMap<&'static str, u64>,
    required: &'static str,
    assumed: bool,
) -> BTreeSet<&'static str> {
    let is_bad = |kind: &&str| levels::forbids(required, kind) || (assumed && *kind == "cyclic-versions");
    let all: BTreeSet<&'static str> = counts.keys().copied().filter(is_bad).collect();
    let said = |kind: &&str| {
        let by = SAID_BY.iter().find(|(less, _)| less == kind).map_or(&[][..], |(_, by)| by);
        by.iter().any(|graver| all.contains(graver))
    };
    all.iter().copied().filter(|kind| !said(kind)).collect()
}

/// Levels that forbid nothing of their own here beyond what they include. Whatever else breaks them is a cycle of this kind, or
/// of a case of it; but not each of those breaks them.
const NOT_SOUGHT: [(&str, &str); 4] = [
    ("causal-cerone", "G-single"),
    ("monotonic-view", "G-single"),
    ("monotonic-snapshot-read", "G-nonadjacent"),
    ("forward-consistent-view", "G-nonadjacent"),
];

/// Why a level that nothing found refutes is left open nevertheless.
fn not_sought(required: &str, kinds: &BTreeSet<String>) -> Option<String> {
    let (_, kind) = NOT_SOUGHT.iter().find(|(level, _)| *level == required)?;
    let found = kinds.iter().filter(|found| levels::implied(&BTreeSet::from([(*found).clone()])).contains(*kind));
    let found: Vec<&str> = found.map(String::as_str).collect();
    let which = || format!("{} may break {required}, and whether it does is not decided", found.join(", "));
    (!found.is_empty()).then(which)
}

/// Turns findings into a finding: invalid if an anomaly is one that `required` forbids, or if a level that it implies was
/// refuted otherwise.
pub(super) fn decide(
    findings: RawFindings,
    beside: Beside,
    transactions: &Transactions,
    ops: &Ops<'_>,
    required: &'static str,
    limits: &Limits<'_>,
) -> Finding {
    if let Some(why) = findings.malformed {
        return Finding::undecided(why);
    }
    let kinds = findings.kinds();
    let mut finding = Finding::default();
    let by_saturation = beside.by_saturation;
    for (name, value) in &findings.figures {
        finding.figure(name, *value);
    }
    finding.figure("transactions", transactions.len() as f64);
    let mut counts = findings.counts;
    let bad = bad(&counts, required, beside.assumed);
    // What is only implied is reported where that which implies it is not.
    let reported = |by: &str, only: &RawAnomaly| !bad.contains(by) && levels::forbids(required, only.kind);
    let implied = findings.implied.into_iter().filter(|(by, only)| reported(by, only)).map(|(_, only)| only);
    let implied: Vec<RawAnomaly> = implied.collect();
    let counted: u64 = bad.iter().filter_map(|kind| counts.get(kind)).chain(by_saturation.counts.values()).sum();
    let violations = counted + implied.len() as u64;
    let possible = |name: &'static str| {
        let plainly = levels::allows(name, beside.plain.as_ref().unwrap_or(&kinds));
        let as_asked = !levels::includes(name, required) || (violations == 0 && levels::allows(name, &kinds));
        plainly && as_asked && !beside.refuted.iter().any(|refuted| levels::includes(name, refuted))
    };
    finding.strongest = levels::strongest_of(possible).into_iter().map(str::to_owned).collect();
    by_saturation.counts.iter().for_each(|(kind, count)| *counts.entry(kind).or_default() += count);
    counts.iter().for_each(|(kind, count)| finding.figure(kind, *count as f64));
    let anomalies = findings.anomalies.into_iter().filter(|anomaly| bad.contains(anomaly.kind)).chain(implied);
    for anomaly in anomalies.chain(by_saturation.anomalies) {
        let key = anomaly.key.map_or_else(String::new, |key| ops.key_alone(key));
        finding.violated(limits, || ops.draft(anomaly, &key, transactions));
    }
    (finding.violations, finding.anomalies.total) = (violations, violations);
    let of_level = findings.doubts_of.into_iter().filter(|(level, _)| levels::includes(required, level));
    let open = (violations == 0).then(|| not_sought(required, &kinds)).flatten();
    let doubts = findings
        .doubts
        .into_iter()
        .chain(open)
        .chain(by_saturation.doubts)
        .chain(of_level.map(|(_, why)| why))
        .collect();
    conclude(finding, required, transactions.len(), &counts, doubts)
}

/// Turns findings into a finding where everything found is a violation of the one model asked for.
pub(crate) fn decide_plainly(
    findings: RawFindings,
    transactions: &Transactions,
    ops: &Ops<'_>,
    model: &str,
    limits: &Limits<'_>,
) -> Finding {
    if let Some(why) = findings.malformed {
        return Finding::undecided(why);
    }
    let mut finding = Finding::default();
    findings.figures.iter().for_each(|(name, value)| finding.figure(name, *value));
    findings.counts.iter().for_each(|(kind, count)| finding.figure(kind, *count as f64));
    finding.figure("transactions", transactions.len() as f64);
    for anomaly in findings.anomalies {
        let key = anomaly.key.map_or_else(String::new, |key| ops.key_alone(key));
        finding.violated(limits, || ops.draft(anomaly, &key, transactions));
    }
    finding.violations = findings.counts.values().sum();
    finding.anomalies.total = finding.violations;
    conclude(finding, model, transactions.len(), &findings.counts, findings.doubts)
}

/// With what prevents a decision, and the headline.
fn conclude(
    finding: Finding,
    required: &str,
    transactions: usize,
    counts: &BTreeMap<&'static str, u64>,
    doubts: Vec<String>,
) -> Finding {
    let finding = Finding { doubts, ..finding };
    let verdict = match finding.outcome() {
        Outcome::Valid => format!("{required}, as far as {transactions} transactions show"),
        Outcome::Invalid => format!("not {required}"),
        Outcome::Inconclusive => format!("{required} could not be decided"),
    };
    let found: Vec<String> = counts.iter().map(|(kind, count)| meanings::counted(*count, kind)).collect();
    let seen = if found.is_empty() { "no anomaly".to_owned() } else { found.join(", ") };
    Finding { headline: format!("{verdict}: {seen}"), ..finding }
}

/// Which operation of the records each transaction is.
pub(crate) struct Ops<'r> {
    /// The records.
    pub records: &'r History,
    /// By transaction.
    pub positions: Vec<u32>,
    /// By key: its interned value, or its name.
    pub keys: Vec<KeyName>,
    /// By key: what it begins with.
    pub initials: Vec<ValueId>,
    /// Reads that show another beginning of a list.
    pub misreads: Vec<Misread>,
}

/// A read of a list that does not show first what the list begins with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Misread {
    /// The transaction.
    pub transaction: u32,
    /// The list.
    pub key: u32,
    /// What it shows.
    pub shown: ValueId,
    /// What the list begins with.
    pub initial: ValueId,
}

/// What a key was in the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum KeyName {
    /// A value in a micro-operation.
    Value(ValueId),
    /// The key of an operation.
    Sym(crate::history::Sym),
}

impl Names for Ops<'_> {
    fn key(&self, key: u32) -> String {
        match self.keys.get(key as usize) {
            Some(KeyName::Value(value)) => self.records.key_name(*value).into_owned(),
            Some(KeyName::Sym(name)) if name.is_some() => self.records.text(*name).to_owned(),
            Some(KeyName::Sym(_)) | None => "the register".to_owned(),
        }
    }
    fn key_alone(&self, key: u32) -> String {
        match self.keys.get(key as usize) {
            Some(KeyName::Sym(name)) => self.records.text(*name).to_owned(),
            _ => self.key(key),
        }
    }
    fn value(&self, value: u32) -> String {
        self.records.show(ValueId(value))
    }
    fn process(&self, process: u32) -> String {
        self.records.process_name(process).to_string()
    }
    fn event(&self, position: u32) -> u64 {
        self.records.event_index(position)
    }
    fn initial(&self, key: u32) -> String {
        self.records.show(self.initials.get(key as usize).copied().unwrap_or_default())
    }
}

impl Ops<'_> {
    /// Adds the reads that show another beginning of a list than it has.
    pub(crate) fn add_misreads(&self, findings: &mut RawFindings, transactions: &Transactions) {
        for Misread { transaction, key, shown, initial } in self.misreads.iter().copied() {
            findings.add("garbage-read", || {
                let (who, list) = (name(transactions, self, transaction), Names::key(self, key));
                let (shown, initial) = (self.records.show(shown), self.records.show(initial));
                let explanation = format!("{who} read {list} as {shown}, though it begins with {initial}.");
                RawAnomaly {
                    kind: "garbage-read",
                    key: Some(key),
                    transactions: vec![transaction],
                    explanation,
                    ..RawAnomaly::default()
                }
            });
        }
    }

    fn draft<'k>(&self, anomaly: RawAnomaly, key: &'k str, transactions: &Transactions) -> Draft<'k> {
        let ops = anomaly.transactions.iter().map(|transaction| self.positions[*transaction as usize] as usize);
        let proof = Proof { edges: anomaly.edges_of(transactions, self), ..Proof::at(self.records, ops) };
        Draft { kind: anomaly.kind, key, process: None, explanation: anomaly.explanation, proof }
    }
}

/// What a transaction writes to a key, in order.
pub(crate) fn writes_of(transactions: &Transactions, transaction: u32, key: u32) -> impl Iterator<Item = u32> {
    transactions.micros(transaction).iter().filter(move |micro| micro.key() == key).filter_map(|micro| micro.written())
}

/// The keys that both transactions touch, each once.
pub(crate) fn common_keys(transactions: &Transactions, a: u32, b: u32) -> BTreeSet<u32> {
    let of_a: BTreeSet<u32> = transactions.micros(a).iter().map(|micro| micro.key()).collect();
    let of_b = transactions.micros(b).iter().map(|micro: &Micro| micro.key());
    of_b.filter(|key| of_a.contains(key)).collect()
}
