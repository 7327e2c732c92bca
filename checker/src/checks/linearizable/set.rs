//! Is a set linearizable, where each element is added once and removed at most once?
//!
//! Without reads of the whole set every element is an object by itself. Between its addition and its removal it is there,
//! so the addition wants to be late and the removal early: if the latest addition comes before the earliest removal, an
//! operation that did not find the element must begin before the one or end after the other, and nothing else is asked.
//! O(n); Lee and Mathur (arXiv 2410.04581) and Abdulla et al. (arXiv 2509.17795) have the same bound.
//!
//! With reads of the whole set and no removals, the sets that were read must include one another, which puts the reads and
//! the additions in a sequence of groups; each operation must be able to come after all in the groups before it. Linear
//! in the sizes of the sets that were read, but for sorting.
//!
//! Everything else is left to the general search.

use rustc_hash::FxHashMap;

use super::machine::{Bonds, Machine, Timed};

/// What was done with a set. Elements are names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The element is there from now on.
    Add(u32),
    /// The element is not there from now on, whether it was or not.
    Remove(u32),
    /// Whether the element was there.
    Contains(u32, bool),
    /// All that was there, ascending.
    Read(Box<[u32]>),
}

/// An operation on a set.
pub type Op = Timed<Action>;

/// The name of what every removal gives.
const ANY_REMOVAL: u64 = u64::MAX;

/// A set as a state machine, empty at first.
#[derive(Clone, Copy, Debug)]
pub struct Set;

impl Machine for Set {
    /// The elements, ascending.
    type State = Box<[u32]>;
    type Action = Action;

    fn initial(&self) -> Box<[u32]> {
        Box::default()
    }

    fn step(&self, inside: &Box<[u32]>, action: &Action) -> impl IntoIterator<Item = Box<[u32]>> {
        let place = |element: &u32| inside.binary_search(element);
        match action {
            Action::Add(element) => {
                let mut more = inside.to_vec();
                if let Err(at) = place(element) {
                    more.insert(at, *element);
                }
                Some(more.into())
            }
            Action::Remove(element) => Some(inside.iter().filter(|other| *other != element).copied().collect()),
            Action::Contains(element, found) => (place(element).is_ok() == *found).then(|| inside.clone()),
            Action::Read(elements) => (elements == inside).then(|| inside.clone()),
        }
    }

    fn only_reads(&self, action: &Action) -> bool {
        matches!(action, Action::Contains(..) | Action::Read(_))
    }

    fn bonds(&self, action: &Action) -> Option<Bonds> {
        Some(match action {
            Action::Add(element) => Bonds { gives: vec![u64::from(*element) * 2], takes: Vec::new() },
            Action::Remove(element) => {
                Bonds { gives: vec![u64::from(*element) * 2 + 1, ANY_REMOVAL], takes: Vec::new() }
            }
            Action::Contains(element, true) => Bonds { gives: Vec::new(), takes: vec![u64::from(*element) * 2] },
            Action::Contains(element, false) => Bonds { gives: Vec::new(), takes: vec![u64::from(*element) * 2 + 1] },
            // What it lacks may have been removed: it goes with any removal (name 1 of no element stands for all).
            // What it lacks may have been removed.
            Action::Read(elements) => Bonds {
                gives: Vec::new(),
                takes: elements.iter().map(|element| u64::from(*element) * 2).chain([ANY_REMOVAL]).collect(),
            },
        })
    }

    fn state_bytes(&self, state: &Box<[u32]>) -> usize {
        size_of_val::<[u32]>(state) + size_of::<Box<[u32]>>()
    }
}

/// What a fast path found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// There is an order.
    Linearizable,
    /// These operations, by position in the list, have none.
    Violation(Vec<usize>),
    /// The history is not one that the fast paths decide.
    NotFast,
}

/// Judges operations that are given in the order of invocation.
pub fn judge(operations: &[Op]) -> Found {
    let reads_all = operations.iter().any(|operation| matches!(operation.action, Action::Read(_)));
    let only_grows = operations.iter().all(|operation| matches!(operation.action, Action::Read(_) | Action::Add(_)));
    match (reads_all, only_grows) {
        (false, _) => by_element(operations),
        (true, true) => Growing::new(operations).map_or(Found::NotFast, |growing| growing.judge()),
        (true, false) => Found::NotFast,
    }
}

