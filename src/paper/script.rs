//! A simulated world with an agenda: what is due, and what was answered, in the order in which it happens.

use std::collections::{BTreeMap, VecDeque};

use cluster_core::api::{Reply, RequestId};
use cluster_core::sim::{Answer, World};

/// A world, and what is yet to be done in it. `T` says what it is.
pub(super) struct Script<T> {
    pub world: World,
    agenda: BTreeMap<(u64, u64), T>,
    open: BTreeMap<RequestId, (u64, T)>,
    answered: VecDeque<RequestId>,
    noted: u64,
}

/// The next thing of interest.
pub(super) enum Happening<T> {
    /// Its time has come.
    Due(T),
    /// A request has its answer.
    Answered {
        /// What it was for.
        what: T,
        /// From sending it, nanoseconds.
        took_ns: u64,
        /// None: its node crashed.
        reply: Option<Reply>,
    },
}

impl<T> Script<T> {
    pub fn new(world: World) -> Self {
        Self { world, agenda: BTreeMap::new(), open: BTreeMap::new(), answered: VecDeque::new(), noted: 0 }
    }

    /// Notes what is to be done at a time.
    pub fn at(&mut self, at_ns: u64, what: T) {
        self.noted += 1;
        self.agenda.insert((at_ns, self.noted), what);
    }

    /// Notes what is to be done some time from now.
    pub fn after(&mut self, ns: u64, what: T) {
        self.at(self.world.now_ns() + ns, what);
    }

    /// Waits for the answer to a request just made.
    pub fn expect(&mut self, id: RequestId, what: T) {
        self.open.insert(id, (self.world.now_ns(), what));
    }

    /// Lets time pass until something of interest happens; none when nothing is noted and nothing expected.
    pub fn next(&mut self) -> Option<Happening<T>> {
        loop {
            while let Some(id) = self.answered.pop_front() {
                let answer = self.world.take_answer(id);
                if let (Some(answer), Some((sent_ns, what))) = (answer, self.open.remove(&id)) {
                    let reply = match answer {
                        Answer::Reply(reply) => Some(reply),
                        Answer::ConnectionLost => None,
                    };
                    return Some(Happening::Answered { what, took_ns: self.world.now_ns() - sent_ns, reply });
                }
            }
            let event_ns = self.world.next_ns();
            match self.agenda.first_entry() {
                Some(first) if event_ns.is_none_or(|event_ns| first.key().0 <= event_ns) => {
                    let ((at_ns, _), what) = first.remove_entry();
                    self.world.skip_to(at_ns);
                    return Some(Happening::Due(what));
                }
                None if self.open.is_empty() => return None,
                _ => {
                    self.world.step(event_ns?);
                    self.answered.extend(self.world.take_fresh());
                }
            }
        }
    }
}
