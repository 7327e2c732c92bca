//! The fast paths of a set, if each element is added once and removed at most once.
//!
//! Without reads of the whole set, every element is an object of its own. It is there from its addition to its removal,
//! so for operations that did not find it, the best is an addition as late and a removal as early as possible. If the
//! latest possible addition comes before the earliest possible removal, an operation that did not find the element must
//! begin before the addition or end after the removal; there is no other condition. O(n); Lee and Mathur (arXiv
//! 2410.04581) and Abdulla et al. (arXiv 2509.17795) have the same bound.
//!
//! With reads of the whole set and without removals, the sets that were read must include one another. That puts the
//! reads and additions into a sequence of groups, and each operation must be able to come after all operations of the
//! groups before it. Linear in the sizes of the sets that were read, except for sorting.
//!
//! An addition or a removal that says whether it changed anything is one that found the element, or did not, at once. If it
//! changed nothing it only looked; one that is the only addition of its element found it missing in any case.
//!
//! Of everything else `rule` has the parts decided that belong to one element, and then leaves it to the general search.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::machine::{Bonds, Machine, Relation, Timed};

/// What was done with a set. Elements are numbers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum SetAction {
    /// The element is there from now on.
    Add(u32),
    /// The element is not there from now on, whether it was there before or not.
    Remove(u32),
    /// The element was not there, and is from now on.
    AddNew(u32),
    /// The element was there, and is not from now on.
    TakeOut(u32),
    /// Whether the element was there.
    Contains(u32, bool),
    /// All elements that were there, ascending.
    Read(Box<[u32]>),
}

/// An operation on a set.
pub(crate) type SetOp = Timed<SetAction>;

/// The name that every removal gives, for [`Bonds`].
const ANY_REMOVAL: u64 = u64::MAX;

/// A set as a state machine, empty at first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Set;

impl Machine for Set {
    /// The elements, ascending.
    type State = Box<[u32]>;
    type Action = SetAction;

    fn initial(&self) -> Box<[u32]> {
        Box::default()
    }

    fn step(&self, inside: &Box<[u32]>, action: &SetAction) -> impl IntoIterator<Item = Box<[u32]>> {
        let place = |element: &u32| inside.binary_search(element);
        match action {
            SetAction::AddNew(element) if place(element).is_ok() => None,
            SetAction::TakeOut(element) if place(element).is_err() => None,
            SetAction::Add(element) | SetAction::AddNew(element) => {
                let mut more = inside.to_vec();
                if let Err(at) = place(element) {
                    more.insert(at, *element);
                }
                Some(more.into())
            }
            SetAction::Remove(element) | SetAction::TakeOut(element) => {
                Some(inside.iter().filter(|other| *other != element).copied().collect())
            }
            SetAction::Contains(element, found) => (place(element).is_ok() == *found).then(|| inside.clone()),
            SetAction::Read(elements) => (elements == inside).then(|| inside.clone()),
        }
    }

    fn only_reads(&self, action: &SetAction) -> bool {
        matches!(action, SetAction::Contains(..) | SetAction::Read(_))
    }

    const RELATES: bool = true;

    fn relation(&self, first: &SetAction, second: &SetAction) -> Relation {
        match (first, second) {
            (SetAction::Add(one) | SetAction::Remove(one), SetAction::Add(other) | SetAction::Remove(other)) => {
                if one == other { Relation::Hides } else { Relation::Commutes }
            }
            _ => Relation::Depends,
        }
    }

