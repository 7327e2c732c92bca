//! Sequential consistency of registers: one order of all operations that each register allows and that keeps the order
//! of each process (Lamport, 1979). Real time does not count, so it is not local: all keys are checked together.
//!
//! Linearizable registers are sequentially consistent, and linearizability is decided quickly, so that is checked
//! first. If every value of a key is written once, it follows from the reads which operations must come before which
//! (`forced_order`): mostly that shows a violation, if there is one. Otherwise a search advances the processes one operation
//! at a time, as far as what is forced allows, and remembers the configurations that it reached. A read is done as soon as
//! it is possible, and with unique values none is replaced while some process has still to read it. Unknown writes that
//! nobody read are left out. The problem is NP-complete (Gibbons and Korach, 1997): in the worst case the search is
//! exponential in the number of processes, hence the bounds.

use std::collections::BTreeSet;

use rustc_hash::{FxHashMap, FxHashSet};

use super::forced_order::{Forced, ForcedOrder, INITIAL, Node};
use super::machine::{Machine, Timed};
use super::register::{self, Register};
use super::search::{Bounds, Limit};
use super::zones;

/// An operation on one of several registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct KeyedAction {
    /// The register's name.
    pub key: u32,
    /// What was done with it.
    pub action: register::RegisterAction,
}

/// An operation on one of several registers.
pub(crate) type KeyedOp = Timed<KeyedAction>;

/// The result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// There is an order.
    Consistent,
    /// There is none.
    Violation,
    /// A limit was reached.
    Unknown(Limit),
}

/// The limits are checked once in so many configurations.
const LOOK_EVERY: u64 = 64;
/// How many operations before and after a violation are tried first.
const FIRST_REACH: usize = 32;

/// What was found, and at what cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Judged {
    /// The result.
    pub found: Found,
    /// Configurations explored.
    pub explored: u64,
    /// Of a violation, an operation near it, by place in the list.
    pub near: Option<usize>,
}

impl Judged {
    fn at_once(found: Found) -> Self {
        Self { found, explored: 0, near: None }
    }
}

/// Decides operations on registers with the given initial value, in the order of invocation.
pub(crate) fn judge(operations: &[KeyedOp], initial: u32, bounds: &Bounds<'_>) -> Judged {
    if linearizable(operations, initial) {
        return Judged::at_once(Found::Consistent);
    }
    let places = needed(operations, initial);
    let needed: Vec<KeyedOp> = places.iter().map(|at| operations[*at]).collect();
    let mut processes = Processes::new(&needed, initial);
    let nodes = match processes.nodes(&needed) {
        Ok(nodes) => nodes,
        Err(unwritten) => {
            return Judged { near: Some(places[unwritten]), ..Judged::at_once(Found::Violation) };
        }
    };
    let count = processes.operations.len();
    if let Some(nodes) = nodes.filter(|nodes| ForcedOrder::bytes(nodes.len(), count) <= bounds.memory_bytes / 2) {
        let mut order = ForcedOrder::new(&nodes, count);
        match order.saturate(bounds.out_of_time) {
            Forced::OutOfTime => return Judged::at_once(Found::Unknown(Limit::Time)),
            Forced::Cycle(at) => {
                return Judged { near: Some(places[at as usize]), ..Judged::at_once(Found::Violation) };
            }
            Forced::Acyclic => processes.keep(&nodes, &order),
        }
    }
    let (found, explored) = processes.search(bounds);
    Judged { found, explored, near: None }
}

/// The places of all operations but those that never completed and that nobody can have seen, which need not have happened:
/// see [`register::simplified`], whose reasons hold whatever the order of other processes.
fn needed(operations: &[KeyedOp], initial: u32) -> Vec<usize> {
    let mut keys: FxHashMap<u32, Vec<register::RegisterOp>> = FxHashMap::default();
    for operation in operations {
        keys.entry(operation.action.key).or_default().push(plain(operation));
    }
    let wanted: FxHashMap<u32, Option<FxHashSet<u32>>> =
        keys.into_iter().map(|(key, operations)| (key, register::wanted(&operations, initial))).collect();
    let is_needed = |operation: &KeyedOp| {
        let written = seen_and_written(operation.action.action).1;
        let wanted = || wanted[&operation.action.key].as_ref();
        operation.completed() || written.is_some_and(|value| wanted().is_none_or(|wanted| wanted.contains(&value)))
    };
    (0..operations.len()).filter(|at| is_needed(&operations[*at])).collect()
}

fn plain(operation: &KeyedOp) -> register::RegisterOp {
    let Timed { process, call, ret, action } = *operation;
    Timed { process, call, ret, action: action.action }
}

