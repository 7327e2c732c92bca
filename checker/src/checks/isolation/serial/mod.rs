//! Serializability and snapshot isolation of registers: what paths force of one order of all transactions.
//!
//! The order of a register's versions is known in parts only ([`super::versions`]), and cycles of what is known are not all
//! that is wrong. But whatever order there is, it forces more. If a transaction read version v of a key, then any other writer
//! of the key that comes before the reader comes before v's writer; and any that comes after v's writer comes after the
//! reader. "Comes before" is any path: along reads, sessions or real time where the level has them, and what was forced
//! before. This is repeated until nothing is new, or until somebody would come before itself. Then no order of versions is
//! without a cycle, which refutes every level that forbids all cycles with missed reads, repeatable read the weakest.
//!
//! For snapshot isolation a transaction is two moments: it begins, when it sees all that has been committed, and it commits.
//! Of two writers of one key one commits before the other begins; so if the one begins before the other commits, it is the
//! first (Berenson et al., SIGMOD 1995: the first committer wins).
//!
//! Parallel snapshot isolation and update atomic ask for the same of two writers of one key: one of them has seen the other
//! (Cerone, Bernardi, Gotsman, CONCUR 2015: NoConflict). Whoever has missed what another wrote, or for parallel snapshot
//! isolation what somebody wrote whom that other has seen, has not seen that other, and so was seen by it. Consistent view is
//! the same of all reads by themselves: a cycle with one missed read is what it forbids (G-single).
//!
//! Of lists the order of versions is known but for the appends that nobody read: [`lists`] has what is known of them.
//!
//! Sources: the coalescing of constraints in Cobra (Tan et al., OSDI 2020, section 4) and the pruning in PolySI (Huang et
//! al., VLDB 2023, section 4.3). Who comes before whom is a bit for each pair, so that only histories of up to
//! [`TRANSACTIONS_MAX`] transactions are looked at: 2 MiB, or 8 MiB with two moments each, 18 MiB with three. Time: each
//! round O(edges x transactions / 64), and O((reads + writers) x writers) of each key. Two writers whose order is open after
//! that are not tried both ways, which is NP-complete (Papadimitriou, 1979).
//!
//! ```text
//!   reads, sessions, real time ─► edges between moments ─► paths ─► forced edges (forcing.rs) ─┐
//!                                        ▲ └► a cycle ─► why (explain.rs)                      │
//!                                        └─────────────────────────────────────────────────────┘
//! ```

mod edges;
mod explain;
mod forcing;
mod lists;

use std::collections::VecDeque;

use super::causality::INITIAL;
use super::findings::{RawAnomaly, RawFindings};
use super::input::{NEVER, Transactions};
use super::levels;
use super::rw_register::{self, Basics, UNKNOWN};
use crate::limits::Limits;
use edges::{Edge, Facts, Key, Moments, Read, Why};
use forcing::{Forcing, Paths};
pub(super) use lists::{Listed, of_lists};

/// The most transactions of a history that is looked at.
pub(super) const TRANSACTIONS_MAX: usize = 4096;

/// Cycles of which the shortest is shown.
const CYCLES_COMPARED: usize = 64;

/// What is found.
const KIND: &str = "cyclic-commit-order";

/// Which order of transactions counts besides reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Respect {
    Nothing,
    Sessions,
    RealTime,
}

/// The weakest levels that ask for one order of all, or that of two writers of a key one has seen the other: of data, with the
/// order of sessions, with that of real time.
const LEVELS: [(&str, Moments, Respect); 9] = [
    ("repeatable-read", Moments::One, Respect::Nothing),
    ("strong-session-serializable", Moments::One, Respect::Sessions),
    ("strict-serializable", Moments::One, Respect::RealTime),
    ("update-atomic", Moments::SeenItself, Respect::Nothing),
    ("consistent-view", Moments::Seen, Respect::Nothing),
    ("parallel-snapshot-isolation", Moments::Seen, Respect::Nothing),
    ("snapshot-isolation", Moments::Two, Respect::Nothing),
    ("strong-session-snapshot-isolation", Moments::Two, Respect::Sessions),
    ("strong-snapshot-isolation", Moments::Two, Respect::RealTime),
];

