//! The operations of mutexes and semaphores as those of a [`Lock`], and which of them belong together.
//!
//! Explanations leave out operations with all that rely on them: an acquisition with its release. Which release ends which
//! acquisition is plain where every process lets go only what it holds itself, however often it acquired: until it holds
//! nothing, its operations are one *hold*. Taking a hold away never breaks an order: what it held is free for so long. Where
//! some process lets go what another holds, nobody knows whose release it was; then all operations between two moments at
//! which nothing was open and nothing was held are one hold.

use rustc_hash::FxHashMap;

use super::machine::Timed;
use super::mutex::{Deed, Lock, LockAction, Rules};
use super::rule::{self, Ruling};
use super::search::Bounds;
use crate::history::{Datum, History, Op, ValueId};
use crate::objects::completion::written;

/// An operation on a lock, without its hold.
pub(super) type LockOp = Timed<LockAction>;

/// The name of a token in a map that an acquisition returns.
const TOKENS: [&str; 2] = ["fence", "token"];

/// What an operation that may have happened did; none if its value says nothing that is known.
pub(super) fn action(history: &History, op: &Op, rules: Rules, acquires: bool) -> Option<LockAction> {
    let deed = match (acquires, rules) {
        (true, Rules::FencedMutex) if op.is_ok() => Deed::Acquire(Some(token(history, op.result)?)),
        (true, _) => Deed::Acquire(None),
        (false, _) => Deed::Release,
    };
    // A lock that was refused was not taken.
    if op.is_ok() && history.datum(op.result) == Datum::Bool(false) {
        return None;
    }
    let permits = match rules {
        Rules::Semaphore(_) => permits(history, written(history, op).ok()?)?,
        _ => 1,
    };
    let process = if rules.has_owner() { op.process } else { 0 };
    Some(LockAction { deed, permits, process, hold: 0 })
}

fn permits(history: &History, value: ValueId) -> Option<u32> {
    match history.datum(value) {
        Datum::Nil => Some(1),
        Datum::Int(count) => u32::try_from(count).ok().filter(|count| *count > 0),
        _ => None,
    }
}

/// The fencing token that an acquisition returned, by itself or in a map.
fn token(history: &History, value: ValueId) -> Option<i64> {
    match history.datum(value) {
        Datum::Int(token) => Some(token),
        Datum::Map(entries) => {
            entries.iter().find_map(|[key, value]| match (history.datum(*key), history.datum(*value)) {
                (Datum::Text(name), Datum::Int(token)) if TOKENS.contains(&name) => Some(token),
                _ => None,
            })
        }
        _ => None,
    }
}

/// What makes a lock be as it is at first, each done after the other by a process; none if the value does not say it.
pub(super) fn initial(history: &History, rules: Rules, value: ValueId) -> Option<Vec<(u32, LockAction)>> {
    let by = |process: u32, deed: Deed, permits: u32| {
        (process, LockAction { deed, permits, process: if rules.has_owner() { process } else { 0 }, hold: 0 })
    };
    let taken = Deed::Acquire(None);
    let has_owner = matches!(rules, Rules::OwnerMutex | Rules::ReentrantMutex);
    let owner = history.process_called(value).filter(|_| has_owner && !value.is_nil());
    Some(match (history.datum(value), rules) {
        // Any data but nil may name a process, `false` too.
        _ if owner.is_some() => vec![by(owner?, taken, 1)],
        (Datum::Nil | Datum::Bool(false), _) => Vec::new(),
        (Datum::Bool(true), Rules::Mutex) => vec![by(NOBODY, taken, 1)],
        (Datum::Int(token), Rules::FencedMutex) => {
            vec![by(NOBODY, Deed::Acquire(Some(token)), 1), by(NOBODY, Deed::Release, 1)]
        }
        (Datum::Int(0), Rules::Semaphore(_)) => Vec::new(),
        (Datum::Int(count), Rules::Semaphore(permits)) => {
            vec![by(NOBODY, taken, u32::try_from(count).ok().filter(|count| *count <= permits)?)]
        }
        // Held by a process of which there is no event, so that nobody here can let go.
        (held, Rules::OwnerMutex | Rules::ReentrantMutex) if held != Datum::Bool(true) => vec![by(NOBODY, taken, 1)],
        _ => return None,
    })
}

/// The process of what was there at first, where no other is known.
const NOBODY: u32 = u32::MAX;

/// Says which operations belong together, and leaves out acquisitions that never completed where they can only be in the way.
pub(super) fn with_holds(mut operations: Vec<LockOp>, rules: Rules) -> Vec<LockOp> {
    let lets_go_own = by_process(&mut operations);
    if rules.has_owner() || lets_go_own {
        // Nobody else lets it go, and the process that asked for it is over.
        operations.retain(|operation| operation.completed() || operation.action.deed == Deed::Release);
    } else {
        by_time(&mut operations);
    }
    operations
}

/// Decides a lock by the general search.
pub(super) fn decide(operations: &[LockOp], rules: Rules, bounds: &Bounds<'_>) -> Ruling<LockAction> {
    let mut ruling = rule::general(&Lock(rules), operations, bounds);
    // Of the few operations of a violation it may be plain which belong together, where it was not of all.
    while let Ruling::Violation { core, .. } = &ruling {
        let again = rule::general(&Lock(rules), &with_holds(core.clone(), rules), bounds);
        match &again {
            Ruling::Violation { core: fewer, .. } if fewer.len() < core.len() => ruling = again,
            _ => break,
        }
    }
    ruling
}

/// What a process holds.
#[derive(Clone, Copy, Default)]
struct Own {
    permits: u32,
    hold: u32,
}

/// A hold ends when its process holds nothing. Whether no process ever lets go more than it holds itself.
fn by_process(operations: &mut [LockOp]) -> bool {
    let mut own: FxHashMap<u32, Own> = FxHashMap::default();
    let (mut last, mut only_own) = (0, true);
    for operation in operations {
        let (of_process, action) = (own.entry(operation.process).or_default(), &mut operation.action);
        if of_process.permits == 0 {
            last += 1;
            of_process.hold = last;
        }
        action.hold = of_process.hold;
        of_process.permits = match action.deed {
            Deed::Acquire(_) => of_process.permits.saturating_add(action.permits),
            Deed::Release => {
                only_own &= of_process.permits >= action.permits;
                of_process.permits.saturating_sub(action.permits)
            }
        };
    }
    only_own
}

/// A hold ends when nothing is open, and nothing is held.
fn by_time(operations: &mut [LockOp]) {
    let (mut hold, mut held, mut open_until) = (1, 0, 0);
    for operation in operations {
        if operation.call > open_until && held == 0 {
            hold += 1;
        }
        let action = &mut operation.action;
        action.hold = hold;
        held += match action.deed {
            Deed::Acquire(_) => i64::from(action.permits),
            Deed::Release => -i64::from(action.permits),
        };
        open_until = open_until.max(operation.ret);
    }
}
