//! Session guarantees where a read tells which writes it has seen: sets, lists, and registers with siblings.
//!
//! A read *sees* the writes that it shows, and what those replaced, transitively: a value that a later write has seen and
//! replaced is gone but not forgotten. In the terms of Burckhardt, Gotsman, Yang and Zawirski (POPL 2014) the writes seen
//! are the part of the read's visibility that clients can vouch for: the closure of what is shown under the pasts that
//! writers told. For sets and lists nothing is replaced and seen is what is shown. With V(r) for that set:
//!
//! - read your writes: the acknowledged writes of the key that the session made before r are in V(r);
//! - monotonic reads: V(r') is in V(r) for each earlier read r' of the key by the session;
//! - monotonic writes: for each w in V(r), the acknowledged writes of the key by w's session before w are in V(r) (and,
//!   for lists, come before it);
//! - writes follow reads: for each w in V(r), V(r') is in V(r) for each read r' of the key by w's session before w;
//! - PRAM: the acknowledged writes of the key that the session made, and those that a session made up to a write that
//!   any earlier read of this session has seen, whatever its key, are in V(r);
//! - causal: the same with everything that happened before, transitively.
//!
//! So *lost* is a write that is neither shown nor replaced by something seen. Where there are no siblings, V(r) is all
//! versions up to the one shown, and each guarantee says what it says of a register with one value; a test proves it.
//! If a write is seen whose past nobody told (it was not acknowledged), what is missing may have been replaced by it:
//! that is counted as undecided. What a delete covered may be gone, too.
//!
//! Time for each key: O(reads x (sessions + words)), words being its writes / 64; memory O(writes x words).

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::Guarantee;
pub use super::miss::Miss;
use super::observed::{Action, Observed};
use crate::limits::Limits;

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// One for each read and guarantee at most, and at most so many as are explained.
    pub misses: Vec<Miss>,
    /// How many reads missed something, by guarantee.
    pub counts: BTreeMap<Guarantee, u64>,
    /// How often it could not be told.
    pub undecided: u64,
    /// What was not checked, a clause each.
    pub doubts: Vec<String>,
}

/// How often, in reads or operations, the time is looked at.
const LOOK_EVERY: usize = 256;

/// A set of a key's writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Bits(Vec<u64>);

impl Bits {
    fn new(length: usize) -> Self {
        Self(vec![0; length.div_ceil(64)])
    }
    fn set(&mut self, at: u32) {
        self.0[at as usize / 64] |= 1 << (at % 64);
    }
    fn has(&self, at: u32) -> bool {
        self.0[at as usize / 64] >> (at % 64) & 1 == 1
    }
    fn join(&mut self, other: &Bits) {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a |= b);
    }
    /// The first that is here but not there.
    fn first_beyond(&self, other: &Bits) -> Option<u32> {
        let words = self.0.iter().zip(&other.0).map(|(a, b)| a & !b).zip(0..);
        words.filter(|(word, _)| *word != 0).map(|(word, at): (u64, u32)| at * 64 + word.trailing_zeros()).next()
    }
    fn members(&self) -> impl Iterator<Item = u32> {
        let words = self.0.iter().copied().zip(0u32..);
        words.flat_map(|(word, at)| (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| at * 64 + bit))
    }
}

