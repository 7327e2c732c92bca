//! The fast path of a register with reads, writes and compare-and-set, if every value is written once.
//!
//! The idea: each value is held during one span of time, so it is enough to find spans that do not overlap. The write
//! and the reads of a value give it a *zone* (Gibbons and Korach, "Testing shared memories", 1997). If its first
//! completion comes before its last invocation, the register must hold the value from the one to the other: a forward
//! zone. Otherwise all its operations overlap, and can take effect together at any moment between the two: a backward
//! zone. A compare-and-set from a to b puts b directly after a, so values linked by compare-and-sets are one *block*
//! with one zone.
//!
//! The history is linearizable if and only if no read or compare-and-set completes before the value that it saw was
//! written, no two forward zones overlap, and no backward zone lies inside a forward one. O(n log n). Abdulla et al.
//! and Lee and Mathur (arXiv 2410.04581) prove the case without compare-and-set anew; for the case with it, tests
//! compare the answers with those of the general search.
//!
//! The initial value counts as a write before everything. A write that never completed counts as one that never
//! happened if no operation saw it, and else as one that completes at infinity. A failed compare-and-set can be taken
//! to mean that the register held another value at some moment (`enforce`); see `failed_cas`.

use rustc_hash::{FxHashMap, FxHashSet};

use super::machine::{Bonds, Machine, Relation, Timed};

/// What was done with a register. Values are numbers, which are equal if and only if the values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum RegisterAction {
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
pub(crate) type RegisterOp = Timed<RegisterAction>;

/// A register as a state machine; it begins with the value that it holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Register(
    /// The initial value.
    pub u32,
);

impl Machine for Register {
    type State = u32;
    type Action = RegisterAction;

    fn initial(&self) -> u32 {
        self.0
    }

    fn step(&self, held: &u32, action: &RegisterAction) -> impl IntoIterator<Item = u32> {
        match *action {
            RegisterAction::Write(value) => Some(value),
            RegisterAction::Read(value) => (value == *held).then_some(value),
            RegisterAction::Cas(from, to) => (from == *held).then_some(to),
            RegisterAction::FailedCas(expected) => (expected != *held).then_some(*held),
        }
    }

    fn only_reads(&self, action: &RegisterAction) -> bool {
        match *action {
            RegisterAction::Read(_) | RegisterAction::FailedCas(_) => true,
            RegisterAction::Cas(from, to) => from == to,
            RegisterAction::Write(_) => false,
        }
    }

    const RELATES: bool = true;

    fn relation(&self, first: &RegisterAction, second: &RegisterAction) -> Relation {
        match (*first, *second) {
            (RegisterAction::Write(_), RegisterAction::Write(_)) => Relation::Hides,
            _ => Relation::Depends,
        }
    }

    fn bonds(&self, action: &RegisterAction) -> Option<Bonds> {
        let some = |value: &u32| vec![u64::from(*value)];
        Some(match action {
            RegisterAction::Write(value) => Bonds { gives: some(value), takes: Vec::new() },
            RegisterAction::Read(value) => Bonds { gives: Vec::new(), takes: some(value) },
            RegisterAction::Cas(from, to) if from == to => Bonds { gives: Vec::new(), takes: some(from) },
            RegisterAction::Cas(from, to) => Bonds { gives: some(to), takes: some(from) },
            RegisterAction::FailedCas(_) => return None,
        })
    }
}

/// What follows from the zones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Zones {
    /// There is an order.
    Linearizable,
    /// There is none, for this reason.
    Violation(Proof),
    /// A value is written twice: zones do not apply.
    NotUnique,
    /// There is an order of all but the failed compare-and-sets; whether there is one with them is unknown.
    Undecided,
    /// The time ran out.
    OutOfTime,
}

