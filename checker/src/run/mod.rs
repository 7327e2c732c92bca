//! What is known about a run as a whole: faults, statistics, and what nodes wrote into their logs.

pub(crate) mod faults;
pub(crate) mod findings;
mod foreign_faults;
pub(crate) mod harvest;
pub mod kinds;
pub mod logs;
pub(crate) mod outages;
pub(crate) mod statistics;
