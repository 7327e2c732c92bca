//! The fast path of a first-in-first-out queue, if each element is inserted once.
//!
//! Such a queue is linearizable if and only if
//! - no element is removed twice, or before it was inserted (checked before);
//! - no pair is out of order: one certainly inserted after the other, but certainly removed before it;
//! - each operation that found the queue empty has a moment at which no element is certainly inside
//!
//! (Henzinger, Sezgin and Vafeiadis, "Aspect-oriented linearizability proofs", 2013; Bouajjani et al., ICALP 2015;
//! quasilinear in Lee and Mathur, arXiv 2410.04581, and Abdulla et al., arXiv 2509.17795). O(n log n).

use super::contents::{Conflict, Contents};

/// Elements that are out of order, or an operation that cannot have found the queue empty.
pub(super) fn judge(contents: &Contents) -> Option<Conflict> {
    let earliest = earliest_removal(contents);
    for (place, held) in contents.held.iter().enumerate() {
        let later = contents.held.partition_point(|other| other.insert_call <= held.insert_ret);
        let Some(overtaker) = earliest.get(later).copied() else { continue };
        if contents.held[overtaker].remove_ret < held.remove_call {
            return Some(Conflict { held: vec![place, overtaker], empty: None });
        }
    }
    contents.never_empty()
}

/// For each position: the position, from there on, of the element whose removal completed first.
fn earliest_removal(contents: &Contents) -> Vec<usize> {
    let mut earliest: Vec<usize> = (0..contents.held.len()).collect();
    for place in (1..earliest.len()).rev() {
        let (here, next) = (earliest[place - 1], earliest[place]);
        if contents.held[next].remove_ret < contents.held[here].remove_ret {
            earliest[place - 1] = next;
        }
    }
    earliest
}

/// Assigns removals that never completed to elements that were never removed although a later one was: the element that
/// was overtaken first gets the removal that was invoked first.
pub(super) fn give(contents: &Contents) -> Contents {
    let earliest = earliest_removal(contents);
    let overtaken = contents.held.iter().enumerate().filter(|(_, held)| held.remove_call == contents.end);
    let mut needy: Vec<(u32, usize)> = overtaken
        .filter_map(|(place, held)| {
            let later = contents.held.partition_point(|other| other.insert_call <= held.insert_ret);
            let deadline = contents.held[*earliest.get(later)?].remove_ret;
            (deadline < contents.end).then_some((deadline, place))
        })
        .collect();
    needy.sort_unstable();
    let mut given = contents.clone();
    for ((_, place), call) in needy.iter().zip(&contents.unknown) {
        given.held[*place].remove_call = *call;
    }
    given
}
