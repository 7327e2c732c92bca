//! What becomes of concurrent writes.

/// What the system does with concurrent writes, that is, writes that did not see one another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConcurrentWrites {
    /// It keeps all of them as siblings: each stays until a write that has seen it replaces it.
    #[default]
    Kept,
    /// It keeps one of them (last write wins): overwriting the others is correct.
    OneWins,
}
