//! Serializability of registers: what paths force of one order of all transactions.
//!
//! The order of a register's versions is known in parts only ([`super::versions`]), and cycles of what is known are not all
//! that is wrong. But whatever order there is, it forces more. If a transaction read version v of a key, then any other writer
//! of the key that comes before the reader comes before v's writer; and any that comes after v's writer comes after the
//! reader. "Comes before" is any path: along reads, sessions or real time where the level has them, and what was forced
//! before. This is repeated until nothing is new, or until somebody would come before itself. Then no order of versions is
//! without a cycle, which refutes every level that forbids all cycles with missed reads, repeatable read the weakest.
//!
//! Sources: the coalescing of constraints in Cobra (Tan et al., OSDI 2020, section 4) and the pruning in PolySI (Huang et
//! al., VLDB 2023, section 4.3). Who comes before whom is a bit for each pair, so that only histories of up to
//! [`TRANSACTIONS_MAX`] transactions are looked at: 2 MiB. Time: each round O(edges x transactions / 64), and O(reads x
//! writers) of each key. Two writers whose order is open after that are not tried both ways, which is NP-complete (Papadimitriou, 1979).

use std::collections::{BTreeSet, VecDeque};

use super::causality::INITIAL;
use super::findings::{RawAnomaly, RawEdge, RawFindings, label, name};
use super::graph::Kind;
use super::input::{NEVER, NIL};
use super::levels;
use super::rw_register::{Basics, UNKNOWN};
use crate::limits::Limits;

/// The most transactions of a history that is looked at.
pub(super) const TRANSACTIONS_MAX: usize = 4096;

/// Which order of transactions counts besides reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Respect {
    Nothing,
    Sessions,
    RealTime,
}

/// The weakest levels that forbid every cycle: of data, with the order of sessions, with that of real time.
const LEVELS: [(&str, Respect); 3] = [
    ("repeatable-read", Respect::Nothing),
    ("strong-session-serializable", Respect::Sessions),
    ("strict-serializable", Respect::RealTime),
];

/// The weakest of the levels here that the required one implies and that has no order, and why. None if nothing was found, or
/// if the history is too large or the time is over.
pub(super) fn refuted(
    basics: &Basics<'_>,
    required: &'static str,
    limits: &Limits<'_>,
) -> Option<(&'static str, RawFindings)> {
    if basics.transactions.len() > TRANSACTIONS_MAX {
        return None;
    }
    let implied = LEVELS.into_iter().filter(|(level, _)| levels::includes(required, level));
    implied.into_iter().find_map(|(level, respect)| {
        let mut orders = Orders::new(basics, respect);
        let cycle = orders.saturate(limits)?;
        let mut findings = RawFindings::default();
        findings.add(KIND, || orders.explain(&cycle));
        Some((level, findings))
    })
}

const KIND: &str = "cyclic-commit-order";

/// One transaction before another.
#[derive(Clone, Copy, Debug)]
struct Edge {
    from: u32,
    to: u32,
    why: Why,
    /// How many edges were known when it was found.
    known: usize,
}

#[derive(Clone, Copy, Debug)]
enum Why {
    /// `to` read the key from `from`.
    Read {
        key: u32,
    },
    /// `from` read the key as it was at first, and `to` wrote it.
    First {
        key: u32,
    },
    Process,
    RealTime,
    /// `reader` read the key from `to`, and comes after `from`, which wrote it too.
    Seen {
        key: u32,
        reader: u32,
    },
    /// `from` read the key from `source`, after which comes `to`, which wrote it too.
    Missed {
        key: u32,
        source: u32,
    },
}

/// A read of one key from another transaction.
#[derive(Clone, Copy)]
struct Read {
    reader: u32,
    source: u32,
}

/// Who reads and writes one key.
struct Key {
    key: u32,
    reads: Vec<Read>,
    writers: Vec<u32>,
}

struct Orders<'b, 't> {
    basics: &'b Basics<'t>,
    keys: Vec<Key>,
    edges: Vec<Edge>,
}

impl<'b, 't> Orders<'b, 't> {
    fn new(basics: &'b Basics<'t>, respect: Respect) -> Self {
        let keys = (0..basics.transactions.keys() as u32).map(|key| uses(basics, key)).collect();
        let mut orders = Self { basics, keys, edges: Vec::new() };
        orders.reads();
        match respect {
            Respect::Nothing => {}
            Respect::Sessions => orders.sessions(),
            Respect::RealTime => orders.real_time(),
        }
        orders
    }

