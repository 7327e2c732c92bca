//! What happened before each read, over all keys of a workload, as vector clocks.
//!
//! The clock of an operation counts, for each session, how many of its operations happened before. For causality, everything
//! that happened before what an operation knew of also happened before the operation. Clocks are filled in the order of
//! invocation, and again until nothing changes, since a read may see a write that was invoked after it. For PRAM, an operation
//! passes on what it knew only within its session: of the writes that it has seen itself only their positions count, not what
//! their writers had seen. So one pass is enough.
//!
//! A write that failed has happened if a read sees it or if it is in the past of another write. What its session did before
//! it happened before it, but the session goes on as if that write did not exist. So it is a session of its own, which
//! follows the other one.
//!
//! Time: O(operations x sessions), for causality a few times over; memory the same, up to [`CLOCKS_MAX`].

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use crate::history::{EventType, Operation, Phase};
use crate::limits::Limits;
use crate::visibility::{Block, KeyFacts, Late, Lists, Step, WorkloadFacts, components};

/// Entries of clocks, 4 bytes each; a history that needs more is not judged.
pub(crate) const CLOCKS_MAX: usize = 1 << 25;
/// How many times clocks are filled before giving up with a doubt.
const ROUNDS_MAX: usize = 64;
/// How many operations between two looks at the time.
const LOOK_EVERY: usize = 1024;

/// What an operation passes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// To the rest of its session all that it knows, to other sessions its position.
    Pram,
    /// To every operation that knows of it, all that it knows.
    Causal,
}

/// An operation of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Act {
    Write(usize),
    Read(usize),
}

/// An operation among all of the workload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub key: usize,
    pub act: Act,
    session: usize,
    /// Its position in its session, from 1.
    position: u32,
    /// The operation before it; for a write that failed, one in the session that it follows.
    previous: Option<usize>,
}

/// The positions of the operations of a key among all; those that are not judged have none.
struct Numbers {
    writes: Vec<Option<usize>>,
    reads: Vec<Option<usize>>,
}

impl Numbers {
    fn new(key: &KeyFacts<'_>) -> Self {
        Self { writes: vec![None; key.writes.len()], reads: vec![None; key.reads.len()] }
    }
}

/// An operation before it has a number: its place in time, its process, its key.
type Placed = (Step, u64, usize, Act);

/// What happened before what.
pub(super) struct Clocks<'w, 'h> {
    keys: &'w [KeyFacts<'h>],
    reach: Reach,
    /// In the order of invocation.
    nodes: Vec<Node>,
    /// For each key.
    numbers: Vec<Numbers>,
    sessions: usize,
    /// By operation and session: how many of the session's operations happened before.
    clocks: Vec<u32>,
    /// What could not be followed to its end, if anything.
    pub doubt: Option<String>,
}

impl<'w, 'h> Clocks<'w, 'h> {
    /// The clocks of all operations, or why there are none.
    pub(super) fn new(workload: &'w WorkloadFacts<'h>, reach: Reach, limits: &Limits<'_>) -> Result<Self, String> {
        let keys = &workload.keys[..];
        let mut acts: Vec<Placed> = Vec::new();
        for (number, key) in keys.iter().enumerate().filter(|(_, key)| key.flaws.is_empty()) {
            let made = made(key);
            let writes = key.writes.iter().enumerate().filter(|(at, _)| made[*at]);
            acts.extend(writes.map(|(at, one)| (one.step(), one.operation.process(), number, Act::Write(at))));
            let reads = key.reads.iter().enumerate().filter(|(_, read)| read.operation.phase() != Phase::Replica);
            acts.extend(reads.map(|(at, one)| (one.step(), one.operation.process(), number, Act::Read(at))));
        }
        acts.sort_unstable();
        let numbers = keys.iter().map(Numbers::new).collect();
        let nodes = Vec::with_capacity(acts.len());
        let mut clocks = Self { keys, reach, nodes, numbers, sessions: 0, clocks: Vec::new(), doubt: None };
        clocks.number(&acts);
        let (operations, sessions) = (clocks.nodes.len(), clocks.sessions);
        let entries = sessions.saturating_mul(operations);
        if entries > CLOCKS_MAX || entries as u64 * 4 > limits.memory_bytes {
            return Err(format!("the clocks of {operations} operations by {sessions} processes are too many"));
        }
        clocks.clocks = vec![0; entries];
        let in_time = match reach {
            Reach::Pram => clocks.fill_once(limits),
            Reach::Causal => clocks.fill(limits),
        };
        if !in_time {
            return Err("the time was over before it was known what happened before what".to_owned());
        }
        Ok(clocks)
    }

