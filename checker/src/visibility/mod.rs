//! Which write is visible in which read: facts of each key, and what follows from them.
//!
//! ```text
//! operations of a workload ─► facts: writes, reads, pasts ─┬─► blocks: who sees what ─► analysis
//! a history from anywhere ──► foreign: the same facts ─────┘   (64 writes at a time)
//! ```

mod analysis;
mod blocks;
mod deletes;
mod facts;
mod foreign;
mod lists;
mod witness;
mod words;
mod workloads;

#[cfg(test)]
pub(crate) use analysis::{Fate, FinalSight};
pub(crate) use analysis::{Late, OwnMiss, Regress, Required};
pub(crate) use blocks::{Block, required};
pub(crate) use facts::{FinalSource, KeyFacts, Past, Read, Step, Write};
pub(crate) use lists::Lists;
pub(crate) use witness::Evidence;
pub(crate) use words::components;
pub(crate) use workloads::{Facts, WorkloadFacts};
