//! What a probe is.

use crate::why::Why;

/// What a probe says: what was seen, or why not.
pub(crate) type Answer = Result<String, Why>;

/// A thing to try.
pub(crate) struct Probe {
    pub(crate) name: &'static str,
    pub(crate) purpose: &'static str,
    pub(crate) attempt: fn() -> Answer,
}
