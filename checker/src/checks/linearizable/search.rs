//! The general search, for any state machine: is there an order of these operations that the machine allows?
//!
//! The idea: walk through the completions in their order. Before an operation completes it must have taken effect, so
//! the only choice is which of the operations that are open at that time take effect before it, and in which order.
//! That is just-in-time linearization (Lowe, "Testing for linearizability", 2017), a form of the search of Wing and
//! Gong (1993).
//!
//! A configuration is what the search knows before a completion: the state reached, and which of the open operations
//! have already taken effect. The latter is a mask over the open operations only (the window), not a bit for each
//! operation of the history. Configurations are remembered, so that none is explored twice.
//!
//! Four rules keep the number of configurations small:
//! - an operation that only reads takes effect as soon as the state allows it: it changes nothing, so that is never
//!   wrong;
//! - of equal open operations, the one that completes first takes effect first: exchanging the two changes nothing
//!   else;
//! - operations that never completed are only counted, for each action, and a configuration is dropped if another one,
//!   equal in all else, has used no more of any of them: whatever the first can still reach, the second can, too;
//! - where no operation is open, the mask is empty, so configurations there differ only in their states.
//!
//! The search is depth first, which finds an order quickly if there is one. If that takes more than a quarter of the
//! memory limit, it starts again breadth first, completion by completion, and keeps only the configurations before one
//! completion. In the worst case it is exponential in the number of operations open at the same time (the problem is
//! NP-complete: Gibbons and Korach, 1997), hence [`Bounds`].

use std::collections::BTreeMap;
use std::fmt;
use std::hash::Hash;

use rustc_hash::FxHashMap;

use super::machine::{Machine, NEVER, Timed};

/// The limits are checked once in so many configurations.
const LOOK_EVERY: u64 = 512;
/// The depth-first search may take the memory limit divided by this.
const DEEP_SHARE: usize = 4;

/// The limits of a search.
#[derive(Clone, Copy)]
pub struct Bounds<'a> {
    /// Bytes for configurations and states.
    pub memory_bytes: usize,
    /// The most configurations that are explored.
    pub configurations_max: u64,
    /// Whether the time has run out.
    pub out_of_time: &'a (dyn Fn() -> bool + Sync),
}

impl Default for Bounds<'_> {
    fn default() -> Self {
        Self { memory_bytes: 1 << 30, configurations_max: u64::MAX, out_of_time: &|| false }
    }
}

impl fmt::Debug for Bounds<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bounds").field("memory_bytes", &self.memory_bytes).finish_non_exhaustive()
    }
}

/// The limit at which a search gave up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limit {
    /// The memory limit.
    Memory,
    /// The time limit, or that of the number of configurations.
    Time,
    /// More operations are open at the same time than a mask has bits.
    Concurrency,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Limit::Memory => "the memory limit was reached",
            Limit::Time => "the time limit was reached",
            Limit::Concurrency => "too many operations are open at the same time",
        })
    }
}

/// The result of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// There is an order.
    Linearizable,
    /// There is no order, not even of the operations invoked before this position, as they were then (open or
    /// completed).
    Violation(u32),
    /// A limit was reached. The operations that completed before the position have an order.
    Unknown {
        /// Which limit.
        limit: Limit,
        /// Position of the first completion that was not passed.
        holds_before: u32,
    },
}

/// Searches for an order of the operations, which are given in the order of their invocations.
pub fn search<M: Machine>(machine: &M, operations: &[Timed<M::Action>], bounds: &Bounds<'_>) -> Answer {
    search_counted(machine, operations, bounds).0
}

