//! Is a register linearizable, with reads, writes and compare-and-set, where every value is written once?
//!
//! Each value then has a zone (Gibbons and Korach, "Testing shared memories", 1997): between the first completion and the
//! last invocation of its write and its reads, the register must hold it (forward), or if the invocation comes first, all
//! can happen at any one moment between (backward). A compare-and-set from a to b puts b directly after a, so values
//! linked by them are one block with one zone. The history is linearizable if and only if no read or compare-and-set
//! completes before what it has seen was written, no two forward zones overlap, and no backward zone lies inside a forward
//! one. O(n log n). Abdulla et al. and Lee and Mathur (arXiv 2410.04581) prove the case without compare-and-set anew;
//! that with it is held against the general search by tests.
//!
//! The initial value is a write before everything. An operation that never completed: a write that nobody saw is taken
//! not to have happened, one that was seen completes at infinity. A compare-and-set that failed can be held to mean that
//! the register had another value at some moment (`enforce`); then an order of the blocks is looked for that grants
//! each such moment, and where none is found at once the answer is left to the general search.

use rustc_hash::{FxHashMap, FxHashSet};

use super::machine::{Bonds, Machine, Timed};

/// What was done with a register. Values are names: equal if and only if the values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The value was written.
    Write(u32),
    /// The value was read.
    Read(u32),
    /// The first value was found and replaced by the second.
    Cas(u32, u32),
    /// Another value than this one was found.
    FailedCas(u32),
}

/// An operation on a register.
pub type Op = Timed<Action>;

/// A register as a state machine; it begins with the value that it holds.
#[derive(Clone, Copy, Debug)]
pub struct Register(
    /// The initial value.
    pub u32,
);

impl Machine for Register {
    type State = u32;
    type Action = Action;

    fn initial(&self) -> u32 {
        self.0
    }

    fn step(&self, held: &u32, action: &Action) -> impl IntoIterator<Item = u32> {
        match *action {
            Action::Write(value) => Some(value),
            Action::Read(value) => (value == *held).then_some(value),
            Action::Cas(from, to) => (from == *held).then_some(to),
            Action::FailedCas(expected) => (expected != *held).then_some(*held),
        }
    }

    fn only_reads(&self, action: &Action) -> bool {
        match *action {
            Action::Read(_) | Action::FailedCas(_) => true,
            Action::Cas(from, to) => from == to,
            Action::Write(_) => false,
        }
    }

    fn bonds(&self, action: &Action) -> Option<Bonds> {
        let some = |value: &u32| vec![u64::from(*value)];
        Some(match action {
            Action::Write(value) => Bonds { gives: some(value), takes: Vec::new() },
            Action::Read(value) => Bonds { gives: Vec::new(), takes: some(value) },
            Action::Cas(from, to) if from == to => Bonds { gives: Vec::new(), takes: some(from) },
            Action::Cas(from, to) => Bonds { gives: some(to), takes: some(from) },
            Action::FailedCas(_) => return None,
        })
    }
}

/// What the zones say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Zones {
    /// There is an order.
    Linearizable,
    /// There is none, and why.
    Violation(Proof),
    /// A value is written twice: zones do not apply.
    NotUnique,
    /// All but the failed compare-and-sets have an order; whether they have is not known.
    Undecided,
    /// The time was over.
    OutOfTime,
}

/// Why there is no order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The anomaly's name.
    pub kind: &'static str,
    /// The reason, in words that go on with the operations.
    pub reason: &'static str,
    /// Positions of the operations in the list that was given; with all that they rely on they are a violation.
    pub operations: Vec<usize>,
}

/// What a value's cluster has no operation for.
const NONE: u32 = u32::MAX;
/// The initial value's cluster.
const INITIAL: u32 = 0;

/// A value with its write and its reads. Times are positions in the history, one later, so that 0 is before everything.
#[derive(Clone, Copy)]
pub(super) struct Cluster {
    /// The write or compare-and-set; [`NONE`] of the initial value.
    writer: u32,
    /// The cluster that a compare-and-set found, of the writer.
    from: u32,
    /// The cluster that a compare-and-set put after this one.
    next: u32,
    /// How many operations that happened have seen it.
    seen: u32,
    pub(super) written: (u64, u64),
    /// First completion and last invocation of its reads.
    read: (u64, u64),
    pub(super) dropped: bool,
}

impl Cluster {
    pub(super) fn first_ret(&self) -> u64 {
        self.written.0.min(self.read.0)
    }

    pub(super) fn last_call(&self) -> u64 {
        self.written.1.max(self.read.1)
    }
}