    fn bonds(&self, action: &SetAction) -> Option<Bonds> {
        Some(match action {
            SetAction::Add(element) => Bonds { gives: vec![u64::from(*element) * 2], takes: Vec::new() },
            SetAction::Remove(element) => {
                Bonds { gives: vec![u64::from(*element) * 2 + 1, ANY_REMOVAL], takes: Vec::new() }
            }
            // It is new because of what removed it, if anything did.
            SetAction::AddNew(element) => {
                Bonds { gives: vec![u64::from(*element) * 2], takes: vec![u64::from(*element) * 2 + 1] }
            }
            SetAction::TakeOut(element) => {
                Bonds { gives: vec![u64::from(*element) * 2 + 1, ANY_REMOVAL], takes: vec![u64::from(*element) * 2] }
            }
            SetAction::Contains(element, true) => Bonds { gives: Vec::new(), takes: vec![u64::from(*element) * 2] },
            SetAction::Contains(element, false) => {
                Bonds { gives: Vec::new(), takes: vec![u64::from(*element) * 2 + 1] }
            }
            // It relies on every removal, since an element that it lacks may have been removed.
            SetAction::Read(elements) => Bonds {
                gives: Vec::new(),
                takes: elements.iter().map(|element| u64::from(*element) * 2).chain([ANY_REMOVAL]).collect(),
            },
        })
    }

    fn state_bytes(&self, state: &Box<[u32]>) -> usize {
        size_of_val::<[u32]>(state) + size_of::<Box<[u32]>>()
    }
}

/// The result of a fast path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// There is an order.
    Linearizable,
    /// These operations, by position in the list, have none.
    Violation(Vec<usize>),
    /// The fast paths cannot decide this history.
    NotFast,
}

/// Decides operations that are given in the order of invocation.
pub(crate) fn judge(operations: &[SetOp]) -> Found {
    let reads_all = operations.iter().any(|operation| matches!(operation.action, SetAction::Read(_)));
    // Nothing removes an element that is added once: then it was not there.
    let adds = |action: &SetAction| matches!(action, SetAction::Read(_) | SetAction::Add(_) | SetAction::AddNew(_));
    let only_grows = operations.iter().all(|operation| adds(&operation.action));
    match (reads_all, only_grows) {
        (false, _) => by_element(operations),
        (true, true) => Growing::new(operations).map_or(Found::NotFast, |growing| growing.judge()),
        (true, false) => Found::NotFast,
    }
}

/// An element: when it was added and removed (invocation and completion), and the bounds of the operations that found
/// it.
#[derive(Clone, Copy)]
struct Element {
    add: Option<(u32, u32)>,
    remove: Option<(u32, u32)>,
    /// The removal found it.
    taken_out: bool,
    /// First completion and last invocation of the operations that found it.
    found: (u32, u32),
    name: u32,
}

impl Element {
    /// The latest addition and the earliest removal that all operations allow, except those that did not find the
    /// element; none if they allow none. `removed`: whether the removal comes after the addition.
    fn bounds(&self, removed: bool) -> Option<(u32, u32)> {
        let Some((add_call, add_ret)) = self.add else { return (self.found.0 == u32::MAX).then_some((u32::MAX, 0)) };
        let remove = self.remove.filter(|_| removed);
        let (remove_call, remove_ret) = remove.unwrap_or((u32::MAX, u32::MAX));
        let latest = add_ret.min(self.found.0).min(remove_ret);
        let earliest = remove_call.max(self.found.1).max(add_call);
        let fits = add_call < latest && (remove.is_none() || earliest < remove_ret);
        fits.then_some((latest, earliest))
    }

    /// The possible times during which it was there, from addition to removal; an operation that did not find it must
    /// not lie within. Two possibilities, since the removal may also come before the addition. Without an addition it
    /// was never there: an empty time.
    fn ways(&self) -> [Option<(u32, u32)>; 2] {
        let Some((_, add_ret)) = self.add else { return [self.bounds(false).filter(|_| !self.taken_out), None] };
        // The addition never completed and the element was never found: it need not have happened.
        if add_ret == u32::MAX && self.found.0 == u32::MAX && !self.taken_out {
            return [Some((u32::MAX, 0)), None];
        }
        let stays = self
            .bounds(false)
            .filter(|(latest, _)| self.remove.is_none_or(|(call, ret)| ret == u32::MAX || call < *latest))
            .filter(|_| !self.taken_out);
        [self.remove.and_then(|_| self.bounds(true)), stays]
    }
}

