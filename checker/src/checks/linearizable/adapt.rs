//! Turns a history into operations of an object, and the rulings on the objects into a finding.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustc_hash::{FxHashMap, FxHashSet};

use super::collection::Discipline;
use super::locks;
use super::machine::{Machine, NEVER, Timed};
use super::mutex::{LockAction, Rules};
use super::not_of_model::NotOfModel;
use super::rule::{self, Ruling};
use super::search::{Bounds, Limit};
use super::{accounts, collection, counter, deque, multi_register, register, sequential, set, text};
use crate::checks::by_key::unknown_functions;
pub use crate::checks::settings::FailedCas;
use crate::checks::settings::Settings;
use crate::finding::{Draft, Finding};
use crate::history::{Datum, History, Identities, Kind, Op, Sym, ValueId};
use crate::limits::Limits;
use crate::objects::Object;
use crate::objects::completion::written;

/// How many operations an explanation lists.
const OPERATIONS_LISTED: usize = 4;

/// What a check needs to know besides the history.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// What a failed compare-and-set means.
    pub failed_cas: FailedCas,
    /// How many permits of a semaphore there are.
    pub permits: Option<u32>,
}

impl Options {
    /// What was said of them.
    pub(crate) fn of(settings: &Settings) -> Self {
        Self { failed_cas: settings.failed_cas, permits: settings.permits }
    }
}

/// Checks whether each object of the history is linearizable: each key, or the whole history for transactions.
pub fn check(object: Object, history: &History, limits: &Limits<'_>, options: &Options) -> Finding {
    let task = Task { history, limits, options };
    let property = Property::Linearizable(object);
    match object {
        Object::Register | Object::CasRegister => {
            task.each_key(property, |ops| task.registers(ops), |ops, bounds| rule::register(NIL, ops, bounds))
        }
        Object::MultiRegister => {
            task.whole(property, |ops| task.transactions(ops), |ops, bounds| rule::multi_register(NIL, ops, bounds))
        }
        Object::Mutex => task.lock(property, Rules::Mutex),
        Object::OwnerMutex => task.lock(property, Rules::OwnerMutex),
        Object::ReentrantMutex => task.lock(property, Rules::ReentrantMutex),
        Object::FencedMutex => task.lock(property, Rules::FencedMutex),
        Object::Semaphore => match options.permits {
            Some(permits) => task.lock(property, Rules::Semaphore(permits)),
            None => Finding::undecided("how many permits the semaphore has was not said: --permits says it"),
        },
        Object::Set => task.each_key(property, |ops| task.sets(ops), rule::set),
        Object::Counter => {
            task.each_key(property, |ops| task.counters(ops), |ops, bounds| rule::counter(0, ops, bounds))
        }
        Object::Queue if task.peeks() => task.deque(property, deque::of_queue),
        Object::Stack if task.peeks() => task.deque(property, deque::of_stack),
        Object::Queue => task.collections(property, Discipline::Fifo),
        Object::Stack => task.collections(property, Discipline::Lifo),
        Object::PriorityQueue => task.collections(property, Discipline::LeastFirst),
        Object::Deque => task.deque(property, |f| f),
        Object::Text => {
            let put = |text: &str| text::TextAction::Put(text.into());
            let first = |key, _: &mut Identities<'_>| task.first(key, |value| text::text(history, value).map(put));
            task.machine(property, text::Text::default(), first, |_, op, f| text::action(history, op, f))
        }
        Object::Accounts => {
            let first = |key, same: &mut Identities<'_>| {
                task.first(key, |value| accounts::balances(history, same, value).map(accounts::AccountsAction::Read))
            };
            let action = |same: &mut Identities<'_>, op: &Op, f: &str| accounts::action(history, same, op, f);
            task.machine(property, accounts::Accounts, first, action)
        }
        other => Finding::undecided(format!("whether a {other} is linearizable is not known here")),
    }
}

/// Checks whether the registers of the history, all keys together, are sequentially consistent.
pub(crate) fn check_sequential(history: &History, limits: &Limits<'_>, options: &Options) -> Finding {
    let task = Task { history, limits, options };
    task.whole(Property::Sequential, |ops| task.keyed_registers(ops), |ops, bounds| rule::sequential(NIL, ops, bounds))
}

/// What registers are adapted to begin with, whatever it is that they begin with: see [`Task::as_nil`].
const NIL: u32 = ValueId::NIL.0;

/// The property that is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Property {
    Linearizable(Object),
    Sequential,
}

