//! How many versions reads are behind.
//!
//! For k = 2 this is exact, by the algorithm with limited backtracking of Golab, Hurwitz and Li (On the
//! k-Atomicity-Verification Problem, ICDCS 2013, LBT). It builds the order from its end. A write may be the last of
//! those left if it precedes none of them in real time. If it is the last, every read that begins after its end returns
//! it or the write just before it. So if a read returns another write, that one must be the write just before, and so
//! on, until no such read is left: this is a run. A finished run never needs to be undone: the rest is a smaller case
//! of the same problem, since removing a write with all its reads cannot make other reads staler. If no write can begin
//! a run, the register is not 2-atomic. O(n log n) if the first tries succeed; in the worst case that times the number
//! of concurrent writes for each run. The number of steps is bounded.
//!
//! For any k there is a lower bound: a read is behind each write that began after the read's own write had ended, and
//! that ended before the read began. O(n log n).

use super::input::{Moment, Register};

/// The search for k = 2 gives up after so many steps for each operation of the register.
const STEPS_PER_OPERATION: u64 = 500;
/// The most writes in a violation of which needless ones are removed, one by one.
const WRITES_REDUCED_MAX: usize = 300;

/// A lower bound of k, with operations that prove it: the read's write, up to `between_max` of the k - 1 writes in
/// between, and last the read.
pub(crate) fn at_least(register: &Register, between_max: u64) -> (u64, Vec<usize>) {
    let mut starts: Vec<Moment> = register.writes.iter().map(|write| write.start).collect();
    starts.sort_unstable();
    let mut ended: Vec<&super::input::Write> = register.writes.iter().collect();
    ended.sort_unstable_by_key(|write| write.finish);
    let mut ended = ended.into_iter().peekable();
    let mut tree = Counts(vec![0; starts.len() + 1]);
    let mut reads: Vec<&super::input::Read> = register.reads.iter().collect();
    reads.sort_unstable_by_key(|read| read.start);
    let mut worst = (0, None);
    for read in reads {
        while let Some(write) = ended.next_if(|write| write.finish < read.start) {
            tree.add(starts.partition_point(|start| *start < write.start));
        }
        let own = register.writes[read.of].finish;
        let between = tree.from(starts.partition_point(|start| *start <= own));
        if between > worst.0 || worst.1.is_none() {
            worst = (between, Some(read));
        }
    }
    let (between, Some(read)) = worst else { return (1, Vec::new()) };
    (between + 1, shown(register, read, usize::try_from(between_max).unwrap_or(usize::MAX)))
}

fn shown(register: &Register, read: &super::input::Read, between_max: usize) -> Vec<usize> {
    let own = &register.writes[read.of];
    let between = register.writes.iter().filter(|write| write.start > own.finish && write.finish < read.start);
    let listed = std::iter::once(own).chain(between.take(between_max));
    let mut ops: Vec<usize> = listed.flat_map(|write| ended_by(register, write)).collect();
    ops.retain(|op| *op != read.op);
    ops.push(read.op);
    ops
}

/// A write, and the read that proves that it had ended, if its acknowledgement does not.
fn ended_by(register: &Register, write: &super::input::Write) -> impl Iterator<Item = usize> {
    let by_read = write.acknowledged != Some(write.finish);
    let first = write.reads.iter().min_by_key(|read| register.reads[**read].finish).filter(|_| by_read);
    write.op.into_iter().chain(first.map(|read| register.reads[*read].op))
}

/// Counts the added positions from a given one on (a Fenwick tree, from the end).
struct Counts(Vec<u64>);

impl Counts {
    fn add(&mut self, position: usize) {
        let mut at = self.0.len() - 1 - position;
        while at < self.0.len() {
            self.0[at] += 1;
            at |= at + 1;
        }
    }

    fn from(&self, position: usize) -> u64 {
        let mut sum = 0;
        let mut end = self.0.len() - position;
        while end > 0 {
            sum += self.0[end - 1];
            end &= end - 1;
        }
        sum
    }
}

/// Whether the register is 2-atomic; none if the search gave up.
pub(crate) fn two_atomic(register: &Register, out_of_time: &dyn Fn() -> bool) -> Option<bool> {
    let mut search = Search::new(register);
    while let Some(newest) = search.writes_by_start.last() {
        let latest_start = register.writes[newest].start;
        let mut candidate = search.writes_by_finish.last();
        loop {
            let Some(write) = candidate.filter(|write| register.writes[*write].finish >= latest_start) else {
                return Some(false);
            };
            let mark = search.log.len();
            if search.run(write) {
                search.log.clear();
                break;
            }
            search.take_back(mark);
            if search.steps == 0 || out_of_time() {
                return None;
            }
            candidate = search.writes_by_finish.before(write);
        }
    }
    Some(true)
}