    fn number(&mut self, acts: &[Placed]) {
        let mut chains: BTreeMap<u64, (usize, u32, Option<usize>)> = BTreeMap::new();
        for (at, (_, process, key, act)) in acts.iter().enumerate() {
            let failed = match act {
                Act::Write(write) => self.keys[*key].writes[*write].operation.outcome() == EventType::Fail,
                Act::Read(_) => false,
            };
            let (session, position, previous) = if failed {
                self.sessions += 1;
                (self.sessions - 1, 1, chains.get(process).and_then(|(_, _, last)| *last))
            } else {
                let sessions = &mut self.sessions;
                let (session, position, last) = chains.entry(*process).or_insert_with(|| {
                    *sessions += 1;
                    (*sessions - 1, 0, None)
                });
                *position += 1;
                (*session, *position, last.replace(at))
            };
            self.nodes.push(Node { key: *key, act: *act, session, position, previous });
            match act {
                Act::Write(write) => self.numbers[*key].writes[*write] = Some(at),
                Act::Read(read) => self.numbers[*key].reads[*read] = Some(at),
            }
        }
    }

    /// The writes that an operation has seen itself: the last one of each session, and the direct predecessors in the past.
    fn seen(&self, node: usize) -> Vec<usize> {
        let Node { key, act, .. } = self.nodes[node];
        let facts = &self.keys[key];
        let writes = match act {
            Act::Read(read) => &facts.reads[read].heads[..],
            Act::Write(write) => facts.writes[write].past.known(),
        };
        let number = |write: &u32| self.numbers[key].writes[*write as usize];
        writes.iter().filter_map(number).filter(|seen| *seen != node).collect()
    }

    /// Fills the clocks of causality; false if the time is over before.
    fn fill(&mut self, limits: &Limits<'_>) -> bool {
        let count = self.nodes.len();
        let seen: Vec<Vec<usize>> = (0..count).map(|node| self.seen(node)).collect();
        // The turn in which each clock was changed last. A clock that has not changed since one's own last turn need not be read.
        let mut changed = vec![0; count];
        for round in 0..ROUNDS_MAX {
            let mut news = false;
            for (node, seen) in seen.iter().enumerate() {
                if node.is_multiple_of(LOOK_EVERY) && (limits.out_of_time)() {
                    return false;
                }
                let (turn, previous) = ((round + 1) * count + node, self.nodes[node].previous);
                for earlier in previous.iter().chain(seen) {
                    if (round == 0 || changed[*earlier] > turn - count) && self.learn(node, *earlier) {
                        changed[node] = turn;
                        news = true;
                    }
                }
            }
            if !news {
                return true;
            }
        }
        self.doubt = Some(format!("what happened before what was followed {ROUNDS_MAX} times, not to the end"));
        true
    }

    /// Fills the clocks of PRAM; false if the time is over before.
    fn fill_once(&mut self, limits: &Limits<'_>) -> bool {
        for key in 0..self.keys.len() {
            if (limits.out_of_time)() {
                return false;
            }
            self.see(key);
        }
        for node in 0..self.nodes.len() {
            if let Some(previous) = self.nodes[node].previous {
                self.learn(node, previous);
            }
        }
        true
    }

    /// Each operation of a key learns the positions of the writes that it has seen itself.
    fn see(&mut self, number: usize) {
        let key = &self.keys[number];
        if key.is_plain() {
            let reads: Vec<usize> = self.numbers[number].reads.iter().flatten().copied().collect();
            for node in reads {
                for seen in self.seen(node) {
                    self.note(seen, node * self.sessions);
                }
            }
            return;
        }
        let rows = self.places_of_pasts(number);
        for (write, node) in self.numbers[number].writes.iter().enumerate() {
            if let Some(node) = node {
                let clock = &mut self.clocks[node * self.sessions..(node + 1) * self.sessions];
                key.writes[write].past.known().iter().for_each(|seen| join(clock, &rows[*seen as usize]));
            }
        }
        for (read, node) in self.numbers[number].reads.iter().enumerate() {
            if let Some(node) = node {
                let clock = &mut self.clocks[node * self.sessions..(node + 1) * self.sessions];
                key.reads[read].listed.iter().for_each(|seen| join(clock, &rows[*seen as usize]));
            }
        }
    }

