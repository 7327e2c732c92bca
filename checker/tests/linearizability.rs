//! Linearizability held against a plain, slow, obviously right checker, and against another tool.
//!
//! Random small histories of a simulated object with delays, some of them then spoiled. `DISSENSUS_HISTORIES=10000 cargo
//! test --release -p dissensus-checker --test linearizability -- --nocapture` takes as many of each kind as it says, and
//! prints how many of them were linearizable and how many were not.

#[path = "linearizability/brute.rs"]
mod brute;
#[path = "linearizability/decisions.rs"]
mod decisions;
#[path = "linearizability/differential.rs"]
mod differential;
#[path = "linearizability/generate.rs"]
mod generate;
#[path = "linearizability/sequential.rs"]
mod sequential;
#[path = "linearizability/unknown.rs"]
mod unknown;
