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

pub mod accounts;
mod adapt;
mod checks;
pub mod collection;
mod contents;
pub mod counter;
pub mod deque;
pub mod explain;
mod failed_cas;
mod forced_order;
mod locks;
pub mod machine;
pub mod multi_register;
pub mod mutex;
mod not_of_model;
mod priority_queue;
mod queue;
pub mod register;
pub mod rule;
pub mod search;
pub mod sequential;
pub mod set;
mod stack;
pub mod text;
pub mod zones;

pub use adapt::{FailedCas, Options, check, check_sequential};
pub use checks::{Linearizable, Sequential};
