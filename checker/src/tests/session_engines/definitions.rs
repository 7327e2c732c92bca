//! The session guarantees by their definitions, with sets: slow, plain, and independent of the engines.
//!
//! A read *sees* the writes that it shows and, of a register, what those have in their pasts, transitively: V(r). A write
//! is *known* to a session once it is acknowledged to the session, or once a read has seen it. For a read r of a key:
//!
//! - read your writes: r must see the acknowledged writes of the key that its session made before;
//! - monotonic reads: r must see V(r') for each earlier read r' of the key by its session;
//! - monotonic writes: for each v in V(r), r must see the acknowledged writes of the key that v's session made before v;
//! - writes follow reads: for each v in V(r), r must see V(r') for each read r' of the key by v's session before v;
//! - PRAM: r must see the acknowledged writes that its session made before; and for each v that its session has seen so far (by
//!   r too, on any key, also in the past of a write) v itself and the acknowledged writes that v's session made before v;
//! - causal: r must see all writes that happened before it: *happened before* is the transitive closure of the order of each
//!   session, of v before r for v in V(r), and of v before w for v in the past of w.
//!
//! In a list, what must be seen because of v (or happened before v) also stands before v.
//!
//! What r must see and is not in V(r) is *missed*, unless
//!
//! - a delete that r may have seen covers it (then it counts as seen), or may cover it, its past being unrecorded (then it
//!   is undecided). A read has not seen a delete that covers what it shows, nor one that was invoked after it completed;
//! - something in V(r) has an unrecorded past which may contain it: that is undecided. A past contains what was invoked
//!   before its write ended and did not itself come after that write;
//! - one of concurrent writes wins: then what is shown has replaced everything that is not provably newer.
//!
//! A delete is missed if r shows what it covers. A write that failed and is seen has happened nevertheless: it
//! must be seen where it was seen before, and whoever sees it knows what its writer knew; in a history from anywhere it is a
//! violation by itself ([`unexplained`]). Each missing write is judged by
//! itself: neither this nor the engine notices that two of them could not both be excused.

use std::collections::{BTreeMap, BTreeSet};

use crate::checks::sessions::Guarantee;
use crate::history::{Datum, EventType, History, Operation, ValueId};
use crate::verdict::Outcome;

/// What kind of store the history is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Store {
    /// Elements are added.
    Set,
    /// Elements are appended; a read shows them in order.
    List,
    /// Registers that keep concurrent writes.
    Siblings,
    /// Registers of which one write wins.
    OneWins,
}

impl Store {
    fn is_register(self) -> bool {
        matches!(self, Store::Siblings | Store::OneWins)
    }
}

/// How the reads stand to a guarantee.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Reads that must see something.
    pub judged: u64,
    /// Reads that may or may not have seen some of what they must see.
    pub undecided: u64,
    /// Reads that miss something.
    pub violations: u64,
}

impl Tally {
    /// Valid if no read has to see anything.
    pub fn outcome(&self) -> Outcome {
        match (self.violations, self.undecided) {
            (0, 0) => Outcome::Valid,
            (0, _) => Outcome::Inconclusive,
            _ => Outcome::Invalid,
        }
    }
}

/// Judges a history of one store. Each process reads a key either in the main phase or in the final one.
pub fn judge(history: &History, store: Store) -> BTreeMap<Guarantee, Tally> {
    let facts = Facts::new(history, store);
    Guarantee::ALL.map(|guarantee| (guarantee, facts.tally(guarantee))).into()
}

/// By guarantee, how many reads no order of the writes explains, in a history from anywhere: they show what nobody wrote, or what
/// failed; or, where writes come after what their session had read, what their session wrote only later.
pub fn unexplained(history: &History, store: Store) -> BTreeMap<Guarantee, u64> {
    let facts = Facts::new(history, store);
    let count = |guarantee: Guarantee| {
        let follows = matches!(guarantee, Guarantee::WritesFollowReads | Guarantee::Pram | Guarantee::Causal);
        let is_later = |read: &Read, write: &Write| write.process == read.process && write.invoked > read.invoked;
        // PRAM of lists has anomalies by the names of isolation for the others.
        let others = guarantee != Guarantee::Pram || store != Store::List;
        let is_odd = |read: &Read| match read.shows.iter().any(|write| facts.failed(*write)) {
            true => others,
            false => {
                let is_early = read.shows.iter().any(|write| is_later(read, &facts.writes[*write]));
                follows && is_early || others && read.invented
            }
        };
        facts.reads.iter().filter(|read| is_odd(read)).count() as u64
    };
    Guarantee::ALL.map(|guarantee| (guarantee, count(guarantee))).into()
}