    fn add(&mut self, from: u32, to: u32, why: Why) {
        if from != to {
            self.edges.push(Edge { from, to, why, known: 0 });
        }
    }

    fn reads(&mut self) {
        for Key { key, reads, writers } in std::mem::take(&mut self.keys) {
            for Read { reader, source } in reads.iter().copied() {
                match source {
                    INITIAL => writers.iter().for_each(|writer| self.add(reader, *writer, Why::First { key })),
                    source => self.add(source, reader, Why::Read { key }),
                }
            }
            self.keys.push(Key { key, reads, writers });
        }
    }

    fn committed(&self) -> Vec<u32> {
        let all = 0..self.basics.transactions.len() as u32;
        all.filter(|transaction| self.basics.committed[*transaction as usize]).collect()
    }

    fn sessions(&mut self) {
        let mut last = rustc_hash::FxHashMap::default();
        for transaction in self.committed() {
            let process = self.basics.transactions.row(transaction).process;
            if let Some(before) = last.insert(process, transaction) {
                self.add(before, transaction, Why::Process);
            }
        }
    }

    /// From each transaction to those that were invoked after it had completed, but for what others in between say.
    fn real_time(&mut self) {
        let row = |transaction: u32| *self.basics.transactions.row(transaction);
        let committed = self.committed();
        let mut ended: Vec<u32> = committed.iter().copied().filter(|one| row(*one).ret != NEVER).collect();
        ended.sort_unstable_by_key(|one| row(*one).ret);
        // By place among the ended: the latest invocation up to there.
        let latest = ended.iter().scan(0, |latest, one| {
            *latest = row(*one).call.max(*latest);
            Some(*latest)
        });
        let latest: Vec<u32> = latest.collect();
        let mut pairs = Vec::new();
        for later in committed {
            let before = ended.partition_point(|one| row(*one).ret < row(later).call);
            let direct = ended[..before].iter().rev().take_while(|one| row(**one).ret >= latest[before - 1]);
            pairs.extend(direct.map(|one| (*one, later)));
        }
        pairs.into_iter().for_each(|(one, later)| self.add(one, later, Why::RealTime));
    }

    /// Adds what is forced until nothing is new; a cycle if there is one, as places of edges.
    fn saturate(&mut self, limits: &Limits<'_>) -> Option<Vec<usize>> {
        loop {
            let Some(order) = self.topological() else { return Some(self.shortest_cycle()) };
            if (limits.out_of_time)() {
                return None;
            }
            let known = self.edges.len();
            let paths = Paths::new(self.basics.transactions.len(), &order, &self.edges);
            let forced: Vec<Edge> = self.keys.iter().flat_map(|key| forced(key, &order, &paths, known)).collect();
            if forced.is_empty() {
                return None;
            }
            self.edges.extend(forced);
        }
    }

    /// All transactions, the earlier before the later (Kahn's); none if there is a cycle.
    fn topological(&self) -> Option<Vec<u32>> {
        let count = self.basics.transactions.len();
        let after = self.after();
        let mut waiting = vec![0; count];
        self.edges.iter().for_each(|edge| waiting[edge.to as usize] += 1);
        let mut order: Vec<u32> = (0..count as u32).filter(|one| waiting[*one as usize] == 0).collect();
        let mut done = 0;
        while let Some(one) = order.get(done).copied() {
            done += 1;
            for place in &after[one as usize] {
                let to = self.edges[*place].to;
                waiting[to as usize] -= 1;
                if waiting[to as usize] == 0 {
                    order.push(to);
                }
            }
        }
        (order.len() == count).then_some(order)
    }

    /// By transaction: the places of the edges from it.
    fn after(&self) -> Vec<Vec<usize>> {
        let mut after = vec![Vec::new(); self.basics.transactions.len()];
        self.edges.iter().enumerate().for_each(|(place, edge)| after[edge.from as usize].push(place));
        after
    }

    fn shortest_cycle(&self) -> Vec<usize> {
        let after = self.after();
        // What closes a cycle is among what was forced last, or everything is as it was read.
        let last = self.edges.last().map_or(0, |edge| edge.known);
        let closed = self.edges[last..].iter().enumerate().filter_map(|(place, edge)| {
            let mut path = self.path(&after, edge.to, edge.from, self.edges.len())?;
            path.push(last + place);
            Some(path)
        });
        let shortest = closed.take(CYCLES_COMPARED).min_by_key(Vec::len);
        shortest.expect("edges without a topological order have a cycle, and there was none before the last ones")
    }

