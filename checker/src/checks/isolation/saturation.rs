//! Weak isolation and causal consistency of transactions on registers with unique values.
//!
//! The idea of saturation: the reads force an order of the writers, and the history satisfies a level if that order has
//! no cycle. If a transaction read key x from t1, and must have seen t2, which also wrote x, then t2 came before t1:
//! otherwise it would have read t2's value. A level is defined by which writers a reader must have seen. Session order,
//! reads-from and the forced edges together must have no cycle:
//!
//! - **monotonic atomic view** (the read committed of Biswas and Enea, of AWDIT and others): seen is what the transaction
//!   itself read from before;
//! - **read atomic**: all it reads from;
//! - the two with the order of sessions (**strong session**, which Biswas and Enea always have): for read atomic seen is also
//!   who comes before it in its session;
//! - **causal convergence** (CCv; the causal consistency of Biswas and Enea): whoever happened before it;
//! - **causal** (CC): the same, but each reader may order concurrent writes in its own way, so only t1 before t2 before
//!   the reader is wrong, and several reads of one transaction that no one order explains;
//! - **causal memory** (CM): the same, but each session must be able to put all in one order that explains all of its
//!   own reads: what is forced for one read is seen by the next;
//! - **PRAM**: as causal memory, but of other sessions only their own order counts, not what they read;
//! - **one order**: as causal memory, but all sessions have the same order. Strong session snapshot isolation implies it:
//!   what is forced are writes of one key, of which the later transaction has seen the earlier. So do the levels above it.
//!   It refutes what any other level here refutes.
//!
//! Sources: Biswas and Enea, OOPSLA 2019 (axioms); Bouajjani, Enea, Guerraoui, Hamza, POPL 2017 (CC, CCv, CM and their
//! bad patterns, whose names the anomalies have); Bailis et al., VLDB 2014 (monotonic atomic view) and SIGMOD 2014 (read
//! atomic); AWDIT, PLDI 2025 (only the latest visible writer of each session counts). Time: the first four O(n x reads of a
//! transaction), without clocks if nothing is wrong; causal O(n x sessions x log), and for the reads of one transaction
//! together O(n x reads^2 x sessions x log); CM and PRAM as causal for each session, one order as causal, and each of the few
//! rounds until nothing new is forced (of PRAM each passes on at once what the one before has forced). The log is of a key's
//! writes by a session.

use std::cell::{Cell, OnceCell};

use rustc_hash::{FxHashMap, FxHashSet};

use super::causality::{Causality, Clocks, INITIAL, ReadFrom, Sessions};
use super::findings::{RawAnomaly, RawEdge, RawFindings, label, name};
use super::graph::{self, Graph, Kind, Kinds};
use super::input::{Micro, NIL, Names, Transactions};
use super::levels;
use super::rw_register::{self, Basics, UNKNOWN};
use crate::limits::Limits;

/// A level of weak isolation or causality that is decided by saturation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Isolation {
    /// Who saw one write of a transaction sees the others in what it reads later.
    MonotonicAtomicView,
    /// Who sees one write of a transaction sees all of them.
    ReadAtomic,
    /// The first with the order of sessions: Biswas and Enea's read committed.
    SessionMonotonicAtomicView,
    /// The second with the order of sessions: Biswas and Enea's read atomic.
    SessionReadAtomic,
    /// Causal consistency, CC.
    Causal,
    /// Pipelined RAM.
    Pram,
    /// Causal convergence, CCv.
    CausalConvergence,
    /// Causal memory, CM.
    CausalMemory,
}

impl Isolation {
    /// Every level, the weaker before the stronger.
    pub(crate) const ALL: [Isolation; 8] = [
        Isolation::MonotonicAtomicView,
        Isolation::ReadAtomic,
        Isolation::SessionMonotonicAtomicView,
        Isolation::SessionReadAtomic,
        Isolation::Causal,
        Isolation::Pram,
        Isolation::CausalConvergence,
        Isolation::CausalMemory,
    ];

    /// The name at the command line, which is one of [`levels`].
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Isolation::MonotonicAtomicView => "monotonic-atomic-view",
            Isolation::ReadAtomic => "read-atomic",
            Isolation::SessionMonotonicAtomicView => "strong-session-monotonic-atomic-view",
            Isolation::SessionReadAtomic => "strong-session-read-atomic",
            Isolation::Causal => "causal",
            Isolation::Pram => "pram",
            Isolation::CausalConvergence => "causal-convergence",
            Isolation::CausalMemory => "causal-memory",
        }
    }

    /// The level of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }
}

/// What is saturated: the axiom of a level, or that of one order for all sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Axiom {
    Level(Isolation),
    OneOrder,
}

impl Axiom {
    /// What a cycle of its order is called.
    fn cycle(self) -> &'static str {
        match self {
            Axiom::Level(Isolation::Causal) => "WriteCORead",
            Axiom::Level(Isolation::CausalConvergence) => "CyclicCF",
            Axiom::Level(Isolation::CausalMemory | Isolation::Pram) => "CyclicHB",
            Axiom::Level(_) | Axiom::OneOrder => "cyclic-commit-order",
        }
    }

    fn sessions(self) -> Sessions {
        match self {
            Axiom::Level(Isolation::MonotonicAtomicView | Isolation::ReadAtomic) => Sessions::Single,
            Axiom::Level(_) | Axiom::OneOrder => Sessions::Processes,
        }
    }

    /// Whether what a transaction has seen depends on the order of its reads.
    fn reads_in_order(self) -> bool {
        matches!(self, Axiom::Level(Isolation::MonotonicAtomicView | Isolation::SessionMonotonicAtomicView))
    }

    /// Whether a read has seen no more than what its transaction and its session show: no clocks are needed then.
    fn is_near(self) -> bool {
        self.reads_in_order() || matches!(self, Axiom::Level(Isolation::ReadAtomic | Isolation::SessionReadAtomic))
    }
}

