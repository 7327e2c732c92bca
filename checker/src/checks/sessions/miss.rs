//! A write that a read should have seen.

use super::Guarantee;

/// A write that a read should have seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Miss {
    /// What was promised.
    pub guarantee: Guarantee,
    /// The key.
    pub key: u32,
    /// The read, by operation.
    pub reader: u32,
    /// The write that it misses.
    pub missed: u32,
    /// The operation through which the reader must have known: an earlier read, or a write that it sees.
    pub through: Option<u32>,
    /// Operations that are a violation by themselves, ascending.
    pub operations: Vec<u32>,
}

impl Miss {
    /// Why the reader should have seen it, as the end of a sentence.
    pub fn why(&self) -> &'static str {
        match self.guarantee {
            Guarantee::ReadYourWrites => "which the same process had made before",
            Guarantee::MonotonicReads => "which an earlier read by the same process had shown",
            Guarantee::MonotonicWrites => "which its process had made before another that is shown",
            Guarantee::WritesFollowReads => "which the writer of what is shown had seen before it wrote",
            Guarantee::Pram => "which its process had made before something that this process has seen",
            Guarantee::Causal => "which had happened before it",
        }
    }
}
