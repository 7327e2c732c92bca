//! The meaning of an object: a state machine, and the operations that clients did on it.
//!
//! A history is linearizable (Herlihy and Wing, 1990) if for each operation one moment between its invocation and its
//! completion can be chosen such that the machine allows the operations in the order of these moments. An operation
//! that never completed may take effect at any moment after its invocation, or never.
//!
//! ```
//! use dissensus_checker::checks::linearizable::machine::{Machine, NEVER, Timed};
//! use dissensus_checker::checks::linearizable::search::{Answer, Bounds, search};
//!
//! /// A light that each press turns on or off.
//! struct Light;
//!
//! #[derive(Clone, PartialEq, Eq, Hash)]
//! enum Action {
//!     Press,
//!     Look(bool),
//! }
//!
//! impl Machine for Light {
//!     type State = bool;
//!     type Action = Action;
//!     fn initial(&self) -> bool {
//!         false
//!     }
//!     fn step(&self, on: &bool, action: &Action) -> impl IntoIterator<Item = bool> {
//!         match action {
//!             Action::Press => Some(!on),
//!             Action::Look(seen) => (seen == on).then_some(*on),
//!         }
//!     }
//! }
//!
//! let pressed = |call, ret| Timed { process: 0, call, ret, action: Action::Press };
//! let looked = |call, ret, seen| Timed { process: 1, call, ret, action: Action::Look(seen) };
//! let dark_after_the_press = [pressed(0, 1), looked(2, 3, false)];
//! assert!(matches!(search(&Light, &dark_after_the_press, &Bounds::default()), Answer::Violation(_)));
//! let perhaps_pressed = [pressed(0, NEVER), looked(2, 3, false), looked(4, 5, true)];
//! assert!(matches!(search(&Light, &perhaps_pressed, &Bounds::default()), Answer::Linearizable));
//! ```

use std::borrow::Cow;
use std::hash::Hash;

/// The completion of an operation that never completed.
pub const NEVER: u32 = u32::MAX;

/// An operation: what was done, with which result, and when.
///
/// Times are positions of events in the history. No two are equal, and an operation certainly precedes another if its
/// `ret` is below the other's `call`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timed<A> {
    /// The client process.
    pub process: u32,
    /// Position of the invocation. It identifies the operation.
    pub call: u32,
    /// Position of the completion, or [`NEVER`].
    pub ret: u32,
    /// What was done, with its result.
    pub action: A,
}

impl<A> Timed<A> {
    /// Whether it is known to have happened.
    pub fn completed(&self) -> bool {
        self.ret != NEVER
    }
}

/// On which other operations an operation relies. A violation stays a proof when operations are removed from it only if
/// whatever relies on a removed one is removed, too: a read without the write of its value would always be a violation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bonds {
    /// What others may rely on, such as a value that it wrote.
    pub gives: Vec<u64>,
    /// What it relies on: it must be removed when an operation that gives any of these is.
    pub takes: Vec<u64>,
}

impl Bonds {
    /// Of an object whose reads rely on every change, whatever it was.
    pub(crate) fn of_whole(only_reads: bool) -> Self {
        const CHANGES: u64 = 0;
        match only_reads {
            true => Self { gives: Vec::new(), takes: vec![CHANGES] },
            false => Self { gives: vec![CHANGES], takes: Vec::new() },
        }
    }
}

/// What is known of two actions, one directly after the other, in every state that allows both in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// Nothing.
    Depends,
    /// The other order is allowed, too, and leads to the same.
    Commutes,
    /// The first leaves no trace: the second alone is allowed, too, and leads to the same. And every state allows the
    /// first.
    Hides,
}

/// The specification of a sequential object, which the operations of clients are compared with.
pub trait Machine: Sync {
    /// The state of the object.
    type State: Clone + Eq + Hash + Send + Sync;
    /// An operation together with its result. Equal actions are interchangeable.
    type Action: Clone + Eq + Hash + Send + Sync;

    /// The state before the first operation.
    fn initial(&self) -> Self::State;

    /// The states that the action may lead to; none if its result is impossible in this state.
    fn step(&self, state: &Self::State, action: &Self::Action) -> impl IntoIterator<Item = Self::State>;

    /// The action without what makes no difference to [`Machine::step`]: actions that are then equal are interchangeable.
    fn distinct<'a>(&self, action: &'a Self::Action) -> Cow<'a, Self::Action> {
        Cow::Borrowed(action)
    }

    /// Whether the action leaves every state unchanged. The search lets such an operation take effect as soon as
    /// possible.
    fn only_reads(&self, _action: &Self::Action) -> bool {
        false
    }

    /// Whether [`Machine::relation`] knows of anything; else the search does not ask.
    const RELATES: bool = false;

    /// What is known of two actions, `second` directly after `first`. The search tries fewer orders where it knows.
    fn relation(&self, _first: &Self::Action, _second: &Self::Action) -> Relation {
        Relation::Depends
    }

    /// On what the action relies: removing an operation, and all that rely on it, must never turn a linearizable
    /// history into one that is not. `None` keeps the operation in every explanation, unless it only reads.
    fn bonds(&self, _action: &Self::Action) -> Option<Bonds> {
        None
    }

    /// The approximate size of a state in bytes.
    fn state_bytes(&self, _state: &Self::State) -> usize {
        size_of::<Self::State>()
    }
}
