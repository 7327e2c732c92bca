//! Workloads: the operations that clients invoke on a store, and the interpreter that runs them.
//!
//! Nothing here knows which store it runs on, or whether time is real: a [`client::Client`] does the operations, a
//! [`clock::Clock`] gives the time and waits for it, and every event goes to a [`checker::history::Recorder`].
//!
//! From the bottom up: [`client`], [`clock`] and [`workload`] (the traits and their vocabulary), one file for each
//! workload, [`registry`] (the workloads by name), [`get_put`] (a store that has get and put alone as a client) and
//! [`interpreter`].
//!
//! ```text
//!  Workload::next ─► Interpreter ─► Client::invoke ─► a store with such operations
//!        ▲               │              │    └─► GetPut ─► Meaning::perform ─► Store
//!        └── observe ◄───┼── completion ◄      (or the operation's time-out, by Clock)
//!                        ▼
//!                    Recorder
//! ```

pub mod append;
pub mod bank;
pub mod cart;
pub mod cas_register;
pub mod client;
pub mod clock;
pub mod counter;
pub mod echo;
pub mod elements;
pub mod get_put;
pub mod interpreter;
mod key_window;
pub mod kv_counter;
pub mod kv_set;
pub mod list_append;
pub mod lock;
pub mod log;
pub mod meaning;
pub mod one_counter;
pub mod one_set;
pub mod queue;
pub mod register;
pub mod registry;
pub mod rw_register;
pub mod set;
mod single_writer;
pub mod store;
mod transaction;
pub mod unique_ids;
pub mod watch;
pub mod workload;

pub use client::{Attempt, Client, Completion, Operation, Outcome};
pub use get_put::GetPut;
pub use interpreter::{
    Convergence, Counts, FinalReads, Interpreter, Placement, Probes, Progress, Settings, SettingsError,
};
pub use registry::by_name;
pub use workload::{Invocation, Workload};
