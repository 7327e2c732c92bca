//! Weak isolation and causal consistency of transactions on registers with unique values.
//!
//! The idea of saturation: the reads force an order of the writers, and the history satisfies a level if that order has
//! no cycle. If a transaction read key x from t1, and must have seen t2, which also wrote x, then t2 came before t1:
//! otherwise it would have read t2's value. A level is defined by which writers a reader must have seen. Session order,
//! reads-from and the forced edges together must have no cycle:
//!
//! - **read committed**: seen is what the transaction itself read from before;
//! - **read atomic**: who comes before it in its session, and all it reads from;
//! - **causal convergence** (CCv; the causal consistency of Biswas and Enea): whoever happened before it;
//! - **causal** (CC): the same, but each reader may order concurrent writes in its own way, so only t1 before t2 before
//!   the reader is wrong, and several reads of one transaction that no one order explains;
//! - **causal memory** (CM): the same, but each session must be able to put all in one order that explains all of its
//!   own reads: what is forced for one read is seen by the next;
//! - **PRAM**: as causal memory, but of other sessions only their own order counts, not what they read.
//!
//! Sources: Biswas and Enea, OOPSLA 2019 (axioms); Bouajjani, Enea, Guerraoui, Hamza, POPL 2017 (CC, CCv, CM and their
//! bad patterns, whose names the anomalies have); AWDIT, PLDI 2025 (only the latest visible writer of each session
//! counts). Time: read committed and read atomic O(n x reads of a transaction), without clocks if nothing is wrong;
//! causal O(n x sessions x log), and for the reads of one transaction together O(n x reads^2 x sessions x log); CM and
//! PRAM as causal for each session and each of the few rounds until nothing new is forced. The log is of a key's writes
//! by a session.

use rustc_hash::FxHashMap;

use super::causality::{Causality, Clocks, INITIAL, ReadFrom};
use super::findings::{RawAnomaly, RawEdge, RawFindings, label, name};
use super::graph::{self, Graph, Kind, Kinds};
use super::input::{Micro, NIL, Names, Transactions};
use super::rw_register::{self, Basics, UNKNOWN};
use crate::limits::Limits;

/// A level of weak isolation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Isolation {
    /// Biswas and Enea's read committed.
    ReadCommitted,
    /// Biswas and Enea's read atomic.
    ReadAtomic,
    /// Causal consistency, CC.
    Causal,
    /// Causal convergence, CCv.
    CausalConvergence,
    /// Causal memory, CM.
    CausalMemory,
    /// Pipelined RAM.
    Pram,
}

impl Isolation {
    /// Every level.
    #[cfg(test)]
    pub(crate) const ALL: [Isolation; 6] = [
        Isolation::ReadCommitted,
        Isolation::ReadAtomic,
        Isolation::Causal,
        Isolation::CausalConvergence,
        Isolation::CausalMemory,
        Isolation::Pram,
    ];

    /// The name at the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Isolation::ReadCommitted => "read-committed",
            Isolation::ReadAtomic => "read-atomic",
            Isolation::Causal => "causal",
            Isolation::CausalConvergence => "causal-convergence",
            Isolation::CausalMemory => "causal-memory",
            Isolation::Pram => "pram",
        }
    }

    /// What a cycle of its order is called.
    fn cycle(self) -> &'static str {
        match self {
            Isolation::ReadCommitted | Isolation::ReadAtomic => "cyclic-commit-order",
            Isolation::Causal => "WriteCORead",
            Isolation::CausalConvergence => "CyclicCF",
            Isolation::CausalMemory | Isolation::Pram => "CyclicHB",
        }
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
    let mut findings = std::mem::take(&mut basics.findings);
    if findings.malformed.is_some() {
        return findings;
    }
    if level == Isolation::ReadCommitted {
        findings.counts.remove("non-repeatable-read");
        findings.anomalies.retain(|anomaly| anomaly.kind != "non-repeatable-read");
    }
    let (reads, writes) = collect(transactions, &basics, level);
    drop(basics.uses);
    let causality = Causality::new(transactions, |at| basics.committed[at as usize], &reads, &writes);
    drop((reads, writes));
    findings.figures.insert("sessions", causality.sessions() as f64);
    let mut analysis = Analysis { transactions, names, level, causality: &causality, findings };
    analysis.run(limits);
    analysis.findings
}

