//! Faults done to real things: sockets, processes, clocks. An arena of real processes builds its surface from these.

pub mod clock;
pub mod process;
pub mod proxy;
