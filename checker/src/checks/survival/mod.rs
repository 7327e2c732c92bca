//! What was acknowledged survives.

pub(crate) mod durability;
pub(crate) mod lost_writes;
pub(crate) mod resurrection;
pub(crate) mod set_full;
pub(crate) mod total_queue;
