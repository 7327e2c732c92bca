//! Are registers sequentially consistent: is there one order of all operations that each register allows and that keeps
//! the order of each process (Lamport, 1979)? Real time does not count, so it is not local: all keys are judged together.
//!
//! Linearizable registers are sequentially consistent, and that is decided quickly; so it is asked first. Otherwise the
//! processes are advanced one operation at a time, with what was reached remembered. What a process reads goes as soon as
//! it can. Where every value of a key is written once, a value is not replaced while somebody has still to read it.
//! NP-complete in general (Gibbons and Korach, 1997): exponential in the number of processes at worst, hence the bounds.

use rustc_hash::{FxHashMap, FxHashSet};

use super::machine::{Machine, Timed};
use super::register::{self, Register};
use super::search::{Bounds, Limit};
use super::zones;

/// An operation on one of several registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Action {
    /// The register's name.
    pub key: u32,
    /// What was done with it.
    pub action: register::Action,
}

/// An operation on one of several registers.
pub type Op = Timed<Action>;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// There is an order.
    Consistent,
    /// There is none.
    Violation,
    /// A limit was reached.
    Unknown(Limit),
}

/// How often, in configurations, the limits are looked at.
const LOOK_EVERY: u64 = 64;

/// Judges operations on registers that begin with `initial`, given in the order of invocation; with the number of
/// configurations explored.
pub fn judge(operations: &[Op], initial: u32, bounds: &Bounds<'_>) -> (Found, u64) {
    if linearizable(operations, initial) {
        return (Found::Consistent, 0);
    }
    Processes::new(operations, initial).search(bounds)
}

fn linearizable(operations: &[Op], initial: u32) -> bool {
    let mut keys: FxHashMap<u32, Vec<register::Op>> = FxHashMap::default();
    for operation in operations {
        let Timed { process, call, ret, action } = *operation;
        keys.entry(action.key).or_default().push(Timed { process, call, ret, action: action.action });
    }
    keys.values().all(|operations| zones::zones(operations, initial) == register::Zones::Linearizable)
}

/// A key's number, what was done with it, and whether that is known to have happened.
type Step = (usize, register::Action, bool);
/// For a key and a value the processes that see it, and where each does last.
type LastSeen = FxHashMap<(usize, u32), Vec<(usize, u32)>>;

/// The operations of each process, in its order; keys numbered.
struct Processes {
    register: Register,
    operations: Vec<Vec<Step>>,
    keys: usize,
    /// Where each process sees each value of each key last; none where a value is written twice.
    wanted: Option<LastSeen>,
}

/// Where each process stands, followed by what each register holds.
type Configuration = Box<[u32]>;

impl Processes {
    fn new(operations: &[Op], initial: u32) -> Self {
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
            // The first process is tried first.
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

    /// Only what need not have happened is left.
    fn is_done(&self, configuration: &[u32]) -> bool {
        (0..self.operations.len())
            .all(|process| self.operations[process][configuration[process] as usize..].iter().all(|left| !left.2))
    }

    /// The process does what changes a register, if that is allowed.
    fn advance(&self, configuration: &[u32], process: usize) -> Option<Vec<u32>> {
        let (key, action, _) = *self.next(configuration, process)?;
        let place = self.operations.len() + key;
        let held = self.register.step(&configuration[place], &action).into_iter().next()?;
        let mut next = configuration.to_vec();
        (next[process], next[place]) = (configuration[process] + 1, held);
        let replaces = held != configuration[place];
        (!replaces || !self.is_still_wanted(&next, key, configuration[place])).then_some(next)
    }

    /// Whether somebody has yet to see a value that will not come again.
    fn is_still_wanted(&self, configuration: &[u32], key: usize, value: u32) -> bool {
        let last = self.wanted.as_ref().and_then(|wanted| wanted.get(&(key, value)));
        last.is_some_and(|last| last.iter().any(|(process, at)| configuration[*process] <= *at))
    }

    /// Lets every process go on as far as it only reads.
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
fn seen_and_written(action: register::Action) -> (Option<u32>, Option<u32>) {
    match action {
        register::Action::Read(value) => (Some(value), None),
        register::Action::Write(value) => (None, Some(value)),
        register::Action::Cas(from, to) if from == to => (Some(from), None),
        register::Action::Cas(from, to) => (Some(from), Some(to)),
        register::Action::FailedCas(_) => (None, None),
    }
}
