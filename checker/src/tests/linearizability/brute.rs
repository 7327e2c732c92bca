//! Tries every order. Nothing is remembered, nothing is clever.

use crate::checks::linearizable::machine::Timed;

/// Whether some order of all completed operations and any of the others is legal, and keeps what came before what.
///
/// `legal` runs a whole sequence from the beginning.
pub fn linearizable<A: Clone>(operations: &[Timed<A>], legal: &impl Fn(&[A]) -> bool) -> bool {
    let before = |one: &Timed<A>, other: &Timed<A>| one.ret < other.call;
    extend(operations, &before, &mut Vec::new(), &mut vec![false; operations.len()], legal)
}

/// The same, where only the order of each process must be kept.
pub fn sequential<A: Clone>(operations: &[Timed<A>], legal: &impl Fn(&[A]) -> bool) -> bool {
    let before = |one: &Timed<A>, other: &Timed<A>| one.process == other.process && one.ret < other.call;
    extend(operations, &before, &mut Vec::new(), &mut vec![false; operations.len()], legal)
}

fn extend<A: Clone>(
    operations: &[Timed<A>],
    before: &impl Fn(&Timed<A>, &Timed<A>) -> bool,
    sequence: &mut Vec<A>,
    taken: &mut Vec<bool>,
    legal: &impl Fn(&[A]) -> bool,
) -> bool {
    if operations.iter().zip(taken.iter()).all(|(operation, taken)| *taken || !operation.completed()) {
        return true;
    }
    for at in 0..operations.len() {
        let first = |other: usize| taken[other] || !before(&operations[other], &operations[at]);
        if taken[at] || !(0..operations.len()).all(first) {
            continue;
        }
        sequence.push(operations[at].action.clone());
        taken[at] = true;
        let found = legal(sequence) && extend(operations, before, sequence, taken, legal);
        taken[at] = false;
        sequence.pop();
        if found {
            return true;
        }
    }
    false
}