/// Finds what reads should have seen.
pub fn analyse(observed: &Observed, limits: &Limits<'_>) -> Found {
    let mut found = Found::default();
    let mut by_key: Vec<Vec<u32>> = vec![Vec::new(); observed.keys];
    for (operation, at) in observed.operations.iter().zip(0..) {
        by_key[operation.key as usize].push(at);
    }
    let mut seen: Vec<Option<Seen>> = Vec::with_capacity(observed.keys);
    // What is seen of one key stays until all are judged together.
    let mut memory_bytes = limits.memory_bytes;
    for (members, key) in by_key.iter().zip(0..) {
        match Seen::new(observed, members, memory_bytes) {
            Some((one, bytes)) => {
                memory_bytes -= bytes;
                if !one.judge(observed, key, &mut found, limits) {
                    found.doubts.push(format!("the time was over after {key} of {} keys", observed.keys));
                    return found;
                }
                seen.push(Some(one));
            }
            None => {
                found.doubts.push(format!("a key with {} operations needs more memory than there is", members.len()));
                seen.push(None);
            }
        }
    }
    let sessions: rustc_hash::FxHashSet<u32> = observed.operations.iter().map(|operation| operation.process).collect();
    if sessions.len() as u64 * observed.operations.len() as u64 * 4 > memory_bytes {
        found.doubts.push(format!("{} sessions need more memory than there is for pram and causal", sessions.len()));
        return found;
    }
    for (guarantee, transitive) in [(Guarantee::Pram, false), (Guarantee::Causal, true)] {
        let mut across = Across::new(observed, &seen, guarantee);
        if !across.fill(transitive, limits) || !across.judge(&mut found, limits) {
            found.doubts.push(format!("the time was over before all was looked at for {guarantee}"));
            return found;
        }
    }
    found
}

/// What the reads of one key see. Writes are numbered for the key.
struct Seen {
    members: Vec<u32>,
    /// By write: the operation.
    writes: Vec<u32>,
    /// By read: the operation, and what it sees.
    reads: Vec<(u32, Bits)>,
    /// By write: what its session saw and wrote of the key before.
    saw: Vec<Bits>,
    wrote: Vec<Bits>,
    /// Writes whose past nobody told.
    untold: Bits,
    /// What deletes have covered.
    excused: Bits,
}

impl Seen {
    /// With the bytes that it takes, nearly; none if that is more than there is.
    fn new(observed: &Observed, members: &[u32], memory_bytes: u64) -> Option<(Self, u64)> {
        let is_write = |at: &u32| matches!(observed.operations[*at as usize].action, Action::Write { .. });
        let writes: Vec<u32> = members.iter().copied().filter(is_write).collect();
        let words = writes.len().div_ceil(64) as u64;
        let bytes = (members.len() + 3 * writes.len()) as u64 * words * 8;
        if bytes > memory_bytes {
            return None;
        }
        let number: FxHashMap<u32, u32> = writes.iter().copied().zip(0..).collect();
        let (count, none) = (writes.len(), Bits::new(writes.len()));
        let mut seen = Self {
            members: members.to_vec(),
            writes,
            reads: Vec::new(),
            saw: vec![none.clone(); count],
            wrote: vec![none.clone(); count],
            untold: none.clone(),
            excused: none.clone(),
        };
        let closures = seen.closures(observed, &number);
        for (closure, write) in closures.iter().zip(&seen.writes) {
            if let Action::Write { deletes: true, .. } = observed.operations[*write as usize].action {
                seen.excused.join(closure);
            }
        }
        let mut sessions: FxHashMap<u32, (Bits, Bits)> = FxHashMap::default();
        for at in members {
            let operation = &observed.operations[*at as usize];
            let (saw, wrote) = sessions.entry(operation.process).or_insert_with(|| (none.clone(), none.clone()));
            match &operation.action {
                Action::Read { shows } => {
                    let mut sees = none.clone();
                    shows.iter().for_each(|write| sees.join(&closures[number[write] as usize]));
                    saw.join(&sees);
                    seen.reads.push((*at, sees));
                }
                Action::Write { .. } => {
                    let write = number[at];
                    (seen.saw[write as usize], seen.wrote[write as usize]) = (saw.clone(), wrote.clone());
                    if operation.acknowledged {
                        wrote.set(write);
                    }
                }
            }
        }
        Some((seen, bytes))
    }

