//! The workloads and their interpreter on a store held in memory, in virtual time.

mod after_heal;
mod codecs;
mod interpreter;
mod mergeable;
mod native;
mod outcomes;
mod registry;
mod support;
