//! MariaDB: unmodified servers, as they come from a package; one node, or several that replicate to each other by Galera,
//! of which each takes writes.
//!
//! ```text
//!   row.rs: arguments ─► settings.rs ─► system.rs: how a node is started     claims.rs: what is promised
//!                                          │
//!          ┌───────────────────────────────┴──────────────────┐
//!          ▼                                                  ▼
//!   starter.rs: the first process of a node's own,    nodes.rs: a session of a client, at its own node
//!   which makes its tables and becomes mariadbd            └─► ../sql/: what it does there
//! ```

mod claims;
mod nodes;
mod row;
mod settings;
mod starter;
mod system;

pub use settings::{FlushLog, GaleraSettings};
pub use system::Galera;
