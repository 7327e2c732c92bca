//! Checks of single workloads that one pass over the history decides, without a search for an order.
//!
//! Each is a necessary condition for its object to be correct, and two or three operations prove each violation. Each
//! file states its definition, which is that of Jepsen's checker if there is one.

pub mod adya_g2;
pub mod bank;
pub mod causal_register;
pub(crate) mod counter_bounds;
pub mod dirty_reads;
pub mod echo;
pub mod eventual_counter;
pub mod long_fork;
pub mod monotonic;
pub mod staleness;
pub mod unique_ids;
pub mod watch;
pub mod write_order;

#[cfg(test)]
mod tests;
