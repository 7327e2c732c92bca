//! A model of one's own: a lease that one client holds at a time, and that is given back or expires.
//!
//! `cargo run -p dissensus-checker --example own_model`

use dissensus_checker::checks::linearizable::machine::{Machine, NEVER, Timed};
use dissensus_checker::checks::linearizable::search::{Answer, Bounds, search};

/// A lease.
struct Lease;

/// What clients do with it, with the answer that they got.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Action {
    /// A client asked for the lease; the answer says whether it got it.
    Acquire { client: u32, granted: bool },
    /// A client gave it back.
    Release { client: u32 },
}

impl Machine for Lease {
    /// The holder.
    type State = Option<u32>;
    type Action = Action;

    fn initial(&self) -> Self::State {
        None
    }

    fn step(&self, holder: &Self::State, action: &Action) -> impl IntoIterator<Item = Self::State> {
        match action {
            Action::Acquire { client, granted: true } => holder.is_none().then_some(Some(*client)),
            Action::Acquire { granted: false, .. } => holder.is_some().then_some(*holder),
            Action::Release { client } => (*holder == Some(*client)).then_some(None),
        }
    }
}

fn main() {
    let at = |process, call, ret, action| Timed { process, call, ret, action };
    let acquire = |client, granted| Action::Acquire { client, granted };
    // Positions of events: an operation precedes another for certain if it returned before the other was called.
    let twice = [at(1, 0, 1, acquire(1, true)), at(2, 2, 3, acquire(2, true))];
    let handed_over = [
        at(1, 0, 1, acquire(1, true)),
        // Nobody saw this release complete: it may take effect at any later time.
        at(1, 2, NEVER, Action::Release { client: 1 }),
        at(2, 3, 4, acquire(2, true)),
        at(3, 5, 6, acquire(3, false)),
    ];
    for (name, history) in [("held twice", &twice[..]), ("handed over", &handed_over[..])] {
        match search(&Lease, history, &Bounds::default()) {
            Answer::Linearizable => println!("{name}: linearizable"),
            Answer::Violation(_) => println!("{name}: not linearizable"),
            _ => println!("{name}: not decided within the bounds"),
        }
    }
}
