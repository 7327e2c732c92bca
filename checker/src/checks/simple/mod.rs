//! Laws of single workloads that are decided by a walk over the history, without a search for an order.
//!
//! Each is necessary for its object to be correct, and each violation is told by the two or three operations that break
//! it. The definitions are those of Jepsen's checkers where there is one, and said in each file.

pub mod bank;
pub(crate) mod counter_bounds;
pub mod dirty_reads;
pub mod long_fork;
pub mod monotonic;
pub mod staleness;
pub mod unique_ids;
