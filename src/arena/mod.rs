//! Where a cluster lives while it is tested.
//!
//! [`process`]: real processes, real sockets, real time. [`sim`]: virtual time on one thread, everything from one
//! seed. In both, faults are injected through the same surface, and the same clients run.

pub mod process;
pub mod sim;
pub mod time;
