//! The checks: one file each.

pub(crate) mod by_key;
pub mod check;
mod failed_writers;
pub(crate) mod guess;
pub mod isolation;
pub mod linearizable;
pub mod log;
pub(crate) mod minimal;
pub(crate) mod native;
pub mod registry;
pub(crate) mod replicas;
pub(crate) mod sessions;
pub mod settings;
pub(crate) mod simple;
pub(crate) mod survival;
pub(crate) mod unsaid;
