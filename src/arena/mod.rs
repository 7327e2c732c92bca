//! Where a cluster lives while it is tested.
//!
//! [`process`]: real processes, real sockets, real time. [`sim`]: virtual time on one thread, everything from one
//! seed. Both are hurt through the same surface, and driven by the same clients.

pub mod process;
pub mod sim;
pub mod time;