/// Values that follow one another by compare-and-set, or one alone, with their common zone.
#[derive(Clone, Copy)]
pub(super) struct Block {
    pub(super) root: u32,
    pub(super) first_ret: u64,
    pub(super) last_call: u64,
}

impl Block {
    pub(super) fn is_forward(&self) -> bool {
        self.first_ret < self.last_call
    }
}

/// The clusters of a register.
pub(super) struct Clusters<'a> {
    pub(super) operations: &'a [Op],
    pub(super) numbers: FxHashMap<u32, u32>,
    pub(super) all: Vec<Cluster>,
}

pub(super) fn call_of(operation: &Op) -> u64 {
    u64::from(operation.call) + 1
}

pub(super) fn ret_of(operation: &Op) -> u64 {
    if operation.completed() { u64::from(operation.ret) + 1 } else { u64::MAX }
}

impl<'a> Clusters<'a> {
    /// None if a value is written twice.
    pub(super) fn new(operations: &'a [Op], initial: u32) -> Option<Self> {
        let empty = Cluster {
            writer: NONE,
            from: NONE,
            next: NONE,
            seen: 0,
            written: (0, 0),
            read: (u64::MAX, 0),
            dropped: false,
        };
        let writes = |operation: &&Op| match operation.action {
            Action::Write(_) => true,
            Action::Cas(from, to) => from != to,
            Action::Read(_) | Action::FailedCas(_) => false,
        };
        // As large as they will be: while a vector or a table grows it is there twice.
        let values = operations.iter().filter(writes).count() + 1;
        let mut clusters = Self { operations, numbers: FxHashMap::default(), all: Vec::with_capacity(values) };
        clusters.all.push(empty);
        clusters.numbers.reserve(values);
        clusters.numbers.insert(initial, INITIAL);
        for (at, operation) in operations.iter().enumerate() {
            let value = match operation.action {
                Action::Write(value) => value,
                Action::Cas(from, to) if from != to => to,
                _ => continue,
            };
            if clusters.numbers.insert(value, clusters.all.len() as u32).is_some() {
                return None;
            }
            let written = (ret_of(operation), call_of(operation));
            clusters.all.push(Cluster { writer: at as u32, written, ..empty });
        }
        Some(clusters)
    }

    /// The blocks, if they have an order; else why not, or nothing if the time was over.
    pub(super) fn judge(&mut self, out_of_time: &dyn Fn() -> bool) -> Result<Vec<Block>, Option<Proof>> {
        let in_time = || if out_of_time() { Err(None) } else { Ok(()) };
        in_time()?;
        self.observe()?;
        in_time()?;
        self.drop_unseen();
        self.drop_circles();
        self.link()?;
        in_time()?;
        let blocks = self.blocks()?;
        in_time()?;
        self.compare(&blocks)?;
        Ok(blocks)
    }