/// Whether a level asks for one order of all, and the history is small enough to look for it.
pub(super) fn decides(transactions: &Transactions, required: &'static str) -> bool {
    transactions.len() <= TRANSACTIONS_MAX && LEVELS.iter().any(|(level, ..)| levels::includes(required, level))
}

/// The weakest of the levels here that the required one implies and that has no order, and why. None if nothing was found, or
/// if it is not decided here ([`decides`]) or the time is over.
pub(super) fn refuted(
    basics: &Basics<'_>,
    required: &'static str,
    limits: &Limits<'_>,
) -> Option<(&'static str, RawFindings)> {
    if !decides(basics.transactions, required) {
        return None;
    }
    let (level, anomaly) = without_order(&of_registers(basics), required, limits)?;
    let mut findings = RawFindings::default();
    findings.add(KIND, || anomaly);
    Some((level, findings))
}

/// The same of transactions on lists, some of a history.
pub(super) fn refuted_of_lists(
    facts: &Facts<'_>,
    required: &'static str,
    limits: &Limits<'_>,
) -> Option<(&'static str, RawAnomaly)> {
    if decides(facts.transactions, required) { without_order(facts, required, limits) } else { None }
}

fn without_order(facts: &Facts<'_>, required: &'static str, limits: &Limits<'_>) -> Option<(&'static str, RawAnomaly)> {
    // What has no order of the other kinds has none of one moment each.
    let is_serial = levels::includes(required, "repeatable-read");
    let counts = |moments: Moments| !is_serial || moments == Moments::One;
    let asked = LEVELS.into_iter().filter(|(level, moments, _)| counts(*moments) && levels::includes(required, level));
    asked.into_iter().find_map(|(level, moments, respect)| {
        let mut orders = Orders::new(facts, moments, respect);
        let cycle = orders.saturate(limits)?;
        Some((level, orders.explain(&cycle)))
    })
}

/// What is known of the orders that there may be.
struct Orders<'f> {
    facts: &'f Facts<'f>,
    moments: Moments,
    edges: Vec<Edge>,
}

impl<'f> Orders<'f> {
    fn new(facts: &'f Facts<'f>, moments: Moments, respect: Respect) -> Self {
        let mut orders = Self { facts, moments, edges: Vec::new() };
        if matches!(moments, Moments::One | Moments::Two) {
            for transaction in 0..facts.transactions.len() as u32 {
                orders.add(moments.begin(transaction), moments.commit(transaction), Why::Itself);
            }
        }
        facts.before.iter().for_each(|(one, other, why)| orders.add_whole(*one, *other, *why));
        for (one, other, why) in &facts.missed {
            orders.add(moments.begin(*one), moments.commit(*other), *why);
        }
        match respect {
            Respect::Nothing => {}
            Respect::Sessions => orders.sessions(),
            Respect::RealTime => orders.real_time(),
        }
        orders
    }

    /// How many moments there are.
    fn count(&self) -> usize {
        self.facts.transactions.len() * self.moments.each() as usize
    }

    fn add(&mut self, from: u32, to: u32, why: Why) {
        if from != to {
            self.edges.push(Edge { from, to, why, known: 0 });
        }
    }

    /// One is before another.
    fn add_whole(&mut self, one: u32, other: u32, why: Why) {
        if one != other {
            self.moments.before(one, other).for_each(|(from, to)| self.add(from, to, why));
        }
    }

    fn committed(&self) -> Vec<u32> {
        let all = 0..self.facts.transactions.len() as u32;
        all.filter(|transaction| self.facts.committed[*transaction as usize]).collect()
    }

    fn sessions(&mut self) {
        let mut last = rustc_hash::FxHashMap::default();
        for transaction in self.committed() {
            let process = self.facts.transactions.row(transaction).process;
            if let Some(before) = last.insert(process, transaction) {
                self.add_whole(before, transaction, Why::Process);
            }
        }
    }

