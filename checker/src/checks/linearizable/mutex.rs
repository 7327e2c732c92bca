//! A mutex: at most one process holds it. Acquire and release, each by the process that holds it.
//!
//! Few operations are open at a time and the state is one name, so the general search decides large histories.

use super::machine::{Bonds, Machine};

/// What was done with a mutex. `hold` names the acquisition that an operation belongs to, for explanations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The process got it.
    Acquire {
        /// Who.
        process: u32,
        /// Which of all acquisitions.
        hold: u32,
    },
    /// The process gave it back.
    Release {
        /// Who.
        process: u32,
        /// The acquisition that ends.
        hold: u32,
    },
}

/// A mutex, free at first.
#[derive(Clone, Copy, Debug)]
pub struct Mutex;

impl Machine for Mutex {
    /// Who holds it.
    type State = Option<u32>;
    type Action = Action;

    fn initial(&self) -> Option<u32> {
        None
    }

    fn step(&self, holder: &Option<u32>, action: &Action) -> impl IntoIterator<Item = Option<u32>> {
        match *action {
            Action::Acquire { process, .. } => holder.is_none().then_some(Some(process)),
            Action::Release { process, .. } => (*holder == Some(process)).then_some(None),
        }
    }

    fn bonds(&self, action: &Action) -> Option<Bonds> {
        let (hold, acquires) = match action {
            Action::Acquire { hold, .. } => (*hold, 0),
            Action::Release { hold, .. } => (*hold, 1),
        };
        let name = |end: u64| vec![u64::from(hold) * 2 + end];
        Some(Bonds { gives: name(acquires), takes: name(1 - acquires) })
    }
}
