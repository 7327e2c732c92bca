//! Where a cluster lives while it is tested, whatever the store is.
//!
//! [`processes`]: real processes, real sockets, real time. [`virtual_time`]: a clock that a simulated cluster shares
//! with the clients, everything from one seed. [`attached`]: a cluster that runs already, wherever it is. A system says
//! how its nodes are started ([`launch`]), or brings a world of its own into virtual time.

pub mod addresses;
pub mod attached;
pub mod command;
pub mod launch;
pub mod processes;
pub mod time;
pub mod virtual_time;
