//! What an object means: a state machine, and the operations that were done on it.
//!
//! A history is linearizable (Herlihy and Wing, 1990) if each operation can be given one moment between its invocation
//! and its completion such that, one after the other in the order of these moments, they are what the machine does. An
//! operation that never completed may get a moment at any time after its invocation, or none.
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

use std::hash::Hash;

/// The completion of an operation that nobody saw complete.
pub const NEVER: u32 = u32::MAX;

/// An operation: what was done with what result, and when.
///
/// Times are positions of events in the history: no two are equal, and an operation comes before another for certain
/// if its `ret` is below the other's `call`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timed<A> {
    /// The client process.
    pub process: u32,
    /// Position of the invocation. It names the operation.
    pub call: u32,
    /// Position of the completion, or [`NEVER`].
    pub ret: u32,
    /// What was done, with what came of it.
    pub action: A,
}

impl<A> Timed<A> {
    /// Whether it is known to have happened.
    pub fn completed(&self) -> bool {
        self.ret != NEVER
    }
}

/// What a set of operations must keep together to remain a proof when others are taken away from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bonds {
    /// Names of what others may rely on.
    pub gives: Vec<u64>,
    /// Names of what it relies on: it goes when one who gives any of these goes.
    pub takes: Vec<u64>,
}

/// A sequential object, whose operations are compared with what clients saw.
pub trait Machine: Sync {
    /// What the object remembers.
    type State: Clone + Eq + Hash + Send + Sync;
    /// An operation together with its result. Equal actions are interchangeable.
    type Action: Clone + Eq + Hash + Send + Sync;

    /// Before the first operation.
    fn initial(&self) -> Self::State;

    /// The states that the action may lead to, with the result that it bears: none if that result is impossible here.
    fn step(&self, state: &Self::State, action: &Self::Action) -> impl IntoIterator<Item = Self::State>;

    /// Whether the action leaves every state as it is. Such an operation is given its moment as soon as there is one.
    fn only_reads(&self, _action: &Self::Action) -> bool {
        false
    }

    /// What a violation must keep together: taking away an operation, and all that rely on it, must never make a
    /// linearizable history one that is not. `None` keeps the operation in every explanation, unless it only reads.
    fn bonds(&self, _action: &Self::Action) -> Option<Bonds> {
        None
    }

    /// About how many bytes a state takes.
    fn state_bytes(&self, _state: &Self::State) -> usize {
        size_of::<Self::State>()
    }
}