/// The same; also returns how many configurations were explored.
pub(crate) fn search_counted<M: Machine>(
    machine: &M,
    operations: &[Timed<M::Action>],
    bounds: &Bounds<'_>,
) -> (Answer, u64) {
    debug_assert!(operations.is_sorted_by(|a, b| a.call < b.call), "operations are in the order of invocation");
    debug_assert!(
        operations.iter().all(|operation| operation.call < operation.ret),
        "every completion comes after its call"
    );
    let problem = Problem::new(machine, operations);
    match problem.slots {
        0..=64 => decide::<M, 1>(&problem, bounds),
        65..=256 => decide::<M, 4>(&problem, bounds),
        257..=1024 => decide::<M, 16>(&problem, bounds),
        _ => {
            let holds_before = problem.rets.first().copied().unwrap_or(0);
            (Answer::Unknown { limit: Limit::Concurrency, holds_before }, 0)
        }
    }
}

fn decide<M: Machine, const W: usize>(problem: &Problem<'_, M>, bounds: &Bounds<'_>) -> (Answer, u64) {
    let deep = Bounds { memory_bytes: bounds.memory_bytes / DEEP_SHARE, ..*bounds };
    let mut search = Search::<M, W>::new(problem, &deep);
    let (first, spent) = (search.deep(), search.explored);
    drop(search);
    let Answer::Unknown { limit: Limit::Memory, holds_before } = first else { return (first, spent) };
    let rest = Bounds { configurations_max: bounds.configurations_max.saturating_sub(spent), ..*bounds };
    let mut search = Search::<M, W>::new(problem, &rest);
    let answer = match search.by_level() {
        Answer::Unknown { limit, holds_before: second } => {
            Answer::Unknown { limit, holds_before: second.max(holds_before) }
        }
        decided => decided,
    };
    (answer, spent + search.explored)
}

/// An operation that is open before a completion.
#[derive(Clone, Copy)]
struct Open {
    ret: u32,
    /// Its bit in the masks. A slot is used again when its operation has completed.
    slot: u32,
    /// The number of its action: equal actions are one class.
    class: u32,
}

/// The operations, prepared for the search: the completions in order, and the operations open before each.
struct Problem<'a, M: Machine> {
    machine: &'a M,
    /// The completions, ascending; each is a level of the search.
    rets: Vec<u32>,
    /// Where each level's part of `open` begins; one entry more than levels.
    open_from: Vec<usize>,
    /// The windows of all levels, each ordered by completion: so the operation that completes at the level is the
    /// first.
    open: Vec<Open>,
    /// How many bits the mask needs.
    slots: usize,
    /// The action of each class.
    actions: Vec<M::Action>,
    only_reads: Vec<bool>,
    /// Classes with operations that never completed, with all their invocations, ascending.
    pending: Vec<(u32, Vec<u32>)>,
}

impl<'a, M: Machine> Problem<'a, M> {
    fn new(machine: &'a M, operations: &[Timed<M::Action>]) -> Self {
        let mut classes: FxHashMap<&M::Action, u32> = FxHashMap::default();
        let mut actions: Vec<M::Action> = Vec::new();
        let class_of: Vec<u32> = operations
            .iter()
            .map(|operation| {
                *classes.entry(&operation.action).or_insert_with(|| {
                    actions.push(operation.action.clone());
                    actions.len() as u32 - 1
                })
            })
            .collect();
        let only_reads = actions.iter().map(|action| machine.only_reads(action)).collect();
        let mut problem = Self {
            machine,
            rets: operations.iter().filter(|operation| operation.completed()).map(|operation| operation.ret).collect(),
            open_from: vec![0],
            open: Vec::new(),
            slots: 0,
            actions,
            only_reads,
            pending: Vec::new(),
        };
        problem.rets.sort_unstable();
        problem.fill_windows(operations, &class_of);
        problem.fill_pending(operations, &class_of);
        assert_eq!(problem.open_from.len(), problem.rets.len() + 1, "every level has a window");
        debug_assert!(problem.rets.is_sorted_by(|a, b| a < b), "no two operations complete at one event");
        debug_assert!(
            problem.pending.iter().all(|(_, calls)| calls.is_sorted()),
            "the pending operations of a class are in the order of invocation"
        );
        problem
    }