/// A writer that must come before another, since a reader that must have seen it read from the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Forced {
    from: u32,
    to: u32,
    reader: u32,
    key: u32,
}

/// Finds what a level forbids.
pub(crate) fn analyse(
    transactions: &Transactions,
    names: &dyn Names,
    level: Isolation,
    limits: &Limits<'_>,
) -> RawFindings {
    let mut basics = rw_register::basics(transactions, names);
    let findings = std::mem::take(&mut basics.findings);
    if findings.malformed.is_some() {
        return findings;
    }
    let axiom = Axiom::Level(level);
    let causality = causality_of(transactions, basics, axiom);
    let mut findings = findings.forbidden_by(level.name());
    findings.figures.insert("sessions", causality.sessions() as f64);
    Analysis::new(transactions, names, axiom, &causality, findings).run(limits)
}

/// Finds what a level forbids, or one order for all sessions if none is named, beside what is wrong with reads by themselves.
pub(super) fn beside(basics: &Basics<'_>, level: Option<Isolation>, limits: &Limits<'_>) -> RawFindings {
    let axiom = level.map_or(Axiom::OneOrder, Axiom::Level);
    let causality = causality_for(basics, axiom);
    Analysis::new(basics.transactions, basics.names, axiom, &causality, RawFindings::default()).run(limits)
}

/// The levels that are refuted, of those that need no clocks.
pub(super) fn refuted_nearby(basics: &Basics<'_>) -> Vec<&'static str> {
    let is_refuted = |level: &Isolation| {
        let axiom = Axiom::Level(*level);
        let causality = || causality_for(basics, axiom);
        let fine = |causality: &Causality| {
            Analysis::new(basics.transactions, basics.names, axiom, causality, RawFindings::default()).is_near_fine()
        };
        axiom.is_near() && !fine(&causality())
    };
    Isolation::ALL.into_iter().filter(is_refuted).map(Isolation::name).collect()
}

/// What a level of dependencies implies that saturation decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Implied {
    MonotonicAtomicView,
    ReadAtomic,
    OneOrder,
}

impl Implied {
    /// The strongest that a level implies.
    pub(super) fn by(level: &'static str) -> Option<Self> {
        let all = [
            (Implied::OneOrder, ONE_ORDER),
            (Implied::ReadAtomic, Isolation::ReadAtomic.name()),
            (Implied::MonotonicAtomicView, Isolation::MonotonicAtomicView.name()),
        ];
        all.into_iter().find(|(_, name)| levels::includes(level, name)).map(|(implied, _)| implied)
    }
}

/// The weakest level that implies one order for all sessions.
pub(super) const ONE_ORDER: &str = "strong-session-snapshot-isolation";

/// Whether nothing is wrong with what a level implies, beside what is wrong with reads by themselves. Nothing is explained,
/// which [`beside`] does. What does not fit the limits counts as fine: the level that is asked for has other
/// ways to be refuted.
pub(super) fn is_fine(basics: &Basics<'_>, implied: Implied, limits: &Limits<'_>) -> bool {
    let axiom = match implied {
        Implied::MonotonicAtomicView => Axiom::Level(Isolation::MonotonicAtomicView),
        Implied::ReadAtomic => Axiom::Level(Isolation::ReadAtomic),
        Implied::OneOrder => Axiom::OneOrder,
    };
    let causality = causality_for(basics, axiom);
    let analysis = Analysis::new(basics.transactions, basics.names, axiom, &causality, RawFindings::default());
    match axiom.is_near() {
        true => analysis.is_near_fine(),
        false if causality.clock_bytes() > limits.memory_bytes => true,
        false => {
            let Some(mut clocks) = causality.clocks() else { return false };
            matches!(View::new(&analysis, None, &mut clocks).saturate(limits), Saturated::Fine | Saturated::OutOfTime)
        }
    }
}

/// What is wrong with the reads of a history by themselves.
pub(crate) fn misreads(transactions: &Transactions, names: &dyn Names) -> RawFindings {
    rw_register::basics(transactions, names).findings
}

/// Sessions, reads and writes of a history, with what is wrong with its reads by themselves.
pub(crate) fn causality(transactions: &Transactions, names: &dyn Names) -> (RawFindings, Causality) {
    let mut basics = rw_register::basics(transactions, names);
    let findings = std::mem::take(&mut basics.findings);
    (findings, causality_of(transactions, basics, Axiom::Level(Isolation::Causal)))
}

fn causality_for(basics: &Basics<'_>, axiom: Axiom) -> Causality {
    let (reads, writes) = collect(basics, axiom);
    Causality::new(basics.transactions, axiom.sessions(), |at| basics.committed[at as usize], &reads, &writes)
}

