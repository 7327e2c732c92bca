//! The Dynamo node as a process: the core of `cluster_core`, driven with real sockets, a real disk and real time.
//!
//! ```text
//!    clients ── HTTP ──► http ──► ┌────────┐ ──► storage thread ──► engine (memory, redb, fjall)
//!                                 │ driver │
//!    peers ─── framed TCP ──────► │  core  │ ──► framed TCP ──► peers
//!                                 └────────┘ ◄── clock (monotonic, and a wall clock that can be bent)
//! ```
//!
//! Nothing of the protocol is decided here. Inputs are handed to the core with the time, and its effects are carried
//! out in order. [`main_from_stdin`] is the whole process; [`serve`] is the same node inside another program, for
//! tests.

pub mod clock;
mod driver;
pub mod frame;
mod http;
mod log;
mod metrics;
pub mod options;
mod peers;
mod process;
mod server;
pub mod storage;

pub use options::{Engine, NodeOptions};
pub use process::{Ready, main_from_stdin};
pub use server::{Listeners, NodeError, NodeHandle, serve, serve_on, serve_with};
