//! Session guarantees of registers with unique values, where a read shows one value and the history does not record which
//! writes that value has overwritten.
//!
//! Terry et al. assume one order of all writes, on which servers agree in the end. A read shows, of the writes of its key
//! that it has seen, the last in that order. So each guarantee forces pairs: if a read of w has seen w', then w' comes
//! before w. A guarantee holds exactly if the forced pairs have no cycle (and nothing is read as unwritten that was seen):
//!
//! - read your writes: a read has seen what its session wrote to the key before;
//! - monotonic reads: a read has seen what its session read of the key before;
//! - monotonic writes and writes follow reads are about what others see. A reader without guarantees of its own can always be
//!   taken to have seen no more than what it shows, so by themselves they are never broken by reads of single values
//!   (but that a write cannot follow a read of itself, and that what nobody wrote or what failed is not read). They are judged *together
//!   with the others*: for each violation of all four, the smallest sets of guarantees that it breaks are computed, and it
//!   counts for each member of such a set;
//! - all four together are causal convergence; three of them, with an order for each session, are PRAM:
//!   [`crate::checks::isolation::saturation`].
//!
//! The guarantees are about single operations. For transactions of several operations every violation reported is one, but
//! not every violation is reported: what a transaction reads before it writes does not count as read before. Causality and
//! PRAM are complete for those, too.
//!
//! Time: read your writes and monotonic reads are linear, but for reads of own writes that were overwritten long ago.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use super::Guarantee;
use crate::checks::isolation::causality::{Causality, INITIAL};
use crate::checks::isolation::findings::{RawAnomaly, RawFindings, name};
use crate::checks::isolation::graph::{self, Edges, Kind, Kinds};
use crate::checks::isolation::input::{Names, Transactions};
use crate::checks::isolation::saturation::{self, Isolation};
use crate::limits::Limits;

/// Finds where a guarantee is broken.
pub(crate) fn analyse(
    history: &Transactions,
    names: &dyn Names,
    guarantee: Guarantee,
    limits: &Limits<'_>,
) -> RawFindings {
    match guarantee {
        Guarantee::Pram => saturation::analyse(history, names, Isolation::Pram, limits),
        Guarantee::Causal => saturation::analyse(history, names, Isolation::CausalConvergence, limits),
        Guarantee::ReadYourWrites | Guarantee::MonotonicReads => {
            let (findings, causality) = saturation::causality(history, names);
            let mut forcing = Forcing::new(history, names, guarantee, &causality, findings);
            if forcing.findings.malformed.is_none() {
                forcing.force();
                forcing.cycles();
            }
            forcing.findings
        }
        Guarantee::MonotonicWrites | Guarantee::WritesFollowReads => together(history, names, guarantee, limits),
    }
}

/// Pairs of writes that one guarantee forces.
struct Forcing<'t> {
    history: &'t Transactions,
    names: &'t dyn Names,
    guarantee: Guarantee,
    causality: &'t Causality,
    edges: Edges,
    findings: RawFindings,
}

/// A session's writes of a key in order, and for each a hidden node that all up to it lead to.
#[derive(Default)]
struct Own {
    writes: Vec<u32>,
    chain: Vec<u32>,
}

impl<'t> Forcing<'t> {
    fn new(
        history: &'t Transactions,
        names: &'t dyn Names,
        guarantee: Guarantee,
        causality: &'t Causality,
        findings: RawFindings,
    ) -> Self {
        Self { history, names, guarantee, causality, edges: Edges::new(history.len()), findings }
    }

    fn force(&mut self) {
        for session in 0..self.causality.sessions() as u32 {
            match self.guarantee {
                Guarantee::ReadYourWrites => self.own_writes(session),
                _ => self.own_reads(session),
            }
        }
    }

