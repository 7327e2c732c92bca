//! What orders are made of: moments, edges between them, and who reads and writes each key.

/// What a transaction is in an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moments {
    /// It takes effect at one moment.
    One,
    /// It begins at one and commits at a later one.
    Two,
}

impl Moments {
    pub(super) fn each(self) -> u32 {
        match self {
            Moments::One => 1,
            Moments::Two => 2,
        }
    }

    pub(super) fn begin(self, transaction: u32) -> u32 {
        transaction * self.each()
    }

    pub(super) fn commit(self, transaction: u32) -> u32 {
        transaction * self.each() + self.each() - 1
    }

    pub(super) fn transaction(self, moment: u32) -> u32 {
        moment / self.each()
    }
}

/// One moment before another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    pub from: u32,
    pub to: u32,
    pub why: Why,
    /// How many edges were known when it was found.
    pub known: usize,
}

/// Why one moment is before another. `from` and `to` are the transactions of these moments.
#[derive(Clone, Copy, Debug)]
pub(super) enum Why {
    /// It begins before it commits.
    Itself,
    /// `to` read the key from `from`.
    Read { key: u32 },
    /// `from` read the key as it was at first, and `to` wrote it.
    First { key: u32 },
    /// A process ran them in this order.
    Process,
    /// `from` had completed when `to` was invoked.
    RealTime,
    /// `reader` read the key from `to`, and comes after `from`, which wrote it, too.
    Seen { key: u32, reader: u32 },
    /// `from` read the key from `source`, after which comes `to`, which wrote it, too.
    Missed { key: u32, source: u32 },
    /// Both wrote the key, and `from` began before `to` committed.
    Overlap { key: u32 },
}

/// A read of one key from another transaction.
#[derive(Clone, Copy)]
pub(super) struct Read {
    pub reader: u32,
    pub source: u32,
}

/// Who reads and writes one key.
pub(super) struct Key {
    pub key: u32,
    pub reads: Vec<Read>,
    pub writers: Vec<u32>,
}
