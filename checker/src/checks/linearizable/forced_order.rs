//! What must come before what in any order of the processes' operations, if every value of a register is written once.
//!
//! Then each read names the write that it saw, and two rules add more, again and again until nothing is new. Of a read r
//! of w and another write w' of the same register:
//!
//! - if w' comes before r, it comes before w, or r would have seen it;
//! - if w' comes after w, it comes after r, for the same reason.
//!
//! If that makes an operation come before itself, there is no order at all. If not, there may still be none (the problem
//! is NP-complete), but a search that keeps what is forced has little left to choose. The rules are those of Gibbons and
//! Korach, "Testing shared memories", 1997; as in `isolation::causality` a vector clock for each operation counts what
//! comes before it in each process, and of each process only the last write before an operation matters.
//!
//! Time: O(n x processes) for each round of news, of which there are few where clients and the store keep abreast.

use rustc_hash::FxHashMap;

/// The value was there from the beginning.
pub(super) const INITIAL: u32 = u32::MAX;
/// The time is looked at once in so many operations.
const LOOK_EVERY: u32 = 1024;

/// An operation, in the order of invocation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub process: u32,
    /// Its place in its process, from 1.
    pub position: u32,
    pub key: u32,
    /// The operation that wrote what it saw, or [`INITIAL`]; none if it sees nothing.
    pub source: Option<u32>,
    pub writes: bool,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forced {
    /// No operation comes before itself.
    Acyclic,
    /// This one does.
    Cycle(u32),
    /// The time was over.
    OutOfTime,
}

/// The writes of a key by a process: their positions and numbers, ascending.
type Writes = (u32, Vec<(u32, u32)>);

pub(super) struct ForcedOrder<'n> {
    nodes: &'n [Node],
    processes: usize,
    /// For each operation and process: how many of the process's operations come before.
    clocks: Vec<u32>,
    next: Vec<u32>,
    writes: FxHashMap<u32, Vec<Writes>>,
    /// Who saw each write, and of each process the last who did; in `initial` the same of what was there at first.
    readers: Vec<Vec<u32>>,
    last_readers: Vec<Vec<u32>>,
    initial: FxHashMap<u32, Vec<u32>>,
    /// What is forced to come after an operation.
    after: FxHashMap<u32, Vec<u32>>,
    /// Those whose clocks have changed.
    changed: Vec<u32>,
}

const NOBODY: u32 = u32::MAX;

impl<'n> ForcedOrder<'n> {
    pub(super) fn new(nodes: &'n [Node], processes: usize) -> Self {
        let mut order = Self {
            nodes,
            processes,
            clocks: vec![0; nodes.len() * processes],
            next: vec![NOBODY; nodes.len()],
            writes: FxHashMap::default(),
            readers: vec![Vec::new(); nodes.len()],
            last_readers: vec![Vec::new(); nodes.len()],
            initial: FxHashMap::default(),
            after: FxHashMap::default(),
            changed: Vec::new(),
        };
        let mut last = vec![NOBODY; processes];
        for (node, number) in nodes.iter().zip(0..) {
            let before = std::mem::replace(&mut last[node.process as usize], number);
            if before != NOBODY {
                order.next[before as usize] = number;
            }
            if node.writes {
                let of_key = order.writes.entry(node.key).or_default();
                match of_key.iter_mut().find(|(process, _)| *process == node.process) {
                    Some((_, list)) => list.push((node.position, number)),
                    None => of_key.push((node.process, vec![(node.position, number)])),
                }
            }
            let lasts = match node.source {
                None => continue,
                Some(INITIAL) => order.initial.entry(node.key).or_default(),
                Some(source) => {
                    order.readers[source as usize].push(number);
                    &mut order.last_readers[source as usize]
                }
            };
            lasts.retain(|other| nodes[*other as usize].process != node.process);
            lasts.push(number);
        }
        order
    }

    /// Bytes that it takes.
    pub(super) fn bytes(operations: usize, processes: usize) -> usize {
        operations * (processes * size_of::<u32>() + 2 * size_of::<Vec<u32>>() + 64)
    }