    fn fill_windows(&mut self, operations: &[Timed<M::Action>], class_of: &[u32]) {
        let mut coming = operations.iter().zip(class_of).filter(|(operation, _)| operation.completed()).peekable();
        let mut window: Vec<Open> = Vec::new();
        let mut free: Vec<u32> = Vec::new();
        for ret in &self.rets {
            while let Some((operation, class)) = coming.next_if(|(operation, _)| operation.call < *ret) {
                let slot = free.pop().unwrap_or_else(|| {
                    self.slots += 1;
                    self.slots as u32 - 1
                });
                let at = window.partition_point(|open| open.ret < operation.ret);
                window.insert(at, Open { ret: operation.ret, slot, class: *class });
            }
            debug_assert_eq!(window[0].ret, *ret, "the operation that completes first leads its window");
            self.open.extend_from_slice(&window);
            self.open_from.push(self.open.len());
            free.push(window.remove(0).slot);
        }
    }

    fn fill_pending(&mut self, operations: &[Timed<M::Action>], class_of: &[u32]) {
        let mut place: FxHashMap<u32, usize> = FxHashMap::default();
        for (operation, class) in operations.iter().zip(class_of) {
            if operation.completed() || self.only_reads[*class as usize] {
                continue;
            }
            let at = *place.entry(*class).or_insert_with(|| {
                self.pending.push((*class, Vec::new()));
                self.pending.len() - 1
            });
            self.pending[at].1.push(operation.call);
        }
    }

    fn window(&self, level: u32) -> &[Open] {
        let level = level as usize;
        &self.open[self.open_from[level]..self.open_from[level + 1]]
    }

    fn bytes(&self) -> usize {
        self.open.len() * size_of::<Open>() + self.rets.len() * (size_of::<u32>() + size_of::<usize>())
    }
}

/// Before a completion: the state, the open operations that have taken effect, and the pending ones that were used.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Configuration<const W: usize> {
    level: u32,
    state: u32,
    mask: [u64; W],
    used: u32,
}

impl<const W: usize> Configuration<W> {
    fn has(&self, slot: u32) -> bool {
        self.mask[slot as usize / 64] >> (slot % 64) & 1 == 1
    }

    fn flip(&mut self, slot: u32) {
        self.mask[slot as usize / 64] ^= 1 << (slot % 64);
    }
}

/// Values, each stored once and numbered.
struct Interner<T> {
    numbers: FxHashMap<T, u32>,
    values: Vec<T>,
    bytes: usize,
}

impl<T: Clone + Eq + Hash> Interner<T> {
    fn new() -> Self {
        Self { numbers: FxHashMap::default(), values: Vec::new(), bytes: 0 }
    }

    fn intern(&mut self, value: T, bytes: impl FnOnce(&T) -> usize) -> u32 {
        if let Some(number) = self.numbers.get(&value) {
            return *number;
        }
        let number = self.values.len() as u32;
        self.bytes += 2 * bytes(&value) + 16;
        self.values.push(value.clone());
        self.numbers.insert(value, number);
        number
    }
}

/// Class and how many of its pending operations were used, ascending by class.
type Used = Box<[(u32, u32)]>;

/// The configurations seen, without those that another one dominates: one with the same level, state and mask that has
/// used no more pending operations of any class.
struct Seen<const W: usize> {
    /// For each level, state and mask: the head of a linked list in `chain`.
    heads: FxHashMap<(u32, u32, [u64; W]), u32>,
    /// `(used, next)`; only where pending operations were used.
    chain: Vec<(u32, u32)>,
}

/// A head without a list: no pending operation was used, which dominates everything.
const NONE_USED: u32 = u32::MAX;
const END: u32 = u32::MAX - 1;

impl<const W: usize> Seen<W> {
    fn new() -> Self {
        Self { heads: FxHashMap::default(), chain: Vec::new() }
    }

