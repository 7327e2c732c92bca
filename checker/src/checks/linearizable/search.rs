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
//! Six rules keep the number of configurations small:
//! - an operation that only reads takes effect as soon as the state allows it: it changes nothing, so that is never
//!   wrong;
//! - of equal open operations, the one that completes first takes effect first: exchanging the two changes nothing
//!   else;
//! - an operation takes effect as late as possible: right after another, and before the completion that is due, only
//!   what depends on that other is tried ([`Machine::relation`]);
//! - a write that is hidden by the next leaves no trace. So when one takes effect, all open ones that it would hide are
//!   *free* from then on: they may pass their completion, or still take effect before it. Nobody has to choose which of
//!   them were hidden at that moment;
//! - operations that never completed are only counted, for each action, and a configuration is dropped if another one,
//!   equal in state and writes, has used no more of any of them, and all is done or free there that is here: whatever the
//!   first can still reach, the second can, too;
//! - where no operation is open, the mask is empty, so configurations there differ only in their states.
//!
//! Depth first finds an order quickly if there is one; that there is none is known sooner breadth first, completion by
//! completion, where what dominates comes before what it dominates, and only the configurations before one completion are
//! kept. So a short attempt depth first is followed by one breadth first, then by both with all the limits allow. In the
//! worst case it is exponential in the number of operations open at the same time, and of those that never completed and
//! may have been seen (the problem is NP-complete: Gibbons and Korach, 1997), hence [`Bounds`].

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::Hash;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::machine::{Machine, NEVER, Relation, Timed};

/// The limits are checked once in so many configurations.
const LOOK_EVERY: u64 = 512;
/// All but the last attempt may take the memory limit divided by this.
const MEMORY_SHARE: usize = 4;
/// So many configurations, and so many for each completion, are looked at depth first to begin with: more than enough
/// for almost every history that has an order.
const DEEP_FEW: u64 = 2_000;
const DEEP_FEW_EACH: u64 = 4;
/// And so many then by level, before depth first is tried to its end.
const LEVELS_FEW: u64 = 1_000_000;
const LEVELS_FEW_EACH: u64 = 512;
/// Where more operations are open at a time, nothing is searched.
const SLOTS_MAX: usize = 1024;
/// So many configurations have room in what is kept of a level for the next ones.
const SPARE_MAX: usize = 4096;
/// What an interned value takes besides itself: its counts, two pointers to it, its number, and room in the table.
const INTERNED_BYTES: usize = 64;

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
    let problem = Problem::new(machine, operations);
    let levels = problem.rets.len() as u64;
    let part = bounds.memory_bytes / MEMORY_SHARE;
    let attempts = [
        (Order::Deep, part, DEEP_FEW + DEEP_FEW_EACH * levels),
        (Order::ByLevel, part, LEVELS_FEW + LEVELS_FEW_EACH * levels),
        (Order::Deep, part, u64::MAX),
        (Order::ByLevel, bounds.memory_bytes, u64::MAX),
    ];
    let (mut spent, mut farthest, mut reached) = (0, 0, Limit::Time);
    for (order, memory_bytes, most) in attempts {
        let left = bounds.configurations_max.saturating_sub(spent);
        let (answer, explored) =
            problem.attempt(order, &Bounds { memory_bytes, configurations_max: most.min(left), ..*bounds });
        spent += explored;
        let Answer::Unknown { limit, holds_before } = answer else { return (answer, spent) };
        (farthest, reached) = (holds_before.max(farthest), limit);
        if limit == Limit::Concurrency || spent >= bounds.configurations_max || (bounds.out_of_time)() {
            break;
        }
    }
    (Answer::Unknown { limit: reached, holds_before: farthest }, spent)
}

/// Searches in one order only.
pub fn search_in_order<M: Machine>(
    machine: &M,
    operations: &[Timed<M::Action>],
    order: Order,
    bounds: &Bounds<'_>,
) -> Answer {
    Problem::new(machine, operations).attempt(order, bounds).0
}

/// In which order configurations are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Depth first.
    Deep,
    /// Breadth first: all before one completion, then all before the next.
    ByLevel,
}

/// An operation that is open before a completion.
#[derive(Clone, Copy)]
struct Open {
    /// The number of its action: equal actions are one class.
    class: u32,
    /// Its bit in the masks. A slot is used again when its operation has completed.
    slot: u16,
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
    /// How many bits the mask needs. Beyond [`SLOTS_MAX`] there are no windows.
    slots: usize,
    /// The action of each class.
    actions: Vec<M::Action>,
    only_reads: Vec<bool>,
    /// Classes with operations that never completed, with all their invocations, ascending.
    pending: Vec<(u32, Vec<u32>)>,
}

