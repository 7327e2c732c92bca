//! Histories of a simulated object: processes invoke, the object acts at some later step, the process returns at some
//! later one, or never. Then some are spoiled.

use crate::checks::linearizable::machine::{NEVER, Timed};
use crate::tests::random::Random;

/// How a history is made.
pub struct Shape {
    pub processes: u64,
    pub operations: usize,
    /// One in so many operations never completes; never if 0.
    pub lost_one_in: u64,
}

enum Standing<I> {
    Idle,
    Invoked(usize, I),
    Acted(usize),
    Gone,
}

/// Runs the object. `invoke` draws an intent, `act` performs it and returns what came of it, `unknown` is the action of an
/// operation that never completed, as far as the client knows; none if nothing is known.
pub fn history<I: Clone, A: Clone>(
    random: &mut Random,
    shape: &Shape,
    mut invoke: impl FnMut(&mut Random) -> I,
    mut act: impl FnMut(&I) -> A,
    unknown: impl Fn(&I) -> Option<A>,
) -> Vec<Timed<A>> {
    let mut standing: Vec<Standing<I>> = (0..shape.processes).map(|_| Standing::Idle).collect();
    let mut made: Vec<(u32, u32, u32, I, Option<A>)> = Vec::new();
    let mut event = 0;
    let steps = shape.operations * 12;
    for _ in 0..steps {
        let process = random.below(shape.processes) as usize;
        standing[process] = match std::mem::replace(&mut standing[process], Standing::Gone) {
            Standing::Idle if made.len() < shape.operations => {
                let intent = invoke(random);
                made.push((process as u32, event, NEVER, intent.clone(), None));
                event += 1;
                Standing::Invoked(made.len() - 1, intent)
            }
            Standing::Invoked(at, intent) => {
                let lost = shape.lost_one_in > 0 && random.one_in(shape.lost_one_in);
                if lost && random.one_in(2) {
                    Standing::Gone
                } else {
                    made[at].4 = Some(act(&intent));
                    if lost { Standing::Gone } else { Standing::Acted(at) }
                }
            }
            Standing::Acted(at) => {
                made[at].2 = event;
                event += 1;
                Standing::Idle
            }
            other => other,
        };
    }
    let history = made.into_iter().filter_map(|(process, call, ret, intent, acted)| {
        let action = if ret == NEVER { unknown(&intent)? } else { acted? };
        Some(Timed { process, call, ret, action })
    });
    history.collect()
}

/// Positions stay below this, so that room can be made again and again.
const POSITION_MAX: u32 = 1 << 24;

/// Moves one operation's beginning later or its end earlier, where other events leave room.
pub fn squeeze<A>(random: &mut Random, operations: &mut [Timed<A>]) {
    let highest =
        operations.iter().flat_map(|operation| [operation.call, operation.ret]).filter(|at| *at != NEVER).max();
    if highest.is_none_or(|highest| highest > POSITION_MAX) {
        return;
    }
    let at = random.below(operations.len() as u64) as usize;
    // Every position becomes four times as large, so there is room after each.
    for operation in operations.iter_mut() {
        operation.call *= 4;
        operation.ret = if operation.ret == NEVER { NEVER } else { operation.ret * 4 };
    }
    let operation = &mut operations[at];
    if operation.ret == NEVER || operation.ret < operation.call + 8 {
        return;
    }
    let room = u64::from(operation.ret - operation.call) / 4;
    let moved = random.below(room) as u32 * 4 + 1 + random.below(2) as u32;
    if random.one_in(2) {
        operation.call += moved;
    } else {
        operation.ret -= moved;
    }
    operations.sort_by_key(|operation| operation.call);
}
