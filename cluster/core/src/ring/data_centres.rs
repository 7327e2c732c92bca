//! Preference lists spread over data centres (4.6): a whole data centre may fail, and must not take every copy along.
//!
//! The walk around the circle is gone through again: each place goes to the first host left whose data centre has the
//! fewest places so far. So any first N cover as many data centres as can be, evenly, and the first host of the walk
//! stays the first. Where no data centres are named the walk stays as it is.

use crate::ids::NodeId;

/// Reorders a walk that has every node once; `data_centres` has one for each node.
pub(super) fn spread(walk: &mut [NodeId], data_centres: &[u16]) {
    debug_assert!(walk.iter().all(|node| usize::from(node.0) < data_centres.len()), "a node in no data centre");
    let data_centre = |node: NodeId| data_centres.get(usize::from(node.0)).copied().unwrap_or_default();
    for place in 1..walk.len() {
        let (before, rest) = walk.split_at(place);
        let places = |node: NodeId| before.iter().filter(|other| data_centre(**other) == data_centre(node)).count();
        let next = (0..rest.len()).min_by_key(|&at| (places(rest[at]), at)).unwrap_or_default();
        walk[place..=place + next].rotate_right(1);
    }
}
