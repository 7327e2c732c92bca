//! Serializability of transactions on single keys, in three strengths: some order of a key's transactions explains every
//! read of it; the order is that of each process; the order is that of real time.
//!
//! Each key is judged by itself, by the analyses of [`crate::checks::isolation`]. For the first and the third that is the same
//! as judging all keys together: transactions of one key order each other only within the key, and linearizability is
//! local (Herlihy and Wing 1990). For the second it is not: two keys may each have an order that respects every session,
//! and together have none. A store whose sessions are of one key each promises no more, so no more is required here; `check --model
//! list-append --consistency strong-session-serializable` checks all keys together.
//!
//! The order of a list's versions is known from its reads. That of a register's is not, and is assumed: for the second, that a
//! process sees versions in their order; for the third, that versions follow real time (`isolation/versions.rs`); for the
//! first, nothing. A read that shows siblings shows two values at once, which no order explains.
//!
//! Time: linear in the operations of a key and the elements read, but for what a search for cycles spends. Sources:
//! Kingsbury and Alvaro, "Elle", VLDB 2020; Daudjee and Salem, "Lazy database replication with ordering guarantees", ICDE
//! 2004.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::checks::isolation::findings::{RawFindings, bad};
use crate::checks::isolation::input::{NEVER, NIL, Names, Outcome, Transactions};
use crate::checks::isolation::{Assume, levels, list_append, rw_register};
use crate::checks::survival::lost_writes::flaws;
use crate::finding::{Draft, Explainer, Finding, Proof, Shrinks};
use crate::history::{EventType, Operation, Phase, ValueId};
use crate::objects::meaning::Meaning;
use crate::objects::{Element, Model};
use crate::visibility::{KeyFacts, WorkloadFacts};

/// Judges a workload of transactions by one of the three.
pub(crate) fn check(workload: &WorkloadFacts<'_>, explainer: &Explainer<'_>, level: &'static str) -> Finding {
    let mut finding = Finding::default();
    let mut tally = Tally::default();
    for key in workload.keys.iter().filter(|key| key.flaws.is_empty()) {
        let history = KeyHistory::new(key, workload.model);
        let found = history.findings(workload.model, level);
        tally.key(&history, &found, level);
        tally.kinds.extend(history.kinds(workload.model, &found, level));
        let broken = bad(&found.counts, level, false);
        finding.violations += broken.iter().filter_map(|kind| found.counts.get(kind)).sum::<u64>();
        for anomaly in found.anomalies.iter().filter(|anomaly| broken.contains(anomaly.kind)) {
            explainer.add(&mut finding.anomalies, || Draft {
                kind: anomaly.kind,
                key: &key.name,
                process: None,
                explanation: anomaly.explanation.clone(),
                proof: Proof {
                    edges: anomaly.edges_of(&history.transactions, &history),
                    ..history.proof(&anomaly.transactions)
                },
            });
        }
        let doubts = found.malformed.iter().chain(&found.doubts);
        finding.doubts.extend(doubts.map(|doubt| format!("{}: {doubt}", key.name)));
    }
    finding.anomalies.total = finding.violations;
    finding.doubts.extend(flaws(workload));
    if tally.committed == 0 {
        finding.doubts.push("no transaction was committed".to_owned());
    }
    finding.headline = tally.headline(finding.violations);
    finding.figures = tally.figures(workload.keys.len());
    finding
}

/// The transactions of one key.
struct KeyHistory<'k, 'h> {
    key: &'k KeyFacts<'h>,
    transactions: Transactions,
    /// By transaction.
    operations: Vec<Operation<'h>>,
    /// By value, from 1; [`NIL`] is none.
    elements: Vec<Element>,
    numbers: HashMap<Element, u32>,
}

impl<'k, 'h> KeyHistory<'k, 'h> {
    fn new(key: &'k KeyFacts<'h>, model: Model) -> Self {
        let (transactions, elements, numbers) = Default::default();
        let mut history = Self { key, transactions, operations: Vec::new(), elements, numbers };
        let reads = key.reads.iter().map(|read| read.operation).filter(|read| read.phase() != Phase::Replica);
        let mut all: Vec<Operation<'h>> = key.writes.iter().map(|write| write.operation).chain(reads).collect();
        all.sort_by_key(|operation| operation.invoked());
        all.into_iter().for_each(|operation| history.add(model, operation));
        history
    }

    fn add(&mut self, model: Model, operation: Operation<'h>) {
        let (outcome, ret) = match operation.outcome() {
            EventType::Ok => (Outcome::Ok, operation.completed().map_or(NEVER, position)),
            EventType::Fail => (Outcome::Fail, NEVER),
            EventType::Info | EventType::Invoke => (Outcome::Info, NEVER),
        };
        let process = position(operation.process());
        self.transactions.begin(process, outcome, position(operation.invoked()), ret);
        self.operations.push(operation);
        match (model.meaning(&operation), model) {
            (Meaning::Write(value), Model::ListAppend) => {
                let value = self.number(Element::new(operation.history(), value));
                self.transactions.append(0, value);
            }
            (Meaning::Write(value), _) => {
                let value = self.number(Element::new(operation.history(), value));
                self.transactions.write(0, value);
            }
            _ => self.read(model, &operation),
        }
    }