/// The functions that operations of the object have.
fn functions(property: Property) -> &'static [&'static str] {
    match property {
        Property::Sequential => &["read", "write", "cas", "r", "w"],
        Property::Linearizable(object) => match object {
            Object::Register | Object::CasRegister => &["read", "write", "cas", "r", "w"],
            Object::MultiRegister => &["txn"],
            Object::Mutex | Object::OwnerMutex | Object::ReentrantMutex | Object::FencedMutex | Object::Semaphore => {
                &["acquire", "release"]
            }
            Object::Set => &["add", "remove", "contains", "read"],
            Object::Counter => &["add", "inc", "increment", "dec", "decrement", "read"],
            Object::Deque => &deque::NAMES,
            Object::Text => &["get", "read", "put", "write", "append"],
            Object::Accounts => &["transfer", "read"],
            Object::Queue | Object::Stack | Object::PriorityQueue => &[
                "peek",
                "top",
                "enqueue",
                "push",
                "insert",
                "offer",
                "put",
                "add",
                "dequeue",
                "pop",
                "extract-min",
                "delete-min",
                "poll",
                "take",
            ],
            _ => &[],
        },
    }
}

/// The functions that put an element into a queue, a stack, or a priority queue.
const INSERTS: [&str; 6] = ["enqueue", "push", "insert", "offer", "put", "add"];

/// Operations of the model; before them those that make it be as it is said to begin.
struct Operations<A> {
    all: Vec<Timed<A>>,
    /// By so much the events of the history come later here.
    shift: u32,
}

type Adapted<A> = Result<Operations<A>, NotOfModel>;

/// Operations of an object, as they were before an event.
#[derive(Clone, Copy)]
struct Excerpt<'a> {
    /// The object's key.
    key: Sym,
    /// Positions in the history, ascending.
    ops: &'a [u32],
    /// The event's position; [`Op::NEVER`] if it comes after all of them.
    before: u32,
}

/// An operation as it was before an event: one that completed later was open then, like one that never completes.
fn seen_before(op: &Op, before: u32) -> Op {
    match op.ret != Op::NEVER && op.ret >= before {
        true => Op { kind: Kind::Info, ret: Op::NEVER, result: ValueId::NIL, ..*op },
        false => *op,
    }
}

/// One object, and the decision on it.
struct Ruled {
    key: Sym,
    operations: usize,
    outcome: Outcome,
}

/// A ruling without the operations of its model, which differ in type from object to object.
enum Outcome {
    Holds { searched: bool },
    Violation { kind: &'static str, reason: &'static str, calls: Vec<u32> },
    Open { limit: Limit, holds_before: u32 },
    NotOfModel(NotOfModel),
}

struct Task<'a> {
    history: &'a History,
    limits: &'a Limits<'a>,
    options: &'a Options,
}

