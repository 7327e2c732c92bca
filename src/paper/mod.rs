//! What the Dynamo paper (and Bailis et al. for partial quorums) measured, measured again with the code that the nodes
//! run. One file an experiment, each of which makes a [`reports::experiment::Experiment`].

pub mod buffer;
pub mod coordination;
pub mod load;
pub mod pbs;
pub mod versions;

mod figures;
mod script;
mod wars;

/// Why an experiment could not be made: settings or rings that cannot work, which is a fault of the bench.
#[derive(Debug, thiserror::Error)]
#[error("the experiment cannot be made: {0}")]
pub struct ExperimentError(String);

impl ExperimentError {
    fn new(why: impl std::fmt::Display) -> Self {
        Self(why.to_string())
    }
}