    /// By write: itself and what it replaced, transitively.
    fn closures(&mut self, observed: &Observed, number: &FxHashMap<u32, u32>) -> Vec<Bits> {
        let mut closures: Vec<Option<Bits>> = vec![None; self.writes.len()];
        for root in 0..self.writes.len() as u32 {
            // A past may only name what was there, so there is no cycle; if there is one, it is cut where it closes.
            let mut open = vec![(root, false)];
            while let Some((write, ready)) = open.pop() {
                if closures[write as usize].is_some() && !ready {
                    continue;
                }
                let past = match &observed.operations[self.writes[write as usize] as usize].action {
                    Action::Write { past, .. } => past.as_deref(),
                    Action::Read { .. } => None,
                };
                if past.is_none() {
                    self.untold.set(write);
                }
                let past: Vec<u32> =
                    past.unwrap_or(&[]).iter().filter_map(|write| number.get(write).copied()).collect();
                let mut own = Bits::new(self.writes.len());
                own.set(write);
                if ready {
                    past.iter()
                        .filter_map(|before| closures[*before as usize].as_ref())
                        .for_each(|known| own.join(known));
                } else {
                    open.push((write, true));
                    open.extend(
                        past.iter().filter(|before| closures[**before as usize].is_none()).map(|at| (*at, false)),
                    );
                }
                closures[write as usize] = Some(own);
            }
        }
        closures.into_iter().map(Option::unwrap_or_default).collect()
    }

    /// False if the time is over before every read was looked at.
    fn judge(&self, observed: &Observed, key: u32, found: &mut Found, limits: &Limits<'_>) -> bool {
        let none = Bits::new(self.writes.len());
        let mut sessions: FxHashMap<u32, (Bits, Bits, Vec<usize>)> = FxHashMap::default();
        let (mut next_read, mut next_write) = (0usize, 0);
        for at in &self.members {
            let operation = &observed.operations[*at as usize];
            let session = sessions.entry(operation.process).or_insert_with(|| (none.clone(), none.clone(), Vec::new()));
            let Action::Read { shows } = &operation.action else {
                if operation.acknowledged {
                    session.0.set(next_write);
                }
                next_write += 1;
                continue;
            };
            if next_read.is_multiple_of(LOOK_EVERY) && (limits.out_of_time)() {
                return false;
            }
            let sees = &self.reads[next_read].1;
            let mut report = Report { seen: self, observed, key, reader: next_read, found, limits };
            report.unless(session.0.first_beyond(sees), Guarantee::ReadYourWrites, |_| None);
            let earlier = &session.2;
            report.unless(session.1.first_beyond(sees), Guarantee::MonotonicReads, |missed| {
                earlier.iter().find(|read| self.reads[**read].1.has(missed)).map(|read| self.reads[*read].0)
            });
            report.of_what_is_seen();
            if observed.ordered {
                report.order(shows);
            }
            session.1.join(sees);
            session.2.push(next_read);
            next_read += 1;
        }
        true
    }

    /// For each session, the last of its writes in a set.
    fn last_of_sessions(&self, observed: &Observed, set: &Bits) -> Vec<u32> {
        let mut last: BTreeMap<u32, u32> = BTreeMap::new();
        for write in set.members() {
            last.insert(observed.operations[self.writes[write as usize] as usize].process, write);
        }
        last.into_values().collect()
    }
}

/// Reports what one read missed.
struct Report<'s, 'f, 'l> {
    seen: &'s Seen,
    observed: &'s Observed,
    key: u32,
    reader: usize,
    found: &'f mut Found,
    limits: &'l Limits<'l>,
}

