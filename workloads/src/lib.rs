//! Workloads: what clients do to a store, what each operation means, which checks apply, and the interpreter that
//! runs them.
//!
//! Nothing here knows which store it runs on, or whether time is real: a [`store::Store`] answers requests, a
//! [`clock::Clock`] tells and waits for the time, and every event goes to a [`checker::history::Recorder`].
//!
//! ```text
//!  Workload::next ─► Interpreter ─► Workload::perform ─► Store
//!        ▲               │                  │
//!        └── observe ◄───┼── completion ◄───┘      (or the operation's time-out, by Clock)
//!                        ▼
//!                    Recorder
//! ```

pub mod cart;
pub mod clock;
pub mod counter;
pub mod elements;
pub mod interpreter;
pub mod list_append;
mod owned;
pub mod register;
pub mod rw_register;
pub mod set;
pub mod store;
mod transaction;
mod window;
pub mod workload;

pub use interpreter::{Counts, FinalReads, Interpreter, Placement, Probes, Progress, Rest, Settings, SettingsError};
pub use workload::{Completion, Invocation, Outcome, Workload, by_name};