fn causality_of(transactions: &Transactions, basics: Basics<'_>, axiom: Axiom) -> Causality {
    let (reads, writes) = collect(&basics, axiom);
    let committed = basics.committed;
    drop(basics.uses);
    Causality::new(transactions, axiom.sessions(), |at| committed[at as usize], &reads, &writes)
}

/// Who read what from whom, by key, or in program order of all reads where their order counts; and who wrote which keys, by
/// key, and for each key by transaction.
type Facts = (Vec<(u32, ReadFrom)>, Vec<(u32, u32)>);

fn collect(basics: &Basics<'_>, axiom: Axiom) -> Facts {
    let transactions = basics.transactions;
    let committed = |source: u32| source == INITIAL || (source != UNKNOWN && basics.committed[source as usize]);
    let (micros, _) = transactions.sizes();
    let (mut reads, mut writes) = (Vec::with_capacity(micros), Vec::with_capacity(micros));
    // From whom every micro-operation read, in program order: only where that counts more than a first read is looked at.
    let mut sources = if axiom.reads_in_order() { vec![UNKNOWN; micros] } else { Vec::new() };
    for key in 0..transactions.keys() as u32 {
        for used in basics.uses.of(key) {
            if used.wrote.is_some() && basics.committed[used.transaction as usize] {
                writes.push((used.transaction, key));
            }
        }
        if axiom.reads_in_order() {
            every_read(transactions, basics, key, &mut sources);
            continue;
        }
        for used in basics.uses.of(key).iter().filter(|used| used.read.is_some() && used.source != used.transaction) {
            if committed(used.source) {
                reads.push((used.transaction, ReadFrom { key, source: used.source }));
            }
        }
    }
    let every = transactions.all_micros().zip(sources);
    let known = every.filter(|((reader, _), source)| committed(*source) && source != reader);
    reads.extend(known.map(|((reader, micro), source)| (reader, ReadFrom { key: micro.key(), source })));
    (reads, writes)
}

/// Finds the writer that each micro-operation on a key read from, also if a transaction reads the key again.
fn every_read(transactions: &Transactions, basics: &Basics<'_>, key: u32, sources: &mut [u32]) {
    let uses = basics.uses.of(key);
    let mut writers: FxHashMap<u32, u32> = FxHashMap::default();
    if uses.iter().any(|used| used.reread) {
        for used in uses.iter().filter(|used| used.wrote.is_some()) {
            let written = super::findings::writes_of(transactions, used.transaction, key);
            writers.extend(written.map(|value| (value, used.transaction)));
        }
    }
    for used in uses.iter().filter(|used| used.read.is_some() || used.reread) {
        let first = transactions.micros_before(used.transaction);
        for (micro, at) in transactions.micros(used.transaction).iter().zip(first..) {
            let Micro::Read { value, .. } = *micro else { continue };
            if micro.key() != key {
                continue;
            }
            sources[at] = match value {
                NIL => INITIAL,
                _ if used.read == Some(value) => used.source,
                _ => writers.get(&value).copied().unwrap_or(UNKNOWN),
            };
        }
    }
}

struct Analysis<'t> {
    transactions: &'t Transactions,
    names: &'t dyn Names,
    axiom: Axiom,
    causality: &'t Causality,
    findings: RawFindings,
    /// What may still be visited for explanations: once it is spent, anomalies are only counted.
    explaining: Cell<usize>,
}

/// Transactions and edges that all explanations together visit, near enough.
const EXPLAINING: usize = 1 << 21;

impl<'t> Analysis<'t> {
    fn new(
        transactions: &'t Transactions,
        names: &'t dyn Names,
        axiom: Axiom,
        causality: &'t Causality,
        findings: RawFindings,
    ) -> Self {
        Self { transactions, names, axiom, causality, findings, explaining: Cell::new(EXPLAINING) }
    }

    fn run(mut self, limits: &Limits<'_>) -> RawFindings {
        self.find(limits);
        self.findings
    }

    /// Whether an anomaly is only counted, which is done then: others of its kind were explained, and there is no room for
    /// more, or too much work.
    fn is_only_counted(&mut self, kind: &'static str) -> bool {
        if self.findings.is_only_counted(kind) {
            return true;
        }
        let is_spent = self.explaining.get() == 0 && self.findings.counts.contains_key(kind);
        if is_spent {
            *self.findings.counts.entry(kind).or_default() += 1;
        }
        is_spent
    }

    fn find(&mut self, limits: &Limits<'_>) {
        if self.axiom.is_near() {
            if !self.is_near_fine() {
                self.near();
            }
            return;
        }
        if self.causality.clock_bytes() > limits.memory_bytes {
            let (count, sessions) = (self.transactions.len(), self.causality.sessions());
            self.findings.doubts.push(format!(
                "{count} transactions in {sessions} sessions need more memory than {} MiB",
                limits.memory_bytes >> 20
            ));
            return;
        }
        if self.axiom == Axiom::Level(Isolation::Pram) {
            return self.sessions_one_by_one(&self.causality.session_clocks(), limits);
        }
        let Some(mut clocks) = self.causality.clocks() else {
            return self.cycles("CyclicCO", &[], None);
        };
        match self.axiom {
            Axiom::OneOrder => drop(self.by_view(None, &mut clocks, limits)),
            Axiom::Level(Isolation::Causal) => self.causal(&clocks),
            Axiom::Level(Isolation::CausalConvergence) => {
                let forced = self.convergence(&clocks);
                if !forced.is_empty() {
                    self.cycles(self.axiom.cycle(), &forced, None);
                }
            }
            Axiom::Level(_) => self.sessions_one_by_one(&clocks, limits),
        }
    }