    /// Adds a configuration; false if one that was seen dominates it.
    fn insert(&mut self, configuration: &Configuration<W>, uses: &[Used]) -> bool {
        let key = (configuration.level, configuration.state, configuration.mask);
        let head = self.heads.entry(key).or_insert(END);
        if *head == NONE_USED {
            return false;
        }
        if configuration.used == 0 {
            *head = NONE_USED;
            return true;
        }
        let mine = &uses[configuration.used as usize];
        let mut at = *head;
        while at != END {
            debug_assert!((at as usize) < self.chain.len(), "a list of uses stays within the chain");
            let (used, next) = self.chain[at as usize];
            if within(&uses[used as usize], mine) {
                return false;
            }
            at = next;
        }
        self.chain.push((configuration.used, *head));
        *head = self.chain.len() as u32 - 1;
        true
    }

    fn configurations(&self) -> Vec<Configuration<W>> {
        let mut all = Vec::with_capacity(self.heads.len());
        for ((level, state, mask), head) in &self.heads {
            let mut add = |used| all.push(Configuration { level: *level, state: *state, mask: *mask, used });
            let mut at = *head;
            if at == NONE_USED {
                add(0);
                continue;
            }
            while at != END {
                let (used, next) = self.chain[at as usize];
                add(used);
                at = next;
            }
        }
        all
    }

    fn bytes(&self) -> usize {
        let entry = size_of::<(u32, u32, [u64; W])>() + size_of::<u32>() + 1;
        // A table that is nearly full will soon allocate one of twice its size before it frees itself.
        let growth = if self.heads.len() + LOOK_EVERY as usize * 64 >= self.heads.capacity() { 3 } else { 1 };
        self.heads.capacity() * entry * growth + self.chain.capacity() * size_of::<(u32, u32)>()
    }
}

/// Whether `few` uses no class more often than `many` does. Both are ordered by class, so one walk over `many` is
/// enough.
fn within(few: &[(u32, u32)], many: &[(u32, u32)]) -> bool {
    debug_assert!(few.is_sorted_by(|a, b| a.0 < b.0) && many.is_sorted_by(|a, b| a.0 < b.0), "uses ascend by class");
    let mut many = many.iter();
    few.iter().all(|(class, count)| many.any(|(other, more)| other == class && count <= more))
}

struct Search<'a, M: Machine, const W: usize> {
    problem: &'a Problem<'a, M>,
    bounds: &'a Bounds<'a>,
    states: Interner<M::State>,
    uses: Interner<Used>,
    explored: u64,
    deepest: u32,
}

impl<'a, M: Machine, const W: usize> Search<'a, M, W> {
    fn new(problem: &'a Problem<'a, M>, bounds: &'a Bounds<'a>) -> Self {
        let mut search =
            Self { problem, bounds, states: Interner::new(), uses: Interner::new(), explored: 0, deepest: 0 };
        // Number 0 is "nothing used": `Seen::insert` relies on it.
        let none = search.uses.intern(Box::new([]), |_| 0);
        assert_eq!(none, 0, "number 0 means that no pending operation was used");
        search
    }

    fn first(&mut self) -> Configuration<W> {
        let machine = self.problem.machine;
        let state = self.states.intern(machine.initial(), |state| machine.state_bytes(state));
        Configuration { level: 0, state, mask: [0; W], used: 0 }
    }

    /// Depth first: follows one configuration as far as it leads, then the next.
    fn deep(&mut self) -> Answer {
        let mut seen = Seen::<W>::new();
        let mut first = self.first();
        if self.settle(&mut first) {
            return Answer::Linearizable;
        }
        seen.insert(&first, &self.uses.values);
        let mut stack = vec![(first, 0u32)];
        let mut children = Vec::new();
        while let Some((configuration, tried)) = stack.last_mut() {
            let (configuration, from) = (*configuration, *tried);
            let Some(next) = self.expand(&configuration, from, &mut children) else {
                stack.pop();
                continue;
            };
            *tried = next;
            for mut child in children.drain(..) {
                if self.settle(&mut child) {
                    return Answer::Linearizable;
                }
                if seen.insert(&child, &self.uses.values) {
                    stack.push((child, 0));
                }
            }
            let frames = stack.capacity() * size_of::<(Configuration<W>, u32)>();
            if let Some(limit) = self.over(|| seen.bytes() + frames) {
                return self.unknown(limit);
            }
        }
        self.violation()
    }