impl<'a, M: Machine> Problem<'a, M> {
    fn new(machine: &'a M, operations: &[Timed<M::Action>]) -> Self {
        debug_assert!(operations.is_sorted_by(|a, b| a.call < b.call), "operations are in the order of invocation");
        debug_assert!(
            operations.iter().all(|operation| operation.call < operation.ret),
            "every completion comes after its call"
        );
        let (class_of, actions) = classes(machine, operations);
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
        let is_whole = problem.open_from.len() == problem.rets.len() + 1;
        assert!(is_whole || problem.slots > SLOTS_MAX, "every level has a window");
        debug_assert!(problem.rets.is_sorted_by(|a, b| a < b), "no two operations complete at one event");
        debug_assert!(
            problem.pending.iter().all(|(_, calls)| calls.is_sorted()),
            "the pending operations of a class are in the order of invocation"
        );
        problem
    }

    /// A search with a mask of as many bits as are needed.
    fn attempt(&self, order: Order, bounds: &Bounds<'_>) -> (Answer, u64) {
        match self.slots {
            0..=64 => Search::<M, 1>::new(self, bounds).run(order),
            65..=256 => Search::<M, 4>::new(self, bounds).run(order),
            257..=SLOTS_MAX => Search::<M, 16>::new(self, bounds).run(order),
            _ => {
                let holds_before = self.rets.first().copied().unwrap_or(0);
                (Answer::Unknown { limit: Limit::Concurrency, holds_before }, 0)
            }
        }
    }

    fn fill_windows(&mut self, operations: &[Timed<M::Action>], class_of: &[u32]) {
        let (most, all) = self.window_sizes(operations);
        self.slots = most;
        if most > SLOTS_MAX {
            return;
        }
        // In full size: what grows is moved again and again.
        self.open.reserve_exact(all);
        self.open_from.reserve_exact(self.rets.len());
        let mut coming = operations.iter().zip(class_of).filter(|(operation, _)| operation.completed()).peekable();
        let mut window: Vec<(u32, Open)> = Vec::new();
        let mut free: Vec<u16> = (0..most as u16).rev().collect();
        for ret in &self.rets {
            while let Some((operation, class)) = coming.next_if(|(operation, _)| operation.call < *ret) {
                let slot = free.pop().expect("there are as many slots as operations are open");
                let at = window.partition_point(|(ret, _)| *ret < operation.ret);
                window.insert(at, (operation.ret, Open { slot, class: *class }));
            }
            debug_assert_eq!(window[0].0, *ret, "the operation that completes first leads its window");
            self.open.extend(window.iter().map(|(_, open)| open));
            self.open_from.push(self.open.len());
            free.push(window.remove(0).1.slot);
        }
    }

