//! Decides one object: by a fast path if one applies, else by the general search. A violation is shrunk to a few
//! operations that prove it.

use rustc_hash::FxHashSet;

use super::collection::{self, Collection, Discipline};
use super::counter::{self, Counter};
use super::explain::{bonds, prefix, shrink, with_bonds};
use super::machine::{Bonds, Machine, Timed};
use super::multi_register::{self, MultiRegister, Transaction};
use super::register::{self, Register, Zones};
use super::reliance::Reliance;
use super::search::{Answer, Bounds, Limit, search_counted};
use super::sequential;
use super::set::{self, Set};
use super::zones;

/// The most operations that are checked in total while one violation is shrunk.
const SHRINK_WORK_MAX: u64 = 3_000_000;
/// The most configurations of all searches while one violation is shrunk, and the memory limit of each search.
const SHRINK_CONFIGURATIONS_MAX: u64 = 200_000;
const SHRINK_BYTES: usize = 64 << 20;
/// A violation of more operations, the last of which are none by themselves, stays as it is: where values come again and
/// again, almost nothing can be left out.
const SHRINK_OPERATIONS_MAX: usize = 20_000;
/// Shrinking may take so many configurations, and a quarter of what the violation took: it shall not cost more than that.
const SHRINK_CONFIGURATIONS_FEW: u64 = 50_000;

/// If the reads in a set's violation contain at most so many elements in total, the additions of these are part of it.
/// Without them a read would contain elements that were never added.
const SET_SHOWN_MAX: usize = 200;
/// The reason that is given if there are more.
const SHOWN_LEFT_OUT: &str = "no order exists of these operations and of the additions of the elements that the reads \
                              contain, which are too many to be listed";

/// The decision on one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ruling<A> {
    /// There is an order.
    Holds {
        /// Whether the general search was needed.
        searched: bool,
    },
    /// There is none.
    Violation {
        /// The anomaly's name.
        kind: &'static str,
        /// The reason, in words that the operations can follow.
        reason: &'static str,
        /// Operations that are a violation by themselves.
        core: Vec<Timed<A>>,
    },
    /// A limit was reached.
    Open {
        /// Which one.
        limit: Limit,
        /// The operations that completed before this position have an order.
        holds_before: u32,
    },
}

const FAST: bool = false;

/// Decides an object of any machine by the general search.
pub(crate) fn general<M: Machine>(
    machine: &M,
    operations: &[Timed<M::Action>],
    bounds: &Bounds<'_>,
) -> Ruling<M::Action> {
    let (answer, explored) = search_counted(machine, operations, bounds);
    match answer {
        Answer::Linearizable => Ruling::Holds { searched: true },
        Answer::Unknown { limit, holds_before } => Ruling::Open { limit, holds_before },
        Answer::Violation(before) => {
            let core = prefix(machine, operations, before.saturating_add(1));
            let mut left = SHRINK_CONFIGURATIONS_MAX.min(SHRINK_CONFIGURATIONS_FEW + explored / 4);
            let core = recent(machine, core, |some| is_violation(machine, some, bounds, &mut left) == Some(true));
            if core.len() > SHRINK_OPERATIONS_MAX {
                return Ruling::Violation { kind: "not-linearizable", reason: "no order explains what was seen", core };
            }
            let core = smaller(machine, core, bounds, |some| is_violation(machine, some, bounds, &mut left));
            let core = completed(machine, operations, core, bounds, &mut left);
            Ruling::Violation { kind: "not-linearizable", reason: "no order explains what was seen", core }
        }
    }
}

/// Some of the operations, in the form that they have in the whole list.
fn same<A: Clone>(operations: &[Timed<A>], some: &[Timed<A>]) -> Vec<Timed<A>> {
    let calls: FxHashSet<u32> = some.iter().map(|operation| operation.call).collect();
    operations.iter().filter(|operation| calls.contains(&operation.call)).cloned().collect()
}

/// How many of the last operations are tried first as an explanation.
const RECENT: usize = 64;

/// The last operations, with all that they rely on, if they are a violation and not most of them anyway: the fewest of a
/// growing number. To leave out one half after the other would take as much work as a few searches of the whole.
fn recent<M: Machine>(
    machine: &M,
    core: Vec<Timed<M::Action>>,
    mut violates: impl FnMut(&[Timed<M::Action>]) -> bool,
) -> Vec<Timed<M::Action>> {
    let mut count = RECENT;
    while count < core.len() / 2 {
        let places: Vec<usize> = (core.len() - count..core.len()).collect();
        let part = with_bonds(machine, &core, &places);
        if part.len() > core.len() / 2 {
            break;
        }
        if violates(&part) {
            return part;
        }
        count *= 8;
    }
    core
}

