//! Objects that elements are put into and taken out of: queue, stack, priority queue. They differ in which element is
//! next ([`Discipline`]).
//!
//! Where each element is put in once, polynomial algorithms decide them (`queue`, `stack`, `priority_queue`). All three
//! reason about when an element is certainly inside: from the completion of its insertion to the invocation of its
//! removal. An element whose removal was invoked before its insertion completed is inside for no certain time; it can be
//! put in and taken out at one moment, which hinders nothing.
//!
//! An insertion that never completed happened if its element was taken out, and is taken not to have happened otherwise.
//! A removal that never completed may have taken any element, or none; how that is dealt with stands at [`judge`].

use rustc_hash::FxHashMap;

use super::contents::{Contents, Held, OutOfTime, Trouble};
use super::machine::{Bonds, Machine, Timed};
use super::{priority_queue, queue, stack};

/// Which element is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discipline {
    /// The one that was put in first: a queue.
    Fifo,
    /// The one that was put in last: a stack.
    Lifo,
    /// The least one: a priority queue.
    LeastFirst,
}

/// What was done. Elements are numbers; in a priority queue their order is the priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The element was put in.
    Insert(u32),
    /// The element was taken out.
    Remove(u32),
    /// Nothing was there to be taken out.
    Empty,
    /// A removal that never completed: it may have taken out whatever was next.
    RemoveUnknown,
}

/// An operation on a collection.
pub type Op = Timed<Action>;

/// A collection as a state machine, empty at first.
#[derive(Clone, Copy, Debug)]
pub struct Collection(
    /// Which element is next.
    pub Discipline,
);

impl Machine for Collection {
    /// The elements; the next one is the last.
    type State = Box<[u32]>;
    type Action = Action;

    fn initial(&self) -> Box<[u32]> {
        Box::default()
    }

    fn step(&self, inside: &Box<[u32]>, action: &Action) -> impl IntoIterator<Item = Box<[u32]>> {
        match *action {
            Action::Insert(element) => {
                let at = match self.0 {
                    Discipline::Fifo => 0,
                    Discipline::Lifo => inside.len(),
                    Discipline::LeastFirst => inside.partition_point(|other| *other > element),
                };
                let mut inside = inside.to_vec();
                inside.insert(at, element);
                Some(inside.into())
            }
            Action::Remove(element) => {
                inside.split_last().filter(|(next, _)| **next == element).map(|(_, rest)| rest.into())
            }
            Action::Empty => inside.is_empty().then(Box::default),
            Action::RemoveUnknown => inside.split_last().map(|(_, rest)| rest.into()),
        }
    }

    fn only_reads(&self, action: &Action) -> bool {
        *action == Action::Empty
    }

    fn bonds(&self, action: &Action) -> Option<Bonds> {
        match *action {
            Action::Insert(element) => Some(bonds(u64::from(element) * 2, u64::from(element) * 2 + 1)),
            Action::Remove(element) => Some(bonds(u64::from(element) * 2 + 1, u64::from(element) * 2)),
            // Without it, the element that it took would be in the way of others.
            Action::RemoveUnknown => None,
            Action::Empty => Some(Bonds::default()),
        }
    }

    fn state_bytes(&self, state: &Box<[u32]>) -> usize {
        size_of_val::<[u32]>(state) + size_of::<Box<[u32]>>()
    }
}

fn bonds(gives: u64, takes: u64) -> Bonds {
    Bonds { gives: vec![gives], takes: vec![takes] }
}

/// What a fast path found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// There is an order.
    Linearizable,
    /// There is none, as these operations by position in the list show; they need not be the fewest.
    Violation(Vec<usize>),
    /// An element is put in twice.
    NotUnique,
    /// Removals that never completed leave it open.
    Undecided,
    /// The time was over.
    OutOfTime,
}

/// Judges a collection whose elements are each put in once, given in the order of invocation.
///
/// With removals that never completed it asks twice. Once with as many elements of those that were never taken out given
/// to them as seem to need it: an order then is an order. Once with each such element free to leave at any time after the
/// first of these removals: no order even then is a violation. Between the two it is undecided.
pub fn judge(discipline: Discipline, operations: &[Op]) -> Found {
    judge_within(discipline, operations, &|| false)
}

/// The same, unless the time is over; that is asked between one walk over the elements and the next.
pub fn judge_within(discipline: Discipline, operations: &[Op], out_of_time: &dyn Fn() -> bool) -> Found {
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
    operations: &[Op],
    contents: &Contents,
    discipline: Discipline,
    decide: impl Fn(&Contents) -> Result<Option<Trouble>, OutOfTime>,
) -> Result<Found, OutOfTime> {
    let told = |contents: &Contents, trouble: &Trouble| Found::Violation(contents.operations(operations, trouble));
    if contents.unknown.is_empty() {
        return Ok(decide(contents)?.map_or(Found::Linearizable, |trouble| told(contents, &trouble)));
    }
    let given = if discipline == Discipline::Fifo { queue::give(contents) } else { contents.clone() };
    if decide(&given)?.is_none() || decide(contents)?.is_none() {
        return Ok(Found::Linearizable);
    }
    let free = contents.freed();
    Ok(decide(&free)?.map_or(Found::Undecided, |trouble| told(&free, &trouble)))
}