    /// A shortest path along the first so many edges, as their places.
    fn path(&self, after: &[Vec<usize>], from: u32, to: u32, known: usize) -> Option<Vec<usize>> {
        let mut came: Vec<Option<usize>> = vec![None; after.len()];
        let mut queue = VecDeque::from([from]);
        while let Some(at) = queue.pop_front() {
            if at == to {
                return Some(self.way_back(&came, from, to));
            }
            for place in after[at as usize].iter().copied().filter(|place| *place < known) {
                let next = self.edges[place].to;
                if next != from && came[next as usize].is_none() {
                    came[next as usize] = Some(place);
                    queue.push_back(next);
                }
            }
        }
        None
    }

    fn way_back(&self, came: &[Option<usize>], from: u32, to: u32) -> Vec<usize> {
        let (mut path, mut at) = (Vec::new(), to);
        while at != from {
            let place = came[at as usize].expect("all but the first were come to");
            path.push(place);
            at = self.edges[place].from;
        }
        path.reverse();
        path
    }

    /// The places of all edges that a cycle rests on, in the order in which they were found.
    fn support(&self, cycle: &[usize]) -> BTreeSet<usize> {
        let after = self.after();
        let (mut all, mut open) = (BTreeSet::new(), cycle.to_vec());
        while let Some(place) = open.pop() {
            if !all.insert(place) {
                continue;
            }
            let Edge { from, to, why, known } = self.edges[place];
            let path = match why {
                Why::Seen { reader, .. } => self.path(&after, from, reader, known),
                Why::Missed { source, .. } => self.path(&after, source, to, known),
                _ => continue,
            };
            open.extend(path.expect("what forced an edge is a path of earlier ones"));
            let (key, source, reader) = match why {
                Why::Seen { key, reader } => (key, to, reader),
                Why::Missed { key, source } => (key, source, from),
                _ => continue,
            };
            let read = |edge: &Edge| {
                (edge.from, edge.to) == (source, reader) && matches!(edge.why, Why::Read { key: of } if of == key)
            };
            open.extend(self.edges.iter().position(read));
        }
        all
    }

    fn explain(&self, cycle: &[usize]) -> RawAnomaly {
        let support = self.support(cycle);
        let clauses: Vec<String> = support.iter().map(|place| self.clause(self.edges[*place])).collect();
        let ends = support.iter().flat_map(|place| [self.edges[*place].from, self.edges[*place].to]);
        let edges = cycle.iter().map(|place| self.raw_edge(self.edges[*place])).collect();
        let names: Vec<String> = cycle.iter().map(|place| self.name(self.edges[*place].from)).collect();
        let explanation = format!(
            "{}. So {} before {}: no order of all transactions explains what was read.",
            clauses.join("; "),
            names.join(" comes before "),
            names[0]
        );
        RawAnomaly { kind: KIND, key: None, transactions: ends.collect(), explanation, edges }
    }

    fn raw_edge(&self, Edge { from, to, why, .. }: Edge) -> RawEdge {
        let (kind, key) = match why {
            Why::Read { key } => (Kind::Wr, Some(key)),
            Why::First { key } | Why::Missed { key, .. } => (Kind::Rw, Some(key)),
            Why::Seen { key, .. } => (Kind::Ww, Some(key)),
            Why::Process => (Kind::Process, None),
            Why::RealTime => (Kind::RealTime, None),
        };
        RawEdge { from, to, label: label(kind, key, self.basics.names) }
    }

    fn clause(&self, Edge { from, to, why, .. }: Edge) -> String {
        let [one, other] = [from, to].map(|transaction| self.name(transaction));
        match why {
            Why::Read { key } => format!("{other} read {} of {one}", self.written(key, from)),
            Why::First { key } => {
                let initial = self.basics.names.initial(key);
                format!(
                    "{one} read {} = {initial}, and {other} wrote {}",
                    self.basics.names.key(key),
                    self.written(key, to)
                )
            }
            Why::Process => format!("a process ran {one} before {other}"),
            Why::RealTime => format!("{one} had completed when {other} was invoked"),
            Why::Seen { key, reader } => format!(
                "{one}, which wrote {}, comes before {}, which did not read that, and so before {other}",
                self.written(key, from),
                self.name(reader)
            ),
            Why::Missed { key, source } => format!(
                "{other}, which wrote {}, comes after {}, and so after {one}, which did not read that",
                self.written(key, to),
                self.name(source)
            ),
        }
    }

