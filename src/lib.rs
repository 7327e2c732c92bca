//! The bench: starts a cluster, injects faults, records what clients saw, checks the history, and reports.
//!
//! Wiring only. Faults are in `nemesis`, clients in `workloads`, checks in `checker`, and reports in `reports`; here
//! they are put together with a system ([`systems`]) in an arena ([`arena`]) for one run ([`run`]), which leaves a run
//! directory ([`store`]).

pub mod arena;
pub mod cli;
pub mod exit;
mod out;
pub mod run;
pub mod sql;
pub mod store;
pub mod systems;
