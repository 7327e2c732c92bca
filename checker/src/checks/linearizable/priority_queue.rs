//! The fast path of a priority queue, if each element is inserted once. The least element is next.
//!
//! Elements are considered in their order, the least first. An element leaves at a moment at which no lesser one is
//! inside; greater ones do not matter to it. So it is inside at least from the completion of its insertion until the
//! first moment, after its removal was invoked, at which no lesser one must be inside. If that moment comes after the
//! removal completed, there is no order. If every element has such a moment, these moments are an order: every element
//! is inside for no longer than in any other order.
//!
//! Moments that are taken are united with the next free one, so it takes O(n log n), and nearly linear time after
//! sorting. Lee and Mathur (arXiv 2410.04581) have another algorithm of that cost.

use super::contents::{Conflict, Contents, Held};

/// Elements that have no order, perhaps with an operation that cannot have found the queue empty.
pub(super) fn judge(contents: &Contents) -> Option<Conflict> {
    // With their elements, so that sorting looks nowhere else.
    let mut order: Vec<(u32, u32)> = contents.held.iter().zip(0..).map(|(held, place)| (held.element, place)).collect();
    order.sort_unstable();
    let places = |order: &[(u32, u32)]| order.iter().map(|(_, place)| *place as usize).collect();
    let mut moments = FreeGaps::new(contents.end);
    for (looked_at, (_, place)) in order.iter().enumerate() {
        let held = &contents.held[*place as usize];
        let leaves = moments.free_from(held.remove_call.max(held.insert_call));
        debug_assert!(leaves >= held.remove_call, "an element leaves after its removal was invoked");
        if leaves >= held.remove_ret {
            return Some(Conflict { held: places(&order[..=looked_at]), empty: None });
        }
        moments.take(held, leaves);
    }
    let empty = contents.empties.iter().position(|(call, ret)| moments.free_from(*call) >= *ret)?;
    Some(Conflict { held: places(&order), empty: Some(empty) })
}

/// The gaps between events, as disjoint sets: a gap that is taken points to a later one, a free one to itself.
struct FreeGaps {
    next: Vec<u32>,
}

impl FreeGaps {
    fn new(end: u32) -> Self {
        Self { next: (0..=end + 1).collect() }
    }

    /// The first free gap at or after this one.
    fn free_from(&mut self, gap: u32) -> u32 {
        let mut at = gap;
        while self.next[at as usize] != at {
            // Path halving: later look-ups take half as many steps.
            let further = self.next[self.next[at as usize] as usize];
            self.next[at as usize] = further;
            at = further;
        }
        at
    }

    /// Takes the gaps in which the element must be inside if it leaves in that gap.
    fn take(&mut self, held: &Held, leaves: u32) {
        let mut gap = held.insert_ret;
        while gap < leaves {
            let follows = self.next[gap as usize];
            self.next[gap as usize] = leaves;
            gap = follows.max(gap + 1);
        }
    }
}
