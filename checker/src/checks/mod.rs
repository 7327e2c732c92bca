//! The checks: one file each.

pub(crate) mod by_key;
pub mod check;
mod failed_writers;
pub mod guess;
pub mod isolation;
pub mod linearizable;
pub mod log;
pub(crate) mod minimal;
pub mod registry;
pub mod replicas;
pub mod sessions;
pub mod settings;
pub mod simple;
pub mod survival;
pub(crate) mod unsaid;
