//! Objects into which elements are inserted and from which they are removed: queue, stack, priority queue. They differ
//! in which element is removed next ([`Discipline`]).
//!
//! If each element is inserted once, polynomial algorithms decide them (`queue`, `stack`, `priority_queue`). All three
//! reason about when an element is certainly inside: from the completion of its insertion to the invocation of its
//! removal. An element whose removal was invoked before its insertion completed is never certainly inside; it can be
//! inserted and removed at one moment, and then constrains nothing.
//!
//! An insertion that never completed happened if its element was removed, and else counts as one that never happened. A
//! removal that never completed may have removed any element, or none; [`judge`] describes how that is handled.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use rustc_hash::{FxHashMap, FxHashSet};

use super::contents::{Conflict, Contents, Held, OutOfTime};
use super::machine::{Bonds, Machine, Timed};
use super::numbers::Numbers;
use super::{priority_queue, queue, stack};

/// Which element is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Discipline {
    /// The one that was inserted first: a queue.
    Fifo,
    /// The one that was inserted last: a stack.
    Lifo,
    /// The least one: a priority queue.
    LeastFirst,
}

/// What was done. Elements are numbers; in a priority queue their order is the priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum CollectionAction {
    /// The element was inserted.
    Insert(u32),
    /// The element was removed.
    Remove(u32),
    /// A removal found the collection empty.
    Empty,
    /// A removal that never completed: it may have removed whichever element was next.
    RemoveUnknown,
}

/// An operation on a collection.
pub(crate) type CollectionOp = Timed<CollectionAction>;

/// A collection as a state machine, empty at first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Collection(
    /// Which element is next.
    pub Discipline,
);

impl Machine for Collection {
    /// The elements; the next one is the last.
    type State = Box<[u32]>;
    type Action = CollectionAction;

    fn initial(&self) -> Box<[u32]> {
        Box::default()
    }

    fn step(&self, inside: &Box<[u32]>, action: &CollectionAction) -> impl IntoIterator<Item = Box<[u32]>> {
        match *action {
            CollectionAction::Insert(element) => {
                let at = match self.0 {
                    Discipline::Fifo => 0,
                    Discipline::Lifo => inside.len(),
                    Discipline::LeastFirst => inside.partition_point(|other| *other > element),
                };
                let mut inside = inside.to_vec();
                inside.insert(at, element);
                Some(inside.into())
            }
            CollectionAction::Remove(element) => {
                inside.split_last().filter(|(next, _)| **next == element).map(|(_, rest)| rest.into())
            }
            CollectionAction::Empty => inside.is_empty().then(Box::default),
            CollectionAction::RemoveUnknown => inside.split_last().map(|(_, rest)| rest.into()),
        }
    }

    fn only_reads(&self, action: &CollectionAction) -> bool {
        *action == CollectionAction::Empty
    }

    fn bonds(&self, action: &CollectionAction) -> Option<Bonds> {
        match *action {
            CollectionAction::Insert(element) => Some(bonds(u64::from(element) * 2, u64::from(element) * 2 + 1)),
            CollectionAction::Remove(element) => Some(bonds(u64::from(element) * 2 + 1, u64::from(element) * 2)),
            // Never removed from a proof: without it, the element that it may have removed would block others.
            CollectionAction::RemoveUnknown => None,
            CollectionAction::Empty => Some(Bonds::default()),
        }
    }

    fn state_bytes(&self, state: &Box<[u32]>) -> usize {
        size_of_val::<[u32]>(state) + size_of::<Box<[u32]>>()
    }
}

fn bonds(gives: u64, takes: u64) -> Bonds {
    Bonds { gives: vec![gives], takes: vec![takes] }
}

/// The result of a fast path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// There is an order.
    Linearizable,
    /// There is none, as the operations at these positions of the list prove; fewer of them may be enough.
    Violation(Vec<usize>),
    /// An element is inserted twice.
    NotUnique,
    /// It depends on removals that never completed.
    Undecided,
    /// The time ran out.
    OutOfTime,
}

