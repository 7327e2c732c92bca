//! Which write is visible in which read of a key: what is known of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::ReadTally;

/// How the final reads see a write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FinalSight {
    /// Reads that see it.
    pub seen: usize,
    /// Reads that have provably missed it.
    pub missed: usize,
}

/// What became of a write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fate {
    /// The last read, by invocation, that saw it.
    pub last_seen: Option<usize>,
    /// Of the reads invoked after its acknowledgement that missed it, the first to complete.
    pub first_missed: Option<usize>,
    /// The final reads.
    pub finals: FinalSight,
}

/// A read that did not see writes that were acknowledged to its own process before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OwnMiss {
    /// The last of them.
    pub latest: usize,
    /// How many.
    pub count: u32,
}

/// A read that shows an older state than an earlier read of its own process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Regress {
    /// The last write concerned.
    pub latest: usize,
    /// How many.
    pub count: u32,
    /// The earlier read that showed the last of them first.
    pub shown_by: usize,
    /// It is listed again, after a read that could lack it only because of a delete; if false, it is missed.
    pub came_back: bool,
}

/// A write that a list shows after one that it must precede.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Late {
    /// Its position in the list.
    pub at: usize,
    /// The write.
    pub write: usize,
    /// The one that it must precede.
    pub before: usize,
}

/// What reads must see because of the order in which others did things, and what of it they lack.
#[derive(Debug, Default)]
pub(crate) struct Required {
    /// The reads that must see something, and those for which an unrecorded past hides whether they do.
    pub reads: ReadTally,
    /// The reads that lack something.
    pub missed: BTreeMap<usize, OwnMiss>,
    /// The reads that show writes too late in a list, each with the first such write.
    pub disordered: BTreeMap<usize, Late>,
    /// The time was over before all was looked at.
    pub is_cut: bool,
}

impl Required {
    /// The reads that lack something or show it too late, each once.
    pub(crate) fn broken(&self) -> BTreeSet<usize> {
        self.missed.keys().chain(self.disordered.keys()).copied().collect()
    }
}

/// All that the checks need to know of visibility in a key.
#[derive(Debug, Default)]
pub(crate) struct Analysis {
    /// For each write.
    pub fates: Vec<Fate>,
    /// For each read of the main phase, whether its process had earlier writes to look for.
    pub own_judged: Vec<bool>,
    /// The reads that missed own writes.
    pub own_missed: BTreeMap<usize, OwnMiss>,
    /// For each read, whether own writes are hidden behind an unrecorded past.
    pub own_undecided: Vec<bool>,
    /// For each read of the main phase, whether earlier reads of its process had shown something.
    pub again_judged: Vec<bool>,
    /// The reads that show an older state than earlier ones of their process.
    pub regressed: BTreeMap<usize, Regress>,
    /// For each read, whether what earlier ones showed is hidden behind an unrecorded past.
    pub again_undecided: Vec<bool>,
    /// Earlier writes of the processes whose later ones a read shows.
    pub of_writers: Required,
    /// What reads had shown before to the processes whose writes a read shows.
    pub of_what_writers_saw: Required,
    /// Writes that final reads list although an acknowledged write or delete had replaced them, with that one: a
    /// delete if there is one.
    pub covered: BTreeMap<usize, usize>,
    /// The time was over before all was looked at.
    pub is_cut: bool,
    /// Reads that list a write together with one that had replaced it, each with the latter and how many there are.
    pub beside: BTreeMap<usize, (usize, u32)>,
}