/// Why there is no order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proof {
    /// The anomaly's name.
    pub kind: &'static str,
    /// The reason, in words that the operations can follow.
    pub reason: &'static str,
    /// Positions of the operations in the given list; with all that they rely on, they are a violation.
    pub operations: Vec<usize>,
}

/// No operation, or no cluster.
const NONE: u32 = u32::MAX;
/// The initial value's cluster.
const INITIAL: u32 = 0;

/// A value with its write and its reads. Times are positions in the history plus one, so that 0 is before everything.
#[derive(Clone, Copy)]
pub(super) struct Cluster {
    /// The write or compare-and-set that wrote it; [`NONE`] for the initial value.
    writer: u32,
    /// If a compare-and-set wrote it: the cluster of the value that this found, else [`NONE`].
    from: u32,
    /// The cluster of the value that a compare-and-set replaced it by, else [`NONE`].
    next: u32,
    /// How many operations that happened saw it.
    seen: u32,
    /// Completion and invocation of its writer.
    pub(super) written: (u64, u64),
    /// First completion and last invocation of its reads.
    read: (u64, u64),
    /// Whether its writer is taken not to have happened.
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

/// Values that follow one another by compare-and-set, or a single one, with their common zone.
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
    pub(super) operations: &'a [RegisterOp],
    pub(super) numbers: FxHashMap<u32, u32>,
    pub(super) all: Vec<Cluster>,
}

pub(super) fn call_of(operation: &RegisterOp) -> u64 {
    u64::from(operation.call) + 1
}

pub(super) fn ret_of(operation: &RegisterOp) -> u64 {
    if operation.completed() { u64::from(operation.ret) + 1 } else { u64::MAX }
}

impl<'a> Clusters<'a> {
    /// None if a value is written twice.
    pub(super) fn new(operations: &'a [RegisterOp], initial: u32) -> Option<Self> {
        let empty = Cluster {
            writer: NONE,
            from: NONE,
            next: NONE,
            seen: 0,
            written: (0, 0),
            read: (u64::MAX, 0),
            dropped: false,
        };
        let writes = |operation: &&RegisterOp| match operation.action {
            RegisterAction::Write(_) => true,
            RegisterAction::Cas(from, to) => from != to,
            RegisterAction::Read(_) | RegisterAction::FailedCas(_) => false,
        };
        // Allocated in full size: while a vector or a table grows, the old one and the new one exist together.
        let values = operations.iter().filter(writes).count() + 1;
        let mut clusters = Self { operations, numbers: FxHashMap::default(), all: Vec::with_capacity(values) };
        clusters.all.push(empty);
        clusters.numbers.reserve(values);
        clusters.numbers.insert(initial, INITIAL);
        for (at, operation) in operations.iter().enumerate() {
            let value = match operation.action {
                RegisterAction::Write(value) => value,
                RegisterAction::Cas(from, to) if from != to => to,
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

    /// The blocks, if they have an order; else the reason, or none if the time ran out.
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

    /// Finds the reads of each value, and the value that each compare-and-set found.
    fn observe(&mut self) -> Result<(), Proof> {
        for (at, operation) in self.operations.iter().enumerate() {
            match operation.action {
                RegisterAction::Read(value) if operation.completed() => self.read(at, value)?,
                RegisterAction::Cas(from, to) if from == to && operation.completed() => self.read(at, from)?,
                RegisterAction::Cas(from, to) if from != to => self.found(at, from, to)?,
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
            // It never completed, and its expected value was never there: it cannot have happened.
            None => self.all[target].dropped = true,
        }
        Ok(())
    }

    /// Drops writes that never completed and whose value no operation saw: they need not have happened. Then those
    /// whose values only dropped ones saw, and so on.
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
            assert!(self.all[from as usize].seen > 0, "a compare-and-set that is dropped saw the value that it found");
            self.all[from as usize].seen -= 1;
            if unseen(&self.all[from as usize]) {
                work.push(from);
            }
        }
    }

    /// Drops circles of compare-and-sets that never completed, each of which found what the next one wrote, if no other
    /// operation saw their values: they need not have happened, either. A circle whose values were seen stays, and is a
    /// violation.
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
            // The walk came back to a value of its own: a circle begins there, in which only the next one saw each
            // value.
            if walked[at as usize] == start + 1 {
                while !self.all[at as usize].dropped {
                    self.all[at as usize].dropped = true;
                    self.all[at as usize].seen = 0;
                    at = self.all[at as usize].from;
                }
            }
        }
    }

