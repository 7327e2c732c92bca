//! PostgreSQL: unmodified servers, as they come from a package; one node, or a primary with standbys that copy it by
//! streaming replication, one of which is promoted when the primary is cut off.
//!
//! ```text
//!   row.rs: arguments ─► settings.rs ─► system.rs: how a node is started     claims.rs: what is promised
//!                                          │
//!          ┌───────────────────────────────┴──────────────────────┐
//!          ▼                                                      ▼
//!   agent.rs: the first process of a node's own              database.rs: at which node a session of a client is
//!     ├─ server.rs     initdb, pg_basebackup, postgres            └─► ../sql/: what it does there
//!     └─ failover.rs   whom to follow, and when to promote
//! ```
//! PostgreSQL has replication and leaves failover to its operator, whose script the agent is.

mod agent;
mod claims;
mod database;
mod failover;
mod row;
mod server;
mod settings;
mod system;

pub use settings::{PostgresSettings, Reads, SynchronousCommit};
pub use system::Postgres;