    fn own_writes(&mut self, session: u32) {
        let causality = self.causality;
        let mut own: FxHashMap<u32, Own> = FxHashMap::default();
        for operation in causality.session(session).iter().copied() {
            for read in causality.reads(operation) {
                let Some(own) = own.get(&read.key) else { continue };
                match own.writes.iter().rposition(|write| *write == read.source) {
                    _ if read.source == INITIAL => {
                        let last = own.writes[own.writes.len() - 1];
                        self.unwritten(read.key, vec![last, operation], operation, last);
                    }
                    None => self.edges.add(own.chain[own.chain.len() - 1], read.source, Kind::Pass),
                    Some(at) => {
                        at.checked_sub(1)
                            .into_iter()
                            .for_each(|at| self.edges.add(own.chain[at], read.source, Kind::Pass));
                        own.writes[at + 1..].iter().for_each(|later| self.edges.add(*later, read.source, Kind::Ww));
                    }
                }
            }
            for key in keys_written(self.history, operation) {
                let own = own.entry(key).or_default();
                if own.writes.last() == Some(&operation) {
                    // A transaction that writes a key twice is one write of it.
                    continue;
                }
                let node = self.edges.hidden();
                self.edges.add(operation, node, Kind::Ww);
                own.chain.last().into_iter().for_each(|last| self.edges.add(*last, node, Kind::Pass));
                own.writes.push(operation);
                own.chain.push(node);
            }
        }
    }

    fn own_reads(&mut self, session: u32) {
        let causality = self.causality;
        let mut last: FxHashMap<u32, (u32, u32)> = FxHashMap::default();
        for operation in causality.session(session).iter().copied() {
            for read in causality.reads(operation) {
                let before = last.get(&read.key).copied();
                if read.source != INITIAL {
                    last.insert(read.key, (read.source, operation));
                }
                match before {
                    Some((seen, reader)) if read.source == INITIAL => {
                        self.unwritten(read.key, vec![seen, reader, operation], operation, seen);
                    }
                    Some((seen, _)) => self.edges.add(seen, read.source, Kind::Ww),
                    None => {}
                }
            }
        }
    }

    /// A key in a sentence; a history without keys is one of a single register.
    fn called(&self, key: u32) -> String {
        Some(self.names.key(key)).filter(|name| !name.is_empty()).unwrap_or_else(|| "the register".to_owned())
    }

    fn unwritten(&mut self, key: u32, transactions: Vec<u32>, reader: u32, write: u32) {
        let (reader, write) = (name(self.history, self.names, reader), name(self.history, self.names, write));
        let (kind, name) = (self.guarantee.name(), self.called(key));
        let explanation =
            format!("{reader} read {name} as unwritten, though its session had seen or made the write {write}.");
        self.findings.add(kind, || RawAnomaly {
            kind,
            key: Some(key),
            transactions,
            explanation,
            ..RawAnomaly::default()
        });
    }

    fn cycles(&mut self) {
        let graph = std::mem::take(&mut self.edges).finish();
        for component in graph.components(Kinds(u8::MAX)) {
            let steps = graph::shortest_cycle(&graph, &component, Kind::Pass);
            let writes: Vec<u32> =
                steps.iter().map(|step| step.0).filter(|at| (*at as usize) < self.history.len()).collect();
            let anomaly = self.cycle(&writes);
            self.findings.add(self.guarantee.name(), || anomaly);
        }
    }

    fn cycle(&self, writes: &[u32]) -> RawAnomaly {
        let called = |at: u32| name(self.history, self.names, at);
        let (mut transactions, mut clauses, mut key) = (writes.to_vec(), Vec::new(), None);
        for (at, from) in writes.iter().enumerate() {
            let to = writes[(at + 1) % writes.len()];
            let Some((first, reader, on)) = self.reason(*from, to) else { continue };
            transactions.extend([first, reader]);
            key = Some(on);
            let (a, b, reader) = (called(*from), called(to), called(reader));
            clauses.push(match self.guarantee {
                Guarantee::ReadYourWrites => {
                    format!("{reader} read from {b} after its session had written {a}, so {a} came before {b}")
                }
                _ => format!(
                    "{reader} read from {b} after {} in its session had read from {a}, so {a} came before {b}",
                    called(first)
                ),
            });
        }
        RawAnomaly {
            kind: self.guarantee.name(),
            key,
            transactions,
            explanation: format!("{}: a cycle.", clauses.join("; ")),
            ..RawAnomaly::default()
        }
    }