    /// By write of a key and session: the last position in the past of the write, itself included.
    fn places_of_pasts(&self, number: usize) -> Vec<Vec<u32>> {
        let key = &self.keys[number];
        let pasts: Vec<&[u32]> = key.writes.iter().map(|write| write.past.known()).collect();
        let mut rows = vec![Vec::new(); pasts.len()];
        for component in components(&pasts) {
            let mut row = vec![0; self.sessions];
            for write in &component {
                pasts[*write].iter().for_each(|older| join(&mut row, &rows[*older as usize]));
                let node = self.numbers[number].writes[*write];
                for (session, position) in node.into_iter().flat_map(|node| self.places(node)) {
                    row[session] = row[session].max(position);
                }
            }
            component.iter().for_each(|write| rows[*write].clone_from(&row));
        }
        rows
    }

    /// What an operation that knows of another learns: the session and position of that one, and for a write that failed also
    /// those of the operation before it.
    fn places(&self, node: usize) -> impl Iterator<Item = (usize, u32)> + use<> {
        let Node { session, position, previous, .. } = self.nodes[node];
        let place = |node: usize| (self.nodes[node].session, self.nodes[node].position);
        let followed = previous.filter(|_| position == 1).map(place);
        [Some((session, position)), followed].into_iter().flatten()
    }

    /// A clock learns the position of an operation.
    fn note(&mut self, node: usize, clock: usize) {
        for (session, position) in self.places(node) {
            let known = &mut self.clocks[clock + session];
            *known = (*known).max(position);
        }
    }

    /// All that happened before the earlier, and itself, happened before the later.
    fn learn(&mut self, later: usize, earlier: usize) -> bool {
        let clocks = [self.clock(later), self.clock(earlier)];
        let [to, from] = self.clocks.get_disjoint_mut(clocks).expect("no operation happened before itself");
        let mut news = false;
        for (to, from) in to.iter_mut().zip(from) {
            news |= *from > *to;
            *to = (*to).max(*from);
        }
        let Node { session, position, .. } = self.nodes[earlier];
        news |= position > to[session];
        to[session] = to[session].max(position);
        news
    }

    /// Where the clock of an operation is.
    fn clock(&self, node: usize) -> Range<usize> {
        node * self.sessions..(node + 1) * self.sessions
    }

    /// For each read of a key, the writes of a block that happened before it.
    pub(super) fn must_see(&self, number: usize, block: &Block<'_, '_>) -> Vec<u64> {
        // By session, the places of its writes, each with the word of all up to it.
        let mut writes: BTreeMap<usize, Vec<(u32, u64)>> = BTreeMap::new();
        for bit in 0..block.len {
            let Some(node) = self.numbers[number].writes[block.first + bit] else { continue };
            let Node { session, position, .. } = self.nodes[node];
            let known = writes.entry(session).or_default();
            known.push((position, known.last().map_or(0, |(_, word)| *word) | 1 << bit));
        }
        let of = |node: &Option<usize>| {
            let Some(node) = *node else { return 0 };
            let clock = &self.clocks[self.clock(node)];
            writes.iter().fold(0, |word, (session, known)| {
                let clock = clock[*session];
                let count = known.partition_point(|(position, _)| *position <= clock);
                word | count.checked_sub(1).map_or(0, |last| known[last].1)
            })
        };
        self.numbers[number].reads.iter().map(of).collect()
    }

    /// By read of a key, the first write that a list shows after one that it happened before.
    pub(super) fn late(&self, number: usize) -> BTreeMap<usize, Late> {
        let lists = Lists::new(&self.keys[number]);
        if self.reach == Reach::Pram {
            return lists.late_writes();
        }
        let mut known = vec![0; self.sessions];
        let node = |write: &u32| self.numbers[number].writes[*write as usize];
        lists.late(|order| {
            known.fill(0);
            let at = order.iter().filter_map(node).position(|node| {
                let Node { session, position, .. } = self.nodes[node];
                let is_late = known[session] >= position;
                join(&mut known, &self.clocks[self.clock(node)]);
                is_late
            })?;
            let Node { session, position, .. } = self.nodes[node(&order[at])?];
            let knew =
                |write: &&u32| node(write).is_some_and(|node| self.clocks[node * self.sessions + session] >= position);
            let before = order[..at].iter().find(knew)?;
            Some(Late { at, write: order[at] as usize, before: *before as usize })
        })
    }