    /// Whether nothing at all is wrong where no clocks are needed to know what was seen: the common case, and half the
    /// work.
    fn is_near_fine(&self) -> bool {
        let mut edges = self.causality.edges();
        let mut is_initial = false;
        self.seen(&mut |from, _, read| match read.source {
            INITIAL => is_initial = true,
            source => edges.add(from, source, Kind::Ww),
        });
        !is_initial && edges.finish().components(Kinds(u8::MAX)).is_empty()
    }

    /// What is wrong where no clocks are needed.
    fn near(&mut self) {
        if !self.causality.edges().finish().components(Kinds(u8::MAX)).is_empty() {
            return self.cycles("CyclicCO", &[], None);
        }
        let (mut forced, mut initial) = (Vec::new(), Vec::new());
        self.seen(&mut |from, reader, read| {
            let edge = Forced { from, to: read.source, reader, key: read.key };
            if read.source == INITIAL { initial.push(edge) } else { forced.push(edge) }
        });
        initial.into_iter().for_each(|edge| self.initial_read(edge, None, &[]));
        self.cycles(self.axiom.cycle(), &forced, None);
    }

    /// Calls back for each read and each other writer of its key that the reader must have seen, as far as its own
    /// reads and its session show it.
    fn seen(&self, each: &mut dyn FnMut(u32, u32, ReadFrom)) {
        match self.axiom.reads_in_order() {
            true => self.seen_before(each),
            false => self.seen_together(each),
        }
    }

    fn everyone(&self) -> impl Iterator<Item = u32> {
        self.causality.members().iter().copied()
    }

    fn wrote(&self, transaction: u32, key: u32) -> bool {
        self.transactions.micros(transaction).iter().any(|micro| micro.key() == key && micro.written().is_some())
    }

    /// Notes that `from` comes before whom `read` read from, unless that is known already; from whom nobody wrote, it
    /// cannot.
    fn force(&mut self, from: u32, reader: u32, read: ReadFrom, clocks: &Clocks, forced: &mut Vec<Forced>) {
        let edge = Forced { from, to: read.source, reader, key: read.key };
        if read.source == INITIAL {
            self.initial_read(edge, None, &[]);
        } else if !happened_before(self.causality, clocks, from, read.source) {
            forced.push(edge);
        }
    }

    /// Monotonic atomic view: what the transaction read from before.
    fn seen_before(&self, each: &mut dyn FnMut(u32, u32, ReadFrom)) {
        for reader in self.everyone() {
            let reads = self.causality.reads(reader);
            for (at, earlier) in reads.iter().enumerate().filter(|(_, read)| read.source != INITIAL) {
                for read in reads[at + 1..].iter().filter(|read| read.source != earlier.source) {
                    if self.wrote(earlier.source, read.key) {
                        each(earlier.source, reader, *read);
                    }
                }
            }
        }
    }

    /// Read atomic: all it reads from, and the last writer before it in its session.
    fn seen_together(&self, each: &mut dyn FnMut(u32, u32, ReadFrom)) {
        // By key: the session that wrote it last among those looked at, and its last writer there.
        let mut last = vec![(u32::MAX, 0); self.transactions.keys()];
        for session in 0..self.causality.sessions() as u32 {
            for reader in self.causality.session(session).iter().copied() {
                let reads = self.causality.reads(reader);
                for read in reads {
                    let (writer, earlier) = last[read.key as usize];
                    if writer == session && earlier != read.source {
                        each(earlier, reader, *read);
                    }
                    let sources = reads.iter().map(|other| other.source);
                    for from in sources.filter(|source| *source != INITIAL && *source != read.source) {
                        if self.wrote(from, read.key) {
                            each(from, reader, *read);
                        }
                    }
                }
                for micro in self.transactions.micros(reader).iter().filter(|micro| micro.written().is_some()) {
                    last[micro.key() as usize] = (session, reader);
                }
            }
        }
    }

    /// Calls back for each read and each latest writer of its key in a session that happened before the reader.
    fn visible(&mut self, clocks: &Clocks, mut each: impl FnMut(&mut Self, u32, u32, ReadFrom)) {
        let causality = self.causality;
        for reader in self.everyone().collect::<Vec<_>>() {
            for read in causality.reads(reader) {
                let clock = clocks.of(reader);
                for from in causality.latest(read.key, |session| clock[session as usize]) {
                    if from != read.source {
                        each(self, from, reader, *read);
                    }
                }
            }
        }
    }

    fn convergence(&mut self, clocks: &Clocks) -> Vec<Forced> {
        let mut forced = Vec::new();
        self.visible(clocks, |this, from, reader, read| this.force(from, reader, read, clocks, &mut forced));
        forced
    }

    fn causal(&mut self, clocks: &Clocks) {
        self.visible(clocks, |this, from, reader, read| {
            let edge = Forced { from, to: read.source, reader, key: read.key };
            if read.source == INITIAL {
                this.initial_read(edge, None, &[]);
            } else if happened_before(this.causality, clocks, read.source, from) {
                this.overwritten_read(edge);
            }
        });
        self.torn_reads(clocks);
    }