    /// Gives each value its reads, and each compare-and-set what it found.
    fn observe(&mut self) -> Result<(), Proof> {
        for (at, operation) in self.operations.iter().enumerate() {
            match operation.action {
                Action::Read(value) if operation.completed() => self.read(at, value)?,
                Action::Cas(from, to) if from == to && operation.completed() => self.read(at, from)?,
                Action::Cas(from, to) if from != to => self.found(at, from, to)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn read(&mut self, at: usize, value: u32) -> Result<(), Proof> {
        let Some(number) = self.numbers.get(&value) else {
            return Err(proof("unwritten-value", "a value was read that nobody wrote", vec![at]));
        };
        let cluster = &mut self.all[*number as usize];
        let operation = &self.operations[at];
        cluster.read = (cluster.read.0.min(ret_of(operation)), cluster.read.1.max(call_of(operation)));
        cluster.seen += 1;
        Ok(())
    }

    fn found(&mut self, at: usize, from: u32, to: u32) -> Result<(), Proof> {
        let completed = self.operations[at].completed();
        let target = self.numbers[&to] as usize;
        match self.numbers.get(&from) {
            Some(number) => {
                self.all[target].from = *number;
                self.all[*number as usize].seen += 1;
            }
            None if completed => {
                return Err(proof("unwritten-value", "a value was found by a cas that nobody wrote", vec![at]));
            }
            // It cannot have happened.
            None => self.all[target].dropped = true,
        }
        Ok(())
    }

    /// What never completed and nobody saw is taken not to have happened; so are those that only such ones saw.
    fn drop_unseen(&mut self) {
        let open = |cluster: &Cluster| cluster.writer != NONE && cluster.written.0 == u64::MAX;
        let unseen = |cluster: &Cluster| open(cluster) && cluster.seen == 0 && !cluster.dropped;
        let mut work: Vec<u32> = (0..self.all.len() as u32).filter(|at| unseen(&self.all[*at as usize])).collect();
        while let Some(at) = work.pop() {
            self.all[at as usize].dropped = true;
            let from = self.all[at as usize].from;
            if from == NONE {
                continue;
            }
            self.all[from as usize].seen -= 1;
            if unseen(&self.all[from as usize]) {
                work.push(from);
            }
        }
    }

    /// Compare-and-sets that never completed and found nothing but what one another wrote, seen by nobody else, are taken
    /// not to have happened, too. Those that somebody saw stay, and are a violation.
    fn drop_circles(&mut self) {
        let open = |cluster: &Cluster| cluster.written.0 == u64::MAX && !cluster.dropped && cluster.from != NONE;
        let alone = |cluster: &Cluster| open(cluster) && cluster.seen == 1 && cluster.read.1 == 0;
        // 0: not walked, 1 + n: walked from n.
        let mut walked = vec![0u32; self.all.len()];
        for start in 0..self.all.len() as u32 {
            let mut at = start;
            while walked[at as usize] == 0 && alone(&self.all[at as usize]) {
                walked[at as usize] = start + 1;
                at = self.all[at as usize].from;
            }
            // Back at a value of the same walk: a circle from there, each of it seen by the next alone.
            if walked[at as usize] == start + 1 {
                while !self.all[at as usize].dropped {
                    self.all[at as usize].dropped = true;
                    self.all[at as usize].seen = 0;
                    at = self.all[at as usize].from;
                }
            }
        }
    }

    /// Puts each value that a compare-and-set wrote after the one that it found.
    fn link(&mut self) -> Result<(), Proof> {
        for at in 0..self.all.len() as u32 {
            let Cluster { writer, from, dropped, seen, .. } = self.all[at as usize];
            if dropped && seen > 0 {
                let reason = "a value was seen that only a cas could write whose expected value nobody wrote";
                return Err(proof("unwritten-value", reason, self.observers([at])));
            }
            if dropped || from == NONE {
                continue;
            }
            let next = self.all[from as usize].next;
            if next != NONE {
                let other = self.all[next as usize].writer;
                let reason = "two cas found the same value, which was there once";
                return Err(proof("cas-twice", reason, vec![other as usize, writer as usize]));
            }
            self.all[from as usize].next = at;
        }
        Ok(())
    }

    /// The operations that saw the value of one of these clusters, and their writers. One walk, however many there are.
    pub(super) fn observers(&self, numbers: impl IntoIterator<Item = u32>) -> Vec<usize> {
        let wanted: FxHashSet<u32> = numbers.into_iter().collect();
        let is = |value: u32| self.numbers.get(&value).is_some_and(|number| wanted.contains(number));
        let about = self.operations.iter().enumerate().filter(|(_, operation)| match operation.action {
            Action::Read(value) | Action::Write(value) => is(value),
            Action::Cas(from, to) => is(from) || is(to),
            Action::FailedCas(_) => false,
        });
        about.map(|(at, _)| at).collect()
    }

    fn blocks(&self) -> Result<Vec<Block>, Proof> {
        let is_root = |cluster: &&Cluster| cluster.from == NONE && !cluster.dropped;
        let mut blocks = Vec::with_capacity(self.all.iter().filter(is_root).count());
        let mut walked = 0;
        for (root, _) in self.all.iter().enumerate().filter(|(_, cluster)| is_root(cluster)) {
            let mut block = Block { root: root as u32, first_ret: u64::MAX, last_call: 0 };
            for number in self.chain(root as u32) {
                walked += 1;
                self.extend(&mut block, number)?;
            }
            // An initial value that nobody saw says nothing.
            if block.root != INITIAL || block.last_call > 0 {
                blocks.push(block);
            }
        }
        match self.all.iter().filter(|cluster| !cluster.dropped).count() == walked {
            true => Ok(blocks),
            false => Err(self.cycle()),
        }
    }

    pub(super) fn chain(&self, root: u32) -> impl Iterator<Item = u32> {
        let link = |number: u32| Some(number).filter(|number| *number != NONE);
        std::iter::successors(link(root), move |number| link(self.all[*number as usize].next))
    }

    /// Puts a cluster at the end of a block, if each of its operations can come after all that the block has.
    fn extend(&self, block: &mut Block, number: u32) -> Result<(), Proof> {
        let cluster = &self.all[number as usize];
        let follows = cluster.written.0 >= block.last_call;
        block.last_call = block.last_call.max(cluster.written.1);
        if !follows || cluster.read.0 < block.last_call {
            let operations = self.observers(self.chain(block.root).take_while(|at| *at != number).chain([number]));
            let reason = "a value was seen, or replaced by a cas, before it can have been written";
            return Err(proof("early-read", reason, operations));
        }
        block.first_ret = block.first_ret.min(cluster.written.0).min(cluster.read.0);
        block.last_call = block.last_call.max(cluster.read.1);
        Ok(())
    }

    /// Clusters that no root leads to: each cas found what a later one wrote.
    fn cycle(&self) -> Proof {
        let mut walked: Vec<bool> = self.all.iter().map(|cluster| cluster.dropped).collect();
        for (root, _) in self.all.iter().enumerate().filter(|(_, cluster)| cluster.from == NONE && !cluster.dropped) {
            self.chain(root as u32).for_each(|number| walked[number as usize] = true);
        }
        let start = walked.iter().position(|walked| !walked).unwrap_or(0) as u32;
        let around = self.chain(start).skip(1).take_while(|number| *number != start);
        let mut operations: Vec<usize> =
            [start].into_iter().chain(around).map(|number| self.all[number as usize].writer as usize).collect();
        operations.sort_unstable();
        proof("cas-cycle", "each of these cas needs a value that only another of them writes", operations)
    }

    /// No two blocks may need the register at the same time.
    fn compare(&self, blocks: &[Block]) -> Result<(), Proof> {
        let mut forward: Vec<Block> = blocks.iter().filter(|block| block.is_forward()).copied().collect();
        forward.sort_unstable_by_key(|block| block.first_ret);
        if let Some(pair) = forward.windows(2).find(|pair| pair[1].first_ret < pair[0].last_call) {
            let reason = "two values must both be there at one moment, as each is seen before and after it";
            return Err(proof("overlap", reason, self.edges(pair)));
        }
        for block in blocks.iter().filter(|block| !block.is_forward()) {
            let after = forward.partition_point(|other| other.first_ret < block.last_call);
            let Some(around) = after.checked_sub(1).map(|at| forward[at]) else { continue };
            if block.first_ret < around.last_call {
                let reason = "a value was written and gone again while another was there all the time";
                return Err(proof("stale-read", reason, self.edges(&[around, *block])));
            }
        }
        Ok(())
    }

    /// The operations that set the bounds of the blocks' zones, with all writers that the blocks are made of.
    fn edges(&self, blocks: &[Block]) -> Vec<usize> {
        let mut block_of: FxHashMap<u32, &Block> = FxHashMap::default();
        for block in blocks {
            block_of.extend(self.chain(block.root).map(|number| (number, block)));
        }
        let cluster = |value: u32| self.numbers.get(&value).and_then(|number| block_of.get(number));
        let needed = |operation: &Op| {
            let (value, writes) = match operation.action {
                Action::Write(value) => (value, true),
                Action::Read(value) => (value, false),
                Action::Cas(from, to) => (to, from != to),
                Action::FailedCas(_) => return false,
            };
            let counts = writes || operation.completed();
            cluster(value).is_some_and(|block| {
                counts && (writes || ret_of(operation) == block.first_ret || call_of(operation) == block.last_call)
            })
        };
        (0..self.operations.len()).filter(|at| needed(&self.operations[*at])).collect()
    }
}

/// The operations as the general search wants them: written values that nobody looks for are one and the same value, and
/// what never completed and wrote such a value, where no failed compare-and-set needs it, is left out.
pub fn simplified(operations: &[Op], initial: u32) -> Vec<Op> {
    let mut wanted: FxHashSet<u32> = FxHashSet::default();
    wanted.insert(initial);
    let mut failed = false;
    for operation in operations {
        match operation.action {
            Action::Read(value) if operation.completed() => wanted.insert(value),
            Action::Cas(from, _) => wanted.insert(from),
            Action::FailedCas(expected) => {
                failed = true;
                wanted.insert(expected)
            }
            _ => false,
        };
    }
    // A value that nobody looks for, if there is one.
    let any = operations.iter().find_map(|operation| match operation.action {
        Action::Write(value) | Action::Cas(_, value) if !wanted.contains(&value) => Some(value),
        _ => None,
    });
    let name = |value: u32| if wanted.contains(&value) { value } else { any.unwrap_or(value) };
    let simple = operations.iter().filter_map(|operation| {
        let (action, target) = match operation.action {
            Action::Write(value) => (Action::Write(name(value)), Some(name(value))),
            Action::Cas(from, to) => (Action::Cas(from, name(to)), Some(name(to))),
            other => (other, None),
        };
        let useless = !operation.completed() && target.is_none_or(|target| !failed && Some(target) == any);
        (!useless).then_some(Timed { action, ..*operation })
    });
    simple.collect()
}

pub(super) fn proof(kind: &'static str, reason: &'static str, operations: Vec<usize>) -> Proof {
    Proof { kind, reason, operations }
}