/// Whether a search finds that there is no order; nothing if the limit of work was reached. It is one of many searches,
/// whose total work is bounded by `left`.
fn is_violation<M: Machine>(
    machine: &M,
    some: &[Timed<M::Action>],
    bounds: &Bounds<'_>,
    left: &mut u64,
) -> Option<bool> {
    if *left == 0 {
        return None;
    }
    let memory_bytes = bounds.memory_bytes.min(SHRINK_BYTES);
    let small = Bounds { memory_bytes, configurations_max: *left, ..*bounds };
    let (answer, explored) = search_counted(machine, some, &small);
    // Preparing a search costs time, too.
    *left = left.saturating_sub(explored + some.len() as u64);
    Some(matches!(answer, Answer::Violation(_)))
}

/// The operations of a violation with their final outcomes, shrunk again. The search stops at the first completion that
/// has no order, when some operations were still open; with their completions, fewer operations may be enough.
fn completed<M: Machine>(
    machine: &M,
    operations: &[Timed<M::Action>],
    core: Vec<Timed<M::Action>>,
    bounds: &Bounds<'_>,
    left: &mut u64,
) -> Vec<Timed<M::Action>> {
    let whole = same(operations, &core);
    match whole == core {
        true => core,
        // It is still a violation: a completion only adds constraints.
        false => smaller(machine, whole, bounds, |some| is_violation(machine, some, bounds, left)),
    }
}

fn smaller<M: Machine>(
    machine: &M,
    core: Vec<Timed<M::Action>>,
    bounds: &Bounds<'_>,
    mut violates: impl FnMut(&[Timed<M::Action>]) -> Option<bool>,
) -> Vec<Timed<M::Action>> {
    let violates = |some: &[Timed<M::Action>]| if (bounds.out_of_time)() { None } else { violates(some) };
    let reliance = Reliance::new(core.iter().map(|operation| bonds(machine, &operation.action)));
    shrink(core, reliance, violates, SHRINK_WORK_MAX)
}

/// A register with compare-and-set.
pub(crate) fn register(
    initial: u32,
    operations: &[register::RegisterOp],
    bounds: &Bounds<'_>,
) -> Ruling<register::RegisterAction> {
    let machine = Register(initial);
    match zones::zones_within(operations, initial, bounds.out_of_time) {
        Zones::OutOfTime => Ruling::Open { limit: Limit::Time, holds_before: 0 },
        Zones::Linearizable => Ruling::Holds { searched: FAST },
        Zones::Violation(proof) => {
            let core = with_bonds(&machine, operations, &proof.operations);
            let violates =
                |some: &[register::RegisterOp]| Some(matches!(zones::zones(some, initial), Zones::Violation(_)));
            let core = smaller(&machine, core, bounds, violates);
            let (kind, reason) = name_by_zones(&core, initial).unwrap_or((proof.kind, proof.reason));
            Ruling::Violation { kind, reason, core }
        }
        Zones::NotUnique | Zones::Undecided => {
            match general(&machine, &register::simplified(operations, initial), bounds) {
                // The few operations of the core may have unique values, even if the whole has not: then zones can name
                // the violation.
                Ruling::Violation { kind, reason, core } => {
                    let (kind, reason) = name_by_zones(&same(operations, &core), initial).unwrap_or((kind, reason));
                    Ruling::Violation { kind, reason, core }
                }
                other => other,
            }
        }
    }
}

/// The kind of a violation and its reason, if they follow from the zones.
fn name_by_zones(core: &[register::RegisterOp], initial: u32) -> Option<(&'static str, &'static str)> {
    match zones::zones(core, initial) {
        Zones::Violation(proof) => Some((proof.kind, proof.reason)),
        _ => None,
    }
}

/// Several registers, read and written together.
pub(crate) fn multi_register(
    initial: u32,
    operations: &[Timed<Transaction>],
    bounds: &Bounds<'_>,
) -> Ruling<Transaction> {
    match general(&MultiRegister(initial), &multi_register::simplified(operations), bounds) {
        // In the words of the history, not with the values that stand for others.
        Ruling::Violation { kind, reason, core } => Ruling::Violation { kind, reason, core: same(operations, &core) },
        other => other,
    }
}

