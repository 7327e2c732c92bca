//! Checks of single workloads that one pass over the history decides, without a search for an order.
//!
//! Each is a necessary condition for its object to be correct, and two or three operations prove each violation. Each
//! file states its definition, which is that of Jepsen's checker if there is one.

pub(crate) mod adya_g2;
pub(crate) mod bank;
pub(crate) mod causal_register;
pub(crate) mod counter_bounds;
pub(crate) mod dirty_reads;
pub(crate) mod echo;
pub(crate) mod eventual_counter;
pub(crate) mod long_fork;
pub(crate) mod monotonic;
pub(crate) mod staleness;
pub(crate) mod unique_ids;
pub(crate) mod watch;
pub(crate) mod write_order;

#[cfg(test)]
mod tests;
