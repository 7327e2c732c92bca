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

/// A read that is out of bounds with the additions that prove it, in the order of invocation. If it is too low those are
/// all that may have lowered it, and as few acknowledged ones as are too much for it, the largest first; if it is too high
/// the other way around.
pub fn fewest_out_of_bounds(operations: &[Op], read: usize, initial: i64, too_low: bool) -> Vec<Op> {
    let Timed { call, ret, action: Action::Read(seen), .. } = operations[read] else { return Vec::new() };
    // What is said of a read that is too low holds of one that is too high with all signs turned.
    let sign = if too_low { 1 } else { -1 };
    let number = |operation: &Op| match operation.action {
        Action::Add(number) => sign * i128::from(number),
        Action::Read(_) => 0,
    };
    let (mut core, mut certain): (Vec<Op>, Vec<Op>) = (vec![operations[read]], Vec::new());
    for operation in operations.iter().filter(|operation| operation.call < ret) {
        match number(operation) {
            lowers if lowers < 0 => core.push(*operation),
            raises if raises > 0 && operation.ret < call => certain.push(*operation),
            _ => {}
        }
    }
    certain.sort_by_key(|operation| (-number(operation), operation.call));
    let mut sum = sign * i128::from(initial) + core.iter().map(number).sum::<i128>();
    for operation in certain {
        if sum > sign * i128::from(seen) {
            break;
        }
        sum += number(&operation);
        core.push(operation);
    }
    core.sort_unstable_by_key(|operation| operation.call);
    core
}
