//! A queue with two ends, and the peeks of queues and stacks: what is at an end is taken or looked at.
//!
//! The general search decides it. A queue or a stack without peeks has faster ways ([`super::collection`]).

use std::collections::VecDeque;

use super::machine::{Bonds, Machine};
use super::not_of_model::NotOfModel;
use crate::history::{Kind, Op};

/// An end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum End {
    /// Where a queue is taken from.
    Front,
    /// Where a queue and a stack are added to.
    Back,
}

/// What was done at an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum DequeAction {
    /// A value was added.
    Push(End, u32),
    /// What was taken; none: it was empty.
    Pop(End, Option<u32>),
    /// Something was taken, perhaps, and nobody knows what.
    PopUnknown(End),
    /// What was there; none: it was empty.
    Peek(End, Option<u32>),
}

/// A deque, empty at first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deque;

fn at_end(held: &VecDeque<u32>, end: End) -> Option<u32> {
    match end {
        End::Front => held.front().copied(),
        End::Back => held.back().copied(),
    }
}

fn without(held: &VecDeque<u32>, end: End) -> VecDeque<u32> {
    let mut rest = held.clone();
    match end {
        End::Front => rest.pop_front(),
        End::Back => rest.pop_back(),
    };
    rest
}

impl Machine for Deque {
    /// From front to back.
    type State = VecDeque<u32>;
    type Action = DequeAction;

    fn initial(&self) -> Self::State {
        VecDeque::new()
    }

    fn step(&self, held: &Self::State, action: &DequeAction) -> impl IntoIterator<Item = Self::State> {
        match *action {
            DequeAction::Push(end, value) => {
                let mut more = held.clone();
                match end {
                    End::Front => more.push_front(value),
                    End::Back => more.push_back(value),
                }
                Some(more)
            }
            DequeAction::Pop(end, taken) => (at_end(held, end) == taken).then(|| without(held, end)),
            DequeAction::PopUnknown(end) => Some(without(held, end)),
            DequeAction::Peek(end, seen) => (at_end(held, end) == seen).then(|| held.clone()),
        }
    }

    fn only_reads(&self, action: &DequeAction) -> bool {
        matches!(action, DequeAction::Peek(..) | DequeAction::Pop(_, None))
    }

    /// All operations on an element belong together: without it the others are as they were.
    fn bonds(&self, action: &DequeAction) -> Option<Bonds> {
        let [put_in, taken] = [0, 1].map(|end| move |value: u32| vec![u64::from(value) * 2 + end]);
        Some(match *action {
            DequeAction::Push(_, value) => Bonds { gives: put_in(value), takes: taken(value) },
            DequeAction::Pop(_, Some(value)) => Bonds { gives: taken(value), takes: put_in(value) },
            DequeAction::Peek(_, Some(value)) => Bonds { gives: Vec::new(), takes: put_in(value) },
            DequeAction::Pop(_, None) | DequeAction::Peek(_, None) => Bonds::default(),
            DequeAction::PopUnknown(_) => return None,
        })
    }

    fn state_bytes(&self, held: &Self::State) -> usize {
        size_of::<Self::State>() + held.capacity() * size_of::<u32>()
    }
}

/// What a function does.
#[derive(Clone, Copy)]
enum Deed {
    Push,
    Pop,
    Peek,
}

/// What each function does, and at which end.
const FUNCTIONS: [(&str, Deed, End); 20] = [
    ("push-front", Deed::Push, End::Front),
    ("push-back", Deed::Push, End::Back),
    ("pop-front", Deed::Pop, End::Front),
    ("pop-back", Deed::Pop, End::Back),
    ("peek-front", Deed::Peek, End::Front),
    ("peek-back", Deed::Peek, End::Back),
    ("add-first", Deed::Push, End::Front),
    ("add-last", Deed::Push, End::Back),
    ("offer-first", Deed::Push, End::Front),
    ("offer-last", Deed::Push, End::Back),
    ("lpush", Deed::Push, End::Front),
    ("rpush", Deed::Push, End::Back),
    ("remove-first", Deed::Pop, End::Front),
    ("remove-last", Deed::Pop, End::Back),
    ("poll-first", Deed::Pop, End::Front),
    ("poll-last", Deed::Pop, End::Back),
    ("lpop", Deed::Pop, End::Front),
    ("rpop", Deed::Pop, End::Back),
    ("peek-first", Deed::Peek, End::Front),
    ("peek-last", Deed::Peek, End::Back),
];