/// A write, or a delete. Writes are numbered over all keys, in the order of invocation.
struct Write {
    process: u64,
    key: String,
    invoked: u64,
    ended: u64,
    outcome: EventType,
    is_delete: bool,
    /// None if it is not recorded.
    past: Option<BTreeSet<usize>>,
}

/// A read that succeeded.
struct Read {
    process: u64,
    key: String,
    invoked: u64,
    completed: u64,
    /// Each once, in the order shown.
    shows: Vec<usize>,
    /// It shows what nobody wrote.
    invented: bool,
}

/// How a read stands to a write.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sight {
    Seen,
    /// Not shown because of a delete that may have been seen.
    Deleted,
    Missed,
    Undecided,
    /// A concurrent write has won.
    Overwritten,
}

struct Facts {
    store: Store,
    writes: Vec<Write>,
    reads: Vec<Read>,
    /// By write: itself and its past, transitively.
    closures: Vec<BTreeSet<usize>>,
    /// By read: V(r).
    seen: Vec<BTreeSet<usize>>,
    /// By operation (writes, then reads): the writes that happened before it.
    happened: Vec<BTreeSet<usize>>,
}

/// Key, function and value, as text.
fn parse(operation: &Operation<'_>) -> (String, String, String) {
    let history = operation.history();
    let text = |value| history.json(value).to_string();
    match history.only_micro(operation.argument()) {
        Some((f, key, value)) => (text(key).trim_matches('"').to_owned(), f.to_owned(), text(value)),
        None => (operation.key().unwrap_or_default().to_owned(), operation.f().to_owned(), text(operation.argument())),
    }
}

fn shown<'h>(operation: &Operation<'h>) -> Option<&'h [ValueId]> {
    let history = operation.history();
    let value = history.only_micro(operation.result()).map_or(operation.result(), |(_, _, list)| list);
    match history.datum(value) {
        Datum::List(values) if operation.is_ok() => Some(values),
        _ => None,
    }
}

impl Facts {
    fn new(history: &History, store: Store) -> Self {
        let operations = history.operations();
        let (writes, reads): (Vec<_>, Vec<_>) = operations.iter().partition(|operation| is_write(operation));
        let names = Names::new(&writes);
        let mut facts = Self {
            store,
            writes: writes.iter().map(write).collect(),
            reads: reads.iter().filter_map(|operation| read(operation, &names)).collect(),
            closures: Vec::new(),
            seen: Vec::new(),
            happened: Vec::new(),
        };
        facts.pasts(&writes, &names);
        facts.closures = (0..facts.writes.len()).map(|write| facts.closure(&[write])).collect();
        facts.seen = facts.reads.iter().map(|read| facts.closure(&read.shows)).collect();
        facts.happened = facts.happened_before();
        facts
    }

