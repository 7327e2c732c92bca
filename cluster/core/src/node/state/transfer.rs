//! How far the handing over of rows has come.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::NodeId;
use crate::ring::RangeId;

/// Why rows are offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Job {
    /// This node loses ranges, and this one gains them.
    Move(NodeId),
    /// This node does not own them.
    Clear,
}

/// A page of a job that is being offered; late answers bear the number of an earlier page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageId {
    pub job: Job,
    pub number: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// The range, and the key behind which to go on in it.
    pub range: RangeId,
    pub after: Option<Vec<u8>>,
    pub page: Option<Page>,
    pub done: bool,
}

#[derive(Debug)]
pub(crate) struct Page {
    pub number: u64,
    pub keys: BTreeMap<Vec<u8>, u128>,
    pub waiting: BTreeMap<NodeId, Waiting>,
}

/// What is awaited of one that was offered a page.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    Confirmation,
    Acknowledgements(BTreeSet<Vec<u8>>),
}

/// Rows on their way to others.
#[derive(Debug, Default)]
pub(crate) struct Transfers {
    pub jobs: BTreeMap<Job, Progress>,
    pub pages: u64,
    /// Who has handed over in the view of this node.
    pub handed_over: BTreeSet<NodeId>,
    pub is_planned: bool,
}

impl Transfers {
    /// The view has changed.
    pub fn restart(&mut self) {
        self.jobs.clear();
        self.handed_over.clear();
        self.is_planned = false;
    }

    pub fn handed_over(&self) -> &BTreeSet<NodeId> {
        &self.handed_over
    }

    pub fn is_through(&self) -> bool {
        self.is_planned && self.jobs.iter().all(|(job, progress)| *job == Job::Clear || progress.done)
    }
}