/// The names of the functions.
pub(super) const NAMES: [&str; FUNCTIONS.len()] = {
    let (mut names, mut at) = ([""; FUNCTIONS.len()], 0);
    while at < names.len() {
        names[at] = FUNCTIONS[at].0;
        at += 1;
    }
    names
};

/// The names that a queue has for the functions of a deque.
pub(super) fn of_queue(f: &str) -> &str {
    match f {
        "enqueue" | "offer" | "put" | "add" => "push-back",
        "dequeue" | "poll" | "take" => "pop-front",
        "peek" => "peek-front",
        other => other,
    }
}

/// The names that a stack has for the functions of a deque.
pub(super) fn of_stack(f: &str) -> &str {
    match f {
        "push" => "push-back",
        "pop" => "pop-back",
        "peek" | "top" => "peek-back",
        other => other,
    }
}

/// Whether a function of a deque puts something in.
pub(super) fn puts_in(f: &str) -> bool {
    FUNCTIONS.iter().any(|(name, deed, _)| *name == f && matches!(deed, Deed::Push))
}

/// An operation as an action; none if it did nothing.
///
/// # Errors
/// When a deque has no such function.
pub(super) fn action(op: &Op, f: &str) -> Result<Option<DequeAction>, NotOfModel> {
    let (_, deed, end) = *FUNCTIONS.iter().find(|(name, ..)| *name == f).ok_or(NotOfModel::Function(op.f))?;
    let seen = Some(op.result.0).filter(|_| !op.result.is_nil());
    Ok(match (deed, op.kind) {
        (_, Kind::Fail) | (Deed::Peek, Kind::Info) => None,
        (Deed::Push, _) => Some(DequeAction::Push(end, op.argument.0)),
        (Deed::Pop, Kind::Info) => Some(DequeAction::PopUnknown(end)),
        (Deed::Pop, Kind::Ok) => Some(DequeAction::Pop(end, seen)),
        (Deed::Peek, Kind::Ok) => Some(DequeAction::Peek(end, seen)),
    })
}

#[cfg(test)]
mod tests {
    use super::super::machine::{NEVER, Timed};
    use super::super::search::{Answer, Bounds, search};
    use super::DequeAction::{Peek, Pop, PopUnknown, Push};
    use super::End::{Back, Front};
    use super::{Deque, DequeAction};

    /// Whether operations one after another are linearizable.
    fn holds(actions: &[DequeAction]) -> bool {
        let timed = |(at, action): (usize, &DequeAction)| Timed {
            process: 0,
            call: 2 * at as u32,
            ret: 2 * at as u32 + 1,
            action: *action,
        };
        let history: Vec<Timed<DequeAction>> = actions.iter().enumerate().map(timed).collect();
        matches!(search(&Deque, &history, &Bounds::default()), Answer::Linearizable)
    }

    #[test]
    fn both_ends_hold_what_was_put_there_last() {
        assert!(holds(&[
            Push(Front, 1),
            Push(Back, 2),
            Push(Front, 3),
            Peek(Front, Some(3)),
            Peek(Back, Some(2)),
            Pop(Back, Some(2))
        ]));
        assert!(holds(&[
            Push(Back, 1),
            Push(Back, 2),
            Pop(Front, Some(1)),
            Pop(Front, Some(2)),
            Pop(Front, None),
            Peek(Back, None)
        ]));
        assert!(!holds(&[Push(Back, 1), Push(Back, 2), Pop(Front, Some(2))]));
        assert!(!holds(&[Push(Back, 1), Peek(Front, None)]));
        assert!(!holds(&[Push(Back, 1), Pop(Back, Some(1)), Peek(Front, Some(1))]));
        assert!(!holds(&[Push(Front, 1), Push(Front, 2), Peek(Back, Some(2))]));
    }

    #[test]
    fn a_removal_of_unknown_outcome_may_have_taken_what_is_missing() {
        let unknown = Timed { process: 1, call: 0, ret: NEVER, action: PopUnknown(Front) };
        let then = |seen| {
            let pushed = Timed { process: 0, call: 1, ret: 2, action: Push(Back, 7) };
            [unknown, pushed, Timed { process: 0, call: 3, ret: 4, action: Peek(Front, seen) }]
        };
        for seen in [None, Some(7)] {
            assert!(matches!(search(&Deque, &then(seen), &Bounds::default()), Answer::Linearizable), "{seen:?}");
        }
        assert!(matches!(search(&Deque, &then(Some(8)), &Bounds::default()), Answer::Violation(_)));
    }
}