/// The operations of a register that is not 2-atomic, without needless ones: for small registers, no write can be
/// removed from the result.
pub(crate) fn without_needless(register: &Register, out_of_time: &dyn Fn() -> bool) -> Vec<usize> {
    let mut left = register.clone();
    let mut at = 0;
    while left.writes.len() <= WRITES_REDUCED_MAX && at < left.writes.len() && !out_of_time() {
        let dropped = left.writes[at].op;
        let smaller = left.without(|write| write.op == dropped);
        if dropped.is_some() && two_atomic(&smaller, out_of_time) == Some(false) {
            left = smaller;
        } else {
            at += 1;
        }
    }
    (0..left.writes.len()).flat_map(|write| left.ops(write).collect::<Vec<_>>()).collect()
}

/// A doubly linked list of positions. Positions are taken out, and put back in the reverse order, each in O(1).
struct Chain {
    before: Vec<usize>,
    after: Vec<usize>,
}

impl Chain {
    fn new(order: &[usize]) -> Self {
        let end = order.len();
        let (mut before, mut after) = (vec![end; end + 1], vec![end; end + 1]);
        for pair in order.windows(2) {
            (after[pair[0]], before[pair[1]]) = (pair[1], pair[0]);
        }
        if let (Some(first), Some(last)) = (order.first(), order.last()) {
            (after[end], before[end]) = (*first, *last);
        }
        Self { before, after }
    }

    fn last(&self) -> Option<usize> {
        self.before(self.before.len() - 1)
    }

    fn before(&self, at: usize) -> Option<usize> {
        let before = self.before[at];
        (before < self.before.len() - 1).then_some(before)
    }

    fn take(&mut self, at: usize) {
        let (before, after) = (self.before[at], self.after[at]);
        debug_assert!(self.after[before] == at && self.before[after] == at, "only what is in the list is taken out");
        (self.after[before], self.before[after]) = (after, before);
    }

    fn put_back(&mut self, at: usize) {
        let (before, after) = (self.before[at], self.after[at]);
        // The neighbours at the time when it was taken out are neighbours again, if the order is reversed.
        debug_assert!(
            self.after[before] == after && self.before[after] == before,
            "what was taken last is put back first"
        );
        (self.after[before], self.before[after]) = (at, at);
    }
}

enum Taken {
    Write(usize),
    Read(usize),
}

struct Search<'a> {
    register: &'a Register,
    writes_by_start: Chain,
    writes_by_finish: Chain,
    reads_by_start: Chain,
    read_is_left: Vec<bool>,
    log: Vec<Taken>,
    steps: u64,
}

impl<'a> Search<'a> {
    fn new(register: &'a Register) -> Self {
        let sorted = |count: usize, key: &dyn Fn(usize) -> Moment| {
            let mut order: Vec<usize> = (0..count).collect();
            order.sort_by_key(|at| key(*at));
            Chain::new(&order)
        };
        let (writes, reads) = (register.writes.len(), register.reads.len());
        Self {
            register,
            writes_by_start: sorted(writes, &|at| register.writes[at].start),
            writes_by_finish: sorted(writes, &|at| register.writes[at].finish),
            reads_by_start: sorted(reads, &|at| register.reads[at].start),
            read_is_left: vec![true; reads],
            log: Vec::new(),
            steps: STEPS_PER_OPERATION * (writes + reads + 1000) as u64,
        }
    }

    /// Places a write last, and before it those that this forces; false if some read cannot be placed.
    fn run(&mut self, first: usize) -> bool {
        let mut write = first;
        loop {
            self.take_write(write);
            for at in 0..self.register.writes[write].reads.len() {
                self.take_read(self.register.writes[write].reads[at]);
            }
            let mut forced = None;
            while let Some(read) = self.reads_by_start.last() {
                let read_of = &self.register.reads[read];
                if read_of.start <= self.register.writes[write].finish {
                    break;
                }
                if *forced.get_or_insert(read_of.of) != read_of.of || self.steps == 0 {
                    return false;
                }
                self.take_read(read);
            }
            let Some(next) = forced else { return true };
            let latest = self.writes_by_start.last().map(|newest| self.register.writes[newest].start);
            if latest.is_none_or(|latest| self.register.writes[next].finish < latest) {
                return false;
            }
            write = next;
        }
    }

    fn take_write(&mut self, write: usize) {
        self.steps = self.steps.saturating_sub(1);
        self.writes_by_start.take(write);
        self.writes_by_finish.take(write);
        self.log.push(Taken::Write(write));
    }

    fn take_read(&mut self, read: usize) {
        self.steps = self.steps.saturating_sub(1);
        if std::mem::replace(&mut self.read_is_left[read], false) {
            self.reads_by_start.take(read);
            self.log.push(Taken::Read(read));
        }
    }

    fn take_back(&mut self, mark: usize) {
        while self.log.len() > mark {
            match self.log.pop() {
                Some(Taken::Write(write)) => {
                    self.writes_by_finish.put_back(write);
                    self.writes_by_start.put_back(write);
                }
                Some(Taken::Read(read)) => {
                    self.reads_by_start.put_back(read);
                    self.read_is_left[read] = true;
                }
                None => {}
            }
        }
    }
}
