//! The two checks of single objects: linearizable, and sequentially consistent.

use super::adapt::{Options, check, check_sequential};
use crate::checks::check::{Check, Context, Nature, Scope, View};
use crate::finding::Finding;
use crate::objects::Object;

/// The objects whose linearizability can be checked.
const LINEARIZABLE: [Object; 16] = [
    Object::Register,
    Object::CasRegister,
    Object::MultiRegister,
    Object::Mutex,
    Object::OwnerMutex,
    Object::ReentrantMutex,
    Object::FencedMutex,
    Object::Semaphore,
    Object::Set,
    Object::Counter,
    Object::Queue,
    Object::Stack,
    Object::PriorityQueue,
    Object::Deque,
    Object::Text,
    Object::Accounts,
];

/// Linearizability of each object (Herlihy and Wing 1990).
pub(crate) struct Linearizable;

impl Check for Linearizable {
    fn name(&self) -> &'static str {
        "linearizable"
    }

    fn about(&self) -> &'static str {
        "each operation takes effect at one moment between its invocation and its completion (Herlihy and Wing 1990)"
    }

    fn scope(&self) -> Scope {
        Scope::Key
    }

    fn objects(&self) -> &'static [Object] {
        &LINEARIZABLE
    }

    fn nature(&self) -> Nature {
        Nature::LASTING
    }

    fn judge(&self, view: &View<'_>, context: &Context<'_>) -> Finding {
        let (object, options) = (view.object.unwrap_or(Object::Register), Options::of(context.settings));
        view.by_records(|records| check(object, records, &context.limits, &options))
    }
}

/// Sequential consistency of registers (Lamport 1979).
pub(crate) struct Sequential;

impl Check for Sequential {
    fn name(&self) -> &'static str {
        "sequential"
    }

    fn about(&self) -> &'static str {
        "read, write v, cas [expected new]: sequentially consistent, all keys together (Lamport 1979)"
    }

    fn scope(&self) -> Scope {
        Scope::Workload
    }

    fn objects(&self) -> &'static [Object] {
        &[Object::Register, Object::CasRegister]
    }

    fn nature(&self) -> Nature {
        Nature { lasting: false, ..Nature::LASTING }
    }

    fn judge(&self, view: &View<'_>, context: &Context<'_>) -> Finding {
        view.by_records(|records| check_sequential(records, &context.limits, &Options::of(context.settings)))
    }
}
