//! NATS JetStream: unmodified `nats-server` nodes, as they come from a package.
//!
//! ```text
//!   row.rs: arguments ─► settings.rs ─► system.rs: how a node is started, what is promised
//!                                          │
//!                                          ▼
//!   client.rs: which operation is done by what ─┬─ logs.rs     records of a stream by their sequence numbers
//!                                               └─ queues.rs   a stream whose messages go away when they are acknowledged
//!                              both by jetstream.rs (streams, consumers) ─► connection.rs ─► protocol.rs (bytes)
//! ```

mod client;
mod connection;
mod jetstream;
mod logs;
mod protocol;
mod queues;
mod row;
mod settings;
mod system;

pub use settings::{NatsSettings, SyncInterval};
pub use system::Nats;