impl Contents {
    fn new(operations: &[Op]) -> Result<Self, Found> {
        let (spans, end) = ranks(operations);
        let mut contents = Self { end, ..Self::default() };
        let is_insertion = |operation: &&Op| matches!(operation.action, Action::Insert(_));
        let insertions = operations.iter().filter(is_insertion).count();
        // As large as they will be: while a vector or a table grows it is there twice.
        let mut places: FxHashMap<u32, u32> = FxHashMap::default();
        places.reserve(insertions);
        contents.held.reserve_exact(insertions);
        for (operation, (insert_call, insert_ret)) in operations.iter().zip(spans.iter().copied()) {
            let Action::Insert(element) = operation.action else { continue };
            if places.insert(element, contents.held.len() as u32).is_some() {
                return Err(Found::NotUnique);
            }
            contents.held.push(Held { element, insert_call, insert_ret, remove_call: end, remove_ret: end + 1 });
        }
        for (at, operation) in operations.iter().enumerate() {
            let (call, ret) = spans[at];
            match operation.action {
                Action::Remove(element) => {
                    let held = places.get(&element).map(|place| &mut contents.held[*place as usize]);
                    let fits = |held: &&mut Held| held.remove_ret == end + 1 && held.remove_call == end;
                    let Some(held) = held.filter(fits).filter(|held| held.insert_call < ret) else {
                        return Err(Found::Violation(about(operations, element, at)));
                    };
                    (held.remove_call, held.remove_ret) = (call, ret);
                }
                Action::Empty if operation.completed() => contents.empties.push((call, ret)),
                Action::RemoveUnknown => contents.unknown.push(call),
                Action::Empty | Action::Insert(_) => {}
            }
        }
        contents.held.retain(|held| held.insert_ret < end || held.remove_call < end);
        Ok(contents)
    }

    /// With the elements that were never taken out free to leave after the first removal that never completed.
    fn freed(&self) -> Self {
        let mut free = self.clone();
        let first = self.unknown.first().copied().unwrap_or(self.end);
        for held in free.held.iter_mut().filter(|held| held.remove_call == self.end) {
            held.remove_call = first;
        }
        free
    }

    /// Positions of the operations of these elements, and of all removals that never completed.
    fn operations(&self, operations: &[Op], trouble: &Trouble) -> Vec<usize> {
        let elements: rustc_hash::FxHashSet<u32> = trouble.held.iter().map(|place| self.held[*place].element).collect();
        let mut empties = 0;
        let is_about = |operation: &Op| match operation.action {
            Action::Insert(element) | Action::Remove(element) => elements.contains(&element),
            Action::RemoveUnknown => true,
            Action::Empty if operation.completed() => {
                empties += 1;
                trouble.empty == Some(empties - 1)
            }
            Action::Empty => false,
        };
        let about = operations.iter().map(is_about).enumerate().filter(|(_, about)| *about);
        about.map(|(at, _)| at).collect()
    }

    /// Elements that leave no moment without one of them from gap `from` to gap `to`, each next one reaching farthest;
    /// none if there is such a moment. `certain` is the places of elements that are certainly inside, by `insert_ret`.
    pub fn cover(&self, certain: &[usize], from: u32, to: u32) -> Option<Vec<usize>> {
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

    /// An operation that found nothing although there was no moment without an element certainly inside.
    pub fn never_empty(&self) -> Option<Trouble> {
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
        Some(Trouble { held: self.cover(&certain, *call, ret - 1)?, empty: Some(empty) })
    }
}

/// Of an element that some operations took out more often than all put it in, if there is one: the insertions, and one
/// removal more.
pub fn doubled(operations: &[Op], some: &[Op]) -> Option<Vec<Op>> {
    let mut removed: FxHashMap<u32, usize> = FxHashMap::default();
    for operation in some {
        if let Action::Remove(element) = operation.action {
            *removed.entry(element).or_default() += 1;
        }
    }
    let mut excess = removed.clone();
    for operation in operations {
        if let Action::Insert(element) = operation.action
            && let Some(excess) = excess.get_mut(&element)
        {
            *excess = excess.saturating_sub(1);
        }
    }
    let element = excess.iter().filter(|(_, excess)| **excess > 0).map(|(element, _)| *element).min()?;
    let removals = some.iter().filter(|operation| operation.action == Action::Remove(element));
    let needed = removed[&element] - excess[&element] + 1;
    let insertions = operations.iter().filter(|operation| operation.action == Action::Insert(element));
    let mut told: Vec<Op> = insertions.chain(removals.take(needed)).copied().collect();
    told.sort_unstable_by_key(|operation| operation.call);
    Some(told)
}

/// The operations of one element up to and with the one at `last`.
fn about(operations: &[Op], element: u32, last: usize) -> Vec<usize> {
    let is_about = |operation: &Op| matches!(operation.action, Action::Insert(e) | Action::Remove(e) if e == element);
    (0..=last).chain(last + 1..operations.len()).filter(|at| is_about(&operations[*at])).collect()
}

/// The spans of operations as ranks among their events, and how many events there are. An operation that never completed
/// ends with the history.
fn ranks(operations: &[Op]) -> (Vec<(u32, u32)>, u32) {
    let completed = operations.iter().enumerate().filter(|(_, operation)| operation.completed());
    let mut rets: Vec<(u32, u32)> = completed.map(|(at, operation)| (operation.ret, at as u32)).collect();
    rets.sort_unstable();
    let end = (operations.len() + rets.len()) as u32;
    let mut spans: Vec<(u32, u32)> = vec![(0, end); operations.len()];
    let mut coming = rets.iter().enumerate().peekable();
    for (calls, operation) in operations.iter().enumerate() {
        while let Some((before, (_, at))) = coming.next_if(|(_, (ret, _))| *ret < operation.call) {
            spans[*at as usize].1 = (before + calls) as u32;
        }
        let before = coming.peek().map_or(rets.len(), |(before, _)| *before);
        spans[calls].0 = (before + calls) as u32;
    }
    for (before, (_, at)) in coming {
        spans[*at as usize].1 = (before + operations.len()) as u32;
    }
    (spans, end)
}