    /// Links each value that a compare-and-set wrote to the one that it found. A value is held only once, so at most
    /// one compare-and-set can have replaced it.
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

    /// The operations that saw or wrote the value of one of these clusters. One pass, however many clusters there are.
    pub(super) fn observers(&self, numbers: impl IntoIterator<Item = u32>) -> Vec<usize> {
        let wanted: FxHashSet<u32> = numbers.into_iter().collect();
        let is = |value: u32| self.numbers.get(&value).is_some_and(|number| wanted.contains(number));
        let about = self.operations.iter().enumerate().filter(|(_, operation)| match operation.action {
            RegisterAction::Read(value) | RegisterAction::Write(value) => is(value),
            RegisterAction::Cas(from, to) => is(from) || is(to),
            RegisterAction::FailedCas(_) => false,
        });
        about.map(|(at, _)| at).collect()
    }

    /// The blocks: each begins with a value that no compare-and-set wrote. Clusters that are in none form a cycle.
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
            // An initial value that no operation saw constrains nothing.
            if block.root != INITIAL || block.last_call > 0 {
                blocks.push(block);
            }
        }
        let live = self.all.iter().filter(|cluster| !cluster.dropped).count();
        assert!(walked <= live, "chains partition the clusters: none is in two blocks");
        match live == walked {
            true => Ok(blocks),
            false => Err(self.cycle()),
        }
    }

    /// The clusters of a block in their order.
    pub(super) fn chain(&self, root: u32) -> impl Iterator<Item = u32> {
        let link = |number: u32| Some(number).filter(|number| *number != NONE);
        std::iter::successors(link(root), move |number| link(self.all[*number as usize].next))
    }

    /// Appends a cluster to a block, if each of its operations can come after all operations of the block.
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

    /// A cycle of clusters that no root leads to: each compare-and-set found what another one of them wrote.
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

    /// Checks that no two blocks need the register at the same time.
    fn compare(&self, blocks: &[Block]) -> Result<(), Proof> {
        let mut forward: Vec<Block> = blocks.iter().filter(|block| block.is_forward()).copied().collect();
        forward.sort_unstable_by_key(|block| block.first_ret);
        if let Some(pair) = forward.windows(2).find(|pair| pair[1].first_ret < pair[0].last_call) {
            let reason = "two values must both be there at one moment, as each is seen before and after it";
            return Err(proof("overlap", reason, self.edges(pair)));
        }
        // Forward zones are disjoint now, so only the last one that begins before the end of a backward zone can
        // contain it.
        for block in blocks.iter().filter(|block| !block.is_forward()) {
            let after = forward.partition_point(|other| other.first_ret < block.last_call);
            let Some(around) = after.checked_sub(1).map(|at| forward[at]) else { continue };
            if block.first_ret < around.last_call {
                let reason = "a value is there again after another had replaced it, though it was written only once";
                return Err(proof("stale-read", reason, self.edges(&[around, *block])));
            }
        }
        Ok(())
    }

    /// The operations that determine the zones of these blocks, and all writers in them.
    fn edges(&self, blocks: &[Block]) -> Vec<usize> {
        let mut block_of: FxHashMap<u32, &Block> = FxHashMap::default();
        for block in blocks {
            block_of.extend(self.chain(block.root).map(|number| (number, block)));
        }
        let cluster = |value: u32| self.numbers.get(&value).and_then(|number| block_of.get(number));
        let needed = |operation: &RegisterOp| {
            let (value, writes) = match operation.action {
                RegisterAction::Write(value) => (value, true),
                RegisterAction::Read(value) => (value, false),
                RegisterAction::Cas(from, to) => (to, from != to),
                RegisterAction::FailedCas(_) => return false,
            };
            let counts = writes || operation.completed();
            cluster(value).is_some_and(|block| {
                counts && (writes || ret_of(operation) == block.first_ret || call_of(operation) == block.last_call)
            })
        };
        (0..self.operations.len()).filter(|at| needed(&self.operations[*at])).collect()
    }
}

