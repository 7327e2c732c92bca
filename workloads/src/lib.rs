//! Workloads: the operations that clients invoke on a store, and the interpreter that runs them.
//!
//! Nothing here knows which store it runs on, or whether time is real: a [`store::Store`] answers requests, a
//! [`clock::Clock`] gives the time and waits for it, and every event goes to a [`checker::history::Recorder`].
//!
//! From the bottom up: [`store`], [`clock`] and [`workload`] (the traits and their vocabulary), one file for each
//! workload, [`registry`] (the workloads by name) and [`interpreter`].
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
mod key_window;
pub mod list_append;
pub mod register;
pub mod registry;
pub mod rw_register;
pub mod set;
mod single_writer;
pub mod store;
mod transaction;
pub mod workload;

pub use interpreter::{
    Convergence, Counts, FinalReads, Interpreter, Placement, Probes, Progress, Settings, SettingsError,
};
pub use registry::by_name;
pub use workload::{Completion, Invocation, Outcome, Workload};