/// An element: the spans of its operations that changed it, and those that matter of the others.
#[derive(Clone, Copy)]
struct Element {
    add: Option<(u32, u32)>,
    remove: Option<(u32, u32)>,
    /// First completion and last invocation of those who found it.
    found: (u32, u32),
    name: u32,
}

impl Element {
    /// The latest addition and the earliest removal that everything but those who missed it allows; none if there are none.
    fn bounds(&self, removed: bool) -> Option<(u32, u32)> {
        let Some((add_call, add_ret)) = self.add else { return (self.found.0 == u32::MAX).then_some((u32::MAX, 0)) };
        let remove = self.remove.filter(|_| removed);
        let (remove_call, remove_ret) = remove.unwrap_or((u32::MAX, u32::MAX));
        let latest = add_ret.min(self.found.0).min(remove_ret);
        let earliest = remove_call.max(self.found.1).max(add_call);
        let fits = add_call < latest && (remove.is_none() || earliest < remove_ret);
        fits.then_some((latest, earliest))
    }

    /// The ways in which it can have been there: from the one to the other, none of whom missed it lies between. Without
    /// an addition it was never there; a removal may also have come before the addition.
    fn ways(&self) -> [Option<(u32, u32)>; 2] {
        let Some((_, add_ret)) = self.add else { return [self.bounds(false), None] };
        // Never completed and never found: it need not have happened.
        if add_ret == u32::MAX && self.found.0 == u32::MAX {
            return [Some((u32::MAX, 0)), None];
        }
        let stays = self
            .bounds(false)
            .filter(|(latest, _)| self.remove.is_none_or(|(call, ret)| ret == u32::MAX || call < *latest));
        [self.remove.and_then(|_| self.bounds(true)), stays]
    }
}

fn by_element(operations: &[Op]) -> Found {
    let Some((elements, numbers)) = elements(operations) else { return Found::NotFast };
    let mut ways: Vec<[Option<(u32, u32)>; 2]> = elements.iter().map(Element::ways).collect();
    for operation in operations.iter().filter(|operation| operation.completed()) {
        let Action::Contains(element, false) = operation.action else { continue };
        for way in &mut ways[numbers[&element] as usize] {
            *way = way.filter(|(latest, earliest)| {
                latest > earliest || operation.call < *latest || operation.ret > *earliest
            });
        }
    }
    match ways.iter().position(|ways| ways.iter().all(Option::is_none)) {
        None => Found::Linearizable,
        Some(at) => Found::Violation(about(operations, elements[at].name)),
    }
}

/// The elements, numbered; none if one is added or removed twice.
fn elements(operations: &[Op]) -> Option<(Vec<Element>, FxHashMap<u32, u32>)> {
    // As large as they will mostly be: while a vector or a table grows it is there twice.
    let additions = operations.iter().filter(|operation| matches!(operation.action, Action::Add(_))).count();
    let mut elements: Vec<Element> = Vec::with_capacity(additions);
    let mut numbers: FxHashMap<u32, u32> = FxHashMap::default();
    numbers.reserve(additions);
    for operation in operations {
        let (Action::Add(name) | Action::Remove(name) | Action::Contains(name, _)) = operation.action else {
            return None;
        };
        let number = *numbers.entry(name).or_insert(elements.len() as u32) as usize;
        if number == elements.len() {
            elements.push(Element { add: None, remove: None, found: (u32::MAX, 0), name });
        }
        let (element, span) = (&mut elements[number], (operation.call, operation.ret));
        let before = match operation.action {
            Action::Add(_) => element.add.replace(span),
            Action::Remove(_) => element.remove.replace(span),
            Action::Contains(_, true) if operation.completed() => {
                element.found = (element.found.0.min(span.1), element.found.1.max(span.0));
                None
            }
            _ => None,
        };
        if before.is_some() {
            return None;
        }
    }
    Some((elements, numbers))
}

fn about(operations: &[Op], name: u32) -> Vec<usize> {
    let is_about = |operation: &Op| match operation.action {
        Action::Add(other) | Action::Remove(other) | Action::Contains(other, _) => other == name,
        Action::Read(_) => false,
    };
    (0..operations.len()).filter(|at| is_about(&operations[*at])).collect()
}

