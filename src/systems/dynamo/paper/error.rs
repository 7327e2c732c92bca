//! Why an experiment could not be made.

/// Why an experiment could not be made: settings or rings that cannot work, which is a fault of the bench.
#[derive(Debug, thiserror::Error)]
#[error("the experiment cannot be made: {0}")]
pub struct ExperimentError(String);

impl ExperimentError {
    pub(super) fn new(why: impl std::fmt::Display) -> Self {
        Self(why.to_string())
    }
}
