//! Mutexes and semaphores: how often it is held, by whom, and who may let go.
//!
//! | object | acquired | released |
//! |---|---|---|
//! | mutex (Knossos' `mutex`) | if nobody holds it | if it is held, by whatever process |
//! | owner mutex | if nobody holds it | by the process that holds it |
//! | reentrant mutex | if nobody else holds it | by the process that holds it, as often as it was acquired |
//! | fenced mutex (Jepsen's test of Hazelcast) | if nobody holds it, with a token above all before | by the process that holds it |
//! | semaphore | if so many permits are left | if so many are held, by whatever process |
//!
//! The state is a few numbers, and few operations are open at a time, so the general search decides large histories.

use std::borrow::Cow;

use super::machine::{Bonds, Machine};

/// The rules of a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rules {
    /// One holds it, and anybody lets go.
    Mutex,
    /// One holds it, and lets go.
    OwnerMutex,
    /// One holds it, perhaps several times, and lets go as often.
    ReentrantMutex,
    /// One holds it, by a token above all tokens before.
    FencedMutex,
    /// So many permits are held together.
    Semaphore(u32),
}

impl Rules {
    /// Whether only the process that holds it may let go.
    pub(crate) fn has_owner(self) -> bool {
        matches!(self, Rules::OwnerMutex | Rules::ReentrantMutex | Rules::FencedMutex)
    }

    fn permits(self) -> u32 {
        match self {
            Rules::Mutex | Rules::OwnerMutex | Rules::FencedMutex => 1,
            Rules::ReentrantMutex => u32::MAX,
            Rules::Semaphore(permits) => permits,
        }
    }
}

/// What was done with a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LockAction {
    /// What.
    pub deed: Deed,
    /// How many permits; one where there are no more.
    pub permits: u32,
    /// The process; 0 where it does not matter.
    pub process: u32,
    /// The operations that only make sense together, for explanations: an acquisition and its release.
    pub hold: u32,
}

/// Taken or let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Deed {
    /// Taken, with this token if there are tokens and it is known.
    Acquire(Option<i64>),
    /// Let go.
    Release,
}

/// What is known of a lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Held {
    /// How many permits are held.
    pub permits: u32,
    /// By whom, where that matters.
    pub owner: Option<u32>,
    /// The greatest token so far.
    pub token: Option<i64>,
}

/// A lock, free at first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lock(
    /// Its rules.
    pub Rules,
);

impl Machine for Lock {
    type State = Held;
    type Action = LockAction;

    fn initial(&self) -> Held {
        Held::default()
    }

    fn step(&self, held: &Held, action: &LockAction) -> impl IntoIterator<Item = Held> {
        let is_own = !self.0.has_owner() || held.owner.is_none_or(|owner| owner == action.process);
        if !is_own {
            return None;
        }
        let owner = Some(action.process).filter(|_| self.0.has_owner());
        match action.deed {
            Deed::Acquire(token) => {
                let permits = held.permits.checked_add(action.permits).filter(|all| *all <= self.0.permits())?;
                let is_later = token.is_none_or(|token| held.token.is_none_or(|last| token > last));
                is_later.then_some(Held { permits, owner, token: held.token.max(token) })
            }
            Deed::Release => {
                let permits = held.permits.checked_sub(action.permits)?;
                Some(Held { permits, owner: owner.filter(|_| permits > 0), ..*held })
            }
        }
    }

    /// Which hold an action belongs to matters to explanations alone.
    fn distinct<'a>(&self, action: &'a LockAction) -> Cow<'a, LockAction> {
        Cow::Owned(LockAction { hold: 0, ..*action })
    }

    fn bonds(&self, action: &LockAction) -> Option<Bonds> {
        let acquires = u64::from(action.deed != Deed::Release);
        let name = |end: u64| vec![u64::from(action.hold) * 2 + end];
        Some(Bonds { gives: name(acquires), takes: name(1 - acquires) })
    }
}