impl Task<'_> {
    /// Decides each key independently, several in parallel.
    fn each_key<A>(
        &self,
        property: Property,
        adapt: impl Fn(Excerpt<'_>) -> Adapted<A> + Sync,
        judge: impl Fn(&[Timed<A>], &Bounds<'_>) -> Ruling<A> + Sync,
    ) -> Finding {
        let (keys, ops) = self.by_key();
        let threads = self.limits.threads.clamp(1, keys.len().max(1));
        let one = |at: usize| self.one(keys[at].0, &ops[keys[at].1.clone()], threads, &adapt, &judge);
        let next = AtomicUsize::new(0);
        let ruled = Mutex::new(Vec::with_capacity(keys.len()));
        let work = || {
            let mut mine = Vec::new();
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                if at >= keys.len() {
                    break;
                }
                mine.push((at, one(at)));
            }
            // If a thread panics, so does the scope: a poisoned list is never used.
            ruled.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend(mine);
        };
        match threads {
            1 => work(),
            _ => std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work)))),
        }
        let mut ruled = ruled.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        ruled.sort_by_key(|(at, _)| *at);
        assert_eq!(ruled.len(), keys.len(), "every key is decided once");
        self.finding(property, ruled.into_iter().map(|(_, ruled)| ruled).collect())
    }

    /// Decides each key by the general search. Argument and result of an operation stand for all values that equal them; what
    /// is inside them has its identity from the first argument.
    fn machine<M: Machine>(
        &self,
        property: Property,
        machine: M,
        first: impl Fn(Sym, &mut Identities<'_>) -> Result<Vec<(u32, M::Action)>, NotOfModel> + Sync,
        action: impl Fn(&mut Identities<'_>, &Op, &str) -> Result<Option<M::Action>, NotOfModel> + Sync,
    ) -> Finding {
        let adapt = |ops: Excerpt<'_>| {
            let mut same = self.identities();
            let before = first(ops.key, &mut same)?;
            self.adapt_after(before, ops, |op, f| {
                let op = Op { argument: same.of(self.written(op)?), result: same.of(op.result), ..*op };
                action(&mut same, &op, f)
            })
        };
        self.each_key(property, adapt, |ops, bounds| rule::general(&machine, ops, bounds))
    }

    /// The action that makes an object what it is at first; none if nothing was said.
    fn first<A>(&self, key: Sym, action: impl FnOnce(ValueId) -> Option<A>) -> Result<Vec<(u32, A)>, NotOfModel> {
        let initial = self.history.initial(key);
        match initial.is_nil() {
            true => Ok(Vec::new()),
            false => action(initial).map(|action| vec![(0, action)]).ok_or(NotOfModel::Initial(initial)),
        }
    }

    /// A queue with two ends, which has other names for the functions.
    fn deque(&self, property: Property, named: impl Fn(&str) -> &str + Sync) -> Finding {
        let first = |key, same: &mut Identities<'_>| {
            let inside = self.inside_at_first(key)?.iter();
            Ok(inside.map(|value| (0, deque::DequeAction::Push(deque::End::Back, same.of(*value).0))).collect())
        };
        let nils = self.nils(|f| deque::puts_in(named(f)));
        self.machine(property, deque::Deque, first, |_, op, f| match self.is_unclear(&nils, op) {
            true if !deque::puts_in(named(f)) => Err(NotOfModel::Unclear(op.f)),
            _ => deque::action(op, named(f)),
        })
    }

    /// From which event on nil may be inside, of each key.
    fn nils(&self, puts_in: impl Fn(&str) -> bool) -> FxHashMap<Sym, u32> {
        let has_nil = |value| self.history.datum(value).elements().is_some_and(|all| all.contains(&ValueId::NIL));
        let some_begin = self.history.initials().any(has_nil);
        let mut nils = FxHashMap::default();
        for op in &self.history.ops {
            let begins = some_begin && has_nil(self.history.initial(op.key));
            let puts_nil = || op.may_have_happened() && self.written(op).is_ok_and(ValueId::is_nil);
            if begins {
                nils.insert(op.key, 0);
            } else if puts_in(self.history.text(op.f)) && puts_nil() {
                nils.entry(op.key).or_insert(op.call);
            }
        }
        nils
    }

    /// Whether an operation found nil, or nothing: nobody knows.
    fn is_unclear(&self, nils: &FxHashMap<Sym, u32>, op: &Op) -> bool {
        op.is_ok() && op.result.is_nil() && nils.get(&op.key).is_some_and(|since| *since < op.ret)
    }

    /// Whether some operation only looks at what is next.
    fn peeks(&self) -> bool {
        ["peek", "top"].iter().filter_map(|f| self.history.sym(f)).any(|f| self.history.ops.iter().any(|op| op.f == f))
    }

    /// Decides all operations together.
    fn whole<A>(
        &self,
        property: Property,
        adapt: impl Fn(Excerpt<'_>) -> Adapted<A> + Sync,
        judge: impl Fn(&[Timed<A>], &Bounds<'_>) -> Ruling<A> + Sync,
    ) -> Finding {
        let room = usize::try_from(self.limits.memory_bytes).unwrap_or(usize::MAX);
        // A prefix of a sequentially consistent history need not be sequentially consistent, as a read may precede, in
        // real time, the write that it saw. So, other than for linearizability, checking a part would prove nothing.
        if property == Property::Sequential && self.history.ops.len() > room / (size_of::<Timed<A>>() + FAST_PATH_BYTES)
        {
            let outcome = Outcome::Open { limit: Limit::Memory, holds_before: 0 };
            return self.finding(property, vec![Ruled { key: Sym::NONE, operations: self.history.ops.len(), outcome }]);
        }
        let all: Vec<u32> = (0..self.history.ops.len() as u32).collect();
        let ruled = self.one(Sym::NONE, &all, 1, &adapt, &judge);
        self.finding(property, vec![ruled])
    }

    fn one<A>(
        &self,
        key: Sym,
        ops: &[u32],
        side_by_side: usize,
        adapt: &impl Fn(Excerpt<'_>) -> Adapted<A>,
        judge: &impl Fn(&[Timed<A>], &Bounds<'_>) -> Ruling<A>,
    ) -> Ruled {
        let ruled = |outcome| Ruled { key, operations: ops.len(), outcome };
        if (self.limits.out_of_time)() {
            return ruled(Outcome::Open { limit: Limit::Time, holds_before: 0 });
        }
        let memory_bytes = usize::try_from(self.limits.memory_bytes).unwrap_or(usize::MAX) / side_by_side;
        let part = self.part(key, ops, memory_bytes / (size_of::<Timed<A>>() + FAST_PATH_BYTES));
        if part.ops.is_empty() {
            return ruled(Outcome::Open { limit: Limit::Memory, holds_before: 0 });
        }
        let adapted = match adapt(part) {
            Ok(adapted) => adapted,
            Err(not_of_model) => return ruled(Outcome::NotOfModel(not_of_model)),
        };
        let Operations { all, shift } = adapted;
        debug_assert!(all.is_sorted_by(|a, b| a.call < b.call), "operations are in the order of invocation");
        let memory_bytes = memory_bytes.saturating_sub(all.len() * size_of::<Timed<A>>());
        let bounds = Bounds { memory_bytes, out_of_time: self.limits.out_of_time, ..Bounds::default() };
        ruled(match judge(&all, &bounds) {
            Ruling::Holds { .. } if part.before != Op::NEVER => {
                Outcome::Open { limit: Limit::Memory, holds_before: part.before }
            }
            Ruling::Holds { searched } => Outcome::Holds { searched },
            Ruling::Open { limit, holds_before } => {
                Outcome::Open { limit, holds_before: holds_before.saturating_sub(shift) }
            }
            Ruling::Violation { kind, reason, core } => {
                let calls = core.iter().filter_map(|operation| operation.call.checked_sub(shift)).collect();
                Outcome::Violation { kind, reason, calls }
            }
        })
    }

    /// As many of the operations as there is room for, as they were before the first that does not fit. Linearizability
    /// is closed under prefixes, so a violation of this part is one of the whole.
    fn part<'o>(&self, key: Sym, ops: &'o [u32], room: usize) -> Excerpt<'o> {
        match ops.get(room) {
            None => Excerpt { key, ops, before: Op::NEVER },
            Some(beyond) => Excerpt { key, ops: &ops[..room], before: self.history.ops[*beyond as usize].call },
        }
    }

    /// The keys in the order in which their names first occur, each with its range of the list of operations; a
    /// counting sort, so O(n).
    fn by_key(&self) -> (Vec<(Sym, std::ops::Range<usize>)>, Vec<u32>) {
        let place = |key: Sym| if key.is_some() { key.index() + 1 } else { 0 };
        let mut ends = vec![0usize; self.history.names() + 2];
        for op in &self.history.ops {
            ends[place(op.key) + 1] += 1;
        }
        for at in 1..ends.len() {
            ends[at] += ends[at - 1];
        }
        let mut fill = ends.clone();
        let mut ops = vec![0u32; self.history.ops.len()];
        for (at, op) in self.history.ops.iter().enumerate() {
            let end = &mut fill[place(op.key)];
            ops[*end] = at as u32;
            *end += 1;
        }
        assert_eq!(ends.last().copied(), Some(ops.len()), "the keys partition the operations");
        let key = |at: usize| at.checked_sub(1).map_or(Sym::NONE, |index| Sym(index as u32));
        let part = |at: usize| (key(at), ends[at]..ends[at + 1]);
        ((0..ends.len() - 1).map(part).filter(|(_, part)| !part.is_empty()).collect(), ops)
    }

    /// The operations that may have happened (or failed compare-and-sets); `action` turns each into one of the model.
    fn adapt<A>(&self, ops: Excerpt<'_>, action: impl FnMut(&Op, &str) -> Result<Option<A>, NotOfModel>) -> Adapted<A> {
        self.adapt_after(Vec::new(), ops, action)
    }

    /// The same after others, each with its process, that were done one by one before the history began.
    fn adapt_after<A>(
        &self,
        before: Vec<(u32, A)>,
        ops: Excerpt<'_>,
        mut action: impl FnMut(&Op, &str) -> Result<Option<A>, NotOfModel>,
    ) -> Adapted<A> {
        let mut all = Vec::with_capacity(before.len() + ops.ops.len());
        let shift = 2 * before.len() as u32;
        let done = |(at, (process, action)): (u32, (u32, A))| Timed { process, call: at, ret: at + 1, action };
        all.extend((0..).step_by(2).zip(before).map(done));
        let later = |event: u32| if event == NEVER { NEVER } else { event.saturating_add(shift).min(NEVER - 1) };
        for op in ops.ops.iter().map(|at| seen_before(&self.history.ops[*at as usize], ops.before)) {
            if let Some(action) = action(&op, self.history.text(op.f))? {
                all.push(Timed { process: op.process, call: later(op.call), ret: later(op.ret), action });
            }
        }
        Ok(Operations { all, shift })
    }

    /// The value with which an operation wrote.
    fn written(&self, op: &Op) -> Result<ValueId, NotOfModel> {
        written(self.history, op).map_err(|denial| NotOfModel::Value(op.f, denial))
    }

    /// A register that begins with V is one that begins with nil whose other values are called otherwise: V is called nil, and
    /// nil V.
    fn as_nil(initial: ValueId, value: ValueId) -> u32 {
        match value {
            _ if value == initial => NIL,
            ValueId::NIL => initial.0,
            other => other.0,
        }
    }

    /// Which values are equal; the initial one stands for all that equal it.
    fn identities(&self) -> Identities<'_> {
        let mut same = Identities::new(self.history);
        for initial in self.history.initials() {
            same.of(initial);
        }
        same
    }

    fn registers(&self, ops: Excerpt<'_>) -> Adapted<register::RegisterAction> {
        let enforce = self.options.failed_cas == FailedCas::Enforce;
        let mut same = self.identities();
        let of_all = same.of(self.history.initial(ops.key));
        self.adapt(ops, |op, f| {
            // In the order of all keys together each has its own.
            let initial = if op.key == ops.key { of_all } else { same.of(self.history.initial(op.key)) };
            let mut value = |value: ValueId| Self::as_nil(initial, same.of(value));
            Ok(match (f, op.kind) {
                ("read" | "r", Kind::Ok) => Some(register::RegisterAction::Read(value(op.result))),
                ("read" | "r", _) => None,
                ("write" | "w", Kind::Fail) => None,
                ("write" | "w", _) => Some(register::RegisterAction::Write(value(self.written(op)?))),
                ("cas", kind) => {
                    let (from, to) = self.compared(op)?;
                    match kind {
                        Kind::Fail => enforce.then_some(register::RegisterAction::FailedCas(value(from))),
                        _ => Some(register::RegisterAction::Cas(value(from), value(to))),
                    }
                }
                _ => return Err(NotOfModel::Function(op.f)),
            })
        })
    }

    /// What a compare-and-set expected, and what it wrote.
    fn compared(&self, op: &Op) -> Result<(ValueId, ValueId), NotOfModel> {
        let pair = |value: ValueId| match self.history.datum(value) {
            Datum::List(&[from, to]) => Some((from, to)),
            _ => None,
        };
        // Any other list than a pair is no value of it.
        let written = pair(self.written(op)?).or_else(|| pair(op.argument));
        written.ok_or(NotOfModel::Value(op.f, op.argument))
    }

    fn keyed_registers(&self, ops: Excerpt<'_>) -> Adapted<sequential::KeyedAction> {
        let keyed = |operation: Timed<register::RegisterAction>| {
            let at = self.history.ops.partition_point(|op| op.call < operation.call);
            let action = sequential::KeyedAction { key: self.history.ops[at].key.0, action: operation.action };
            Timed { process: operation.process, call: operation.call, ret: operation.ret, action }
        };
        let Operations { all, shift } = self.registers(ops)?;
        debug_assert!(shift == 0, "registers begin with a value, not by operations");
        Ok(Operations { all: all.into_iter().map(keyed).collect(), shift })
    }

    fn transactions(&self, ops: Excerpt<'_>) -> Adapted<multi_register::Transaction> {
        let mut same = self.identities();
        self.adapt(ops, |op, f| match (f, op.kind) {
            ("txn", Kind::Fail) => Ok(None),
            ("txn", Kind::Ok) if op.result.is_list() => self.parts(op, op.result, true, &mut same).map(Some),
            // An acknowledgement shows nothing of what was read.
            ("txn", Kind::Ok) => self.written(op).and_then(|value| self.parts(op, value, false, &mut same)).map(Some),
            ("txn", Kind::Info) => self.parts(op, op.argument, false, &mut same).map(Some),
            _ => Err(NotOfModel::Function(op.f)),
        })
    }

    /// The parts of a transaction. The reads of one whose results are unknown are left out.
    fn parts(
        &self,
        op: &Op,
        value: ValueId,
        is_shown: bool,
        same: &mut Identities<'_>,
    ) -> Result<multi_register::Transaction, NotOfModel> {
        let not_of_model = || NotOfModel::Value(op.f, value);
        let Datum::List(parts) = self.history.datum(value) else { return Err(not_of_model()) };
        let mut action = Vec::with_capacity(parts.len());
        for part in parts {
            let Datum::List(&[f, key, value]) = self.history.datum(*part) else { return Err(not_of_model()) };
            let initial = same.of(self.history.initial_of_value(key));
            let (key, value) = (same.of(key).0, Self::as_nil(initial, same.of(value)));
            match self.history.datum(f) {
                Datum::Text("r" | "read") if is_shown => action.push(multi_register::Part::Read { key, value }),
                Datum::Text("r" | "read") => {}
                Datum::Text("w" | "write") => action.push(multi_register::Part::Write { key, value }),
                _ => return Err(not_of_model()),
            }
        }
        Ok(action)
    }

    fn lock(&self, property: Property, rules: Rules) -> Finding {
        self.each_key(property, |ops| self.locks(ops, rules), |ops, bounds| locks::decide(ops, rules, bounds))
    }

    fn locks(&self, ops: Excerpt<'_>, rules: Rules) -> Adapted<LockAction> {
        let initial = self.history.initial(ops.key);
        let before = locks::initial(self.history, rules, initial).ok_or(NotOfModel::Initial(initial))?;
        let Operations { all, shift } = self.adapt_after(before, ops, |op, f| {
            let acquires = match (f, op.kind) {
                ("acquire" | "release", Kind::Fail) => return Ok(None),
                ("acquire", _) => true,
                ("release", _) => false,
                _ => return Err(NotOfModel::Function(op.f)),
            };
            let value = if op.is_ok() && op.result != op.argument { op.result } else { op.argument };
            locks::action(self.history, op, rules, acquires).map(Some).ok_or(NotOfModel::Value(op.f, value))
        })?;
        Ok(Operations { all: locks::with_holds(all, rules), shift })
    }

    /// What is inside at first: a list, in order; nil is nothing.
    fn inside_at_first(&self, key: Sym) -> Result<&[ValueId], NotOfModel> {
        let initial = self.history.initial(key);
        match self.history.datum(initial) {
            Datum::Nil => Ok(&[]),
            Datum::List(elements) | Datum::Set(elements) => Ok(elements),
            _ => Err(NotOfModel::Initial(initial)),
        }
    }

    fn sets(&self, ops: Excerpt<'_>) -> Adapted<set::SetAction> {
        let mut same = self.identities();
        let before = self
            .inside_at_first(ops.key)?
            .iter()
            .map(|element| (0, set::SetAction::Add(same.of(*element).0)))
            .collect();
        self.adapt_after(before, ops, |op, f| {
            Ok(match (f, op.kind) {
                ("add" | "remove", Kind::Fail) => None,
                ("add" | "remove", Kind::Ok) if self.says_whether(op).is_some() => {
                    let element = same.of(op.argument).0;
                    Some(match (f, self.says_whether(op)) {
                        ("add", Some(true)) => set::SetAction::AddNew(element),
                        ("add", _) => set::SetAction::Contains(element, true),
                        (_, Some(true)) => set::SetAction::TakeOut(element),
                        (_, _) => set::SetAction::Contains(element, false),
                    })
                }
                ("add", _) => Some(set::SetAction::Add(same.of(self.written(op)?).0)),
                ("remove", _) => Some(set::SetAction::Remove(same.of(self.written(op)?).0)),
                ("read" | "contains", Kind::Fail | Kind::Info) => None,
                ("contains", Kind::Ok) => match self.history.datum(op.result) {
                    Datum::Bool(found) => Some(set::SetAction::Contains(same.of(op.argument).0, found)),
                    _ => return Err(NotOfModel::Value(op.f, op.result)),
                },
                ("read", Kind::Ok) => match self.history.datum(op.result) {
                    Datum::List(elements) | Datum::Set(elements) => {
                        let mut elements: Vec<u32> = elements.iter().map(|element| same.of(*element).0).collect();
                        elements.sort_unstable();
                        elements.dedup();
                        Some(set::SetAction::Read(elements.into()))
                    }
                    Datum::Nil => return Err(NotOfModel::Unread(op.f)),
                    _ => return Err(NotOfModel::Value(op.f, op.result)),
                },
                _ => return Err(NotOfModel::Function(op.f)),
            })
        })
    }

    /// Whether an addition or a removal says that it changed the set; none where it does not, as where elements are truth
    /// values themselves.
    fn says_whether(&self, op: &Op) -> Option<bool> {
        match (self.history.datum(op.argument), self.history.datum(op.result)) {
            (Datum::Bool(_), _) => None,
            (_, Datum::Bool(changed)) => Some(changed),
            _ => None,
        }
    }

    fn counters(&self, ops: Excerpt<'_>) -> Adapted<counter::CounterAction> {
        let initial = self.history.initial(ops.key);
        let at_first = match self.history.datum(initial) {
            Datum::Nil => 0,
            Datum::Int(sum) => sum,
            _ => return Err(NotOfModel::Initial(initial)),
        };
        let number = |op: &Op, value: ValueId| match self.history.datum(value) {
            Datum::Int(number) => Ok(number),
            _ => Err(NotOfModel::Value(op.f, value)),
        };
        // Without an amount it is one.
        let amount = |op: &Op| self.amount(op).and_then(|by| if by.is_nil() { Ok(1) } else { number(op, by) });
        self.adapt(ops, |op, f| {
            Ok(match (f, op.kind) {
                ("add" | "inc" | "increment" | "dec" | "decrement", Kind::Fail) => None,
                ("add" | "inc" | "increment", _) => Some(counter::CounterAction::Add(amount(op)?)),
                ("dec" | "decrement", _) => Some(counter::CounterAction::Add(
                    amount(op)?.checked_neg().ok_or(NotOfModel::Value(op.f, op.argument))?,
                )),
                ("read", Kind::Ok) if op.result.is_nil() => return Err(NotOfModel::Unread(op.f)),
                ("read", Kind::Ok) => {
                    let more = number(op, op.result)?.checked_sub(at_first);
                    Some(counter::CounterAction::Read(more.ok_or(NotOfModel::Value(op.f, op.result))?))
                }
                ("read", _) => None,
                _ => return Err(NotOfModel::Function(op.f)),
            })
        })
    }

    /// By how much a counter was changed. Another number as the result may be the amount or the sum: that is not understood.
    fn amount(&self, op: &Op) -> Result<ValueId, NotOfModel> {
        match self.written(op)? {
            value if value == op.argument => Ok(value),
            other => Err(NotOfModel::Value(op.f, other)),
        }
    }

    fn collections(&self, property: Property, discipline: Discipline) -> Finding {
        let ranks = if discipline == Discipline::LeastFirst { self.priorities() } else { FxHashMap::default() };
        let nils = self.nils(|f| INSERTS.contains(&f));
        let adapt = |ops: Excerpt<'_>| {
            let mut same = self.identities();
            let mut name = |op: Sym, value: ValueId| match discipline {
                Discipline::LeastFirst => ranks.get(&value).copied().ok_or(NotOfModel::Value(op, value)),
                _ => Ok(same.of(value).0),
            };
            let inside = self.inside_at_first(ops.key)?.iter();
            let before =
                inside.map(|element| Ok((0, collection::CollectionAction::Insert(name(Sym::NONE, *element)?))));
            let before = before.collect::<Result<Vec<_>, NotOfModel>>();
            let before = before.map_err(|_| NotOfModel::Initial(self.history.initial(ops.key)))?;
            self.adapt_after(before, ops, |op, f| {
                Ok(match (f, op.kind) {
                    (f, Kind::Fail) if INSERTS.contains(&f) => None,
                    (f, _) if INSERTS.contains(&f) => {
                        Some(collection::CollectionAction::Insert(name(op.f, self.written(op)?)?))
                    }
                    ("dequeue" | "pop" | "extract-min" | "delete-min" | "poll" | "take", kind) => match kind {
                        Kind::Fail => None,
                        Kind::Info => Some(collection::CollectionAction::RemoveUnknown),
                        Kind::Ok if self.is_unclear(&nils, op) => return Err(NotOfModel::Unclear(op.f)),
                        Kind::Ok if op.result.is_nil() => Some(collection::CollectionAction::Empty),
                        Kind::Ok => Some(collection::CollectionAction::Remove(name(op.f, op.result)?)),
                    },
                    _ => return Err(NotOfModel::Function(op.f)),
                })
            })
        };
        self.each_key(property, adapt, |ops, bounds| rule::collection(discipline, ops, bounds))
    }

    /// The integers of the history by rank: a priority queue compares the numbers of its elements.
    fn priorities(&self) -> FxHashMap<ValueId, u32> {
        let values = self.history.ops.iter().flat_map(|op| [op.argument, op.result]);
        let at_first = self.history.initials().flat_map(|value| match self.history.datum(value) {
            Datum::List(elements) => elements,
            _ => &[],
        });
        // Each once: most come several times, and equal integers have equal ids.
        let mut values: Vec<ValueId> = values.chain(at_first.copied()).filter(|value| !value.is_nil()).collect();
        values.sort_unstable();
        values.dedup();
        let integer = |value| match self.history.datum(value) {
            Datum::Int(number) => Some((number, value)),
            _ => None,
        };
        let mut integers: Vec<(i64, ValueId)> = values.into_iter().filter_map(integer).collect();
        integers.sort_unstable();
        integers.into_iter().enumerate().map(|(rank, (_, value))| (value, rank as u32)).collect()
    }
}

