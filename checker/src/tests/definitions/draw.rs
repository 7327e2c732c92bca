//! Random histories of a small world: processes ask, the world acts at some later moment, the process is answered later still,
//! or never. Some answers come from a world that was.

use super::EventType::{self, Fail, Info, Ok};
use super::term::Term;
use crate::tests::random::Random;

/// What a process asks for.
#[derive(Clone, Debug)]
pub struct Call {
    pub f: &'static str,
    pub key: Option<u64>,
    pub argument: Term,
    pub is_final: bool,
}

/// Of no key.
pub fn call(f: &'static str, argument: Term) -> Call {
    Call { f, key: None, argument, is_final: false }
}

/// An operation.
#[derive(Clone, Debug)]
pub struct Done {
    pub process: u64,
    pub kind: EventType,
    pub f: &'static str,
    pub key: Option<u64>,
    pub argument: Term,
    pub result: Term,
    /// The position of the event that invoked it.
    pub call: usize,
    /// The position of the event that completed it; the largest number if there is none.
    pub end: usize,
    pub is_final: bool,
}

impl Done {
    pub fn is_ok(&self) -> bool {
        self.kind == Ok
    }

    /// Whether it is called done, and says that it did nothing.
    pub fn is_denied(&self) -> bool {
        self.argument != Term::Nil && self.result == Term::Bool(false)
    }

    pub fn may_have_happened(&self) -> bool {
        self.kind != Fail
    }

    /// Whether it was acknowledged before another was asked for.
    pub fn is_before(&self, other: &Done) -> bool {
        self.is_ok() && self.end < other.call
    }
}

/// How a history is made.
pub struct Shape {
    pub processes: u64,
    pub operations: u64,
    /// One operation in so many is of unknown outcome.
    pub lost_one_in: u64,
    /// One in so many acts on a world that was, and leaves no trace.
    pub stale_one_in: u64,
}

/// Of two to four processes and so many operations or fewer, half of the histories with stale answers.
pub fn shape(random: &mut Random, operations_max: u64) -> Shape {
    Shape {
        processes: 2 + random.below(3),
        operations: 3 + random.below(operations_max - 2),
        lost_one_in: [1000, 8, 4][random.below(3) as usize],
        stale_one_in: [1000, 8, 3][random.below(3) as usize],
    }
}

/// What an acknowledgement of a change returns: what was asked, or only that it was done, or that it was not.
pub fn acknowledged(random: &mut Random, argument: &Term) -> (EventType, Term) {
    match random.below(40) {
        // It should be a failure: nobody knows what that means.
        0 => (Ok, Term::Bool(false)),
        1..6 => (Ok, Term::Nil),
        6..11 => (Ok, Term::Bool(true)),
        _ => (Ok, argument.clone()),
    }
}

/// What a process waits for.
enum Standing {
    Idle,
    Asked(usize),
    Acted(usize, EventType, Term),
}

/// Draws a history. `ask` is given the process, `act` changes the world and answers.
pub fn history<W: Clone>(
    random: &mut Random,
    shape: &Shape,
    world: W,
    mut ask: impl FnMut(&mut Random, u64) -> Call,
    mut act: impl FnMut(&mut Random, &mut W, &Done) -> (EventType, Term),
) -> Vec<Done> {
    let (mut worlds, mut all, mut events) = (vec![world], Vec::<Done>::new(), 0);
    let mut standing: Vec<(u64, Standing)> = (0..shape.processes).map(|process| (process, Standing::Idle)).collect();
    while (all.len() as u64) < shape.operations || standing.iter().any(|(_, at)| !matches!(at, Standing::Idle)) {
        let (process, stands) = &mut standing[random.below(shape.processes) as usize];
        *stands = match std::mem::replace(stands, Standing::Idle) {
            Standing::Idle if all.len() as u64 == shape.operations => Standing::Idle,
            Standing::Idle => {
                let Call { f, key, argument, is_final } = ask(random, *process);
                let (kind, result, process) = (Info, Term::Nil, *process);
                all.push(Done { process, kind, f, key, argument, result, call: events, end: usize::MAX, is_final });
                events += 1;
                Standing::Asked(all.len() - 1)
            }
            Standing::Asked(at) => {
                let is_stale = random.one_in(shape.stale_one_in);
                let from = if is_stale { random.below(worlds.len() as u64) as usize } else { worlds.len() - 1 };
                let mut world = worlds[from].clone();
                let (kind, result) = act(random, &mut world, &all[at]);
                let is_lost = random.one_in(shape.lost_one_in);
                // What is lost may never have arrived.
                if !(is_stale || is_lost && random.one_in(2)) {
                    worlds.push(world);
                }
                if is_lost { Standing::Acted(at, Info, Term::Nil) } else { Standing::Acted(at, kind, result) }
            }
            Standing::Acted(at, kind, result) => {
                if kind == Info {
                    *process += 10;
                }
                // Some histories do not even say that nothing is known.
                if kind != Info || random.one_in(2) {
                    (all[at].kind, all[at].result, all[at].end) = (kind, result, events);
                    events += 1;
                }
                Standing::Idle
            }
        };
    }
    all
}