    /// The reads of one transaction together: one order has to explain all of them.
    fn torn_reads(&mut self, clocks: &Clocks) {
        let causality = self.causality;
        let mut edges: Vec<(usize, usize, Forced)> = Vec::new();
        for reader in self.everyone().collect::<Vec<_>>() {
            let reads = causality.reads(reader);
            edges.clear();
            for (at, read) in reads.iter().enumerate().filter(|(_, read)| read.source != INITIAL) {
                let others =
                    reads.iter().enumerate().filter(|(_, other)| ![read.source, INITIAL].contains(&other.source));
                for (other, earlier) in others {
                    edges.extend(self.goes_before(clocks, reader, earlier.source, *read).map(|edge| (other, at, edge)));
                }
            }
            // A cycle goes back at least once.
            if edges.iter().any(|(from, to, _)| reads[*from].source > reads[*to].source) {
                self.torn_read(reader, &edges);
            }
        }
    }

    /// Whether what a transaction read from has to come before whom it read something else from: there, or after it,
    /// somebody wrote that too, and the reader must have seen it.
    fn goes_before(&self, clocks: &Clocks, reader: u32, earlier: u32, read: ReadFrom) -> Option<Forced> {
        let clock = clocks.of(reader);
        let mut writers = self.causality.latest(read.key, |session| clock[session as usize]);
        let after = |writer: &u32| *writer == earlier || happened_before(self.causality, clocks, earlier, *writer);
        let from = writers.find(|writer| *writer != read.source && after(writer))?;
        Some(Forced { from, to: read.source, reader, key: read.key })
    }

    /// Reports a cycle among these, if there is one.
    fn torn_read(&mut self, reader: u32, edges: &[(usize, usize, Forced)]) {
        let reads = self.causality.reads(reader);
        let mut order = graph::Edges::new(reads.len());
        edges.iter().for_each(|(from, to, _)| order.add(*from as u32, *to as u32, Kind::Ww));
        let graph = order.finish();
        let Some(component) = graph.components(Kinds(u8::MAX)).into_iter().min_by_key(Vec::len) else { return };
        if self.is_only_counted("cyclic-commit-order") {
            return;
        }
        let steps = graph::shortest_cycle(&graph, &component, Kind::Pass);
        let on_cycle = |(from, to, _): &&(usize, usize, Forced)| {
            steps.iter().any(|step| (step.0 as usize, step.1 as usize) == (*from, *to))
        };
        let relation = Relation::new(self.causality, self.axiom, None, &[], &self.explaining);
        let (mut transactions, mut clauses) = (Vec::new(), Vec::new());
        for (from, _, edge) in edges.iter().filter(on_cycle) {
            transactions.extend(relation.support(&[*edge]));
            if reads[*from].source != edge.from {
                transactions.extend(relation.path(reads[*from].source, edge.from, 0));
            }
            let [to, writer] = [edge.to, edge.from].map(|who| name(self.transactions, self.names, who));
            let key = self.names.key(edge.key);
            clauses.push(format!("{key} from {to}, which then came after {writer}, who wrote it too"));
        }
        let reader = name(self.transactions, self.names, reader);
        let explanation =
            format!("{reader} read {}: no one order of what it must have seen explains all.", clauses.join("; "));
        let kind = "cyclic-commit-order";
        self.findings.add(kind, || RawAnomaly { kind, key: None, transactions, explanation, ..RawAnomaly::default() });
    }

    fn initial_read(&mut self, edge: Forced, views: Option<Views>, forced: &[Forced]) {
        let kind =
            if views.is_some_and(|views| views.session.is_some()) { "WriteHBInitRead" } else { "WriteCOInitRead" };
        if self.is_only_counted(kind) {
            return;
        }
        let relation = Relation::new(self.causality, self.axiom, views, forced, &self.explaining);
        let (key, reader) = (self.names.key(edge.key), name(self.transactions, self.names, edge.reader));
        let writer = name(self.transactions, self.names, edge.from);
        self.findings.add(kind, || RawAnomaly {
            kind,
            key: Some(edge.key),
            transactions: relation.support(&[edge]),
            explanation: format!(
                "{reader} read {key} as nobody has written it, though {writer}, whose effects it must see, wrote it."
            ),
            ..RawAnomaly::default()
        });
    }

    fn overwritten_read(&mut self, edge: Forced) {
        if self.is_only_counted("WriteCORead") {
            return;
        }
        let relation = Relation::new(self.causality, self.axiom, None, &[], &self.explaining);
        let (key, [reader, from, to]) = (
            self.names.key(edge.key),
            [edge.reader, edge.from, edge.to].map(|who| name(self.transactions, self.names, who)),
        );
        self.findings.add("WriteCORead", || {
            let mut transactions = relation.support(&[edge]);
            transactions.extend(relation.path(edge.to, edge.from, 0));
            RawAnomaly {
                kind: "WriteCORead",
                key: Some(edge.key),
                transactions,
                explanation: format!(
                    "{reader} read {key} from {to}, though {from} wrote it after {to} and {reader} must have seen that."
                ),
                ..RawAnomaly::default()
            }
        });
    }

    /// Each session by itself: what its reads force is seen by its later reads.
    fn sessions_one_by_one(&mut self, base: &Clocks, limits: &Limits<'_>) {
        let mut clocks = base.clone();
        for session in 0..self.causality.sessions() as u32 {
            if (limits.out_of_time)() {
                let (done, all) = (session, self.causality.sessions());
                self.findings.doubts.push(format!("the time was over after {done} of {all} sessions"));
                return;
            }
            for transaction in self.by_view(Some(session), &mut clocks, limits) {
                clocks.restore(transaction, base.of(transaction));
            }
        }
    }