    fn name(&self, transaction: u32) -> String {
        name(self.basics.transactions, self.basics.names, transaction)
    }

    /// The value that a transaction leaves in a key.
    fn written(&self, key: u32, transaction: u32) -> String {
        let last = super::findings::writes_of(self.basics.transactions, transaction, key).last();
        let value =
            last.filter(|value| *value != NIL).map_or_else(|| "nil".to_owned(), |value| self.basics.names.value(value));
        format!("{} = {value}", self.basics.names.key(key))
    }
}

/// Cycles of which the shortest is shown.
const CYCLES_COMPARED: usize = 64;

/// What committed transactions read and write of a key.
fn uses(basics: &Basics<'_>, key: u32) -> Key {
    let is_committed = |transaction: u32| basics.committed[transaction as usize];
    let uses = basics.uses.of(key).iter().filter(|used| is_committed(used.transaction));
    let writers = uses.clone().filter(|used| used.wrote.is_some()).map(|used| used.transaction).collect();
    let known = |source: u32| source == INITIAL || (source != UNKNOWN && is_committed(source));
    let reads = uses.filter(|used| used.read.is_some() && known(used.source) && used.source != used.transaction);
    let reads = reads.map(|used| Read { reader: used.transaction, source: used.source }).collect();
    Key { key, reads, writers }
}

/// The edges that the reads of a key force, without those that others of them and paths say.
fn forced(key: &Key, order: &[u32], paths: &Paths, known: usize) -> Vec<Edge> {
    let mut place = vec![0; order.len()];
    order.iter().zip(0..).for_each(|(one, at)| place[*one as usize] = at);
    let mut writers = key.writers.clone();
    writers.sort_unstable_by_key(|writer| place[*writer as usize]);
    let mut forced = Vec::new();
    for Read { reader, source } in key.reads.iter().copied().filter(|read| read.source != INITIAL) {
        let others = writers.iter().copied().filter(|writer| *writer != source && *writer != reader);
        // The latest first: who comes before another that is forced needs no edge.
        let mut earlier: Vec<u32> = Vec::new();
        for writer in others.clone().rev().filter(|writer| paths.lead(*writer, reader) && !paths.lead(*writer, source))
        {
            if !earlier.iter().any(|other| paths.lead(writer, *other)) {
                earlier.push(writer);
            }
        }
        let mut later: Vec<u32> = Vec::new();
        for writer in others.filter(|writer| paths.lead(source, *writer) && !paths.lead(reader, *writer)) {
            if !later.iter().any(|other| paths.lead(*other, writer)) {
                later.push(writer);
            }
        }
        let key = key.key;
        forced.extend(earlier.into_iter().map(|from| Edge { from, to: source, why: Why::Seen { key, reader }, known }));
        forced.extend(later.into_iter().map(|to| Edge { from: reader, to, why: Why::Missed { key, source }, known }));
    }
    forced
}

/// Who comes before whom: a row of bits for each transaction.
struct Paths {
    words: usize,
    bits: Vec<u64>,
}

impl Paths {
    /// From edges and an order of all that agrees with them.
    fn new(count: usize, order: &[u32], edges: &[Edge]) -> Self {
        let words = count.div_ceil(64);
        let mut paths = Self { words, bits: vec![0; count * words] };
        let mut after = vec![Vec::new(); count];
        edges.iter().for_each(|edge| after[edge.from as usize].push(edge.to));
        for from in order.iter().rev().copied() {
            for to in std::mem::take(&mut after[from as usize]) {
                paths.learn(from as usize, to as usize);
            }
        }
        paths
    }

    /// One comes before another, and before all that this comes before.
    fn learn(&mut self, from: usize, to: usize) {
        for word in 0..self.words {
            self.bits[from * self.words + word] |= self.bits[to * self.words + word];
        }
        self.bits[from * self.words + to / 64] |= 1 << (to % 64);
    }

    fn lead(&self, from: u32, to: u32) -> bool {
        self.bits[from as usize * self.words + to as usize / 64] >> (to % 64) & 1 == 1
    }
}