    fn read(&mut self, model: Model, operation: &Operation<'h>) {
        let shown = Some(operation).filter(|read| read.is_ok()).and_then(|read| model.shown(read)).unwrap_or_default();
        let element = |value: &ValueId| Element::new(operation.history(), *value);
        let shown: Vec<u32> = shown.iter().map(|value| self.number(element(value))).collect();
        match (model, &shown[..]) {
            (Model::ListAppend, _) => self.transactions.read_list(0, shown),
            (_, []) => self.transactions.read(0, NIL),
            (_, [value]) => self.transactions.read(0, *value),
            _ => self.transactions.read_siblings(0, shown),
        }
    }

    fn number(&mut self, element: Element) -> u32 {
        let next = self.elements.len() as u32 + 1;
        *self.numbers.entry(element).or_insert_with_key(|element| {
            self.elements.push(element.clone());
            next
        })
    }

    fn findings(&self, model: Model, level: &'static str) -> RawFindings {
        let assume =
            Assume { sequential_keys: level != "serializable", linearizable_keys: level == "strict-serializable" };
        match model {
            Model::ListAppend => list_append::analyse(&self.transactions, self),
            _ => rw_register::analyse(&self.transactions, self, assume),
        }
    }

    /// The kinds of anomalies that decide what is still possible. A cycle of versions shows only that an assumption about a
    /// register does not hold: some transaction saw an older version after a newer one.
    fn kinds(&self, model: Model, found: &RawFindings, level: &'static str) -> BTreeSet<String> {
        let all = found.kinds();
        // Without assumptions there is nothing to distinguish; and what is not found with them is not found without.
        if model == Model::ListAppend || level == "serializable" || all.is_empty() {
            return all;
        }
        let mut kinds = self.findings(model, "serializable").kinds();
        let saw_older = match level {
            "strict-serializable" => "G-single-realtime",
            _ => "G-single-process",
        };
        if levels::allows(level, &kinds) && !levels::allows(level, &all) {
            kinds.insert(saw_older.to_owned());
        }
        kinds
    }

    /// These transactions.
    fn proof(&self, transactions: &[u32]) -> Proof<'h> {
        let proof = Proof::of(transactions.iter().map(|at| self.operations[*at as usize]));
        Proof { shrinks: Some(Shrinks::NewExplanation), ..proof }
    }
}

/// Positions are 32 bits wide; a history with more events is not read whole.
fn position(index: u64) -> u32 {
    u32::try_from(index).unwrap_or(NEVER)
}

impl Names for KeyHistory<'_, '_> {
    fn process(&self, process: u32) -> String {
        let history = self.operations.first().map(Operation::history);
        history.map_or_else(|| process.to_string(), |history| history.process_name(process).to_string())
    }
    fn key(&self, _key: u32) -> String {
        self.key.name.clone()
    }
    fn value(&self, value: u32) -> String {
        value.checked_sub(1).and_then(|at| self.elements.get(at as usize)).map_or("nil".to_owned(), Element::to_string)
    }
}

/// What is counted over all keys.
#[derive(Default)]
struct Tally {
    committed: usize,
    keys: usize,
    keys_broken: usize,
    /// Anomalies that violate the level asked for.
    counts: BTreeMap<&'static str, u64>,
    /// See [`KeyHistory::kinds`].
    kinds: BTreeSet<String>,
}

impl Tally {
    fn key(&mut self, history: &KeyHistory<'_, '_>, found: &RawFindings, asked: &'static str) {
        self.keys += 1;
        self.committed += history.transactions.rows().iter().filter(|row| row.outcome == Outcome::Ok).count();
        self.keys_broken += usize::from(!levels::allows(asked, &found.kinds()));
        let broken = bad(&found.counts, asked, false);
        for (kind, count) in found.counts.iter().filter(|(kind, _)| broken.contains(**kind)) {
            *self.counts.entry(kind).or_default() += count;
        }
    }

    fn headline(&self, violations: u64) -> String {
        let Tally { committed, keys, keys_broken, .. } = self;
        if violations == 0 {
            return format!("an order explains {committed} transactions on {keys} keys, each key by itself");
        }
        let found: Vec<String> = self.counts.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        let possible = levels::strongest(&self.kinds);
        let possible = if possible.is_empty() { "nothing".to_owned() } else { possible.join(", ") };
        format!("no order explains {keys_broken} of {keys} keys: {}; still possible: {possible}", found.join(", "))
    }

    fn figures(&self, keys: usize) -> BTreeMap<String, f64> {
        let mut figures = BTreeMap::from([
            ("transactions".to_owned(), self.committed as f64),
            ("keys".to_owned(), keys as f64),
            ("keys-broken".to_owned(), self.keys_broken as f64),
        ]);
        figures.extend(self.counts.iter().map(|(kind, count)| ((*kind).to_owned(), *count as f64)));
        figures
    }
}