/// Simplifies the operations for the general search. Values that no operation can have needed become one value, so that
/// writes of them are equal actions; and such a write that never completed is left out if no failed compare-and-set may
/// need it.
///
/// Why leaving it out is sound: take an order with such a write. Nothing that completed found its value, so between it and
/// the next write there are at most compare-and-sets that never completed either, which lead to nothing that was needed:
/// without all of these the order is as good. Only a failed compare-and-set could be glad of any other value.
pub(crate) fn simplified(operations: &[RegisterOp], initial: u32) -> Vec<RegisterOp> {
    let failed = operations.iter().any(|operation| matches!(operation.action, RegisterAction::FailedCas(_)));
    let wanted = found(operations, initial, failed);
    // A value that no operation expects, if there is one.
    let any = operations.iter().find_map(|operation| match operation.action {
        RegisterAction::Write(value) | RegisterAction::Cas(_, value) if !wanted.contains(&value) => Some(value),
        _ => None,
    });
    let name = |value: u32| if wanted.contains(&value) { value } else { any.unwrap_or(value) };
    let simple = operations.iter().filter_map(|operation| {
        let (action, target) = match operation.action {
            RegisterAction::Write(value) => (RegisterAction::Write(name(value)), Some(name(value))),
            RegisterAction::Cas(from, to) => (RegisterAction::Cas(from, name(to)), Some(name(to))),
            other => (other, None),
        };
        let useless = !operation.completed() && target.is_none_or(|target| !failed && Some(target) == any);
        (!useless).then_some(Timed { action, ..*operation })
    });
    simple.collect()
}

/// The values that somebody may have needed: writes of others that never completed are as good as none. Nothing if a failed
/// compare-and-set may have needed any of them.
pub(super) fn wanted(operations: &[RegisterOp], initial: u32) -> Option<FxHashSet<u32>> {
    let failed = operations.iter().any(|operation| matches!(operation.action, RegisterAction::FailedCas(_)));
    (!failed).then(|| found(operations, initial, failed))
}

/// The values that operations which completed have found, and those from which compare-and-sets that never completed lead
/// to them.
fn found(operations: &[RegisterOp], initial: u32, all: bool) -> FxHashSet<u32> {
    let mut wanted: FxHashSet<u32> = FxHashSet::default();
    wanted.insert(initial);
    // By what they lead to: from where compare-and-sets that never completed lead there.
    let mut open: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
    for operation in operations {
        match operation.action {
            RegisterAction::Read(value) if operation.completed() => drop(wanted.insert(value)),
            RegisterAction::Cas(from, _) if operation.completed() || all => drop(wanted.insert(from)),
            RegisterAction::Cas(from, to) => open.entry(to).or_default().push(from),
            RegisterAction::FailedCas(expected) => drop(wanted.insert(expected)),
            RegisterAction::Read(_) | RegisterAction::Write(_) => {}
        }
    }
    let mut work: Vec<u32> = wanted.iter().copied().collect();
    while let Some(value) = work.pop() {
        work.extend(open.remove(&value).into_iter().flatten().filter(|from| wanted.insert(*from)));
    }
    wanted
}

pub(super) fn proof(kind: &'static str, reason: &'static str, operations: Vec<usize>) -> Proof {
    Proof { kind, reason, operations }
}
