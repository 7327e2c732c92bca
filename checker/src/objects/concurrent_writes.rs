//! What becomes of writes that did not see one another.

/// What the system does with writes that did not see one another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConcurrentWrites {
    /// It keeps all of them as siblings: none may go until a write that has seen it replaces it.
    #[default]
    Kept,
    /// It keeps one (last write wins): the others are legitimately overwritten.
    OneWins,
}
