//! What orders are made of: moments, edges between them, and who reads and writes each key.

use crate::checks::isolation::input::{Names, Transactions};

/// What a transaction is in an order.
///
/// One transaction is *before* another by a step from the moment [`Moments::seen_from`] of the one to [`Moments::seen_to`] of
/// the other; one has *missed* what another wrote by a step from [`Moments::begin`] to [`Moments::commit`]. Which steps
/// follow one another makes the level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moments {
    /// It takes effect at one moment.
    One,
    /// It begins at one and commits at a later one: snapshot isolation.
    Two,
    /// Who is before whom has been seen, and so has who was before that: parallel snapshot isolation and consistent view. The
    /// second moment of a transaction is after those who have missed something of what it has seen.
    Seen,
    /// Only who was seen itself has been seen, and only what was missed itself: update atomic. The first moment has the order
    /// in which all commit, the others nothing but what was missed.
    SeenItself,
}

impl Moments {
    pub(super) fn each(self) -> u32 {
        match self {
            Moments::One => 1,
            Moments::Two | Moments::Seen => 2,
            Moments::SeenItself => 3,
        }
    }

    /// From where others are missed.
    pub(super) fn begin(self, transaction: u32) -> u32 {
        let first = transaction * self.each();
        if self == Moments::SeenItself { first + 1 } else { first }
    }

    /// Where one is missed by others.
    pub(super) fn commit(self, transaction: u32) -> u32 {
        transaction * self.each() + self.each() - 1
    }

    /// From where one is before others.
    pub(super) fn seen_from(self, transaction: u32) -> u32 {
        if self == Moments::Two { self.commit(transaction) } else { transaction * self.each() }
    }

    /// Where one comes after others.
    pub(super) fn seen_to(self, transaction: u32) -> u32 {
        transaction * self.each()
    }

    /// The steps that put one transaction before another. Whoever has missed the one has missed something that the other
    /// has seen.
    pub(super) fn before(self, one: u32, other: u32) -> impl Iterator<Item = (u32, u32)> {
        let whole = (self.seen_from(one), self.seen_to(other));
        let missed = (self == Moments::Seen).then(|| (self.commit(one), self.commit(other)));
        [whole].into_iter().chain(missed)
    }

    /// Whether two that write one key must not both overlook the other.
    pub(super) fn has_conflicts(self) -> bool {
        self != Moments::One
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
    /// `from` appended to the key before `to` did, as the list shows that `witness` read.
    Listed { key: u32, witness: u32 },
    /// `from` read a list without what `to` appended.
    Lacks { key: u32 },
    /// A process ran them in this order.
    Process,
    /// `from` had completed when `to` was invoked.
    RealTime,
    /// `reader` read the key from `to`, and comes after `from`, which wrote it, too.
    Seen { key: u32, reader: u32 },
    /// `from` read the key from `source`, after which comes `to`, which wrote it, too.
    Missed { key: u32, source: u32 },
    /// Both wrote the key, and `from` has not seen `to`: it began before that committed.
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
    /// Reads that say more than they show, once it is known who is before whom.
    pub reads: Vec<Read>,
    /// Writers whose order is not known.
    pub writers: Vec<u32>,
}

/// What is known of some transactions.
pub(in crate::checks::isolation) struct Facts<'f> {
    pub transactions: &'f Transactions,
    pub names: &'f dyn Names,
    /// By transaction.
    pub committed: Vec<bool>,
    pub(super) keys: Vec<Key>,
    /// One before another, seen by it where the level asks for that.
    pub(super) before: Vec<(u32, u32, Why)>,
    /// One that has missed what another wrote.
    pub(super) missed: Vec<(u32, u32, Why)>,
}
