//! What the fast paths of queues, stacks and priority queues share: the elements of a history, and what is wrong with them.

/// An element with the spans of its two operations. Times are ranks among the events of this object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub element: u32,
    pub insert_call: u32,
    pub insert_ret: u32,
    /// The history's end if it was never taken out.
    pub remove_call: u32,
    /// After the history's end if it was never taken out, or if the removal never completed.
    pub remove_ret: u32,
}

impl Held {
    /// Whether it is certainly inside for some time, from `insert_ret` to `remove_call`.
    pub(super) fn is_certain(&self) -> bool {
        self.insert_ret < self.remove_call
    }
}

/// The elements of a history in which each is put in once, and what else happened.
#[derive(Clone, Debug, Default)]
pub(super) struct Contents {
    /// By the invocation of the insertion.
    pub held: Vec<Held>,
    /// Spans of the operations that found nothing.
    pub empties: Vec<(u32, u32)>,
    /// Invocations of removals that never completed, ascending.
    pub unknown: Vec<u32>,
    /// The rank of the history's end.
    pub end: u32,
}

/// Elements, by place in [`Contents::held`], that have no order; with the place of an operation that found nothing.
#[derive(Debug)]
pub(super) struct Conflict {
    pub held: Vec<usize>,
    pub empty: Option<usize>,
}

/// The time was over.
#[derive(Clone, Copy, Debug)]
pub(super) struct OutOfTime;