    /// How many operations are open before a completion: at most, and of all completions together.
    fn window_sizes(&self, operations: &[Timed<M::Action>]) -> (usize, usize) {
        let mut coming = operations.iter().filter(|operation| operation.completed()).peekable();
        let (mut open, mut most, mut all) = (0usize, 0, 0);
        for ret in &self.rets {
            while coming.next_if(|operation| operation.call < *ret).is_some() {
                open += 1;
            }
            (most, all) = (most.max(open), all + open);
            open -= 1;
        }
        (most, all)
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

/// The class of each operation, and the action of each class.
fn classes<M: Machine>(machine: &M, operations: &[Timed<M::Action>]) -> (Vec<u32>, Vec<M::Action>) {
    let mut known: FxHashMap<Cow<'_, M::Action>, u32> = FxHashMap::default();
    let mut actions: Vec<M::Action> = Vec::new();
    let mut class_of = Vec::with_capacity(operations.len());
    for operation in operations {
        let class = known.entry(machine.distinct(&operation.action)).or_insert_with_key(|action| {
            actions.push(action.clone().into_owned());
            actions.len() as u32 - 1
        });
        class_of.push(*class);
    }
    (class_of, actions)
}

/// Before a completion: the state, the open operations that have taken effect, and the pending ones that were used.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Configuration<const W: usize> {
    level: u32,
    state: u32,
    /// The open operations that have taken effect, except those that only read.
    done: [u64; W],
    /// The open operations that cost nothing any more: reads that have taken effect, and operations that need not, since
    /// they may have been hidden.
    free: [u64; W],
    used: u32,
    /// Which class took effect last, plus one, if nothing depended on it yet; else 0.
    last: u32,
}

impl<const W: usize> Configuration<W> {
    /// A digest of level, state and the operations that took effect, with `last` as the last one.
    fn digest(&self, last: u32) -> u64 {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        let mix = |digest: u64, word: u64| (digest.rotate_left(29) ^ word).wrapping_mul(ODD);
        let first = u64::from(self.level) << 32 | u64::from(self.state);
        self.done.iter().fold(mix(u64::from(last), first), |digest, word| mix(digest, *word))
    }
}

fn has<const W: usize>(mask: &[u64; W], slot: u16) -> bool {
    mask[slot as usize / 64] >> (slot % 64) & 1 == 1
}

fn set<const W: usize>(mask: &mut [u64; W], slot: u16) {
    mask[slot as usize / 64] |= 1 << (slot % 64);
}

fn clear<const W: usize>(mask: &mut [u64; W], slot: u16) {
    mask[slot as usize / 64] &= !(1 << (slot % 64));
}

fn contains<const W: usize>(mask: &[u64; W], other: &[u64; W]) -> bool {
    mask.iter().zip(other).all(|(mask, other)| other & !mask == 0)
}

/// Values, each stored once and numbered.
struct Interner<T> {
    numbers: FxHashMap<Rc<T>, u32>,
    values: Vec<Rc<T>>,
    bytes: usize,
}

impl<T: Eq + Hash> Interner<T> {
    fn new() -> Self {
        Self { numbers: FxHashMap::default(), values: Vec::new(), bytes: 0 }
    }

    fn intern(&mut self, value: T, bytes: impl FnOnce(&T) -> usize) -> u32 {
        if let Some(number) = self.numbers.get(&value) {
            return *number;
        }
        self.bytes += bytes(&value) + INTERNED_BYTES;
        self.share(Rc::new(value))
    }

    /// The number of a value of another interner.
    fn keep(&mut self, value: &Rc<T>, bytes: impl FnOnce(&T) -> usize) -> u32 {
        if let Some(number) = self.numbers.get(value) {
            return *number;
        }
        self.bytes += bytes(value) + INTERNED_BYTES;
        self.share(Rc::clone(value))
    }

    fn share(&mut self, value: Rc<T>) -> u32 {
        let number = self.values.len() as u32;
        self.values.push(Rc::clone(&value));
        self.numbers.insert(value, number);
        number
    }
}

/// Class and how many of its pending operations were used, ascending by class.
type Used = Box<[(u32, u32)]>;

/// The configurations seen, without those that another one dominates: one with the same level, state and operations that
/// took effect, to which as much or more is free, and which has used no more pending operations of any class.
///
/// A few levels at a time have a table of their own: a search looks at those near each other, and in one table for all they
/// would lie anywhere.
struct Seen<const W: usize> {
    /// The first level of the first table.
    first: u32,
    /// By digest, the newest entry.
    tables: Vec<FxHashMap<u64, u32>>,
    /// How much all tables have room for, and which has the most.
    capacity: usize,
    largest: usize,
    /// Linked lists, each of a digest.
    entries: Vec<Entry<W>>,
}

/// So many levels share a table.
const LEVELS_EACH: u32 = 32;

/// A configuration in a list.
#[derive(Clone, Copy)]
struct Entry<const W: usize> {
    level: u32,
    state: u32,
    used: u32,
    last: u32,
    /// The next one in the list.
    next: u32,
    done: [u64; W],
    free: [u64; W],
}

const END: u32 = u32::MAX;
/// The level of an entry that another one dominates.
const DOMINATED: u32 = u32::MAX;

impl<const W: usize> Seen<W> {
    /// Of this level and those after it.
    fn new(first: u32) -> Self {
        Self { first, tables: Vec::new(), capacity: 0, largest: 0, entries: Vec::new() }
    }

    /// The same in the room of what is needed no more.
    fn in_room_of(spare: Option<Self>, first: u32) -> Self {
        let Some(mut seen) = spare else { return Self::new(first) };
        seen.tables.iter_mut().for_each(FxHashMap::clear);
        seen.entries.clear();
        Self { first, ..seen }
    }

