//! etcd: unmodified `etcd` nodes, as they come from a package, and a client of their JSON gateway.
//!
//! ```text
//!   row.rs: arguments ─► settings.rs ─► system.rs: how a node is started     claims.rs: what is promised
//!                                          │
//!                                          ▼                             members.rs: who belongs to the cluster
//!   client.rs: which operation is done by what ─┬─ registers.rs   one key, one request
//!                                               ├─ transactions.rs   many keys, compared and put at once
//!                                               ├─ watches.rs   a stream of changes
//!                                               ├─ locks.rs   keys that live as long as a lease
//!                                               └─ store.rs   get and put, for all other workloads
//!                      all of them by kv.rs (keys and values) ─► gateway.rs (HTTP) ─► forms.rs (JSON)
//! ```

mod claims;
mod client;
mod forms;
mod gateway;
mod kv;
mod locks;
mod members;
mod registers;
mod row;
mod settings;
mod store;
mod system;
mod transactions;
mod watches;

pub use settings::{EtcdSettings, Reads};
pub use system::Etcd;
