//! What one client may expect, by name.

use std::fmt;

/// A guarantee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Guarantee {
    /// A read sees what its session wrote before.
    ReadYourWrites,
    /// A read sees what its session saw before.
    MonotonicReads,
    /// A read that sees a write sees what the session of that write wrote before.
    MonotonicWrites,
    /// A read that sees a write sees what the session of that write had seen before.
    WritesFollowReads,
    /// The first three, over all keys together.
    Pram,
    /// All four, over all keys together. Registers do not record which of two writes won; that one order of the writes explains all
    /// is causal convergence (Bouajjani et al. 2017), and more than what the model `causal` asks.
    Causal,
}

impl Guarantee {
    /// All of them.
    pub(crate) const ALL: [Guarantee; 6] = [
        Guarantee::ReadYourWrites,
        Guarantee::MonotonicReads,
        Guarantee::MonotonicWrites,
        Guarantee::WritesFollowReads,
        Guarantee::Pram,
        Guarantee::Causal,
    ];

    /// Its name, also of its violations.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Guarantee::ReadYourWrites => "read-your-writes",
            Guarantee::MonotonicReads => "monotonic-reads",
            Guarantee::MonotonicWrites => "monotonic-writes",
            Guarantee::WritesFollowReads => "writes-follow-reads",
            Guarantee::Pram => "pram",
            Guarantee::Causal => "causal-convergence",
        }
    }
}

impl fmt::Display for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