    /// Adds a configuration, and returns the number of its entry; none if one that was seen dominates it.
    fn insert(&mut self, configuration: &Configuration<W>, uses: &[Rc<Used>]) -> Option<u32> {
        let Configuration { level, state, done, free, used, last } = *configuration;
        let at = ((level - self.first) / LEVELS_EACH) as usize;
        if self.tables.len() <= at {
            self.tables.resize_with(at + 1, FxHashMap::default);
        }
        let found = |digest: u64| self.tables[at].get(&digest).copied().unwrap_or(END);
        if last != 0 && self.dominates(found(configuration.digest(0)), configuration, uses) {
            return None;
        }
        let digest = configuration.digest(last);
        let mut head = found(digest);
        if self.dominates(head, configuration, uses) {
            return None;
        }
        self.unlink_dominated(&mut head, configuration, uses);
        let new = self.entries.len() as u32;
        self.entries.push(Entry { level, state, used, last, next: head, done, free });
        let before = self.tables[at].capacity();
        self.tables[at].insert(digest, new);
        self.capacity += self.tables[at].capacity() - before;
        if self.tables[at].capacity() > self.tables[self.largest].capacity() {
            self.largest = at;
        }
        Some(new)
    }

    /// Whether some entry of a list dominates the configuration.
    fn dominates(&self, head: u32, configuration: &Configuration<W>, uses: &[Rc<Used>]) -> bool {
        let Configuration { level, state, ref done, ref free, used, last } = *configuration;
        let mut at = head;
        while at != END {
            let entry = &self.entries[at as usize];
            let fewer = || entry.used == 0 || within(&uses[entry.used as usize], &uses[used as usize]);
            let is_here = entry.level == level && entry.state == state && entry.done == *done;
            let is_like = is_here && (entry.last == last || entry.last == 0);
            if is_like && contains(&entry.free, free) && fewer() {
                return true;
            }
            at = entry.next;
        }
        false
    }

    /// Takes the entries that the configuration dominates out of a list, though not out of the memory.
    fn unlink_dominated(&mut self, head: &mut u32, configuration: &Configuration<W>, uses: &[Rc<Used>]) {
        let Configuration { level, state, ref done, ref free, used, last } = *configuration;
        let (mut before, mut at) = (END, *head);
        while at != END {
            let entry = self.entries[at as usize];
            let fewer = || used == 0 || within(&uses[used as usize], &uses[entry.used as usize]);
            let is_here = entry.level == level && entry.state == state && entry.done == *done;
            let is_like = is_here && entry.last == last;
            if is_like && contains(free, &entry.free) && fewer() {
                self.entries[at as usize].level = DOMINATED;
                *(if before == END { &mut *head } else { &mut self.entries[before as usize].next }) = entry.next;
            } else {
                before = at;
            }
            at = entry.next;
        }
    }

    /// The configuration of an entry; none if another one dominates it by now.
    fn configuration(&self, entry: u32) -> Option<Configuration<W>> {
        let Entry { level, state, used, last, done, free, .. } = self.entries[entry as usize];
        (level != DOMINATED).then_some(Configuration { level, state, done, free, used, last })
    }

    fn bytes(&self) -> usize {
        // What is nearly full will soon be moved to where there is room for twice as much, before the old room is free.
        let growth = |len: usize, capacity: usize| match len + LOOK_EVERY as usize * 64 >= capacity {
            true => 2 * capacity,
            false => 0,
        };
        let (len, capacity) = self.tables.get(self.largest).map_or((0, 0), |table| (table.len(), table.capacity()));
        let heads = self.capacity + growth(len, capacity);
        let entries = self.entries.capacity() + growth(self.entries.len(), self.entries.capacity());
        heads * (size_of::<(u64, u32)>() + 1)
            + self.tables.capacity() * size_of::<FxHashMap<u64, u32>>()
            + entries * size_of::<Entry<W>>()
    }
}

/// Whether `few` uses no class more often than `many` does. Both are ordered by class, so one walk over `many` is
/// enough.
fn within(few: &[(u32, u32)], many: &[(u32, u32)]) -> bool {
    debug_assert!(few.is_sorted_by(|a, b| a.0 < b.0) && many.is_sorted_by(|a, b| a.0 < b.0), "uses ascend by class");
    let mut many = many.iter();
    few.iter().all(|(class, count)| many.any(|(other, more)| other == class && count <= more))
}

/// A configuration on the way of the search depth first.
#[derive(Clone, Copy)]
struct Frame {
    /// Its entry in what was seen.
    entry: u32,
    /// So many of its choices were tried.
    tried: u32,
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