/// A queue, stack or priority queue.
pub(crate) fn collection(
    discipline: Discipline,
    operations: &[collection::CollectionOp],
    bounds: &Bounds<'_>,
) -> Ruling<collection::CollectionAction> {
    let machine = Collection(discipline);
    let violates = |some: &[collection::CollectionOp]| {
        Some(matches!(collection::judge(discipline, some), collection::Found::Violation(_)))
    };
    match collection::judge_within(discipline, operations, bounds.out_of_time) {
        collection::Found::OutOfTime => Ruling::Open { limit: Limit::Time, holds_before: 0 },
        collection::Found::Linearizable => Ruling::Holds { searched: FAST },
        collection::Found::NotUnique | collection::Found::Undecided => {
            let mut left = SHRINK_CONFIGURATIONS_MAX;
            let violates = |some: &[collection::CollectionOp]| is_violation(&machine, some, bounds, &mut left);
            match general(&machine, &collection::needed(operations), bounds) {
                Ruling::Violation { core, .. } => {
                    out_of_order(fewest_removals(&machine, operations, core, bounds, violates))
                }
                other => other,
            }
        }
        collection::Found::Violation(places) => {
            let core = with_bonds(&machine, operations, &places);
            let core = smaller(&machine, core, bounds, violates);
            let core = fewest_removals(&machine, operations, core, bounds, violates);
            out_of_order(core)
        }
    }
}

fn out_of_order(core: Vec<collection::CollectionOp>) -> Ruling<collection::CollectionAction> {
    Ruling::Violation { kind: "out-of-order", reason: "no order of these insertions and removals exists", core }
}

/// A violation without removals that prove nothing. If an element was removed too often, one removal too many is
/// enough. And a removal of unknown outcome is dropped if it was invoked after everything else had completed.
fn fewest_removals(
    machine: &Collection,
    operations: &[collection::CollectionOp],
    mut core: Vec<collection::CollectionOp>,
    bounds: &Bounds<'_>,
    mut violates: impl FnMut(&[collection::CollectionOp]) -> Option<bool>,
) -> Vec<collection::CollectionOp> {
    if let Some(doubled) = collection::doubled(operations, &core) {
        return doubled;
    }
    loop {
        let over = core.iter().filter(|operation| operation.completed()).map(|operation| operation.ret).max();
        let before = core.len();
        core.retain(|operation| {
            operation.action != collection::CollectionAction::RemoveUnknown
                || over.is_none_or(|over| operation.call < over)
        });
        if core.len() == before {
            return core;
        }
        // Without these removals, insertions that they may have removed can be needless, and then more removals.
        core = smaller(machine, core, bounds, &mut violates);
    }
}

/// A set.
pub(crate) fn set(operations: &[set::SetOp], bounds: &Bounds<'_>) -> Ruling<set::SetAction> {
    match set::judge(operations) {
        set::Found::Linearizable => Ruling::Holds { searched: FAST },
        set::Found::NotFast => set_by_element(operations, bounds),
        set::Found::Violation(places) => {
            let kind = "not-linearizable";
            let shown = |at: &usize| match &operations[*at].action {
                set::SetAction::Read(elements) => elements.len(),
                _ => 0,
            };
            if places.iter().map(shown).sum::<usize>() > SET_SHOWN_MAX {
                let core = places.iter().map(|at| operations[*at].clone()).collect();
                return Ruling::Violation { kind, reason: SHOWN_LEFT_OUT, core };
            }
            let core = with_bonds(&Set, operations, &places);
            let violates = |some: &[set::SetOp]| Some(matches!(set::judge(some), set::Found::Violation(_)));
            let core = smaller(&Set, core, bounds, violates);
            Ruling::Violation { kind, reason: "no order of these additions, removals and reads exists", core }
        }
    }
}

/// A set with elements that are added or removed again: element by element, where each read of the whole says of each
/// element whether it was there. Without such reads that is all there is to decide, since elements are objects of their own;
/// with them it is necessary, and found much sooner than by a search through sets.
fn set_by_element(operations: &[set::SetOp], bounds: &Bounds<'_>) -> Ruling<set::SetAction> {
    let Some(elements) = set::Elements::new(operations) else { return general(&Set, operations, bounds) };
    let mut open = None;
    for part in elements.parts() {
        if (bounds.out_of_time)() {
            return Ruling::Open { limit: Limit::Time, holds_before: 0 };
        }
        if set::judge(&part) == set::Found::Linearizable {
            continue;
        }
        match general(&Set, &part, bounds) {
            Ruling::Holds { .. } => {}
            Ruling::Open { limit, holds_before } => open = open.or(Some(Ruling::Open { limit, holds_before })),
            Ruling::Violation { kind, reason, core } if !elements.reads_all() => {
                return Ruling::Violation { kind, reason, core };
            }
            Ruling::Violation { kind, core, .. } => return of_the_whole(kind, operations, &core, bounds),
        }
    }
    match elements.reads_all() {
        true => general(&Set, operations, bounds),
        false => open.unwrap_or(Ruling::Holds { searched: true }),
    }
}