    /// Why a write comes before another: the transaction that had seen the one, the one that read the other, and the key.
    fn reason(&self, from: u32, to: u32) -> Option<(u32, u32, u32)> {
        let causality = self.causality;
        let knew: Vec<u32> = match self.guarantee {
            Guarantee::ReadYourWrites => vec![from],
            _ => causality.readers(from).to_vec(),
        };
        let knew: FxHashMap<u32, u32> = knew.into_iter().rev().map(|first| (causality.place(first).0, first)).collect();
        let key = keys_written(self.history, to).next()?;
        causality.readers(to).iter().find_map(|reader| {
            let first = *knew.get(&causality.place(*reader).0)?;
            (causality.place(first).1 < causality.place(*reader).1).then_some((first, *reader, key))
        })
    }
}

fn keys_written(history: &Transactions, operation: u32) -> impl Iterator<Item = u32> {
    history.micros(operation).iter().filter(|micro| micro.written().is_some()).map(|micro| micro.key())
}

/// Violations of all four guarantees that need this one.
fn together(history: &Transactions, names: &dyn Names, guarantee: Guarantee, limits: &Limits<'_>) -> RawFindings {
    let all = saturation::analyse(history, names, Isolation::CausalConvergence, limits);
    // What is wrong with reads by themselves breaks every guarantee.
    let mut findings = saturation::misreads(history, names);
    (findings.malformed, findings.doubts) = (all.malformed, all.doubts);
    let short = history.len() <= SHORT && !all.anomalies.is_empty();
    for anomaly in all.anomalies {
        let mut needed = smallest(&history.only(&anomaly.transactions), names);
        needed.retain(|set| set.contains(&guarantee));
        let Some(set) = needed.into_iter().next() else { continue };
        let others: Vec<&str> = set.iter().filter(|other| **other != guarantee).map(|other| other.name()).collect();
        let with = if others.is_empty() { String::new() } else { format!(" With {}:", others.join(" and ")) };
        let explanation = format!("{with} {}", anomaly.explanation).trim().to_owned();
        let kind = guarantee.name();
        findings.add(kind, || RawAnomaly { kind, explanation, ..anomaly });
    }
    if short && findings.counts.is_empty() {
        whole(history, names, guarantee, &mut findings);
    }
    findings
}

/// The most operations of a history that is also judged as a whole: a cycle that needs the guarantee may hide behind a shorter
/// one that does not.
const SHORT: usize = 40;

/// Judges a short history by the definition, and removes needless operations.
fn whole(history: &Transactions, names: &dyn Names, guarantee: Guarantee, findings: &mut RawFindings) {
    let needing = |chosen: &[u32]| {
        let sets = smallest(&history.only(chosen), names);
        sets.into_iter().find(|set| set.contains(&guarantee))
    };
    let mut chosen: Vec<u32> = (0..history.len() as u32).collect();
    let Some(mut set) = needing(&chosen) else { return };
    for out in (0..history.len() as u32).rev() {
        let fewer: Vec<u32> = chosen.iter().copied().filter(|at| *at != out).collect();
        if let Some(still) = needing(&fewer) {
            (chosen, set) = (fewer, still);
        }
    }
    let listed = |names: Vec<String>| names.join(", ");
    let explanation = format!(
        "No order of writes keeps {} in {}.",
        listed(set.iter().map(|one| one.name().to_owned()).collect()),
        listed(chosen.iter().map(|at| name(history, names, *at)).collect())
    );
    let kind = guarantee.name();
    findings.add(kind, || RawAnomaly { kind, key: None, transactions: chosen, explanation, ..RawAnomaly::default() });
}

