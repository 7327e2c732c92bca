//! The bench: starts a cluster, hurts it, records what clients saw, has it judged, and reports.
//!
//! Wiring only. What a fault is lives in `nemesis`, what clients do in `workloads`, what was broken in `checker`,
//! what people see in `reports`; here they meet a system ([`systems`]) in an arena ([`arena`]) for one run ([`run`])
//! that leaves a run directory ([`store`]).

pub mod arena;
pub mod cli;
pub mod exit;
pub mod paper;
pub mod run;
pub mod store;
pub mod systems;
