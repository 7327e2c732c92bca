//! What was acknowledged survives.

pub(crate) mod durability;
pub(crate) mod lost_writes;
pub(crate) mod resurrection;
pub mod set_full;
pub mod total_queue;