/// Decides a collection of which each element is inserted once. The operations are given in the order of invocation.
///
/// Removals that never completed make it decide twice, from both sides. First, elements that were never removed but
/// need to be are assigned to them: an order that exists then is an order of the history. Second, each element that was
/// never removed may leave at any time after the first of these removals, which allows more than the history does: if
/// there is no order even then, it is a violation. If neither decides it, it is undecided.
pub(crate) fn judge(discipline: Discipline, operations: &[CollectionOp]) -> Found {
    judge_within(discipline, operations, &|| false)
}

/// The same, unless the time runs out, which is checked between one pass over the elements and the next.
pub(crate) fn judge_within(
    discipline: Discipline,
    operations: &[CollectionOp],
    out_of_time: &dyn Fn() -> bool,
) -> Found {
    let contents = match Contents::new(operations) {
        Ok(contents) => contents,
        Err(found) => return found,
    };
    if out_of_time() {
        return Found::OutOfTime;
    }
    let decide = |contents: &Contents| match discipline {
        Discipline::Fifo => Ok(queue::judge(contents)),
        Discipline::Lifo => stack::judge(contents, out_of_time),
        Discipline::LeastFirst => Ok(priority_queue::judge(contents)),
    };
    decided(operations, &contents, discipline, decide).unwrap_or(Found::OutOfTime)
}

fn decided(
    operations: &[CollectionOp],
    contents: &Contents,
    discipline: Discipline,
    decide: impl Fn(&Contents) -> Result<Option<Conflict>, OutOfTime>,
) -> Result<Found, OutOfTime> {
    let violation =
        |contents: &Contents, conflict: &Conflict| Found::Violation(contents.operations(operations, conflict));
    if contents.unknown.is_empty() {
        return Ok(decide(contents)?.map_or(Found::Linearizable, |conflict| violation(contents, &conflict)));
    }
    debug_assert!(contents.unknown.is_sorted(), "removals of unknown outcome are in the order of invocation");
    let given = if discipline == Discipline::Fifo { queue::give(contents) } else { contents.clone() };
    if decide(&given)?.is_none() || decide(contents)?.is_none() {
        return Ok(Found::Linearizable);
    }
    let free = contents.freed();
    Ok(decide(&free)?.map_or(Found::Undecided, |conflict| violation(&free, &conflict)))
}

impl Contents {
    fn new(operations: &[CollectionOp]) -> Result<Self, Found> {
        let (spans, end) = ranks(operations);
        let mut contents = Self { end, ..Self::default() };
        let is_insertion = |operation: &&CollectionOp| matches!(operation.action, CollectionAction::Insert(_));
        let insertions = operations.iter().filter(is_insertion).count();
        // Allocated in full size: while a vector grows, the old one and the new one exist together.
        let mut places = Numbers::of_about(insertions);
        contents.held.reserve_exact(insertions);
        for (operation, (insert_call, insert_ret)) in operations.iter().zip(spans.iter().copied()) {
            let CollectionAction::Insert(element) = operation.action else { continue };
            if places.number(element.into()) as usize != contents.held.len() {
                return Err(Found::NotUnique);
            }
            contents.held.push(Held { element, insert_call, insert_ret, remove_call: end, remove_ret: end + 1 });
        }
        for (at, operation) in operations.iter().enumerate() {
            let (call, ret) = spans[at];
            match operation.action {
                CollectionAction::Remove(element) => {
                    let held = places.known(element.into()).map(|place| &mut contents.held[place as usize]);
                    let fits = |held: &&mut Held| held.remove_ret == end + 1 && held.remove_call == end;
                    let Some(held) = held.filter(fits).filter(|held| held.insert_call < ret) else {
                        return Err(Found::Violation(about(operations, element, at)));
                    };
                    (held.remove_call, held.remove_ret) = (call, ret);
                }
                CollectionAction::Empty if operation.completed() => contents.empties.push((call, ret)),
                CollectionAction::RemoveUnknown => contents.unknown.push(call),
                CollectionAction::Empty | CollectionAction::Insert(_) => {}
            }
        }
        // An insertion that never completed, of an element that was never removed, counts as never happened.
        contents.held.retain(|held| held.insert_ret < end || held.remove_call < end);
        debug_assert!(
            contents.held.iter().all(|held| held.insert_call < held.insert_ret && held.remove_call < held.remove_ret),
            "every completion comes after its call"
        );
        debug_assert!(
            contents.held.is_sorted_by(|a, b| a.insert_call < b.insert_call),
            "elements are in the order in which their insertions were invoked"
        );
        Ok(contents)
    }