/// Operations around a place, with all that wrote what they saw: the fewest, of ever more, that have no order.
pub(crate) fn around(operations: &[KeyedOp], near: usize, initial: u32, bounds: &Bounds<'_>) -> Vec<KeyedOp> {
    let mut writers: FxHashMap<(u32, u32), Vec<usize>> = FxHashMap::default();
    for (at, operation) in operations.iter().enumerate() {
        if let (_, Some(value)) = seen_and_written(operation.action.action) {
            writers.entry((operation.action.key, value)).or_default().push(at);
        }
    }
    let mut reach = FIRST_REACH;
    while reach < operations.len() {
        let mut kept: BTreeSet<usize> =
            (near.saturating_sub(reach)..(near + reach).min(operations.len() - 1) + 1).collect();
        let mut work: Vec<usize> = kept.iter().copied().collect();
        while let Some(at) = work.pop() {
            let KeyedAction { key, action } = operations[at].action;
            let seen = seen_and_written(action).0.and_then(|value| writers.get(&(key, value)));
            work.extend(seen.into_iter().flatten().filter(|writer| kept.insert(**writer)));
        }
        let part: Vec<KeyedOp> = kept.into_iter().map(|at| operations[at]).collect();
        let few = Bounds { configurations_max: part.len() as u64, ..*bounds };
        if judge(&part, initial, &few).found == Found::Violation {
            return part;
        }
        reach *= 4;
    }
    operations.to_vec()
}

fn linearizable(operations: &[KeyedOp], initial: u32) -> bool {
    let mut keys: FxHashMap<u32, Vec<register::RegisterOp>> = FxHashMap::default();
    for operation in operations {
        keys.entry(operation.action.key).or_default().push(plain(operation));
    }
    keys.values().all(|operations| zones::zones(operations, initial) == register::Zones::Linearizable)
}

/// The number of a key, what was done with it, and whether that is known to have happened.
type Step = (usize, register::RegisterAction, bool);
/// For a key and a value: the processes that see it, each with the position at which it does so last.
type LastSeen = FxHashMap<(usize, u32), Vec<(usize, u32)>>;

/// The operations of each process, in its order; keys numbered.
struct Processes {
    register: Register,
    operations: Vec<Vec<Step>>,
    keys: usize,
    /// Where each process sees each value of each key last; none if some value is written twice.
    wanted: Option<LastSeen>,
    /// How many operations of each process must come before each operation of a process; nothing if that is not known.
    before: Vec<Vec<Box<[u32]>>>,
}

/// The next operation of each process, followed by the value of each register.
type Configuration = Box<[u32]>;

impl Processes {
    fn new(operations: &[KeyedOp], initial: u32) -> Self {
        let (mut numbers, mut keys) = (FxHashMap::default(), FxHashMap::default());
        let mut processes: Vec<Vec<Step>> = Vec::new();
        let (mut wanted, mut written) = (LastSeen::default(), FxHashSet::default());
        let mut unique = true;
        for operation in operations {
            let next = keys.len();
            let key = *keys.entry(operation.action.key).or_insert(next);
            let number = *numbers.entry(operation.process).or_insert(processes.len());
            if number == processes.len() {
                processes.push(Vec::new());
            }
            let action = operation.action.action;
            let at = processes[number].len() as u32;
            processes[number].push((key, action, operation.completed()));
            let (seen, writes) = seen_and_written(action);
            if let Some(seen) = seen.filter(|_| operation.completed()) {
                let last: &mut Vec<(usize, u32)> = wanted.entry((key, seen)).or_default();
                last.retain(|(process, _)| *process != number);
                last.push((number, at));
            }
            unique &= writes.is_none_or(|value| value != initial && written.insert((key, value)));
        }
        let wanted = unique.then_some(wanted);
        Self { register: Register(initial), operations: processes, keys: keys.len(), wanted, before: Vec::new() }
    }

    /// The operations with the writers of what they saw, if values are unique; else nothing. Or the place of one that saw
    /// what nobody wrote.
    fn nodes(&self, operations: &[KeyedOp]) -> Result<Option<Vec<Node>>, usize> {
        if self.wanted.is_none() {
            return Ok(None);
        }
        let mut writers: FxHashMap<(u32, u32), u32> = FxHashMap::default();
        for (operation, at) in operations.iter().zip(0..) {
            if let (_, Some(value)) = seen_and_written(operation.action.action) {
                writers.insert((operation.action.key, value), at);
            }
        }
        let mut numbers: FxHashMap<u32, u32> = FxHashMap::default();
        let mut lengths: Vec<u32> = Vec::new();
        let mut nodes = Vec::with_capacity(operations.len());
        for (at, operation) in operations.iter().enumerate() {
            let KeyedAction { key, action } = operation.action;
            let process = *numbers.entry(operation.process).or_insert(lengths.len() as u32);
            if process as usize == lengths.len() {
                lengths.push(0);
            }
            lengths[process as usize] += 1;
            let (seen, written) = seen_and_written(action);
            let source = match seen.map(|value| (value, writers.get(&(key, value)))) {
                None => None,
                Some((_, Some(writer))) => Some(*writer),
                Some((value, None)) if value == self.register.0 => Some(INITIAL),
                Some(_) => return Err(at),
            };
            let position = lengths[process as usize];
            nodes.push(Node { process, position, key, source, writes: written.is_some() });
        }
        Ok(Some(nodes))
    }

