//! Linearizability (Herlihy and Wing, "Linearizability: a correctness condition for concurrent objects", 1990): each
//! operation takes effect at one moment between its invocation and its completion.
//!
//! ```text
//! history ─► operations of each key ─► fast path (zones, sets, queues, stacks: near linear) ─► decision
//!                                  └─► general search, where values are not unique ─────────┘
//! ```
//!
//! Linearizability is local: a history is linearizable if and only if the part of each object is. So keys are checked
//! independently, and in parallel. If a limit of time or memory leaves keys undecided, the finding reports how many
//! keys were decided, and up to which event the first undecided one is known to be linearizable.

pub(crate) mod accounts;
mod adapt;
mod checks;
pub(crate) mod collection;
mod contents;
pub(crate) mod counter;
pub(crate) mod deque;
pub(crate) mod explain;
mod failed_cas;
mod forced_order;
mod locks;
pub mod machine;
pub(crate) mod multi_register;
pub(crate) mod mutex;
mod not_of_model;
mod numbers;
mod priority_queue;
mod queue;
pub(crate) mod register;
mod reliance;
pub(crate) mod rule;
pub mod search;
pub(crate) mod sequential;
pub(crate) mod set;
mod stack;
pub(crate) mod text;
pub(crate) mod zones;

#[cfg(test)]
pub(crate) use adapt::check_sequential;
pub use adapt::{FailedCas, Options, check};
pub(crate) use checks::{Linearizable, Sequential};
