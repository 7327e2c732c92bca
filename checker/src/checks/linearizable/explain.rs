//! Shrinks a violation to a few operations that already are one.
//!
//! Operations are removed as long as the rest still has no order (delta debugging: Zeller and Hildebrandt, 2002). Not
//! every such rest proves something: a read alone has no order if the write of its value was removed. So an operation
//! is removed only together with all operations that rely on it ([`Bonds`]); then a rest without an order proves that
//! the whole has none.

use std::ops::Range;

use rustc_hash::FxHashMap;

use super::machine::{Bonds, Machine, NEVER, Timed};
use super::numbers::Numbers;
use super::reliance::{Lists, Reliance};

/// Shrinks a violation.
///
/// `violates` is called with subsets in the order of invocation, and answers nothing where a limit was reached;
/// `work_max` bounds the total number of operations passed to it. No operation, with those that rely on it, can be removed
/// from the result, unless one of the limits was reached.
pub(crate) fn shrink<A: Clone>(
    operations: Vec<Timed<A>>,
    reliance: Reliance,
    mut violates: impl FnMut(&[Timed<A>]) -> Option<bool>,
    work_max: u64,
) -> Vec<Timed<A>> {
    debug_assert!(operations.is_sorted_by(|a, b| a.call < b.call), "operations are in the order of invocation");
    assert_eq!(operations.len(), reliance.operations(), "it is known of each operation what it relies on");
    let (mut kept, mut dependents) = (operations, Dependents::new(reliance));
    let mut work = 0;
    let mut chunk = kept.len().next_power_of_two() / 2;
    while chunk > 0 {
        let (before, mut at) = (kept.len(), 0);
        while at < kept.len() && work < work_max {
            let left = dependents.without(at..(at + chunk).min(kept.len()));
            work += left.len() as u64 + 1;
            if left.len() == kept.len() {
                at += chunk;
                continue;
            }
            let rest: Vec<Timed<A>> = left.iter().map(|at| kept[*at as usize].clone()).collect();
            match violates(&rest) {
                Some(true) => (kept, dependents) = (rest, Dependents::new(dependents.reliance.only(&left))),
                Some(false) => at += chunk,
                None => return kept,
            }
        }
        // Each chunk size is tried once, but single operations again and again until none can be removed.
        if chunk > 1 || kept.len() == before || work >= work_max {
            chunk /= 2;
        }
    }
    kept
}

/// Which operations are removed together with others.
struct Dependents {
    reliance: Reliance,
    /// By name, the operations that take it.
    takers: Lists,
}

impl Dependents {
    fn new(reliance: Reliance) -> Self {
        Self { takers: reliance.takers(), reliance }
    }

    /// The positions of all operations but those at `gone` and all that rely on them. Operations without bonds are never
    /// removed.
    fn without(&self, gone: Range<usize>) -> Vec<u32> {
        let mut is_gone = vec![false; self.reliance.operations()];
        let mut is_known = vec![false; self.reliance.names()];
        let mut work: Vec<u32> = Vec::new();
        for at in gone.filter(|at| !self.reliance.is_free(*at)) {
            is_gone[at] = true;
            work.push(at as u32);
        }
        while let Some(at) = work.pop() {
            for name in self.reliance.given_by(at as usize).iter().map(|name| *name as usize) {
                if !std::mem::replace(&mut is_known[name], true) {
                    let takers = self.takers.of(name).iter().copied();
                    work.extend(takers.filter(|taker| !std::mem::replace(&mut is_gone[*taker as usize], true)));
                }
            }
        }
        (0..is_gone.len() as u32).filter(|at| !is_gone[*at as usize]).collect()
    }
}

/// The operations at these positions with all that they rely on, in the order of invocation. For one that never
/// completed, the operations that saw its effect are added, too: they prove that it happened.
pub(crate) fn with_bonds<M: Machine>(
    machine: &M,
    operations: &[Timed<M::Action>],
    places: &[usize],
) -> Vec<Timed<M::Action>> {
    let bonds_of = |at: usize| bonds(machine, &operations[at].action).unwrap_or_default();
    let mut names = Numbers::of_about(operations.len());
    let mut given = Lists::with_room(operations.len());
    (0..operations.len()).for_each(|at| given.push(bonds_of(at).gives.into_iter().map(|name| names.number(name))));
    let givers = given.inverted(names.len());
    let takers = takers_of_uncertain(operations, &names, &given, bonds_of);
    let (mut is_given, mut is_taken) = (vec![false; names.len()], vec![false; names.len()]);
    let mut is_kept = vec![false; operations.len()];
    let mut work: Vec<u32> = Vec::with_capacity(places.len());
    work.extend(places.iter().map(|at| *at as u32));
    places.iter().for_each(|at| is_kept[*at] = true);
    while let Some(at) = work.pop().map(|at| at as usize) {
        let mut need = |some: &[u32]| {
            work.extend(some.iter().filter(|at| !std::mem::replace(&mut is_kept[**at as usize], true)));
        };
        for name in bonds_of(at).takes.into_iter().filter_map(|name| names.known(name)) {
            if !std::mem::replace(&mut is_given[name as usize], true) {
                need(givers.of(name as usize));
            }
        }
        for name in given.of(at).iter().filter(|_| !operations[at].completed()) {
            if !std::mem::replace(&mut is_taken[*name as usize], true) {
                need(takers.get(name).map_or(&[], Vec::as_slice));
            }
        }
    }
    operations.iter().zip(is_kept).filter(|(_, is_kept)| *is_kept).map(|(operation, _)| operation.clone()).collect()
}

/// By name, the operations that take it, of names that operations give which never completed.
fn takers_of_uncertain<A>(
    operations: &[Timed<A>],
    names: &Numbers,
    given: &Lists,
    bonds_of: impl Fn(usize) -> Bonds,
) -> FxHashMap<u32, Vec<u32>> {
    let uncertain = (0..operations.len()).filter(|at| !operations[*at].completed());
    let mut takers: FxHashMap<u32, Vec<u32>> =
        uncertain.flat_map(|at| given.of(at)).map(|name| (*name, Vec::new())).collect();
    if takers.is_empty() {
        return takers;
    }
    for at in 0..operations.len() {
        for name in bonds_of(at).takes.into_iter().filter_map(|name| names.known(name)) {
            if let Some(takers) = takers.get_mut(&name) {
                takers.push(at as u32);
            }
        }
    }
    takers
}

/// The operations invoked before an event, as they were then: one that was still open may take effect or not, and an
/// open one that only reads is left out, since its result is not known yet.
pub(crate) fn prefix<M: Machine>(machine: &M, operations: &[Timed<M::Action>], before: u32) -> Vec<Timed<M::Action>> {
    let invoked = operations.iter().filter(|operation| operation.call < before);
    let relevant = invoked.filter(|operation| operation.ret <= before || !machine.only_reads(&operation.action));
    let seen = |operation: &Timed<M::Action>| {
        let ret = if operation.ret <= before { operation.ret } else { NEVER };
        Timed { ret, ..operation.clone() }
    };
    relevant.map(seen).collect()
}

/// The bonds of an action. One that only reads can be removed at any time, even if its machine gives it no bonds.
pub(crate) fn bonds<M: Machine>(machine: &M, action: &M::Action) -> Option<Bonds> {
    machine.bonds(action).or_else(|| machine.only_reads(action).then(Bonds::default))
}