    /// The operations by which a read of a key knew of a write, from the write to the read.
    pub(super) fn chain_to_read(&self, number: usize, read: usize, write: usize) -> Vec<usize> {
        self.chain_between(self.numbers[number].reads[read], self.numbers[number].writes[write])
    }

    /// The same for a write that knew of another.
    pub(super) fn chain_to_write(&self, number: usize, later: usize, write: usize) -> Vec<usize> {
        self.chain_between(self.numbers[number].writes[later], self.numbers[number].writes[write])
    }

    fn chain_between(&self, to: Option<usize>, from: Option<usize>) -> Vec<usize> {
        to.zip(from).map_or_else(Vec::new, |(to, from)| self.chain(to, from))
    }

    fn chain(&self, to: usize, write: usize) -> Vec<usize> {
        let wanted = self.nodes[write];
        let mut came: BTreeMap<usize, usize> = BTreeMap::new();
        let mut open = VecDeque::from([to]);
        while let Some(node) = open.pop_front() {
            let Node { session, position, previous, .. } = self.nodes[node];
            if node != to && session == wanted.session && position >= wanted.position {
                let mut chain = vec![write, node];
                while let Some(next) = came.get(chain.last().unwrap_or(&to)) {
                    chain.push(*next);
                }
                return self.without_intermediates(chain);
            }
            for earlier in previous.into_iter().chain(self.hands_on(node, to)) {
                if earlier != to && !came.contains_key(&earlier) {
                    came.insert(earlier, node);
                    open.push_back(earlier);
                }
            }
        }
        vec![write, to]
    }

    /// What an operation passes on to another of what it has seen itself.
    fn hands_on(&self, node: usize, to: usize) -> Vec<usize> {
        let place = |node: usize| (self.nodes[node].session, self.nodes[node].position);
        let within = place(node).0 == place(to).0 && place(node).1 <= place(to).1;
        match self.reach {
            Reach::Causal => self.seen(node),
            Reach::Pram if !within => Vec::new(),
            Reach::Pram => {
                let mut all = self.seen(node);
                let mut next = 0;
                while let Some(write) = all.get(next).copied() {
                    next += 1;
                    let older = self.seen(write);
                    all.extend(
                        older.into_iter().filter(|older| *older != node && !all.contains(older)).collect::<Vec<_>>(),
                    );
                }
                all
            }
        }
    }

    /// The chain with only the first and the last of each run of one process; a step back in a session ends a run.
    fn without_intermediates(&self, mut chain: Vec<usize>) -> Vec<usize> {
        chain.dedup();
        let goes_on = |from: usize, to: usize| {
            let (from, to) = (self.nodes[from], self.nodes[to]);
            from.session == to.session && from.position <= to.position
        };
        let is_intermediate = |at: usize| {
            at > 0 && at + 1 < chain.len() && goes_on(chain[at - 1], chain[at]) && goes_on(chain[at], chain[at + 1])
        };
        (0..chain.len()).filter(|at| !is_intermediate(*at)).map(|at| chain[at]).collect()
    }

    pub(super) fn node(&self, node: usize) -> Node {
        self.nodes[node]
    }

    pub(super) fn operation(&self, node: usize) -> &'w Operation<'h> {
        let Node { key, act, .. } = self.nodes[node];
        match act {
            Act::Write(write) => &self.keys[key].writes[write].operation,
            Act::Read(read) => &self.keys[key].reads[read].operation,
        }
    }
}

/// By write of a key, whether it has happened: it did not fail, or a read shows it, or it is in the past of another write.
fn made(key: &KeyFacts<'_>) -> Vec<bool> {
    let mut made: Vec<bool> = key.writes.iter().map(|write| write.operation.outcome() != EventType::Fail).collect();
    let listed = key.reads.iter().flat_map(|read| &read.listed);
    for write in listed.chain(key.writes.iter().flat_map(|write| write.past.known())) {
        made[*write as usize] = true;
    }
    made
}

/// The later of each two places.
fn join(to: &mut [u32], from: &[u32]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = (*to).max(*from));
}
