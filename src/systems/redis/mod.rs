//! Redis and Valkey: unmodified servers, as they come from a package; one node, or several with Sentinels that
//! replace a master which fails.
//!
//! ```text
//!   row.rs: arguments ─► settings.rs ─► system.rs: how a node is started ─► files.rs     claims.rs: what is promised
//!                                          │
//!                                          ▼
//!   client.rs: which operation is done by what ─┬─ commands.rs   one operation, one command
//!                                               └─ store.rs   get and put, for all other workloads
//!                      both by connections.rs (to the node, or to the master that its Sentinel names) ─► resp.rs
//! ```

mod claims;
mod client;
mod commands;
mod connections;
mod files;
mod row;
mod settings;
mod store;
mod system;

pub use settings::{AppendFsync, RedisSettings, Server};
pub use system::Redis;
