//! What the Dynamo paper (and Bailis et al. for partial quorums) measured, measured again with the code that the nodes
//! run. One file an experiment, each of which makes a [`reports::experiment::Experiment`].

pub mod buffer;
pub mod coordination;
pub mod load;
pub mod pbs;
pub mod versions;

pub(super) mod command;
mod error;
mod figures;
mod script;
mod wars;

pub use error::ExperimentError;
