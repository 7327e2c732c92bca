//! Replicas agree, and serve.

pub(crate) mod availability;
pub(crate) mod convergence;
pub(crate) mod ring_agreement;
pub(crate) mod siblings;