/// Sessions, reads and writes of a history, with what is wrong with its reads by themselves.
pub(crate) fn causality(transactions: &Transactions, names: &dyn Names) -> (RawFindings, Causality) {
    let basics = rw_register::basics(transactions, names);
    let (reads, writes) = collect(transactions, &basics, Isolation::Causal);
    let causality = Causality::new(transactions, |at| basics.committed[at as usize], &reads, &writes);
    (basics.findings, causality)
}

/// Who read what from whom, by key, or in program order of all reads for read committed; and who wrote which keys, by
/// key, and for each key by transaction.
type Facts = (Vec<(u32, ReadFrom)>, Vec<(u32, u32)>);

fn collect(transactions: &Transactions, basics: &Basics, level: Isolation) -> Facts {
    let committed = |source: u32| source == INITIAL || (source != UNKNOWN && basics.committed[source as usize]);
    let (micros, _) = transactions.sizes();
    let (mut reads, mut writes) = (Vec::with_capacity(micros), Vec::with_capacity(micros));
    // From whom every micro-operation read, in program order: only read committed looks at more than a first read.
    let mut sources = if level == Isolation::ReadCommitted { vec![UNKNOWN; micros] } else { Vec::new() };
    for key in 0..transactions.keys() as u32 {
        for used in basics.uses.of(key) {
            if used.wrote.is_some() && basics.committed[used.transaction as usize] {
                writes.push((used.transaction, key));
            }
        }
        if level == Isolation::ReadCommitted {
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
fn every_read(transactions: &Transactions, basics: &Basics, key: u32, sources: &mut [u32]) {
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
    level: Isolation,
    causality: &'t Causality,
    findings: RawFindings,
}

impl Analysis<'_> {
    fn run(&mut self, limits: &Limits<'_>) {
        if matches!(self.level, Isolation::ReadCommitted | Isolation::ReadAtomic) && self.is_fine() {
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
        if self.level == Isolation::Pram {
            return self.sessions_one_by_one(&self.causality.session_clocks(), limits);
        }
        let Some(clocks) = self.causality.clocks() else {
            return self.cycles("CyclicCO", &[], None);
        };
        let forced = match self.level {
            Isolation::ReadCommitted | Isolation::ReadAtomic => self.forced_alone(&clocks),
            Isolation::Causal => return self.causal(&clocks),
            Isolation::CausalConvergence => self.convergence(&clocks),
            _ => return self.sessions_one_by_one(&clocks, limits),
        };
        if !forced.is_empty() {
            self.cycles(self.level.cycle(), &forced, None);
        }
    }

    /// Whether nothing at all is wrong where no clocks are needed to know what was seen: the common case, and half the
    /// work.
    fn is_fine(&self) -> bool {
        let mut edges = self.causality.edges();
        let mut is_initial = false;
        self.seen(&mut |from, _, read| match read.source {
            INITIAL => is_initial = true,
            source => edges.add(from, source, Kind::Ww),
        });
        !is_initial && edges.finish().components(Kinds(u8::MAX)).is_empty()
    }

    fn forced_alone(&mut self, clocks: &Clocks) -> Vec<Forced> {
        let (mut seen, mut forced) = (Vec::new(), Vec::new());
        self.seen(&mut |from, reader, read| seen.push((from, reader, read)));
        for (from, reader, read) in seen {
            self.force(from, reader, read, clocks, &mut forced);
        }
        forced
    }

    /// Calls back for each read and each other writer of its key that the reader must have seen, as far as its own
    /// reads and its session show it.
    fn seen(&self, each: &mut dyn FnMut(u32, u32, ReadFrom)) {
        match self.level {
            Isolation::ReadCommitted => self.seen_before(each),
            _ => self.seen_together(each),
        }
    }

    fn everyone(&self) -> impl Iterator<Item = u32> {
        let causality = self.causality;
        (0..causality.sessions() as u32).flat_map(move |session| causality.session(session).iter().copied())
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

    /// Read committed: what the transaction read from before.
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

    /// Read atomic: the last writer before it in its session, and all it reads from.
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
        let steps = graph::shortest_cycle(&graph, &component, Kind::Pass);
        let on_cycle = |(from, to, _): &&(usize, usize, Forced)| {
            steps.iter().any(|step| (step.0 as usize, step.1 as usize) == (*from, *to))
        };
        let relation = Relation::new(self.causality, self.level, None, &[]);
        let (mut transactions, mut clauses) = (Vec::new(), Vec::new());
        for (from, _, edge) in edges.iter().filter(on_cycle) {
            transactions.extend(relation.support(&[*edge]));
            if reads[*from].source != edge.from {
                transactions.extend(relation.way(reads[*from].source, edge.from, 0));
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

    fn initial_read(&mut self, edge: Forced, session: Option<u32>, forced: &[Forced]) {
        let kind = if session.is_some() { "WriteHBInitRead" } else { "WriteCOInitRead" };
        let relation = Relation::new(self.causality, self.level, session, forced);
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
        let relation = Relation::new(self.causality, self.level, None, &[]);
        let (key, [reader, from, to]) = (
            self.names.key(edge.key),
            [edge.reader, edge.from, edge.to].map(|who| name(self.transactions, self.names, who)),
        );
        self.findings.add("WriteCORead", || {
            let mut transactions = relation.support(&[edge]);
            transactions.extend(relation.way(edge.to, edge.from, 0));
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
            let mut view = View::new(self, session, &mut clocks);
            let outcome = view.saturate();
            let (forced, changed) = (std::mem::take(&mut view.forced), std::mem::take(&mut view.changed));
            match outcome {
                Saturated::Fine => {}
                Saturated::Cyclic => self.cycles(self.level.cycle(), &forced, Some(session)),
                Saturated::Initial(edge) => self.initial_read(edge, Some(session), &forced),
            }
            for transaction in changed {
                clocks.restore(transaction, base.of(transaction));
            }
        }
    }

    /// Reports one cycle of each component.
    fn cycles(&mut self, kind: &'static str, forced: &[Forced], session: Option<u32>) {
        let relation = Relation::new(self.causality, self.level, session, forced);
        let graph = relation.graph(self.transactions.len());
        for component in graph.components(Kinds(u8::MAX)) {
            let steps = graph::shortest_cycle(&graph, &component, Kind::Process);
            self.findings.add(kind, || self::cycle(kind, &steps, &relation, self.transactions, self.names));
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

/// Session order, reads-from (of one session only for PRAM), and what was forced.
struct Relation<'a> {
    causality: &'a Causality,
    reads_of: Option<u32>,
    forced: &'a [Forced],
    /// Whether readers see along what was forced before, too.
    saturated: bool,
}

impl<'a> Relation<'a> {
    /// `session`: whose view it is, if it is one session's.
    fn new(causality: &'a Causality, level: Isolation, session: Option<u32>, forced: &'a [Forced]) -> Self {
        let reads_of = session.filter(|_| level == Isolation::Pram);
        Self { causality, reads_of, forced, saturated: session.is_some() }
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
        self.forced.iter().copied().find(|edge| (edge.from, edge.to) == (from, to))
    }

    /// Everyone who has to be seen to know these edges: readers, and the ways on which they knew of the writers, which
    /// may need other forced edges, found before.
    fn support(&self, edges: &[Forced]) -> Vec<u32> {
        let (mut all, mut open) = (Vec::new(), edges.to_vec());
        let mut explained: rustc_hash::FxHashSet<(u32, u32)> = rustc_hash::FxHashSet::default();
        while let Some(edge) = open.pop() {
            all.extend([edge.from, edge.reader]);
            all.extend(Some(edge.to).filter(|to| *to != INITIAL));
            let before = self.forced.iter().position(|other| *other == edge).unwrap_or(self.forced.len());
            let before = if self.saturated { before } else { 0 };
            let way = self.way(edge.from, edge.reader, before);
            for pair in way.windows(2) {
                let reason = self.forced[..before].iter().find(|other| (other.from, other.to) == (pair[0], pair[1]));
                open.extend(reason.copied().filter(|reason| explained.insert((reason.from, reason.to))));
            }
            all.extend(way);
        }
        all.sort_unstable();
        all.dedup();
        all
    }

    /// A shortest way from one transaction to another along the relation with the first so many forced edges, without
    /// those in the middle of a session that only pass on.
    fn way(&self, from: u32, to: u32, forced: usize) -> Vec<u32> {
        let mut after: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
        self.forced[..forced].iter().for_each(|edge| after.entry(edge.from).or_default().push(edge.to));
        let mut came: FxHashMap<(u32, bool), (u32, bool)> = FxHashMap::default();
        let mut queue = std::collections::VecDeque::from([(from, false)]);
        while let Some(at) = queue.pop_front() {
            if at.0 == to {
                return bends(from, at, &came);
            }
            let next = self.causality.next(at.0).map(|next| (next, true));
            let readers = self.causality.readers(at.0).iter().filter(|reader| self.counts(**reader));
            let others = readers.chain(after.get(&at.0).into_iter().flatten()).map(|other| (*other, false));
            for step in next.into_iter().chain(others) {
                if step.0 == from || came.contains_key(&step) {
                    continue;
                }
                came.insert(step, at);
                if at.1 && step.1 { queue.push_front(step) } else { queue.push_back(step) }
            }
        }
        vec![from, to]
    }
}

/// The places of a way where it does not just go on along a session.
fn bends(from: u32, end: (u32, bool), came: &FxHashMap<(u32, bool), (u32, bool)>) -> Vec<u32> {
    let (mut way, mut at) = (vec![end.0], end);
    while let Some(before) = came.get(&at) {
        if !(at.1 && before.1) || before.0 == from {
            way.push(before.0);
        }
        at = *before;
    }
    way.reverse();
    way.dedup();
    way
}

enum Saturated {
    Fine,
    Cyclic,
    Initial(Forced),
}

/// What one session must believe: clocks that grow with what its reads force.
struct View<'v, 't> {
    causality: &'t Causality,
    pram: bool,
    session: u32,
    clocks: &'v mut Clocks,
    forced: Vec<Forced>,
    after: FxHashMap<u32, Vec<u32>>,
    changed: Vec<u32>,
}

impl<'v, 't> View<'v, 't> {
    fn new(analysis: &Analysis<'t>, session: u32, clocks: &'v mut Clocks) -> Self {
        let (causality, pram) = (analysis.causality, analysis.level == Isolation::Pram);
        let (forced, after, changed) = (Vec::new(), FxHashMap::default(), Vec::new());
        Self { causality, pram, session, clocks, forced, after, changed }
    }

    fn saturate(&mut self) -> Saturated {
        let causality = self.causality;
        if self.pram {
            for reader in causality.session(self.session).iter().copied() {
                for read in causality.reads(reader).iter().filter(|read| read.source != INITIAL) {
                    if !self.learn(read.source, reader) {
                        return Saturated::Cyclic;
                    }
                }
            }
        }
        loop {
            let before = self.forced.len();
            for reader in causality.session(self.session).iter().copied() {
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
            let own = |reader: &u32| !self.pram || causality.place(*reader).0 == self.session;
            let readers = causality.readers(later).iter().copied().filter(own);
            let forced = self.after.get(&later).into_iter().flatten().copied();
            open.extend(causality.next(later).into_iter().chain(readers).chain(forced).map(|next| (later, next)));
        }
        true
    }
}