    fn run(mut self, order: Order) -> (Answer, u64) {
        let answer = match order {
            Order::Deep => self.deep(),
            Order::ByLevel => self.by_level(),
        };
        (answer, self.explored)
    }

    fn first(&mut self) -> Configuration<W> {
        let machine = self.problem.machine;
        let state = self.states.intern(machine.initial(), |state| machine.state_bytes(state));
        Configuration { level: 0, state, done: [0; W], free: [0; W], used: 0, last: 0 }
    }

    /// Depth first: follows one configuration as far as it leads, then the next.
    fn deep(&mut self) -> Answer {
        let mut seen = Seen::<W>::new(0);
        let (mut stack, mut children, mut settled) = (Vec::<Frame>::new(), vec![self.first()], Vec::new());
        loop {
            for child in children.drain(..) {
                if self.settle(child, &mut settled) {
                    return Answer::Linearizable;
                }
                for child in settled.drain(..) {
                    if let Some(entry) = seen.insert(&child, &self.uses.values) {
                        stack.push(Frame { entry, tried: 0 });
                    }
                }
            }
            let frames = stack.capacity() * size_of::<Frame>();
            if let Some(limit) = self.over(|| seen.bytes() + frames) {
                return self.unknown(limit);
            }
            loop {
                let Some(Frame { entry, tried }) = stack.last_mut() else { return self.violation() };
                let configuration = seen.configuration(*entry);
                match configuration.and_then(|from| self.expand(&from, *tried, &mut children)) {
                    Some(next) => {
                        *tried = next;
                        break;
                    }
                    None => drop(stack.pop()),
                }
            }
        }
    }

    /// Breadth first: all configurations before a completion, then those before the next.
    fn by_level(&mut self) -> Answer {
        let mut levels: BTreeMap<u32, Seen<W>> = BTreeMap::new();
        let mut settled = Vec::new();
        let first = self.first();
        if self.settle(first, &mut settled) {
            return Answer::Linearizable;
        }
        for first in settled.drain(..) {
            levels.entry(first.level).or_insert_with(|| Seen::new(first.level)).insert(&first, &self.uses.values);
        }
        let mut children = Vec::new();
        // Used again, since a level is small and a history has many.
        let mut spare: Option<Seen<W>> = None;
        while let Some((level, mut seen)) = levels.pop_first() {
            let mut work = self.fewest_used_last(&seen);
            while let Some(entry) = work.pop() {
                let Some(configuration) = seen.configuration(entry) else { continue };
                let mut from = 0;
                while let Some(next) = self.expand(&configuration, from, &mut children) {
                    from = next;
                }
                for child in children.drain(..) {
                    if self.settle(child, &mut settled) {
                        return Answer::Linearizable;
                    }
                    for child in settled.drain(..) {
                        let here = child.level == level;
                        let later = || Seen::in_room_of(spare.take(), child.level);
                        let place = if here { &mut seen } else { levels.entry(child.level).or_insert_with(later) };
                        work.extend(place.insert(&child, &self.uses.values).filter(|_| here));
                    }
                }
                let frames = work.capacity() * size_of::<u32>();
                let kept = || levels.values().map(Seen::bytes).sum::<usize>();
                if let Some(limit) = self.over(|| kept() + seen.bytes() + frames) {
                    return self.unknown(limit);
                }
            }
            // Where a level was large, the room for it would be a burden to each small one.
            spare = Some(seen).filter(|seen| seen.entries.capacity() <= SPARE_MAX);
            if self.states.bytes + self.uses.bytes > self.bounds.memory_bytes / 4 {
                self.forget(&mut levels);
            }
        }
        self.violation()
    }

    /// What was seen of a level, in the order in which it is looked at from the end: what dominates before what it dominates.
    fn fewest_used_last(&self, seen: &Seen<W>) -> Vec<u32> {
        let mut entries: Vec<u32> = (0..seen.entries.len() as u32).collect();
        if !self.problem.pending.is_empty() {
            let used = |entry: &u32| {
                let used = &self.uses.values[seen.entries[*entry as usize].used as usize];
                used.iter().map(|(_, count)| count).sum::<u32>()
            };
            entries.sort_by_key(|entry| Reverse(used(entry)));
        }
        entries
    }

