//! Sequential consistency of registers: one order of all operations that each register allows and that keeps the order
//! of each process (Lamport, 1979). Real time does not count, so it is not local: all keys are checked together.
//!
//! Linearizable registers are sequentially consistent, and linearizability is decided quickly, so that is checked
//! first. Otherwise a search advances the processes one operation at a time, and remembers the configurations that it
//! reached. A read is done as soon as it is possible. If every value of a key is written once, a value is not replaced
//! while some process has still to read it. The problem is NP-complete (Gibbons and Korach, 1997): in the worst case
//! the search is exponential in the number of processes, hence the bounds.

use rustc_hash::{FxHashMap, FxHashSet};

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

/// Decides operations on registers with the given initial value, in the order of invocation; also returns the number of
/// configurations explored.
pub(crate) fn judge(operations: &[KeyedOp], initial: u32, bounds: &Bounds<'_>) -> (Found, u64) {
    if linearizable(operations, initial) {
        return (Found::Consistent, 0);
    }
    Processes::new(operations, initial).search(bounds)
}

fn linearizable(operations: &[KeyedOp], initial: u32) -> bool {
    let mut keys: FxHashMap<u32, Vec<register::RegisterOp>> = FxHashMap::default();
    for operation in operations {
        let Timed { process, call, ret, action } = *operation;
        keys.entry(action.key).or_default().push(Timed { process, call, ret, action: action.action });
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
        Self { register: Register(initial), operations: processes, keys: keys.len(), wanted }
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
                    if !self.register.only_reads(action) || (*completed && !allowed) {
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