    /// The same contents, but elements that were never removed may leave after the first removal that never completed.
    fn freed(&self) -> Self {
        let mut free = self.clone();
        let first = self.unknown.first().copied().unwrap_or(self.end);
        for held in free.held.iter_mut().filter(|held| held.remove_call == self.end) {
            held.remove_call = first;
        }
        free
    }

    /// Positions of the operations on these elements, and of all removals that never completed.
    fn operations(&self, operations: &[CollectionOp], conflict: &Conflict) -> Vec<usize> {
        let mut elements = Numbers::of_about(self.held.len());
        for place in &conflict.held {
            elements.number(self.held[*place].element.into());
        }
        let mut empties = 0;
        let is_about = |operation: &CollectionOp| match operation.action {
            CollectionAction::Insert(element) | CollectionAction::Remove(element) => {
                elements.known(element.into()).is_some()
            }
            CollectionAction::RemoveUnknown => true,
            CollectionAction::Empty if operation.completed() => {
                empties += 1;
                conflict.empty == Some(empties - 1)
            }
            CollectionAction::Empty => false,
        };
        let about = operations.iter().map(is_about).enumerate().filter(|(_, about)| *about);
        about.map(|(at, _)| at).collect()
    }

    /// Elements of which at least one is certainly inside at each moment from gap `from` to gap `to`; none if there are
    /// no such elements. Greedy: the next one is always the one that reaches farthest, so these are the fewest.
    /// `certain` has the positions of elements that are certainly inside at some time, ordered by `insert_ret`.
    pub(super) fn cover(&self, certain: &[usize], from: u32, to: u32) -> Option<Vec<usize>> {
        debug_assert!(
            certain.is_sorted_by_key(|place| self.held[*place].insert_ret),
            "elements are in the order in which their insertions completed"
        );
        let (mut covering, mut reached) = (Vec::new(), from);
        let mut begun = certain.iter().copied().peekable();
        let mut farthest: Option<usize> = None;
        while reached <= to {
            while let Some(place) = begun.next_if(|place| self.held[*place].insert_ret <= reached) {
                if farthest.is_none_or(|best| self.held[best].remove_call < self.held[place].remove_call) {
                    farthest = Some(place);
                }
            }
            let place = farthest.filter(|place| self.held[*place].remove_call > reached)?;
            reached = self.held[place].remove_call;
            covering.push(place);
        }
        Some(covering)
    }

    /// An operation that found the collection empty although at each moment of it some element was certainly inside.
    pub(super) fn never_empty(&self) -> Option<Conflict> {
        if self.empties.is_empty() {
            return None;
        }
        let mut certain: Vec<usize> = (0..self.held.len()).filter(|place| self.held[*place].is_certain()).collect();
        certain.sort_unstable_by_key(|place| self.held[*place].insert_ret);
        let mut runs: Vec<(u32, u32)> = Vec::new();
        for held in certain.iter().map(|place| &self.held[*place]) {
            match runs.last_mut().filter(|run| held.insert_ret < run.1) {
                Some(run) => run.1 = run.1.max(held.remove_call),
                None => runs.push((held.insert_ret, held.remove_call)),
            }
        }
        let (empty, (call, ret)) = self.empties.iter().enumerate().find(|(_, (call, ret))| {
            let begun = runs.partition_point(|run| run.0 <= *call);
            begun > 0 && runs[begun - 1].1 >= *ret
        })?;
        Some(Conflict { held: self.cover(&certain, *call, ret - 1)?, empty: Some(empty) })
    }
}

