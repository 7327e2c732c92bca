//! Tries every order. Nothing is remembered, nothing is clever.

use checker::linearizability::machine::Timed;

/// Whether some order of all completed operations and any of the others is legal, and keeps what came before what.
///
/// `legal` runs a whole sequence from the beginning.
pub fn linearizable<A: Clone>(operations: &[Timed<A>], legal: &impl Fn(&[A]) -> bool) -> bool {
    extend(operations, &mut Vec::new(), &mut vec![false; operations.len()], legal)
}

fn extend<A: Clone>(
    operations: &[Timed<A>],
    sequence: &mut Vec<A>,
    taken: &mut Vec<bool>,
    legal: &impl Fn(&[A]) -> bool,
) -> bool {
    if operations.iter().zip(taken.iter()).all(|(operation, taken)| *taken || !operation.completed()) {
        return true;
    }
    for at in 0..operations.len() {
        let first = |other: usize| taken[other] || operations[other].ret > operations[at].call;
        if taken[at] || !(0..operations.len()).all(first) {
            continue;
        }
        sequence.push(operations[at].action.clone());
        taken[at] = true;
        let found = legal(sequence) && extend(operations, sequence, taken, legal);
        taken[at] = false;
        sequence.pop();
        if found {
            return true;
        }
    }
    false
}
