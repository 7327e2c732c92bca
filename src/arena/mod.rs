//! Where a cluster lives while it is tested.
//!
//! [`process`]: real processes, real sockets, real time. (Simulation follows.)

pub mod process;
pub mod time;