/// A violation of what reads of the whole say of one element, in terms of these reads.
fn of_the_whole(
    kind: &'static str,
    operations: &[set::SetOp],
    core: &[set::SetOp],
    bounds: &Bounds<'_>,
) -> Ruling<set::SetAction> {
    let core = same(operations, core);
    if core.iter().map(|operation| set::seen(operation).len()).sum::<usize>() > SET_SHOWN_MAX {
        return Ruling::Violation { kind, reason: SHOWN_LEFT_OUT, core };
    }
    let calls: FxHashSet<u32> = core.iter().map(|operation| operation.call).collect();
    let places: Vec<usize> = (0..operations.len()).filter(|at| calls.contains(&operations[*at].call)).collect();
    let core = with_bonds(&Set, operations, &places);
    let mut left = SHRINK_CONFIGURATIONS_MAX;
    let core = smaller(&Set, core, bounds, |some| is_violation(&Set, some, bounds, &mut left));
    Ruling::Violation { kind, reason: "no order of these additions, removals and reads exists", core }
}

/// A counter: first by the bounds of its sum.
pub(crate) fn counter(
    initial: i64,
    operations: &[counter::CounterOp],
    bounds: &Bounds<'_>,
) -> Ruling<counter::CounterAction> {
    let Some((read, least, _)) = counter::out_of_bounds(operations, initial) else {
        return general(&Counter(initial), operations, bounds);
    };
    let too_low = matches!(operations[read].action, counter::CounterAction::Read(seen) if i128::from(seen) < least);
    let core = counter::fewest_out_of_bounds(operations, read, initial, too_low);
    let (kind, reason) = match too_low {
        true => ("sum-too-low", "the sum that was read is less than what the additions before the read must have made"),
        false => ("sum-too-high", "the sum that was read is more than what the additions until its end can have made"),
    };
    Ruling::Violation { kind, reason, core }
}

/// Whether registers, all together, are sequentially consistent.
pub(crate) fn sequential(
    initial: u32,
    operations: &[sequential::KeyedOp],
    bounds: &Bounds<'_>,
) -> Ruling<sequential::KeyedAction> {
    let judged = sequential::judge(operations, initial, bounds);
    match judged.found {
        sequential::Found::Consistent => Ruling::Holds { searched: judged.explored > 0 },
        sequential::Found::Unknown(limit) => Ruling::Open { limit, holds_before: 0 },
        sequential::Found::Violation => {
            let core = judged.near.map(|near| sequential::around(operations, near, initial, bounds));
            let mut left = SHRINK_CONFIGURATIONS_MAX;
            let violates = |some: &[sequential::KeyedOp]| {
                let memory_bytes = bounds.memory_bytes.min(SHRINK_BYTES);
                let small = Bounds { memory_bytes, configurations_max: left, ..*bounds };
                let sequential::Judged { found, explored, .. } = sequential::judge(some, initial, &small);
                left = left.saturating_sub(explored + some.len() as u64);
                (left > 0 && !(bounds.out_of_time)()).then_some(found == sequential::Found::Violation)
            };
            let core = core.unwrap_or_else(|| operations.to_vec());
            let reliance = Reliance::new(core.iter().map(|operation| Some(of_key(initial, &operation.action))));
            let core = shrink(core, reliance, violates, SHRINK_WORK_MAX);
            let reason = "no order of the processes' operations explains what was seen";
            Ruling::Violation { kind: "not-sequential", reason, core }
        }
    }
}

/// The bonds of a register's action, with names that differ from those of other keys.
fn of_key(initial: u32, action: &sequential::KeyedAction) -> Bonds {
    let named = |names: Vec<u64>| names.into_iter().map(|name| u64::from(action.key) << 32 | name).collect();
    let Bonds { gives, takes } = bonds(&Register(initial), &action.action).unwrap_or_default();
    Bonds { gives: named(gives), takes: named(takes) }
}
