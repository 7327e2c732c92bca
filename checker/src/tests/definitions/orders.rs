//! Whether operations on one object have an order: a search through all of them. Nothing is remembered, nothing is clever.

use super::draw::Done;

/// Whether some order of all acknowledged operations, and of any whose outcome is unknown, is one that the object allows and
/// real time does. `step` says what may come of an operation in a state.
pub fn has_order<S>(all: &[&Done], state: S, step: &impl Fn(&S, &Done) -> Vec<S>) -> bool {
    let possible: Vec<&Done> = all.iter().copied().filter(|done| done.may_have_happened()).collect();
    extends(&possible, 0, &state, step)
}

/// Those in `gone` have taken effect.
fn extends<S>(all: &[&Done], gone: u32, state: &S, step: &impl Fn(&S, &Done) -> Vec<S>) -> bool {
    let left = || (0..all.len()).filter(|at| gone & (1 << at) == 0);
    if left().all(|at| !all[at].is_ok()) {
        return true;
    }
    left()
        .filter(|at| !left().any(|other| all[other].is_before(all[*at])))
        .any(|at| step(state, all[at]).iter().any(|next| extends(all, gone | 1 << at, next, step)))
}