    /// How many operations of each process come before this one.
    pub(super) fn before(&self, node: u32) -> &[u32] {
        &self.clocks[node as usize * self.processes..][..self.processes]
    }

    /// Applies the rules until nothing is new.
    pub(super) fn saturate(&mut self, out_of_time: &dyn Fn() -> bool) -> Forced {
        let mut looked = 0;
        for number in 0..self.nodes.len() as u32 {
            let Node { source, .. } = self.nodes[number as usize];
            let source = source.filter(|source| *source != INITIAL);
            if !source.is_none_or(|source| self.learn(source, number)) {
                return Forced::Cycle(number);
            }
            self.changed.push(number);
            while let Some(changed) = self.changed.pop() {
                looked += 1;
                if looked % LOOK_EVERY == 0 && out_of_time() {
                    return Forced::OutOfTime;
                }
                // What comes later is looked at in its turn.
                if changed <= number && !self.apply(changed) {
                    return Forced::Cycle(changed);
                }
            }
            let next = self.next[number as usize];
            if next != NOBODY && !self.learn(number, next) {
                return Forced::Cycle(next);
            }
        }
        Forced::Acyclic
    }

    fn comes_before(&self, earlier: u32, later: u32) -> bool {
        let Node { process, position, .. } = self.nodes[earlier as usize];
        self.before(later)[process as usize] >= position
    }

    /// Applies both rules to an operation; false if something comes before itself.
    fn apply(&mut self, number: u32) -> bool {
        let Node { key, source, writes, .. } = self.nodes[number as usize];
        let latest: Vec<u32> = self.latest(key, number);
        if let Some(source) = source.filter(|source| *source != INITIAL) {
            for write in latest.iter().filter(|write| **write != source) {
                if !self.force(*write, source) {
                    return false;
                }
            }
        }
        if !writes {
            return true;
        }
        let readers = latest.iter().flat_map(|write| &self.last_readers[*write as usize]);
        let readers = readers.chain(self.initial.get(&key).into_iter().flatten());
        let others: Vec<u32> = readers.copied().filter(|reader| *reader != number).collect();
        others.into_iter().all(|reader| self.force(reader, number))
    }

    /// The last write of a key by each process before an operation.
    fn latest(&self, key: u32, number: u32) -> Vec<u32> {
        let clock = self.before(number);
        let of_process = |(process, list): &Writes| {
            let known = list.partition_point(|(position, _)| *position <= clock[*process as usize]);
            Some(list[known.checked_sub(1)?].1)
        };
        self.writes.get(&key).into_iter().flatten().filter_map(of_process).collect()
    }

    fn force(&mut self, earlier: u32, later: u32) -> bool {
        if earlier == later {
            return false;
        }
        if self.comes_before(earlier, later) {
            return true;
        }
        self.after.entry(earlier).or_default().push(later);
        self.learn(earlier, later)
    }

    /// Passes on that one operation comes before another; false if something comes before itself then.
    fn learn(&mut self, earlier: u32, later: u32) -> bool {
        let mut open = vec![(earlier, later)];
        while let Some((earlier, later)) = open.pop() {
            if !self.join(earlier, later) {
                continue;
            }
            if self.comes_before(later, later) {
                return false;
            }
            self.changed.push(later);
            let next = Some(self.next[later as usize]).filter(|next| *next != NOBODY);
            let forced = self.after.get(&later).into_iter().flatten();
            open.extend(next.iter().chain(&self.readers[later as usize]).chain(forced).map(|next| (later, *next)));
        }
        true
    }

    /// Joins a clock into another; whether that is news.
    fn join(&mut self, earlier: u32, later: u32) -> bool {
        let (from, to) = (earlier as usize * self.processes, later as usize * self.processes);
        let mut news = false;
        for process in 0..self.processes {
            let known = self.clocks[from + process];
            let count = &mut self.clocks[to + process];
            if known > *count {
                *count = known;
                news = true;
            }
        }
        let Node { process, position, .. } = self.nodes[earlier as usize];
        let own = &mut self.clocks[to + process as usize];
        if position > *own {
            *own = position;
            news = true;
        }
        news
    }
}
