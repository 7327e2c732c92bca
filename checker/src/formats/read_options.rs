//! What of a text is wanted.

/// What of a history is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only operations of this workload; the others are passed over.
    pub workload: Option<String>,
    /// What is readable before a damage, instead of nothing.
    pub allow_partial: bool,
}
