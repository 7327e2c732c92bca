//! Linearizability (Herlihy and Wing, "Linearizability: a correctness condition for concurrent objects", 1990): each
//! operation takes effect at one moment between its invocation and its completion.
//!
//! ```text
//! records ─► operations of each key ─► fast path (zones, sets, queues, stacks: near linear) ─► decision
//!                                  └─► general search, where values are not unique ─────────┘
//! ```
//!
//! It is local: a history is linearizable if and only if each object's part is, so keys are judged one by one, side by
//! side. What a limit kept from being decided is told, with how many keys were decided and how far one holds.

mod adapt;
mod checks;
pub mod collection;
mod contents;
pub mod counter;
pub mod explain;
mod failed_cas;
pub mod machine;
pub mod multi_register;
pub mod mutex;
mod priority_queue;
mod queue;
pub mod register;
pub mod rule;
pub mod search;
pub mod sequential;
pub mod set;
mod stack;
pub mod zones;

pub use adapt::{FailedCas, Options, check, check_sequential};
pub use checks::{Linearizable, Sequential};