    /// What one session must believe, or all of them together. Returns the transactions whose clocks were changed.
    fn by_view(&mut self, session: Option<u32>, clocks: &mut Clocks, limits: &Limits<'_>) -> Vec<u32> {
        let mut view = View::new(self, session, clocks);
        let outcome = match session.filter(|_| view.pram) {
            Some(session) => view.saturate_in_rounds(session, limits),
            None => view.saturate(limits),
        };
        let (forced, changed) = (std::mem::take(&mut view.forced), std::mem::take(&mut view.changed));
        let views = Views::of(session);
        match outcome {
            Saturated::Fine => {}
            Saturated::OutOfTime => self.findings.doubts.push("the time was over before all was looked at".to_owned()),
            Saturated::Cyclic => self.cycles(self.axiom.cycle(), &forced, views),
            Saturated::Initial(edge) => self.initial_read(edge, views, &forced),
        }
        changed
    }

    /// Reports one cycle of each component.
    fn cycles(&mut self, kind: &'static str, forced: &[Forced], views: Option<Views>) {
        let causality = self.causality;
        let explaining = Cell::new(self.explaining.get());
        let relation = Relation::new(causality, self.axiom, views, forced, &explaining);
        let graph = relation.graph(self.transactions.len());
        for component in graph.components(Kinds(u8::MAX)) {
            if !self.is_only_counted(kind) {
                let steps = graph::shortest_cycle(&graph, &component, Kind::Process);
                self.findings.add(kind, || self::cycle(kind, &steps, &relation, self.transactions, self.names));
                relation.spend(component.len());
                self.explaining.set(explaining.get());
            }
        }
    }
}

fn cycle(
    kind: &'static str,
    steps: &[(u32, u32, Kind)],
    relation: &Relation<'_>,
    transactions: &Transactions,
    names: &dyn Names,
) -> RawAnomaly {
    let called = |who: u32| name(transactions, names, who);
    let mut involved: Vec<u32> = steps.iter().map(|step| step.0).collect();
    let (mut clauses, mut keys, mut edges) = (Vec::new(), std::collections::BTreeSet::new(), Vec::new());
    for (from, to, kind) in steps {
        let (a, b) = (called(*from), called(*to));
        let key = relation.reason(*from, *to).map(|edge| edge.key).filter(|_| *kind != Kind::Process);
        edges.push(RawEdge { from: *from, to: *to, label: label(*kind, key, names) });
        clauses.push(match kind {
            Kind::Process => format!("{a} comes before {b} in its session"),
            Kind::Wr => format!("{b} read from {a}"),
            _ => {
                let edge = relation.reason(*from, *to);
                involved.extend(edge.map(|edge| relation.support(&[edge])).unwrap_or_default());
                keys.extend(edge.map(|edge| edge.key));
                let (reader, key) = edge.map(|edge| (called(edge.reader), names.key(edge.key))).unwrap_or_default();
                format!("{a} comes before {b}, since {reader} must have seen that {a} wrote {key} and read it from {b}")
            }
        });
    }
    let key = keys.first().copied().filter(|_| keys.len() == 1);
    RawAnomaly { kind, key, transactions: involved, explanation: format!("{}: a cycle.", clauses.join("; ")), edges }
}

fn happened_before(causality: &Causality, clocks: &Clocks, earlier: u32, later: u32) -> bool {
    let (session, position) = causality.place(earlier);
    clocks.of(later)[session as usize] >= position
}

/// By whose views edges were forced, each seen by the next: one session's, or those of all.
#[derive(Clone, Copy)]
struct Views {
    session: Option<u32>,
}

impl Views {
    fn of(session: Option<u32>) -> Option<Self> {
        Some(Self { session })
    }
}

/// Session order, reads-from (of one session only for PRAM), and what was forced.
struct Relation<'a> {
    causality: &'a Causality,
    reads_of: Option<u32>,
    forced: &'a [Forced],
    /// Whether readers see along what was forced before, too.
    saturated: bool,
    /// By both ends the place among what was forced, and by the first the others: made when they are first asked for.
    places: OnceCell<FxHashMap<(u32, u32), usize>>,
    after: OnceCell<FxHashMap<u32, Vec<(u32, usize)>>>,
    explaining: &'a Cell<usize>,
}

impl<'a> Relation<'a> {
    fn new(
        causality: &'a Causality,
        axiom: Axiom,
        views: Option<Views>,
        forced: &'a [Forced],
        explaining: &'a Cell<usize>,
    ) -> Self {
        let session = views.and_then(|views| views.session);
        let reads_of = session.filter(|_| axiom == Axiom::Level(Isolation::Pram));
        let (places, after) = Default::default();
        Self { causality, reads_of, forced, saturated: views.is_some(), places, after, explaining }
    }

    fn spend(&self, work: usize) {
        self.explaining.set(self.explaining.get().saturating_sub(work));
    }

    /// The place of the first edge forced between two transactions.
    fn place_of(&self, from: u32, to: u32) -> Option<usize> {
        let places = self.places.get_or_init(|| {
            let all = self.forced.iter().enumerate().rev();
            all.map(|(place, edge)| ((edge.from, edge.to), place)).collect()
        });
        places.get(&(from, to)).copied()
    }

