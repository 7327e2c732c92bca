//! A plain, slow, obviously right check: is there an order of the transactions that explains every read?

use std::collections::BTreeMap;

use crate::checks::isolation::input::{Micro, Outcome, Transactions};

/// What the order has to agree with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Respect {
    Nothing,
    Sessions,
    RealTime,
}

/// Whether some serial execution of the committed transactions, and of any of the unknown ones, gives every read.
pub fn serializable(all: &Transactions, respect: Respect) -> bool {
    let taken: Vec<u32> = (0..all.len() as u32).filter(|at| all.row(*at).outcome != Outcome::Fail).collect();
    place(all, respect, &taken, &mut Vec::new(), &BTreeMap::new())
}

type State = BTreeMap<u32, Vec<u32>>;

fn place(all: &Transactions, respect: Respect, taken: &[u32], placed: &mut Vec<u32>, state: &State) -> bool {
    if taken.iter().all(|at| placed.contains(at) || all.row(*at).outcome == Outcome::Info) {
        return true;
    }
    for at in taken.iter().copied().filter(|at| !placed.contains(at)).collect::<Vec<_>>() {
        if placed.iter().any(|earlier| before(all, respect, at, *earlier)) {
            continue;
        }
        let Some(after) = run(all, at, state) else { continue };
        placed.push(at);
        if place(all, respect, taken, placed, &after) {
            return true;
        }
        placed.pop();
    }
    false
}

/// Whether `a` has to come before `b`.
fn before(all: &Transactions, respect: Respect, a: u32, b: u32) -> bool {
    let (one, other) = (all.row(a), all.row(b));
    match respect {
        Respect::Nothing => false,
        Respect::Sessions => one.process == other.process && a < b,
        Respect::RealTime => one.ret < other.call,
    }
}

/// The state after a transaction; none if one of its reads shows something else.
fn run(all: &Transactions, at: u32, state: &State) -> Option<State> {
    let mut state = state.clone();
    for micro in all.micros(at) {
        let list = state.entry(micro.key()).or_default();
        match *micro {
            Micro::Append { value, .. } | Micro::Write { value, .. } => list.push(value),
            Micro::List { .. } if all.list(*micro) != &list[..] => return None,
            Micro::Read { value, .. } if list.last().copied().unwrap_or(0) != value => return None,
            _ => {}
        }
    }
    Some(state)
}
