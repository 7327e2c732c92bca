//! A counter: additions of any sign, and reads of the sum.
//!
//! Every read must lie within bounds: at least what the additions acknowledged before it must have made, and at most
//! what the additions invoked before its completion can have made. That is necessary, takes O(n log n), and is all that
//! can be decided for a large history with many additions open at a time. The general search decides exactly, within
//! its limits.

use super::machine::{Machine, Relation, Timed};

/// What was done with a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum CounterAction {
    /// The number was added.
    Add(i64),
    /// The sum was read.
    Read(i64),
}

/// An operation on a counter.
pub(crate) type CounterOp = Timed<CounterAction>;

/// A counter that begins with this number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counter(
    /// The initial sum.
    pub i64,
);

impl Machine for Counter {
    type State = i128;
    type Action = CounterAction;

    fn initial(&self) -> i128 {
        i128::from(self.0)
    }

    fn step(&self, sum: &i128, action: &CounterAction) -> impl IntoIterator<Item = i128> {
        match action {
            CounterAction::Add(number) => Some(sum + i128::from(*number)),
            CounterAction::Read(seen) => (i128::from(*seen) == *sum).then_some(*sum),
        }
    }

    const RELATES: bool = true;

    fn relation(&self, first: &CounterAction, second: &CounterAction) -> Relation {
        match (first, second) {
            (CounterAction::Add(_), CounterAction::Add(_)) => Relation::Commutes,
            _ => Relation::Depends,
        }
    }

    fn only_reads(&self, action: &CounterAction) -> bool {
        matches!(action, CounterAction::Read(_) | CounterAction::Add(0))
    }
}

/// The first completed read outside its bounds, by position in the list, with the bounds.
pub(crate) fn out_of_bounds(operations: &[CounterOp], initial: i64) -> Option<(usize, i128, i128)> {
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
    // The bounds of each read when it was invoked: additions invoked later widen them, later acknowledgements do not
    // narrow them. So they are stored without `up` and `down`, which have grown by the later additions when the read
    // completes.
    let mut began: Vec<(i128, i128)> = vec![(0, 0); operations.len()];
    let (mut up, mut down) = (0, 0);
    for (_, invoked, at) in events {
        match (operations[at].action, invoked) {
            (CounterAction::Add(number), true) if number > 0 => {
                high += i128::from(number);
                up += i128::from(number);
            }
            (CounterAction::Add(number), true) => {
                low += i128::from(number);
                down += i128::from(number);
            }
            (CounterAction::Add(number), false) if number > 0 => low += i128::from(number),
            (CounterAction::Add(number), false) => high += i128::from(number),
            (CounterAction::Read(_), true) => began[at] = (low - down, high - up),
            (CounterAction::Read(seen), false) => {
                let (least, most) = (began[at].0 + down, began[at].1 + up);
                debug_assert!(least <= most, "the bounds of a read are in order");
                if i128::from(seen) < least || i128::from(seen) > most {
                    return Some((at, least, most));
                }
            }
        }
    }
    None
}

/// A read out of its bounds and the additions that prove it, in the order of invocation. If the read is too low, these
/// are all additions that may have lowered the sum, and as few acknowledged ones that raised it as are enough, the
/// largest first. If it is too high, the other way around.
pub(crate) fn fewest_out_of_bounds(
    operations: &[CounterOp],
    read: usize,
    initial: i64,
    too_low: bool,
) -> Vec<CounterOp> {
    let Timed { call, ret, action: CounterAction::Read(seen), .. } = operations[read] else { return Vec::new() };
    // A read that is too high is one that is too low with all signs changed.
    let sign = if too_low { 1 } else { -1 };
    let number = |operation: &CounterOp| match operation.action {
        CounterAction::Add(number) => sign * i128::from(number),
        CounterAction::Read(_) => 0,
    };
    let (mut core, mut certain): (Vec<CounterOp>, Vec<CounterOp>) = (vec![operations[read]], Vec::new());
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