/// The smallest sets of guarantees that a short history breaks: none of them contains another.
pub(crate) fn smallest(history: &Transactions, names: &dyn Names) -> Vec<BTreeSet<Guarantee>> {
    let (_, causality) = saturation::causality(history, names);
    let four = &Guarantee::ALL[..4];
    let mut sets: Vec<BTreeSet<Guarantee>> = (1u32..16)
        .map(|mask| four.iter().zip(0..).filter(|(_, bit)| mask >> bit & 1 == 1).map(|(one, _)| *one).collect())
        .collect();
    sets.sort_by_key(BTreeSet::len);
    let mut smallest: Vec<BTreeSet<Guarantee>> = Vec::new();
    for set in sets {
        if !smallest.iter().any(|small| small.is_subset(&set)) && !holds(history, &causality, &set) {
            smallest.push(set);
        }
    }
    smallest
}

/// Whether a history satisfies these guarantees together: with the least visibility that they require, the order of writes
/// that follows has no cycle. Cubic: for explanations, whose histories are short.
fn holds(history: &Transactions, causality: &Causality, set: &BTreeSet<Guarantee>) -> bool {
    let count = history.len();
    let mut edges = Edges::new(count);
    let sessions = || (0..causality.sessions() as u32).map(|session| causality.session(session));
    let writes = |at: &&u32| keys_written(history, **at).next().is_some();
    let sources = |at: u32| causality.reads(at).iter().map(|read| read.source).filter(|source| *source != INITIAL);
    for session in sessions() {
        for (at, later) in session.iter().enumerate().filter(|(_, later)| writes(later)) {
            for earlier in &session[..at] {
                if set.contains(&Guarantee::MonotonicWrites) && writes(&earlier) {
                    edges.add(*earlier, *later, Kind::Ww);
                }
                if set.contains(&Guarantee::WritesFollowReads) {
                    sources(*earlier).for_each(|source| edges.add(source, *later, Kind::Ww));
                    // A write that its own session had read before cannot be first read and then made.
                    if sources(*earlier).any(|source| source == *later) {
                        return false;
                    }
                }
            }
        }
    }
    for session in sessions() {
        for (at, reader) in session.iter().enumerate() {
            let seen = seen(history, causality, set, &session[..=at]);
            for read in causality.reads(*reader) {
                for write in seen.iter().filter(|write| keys_written(history, **write).any(|key| key == read.key)) {
                    if read.source == INITIAL {
                        return false;
                    }
                    edges.add(*write, read.source, Kind::Ww);
                }
            }
        }
    }
    edges.finish().components(Kinds(u8::MAX)).is_empty()
}

/// The writes that the last operation of a session so far has seen.
fn seen(history: &Transactions, causality: &Causality, set: &BTreeSet<Guarantee>, session: &[u32]) -> BTreeSet<u32> {
    let sources = |at: u32| causality.reads(at).iter().map(|read| read.source).filter(|source| *source != INITIAL);
    let Some((reader, before)) = session.split_last() else { return BTreeSet::new() };
    let mut open: Vec<u32> = sources(*reader).collect();
    for earlier in before {
        if set.contains(&Guarantee::MonotonicReads) {
            open.extend(sources(*earlier));
            if set.contains(&Guarantee::ReadYourWrites) && !causality.reads(*earlier).is_empty() {
                let (_, position) = causality.place(*earlier);
                let own = &before[..position as usize - 1];
                open.extend(own.iter().filter(|own| keys_written(history, **own).next().is_some()));
            }
        }
        if set.contains(&Guarantee::ReadYourWrites) && keys_written(history, *earlier).next().is_some() {
            open.push(*earlier);
        }
    }
    let mut all = BTreeSet::new();
    while let Some(write) = open.pop() {
        if !all.insert(write) {
            continue;
        }
        let (own, position) = causality.place(write);
        for earlier in &causality.session(own)[..position as usize - 1] {
            if set.contains(&Guarantee::MonotonicWrites) && keys_written(history, *earlier).next().is_some() {
                open.push(*earlier);
            }
            if set.contains(&Guarantee::WritesFollowReads) {
                open.extend(sources(*earlier));
            }
        }
    }
    all
}
