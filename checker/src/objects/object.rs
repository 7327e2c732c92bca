//! The objects by name: what is under a key.

use std::fmt;
use std::str::FromStr;

/// What is under a key: which operations it has, and what they mean. The names are those of the workloads and of
/// `check --model`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Object {
    /// Elements are added; in the bench's own workload they are never removed.
    Set,
    /// Values are written, each replacing those that its writer had read.
    Register,
    /// Items are added and removed.
    Cart,
    /// Numbers are added and subtracted; the sums of the processes are merged.
    Counter,
    /// Transactions append to lists and read them.
    ListAppend,
    /// Transactions write registers and read them.
    RwRegister,
    /// `read`, `write`, and `cas` with the list of the expected and the new value.
    CasRegister,
    /// `txn` with a list of `[read|r|write|w, key, value]`: all keys are one object.
    MultiRegister,
    /// `acquire` and `release`, by whatever process.
    Mutex,
    /// `acquire`, and `release` by the process that holds it.
    OwnerMutex,
    /// `acquire`, again by the process that holds it, and as many `release`s by it.
    ReentrantMutex,
    /// `acquire`, whose result is a fencing token that grows, and `release` by the process that holds it.
    FencedMutex,
    /// `acquire` and `release` of some permits, one if it does not say how many.
    Semaphore,
    /// `enqueue` and `dequeue`, first in, first out. A `dequeue` that is `ok` with nil found it empty.
    Queue,
    /// `push` and `pop`, last in, first out. A `pop` that is `ok` with nil found it empty.
    Stack,
    /// `insert` of an integer, and `extract-min`, which found it empty if it is `ok` with nil.
    PriorityQueue,
    /// `transfer` between accounts, and `read` of all balances.
    Accounts,
    /// Identifiers are generated.
    Ids,
    /// A number that only grows.
    Number,
    /// `write` of all rows together, and `read` of all.
    Rows,
    /// Records are appended to logs, and read by their offsets.
    Log,
    /// A queue with two ends.
    Deque,
    /// A string: `get`, `put v`, and `append v` at its end.
    Text,
}

impl Object {
    /// The objects of the bench's own workloads.
    pub const ALL: [Object; 6] = Object::OF_WORKLOADS;

    /// The objects of the bench's own workloads, whose properties are measured in every run.
    pub(crate) const OF_WORKLOADS: [Object; 6] =
        [Object::Set, Object::Register, Object::Cart, Object::Counter, Object::ListAppend, Object::RwRegister];

    /// The objects whose operations are transactions.
    pub(crate) const TRANSACTIONAL: [Object; 2] = [Object::ListAppend, Object::RwRegister];

    /// The name used at the command line and by the workload.
    pub fn name(self) -> &'static str {
        match self {
            Object::Set => "set",
            Object::Register => "register",
            Object::Cart => "cart",
            Object::Counter => "counter",
            Object::ListAppend => "list-append",
            Object::RwRegister => "rw-register",
            Object::CasRegister => "cas-register",
            Object::MultiRegister => "multi-register",
            Object::Mutex => "mutex",
            Object::OwnerMutex => "owner-mutex",
            Object::ReentrantMutex => "reentrant-mutex",
            Object::FencedMutex => "fenced-mutex",
            Object::Semaphore => "semaphore",
            Object::Queue => "queue",
            Object::Stack => "stack",
            Object::PriorityQueue => "priority-queue",
            Object::Accounts => "accounts",
            Object::Ids => "ids",
            Object::Number => "number",
            Object::Rows => "rows",
            Object::Log => "log",
            Object::Deque => "deque",
            Object::Text => "text",
        }
    }

    /// What it is, in a line.
    pub fn about(self) -> &'static str {
        match self {
            Object::Set => "add an element, read all elements: each added element stays",
            Object::Register => {
                "write or delete, read all siblings: each value stays until a write or delete that saw it replaces it"
            }
            Object::Cart => "add and remove items, read all items: an added item stays until it is removed",
            Object::Counter => {
                "inc n and dec n (grow-counter: inc n alone), read the sum and its parts: each change stays"
            }
            Object::ListAppend => "txn of one append or one read of a list: each element stays, and lists only grow",
            Object::RwRegister => "txn of one write or one read of a register: as register, in Jepsen's form",
            Object::CasRegister => "read, write v, cas [expected new]",
            Object::MultiRegister => "txn of [r k v] and [w k v] on several registers at once",
            Object::Mutex => "acquire, release by any process",
            Object::OwnerMutex => "acquire, release by the process that holds it",
            Object::ReentrantMutex => "acquire, again by the process that holds it, and as many releases by it",
            Object::FencedMutex => "acquire with a fencing token that grows, release by the process that holds it",
            Object::Semaphore => "acquire [n], release [n] by any process",
            Object::Queue => "enqueue v, dequeue: first in, first out",
            Object::Stack => "push v, pop: last in, first out",
            Object::PriorityQueue => "insert n, extract-min",
            Object::Accounts => "transfer, read {account balance ...}",
            Object::Ids => "generate: each result is another one",
            Object::Number => "read, inc, next, each of an integer",
            Object::Rows => "write v of all rows, read [v ...] of all rows",
            Object::Deque => "push, pop and peek at the front and at the back",
            Object::Text => "get, put v, append v, each of a string",
            Object::Log => "send records to logs, poll them by their offsets",
        }
    }

    /// Whether a value in a read stands for those which it has replaced, too.
    pub(crate) fn is_register(self) -> bool {
        matches!(self, Object::Register | Object::RwRegister)
    }

    /// Whether its operations are transactions, whose isolation is checked.
    pub fn is_transactional(self) -> bool {
        Object::TRANSACTIONAL.contains(&self)
    }
}

/// A workload whose name differs from that of its object.
const GROW_COUNTER: &str = "grow-counter";

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The given name is not that of an object of the bench's own workloads.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown model '{0}': known are set, register, cart, counter, list-append, rw-register")]
pub struct UnknownObject(pub String);

impl FromStr for Object {
    type Err = UnknownObject;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == GROW_COUNTER {
            return Ok(Object::Counter);
        }
        let known = Object::OF_WORKLOADS.into_iter().find(|object| object.name() == text);
        known.ok_or_else(|| UnknownObject(text.to_owned()))
    }
}
