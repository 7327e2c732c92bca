//! What will happen, earliest first.
//!
//! Events are large and wait for their turn among thousands, so they stay where they are put, and only their times
//! are kept in order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A queue by time, then by a number that is given, then as they came.
#[derive(Debug)]
pub(super) struct Queue<E> {
    order: BinaryHeap<Reverse<Turn>>,
    events: Vec<Option<E>>,
    /// Places in `events` that are empty.
    free: Vec<usize>,
    pushed: u64,
}

/// Time, given order, as it came; and where the event is.
type Turn = (u64, u32, u64, usize);

impl<E> Default for Queue<E> {
    fn default() -> Self {
        Self { order: BinaryHeap::new(), events: Vec::new(), free: Vec::new(), pushed: 0 }
    }
}

impl<E> Queue<E> {
    pub fn push(&mut self, at_ns: u64, order: u32, event: E) {
        let place = match self.free.pop() {
            Some(place) => {
                assert!(self.events[place].is_none(), "a free place of the queue holds an event");
                self.events[place] = Some(event);
                place
            }
            None => {
                self.events.push(Some(event));
                self.events.len() - 1
            }
        };
        self.pushed += 1;
        self.order.push(Reverse((at_ns, order, self.pushed, place)));
    }

    /// The time of the earliest event.
    pub fn next_ns(&self) -> Option<u64> {
        self.order.peek().map(|Reverse((at_ns, ..))| *at_ns)
    }

    /// The earliest event, if it is due by then.
    pub fn pop_due(&mut self, until_ns: u64) -> Option<(u64, E)> {
        if self.next_ns()? > until_ns {
            return None;
        }
        let Reverse((at_ns, _, _, place)) = self.order.pop()?;
        self.free.push(place);
        let event = self.events[place].take().expect("every turn has its event");
        assert!(self.next_ns().is_none_or(|next_ns| next_ns >= at_ns), "an event is earlier than the earliest");
        Some((at_ns, event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_time_then_by_order_then_as_they_came() {
        let mut queue = Queue::default();
        for (at, order, event) in [(5, 1, 'd'), (5, 0, 'b'), (3, 9, 'a'), (5, 0, 'c'), (9, 0, 'e')] {
            queue.push(at, order, event);
        }
        let due: String = std::iter::from_fn(|| queue.pop_due(5)).map(|(_, event)| event).collect();
        assert_eq!(due, "abcd");
        assert_eq!(queue.next_ns(), Some(9));
        queue.push(7, 0, 'x');
        assert_eq!(queue.pop_due(8), Some((7, 'x')));
        assert_eq!(queue.events.len(), 5, "places are used again");
    }
}