fn by_element(operations: &[SetOp]) -> Found {
    let Some((elements, numbers)) = elements(operations) else { return Found::NotFast };
    let mut ways: Vec<[Option<(u32, u32)>; 2]> = elements.iter().map(Element::ways).collect();
    for operation in operations.iter().filter(|operation| operation.completed()) {
        let SetAction::Contains(element, false) = operation.action else { continue };
        for way in &mut ways[numbers[&element] as usize] {
            *way = way.filter(|(latest, earliest)| {
                latest > earliest || operation.call < *latest || operation.ret > *earliest
            });
        }
    }
    match ways.iter().position(|ways| ways.iter().all(Option::is_none)) {
        None => Found::Linearizable,
        Some(at) => Found::Violation(all_about(operations, elements[at].name)),
    }
}

/// The elements, numbered; none if one is added or removed twice.
fn elements(operations: &[SetOp]) -> Option<(Vec<Element>, FxHashMap<u32, u32>)> {
    // Mostly this is the final size: while a vector or a table grows, the old one and the new one exist together.
    let is_addition = |action: &SetAction| matches!(action, SetAction::Add(_) | SetAction::AddNew(_));
    let additions = operations.iter().filter(|operation| is_addition(&operation.action)).count();
    let mut elements: Vec<Element> = Vec::with_capacity(additions);
    let mut numbers: FxHashMap<u32, u32> = FxHashMap::default();
    numbers.reserve(additions);
    for operation in operations {
        let name = about(&operation.action)?;
        let number = *numbers.entry(name).or_insert(elements.len() as u32) as usize;
        if number == elements.len() {
            elements.push(Element { add: None, remove: None, taken_out: false, found: (u32::MAX, 0), name });
        }
        let (element, span) = (&mut elements[number], (operation.call, operation.ret));
        let before = match operation.action {
            SetAction::Add(_) | SetAction::AddNew(_) => element.add.replace(span),
            SetAction::Remove(_) => element.remove.replace(span),
            SetAction::TakeOut(_) => {
                element.taken_out = true;
                element.remove.replace(span)
            }
            SetAction::Contains(_, true) if operation.completed() => {
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

/// The element that an action is about; none if it is about all.
pub(super) fn about(action: &SetAction) -> Option<u32> {
    match *action {
        SetAction::Add(element)
        | SetAction::AddNew(element)
        | SetAction::Remove(element)
        | SetAction::TakeOut(element)
        | SetAction::Contains(element, _) => Some(element),
        SetAction::Read(_) => None,
    }
}

fn all_about(operations: &[SetOp], name: u32) -> Vec<usize> {
    (0..operations.len()).filter(|at| about(&operations[*at].action) == Some(name)).collect()
}

/// The operations of a set by element, with what reads of the whole say of each.
pub(super) struct Elements<'a> {
    operations: &'a [SetOp],
    /// By element: its own operations, and the reads of the whole that show it.
    own: BTreeMap<u32, Vec<u32>>,
    shown: FxHashMap<u32, Vec<u32>>,
    /// Reads of the whole that completed.
    reads: Vec<u32>,
}

/// The most operations in all parts together.
const PARTS_MAX: usize = 200_000_000;

impl<'a> Elements<'a> {
    /// Nothing if the parts would be too large together.
    pub(super) fn new(operations: &'a [SetOp]) -> Option<Self> {
        let mut elements = Self { operations, own: BTreeMap::new(), shown: FxHashMap::default(), reads: Vec::new() };
        for (operation, at) in operations.iter().zip(0..) {
            match &operation.action {
                SetAction::Read(all) if operation.completed() => {
                    elements.reads.push(at);
                    for element in all {
                        elements.own.entry(*element).or_default();
                        elements.shown.entry(*element).or_default().push(at);
                    }
                }
                SetAction::Read(_) => {}
                of_one => elements.own.entry(about(of_one)?).or_default().push(at),
            }
        }
        let all = elements.own.len().saturating_mul(elements.reads.len());
        (all <= PARTS_MAX).then_some(elements)
    }

    /// Whether the whole was read.
    pub(super) fn reads_all(&self) -> bool {
        !self.reads.is_empty()
    }

    /// For each element its operations in the order of invocation; a read of the whole is a look-up of the element.
    pub(super) fn parts(&self) -> impl Iterator<Item = Vec<SetOp>> {
        self.own.iter().map(|(element, own)| {
            let shown = self.shown.get(element).map_or(&[][..], Vec::as_slice);
            let mut part: Vec<SetOp> = own.iter().map(|at| self.operations[*at as usize].clone()).collect();
            part.extend(self.reads.iter().map(|at| {
                let action = SetAction::Contains(*element, shown.binary_search(at).is_ok());
                let Timed { process, call, ret, .. } = self.operations[*at as usize];
                Timed { process, call, ret, action }
            }));
            part.sort_unstable_by_key(|operation| operation.call);
            part
        })
    }
}

/// A set that only grows and is read as a whole.
struct Growing<'a> {
    operations: &'a [SetOp],
    adds: FxHashMap<u32, usize>,
    /// Completed reads, those of the fewest elements first.
    reads: Vec<usize>,
}

impl<'a> Growing<'a> {
    /// None if an element is added twice.
    fn new(operations: &'a [SetOp]) -> Option<Self> {
        let (mut adds, mut reads) = (FxHashMap::default(), Vec::new());
        for (at, operation) in operations.iter().enumerate() {
            match &operation.action {
                SetAction::Add(element) | SetAction::AddNew(element) if adds.insert(*element, at).is_some() => {
                    return None;
                }
                SetAction::Read(_) if operation.completed() => reads.push(at),
                _ => {}
            }
        }
        let mut growing = Self { operations, adds, reads };
        let operations = growing.operations;
        growing.reads.sort_by_key(|at| seen(&operations[*at]).len());
        Some(growing)
    }

    /// Goes through reads and additions in the only possible order of groups, and compares the completion of each with
    /// the latest invocation in the groups before.
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

    /// The operation that was invoked later.
    fn later(&self, one: Option<usize>, other: Option<usize>) -> Option<usize> {
        one.into_iter().chain(other).max_by_key(|at| self.operations[*at].call)
    }

    /// A violation if an operation completed before `latest` was invoked, which must come before it; `between` is the
    /// read that proves this order.
    fn conflict(&self, latest: Option<usize>, operation: usize, between: Option<usize>) -> Option<Found> {
        let before = latest.filter(|before| self.operations[operation].ret < self.operations[*before].call)?;
        let mut operations: Vec<usize> = [before, operation].into_iter().chain(between).collect();
        operations.sort_unstable();
        operations.dedup();
        Some(Found::Violation(operations))
    }

    /// A violation of two reads, each of which contains an element that the other does not.
    fn incomparable(&self, one: Option<usize>, other: usize, missing: u32) -> Found {
        let mut operations: Vec<usize> =
            one.into_iter().chain([other]).chain(self.adds.get(&missing).copied()).collect();
        operations.sort_unstable();
        operations.dedup();
        Found::Violation(operations)
    }
}

/// The elements that a read of the whole shows; none of other operations.
pub(super) fn seen(operation: &SetOp) -> &[u32] {
    match &operation.action {
        SetAction::Read(elements) => elements,
        _ => &[],
    }
}

/// Elements of the larger set that are not in the smaller one. Both ascend.
fn new_elements(smaller: &[u32], larger: &[u32]) -> Vec<u32> {
    debug_assert!(smaller.is_sorted() && larger.is_sorted(), "the elements of a read ascend");
    let mut old = smaller.iter().peekable();
    let is_new = |element: &&u32| {
        while old.next_if(|other| other < element).is_some() {}
        old.next_if_eq(element).is_none()
    };
    larger.iter().filter(is_new).copied().collect()
}

/// An element of the smaller set that is missing in the larger one.
fn before_lacks(smaller: &[u32], larger: &[u32]) -> Option<u32> {
    new_elements(larger, smaller).first().copied()
}