/// A set that only grows and is read as a whole.
struct Growing<'a> {
    operations: &'a [Op],
    adds: FxHashMap<u32, usize>,
    /// Completed reads, the smallest first.
    reads: Vec<usize>,
}

impl<'a> Growing<'a> {
    /// None if an element is added twice.
    fn new(operations: &'a [Op]) -> Option<Self> {
        let (mut adds, mut reads) = (FxHashMap::default(), Vec::new());
        for (at, operation) in operations.iter().enumerate() {
            match &operation.action {
                Action::Add(element) if adds.insert(*element, at).is_some() => return None,
                Action::Read(_) if operation.completed() => reads.push(at),
                _ => {}
            }
        }
        let mut growing = Self { operations, adds, reads };
        let operations = growing.operations;
        growing.reads.sort_by_key(|at| seen(&operations[*at]).len());
        Some(growing)
    }

    /// Goes through reads and additions in the one order of groups there can be, and compares each with the latest
    /// invocation before its group.
    fn judge(&self) -> Found {
        let (mut latest, mut group): (Option<usize>, Option<usize>) = (None, None);
        let mut before: &[u32] = &[];
        let mut last_read: Option<usize> = None;
        for read in &self.reads {
            let now = seen(&self.operations[*read]);
            if now.len() > before.len() || last_read.is_none() {
                latest = self.later(latest, group);
                group = None;
                let mut added = None;
                for element in new_elements(before, now) {
                    let Some(add) = self.adds.get(&element) else { return Found::Violation(vec![*read]) };
                    if let Some(found) = self.conflict(latest, *add, last_read) {
                        return found;
                    }
                    added = self.later(added, Some(*add));
                }
                latest = self.later(latest, added);
            }
            if let Some(missing) = before_lacks(before, now) {
                return self.incomparable(last_read, *read, missing);
            }
            if let Some(found) = self.conflict(latest, *read, None) {
                return found;
            }
            group = self.later(group, Some(*read));
            (before, last_read) = (now, Some(*read));
        }
        let latest = self.later(latest, group);
        let unseen = self.adds.iter().filter(|(element, _)| before.binary_search(element).is_err()).map(|(_, at)| *at);
        let mut unseen: Vec<usize> = unseen.collect();
        unseen.sort_unstable();
        unseen.into_iter().find_map(|add| self.conflict(latest, add, last_read)).unwrap_or(Found::Linearizable)
    }

    /// The one that was invoked later.
    fn later(&self, one: Option<usize>, other: Option<usize>) -> Option<usize> {
        one.into_iter().chain(other).max_by_key(|at| self.operations[*at].call)
    }

    /// Whether an operation completed before one was invoked that must come before it; `between` is a read that tells.
    fn conflict(&self, latest: Option<usize>, operation: usize, between: Option<usize>) -> Option<Found> {
        let before = latest.filter(|before| self.operations[operation].ret < self.operations[*before].call)?;
        let mut operations: Vec<usize> = [before, operation].into_iter().chain(between).collect();
        operations.sort_unstable();
        operations.dedup();
        Some(Found::Violation(operations))
    }

    /// Two reads, each of which has what the other has not.
    fn incomparable(&self, one: Option<usize>, other: usize, missing: u32) -> Found {
        let mut operations: Vec<usize> =
            one.into_iter().chain([other]).chain(self.adds.get(&missing).copied()).collect();
        operations.sort_unstable();
        operations.dedup();
        Found::Violation(operations)
    }
}

fn seen(operation: &Op) -> &[u32] {
    match &operation.action {
        Action::Read(elements) => elements,
        _ => &[],
    }
}

/// Elements of the larger set that the smaller one has not. Both ascend.
fn new_elements(smaller: &[u32], larger: &[u32]) -> Vec<u32> {
    let mut old = smaller.iter().peekable();
    let is_new = |element: &&u32| {
        while old.next_if(|other| other < element).is_some() {}
        old.next_if_eq(element).is_none()
    };
    larger.iter().filter(is_new).copied().collect()
}

/// An element that the smaller set has and the larger one lacks.
fn before_lacks(smaller: &[u32], larger: &[u32]) -> Option<u32> {
    new_elements(larger, smaller).first().copied()
}