    /// From each transaction to those that were invoked after it had completed, but for what others in between say.
    fn real_time(&mut self) {
        let row = |transaction: u32| *self.facts.transactions.row(transaction);
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
        pairs.into_iter().for_each(|(one, later)| self.add_whole(one, later, Why::RealTime));
    }

    /// Adds what is forced until nothing is new; a cycle if there is one, as places of edges.
    fn saturate(&mut self, limits: &Limits<'_>) -> Option<Vec<usize>> {
        loop {
            let Some(order) = self.topological() else { return Some(self.shortest_cycle()) };
            if (limits.out_of_time)() {
                return None;
            }
            let paths = Paths::new(self.count(), &order, &self.edges);
            if let Some(way) = self.overlooked_itself(&paths) {
                return Some(way);
            }
            let forcing = Forcing::new(self.moments, &order, &paths, self.edges.len());
            let forced: Vec<Edge> = self.facts.keys.iter().flat_map(|key| forcing.of(key)).collect();
            if forced.is_empty() {
                return None;
            }
            self.edges.extend(forced);
        }
    }

    /// A way from somebody to himself along one missed read and whom that read should have seen, if there is one.
    fn overlooked_itself(&self, paths: &Paths) -> Option<Vec<usize>> {
        if self.moments != Moments::Seen {
            return None;
        }
        let all = 0..self.facts.transactions.len() as u32;
        let ends = all.map(|one| (self.moments.begin(one), self.moments.commit(one)));
        let mut ways = ends.filter(|(from, to)| paths.lead(*from, *to)).take(CYCLES_COMPARED).peekable();
        ways.peek()?;
        let after = self.after();
        ways.filter_map(|(from, to)| self.path(&after, from, to, self.edges.len())).min_by_key(Vec::len)
    }

    /// All moments, the earlier before the later (Kahn's); none if there is a cycle.
    fn topological(&self) -> Option<Vec<u32>> {
        let count = self.count();
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

    /// By moment: the places of the edges from it.
    fn after(&self) -> Vec<Vec<usize>> {
        let mut after = vec![Vec::new(); self.count()];
        self.edges.iter().enumerate().for_each(|(place, edge)| after[edge.from as usize].push(place));
        after
    }

    fn shortest_cycle(&self) -> Vec<usize> {
        let after = self.after();
        // What closes a cycle is among what was forced last; before anything was forced, it is anywhere.
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
}

/// What is known of registers: who read from whom, and who read what was there at first.
fn of_registers<'b>(basics: &'b Basics<'_>) -> Facts<'b> {
    let keys: Vec<Key> = (0..basics.transactions.keys() as u32).map(|key| uses(basics, key)).collect();
    let (mut before, mut missed) = (Vec::new(), Vec::new());
    for Key { key, reads, writers } in &keys {
        for Read { reader, source } in reads.iter().copied() {
            if source != INITIAL {
                before.push((source, reader, Why::Read { key: *key }));
                continue;
            }
            let others = writers.iter().copied().filter(|writer| *writer != reader);
            missed.extend(others.map(|writer| (reader, writer, Why::First { key: *key })));
        }
    }
    let Basics { transactions, names, .. } = *basics;
    Facts { transactions, names, committed: basics.committed.clone(), keys, before, missed }
}

/// What committed transactions read and write of a key.
fn uses(basics: &Basics<'_>, key: u32) -> Key {
    let is_committed = |transaction: u32| basics.committed[transaction as usize];
    let uses = basics.uses.of(key).iter().filter(|used| is_committed(used.transaction));
    let writers = uses.clone().filter(|used| used.wrote.is_some()).map(|used| used.transaction).collect();
    let known = |source: u32| source == INITIAL || (source != UNKNOWN && is_committed(source));
    let first = uses.filter(|used| used.read.is_some()).map(|used| (used.transaction, used.source));
    let later = rw_register::later_sources(basics, key);
    let reads = first.chain(later).filter(|(reader, source)| known(*source) && source != reader);
    let reads = reads.map(|(reader, source)| Read { reader, source }).collect();
    Key { key, reads, writers }
}