/// If some operations removed an element more often than it was ever inserted: its insertions, and one removal more
/// than these.
pub(crate) fn doubled(operations: &[CollectionOp], some: &[CollectionOp]) -> Option<Vec<CollectionOp>> {
    let mut removed: FxHashMap<u32, usize> = FxHashMap::default();
    for operation in some {
        if let CollectionAction::Remove(element) = operation.action {
            *removed.entry(element).or_default() += 1;
        }
    }
    let mut excess = removed.clone();
    for operation in operations {
        if let CollectionAction::Insert(element) = operation.action
            && let Some(excess) = excess.get_mut(&element)
        {
            *excess = excess.saturating_sub(1);
        }
    }
    let element = excess.iter().filter(|(_, excess)| **excess > 0).map(|(element, _)| *element).min()?;
    let removals = some.iter().filter(|operation| operation.action == CollectionAction::Remove(element));
    let needed = removed[&element] - excess[&element] + 1;
    let insertions = operations.iter().filter(|operation| operation.action == CollectionAction::Insert(element));
    let mut proof: Vec<CollectionOp> = insertions.chain(removals.take(needed)).copied().collect();
    proof.sort_unstable_by_key(|operation| operation.call);
    Some(proof)
}

/// Positions of the operations on one element, including the one at `last`.
fn about(operations: &[CollectionOp], element: u32, last: usize) -> Vec<usize> {
    let is_about = |operation: &CollectionOp| match operation.action {
        CollectionAction::Insert(other) | CollectionAction::Remove(other) => other == element,
        CollectionAction::Empty | CollectionAction::RemoveUnknown => false,
    };
    (0..=last).chain(last + 1..operations.len()).filter(|at| is_about(&operations[*at])).collect()
}

/// The operations without insertions that never completed of elements that nobody removed.
///
/// Why that is sound: take an order with such an insertion. Either its element stays inside, where it can only be in the
/// way of others, or a removal that never completed takes it: then both need not have happened.
pub(crate) fn needed(operations: &[CollectionOp]) -> Vec<CollectionOp> {
    let removed: FxHashSet<u32> = operations
        .iter()
        .filter_map(|operation| match operation.action {
            CollectionAction::Remove(element) => Some(element),
            _ => None,
        })
        .collect();
    let is_needed = |operation: &&CollectionOp| match operation.action {
        CollectionAction::Insert(element) => operation.completed() || removed.contains(&element),
        _ => true,
    };
    operations.iter().filter(is_needed).copied().collect()
}

/// Invocation and completion of each operation as ranks among all events of these operations, and the number of events.
/// An operation that never completed ends with the history.
fn ranks(operations: &[CollectionOp]) -> (Vec<(u32, u32)>, u32) {
    let completed = operations.iter().filter(|operation| operation.completed()).count();
    let end = (operations.len() + completed) as u32;
    let mut spans: Vec<(u32, u32)> = vec![(0, end); operations.len()];
    // Few are open at a time: less work than to sort all completions.
    let mut open: BinaryHeap<Reverse<(u32, u32)>> = BinaryHeap::new();
    let mut rank = 0;
    for (at, operation) in operations.iter().enumerate() {
        while let Some(first) = open.peek_mut().filter(|first| first.0.0 < operation.call) {
            spans[PeekMut::pop(first).0.1 as usize].1 = rank;
            rank += 1;
        }
        spans[at].0 = rank;
        rank += 1;
        if operation.completed() {
            open.push(Reverse((operation.ret, at as u32)));
        }
    }
    while let Some(Reverse((_, first))) = open.pop() {
        spans[first as usize].1 = rank;
        rank += 1;
    }
    debug_assert!(spans.iter().all(|(call, ret)| call < ret && *ret <= end), "ranks keep the order of events");
    (spans, end)
}