impl Report<'_, '_, '_> {
    fn sees(&self) -> &Bits {
        &self.seen.reads[self.reader].1
    }

    /// Counts a miss, if there is one and nothing may have replaced what is missing; whether it counted.
    fn unless(&mut self, missed: Option<u32>, guarantee: Guarantee, through: impl FnOnce(u32) -> Option<u32>) -> bool {
        let Some(missed) = missed else { return false };
        let may_be_replaced = self.seen.untold.members().any(|write| self.sees().has(write));
        if may_be_replaced || self.seen.excused.has(missed) {
            self.found.undecided += 1;
            return false;
        }
        let reader = self.seen.reads[self.reader].0;
        let write = self.seen.writes[missed as usize];
        add(self.found, self.limits, guarantee, || {
            let through = through(missed);
            let mut operations: Vec<u32> = [Some(reader), Some(write), through].into_iter().flatten().collect();
            // What is seen is told by what is shown: the writes between belong to the proof.
            let knew = through.filter(|_| guarantee == Guarantee::WritesFollowReads);
            let knew = knew.and_then(|writer| self.seen.knew(self.observed, writer, missed)).or(through);
            operations.extend(knew);
            operations.extend(self.seen.proof(self.reader, knew));
            operations.sort_unstable();
            operations.dedup();
            Miss { guarantee, key: self.key, reader, missed: write, through, operations }
        });
        true
    }

    /// Monotonic writes and writes follow reads: enough to look at the last write seen of each session.
    fn of_what_is_seen(&mut self) {
        let (mut writes, mut reads) = (false, false);
        for last in self.seen.last_of_sessions(self.observed, self.sees()) {
            let through = Some(self.seen.writes[last as usize]);
            let (wrote, saw) = (&self.seen.wrote[last as usize], &self.seen.saw[last as usize]);
            if !writes {
                let missed = wrote.first_beyond(self.sees());
                writes = self.unless(missed, Guarantee::MonotonicWrites, |_| through);
            }
            if !reads {
                let missed = saw.first_beyond(self.sees());
                reads = self.unless(missed, Guarantee::WritesFollowReads, |_| through);
            }
        }
    }

    /// In a list, what a session wrote or saw before a write stands before it.
    fn order(&mut self, shows: &[u32]) {
        let number = |write: &u32| self.seen.writes.binary_search(write).ok().map(|at| at as u32);
        let shown: Vec<u32> = shows.iter().filter_map(number).collect();
        let mut before = Bits::new(self.seen.writes.len());
        let (mut writes, mut reads) = (false, false);
        for write in shown {
            let through = Some(self.seen.writes[write as usize]);
            let (wrote, saw) = (&self.seen.wrote[write as usize], &self.seen.saw[write as usize]);
            let late = |set: &Bits| set.first_beyond(&before).filter(|late| self.sees().has(*late));
            let (late_writes, late_reads) = (late(wrote), late(saw));
            writes = writes || self.unless(late_writes, Guarantee::MonotonicWrites, |_| through);
            reads = reads || self.unless(late_reads, Guarantee::WritesFollowReads, |_| through);
            before.set(write);
        }
    }
}

impl Seen {
    /// The read by which the session of a writer knew of a write before.
    fn knew(&self, observed: &Observed, writer: u32, missed: u32) -> Option<u32> {
        let process = observed.operations[writer as usize].process;
        let own = |read: u32| read < writer && observed.operations[read as usize].process == process;
        self.reads.iter().find(|(read, sees)| own(*read) && sees.has(missed)).map(|(read, _)| *read)
    }

    /// The operations that tell what a read and the operation through which it should know more have seen.
    fn proof(&self, reader: usize, through: Option<u32>) -> Vec<u32> {
        let mut proof: Vec<u32> = self.reads[reader].1.members().map(|write| self.writes[write as usize]).collect();
        let through = through.and_then(|through| self.reads.iter().find(|(read, _)| *read == through));
        proof.extend(through.iter().flat_map(|(_, sees)| sees.members()).map(|write| self.writes[write as usize]));
        proof
    }
}

fn add(found: &mut Found, limits: &Limits<'_>, guarantee: Guarantee, explain: impl FnOnce() -> Miss) {
    let count = found.counts.entry(guarantee).or_default();
    *count += 1;
    if *count <= limits.anomalies_max as u64 {
        found.misses.push(explain());
    }
}

