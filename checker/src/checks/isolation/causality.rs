//! Who could have known of whom: sessions, reads and writes of registers, and happened-before as vector clocks.
//!
//! Every read names the transaction that it read from, so causality (the transitive closure of session order and
//! reads-from) is known. The clock of a transaction counts, for each session, how many of its transactions happened
//! before: n x sessions numbers, linear time (Kahn's order). What each session wrote to a key is a list by position, so
//! "the latest write of this key in that session that is visible here" is a binary search: the heart of AWDIT
//! (Møldrup and Pavlogiannis, PLDI 2025).

use rustc_hash::FxHashMap;

use super::by_key::ByKey;
use super::graph::{Edges, Kind};
use super::input::Transactions;

/// The initial version's writer.
pub(crate) const INITIAL: u32 = u32::MAX;

/// A read of a key from the transaction that wrote what it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReadFrom {
    /// The key.
    pub key: u32,
    /// The writer, or [`INITIAL`].
    pub source: u32,
}

/// A session's writers of a key.
#[derive(Clone, Copy, Debug)]
struct Writers {
    session: u32,
    from: u32,
    to: u32,
}

/// Committed transactions on registers, as far as causality goes. Transactions that did not commit have no session.
pub(crate) struct Causality {
    /// By transaction: its session, and its position there from 1.
    places: Vec<(u32, u32)>,
    /// The transactions of all sessions, one session after the other, each in order.
    members: Vec<u32>,
    /// By session: where its transactions begin; and where the last one's end.
    starts: Vec<u32>,
    reads: ByKey<ReadFrom>,
    writers: ByKey<Writers>,
    writer_lists: Vec<u32>,
    readers: ByKey<u32>,
}

/// For each transaction and session, how many transactions of that session happened before.
#[derive(Clone)]
pub(crate) struct Clocks {
    sessions: usize,
    counts: Vec<u32>,
}

impl Clocks {
    /// The clock of a transaction.
    pub(crate) fn of(&self, transaction: u32) -> &[u32] {
        let at = transaction as usize * self.sessions;
        &self.counts[at..at + self.sessions]
    }

    fn of_mut(&mut self, transaction: u32) -> &mut [u32] {
        let at = transaction as usize * self.sessions;
        &mut self.counts[at..at + self.sessions]
    }

    /// How many transactions have a clock.
    pub(crate) fn transactions(&self) -> usize {
        self.counts.len().checked_div(self.sessions).unwrap_or(0)
    }

    /// Makes `later` know of `earlier` and all before it; whether that is new.
    pub(crate) fn learn(&mut self, later: u32, earlier: u32, place: (u32, u32)) -> bool {
        let (a, b) = (later as usize * self.sessions, earlier as usize * self.sessions);
        let mut news = false;
        for session in 0..self.sessions {
            let known = self.counts[b + session];
            let count = &mut self.counts[a + session];
            if known > *count {
                *count = known;
                news = true;
            }
        }
        let own = &mut self.counts[a + place.0 as usize];
        if place.1 > *own {
            *own = place.1;
            news = true;
        }
        news
    }

    /// Puts a transaction's clock back.
    pub(crate) fn restore(&mut self, transaction: u32, counts: &[u32]) {
        self.of_mut(transaction).copy_from_slice(counts);
    }
}

/// The position of a transaction without a session.
const NOWHERE: (u32, u32) = (u32::MAX, 0);

/// What a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sessions {
    /// A client process.
    Processes,
    /// Each transaction by itself: their order in a process does not count.
    Single,
}

impl Causality {
    /// Collects sessions, reads and writes of the transactions that committed. `reads` gives what each of them read from
    /// whom, `writes` which keys each of them wrote, ascending by key and transaction.
    pub(crate) fn new(
        transactions: &Transactions,
        sessions: Sessions,
        committed: impl Fn(u32) -> bool,
        reads: &[(u32, ReadFrom)],
        writes: &[(u32, u32)],
    ) -> Self {
        let count = transactions.len();
        let mut places: Vec<(u32, u32)> = vec![NOWHERE; count];
        let mut starts = vec![0u32];
        let mut numbers: FxHashMap<u32, u32> = FxHashMap::default();
        for transaction in (0..count as u32).filter(|transaction| committed(*transaction)) {
            let next = starts.len() as u32 - 1;
            let session = match sessions {
                Sessions::Processes => *numbers.entry(transactions.row(transaction).process).or_insert(next),
                Sessions::Single => next,
            };
            if session == next {
                starts.push(0);
            }
            let length = &mut starts[session as usize + 1];
            *length += 1;
            places[transaction as usize] = (session, *length);
        }
        for session in 1..starts.len() {
            starts[session] += starts[session - 1];
        }
        let mut members = vec![0; starts[starts.len() - 1] as usize];
        for (place, transaction) in places.iter().zip(0..).filter(|(place, _)| **place != NOWHERE) {
            members[(starts[place.0 as usize] + place.1 - 1) as usize] = transaction;
        }
        let (writers, writer_lists) = by_session(transactions.keys(), &places, writes);
        let readers: Vec<(u32, u32)> = reads
            .iter()
            .filter(|(_, read)| read.source != INITIAL)
            .map(|(reader, read)| (read.source, *reader))
            .collect();
        let (reads, readers) = (ByKey::new(count, reads), ByKey::new(count, &readers));
        Self { places, members, starts, reads, writers, writer_lists, readers }
    }

