//! What each level means, by enumeration: the levels that some order of each key's versions, and some choice of the
//! transactions whose outcome is unknown, make true.
//!
//! Transactions are bits. With an order of versions it is known who depends on whom (Adya 1999), and each level is a
//! sentence about cycles of these (Adya 1999; Cerone, Gotsman, Yang, CONCUR 2015 and 2017; Cerone and Gotsman, PODC 2016).
//! Where a read contradicts what its own transaction did, or shows what nobody committed, no level is said to hold: that is
//! stricter than the weakest levels are, and enough to know that what is refuted does not hold.

use std::collections::BTreeSet;

use crate::checks::isolation::input::{Micro, Outcome, Transactions};

/// By transaction: those that come directly after it.
type Relation = Vec<u32>;

/// A read of another transaction's version, in the order of its transaction.
struct Read {
    reader: usize,
    key: u32,
    /// The value, or the elements of the list.
    shown: Vec<u32>,
    /// Whether it is what its transaction knew of the key when it wrote that: no later read tells it.
    is_replaced: bool,
}

/// The levels that hold.
pub fn holding(all: &Transactions) -> BTreeSet<&'static str> {
    let mut holding = BTreeSet::new();
    let (reads, is_internal) = reads(all);
    let unknown: Vec<usize> = (0..all.len()).filter(|at| all.row(*at as u32).outcome == Outcome::Info).collect();
    for chosen in 0..1u32 << unknown.len() {
        let happened: Vec<usize> = (0..all.len())
            .filter(|at| match all.row(*at as u32).outcome {
                Outcome::Ok => true,
                Outcome::Fail => false,
                Outcome::Info => unknown.iter().position(|other| other == at).is_some_and(|bit| chosen >> bit & 1 == 1),
            })
            .collect();
        each_order(all, &happened, &mut |orders| {
            if holding.len() == LEVELS.len() {
                return;
            }
            let Some(facts) = Facts::new(all, &happened, orders, &reads) else { return };
            let open = LEVELS.iter().filter(|(name, _)| !holding.contains(name));
            let new: Vec<&str> = open.filter(|(_, holds)| holds(&facts, is_internal)).map(|(name, _)| *name).collect();
            holding.extend(new);
        });
    }
    holding
}

/// Whether every transaction sees what it did and read itself.
pub fn is_internal(all: &Transactions) -> bool {
    reads(all).1
}

/// The reads from others, and whether every transaction sees what it did and read itself.
fn reads(all: &Transactions) -> (Vec<Read>, bool) {
    let (mut reads, mut is_internal) = (Vec::new(), true);
    for reader in 0..all.len() {
        let micros = all.micros(reader as u32);
        for (at, micro) in micros.iter().enumerate().filter(|(_, micro)| micro.written().is_none()) {
            let shown = match *micro {
                Micro::Read { value, .. } => vec![value],
                list => all.list(list).to_vec(),
            };
            let is_list = matches!(micro, Micro::List { .. });
            let same = |other: &&Micro| other.key() == micro.key();
            let own: Vec<u32> = micros[..at].iter().filter(same).filter_map(|other| other.written()).collect();
            let before = reads.iter().rev().find(|read: &&Read| read.reader == reader && read.key == micro.key());
            let base = match own.last() {
                Some(last) if !is_list && shown == [*last] => continue,
                Some(_) if !is_list => None,
                _ => shown.strip_suffix(&own[..]),
            };
            is_internal &= base.is_some() && before.is_none_or(|read| Some(&read.shown[..]) == base);
            let shown = base.map_or(shown.clone(), <[u32]>::to_vec);
            let then_writes = micros[at + 1..].iter().filter(same).any(|later| later.written().is_some());
            let is_replaced = then_writes || (is_list && base.is_some() && !own.is_empty());
            let earlier = reads.iter_mut().filter(|read| read.reader == reader && read.key == micro.key());
            earlier.filter(|_| is_replaced).for_each(|read| read.is_replaced = false);
            reads.push(Read { reader, key: micro.key(), shown, is_replaced });
        }
    }
    (reads, is_internal)
}