/// Clocks over all keys: what happened before each read.
struct Across<'o> {
    observed: &'o Observed,
    seen: &'o [Option<Seen>],
    guarantee: Guarantee,
    /// By operation: its session, and its position there from 1.
    places: Vec<(u32, u32)>,
    sessions: usize,
    /// By operation and session: how many of the session's operations happened before.
    clocks: Vec<u32>,
    /// By operation: which read of its key it is.
    read_number: Vec<u32>,
}

impl<'o> Across<'o> {
    fn new(observed: &'o Observed, seen: &'o [Option<Seen>], guarantee: Guarantee) -> Self {
        let mut numbers: FxHashMap<u32, (u32, u32)> = FxHashMap::default();
        let mut places = Vec::with_capacity(observed.operations.len());
        for operation in &observed.operations {
            let next = numbers.len() as u32;
            let (session, position) = numbers.entry(operation.process).or_insert((next, 0));
            *position += 1;
            places.push((*session, *position));
        }
        let mut read_number = vec![0; places.len()];
        for one in seen.iter().flatten() {
            one.reads.iter().zip(0..).for_each(|((at, _), number)| read_number[*at as usize] = number);
        }
        let (sessions, clocks) = (numbers.len(), vec![0; numbers.len() * places.len()]);
        Self { observed, seen, guarantee, places, sessions, clocks, read_number }
    }

    /// Until nothing is news: a read may show a write that was invoked after it. False if the time is over before.
    fn fill(&mut self, transitive: bool, limits: &Limits<'_>) -> bool {
        loop {
            let mut last: Vec<Option<u32>> = vec![None; self.sessions];
            let mut news = false;
            for at in 0..self.places.len() as u32 {
                if (at as usize).is_multiple_of(LOOK_EVERY) && (limits.out_of_time)() {
                    return false;
                }
                let (session, position) = self.places[at as usize];
                if let Some(before) = last[session as usize].replace(at) {
                    news |= self.learn(at, before, true, position - 1);
                }
                for write in self.last_seen(at) {
                    let (_, position) = self.places[write as usize];
                    news |= self.learn(at, write, transitive, position);
                }
            }
            if !news || !transitive {
                return true;
            }
        }
    }

    /// The last write of each session that a read sees.
    fn last_seen(&self, at: u32) -> Vec<u32> {
        let operation = &self.observed.operations[at as usize];
        let (Action::Read { .. }, Some(seen)) = (&operation.action, &self.seen[operation.key as usize]) else {
            return Vec::new();
        };
        let sees = &seen.reads[self.read_number[at as usize] as usize].1;
        let last = seen.last_of_sessions(self.observed, sees);
        last.into_iter().map(|write| seen.writes[write as usize]).collect()
    }

    fn learn(&mut self, later: u32, earlier: u32, all: bool, position: u32) -> bool {
        let (a, b) = (later as usize * self.sessions, earlier as usize * self.sessions);
        let mut news = false;
        for session in 0..self.sessions {
            let own = session == self.places[earlier as usize].0 as usize;
            let passed_on = if all { self.clocks[b + session] } else { 0 };
            let known = if own { passed_on.max(position) } else { passed_on };
            news |= known > self.clocks[a + session];
            self.clocks[a + session] = self.clocks[a + session].max(known);
        }
        news
    }

    /// False if the time is over before every read was looked at.
    fn judge(&self, found: &mut Found, limits: &Limits<'_>) -> bool {
        for (seen, key) in self.seen.iter().zip(0..).filter_map(|(seen, key)| Some((seen.as_ref()?, key))) {
            let sessions = self.acknowledged(seen);
            for ((reader, sees), number) in seen.reads.iter().zip(0usize..) {
                if number.is_multiple_of(LOOK_EVERY) && (limits.out_of_time)() {
                    return false;
                }
                let missed = sessions.iter().filter_map(|session| self.missed(*reader, sees, session)).min();
                // The way is long to find: only for those that are told.
                let told = found.counts.get(&self.guarantee).is_none_or(|count| *count < limits.anomalies_max as u64);
                let proof = missed.filter(|_| told).map(|missed| self.path(*reader, seen.writes[missed as usize]));
                let mut report = Report { seen, observed: self.observed, key, reader: number, found, limits };
                if report.unless(missed, self.guarantee, |_| None)
                    && told
                    && let Some(miss) = found.misses.last_mut().filter(|miss| miss.reader == *reader)
                {
                    miss.operations.extend(proof.into_iter().flatten());
                    miss.operations.sort_unstable();
                    miss.operations.dedup();
                }
            }
        }
        true
    }

