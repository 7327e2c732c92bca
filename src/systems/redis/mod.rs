//! Redis, one node: an unmodified `redis-server`, as it comes from a package.
//!
//! ```text
//!   row.rs: arguments ─► settings.rs ─► system.rs: how a node is started, what it promises ─► client.rs ─► resp.rs
//! ```

mod client;
mod resp;
mod row;
mod settings;
mod system;

pub use settings::{AppendFsync, RedisSettings};
pub use system::Redis;