/// Calls back with every order of every key's writers.
fn each_order(all: &Transactions, happened: &[usize], each: &mut dyn FnMut(&[Vec<usize>])) {
    let wrote = |at: &usize, key: u32| all.micros(*at as u32).iter().any(|m| m.key() == key && m.written().is_some());
    let writers =
        (0..all.keys() as u32).map(|key| happened.iter().copied().filter(|at| wrote(at, key)).collect()).collect();
    permute(writers, 0, 0, each);
}

fn permute(mut orders: Vec<Vec<usize>>, key: usize, from: usize, each: &mut dyn FnMut(&[Vec<usize>])) {
    if key == orders.len() {
        return each(&orders);
    }
    if from + 1 >= orders[key].len() {
        return permute(orders, key + 1, 0, each);
    }
    for other in from..orders[key].len() {
        orders[key].swap(from, other);
        permute(orders.clone(), key, from + 1, each);
        orders[key].swap(from, other);
    }
}

/// Who depends on whom.
struct Facts {
    count: usize,
    wr: Relation,
    ww: Relation,
    rw: Relation,
    sessions: Relation,
    real_time: Relation,
    /// By read, in the order of each transaction: the reader, whom it shows, and who wrote the key later.
    reads: Vec<(usize, u32, u32)>,
    writes: u32,
    /// Somebody replaced a version of a key that he had read, and wrote not the next one.
    lost_update: bool,
}

impl Facts {
    /// None if a read shows no version of these orders.
    fn new(all: &Transactions, happened: &[usize], orders: &[Vec<usize>], reads: &[Read]) -> Option<Self> {
        let count = all.len();
        let none = || vec![0; count];
        let (wr, ww, rw) = (none(), none(), none());
        let related = |before: &dyn Fn(usize, usize) -> bool| -> Relation {
            let after =
                |at: &usize| happened.iter().filter(|other| before(*at, **other)).fold(0, |mask, b| mask | 1 << b);
            (0..count).map(|at| if happened.contains(&at) { after(&at) } else { 0 }).collect()
        };
        let row = |at: usize| all.row(at as u32);
        let sessions = related(&|a, b| a < b && row(a).process == row(b).process);
        let real_time = related(&|a, b| row(a).ret < row(b).call);
        let mut facts =
            Self { count, wr, ww, rw, sessions, real_time, reads: Vec::new(), writes: 0, lost_update: false };
        for order in orders {
            for (at, writer) in order.iter().enumerate() {
                facts.ww[*writer] |= mask(&order[at + 1..]);
                facts.writes |= 1 << writer;
            }
        }
        for read in reads {
            let order = &orders[read.key as usize];
            let version = version(all, order, read)?;
            let is_list = all.micros(read.reader as u32).iter().any(|m| matches!(m, Micro::List { .. }));
            let shown = if is_list { &order[..version] } else { &order[version.saturating_sub(1)..version] };
            // What it writes only later it cannot have read.
            if shown.contains(&read.reader) {
                return None;
            }
            let (shown, later) = (mask(shown), mask(&order[version..]) & !(1 << read.reader));
            (0..count).filter(|at| shown >> at & 1 == 1).for_each(|at| facts.wr[at] |= 1 << read.reader);
            facts.rw[read.reader] |= later;
            let own = order.iter().position(|writer| *writer == read.reader);
            facts.lost_update |= read.is_replaced && own.is_some_and(|own| own > version);
            facts.reads.push((read.reader, shown, later));
        }
        Some(facts)
    }

    /// Whether these relations together have no cycle.
    fn acyclic(&self, relations: &[&Relation]) -> bool {
        let reach = self.closed(relations);
        (0..self.count).all(|at| reach[at] >> at & 1 == 0)
    }

