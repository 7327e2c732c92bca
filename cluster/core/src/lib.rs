//! The Dynamo node as a state machine without I/O (DeCandia et al., SOSP 2007), and the simulated world that drives it.
//!
//! ```text
//!   peer message ─┐                        ┌─► send to a peer
//!   client request├─► Node::handle(now) ───┼─► persist a batch (named)
//!   persisted(id) ┤    live image, request ├─► reply to a client
//!   timer ────────┘    state machines      └─► set the timer
//! ```
//!
//! A driver (a process, or the simulation) owns sockets, disk and clocks. It feeds [`api::Input`]s with the time and
//! carries out the [`api::Effect`]s in order. What promises durability is handed out only after the persist that it
//! names has completed.

pub mod api;
pub mod bug;
pub mod client;
pub mod config;
pub mod context;
pub mod envelope;
pub mod failure;
pub mod histogram;
pub mod ids;
pub mod membership;
pub mod merkle;
pub mod message;
pub mod node;
pub mod partitioning;
pub mod protocol;
pub mod ring;
pub mod sim;
pub mod versions;

mod image;
mod peers;
mod row;
mod sequence;
mod timers;