    /// Keeps only the states and uses that remembered configurations still refer to.
    fn forget(&mut self, levels: &mut BTreeMap<u32, Seen<W>>) {
        let (mut states, mut uses) = (Interner::new(), Interner::new());
        let machine = self.problem.machine;
        uses.intern(Box::default(), |_: &Used| 0);
        for seen in levels.values_mut() {
            let old = std::mem::replace(seen, Seen::new(seen.first));
            for mut configuration in (0..old.entries.len() as u32).filter_map(|entry| old.configuration(entry)) {
                configuration.state =
                    states.keep(&self.states.values[configuration.state as usize], |state| machine.state_bytes(state));
                configuration.used = uses.keep(&self.uses.values[configuration.used as usize], used_bytes);
                seen.insert(&configuration, &uses.values);
            }
        }
        (self.states, self.uses) = (states, uses);
    }

    /// Lets open reads take effect, and passes the completions of operations that have taken effect or are free. True if
    /// no completion is left: then an order is found. Else adds the configurations that this leads to.
    ///
    /// A read never needs to wait: it changes no state, so whatever follows without it follows with it. An operation that
    /// is free may take effect before it completes, or pass: both are followed.
    fn settle(&mut self, mut configuration: Configuration<W>, settled: &mut Vec<Configuration<W>>) -> bool {
        let problem = self.problem;
        while (configuration.level as usize) < problem.rets.len() {
            let window = problem.window(configuration.level);
            for open in window.iter().filter(|open| problem.only_reads[open.class as usize]) {
                let state = &self.states.values[configuration.state as usize];
                if !has(&configuration.free, open.slot) && self.allows(state, open.class) {
                    set(&mut configuration.free, open.slot);
                    // It was not allowed before what took effect last.
                    configuration.last = 0;
                }
            }
            // Its operation completes here, so this is the last chance for it to take effect.
            let due = window[0];
            let (is_done, is_free) = (has(&configuration.done, due.slot), has(&configuration.free, due.slot));
            // Bits are cleared, since another operation may get the slot.
            clear(&mut configuration.free, due.slot);
            if !is_done && !problem.only_reads[due.class as usize] {
                settled.push(configuration);
            }
            if !is_done && !is_free {
                if problem.only_reads[due.class as usize] {
                    settled.push(configuration);
                }
                self.deepest = self.deepest.max(configuration.level);
                return false;
            }
            clear(&mut configuration.done, due.slot);
            configuration.last = 0;
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
            let Configuration { done, free, .. } = configuration;
            // Equal operations are interchangeable, so only the one that must complete first is tried: unless that may
            // have been hidden already, and this one not.
            let equal_goes_first = || {
                window[..choice].iter().any(|earlier| {
                    let is_equal = earlier.class == open.class && !has(done, earlier.slot);
                    is_equal && (!has(free, earlier.slot) || has(free, open.slot))
                })
            };
            if self.problem.only_reads[open.class as usize]
                || has(done, open.slot)
                || !self.follows(configuration.last, open.class, choice == 0)
                || equal_goes_first()
            {
                continue;
            }
            let mut next = *configuration;
            set(&mut next.done, open.slot);
            clear(&mut next.free, open.slot);
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

    /// Whether a class is tried right after the one that took effect last. Not if that could as well have waited.
    fn follows(&self, last: u32, class: u32, is_due: bool) -> bool {
        let Some(last) = last.checked_sub(1) else { return true };
        let problem = self.problem;
        match problem.machine.relation(&problem.actions[last as usize], &problem.actions[class as usize]) {
            Relation::Depends => true,
            Relation::Commutes => !is_due && last <= class,
            Relation::Hides => false,
        }
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
        if !self.follows(configuration.last, *class, false) {
            return false;
        }
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
        let mut from = *from;
        if M::RELATES {
            from.last = class + 1;
            self.hide(&mut from, class);
        }
        let state = Rc::clone(&self.states.values[from.state as usize]);
        for next in problem.machine.step(&state, &problem.actions[class as usize]) {
            let state = self.states.intern(next, |state| problem.machine.state_bytes(state));
            children.push(Configuration { state, ..from });
        }
        children.len() > before
    }

    /// Whatever is open and could have taken effect right before this, without a trace, is free from now on.
    fn hide(&self, configuration: &mut Configuration<W>, class: u32) {
        let problem = self.problem;
        for open in problem.window(configuration.level) {
            let hidden = || {
                let action = &problem.actions[open.class as usize];
                problem.machine.relation(action, &problem.actions[class as usize]) == Relation::Hides
            };
            if !problem.only_reads[open.class as usize] && !has(&configuration.done, open.slot) && hidden() {
                set(&mut configuration.free, open.slot);
            }
        }
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