    fn united(&self, relations: &[&Relation]) -> Relation {
        (0..self.count).map(|at| relations.iter().fold(0, |mask, relation| mask | relation[at])).collect()
    }

    fn closed(&self, relations: &[&Relation]) -> Relation {
        let mut reach = self.united(relations);
        for _ in 0..self.count {
            reach = (0..self.count).map(|at| reach[at] | follow(&reach, reach[at])).collect();
        }
        reach
    }

    /// First the one, then the other.
    fn then(&self, first: &Relation, second: &Relation) -> Relation {
        (0..self.count).map(|at| follow(second, first[at])).collect()
    }

    /// Whether nobody saw somebody, in this sense, and yet missed a version of his.
    fn sees_all_of(&self, seen: &Relation) -> bool {
        let missed = self.then(seen, &self.rw);
        (0..self.count).all(|at| missed[at] >> at & 1 == 0)
    }

    /// Whether what each read shows, and what that depends on in this way, is not missed by later reads of its transaction.
    fn goes_forward(&self, depends: Option<&Relation>) -> bool {
        (0..self.reads.len()).all(|at| {
            let (reader, shown, _) = self.reads[at];
            let seen = depends.map_or(shown, |depends| {
                let before = (0..self.count).filter(|who| (depends[*who] & shown) != 0);
                before.fold(shown, |mask, who| mask | 1 << who)
            });
            let of_reader = self.reads[at + 1..].iter().filter(|read| read.0 == reader);
            of_reader.into_iter().all(|(_, _, later)| later & seen & !(1 << reader) == 0)
        })
    }

    /// Whether those that write have an order, and each that only reads fits into one.
    fn updates_ordered(&self) -> bool {
        let readers = (0..self.count).filter(|at| self.writes >> at & 1 == 0).map(|at| 1u32 << at);
        readers.chain([0]).all(|reader| {
            let kept = self.writes | reader;
            let part = |relation: &Relation| -> Relation {
                (0..self.count).map(|at| if kept >> at & 1 == 1 { relation[at] & kept } else { 0 }).collect()
            };
            self.acyclic(&[&part(&self.ww), &part(&self.wr), &part(&self.rw)])
        })
    }

    /// Whether there are snapshots of one order, taken no earlier than `order` says.
    fn has_snapshots(&self, order: Option<&Relation>) -> bool {
        let first = self.united(&[Some(&self.ww), Some(&self.wr), order].into_iter().flatten().collect::<Vec<_>>());
        self.acyclic(&[&first, &self.then(&first, &self.rw)])
    }
}

fn mask(transactions: &[usize]) -> u32 {
    transactions.iter().fold(0, |mask, at| mask | 1 << at)
}

fn follow(relation: &Relation, from: u32) -> u32 {
    relation.iter().enumerate().filter(|(at, _)| from >> at & 1 == 1).fold(0, |mask, (_, after)| mask | after)
}

/// Which version a read shows: so many writers come before.
fn version(all: &Transactions, order: &[usize], read: &Read) -> Option<usize> {
    let is_list = all.micros(read.reader as u32).iter().any(|micro| matches!(micro, Micro::List { .. }));
    let mut state: Vec<u32> = if is_list { Vec::new() } else { vec![0] };
    for at in 0..=order.len() {
        if state == read.shown {
            return Some(at);
        }
        let writer = *order.get(at)?;
        let mut written =
            all.micros(writer as u32).iter().filter(|micro| micro.key() == read.key).filter_map(|m| m.written());
        match is_list {
            true => state.extend(written),
            false => state = written.next_back().into_iter().collect(),
        }
    }
    None
}

