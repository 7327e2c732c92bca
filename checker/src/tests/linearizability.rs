//! Linearizability held against a plain, slow, obviously right checker, and against another tool.
//!
//! Random small histories of a simulated object with delays, some of them then spoiled. `DISSENSUS_HISTORIES=10000 cargo
//! test --release -p dissensus-checker --lib -- --nocapture tests::linearizability::` takes as many of each kind as it says,
//! and prints how many of them were linearizable and how many were not.

mod brute;
mod decisions;
mod differential;
mod generate;
mod sequential;
mod unknown;