    /// Breadth first: all configurations before a completion, then those before the next.
    fn by_level(&mut self) -> Answer {
        let mut levels: BTreeMap<u32, Seen<W>> = BTreeMap::new();
        let mut first = self.first();
        if self.settle(&mut first) {
            return Answer::Linearizable;
        }
        levels.entry(first.level).or_insert_with(Seen::new).insert(&first, &self.uses.values);
        while let Some((level, mut seen)) = levels.pop_first() {
            let mut work = seen.configurations();
            let mut children = Vec::new();
            while let Some(configuration) = work.pop() {
                let mut from = 0;
                while let Some(next) = self.expand(&configuration, from, &mut children) {
                    from = next;
                }
                for mut child in children.drain(..) {
                    if self.settle(&mut child) {
                        return Answer::Linearizable;
                    }
                    let here = child.level == level;
                    let place = if here { &mut seen } else { levels.entry(child.level).or_insert_with(Seen::new) };
                    if place.insert(&child, &self.uses.values) && here {
                        work.push(child);
                    }
                }
                let frames = work.capacity() * size_of::<Configuration<W>>();
                let kept = || levels.values().map(Seen::bytes).sum::<usize>();
                if let Some(limit) = self.over(|| kept() + seen.bytes() + frames) {
                    return self.unknown(limit);
                }
            }
            drop(seen);
            if self.states.bytes + self.uses.bytes > self.bounds.memory_bytes / 4 {
                self.forget(&mut levels);
            }
        }
        self.violation()
    }

    /// Keeps only the states and uses that remembered configurations still refer to.
    fn forget(&mut self, levels: &mut BTreeMap<u32, Seen<W>>) {
        let (mut states, mut uses) = (Interner::new(), Interner::new());
        let machine = self.problem.machine;
        uses.intern(Box::default(), |_: &Used| 0);
        for seen in levels.values_mut() {
            let old = std::mem::replace(seen, Seen::new());
            for mut configuration in old.configurations() {
                let state = self.states.values[configuration.state as usize].clone();
                configuration.state = states.intern(state, |state| machine.state_bytes(state));
                configuration.used = uses.intern(self.uses.values[configuration.used as usize].clone(), used_bytes);
                seen.insert(&configuration, &uses.values);
            }
        }
        (self.states, self.uses) = (states, uses);
    }

    /// Lets open reads take effect, and passes the completions of operations that have taken effect. True if no
    /// completion is left: then an order is found.
    ///
    /// A read never needs to wait: it changes no state, so whatever follows without it follows with it.
    fn settle(&mut self, configuration: &mut Configuration<W>) -> bool {
        let problem = self.problem;
        while (configuration.level as usize) < problem.rets.len() {
            let window = problem.window(configuration.level);
            for open in window.iter().filter(|open| problem.only_reads[open.class as usize]) {
                let state = &self.states.values[configuration.state as usize];
                if !configuration.has(open.slot) && self.allows(state, open.class) {
                    configuration.flip(open.slot);
                }
            }
            // Its operation completes here, so this is the last chance for it to take effect.
            let due = window[0];
            if !configuration.has(due.slot) {
                self.deepest = self.deepest.max(configuration.level);
                return false;
            }
            // The bit is cleared, since another operation may get the slot.
            configuration.flip(due.slot);
            configuration.level += 1;
        }
        true
    }

    fn allows(&self, state: &M::State, class: u32) -> bool {
        self.problem.machine.step(state, &self.problem.actions[class as usize]).into_iter().next().is_some()
    }