    /// How many sessions there are.
    pub(crate) fn sessions(&self) -> usize {
        self.starts.len() - 1
    }

    /// The transactions of all sessions, one session after the other.
    pub(crate) fn members(&self) -> &[u32] {
        &self.members
    }

    /// The transactions of a session in order.
    pub(crate) fn session(&self, session: u32) -> &[u32] {
        let at = session as usize;
        &self.members[self.starts[at] as usize..self.starts[at + 1] as usize]
    }

    /// Session and position from 1.
    pub(crate) fn place(&self, transaction: u32) -> (u32, u32) {
        self.places[transaction as usize]
    }

    /// The transaction after this one in its session.
    pub(crate) fn next(&self, transaction: u32) -> Option<u32> {
        let (session, position) = self.place(transaction);
        (session != NOWHERE.0).then(|| self.session(session).get(position as usize).copied()).flatten()
    }

    /// What a transaction read, and from which transactions.
    pub(crate) fn reads(&self, transaction: u32) -> &[ReadFrom] {
        self.reads.of(transaction)
    }

    /// The transactions that read from this one; once for each key.
    pub(crate) fn readers(&self, transaction: u32) -> &[u32] {
        self.readers.of(transaction)
    }

    /// For each session that wrote the key: its latest writer among its first `known(session)` transactions.
    pub(crate) fn latest(&self, key: u32, known: impl Fn(u32) -> u32) -> impl Iterator<Item = u32> {
        self.writers.of(key).iter().filter_map(move |writers| {
            let list = &self.writer_lists[writers.from as usize..writers.to as usize];
            let limit = known(writers.session);
            // Most often all of it, or nothing.
            let visible = match list {
                [.., last] if self.place(*last).1 <= limit => list.len(),
                _ => list.partition_point(|writer| self.place(*writer).1 <= limit),
            };
            Some(list[visible.checked_sub(1)?])
        })
    }

    /// Session order and reads-from.
    pub(crate) fn edges(&self) -> Edges {
        let mut edges = Edges::new(self.places.len());
        for session in 0..self.sessions() as u32 {
            self.session(session).windows(2).for_each(|pair| edges.add(pair[0], pair[1], Kind::Process));
        }
        for transaction in 0..self.places.len() as u32 {
            let sources = self.reads(transaction).iter().map(|read| read.source).filter(|source| *source != INITIAL);
            sources.for_each(|source| edges.add(source, transaction, Kind::Wr));
        }
        edges
    }

    /// Clocks that know of sessions alone.
    pub(crate) fn session_clocks(&self) -> Clocks {
        let sessions = self.sessions();
        let mut clocks = Clocks { sessions, counts: vec![0; sessions * self.places.len()] };
        for transaction in &self.members {
            let (session, position) = self.place(*transaction);
            clocks.of_mut(*transaction)[session as usize] = position - 1;
        }
        clocks
    }

    /// The clocks of happened-before; none if it has a cycle.
    pub(crate) fn clocks(&self) -> Option<Clocks> {
        let mut clocks = self.session_clocks();
        let mut waiting: Vec<u32> = vec![0; self.places.len()];
        // First in, first out: sessions advance together, so what is used together lies together in memory.
        let mut ready: Vec<u32> = Vec::new();
        let (mut done, mut total) = (0, 0);
        for transaction in &self.members {
            let sources = self.reads(*transaction).iter().filter(|read| read.source != INITIAL).count() as u32;
            let count = sources + u32::from(self.place(*transaction).1 > 1);
            waiting[*transaction as usize] = count;
            total += 1;
            if count == 0 {
                ready.push(*transaction);
            }
        }
        while let Some(transaction) = ready.get(done).copied() {
            done += 1;
            for later in self.next(transaction).into_iter().chain(self.readers(transaction).iter().copied()) {
                clocks.learn(later, transaction, self.place(transaction));
                waiting[later as usize] -= 1;
                if waiting[later as usize] == 0 {
                    ready.push(later);
                }
            }
        }
        (done == total).then_some(clocks)
    }

    /// Bytes that the clocks take.
    pub(crate) fn clock_bytes(&self) -> u64 {
        self.sessions() as u64 * self.places.len() as u64 * 4
    }
}

/// The writers of each key, by session and in session order, from writes that ascend by key and transaction.
fn by_session(keys: usize, places: &[(u32, u32)], writes: &[(u32, u32)]) -> (ByKey<Writers>, Vec<u32>) {
    let mut groups: Vec<(u32, Writers)> = Vec::new();
    let mut lists: Vec<u32> = Vec::with_capacity(writes.len());
    let mut of_key: Vec<((u32, u32), u32)> = Vec::new();
    for written in writes.chunk_by(|a, b| a.1 == b.1) {
        let key = written[0].1;
        let placed = written.iter().map(|(transaction, _)| (places[*transaction as usize], *transaction));
        of_key.clear();
        of_key.extend(placed.filter(|(place, _)| *place != NOWHERE));
        of_key.sort_unstable();
        for group in of_key.chunk_by(|a, b| a.0.0 == b.0.0) {
            let from = lists.len() as u32;
            lists.extend(group.iter().map(|(_, transaction)| *transaction));
            groups.push((key, Writers { session: group[0].0.0, from, to: lists.len() as u32 }));
        }
    }
    (ByKey::new(keys, &groups), lists)
}