    /// The acknowledged writes of a key by session.
    fn acknowledged(&self, seen: &Seen) -> Vec<OfSession> {
        let mut sessions: BTreeMap<u32, OfSession> = BTreeMap::new();
        for (operation, write) in seen.writes.iter().zip(0..) {
            if self.observed.operations[*operation as usize].acknowledged {
                let (session, position) = self.places[*operation as usize];
                let empty = || OfSession { session, positions: Vec::new(), set: Bits::new(seen.writes.len()) };
                let own = sessions.entry(session).or_insert_with(empty);
                own.positions.push((position, write));
                own.set.set(write);
            }
        }
        sessions.into_values().collect()
    }

    /// The first write of a session that happened before a reader, which does not see it.
    fn missed(&self, reader: u32, sees: &Bits, of: &OfSession) -> Option<u32> {
        let known = self.clocks[reader as usize * self.sessions + of.session as usize];
        let count = of.positions.partition_point(|(position, _)| *position <= known);
        let (_, last) = of.positions[count.checked_sub(1)?];
        of.set.first_beyond(sees).filter(|missed| *missed <= last)
    }

    /// The operations along which a reader knew of a write, with the writes that those reads see.
    fn path(&self, reader: u32, missed: u32) -> Vec<u32> {
        let (session, position) = self.places[missed as usize];
        let previous = self.previous();
        let mut came: FxHashMap<u32, u32> = FxHashMap::default();
        let mut queue = std::collections::VecDeque::from([reader]);
        let mut end = reader;
        while let Some(at) = queue.pop_front() {
            if self.places[at as usize].0 == session && self.places[at as usize].1 >= position && at != reader {
                end = at;
                break;
            }
            let own =
                self.guarantee == Guarantee::Causal || self.places[at as usize].0 == self.places[reader as usize].0;
            let seen = if own { self.last_seen(at) } else { Vec::new() };
            // The writes that the reader itself sees are no news to it.
            let seen = if at == reader && self.guarantee == Guarantee::Pram { Vec::new() } else { seen };
            for before in previous[at as usize].into_iter().chain(seen) {
                if before != reader && !came.contains_key(&before) {
                    came.insert(before, at);
                    queue.push_back(before);
                }
            }
        }
        let mut path = vec![end];
        while let Some(next) = came.get(path.last().unwrap_or(&end)) {
            path.push(*next);
        }
        let shown: Vec<u32> = path.iter().flat_map(|at| self.seen_by(*at)).collect();
        path.extend(shown);
        path
    }

    /// By operation: the one before it in its session.
    fn previous(&self) -> Vec<Option<u32>> {
        let mut last: Vec<Option<u32>> = vec![None; self.sessions];
        let places = self.places.iter().zip(0..);
        places.map(|((session, _), at)| last[*session as usize].replace(at)).collect()
    }

    fn seen_by(&self, at: u32) -> Vec<u32> {
        let operation = &self.observed.operations[at as usize];
        match (&operation.action, &self.seen[operation.key as usize]) {
            (Action::Read { .. }, Some(seen)) => {
                let sees = &seen.reads[self.read_number[at as usize] as usize].1;
                sees.members().map(|write| seen.writes[write as usize]).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// What one session wrote to a key: place in the session, and write.
struct OfSession {
    session: u32,
    positions: Vec<(u32, u32)>,
    set: Bits,
}
