//! Shrinks a violation to a few operations that already are one.
//!
//! Operations are removed as long as the rest still has no order (delta debugging: Zeller and Hildebrandt, 2002). Not
//! every such rest proves something: a read alone has no order if the write of its value was removed. So an operation
//! is removed only together with all operations that rely on it ([`Bonds`]); then a rest without an order proves that
//! the whole has none.

use rustc_hash::{FxHashMap, FxHashSet};

use super::machine::{Bonds, Machine, NEVER, Timed};

/// Shrinks a violation.
///
/// `violates` is called with subsets in the order of invocation, and answers nothing where a limit was reached;
/// `work_max` bounds the total number of operations passed to it. No operation, with those that rely on it, can be removed
/// from the result, unless one of the limits was reached.
pub(crate) fn shrink<A: Clone>(
    operations: Vec<Timed<A>>,
    bonds: impl Fn(&A) -> Option<Bonds>,
    mut violates: impl FnMut(&[Timed<A>]) -> Option<bool>,
    work_max: u64,
) -> Vec<Timed<A>> {
    debug_assert!(operations.is_sorted_by(|a, b| a.call < b.call), "operations are in the order of invocation");
    let mut kept = operations;
    let mut work = 0;
    let mut chunk = kept.len().next_power_of_two() / 2;
    while chunk > 0 {
        let (before, mut at) = (kept.len(), 0);
        while at < kept.len() && work < work_max {
            let rest = without(&kept, at..(at + chunk).min(kept.len()), &bonds);
            work += rest.len() as u64 + 1;
            match if rest.len() < kept.len() { violates(&rest) } else { Some(false) } {
                Some(true) => kept = rest,
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

/// The operations without those at `gone`, and without all that rely on them. Operations without bonds are never
/// removed.
fn without<A: Clone>(
    operations: &[Timed<A>],
    gone: std::ops::Range<usize>,
    bonds: &impl Fn(&A) -> Option<Bonds>,
) -> Vec<Timed<A>> {
    let bonds: Vec<Option<Bonds>> = operations.iter().map(|operation| bonds(&operation.action)).collect();
    let mut takers: FxHashMap<u64, Vec<usize>> = FxHashMap::default();
    for (at, bonds) in bonds.iter().enumerate() {
        for name in bonds.iter().flat_map(|bonds| &bonds.takes) {
            takers.entry(*name).or_default().push(at);
        }
    }
    let mut dropped: FxHashSet<usize> = gone.filter(|at| bonds[*at].is_some()).collect();
    let mut work: Vec<usize> = dropped.iter().copied().collect();
    while let Some(at) = work.pop() {
        for name in bonds[at].iter().flat_map(|bonds| &bonds.gives) {
            for taker in takers.remove(name).unwrap_or_default() {
                if dropped.insert(taker) {
                    work.push(taker);
                }
            }
        }
    }
    let kept = operations.iter().enumerate().filter(|(at, _)| !dropped.contains(at));
    kept.map(|(_, operation)| operation.clone()).collect()
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
