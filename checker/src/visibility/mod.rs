//! Which write is visible in which read: facts of each key, and what follows from them.
//!
//! ```text
//! operations ─► facts (writes, reads, pasts of each key) ─► blocks (who sees what, 64 writes at a time) ─► analysis
//! ```

mod analysis;
mod blocks;
mod facts;
mod witness;
mod workloads;

#[cfg(test)]
pub(crate) use analysis::{Fate, FinalSight};
pub(crate) use analysis::{Owed, OwnMiss, Regress};
pub(crate) use blocks::{Block, owed};
pub(crate) use facts::{FinalSource, KeyFacts, Past, Read, Write};
pub(crate) use witness::Evidence;
pub(crate) use workloads::{Facts, WorkloadFacts};