    /// Who was forced to come after a transaction, and at which place.
    fn after(&self, from: u32) -> &[(u32, usize)] {
        let after = self.after.get_or_init(|| {
            let mut after: FxHashMap<u32, Vec<(u32, usize)>> = FxHashMap::default();
            for (place, edge) in self.forced.iter().enumerate() {
                after.entry(edge.from).or_default().push((edge.to, place));
            }
            after
        });
        after.get(&from).map_or(&[], Vec::as_slice)
    }

    fn counts(&self, reader: u32) -> bool {
        self.reads_of.is_none_or(|session| self.causality.place(reader).0 == session)
    }

    fn graph(&self, nodes: usize) -> Graph {
        let mut edges = graph::Edges::new(nodes);
        for session in 0..self.causality.sessions() as u32 {
            let members = self.causality.session(session);
            members.windows(2).for_each(|pair| edges.add(pair[0], pair[1], Kind::Process));
            for reader in members.iter().filter(|reader| self.counts(**reader)) {
                let sources = self.causality.reads(*reader).iter().filter(|read| read.source != INITIAL);
                sources.for_each(|read| edges.add(read.source, *reader, Kind::Wr));
            }
        }
        self.forced.iter().for_each(|edge| edges.add(edge.from, edge.to, Kind::Ww));
        edges.finish()
    }

    fn reason(&self, from: u32, to: u32) -> Option<Forced> {
        self.place_of(from, to).map(|place| self.forced[place])
    }

    /// All transactions needed to prove these edges: readers, and the paths by which they knew of the writers, which
    /// may need other forced edges, found before.
    fn support(&self, edges: &[Forced]) -> Vec<u32> {
        let (mut all, mut open) = (Vec::new(), edges.to_vec());
        let mut explained: rustc_hash::FxHashSet<(u32, u32)> = rustc_hash::FxHashSet::default();
        while let Some(edge) = open.pop() {
            all.extend([edge.from, edge.reader]);
            all.extend(Some(edge.to).filter(|to| *to != INITIAL));
            let before = self.place_of(edge.from, edge.to).unwrap_or(self.forced.len());
            let before = if self.saturated { before } else { 0 };
            let path = self.path(edge.from, edge.reader, before);
            for pair in path.windows(2) {
                let reason =
                    self.place_of(pair[0], pair[1]).filter(|place| *place < before).map(|place| self.forced[place]);
                open.extend(reason.filter(|reason| explained.insert((reason.from, reason.to))));
            }
            all.extend(path);
        }
        all.sort_unstable();
        all.dedup();
        all
    }

    /// A shortest path from one transaction to another along the relation with the first so many forced edges, without
    /// those in the middle of a session that only pass on.
    fn path(&self, from: u32, to: u32, forced: usize) -> Vec<u32> {
        let mut came: FxHashMap<(u32, bool), (u32, bool)> = FxHashMap::default();
        let mut queue = std::collections::VecDeque::from([(from, false)]);
        while let Some(at) = queue.pop_front() {
            if at.0 == to {
                self.spend(came.len());
                return bends(from, at, &came);
            }
            let next = self.causality.next(at.0).map(|next| (next, true));
            let readers = self.causality.readers(at.0).iter().filter(|reader| self.counts(**reader)).copied();
            let after = self.after(at.0).iter().filter(|(_, place)| *place < forced).map(|(later, _)| *later);
            // Whoever read it first: a session is long.
            let others = readers.chain(after).map(|other| (other, false));
            for step in others.chain(next) {
                if step.0 == from || came.contains_key(&step) {
                    continue;
                }
                came.insert(step, at);
                if at.1 && step.1 { queue.push_front(step) } else { queue.push_back(step) }
            }
        }
        self.spend(came.len());
        vec![from, to]
    }
}

/// A shortest path on which one transaction happened before another, without those in the middle of a session that only pass
/// on.
pub(super) fn path(causality: &Causality, from: u32, to: u32) -> Vec<u32> {
    Relation::new(causality, Axiom::Level(Isolation::Causal), None, &[], &Cell::new(EXPLAINING)).path(from, to, 0)
}

/// The positions of a path where it does not just continue in a session.
fn bends(from: u32, end: (u32, bool), came: &FxHashMap<(u32, bool), (u32, bool)>) -> Vec<u32> {
    let (mut path, mut at) = (vec![end.0], end);
    while let Some(before) = came.get(&at) {
        if !(at.1 && before.1) || before.0 == from {
            path.push(before.0);
        }
        at = *before;
    }
    path.reverse();
    path.dedup();
    path
}

/// Readers between two looks at the time.
const READERS_BETWEEN: usize = 1024;

enum Saturated {
    Fine,
    Cyclic,
    Initial(Forced),
    OutOfTime,
}

/// What one session must believe, or all together: clocks that grow with what their reads force.
struct View<'v, 't> {
    causality: &'t Causality,
    pram: bool,
    session: Option<u32>,
    clocks: &'v mut Clocks,
    forced: Vec<Forced>,
    after: FxHashMap<u32, Vec<u32>>,
    changed: Vec<u32>,
}

