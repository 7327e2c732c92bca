//! A counter: additions of any sign, and reads of the sum.
//!
//! Every read must lie between what the additions that were acknowledged before it can have left and what those that were
//! attempted until its end can have made of it. That is necessary, O(n log n), and all that is decided of a large history with
//! many additions open at a time; the general search decides exactly where it can within its limits.

use super::machine::{Machine, Timed};

/// What was done with a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The number was added.
    Add(i64),
    /// The sum was read.
    Read(i64),
}

/// An operation on a counter.
pub type Op = Timed<Action>;

/// A counter that begins with the number.
#[derive(Clone, Copy, Debug)]
pub struct Counter(
    /// The initial sum.
    pub i64,
);

impl Machine for Counter {
    type State = i128;
    type Action = Action;

    fn initial(&self) -> i128 {
        i128::from(self.0)
    }

    fn step(&self, sum: &i128, action: &Action) -> impl IntoIterator<Item = i128> {
        match action {
            Action::Add(number) => Some(sum + i128::from(*number)),
            Action::Read(seen) => (i128::from(*seen) == *sum).then_some(*sum),
        }
    }

    fn only_reads(&self, action: &Action) -> bool {
        matches!(action, Action::Read(_) | Action::Add(0))
    }
}

/// The first completed read, by position in the list, that lies outside the bounds, with them.
pub fn out_of_bounds(operations: &[Op], initial: i64) -> Option<(usize, i128, i128)> {
    let mut events: Vec<(u32, bool, usize)> = Vec::with_capacity(operations.len() * 2);
    for (at, operation) in operations.iter().enumerate() {
        events.push((operation.call, true, at));
        if operation.completed() {
            events.push((operation.ret, false, at));
        }
    }
    events.sort_unstable();
    let start = i128::from(initial);
    let (mut low, mut high) = (start, start);
    // What a read's bounds were when it began: later additions widen them, later acknowledgements do not narrow them.
    let mut began: Vec<(i128, i128)> = vec![(0, 0); operations.len()];
    let (mut up, mut down) = (0, 0);
    for (_, invoked, at) in events {
        match (operations[at].action, invoked) {
            (Action::Add(number), true) if number > 0 => {
                high += i128::from(number);
                up += i128::from(number);
            }
            (Action::Add(number), true) => {
                low += i128::from(number);
                down += i128::from(number);
            }
            (Action::Add(number), false) if number > 0 => low += i128::from(number),
            (Action::Add(number), false) => high += i128::from(number),
            (Action::Read(_), true) => began[at] = (low - down, high - up),
            (Action::Read(seen), false) => {
                let (least, most) = (began[at].0 + down, began[at].1 + up);
                if i128::from(seen) < least || i128::from(seen) > most {
                    return Some((at, least, most));
                }
            }
        }
    }
    None
}