/// A level, and whether it holds, given also whether every transaction sees what it did itself.
type Level = (&'static str, fn(&Facts, bool) -> bool);

const LEVELS: [Level; 29] = [
    ("read-uncommitted", |f, _| f.acyclic(&[&f.ww])),
    ("strong-session-read-uncommitted", |f, _| f.acyclic(&[&f.ww, &f.sessions])),
    ("strong-read-uncommitted", |f, _| f.acyclic(&[&f.ww, &f.real_time])),
    ("read-committed", |f, _| f.acyclic(&[&f.ww, &f.wr])),
    ("strong-session-read-committed", |f, _| f.acyclic(&[&f.ww, &f.wr, &f.sessions])),
    ("strong-read-committed", |f, _| f.acyclic(&[&f.ww, &f.wr, &f.real_time])),
    ("cursor-stability", |f, _| f.acyclic(&[&f.ww, &f.wr]) && !f.lost_update),
    ("monotonic-atomic-view", |f, _| f.acyclic(&[&f.ww, &f.wr]) && f.goes_forward(None)),
    ("strong-session-monotonic-atomic-view", |f, _| f.acyclic(&[&f.ww, &f.wr, &f.sessions]) && f.goes_forward(None)),
    ("monotonic-view", |f, _| f.acyclic(&[&f.ww, &f.wr]) && f.goes_forward(Some(&f.closed(&[&f.ww, &f.wr])))),
    ("consistent-view", |f, _| f.acyclic(&[&f.ww, &f.wr]) && f.sees_all_of(&f.closed(&[&f.ww, &f.wr]))),
    ("update-serializable", |f, _| f.updates_ordered()),
    ("repeatable-read", |f, _| f.acyclic(&[&f.ww, &f.wr, &f.rw])),
    ("read-atomic", |f, internal| internal && f.acyclic(&[&f.ww, &f.wr]) && f.sees_all_of(&f.wr)),
    ("strong-session-read-atomic", |f, internal| {
        let seen = f.united(&[&f.wr, &f.sessions]);
        internal && f.acyclic(&[&f.ww, &f.wr, &f.sessions]) && f.sees_all_of(&seen)
    }),
    ("update-atomic", |f, internal| {
        internal && f.acyclic(&[&f.ww, &f.wr]) && f.sees_all_of(&f.united(&[&f.wr, &f.ww]))
    }),
    ("causal-cerone", |f, internal| internal && f.acyclic(&[&f.ww, &f.wr]) && f.sees_all_of(&f.closed(&[&f.wr]))),
    ("causal", converges),
    ("causal-convergence", converges),
    ("causal-memory", |f, internal| internal && f.has_snapshots(Some(&f.sessions))),
    ("pram", |f, internal| internal && f.has_snapshots(Some(&f.sessions))),
    ("prefix", |f, internal| internal && f.acyclic(&[&f.ww, &f.wr, &f.then(&f.wr, &f.rw)])),
    ("parallel-snapshot-isolation", |f, internal| {
        internal && f.acyclic(&[&f.ww, &f.wr]) && f.sees_all_of(&f.closed(&[&f.ww, &f.wr]))
    }),
    ("snapshot-isolation", |f, internal| internal && f.has_snapshots(None)),
    ("strong-session-snapshot-isolation", |f, internal| internal && f.has_snapshots(Some(&f.sessions))),
    ("strong-snapshot-isolation", |f, internal| internal && f.has_snapshots(Some(&f.real_time))),
    ("serializable", |f, internal| internal && f.acyclic(&[&f.ww, &f.wr, &f.rw])),
    ("strong-session-serializable", |f, internal| internal && f.acyclic(&[&f.ww, &f.wr, &f.rw, &f.sessions])),
    ("strict-serializable", |f, internal| internal && f.acyclic(&[&f.ww, &f.wr, &f.rw, &f.real_time])),
];

/// Causality with one order of all writes; what is asked of one order each is less.
fn converges(f: &Facts, internal: bool) -> bool {
    let happened_before = f.closed(&[&f.wr, &f.sessions]);
    internal && f.acyclic(&[&f.ww, &f.wr, &f.sessions]) && f.sees_all_of(&happened_before)
}