    /// Takes what completions say of pasts; an acknowledged write that names nothing has replaced nothing.
    fn pasts(&mut self, writes: &[Operation<'_>], names: &Names) {
        for (number, operation) in writes.iter().enumerate() {
            let unrecorded = self.store.is_register() && operation.outcome() != EventType::Ok;
            let recorded = operation.past().or(if unrecorded { None } else { Some(&[]) });
            let key = &self.writes[number].key;
            let past = recorded.map(|values| {
                let text = |value: &ValueId| operation.history().json(*value).to_string();
                let past = values.iter().filter_map(|value| names.find(key, &text(value)));
                past.filter(|write| *write != number).collect()
            });
            self.writes[number].past = past;
        }
    }

    fn failed(&self, write: usize) -> bool {
        self.writes[write].outcome == EventType::Fail
    }

    fn acknowledged(&self, write: usize) -> bool {
        self.writes[write].outcome == EventType::Ok
    }

    /// These and their pasts, transitively.
    fn closure(&self, from: &[usize]) -> BTreeSet<usize> {
        let (mut reached, mut open) = (BTreeSet::new(), from.to_vec());
        while let Some(write) = open.pop() {
            if reached.insert(write) {
                open.extend(self.writes[write].past.iter().flatten());
            }
        }
        reached
    }

    /// Whether one is in the past of the other.
    fn is_older(&self, one: usize, other: usize) -> bool {
        one != other && self.closures[other].contains(&one)
    }

    /// Whether a read shows something that the write has in its past.
    fn contradicts(&self, read: &Read, write: usize) -> bool {
        read.shows.iter().any(|shown| self.is_older(*shown, write))
    }

    /// Whether the unrecorded past of `later` may contain `missing`.
    fn may_contain(&self, later: usize, missing: usize) -> bool {
        let Write { past, ended, .. } = &self.writes[later];
        let circular = self.is_older(later, missing);
        past.is_none() && self.writes[missing].invoked < *ended && later != missing && !circular
    }

    fn sight(&self, number: usize, write: usize) -> Sight {
        let (read, seen) = (&self.reads[number], &self.seen[number]);
        if seen.contains(&write) {
            return Sight::Seen;
        }
        match self.store {
            Store::Set | Store::List => Sight::Missed,
            Store::Siblings | Store::OneWins => self.sight_of_register(read, seen, write),
        }
    }

    fn sight_of_register(&self, read: &Read, seen: &BTreeSet<usize>, write: usize) -> Sight {
        let deletes: Vec<usize> = (0..self.writes.len())
            .filter(|delete| self.writes[*delete].is_delete && self.writes[*delete].key == read.key)
            .filter(|delete| !self.failed(*delete))
            .collect();
        if self.writes[write].is_delete {
            return if self.contradicts(read, write) { Sight::Missed } else { Sight::Deleted };
        }
        let possible: Vec<usize> =
            deletes.into_iter().filter(|delete| self.writes[*delete].invoked < read.completed).collect();
        let covers = |delete: &&usize| self.is_older(write, **delete) && !self.contradicts(read, **delete);
        if possible.iter().any(|delete| covers(&delete)) {
            return Sight::Deleted;
        }
        if self.store == Store::OneWins {
            let all_older = read.shows.iter().all(|shown| self.is_older(*shown, write)) && !read.invented;
            let newest = all_older && (!read.shows.is_empty() || possible.is_empty());
            return if newest { Sight::Missed } else { Sight::Overwritten };
        }
        if self.may_be_replaced(read, seen, &possible, write) { Sight::Undecided } else { Sight::Missed }
    }

    /// Whether an unrecorded past of what the read has seen, or of a delete that it may have seen, may contain a write.
    fn may_be_replaced(&self, read: &Read, seen: &BTreeSet<usize>, deletes: &[usize], write: usize) -> bool {
        let may_cover = |delete: &&usize| {
            let unseen = self.contradicts(read, **delete) || self.contradicts(read, write);
            !unseen && self.closures[**delete].iter().any(|later| self.may_contain(*later, write))
        };
        deletes.iter().any(|at| may_cover(&at)) || seen.iter().any(|later| self.may_contain(*later, write))
    }

    fn own_writes(&self, process: u64, before: u64) -> impl Iterator<Item = usize> {
        let earlier =
            move |write: &usize| self.writes[*write].process == process && self.writes[*write].invoked < before;
        (0..self.writes.len()).filter(earlier)
    }

    fn own_reads(&self, process: u64, before: u64) -> impl Iterator<Item = usize> {
        let earlier = move |read: &usize| self.reads[*read].process == process && self.reads[*read].invoked < before;
        (0..self.reads.len()).filter(earlier)
    }

    /// The acknowledged writes of a session before a moment.
    fn wrote(&self, process: u64, before: u64) -> BTreeSet<usize> {
        self.own_writes(process, before).filter(|write| self.acknowledged(*write)).collect()
    }

    /// What the reads of a key by a session have seen before a moment.
    fn saw(&self, process: u64, before: u64, key: &str) -> BTreeSet<usize> {
        let of_key = self.own_reads(process, before).filter(|read| self.reads[*read].key == key);
        of_key.flat_map(|read| self.seen[read].iter().copied()).collect()
    }

    /// What must be seen because of a write, by one of the guarantees that depend on it.
    fn before_write(&self, guarantee: Guarantee, write: usize) -> BTreeSet<usize> {
        let Write { process, invoked, key, .. } = &self.writes[write];
        match guarantee {
            Guarantee::MonotonicWrites | Guarantee::Pram => self.wrote(*process, *invoked),
            Guarantee::WritesFollowReads => self.saw(*process, *invoked, key),
            Guarantee::Causal => self.happened[write].clone(),
            Guarantee::ReadYourWrites | Guarantee::MonotonicReads => BTreeSet::new(),
        }
    }

    /// What a read must see of its key; in groups, by session where something that is seen is the reason.
    fn required(&self, guarantee: Guarantee, number: usize) -> Vec<BTreeSet<usize>> {
        let Read { process, key, invoked, .. } = &self.reads[number];
        let mut groups: BTreeMap<u64, BTreeSet<usize>> = BTreeMap::new();
        match guarantee {
            Guarantee::ReadYourWrites => drop(groups.insert(0, self.wrote(*process, *invoked))),
            Guarantee::MonotonicReads => drop(groups.insert(0, self.saw(*process, *invoked, key))),
            Guarantee::MonotonicWrites | Guarantee::WritesFollowReads => {
                for write in &self.seen[number] {
                    let group = groups.entry(self.writes[*write].process).or_default();
                    group.extend(self.before_write(guarantee, *write));
                }
            }
            Guarantee::Pram => drop(groups.insert(0, self.heard(number))),
            Guarantee::Causal => drop(groups.insert(0, self.happened[self.writes.len() + number].clone())),
        }
        let of_key = |group: BTreeSet<usize>| -> BTreeSet<usize> {
            group.into_iter().filter(|write| self.writes[*write].key == *key).collect()
        };
        groups.into_values().map(of_key).collect()
    }

    /// What PRAM asks for.
    fn heard(&self, number: usize) -> BTreeSet<usize> {
        let Read { process, invoked, .. } = self.reads[number];
        let mut known: BTreeSet<usize> = self.seen[number].clone();
        known.extend(self.own_reads(process, invoked).flat_map(|read| self.seen[read].iter().copied()));
        let own = self.own_writes(process, invoked).filter(|write| !self.failed(*write));
        known.extend(own.flat_map(|write| self.closures[write].iter().copied().filter(move |past| *past != write)));
        let mut heard = self.wrote(process, invoked);
        heard.extend(known.iter().flat_map(|write| self.before_write(Guarantee::Pram, *write)));
        heard.extend(known);
        heard
    }

    /// Of each operation, the writes that happened before it.
    fn happened_before(&self) -> Vec<BTreeSet<usize>> {
        let count = self.writes.len() + self.reads.len();
        let causes: Vec<BTreeSet<usize>> = (0..count).map(|at| self.causes(at)).collect();
        let mut before = causes.clone();
        for _ in 0..count {
            for at in 0..count {
                let known: Vec<usize> = causes[at].iter().flat_map(|cause| before[*cause].clone()).collect();
                before[at].extend(known);
            }
        }
        let is_write = |at: &usize| *at < self.writes.len();
        before.into_iter().map(|all| all.into_iter().filter(is_write).collect()).collect()
    }

    /// The operations right before one: of its session, and what it has seen.
    fn causes(&self, at: usize) -> BTreeSet<usize> {
        let reads_from = self.writes.len();
        let (process, invoked, mut causes): (u64, u64, BTreeSet<usize>) = match at.checked_sub(reads_from) {
            None => {
                let Write { process, invoked, past, .. } = &self.writes[at];
                (*process, *invoked, past.iter().flatten().copied().collect())
            }
            Some(read) => (self.reads[read].process, self.reads[read].invoked, self.seen[read].clone()),
        };
        causes.extend(self.own_writes(process, invoked).filter(|write| !self.failed(*write)));
        causes.extend(self.own_reads(process, invoked).map(|read| reads_from + read));
        causes
    }

    fn tally(&self, guarantee: Guarantee) -> Tally {
        let mut tally = Tally::default();
        for read in 0..self.reads.len() {
            let required = self.required(guarantee, read);
            tally.judged += u64::from(required.iter().any(|group| !group.is_empty()));
            let all: BTreeSet<usize> = required.iter().flatten().copied().collect();
            let is = |wanted: Sight| all.iter().any(|write| self.sight(read, *write) == wanted);
            let came_back = guarantee == Guarantee::MonotonicReads && self.came_back(read);
            let broken = is(Sight::Missed) || came_back || self.out_of_order(guarantee, read);
            tally.violations += u64::from(broken);
            tally.undecided += u64::from(is(Sight::Undecided));
        }
        tally
    }

    /// Whether a read shows what an earlier one of its session could lack only because of a delete, after another had
    /// seen it.
    fn came_back(&self, number: usize) -> bool {
        let Read { process, key, invoked, shows, .. } = &self.reads[number];
        let earlier: Vec<usize> =
            self.own_reads(*process, *invoked).filter(|read| self.reads[*read].key == *key).collect();
        earlier.iter().enumerate().any(|(at, read)| {
            let before: BTreeSet<usize> = earlier[..at].iter().flat_map(|read| &self.seen[*read]).copied().collect();
            let gone = |write: &usize| before.contains(write) && self.sight(*read, *write) == Sight::Deleted;
            shows.iter().any(gone)
        })
    }

    /// Whether a list shows something after what it has to stand before.
    fn out_of_order(&self, guarantee: Guarantee, number: usize) -> bool {
        if self.store != Store::List {
            return false;
        }
        let shows = &self.reads[number].shows;
        shows.iter().enumerate().any(|(at, write)| {
            let of_key = |other: &&usize| self.writes[**other].key == self.writes[*write].key;
            let before = self.before_write(guarantee, *write);
            let late = before.iter().filter(of_key).filter(|late| !shows[..at].contains(late));
            late.into_iter().any(|late| late != write && shows[at..].contains(late))
        })
    }
}

/// Which write brought a value, by key and value.
struct Names(BTreeMap<(String, String), usize>);

impl Names {
    fn new(writes: &[Operation<'_>]) -> Self {
        let name = |(number, operation)| {
            let (key, _, value) = parse(operation);
            ((key, value), number)
        };
        Self(writes.iter().enumerate().map(name).collect())
    }

    fn find(&self, key: &str, value: &str) -> Option<usize> {
        self.0.get(&(key.to_owned(), value.to_owned())).copied()
    }
}

/// A write, of whose past nothing is known yet.
fn write(operation: &Operation<'_>) -> Write {
    let (key, f, _) = parse(operation);
    Write {
        process: operation.process(),
        key,
        invoked: operation.invoked(),
        ended: operation.completed().unwrap_or(u64::MAX),
        outcome: operation.outcome(),
        is_delete: f == "delete",
        past: None,
    }
}

/// A read, if it succeeded.
fn read(operation: &Operation<'_>, names: &Names) -> Option<Read> {
    let (key, ..) = parse(operation);
    let text = |value: &ValueId| operation.history().json(*value).to_string();
    let values: Vec<String> = shown(operation)?.iter().map(text).collect();
    let mut shows: Vec<usize> = Vec::new();
    for write in values.iter().filter_map(|value| names.find(&key, value)) {
        if !shows.contains(&write) {
            shows.push(write);
        }
    }
    Some(Read {
        process: operation.process(),
        invoked: operation.invoked(),
        completed: operation.completed().unwrap_or(u64::MAX),
        invented: values.iter().any(|value| names.find(&key, value).is_none()),
        key,
        shows,
    })
}

fn is_write(operation: &Operation<'_>) -> bool {
    let (_, f, _) = parse(operation);
    matches!(f.as_str(), "add" | "append" | "write" | "delete")
}