    /// The configurations that one more operation taking effect leads to. The first `from` choices of it were tried
    /// before; returns how many are tried now, or none after the last.
    fn expand(
        &mut self,
        configuration: &Configuration<W>,
        from: u32,
        children: &mut Vec<Configuration<W>>,
    ) -> Option<u32> {
        let window = self.problem.window(configuration.level);
        for choice in from as usize..window.len() {
            let open = window[choice];
            // Equal operations are interchangeable, so only the one that must complete first is tried.
            let equal_goes_first = || {
                window[..choice].iter().any(|earlier| earlier.class == open.class && !configuration.has(earlier.slot))
            };
            if self.problem.only_reads[open.class as usize] || configuration.has(open.slot) || equal_goes_first() {
                continue;
            }
            let mut next = *configuration;
            next.flip(open.slot);
            if self.step(&next, open.class, children) {
                return Some(choice as u32 + 1);
            }
        }
        let pending = (from as usize).max(window.len()) - window.len();
        for choice in pending..self.problem.pending.len() {
            if self.use_pending(configuration, choice, children) {
                return Some((window.len() + choice) as u32 + 1);
            }
        }
        None
    }

    /// Lets one more of a class of operations that never completed take effect, if one was invoked by then and is
    /// unused.
    fn use_pending(
        &mut self,
        configuration: &Configuration<W>,
        choice: usize,
        children: &mut Vec<Configuration<W>>,
    ) -> bool {
        let (class, calls) = &self.problem.pending[choice];
        let now = self.problem.rets[configuration.level as usize];
        let available = calls.partition_point(|call| *call < now) as u32;
        let used = &self.uses.values[configuration.used as usize];
        let at = used.partition_point(|(other, _)| other < class);
        let count = used.get(at).filter(|(other, _)| other == class).map_or(0, |(_, count)| *count);
        debug_assert!(count <= available, "no more pending operations are used than were invoked");
        if count >= available {
            return false;
        }
        let mut more = used.to_vec();
        match count {
            0 => more.insert(at, (*class, 1)),
            _ => more[at].1 += 1,
        }
        let used = self.uses.intern(more.into(), used_bytes);
        self.step(&Configuration { used, ..*configuration }, *class, children)
    }

    /// Adds the configurations that the action leads to; whether there are any.
    fn step(&mut self, from: &Configuration<W>, class: u32, children: &mut Vec<Configuration<W>>) -> bool {
        let problem = self.problem;
        let before = children.len();
        let state = self.states.values[from.state as usize].clone();
        for next in problem.machine.step(&state, &problem.actions[class as usize]) {
            let state = self.states.intern(next, |state| problem.machine.state_bytes(state));
            children.push(Configuration { state, ..*from });
        }
        children.len() > before
    }

    /// The limit that is exceeded, if any. The memory is only summed up once in [`LOOK_EVERY`] configurations.
    fn over(&mut self, bytes: impl FnOnce() -> usize) -> Option<Limit> {
        self.explored += 1;
        if !self.explored.is_multiple_of(LOOK_EVERY) {
            return None;
        }
        let bytes = bytes() + self.states.bytes + self.uses.bytes + self.problem.bytes();
        let late = self.explored >= self.bounds.configurations_max || (self.bounds.out_of_time)();
        match bytes > self.bounds.memory_bytes {
            true => Some(Limit::Memory),
            false => late.then_some(Limit::Time),
        }
    }

    fn violation(&self) -> Answer {
        Answer::Violation(self.problem.rets.get(self.deepest as usize).copied().unwrap_or(NEVER))
    }

    fn unknown(&self, limit: Limit) -> Answer {
        let holds_before = self.problem.rets.get(self.deepest as usize).copied().unwrap_or(NEVER);
        Answer::Unknown { limit, holds_before }
    }
}

fn used_bytes(used: &Used) -> usize {
    size_of_val::<[(u32, u32)]>(used) + size_of::<Used>()
}