    /// Keeps what must come before what.
    fn keep(&mut self, nodes: &[Node], order: &ForcedOrder<'_>) {
        self.before = self.operations.iter().map(|operations| Vec::with_capacity(operations.len())).collect();
        for (node, number) in nodes.iter().zip(0..) {
            self.before[node.process as usize].push(order.before(number).into());
        }
    }

    /// Whether all that must come before the next operation of a process is done.
    fn is_due(&self, configuration: &[u32], process: usize) -> bool {
        let Some(before) = self.before.get(process) else { return true };
        before[configuration[process] as usize].iter().zip(configuration).all(|(needed, done)| needed <= done)
    }

    fn search(&self, bounds: &Bounds<'_>) -> (Found, u64) {
        let first = vec![0; self.operations.len()].into_iter().chain(vec![self.register.0; self.keys]);
        let mut first: Vec<u32> = first.collect();
        self.settle(&mut first);
        let mut seen: FxHashSet<Configuration> = FxHashSet::default();
        let mut stack: Vec<Configuration> = vec![first.clone().into()];
        seen.insert(first.into());
        let each = (self.operations.len() + self.keys) * size_of::<u32>() * 2 + 64;
        let mut explored = 0;
        while let Some(configuration) = stack.pop() {
            if self.is_done(&configuration) {
                return (Found::Consistent, explored);
            }
            explored += 1;
            if explored.is_multiple_of(LOOK_EVERY) {
                if seen.len() * each > bounds.memory_bytes {
                    return (Found::Unknown(Limit::Memory), explored);
                }
                if explored >= bounds.configurations_max || (bounds.out_of_time)() {
                    return (Found::Unknown(Limit::Time), explored);
                }
            }
            // In reverse, since a stack returns the last one first: so the first process is tried first.
            for process in (0..self.operations.len()).rev() {
                let Some(mut next) = self.advance(&configuration, process) else { continue };
                self.settle(&mut next);
                if seen.insert(next.clone().into()) {
                    stack.push(next.into());
                }
            }
        }
        (Found::Violation, explored)
    }

    fn next(&self, configuration: &[u32], process: usize) -> Option<&Step> {
        self.operations[process].get(configuration[process] as usize)
    }

    /// Whether only operations are left that need not have happened.
    fn is_done(&self, configuration: &[u32]) -> bool {
        (0..self.operations.len())
            .all(|process| self.operations[process][configuration[process] as usize..].iter().all(|left| !left.2))
    }

    /// The configuration after the next operation of a process, if the register allows it.
    fn advance(&self, configuration: &[u32], process: usize) -> Option<Vec<u32>> {
        let (key, action, _) = *self.next(configuration, process)?;
        if !self.is_due(configuration, process) {
            return None;
        }
        let place = self.operations.len() + key;
        let held = self.register.step(&configuration[place], &action).into_iter().next()?;
        let mut next = configuration.to_vec();
        (next[process], next[place]) = (configuration[process] + 1, held);
        let replaces = held != configuration[place];
        (!replaces || !self.is_still_wanted(&next, key, configuration[place])).then_some(next)
    }

    /// Whether some process has yet to see a value, which is not written a second time.
    fn is_still_wanted(&self, configuration: &[u32], key: usize, value: u32) -> bool {
        let last = self.wanted.as_ref().and_then(|wanted| wanted.get(&(key, value)));
        last.is_some_and(|last| last.iter().any(|(process, at)| configuration[*process] <= *at))
    }

    /// Advances every process as far as it only reads. A read that never completed need not have happened, so it is
    /// passed.
    fn settle(&self, configuration: &mut [u32]) {
        let mut moved = true;
        while moved {
            moved = false;
            for process in 0..self.operations.len() {
                while let Some((key, action, completed)) = self.next(configuration, process) {
                    let held = configuration[self.operations.len() + key];
                    let allowed = self.register.step(&held, action).into_iter().next().is_some();
                    if !self.register.only_reads(action)
                        || (*completed && !(allowed && self.is_due(configuration, process)))
                    {
                        break;
                    }
                    configuration[process] += 1;
                    moved = true;
                }
            }
        }
    }
}

/// The value that an action needs, and the one that it leaves.
fn seen_and_written(action: register::RegisterAction) -> (Option<u32>, Option<u32>) {
    match action {
        register::RegisterAction::Read(value) => (Some(value), None),
        register::RegisterAction::Write(value) => (None, Some(value)),
        register::RegisterAction::Cas(from, to) if from == to => (Some(from), None),
        register::RegisterAction::Cas(from, to) => (Some(from), Some(to)),
        register::RegisterAction::FailedCas(_) => (None, None),
    }
}