/// The most bytes that a fast path takes for an operation, besides the operation itself. For a register: 56 for a
/// value, 18 for its number, and 2 times 24 for its block. To find what a violation relies on takes about 60, when these
/// are free again.
const FAST_PATH_BYTES: usize = 144;

/// The finding on all objects.
impl Task<'_> {
    fn finding(&self, property: Property, ruled: Vec<Ruled>) -> Finding {
        let mut finding = Finding::default();
        let (mut decided, mut searched, mut open) = (0usize, 0u32, Vec::new());
        for object in &ruled {
            match &object.outcome {
                Outcome::Holds { searched: by_search } => {
                    decided += 1;
                    searched += u32::from(*by_search);
                }
                Outcome::Violation { kind, reason, calls } => {
                    decided += 1;
                    finding.violated(self.limits, || self.violation(object.key, kind, reason, calls));
                }
                Outcome::Open { .. } | Outcome::NotOfModel(_) => open.push(object),
            }
        }
        assert_eq!(decided + open.len(), ruled.len(), "every object is decided or open");
        let operation_count: usize = ruled.iter().map(|object| object.operations).sum();
        let bad = finding.violations;
        let objects = ruled.len();
        let (of, claim) = match property {
            Property::Linearizable(object) => (object.name(), "linearizable"),
            Property::Sequential => ("sequential", "sequentially consistent"),
        };
        let one = objects == 1;
        let (is, plural) = if one { ("is", "") } else { ("are", "s") };
        let operations = format!("{operation_count} operation{}", if operation_count == 1 { "" } else { "s" });
        let headline = match (bad, open.is_empty()) {
            (0, true) if one => format!("{operations} on one object ({of}): {claim}"),
            (0, true) => format!("{operations} on {objects} objects ({of}): each is {claim}"),
            (_, true) => format!("{bad} of {objects} object{plural} ({of}) {is} not {claim}; {operations}"),
            (0, false) if decided == 0 => format!("none of {objects} object{plural} ({of}) decided"),
            (0, false) => format!("{decided} of {objects} object{plural} ({of}) decided, these are {claim}"),
            (_, false) => format!("{decided} of {objects} object{plural} ({of}) decided, {bad} not {claim}"),
        };
        if let Some(first) = open.first() {
            finding.doubt(self.why_open(property, first));
        }
        finding.headline = headline;
        finding.figure("operations", operation_count as f64);
        finding.figure("objects", objects as f64);
        finding.figure("objects_decided", decided as f64);
        finding.figure("objects_searched", searched);
        finding
    }

    /// Why an object was not decided.
    fn why_open(&self, property: Property, object: &Ruled) -> String {
        let of_key =
            if object.key.is_some() { format!(" of key {}", self.history.text(object.key)) } else { String::new() };
        match &object.outcome {
            Outcome::Open { limit, holds_before: 0 } => format!("{limit} before anything{of_key} was decided"),
            Outcome::Open { limit, holds_before } => {
                let holds_before = self.history.event_index(*holds_before);
                format!("{limit}; what completed before event {holds_before}{of_key} is linearizable")
            }
            Outcome::NotOfModel(NotOfModel::Function(f)) => {
                let (f, known) = (self.history.text(*f), functions(property));
                match known.contains(&f) {
                    true => format!("the model has no function `{f}`{of_key}"),
                    false if of_key.is_empty() => unknown_functions(self.history, known),
                    false => {
                        format!("key {}: {}", self.history.text(object.key), unknown_functions(self.history, known))
                    }
                }
            }
            Outcome::NotOfModel(NotOfModel::Value(f, value)) => {
                let (f, value) = (self.history.text(*f), self.history.show(*value));
                format!("`{f}` of {value}{of_key} is not what the model knows")
            }
            Outcome::NotOfModel(NotOfModel::Unread(f)) => {
                let f = self.history.text(*f);
                format!("a `{f}`{of_key} is `ok` without a value: what it showed is not recorded")
            }
            Outcome::NotOfModel(NotOfModel::Unclear(f)) => {
                let f = self.history.text(*f);
                format!("a `{f}`{of_key} returned nil, which had been put in: the element, or that there was none")
            }
            Outcome::NotOfModel(NotOfModel::Initial(value)) => {
                format!("it cannot begin with {}{of_key}", self.history.show(*value))
            }
            Outcome::Holds { .. } | Outcome::Violation { .. } => String::new(),
        }
    }

    fn violation(&self, key: Sym, kind: &'static str, reason: &str, calls: &[u32]) -> Draft<'_> {
        let at = |call: &u32| self.history.ops.partition_point(|op| op.call < *call);
        let ops: Vec<usize> = calls.iter().map(at).collect();
        let mut listed: Vec<String> = ops.iter().take(OPERATIONS_LISTED).map(|op| self.describe(*op)).collect();
        if ops.len() > OPERATIONS_LISTED {
            let rest = ops.len() - OPERATIONS_LISTED;
            listed.push(format!("and {rest} more operation{}", if rest == 1 { "" } else { "s" }));
        }
        let mut reason = reason.to_owned();
        reason[..1].make_ascii_uppercase();
        let lost = if kind == "not-linearizable" { self.lost_element(&ops) } else { None };
        let (lost, beginning) = (lost.unwrap_or_default(), self.beginning(key));
        let explanation = format!("{reason}: {lost}{}.{beginning}", listed.join("; "));
        Draft::at(self.history, kind, self.history.text(key), ops, explanation)
    }

    /// What the object of a key begins with, if anything was said of it.
    fn beginning(&self, key: Sym) -> String {
        let initial = self.history.initial(key);
        if initial.is_nil() { String::new() } else { format!(" It begins with {}.", self.history.show(initial)) }
    }

    /// What no order explains: an element that is added before a read begins which lacks it, though nothing removes it.
    fn lost_element(&self, ops: &[usize]) -> Option<String> {
        const READS_MAX: usize = 8;
        let (history, mut same) = (self.history, Identities::new(self.history));
        let is = |at: usize, f: &str| history.text(history.ops[at].f) == f;
        let grows = ops.iter().all(|at| is(*at, "add") || is(*at, "read"));
        let reads = ops.iter().rev().copied().filter(|at| grows && is(*at, "read") && history.ops[*at].is_ok());
        for read in reads.take(READS_MAX) {
            let elements = history.datum(history.ops[read].result).elements().unwrap_or_default();
            let shown: FxHashSet<ValueId> = elements.iter().map(|element| same.of(*element)).collect();
            let mut before = ops.iter().copied().filter(|at| is(*at, "add") && history.is_before(*at, read));
            let lost =
                before.find(|at| history.ops[*at].is_ok() && !shown.contains(&same.of(history.ops[*at].argument)));
            if let Some(add) = lost {
                let (element, by) = (history.show(history.ops[add].argument), history.process_of(add));
                let (added, began) = (history.events_of(add).last()?, history.events_of(read).next()?);
                let reader = history.process_of(read);
                return Some(format!(
                    "{element} was added by process {by} (event {added}), and the read that process {reader} began then \
                     (event {began}) does not have it; "
                ));
            }
        }
        None
    }

    /// An operation in words, with who did it and when.
    fn describe(&self, at: usize) -> String {
        let op = &self.history.ops[at];
        let from = op.called_ns as f64 / 1e9;
        let outcome = match op.kind {
            Kind::Ok => "",
            Kind::Fail => " (failed)",
            Kind::Info => " (never completed)",
        };
        let when = match op.kind {
            _ if !self.history.timed => String::new(),
            Kind::Info => format!(" from {from:.6} s"),
            _ => format!(" from {from:.6} s to {:.6} s", op.returned_ns as f64 / 1e9),
        };
        format!("process {} {}{outcome}{when}", self.history.process_of(at), self.history.in_words(at))
    }
}
