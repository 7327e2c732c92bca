//! The few operations that are a violation by themselves.
//!
//! Operations are taken away as long as what is left has no order (delta debugging: Zeller and Hildebrandt, 2002). Not
//! every set without an order proves something: a read alone has none if its write was taken away. So an operation goes
//! only together with all that rely on it ([`Bonds`]); then a set without an order proves that the whole has none.

use rustc_hash::{FxHashMap, FxHashSet};

use super::machine::{Bonds, Machine, NEVER, Timed};

/// Looks for a smaller violation in the operations, which are one.
///
/// `violates` is asked about subsets in the order of invocation; `work_max` bounds the operations handed to it, all in
/// all. The result cannot be made smaller by one operation and those that rely on it, unless that bound was reached.
pub fn shrink<A: Clone>(
    operations: Vec<Timed<A>>,
    bonds: impl Fn(&A) -> Option<Bonds>,
    mut violates: impl FnMut(&[Timed<A>]) -> bool,
    work_max: u64,
) -> Vec<Timed<A>> {
    let mut kept = operations;
    let mut work = 0;
    let mut chunk = kept.len().next_power_of_two() / 2;
    while chunk > 0 {
        let (before, mut at) = (kept.len(), 0);
        while at < kept.len() && work < work_max {
            let rest = without(&kept, at..(at + chunk).min(kept.len()), &bonds);
            work += rest.len() as u64 + 1;
            if rest.len() < kept.len() && violates(&rest) {
                kept = rest;
            } else {
                at += chunk;
            }
        }
        // Each size once; single operations until nothing more goes.
        if chunk > 1 || kept.len() == before || work >= work_max {
            chunk /= 2;
        }
    }
    kept
}

/// The operations without those at `gone` and all that rely on them. Those that must stay do.
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

/// What had been invoked before a moment, as it looked then: what was still open may yet happen or not, and what only
/// reads and was still open says nothing.
pub fn prefix<M: Machine>(machine: &M, operations: &[Timed<M::Action>], before: u32) -> Vec<Timed<M::Action>> {
    let invoked = operations.iter().filter(|operation| operation.call < before);
    let told = invoked.filter(|operation| operation.ret <= before || !machine.only_reads(&operation.action));
    let seen = |operation: &Timed<M::Action>| {
        let ret = if operation.ret <= before { operation.ret } else { NEVER };
        Timed { ret, ..operation.clone() }
    };
    told.map(seen).collect()
}

/// The bonds of an action: what only reads goes whenever one likes.
pub fn bonds<M: Machine>(machine: &M, action: &M::Action) -> Option<Bonds> {
    machine.bonds(action).or_else(|| machine.only_reads(action).then(Bonds::default))
}
