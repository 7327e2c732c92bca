//! A mutex: at most one process holds it. A process acquires it, and the process that holds it releases it.
//!
//! The state is a single number, and few operations are open at a time, so the general search decides large histories.

use super::machine::{Bonds, Machine};

/// What was done with a mutex. `hold` names the acquisition that an operation belongs to, for explanations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum MutexAction {
    /// The process acquired it.
    Acquire {
        /// The process.
        process: u32,
        /// The number of the acquisition.
        hold: u32,
    },
    /// The process released it.
    Release {
        /// The process.
        process: u32,
        /// The acquisition that ends.
        hold: u32,
    },
}

/// A mutex, free at first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mutex;

impl Machine for Mutex {
    /// The process that holds it.
    type State = Option<u32>;
    type Action = MutexAction;

    fn initial(&self) -> Option<u32> {
        None
    }

    fn step(&self, holder: &Option<u32>, action: &MutexAction) -> impl IntoIterator<Item = Option<u32>> {
        match *action {
            MutexAction::Acquire { process, .. } => holder.is_none().then_some(Some(process)),
            MutexAction::Release { process, .. } => (*holder == Some(process)).then_some(None),
        }
    }

    fn bonds(&self, action: &MutexAction) -> Option<Bonds> {
        let (hold, acquires) = match action {
            MutexAction::Acquire { hold, .. } => (*hold, 0),
            MutexAction::Release { hold, .. } => (*hold, 1),
        };
        let name = |end: u64| vec![u64::from(hold) * 2 + end];
        Some(Bonds { gives: name(acquires), takes: name(1 - acquires) })
    }
}