impl<'v, 't> View<'v, 't> {
    fn new(analysis: &Analysis<'t>, session: Option<u32>, clocks: &'v mut Clocks) -> Self {
        let (causality, pram) = (analysis.causality, analysis.axiom == Axiom::Level(Isolation::Pram));
        let (forced, after, changed) = (Vec::new(), FxHashMap::default(), Vec::new());
        Self { causality, pram, session, clocks, forced, after, changed }
    }

    fn readers(&self) -> &'t [u32] {
        self.session.map_or_else(|| self.causality.members(), |session| self.causality.session(session))
    }

    fn saturate(&mut self, limits: &Limits<'_>) -> Saturated {
        let causality = self.causality;
        loop {
            let before = self.forced.len();
            for (at, reader) in self.readers().iter().copied().enumerate() {
                if at % READERS_BETWEEN == 0 && (limits.out_of_time)() {
                    return Saturated::OutOfTime;
                }
                for read in causality.reads(reader) {
                    if let Some(ended) = self.read(reader, *read) {
                        return ended;
                    }
                }
            }
            if self.forced.len() == before {
                return Saturated::Fine;
            }
        }
    }

    fn read(&mut self, reader: u32, read: ReadFrom) -> Option<Saturated> {
        let clock = self.clocks.of(reader);
        let latest: Vec<u32> = self.causality.latest(read.key, |session| clock[session as usize]).collect();
        for from in latest.into_iter().filter(|from| *from != read.source) {
            let edge = Forced { from, to: read.source, reader, key: read.key };
            if read.source == INITIAL {
                return Some(Saturated::Initial(edge));
            }
            if happened_before(self.causality, self.clocks, from, read.source) {
                continue;
            }
            self.forced.push(edge);
            self.after.entry(from).or_default().push(read.source);
            if !self.learn(from, read.source) {
                return Some(Saturated::Cyclic);
            }
        }
        None
    }

    /// PRAM: nobody knows anything of other sessions at first, so whatever is forced is news for all that follows in its
    /// session. All that is forced by the reads is passed on at once, in one walk over everything, until nothing is new.
    fn saturate_in_rounds(&mut self, session: u32, limits: &Limits<'_>) -> Saturated {
        let causality = self.causality;
        self.changed =
            (0..causality.sessions() as u32).flat_map(|session| causality.session(session)).copied().collect();
        let mut known: FxHashSet<(u32, u32)> = FxHashSet::default();
        loop {
            if (limits.out_of_time)() {
                return Saturated::OutOfTime;
            }
            if !self.pass_on(session) {
                return Saturated::Cyclic;
            }
            let before = self.forced.len();
            for reader in causality.session(session).iter().copied() {
                for read in causality.reads(reader) {
                    let clock = self.clocks.of(reader);
                    for from in causality.latest(read.key, |session| clock[session as usize]) {
                        let edge = Forced { from, to: read.source, reader, key: read.key };
                        if from == read.source {
                            continue;
                        }
                        if read.source == INITIAL {
                            return Saturated::Initial(edge);
                        }
                        if !happened_before(causality, self.clocks, from, read.source)
                            && known.insert((from, read.source))
                        {
                            self.forced.push(edge);
                        }
                    }
                }
            }
            if self.forced.len() == before {
                return Saturated::Fine;
            }
            for edge in &self.forced[before..] {
                self.after.entry(edge.from).or_default().push(edge.to);
            }
        }
    }

    /// Passes on all that is known in one order of everything (Kahn's); false if there is none.
    fn pass_on(&mut self, session: u32) -> bool {
        let causality = self.causality;
        let own = |transaction: u32| causality.place(transaction).0 == session;
        let mut waiting: Vec<u32> = vec![0; self.clocks.transactions()];
        let (mut ready, mut done) = (Vec::new(), 0);
        for to in self.after.values().flatten() {
            waiting[*to as usize] += 1;
        }
        for transaction in self.changed.iter().copied() {
            let sources = causality.reads(transaction).iter().filter(|read| own(transaction) && read.source != INITIAL);
            let count = &mut waiting[transaction as usize];
            *count += sources.count() as u32 + u32::from(causality.place(transaction).1 > 1);
            if *count == 0 {
                ready.push(transaction);
            }
        }
        while let Some(transaction) = ready.get(done).copied() {
            done += 1;
            let readers = causality.readers(transaction).iter().copied().filter(|reader| own(*reader));
            let forced = self.after.get(&transaction).into_iter().flatten().copied();
            for later in causality.next(transaction).into_iter().chain(readers).chain(forced) {
                self.clocks.learn(later, transaction, causality.place(transaction));
                waiting[later as usize] -= 1;
                if waiting[later as usize] == 0 {
                    ready.push(later);
                }
            }
        }
        done == self.changed.len()
    }

    /// Passes on that one transaction comes before another; false if that makes somebody come before itself.
    fn learn(&mut self, earlier: u32, later: u32) -> bool {
        let causality = self.causality;
        let mut open = vec![(earlier, later)];
        while let Some((earlier, later)) = open.pop() {
            if !self.clocks.learn(later, earlier, causality.place(earlier)) {
                continue;
            }
            self.changed.push(later);
            if happened_before(causality, self.clocks, later, later) {
                return false;
            }
            let readers = causality.readers(later).iter().copied();
            let forced = self.after.get(&later).into_iter().flatten().copied();
            open.extend(causality.next(later).into_iter().chain(readers).chain(forced).map(|next| (later, next)));
        }
        true
    }
}
