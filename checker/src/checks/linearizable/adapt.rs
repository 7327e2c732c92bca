//! Turns a history into operations of an object, and the rulings on the objects into a finding.

use std::sync::Mutex as Lock;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustc_hash::FxHashMap;

use super::collection::Discipline;
use super::machine::Timed;
use super::mutex::Mutex;
use super::rule::{self, Ruling};
use super::search::{Bounds, Limit};
use super::{collection, counter, multi_register, mutex, register, sequential, set};
pub use crate::checks::settings::FailedCas;
use crate::finding::{Draft, Finding, Proof};
use crate::history::{Datum, History, Kind, Op, Sym, ValueId};
use crate::limits::Limits;
use crate::objects::Object;

/// How many operations an explanation lists.
const OPERATIONS_LISTED: usize = 4;

/// What a check needs to know besides the history.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// What a failed compare-and-set means.
    pub failed_cas: FailedCas,
    /// The initial value of registers, nil by default. Also that of a counter, if it is a number.
    pub initial: ValueId,
}

/// Checks whether each object of the history is linearizable: each key, or the whole history for transactions.
pub fn check(object: Object, history: &History, limits: &Limits<'_>, options: &Options) -> Finding {
    let task = Task { history, limits, options };
    let property = Property::Linearizable(object);
    match object {
        Object::Register | Object::CasRegister => task.each_key(
            property,
            |ops| task.registers(ops),
            |ops, bounds| rule::register(options.initial.0, ops, bounds),
        ),
        Object::MultiRegister => task.whole(
            property,
            |ops| task.transactions(ops),
            |ops, bounds| rule::general(&multi_register::MultiRegister(options.initial.0), ops, bounds),
        ),
        Object::Mutex => {
            task.each_key(property, |ops| task.mutexes(ops), |ops, bounds| rule::general(&Mutex, ops, bounds))
        }
        Object::Set => task.each_key(property, |ops| task.sets(ops), rule::set),
        Object::Counter => task.each_key(
            property,
            |ops| task.counters(ops),
            |ops, bounds| rule::counter(task.initial_sum(), ops, bounds),
        ),
        Object::Queue => task.collections(property, Discipline::Fifo),
        Object::Stack => task.collections(property, Discipline::Lifo),
        Object::PriorityQueue => task.collections(property, Discipline::LeastFirst),
        other => Finding::undecided(format!("whether a {other} is linearizable is not known here")),
    }
}

/// Checks whether the registers of the history, all keys together, are sequentially consistent.
pub(crate) fn check_sequential(history: &History, limits: &Limits<'_>, options: &Options) -> Finding {
    let task = Task { history, limits, options };
    task.whole(
        Property::Sequential,
        |ops| task.keyed_registers(ops),
        |ops, bounds| rule::sequential(options.initial.0, ops, bounds),
    )
}

/// The property that is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Property {
    Linearizable(Object),
    Sequential,
}

/// Why an operation of the history is not one of the model.
enum NotOfModel {
    Function(Sym),
    Value(Sym, ValueId),
}

type Adapted<A> = Result<Vec<Timed<A>>, NotOfModel>;

/// Operations of an object, as they were before an event.
#[derive(Clone, Copy)]
struct Excerpt<'a> {
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
        let ruled = Lock::new(Vec::with_capacity(keys.len()));
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
        let part = self.part(ops, memory_bytes / (size_of::<Timed<A>>() + FAST_PATH_BYTES));
        if part.ops.is_empty() {
            return ruled(Outcome::Open { limit: Limit::Memory, holds_before: 0 });
        }
        let adapted = match adapt(part) {
            Ok(adapted) => adapted,
            Err(not_of_model) => return ruled(Outcome::NotOfModel(not_of_model)),
        };
        debug_assert!(adapted.is_sorted_by(|a, b| a.call < b.call), "operations are in the order of invocation");
        let memory_bytes = memory_bytes.saturating_sub(adapted.len() * size_of::<Timed<A>>());
        let bounds = Bounds { memory_bytes, out_of_time: self.limits.out_of_time, ..Bounds::default() };
        ruled(match judge(&adapted, &bounds) {
            Ruling::Holds { .. } if part.before != Op::NEVER => {
                Outcome::Open { limit: Limit::Memory, holds_before: part.before }
            }
            Ruling::Holds { searched } => Outcome::Holds { searched },
            Ruling::Open { limit, holds_before } => Outcome::Open { limit, holds_before },
            Ruling::Violation { kind, reason, core } => {
                Outcome::Violation { kind, reason, calls: core.iter().map(|operation| operation.call).collect() }
            }
        })
    }

    /// As many of the operations as there is room for, as they were before the first that does not fit. Linearizability
    /// is closed under prefixes, so a violation of this part is one of the whole.
    fn part<'o>(&self, ops: &'o [u32], room: usize) -> Excerpt<'o> {
        match ops.get(room) {
            None => Excerpt { ops, before: Op::NEVER },
            Some(beyond) => Excerpt { ops: &ops[..room], before: self.history.ops[*beyond as usize].call },
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
    fn adapt<A>(
        &self,
        ops: Excerpt<'_>,
        mut action: impl FnMut(&Op, &str) -> Result<Option<A>, NotOfModel>,
    ) -> Adapted<A> {
        let mut adapted = Vec::with_capacity(ops.ops.len());
        for op in ops.ops.iter().map(|at| seen_before(&self.history.ops[*at as usize], ops.before)) {
            if let Some(action) = action(&op, self.history.text(op.f))? {
                adapted.push(Timed { process: op.process, call: op.call, ret: op.ret, action });
            }
        }
        Ok(adapted)
    }

    fn registers(&self, ops: Excerpt<'_>) -> Adapted<register::RegisterAction> {
        let enforce = self.options.failed_cas == FailedCas::Enforce;
        self.adapt(ops, |op, f| {
            Ok(match (f, op.kind) {
                ("read" | "r", Kind::Ok) => Some(register::RegisterAction::Read(op.result.0)),
                ("read" | "r", _) => None,
                ("write" | "w", Kind::Fail) => None,
                ("write" | "w", _) => Some(register::RegisterAction::Write(op.argument.0)),
                ("cas", kind) => {
                    let Datum::List(&[from, to]) = self.history.datum(op.argument) else {
                        return Err(NotOfModel::Value(op.f, op.argument));
                    };
                    match kind {
                        Kind::Fail => enforce.then_some(register::RegisterAction::FailedCas(from.0)),
                        _ => Some(register::RegisterAction::Cas(from.0, to.0)),
                    }
                }
                _ => return Err(NotOfModel::Function(op.f)),
            })
        })
    }

    fn keyed_registers(&self, ops: Excerpt<'_>) -> Adapted<sequential::KeyedAction> {
        let keyed = |operation: Timed<register::RegisterAction>| {
            let at = self.history.ops.partition_point(|op| op.call < operation.call);
            let action = sequential::KeyedAction { key: self.history.ops[at].key.0, action: operation.action };
            Timed { process: operation.process, call: operation.call, ret: operation.ret, action }
        };
        Ok(self.registers(ops)?.into_iter().map(keyed).collect())
    }

    fn transactions(&self, ops: Excerpt<'_>) -> Adapted<multi_register::Transaction> {
        self.adapt(ops, |op, f| match (f, op.kind) {
            ("txn", Kind::Fail) => Ok(None),
            ("txn", kind) => self.parts(op, if kind == Kind::Ok { op.result } else { op.argument }).map(Some),
            _ => Err(NotOfModel::Function(op.f)),
        })
    }

    /// The parts of a transaction. The reads of one that never completed are left out, since their results are unknown.
    fn parts(&self, op: &Op, value: ValueId) -> Result<multi_register::Transaction, NotOfModel> {
        let not_of_model = || NotOfModel::Value(op.f, value);
        let Datum::List(parts) = self.history.datum(value) else { return Err(not_of_model()) };
        let mut action = Vec::with_capacity(parts.len());
        for part in parts {
            let Datum::List(&[f, key, value]) = self.history.datum(*part) else { return Err(not_of_model()) };
            match self.history.datum(f) {
                Datum::Text("r" | "read") if op.kind == Kind::Ok => {
                    action.push(multi_register::Part::Read { key: key.0, value: value.0 });
                }
                Datum::Text("r" | "read") => {}
                Datum::Text("w" | "write") => action.push(multi_register::Part::Write { key: key.0, value: value.0 }),
                _ => return Err(not_of_model()),
            }
        }
        Ok(action)
    }

    fn mutexes(&self, ops: Excerpt<'_>) -> Adapted<mutex::MutexAction> {
        let mut holds: FxHashMap<u32, u32> = FxHashMap::default();
        let mut next = 0;
        self.adapt(ops, |op, f| {
            let process = op.process;
            Ok(match (f, op.kind) {
                ("acquire" | "release", Kind::Fail) => None,
                ("acquire", _) => {
                    next += 1;
                    holds.insert(process, next);
                    Some(mutex::MutexAction::Acquire { process, hold: next })
                }
                ("release", _) => {
                    let hold = holds.get(&process).copied().unwrap_or(0);
                    Some(mutex::MutexAction::Release { process, hold })
                }
                _ => return Err(NotOfModel::Function(op.f)),
            })
        })
    }

    fn sets(&self, ops: Excerpt<'_>) -> Adapted<set::SetAction> {
        self.adapt(ops, |op, f| {
            Ok(match (f, op.kind) {
                ("add" | "remove", Kind::Fail) => None,
                ("add", _) => Some(set::SetAction::Add(op.argument.0)),
                ("remove", _) => Some(set::SetAction::Remove(op.argument.0)),
                ("read" | "contains", Kind::Fail | Kind::Info) => None,
                ("contains", Kind::Ok) => match self.history.datum(op.result) {
                    Datum::Bool(found) => Some(set::SetAction::Contains(op.argument.0, found)),
                    _ => return Err(NotOfModel::Value(op.f, op.result)),
                },
                ("read", Kind::Ok) => match self.history.datum(op.result) {
                    Datum::List(elements) => {
                        let mut elements: Vec<u32> = elements.iter().map(|element| element.0).collect();
                        elements.sort_unstable();
                        elements.dedup();
                        Some(set::SetAction::Read(elements.into()))
                    }
                    Datum::Nil => Some(set::SetAction::Read(Box::default())),
                    _ => return Err(NotOfModel::Value(op.f, op.result)),
                },
                _ => return Err(NotOfModel::Function(op.f)),
            })
        })
    }

    fn initial_sum(&self) -> i64 {
        match self.history.datum(self.options.initial) {
            Datum::Int(sum) => sum,
            _ => 0,
        }
    }

    fn counters(&self, ops: Excerpt<'_>) -> Adapted<counter::CounterAction> {
        let number = |op: &Op, value: ValueId, of_nil: i64| match self.history.datum(value) {
            Datum::Int(number) => Ok(number),
            Datum::Nil => Ok(of_nil),
            _ => Err(NotOfModel::Value(op.f, value)),
        };
        self.adapt(ops, |op, f| {
            Ok(match (f, op.kind) {
                ("add" | "inc" | "increment" | "dec" | "decrement", Kind::Fail) => None,
                ("add" | "inc" | "increment", _) => Some(counter::CounterAction::Add(number(op, op.argument, 1)?)),
                ("dec" | "decrement", _) => Some(counter::CounterAction::Add(
                    number(op, op.argument, 1)?.checked_neg().ok_or(NotOfModel::Value(op.f, op.argument))?,
                )),
                ("read", Kind::Ok) => Some(counter::CounterAction::Read(number(op, op.result, 0)?)),
                ("read", _) => None,
                _ => return Err(NotOfModel::Function(op.f)),
            })
        })
    }

    fn collections(&self, property: Property, discipline: Discipline) -> Finding {
        let ranks = if discipline == Discipline::LeastFirst { self.priorities() } else { FxHashMap::default() };
        let name = |op: &Op, value: ValueId| match discipline {
            Discipline::LeastFirst => ranks.get(&value).copied().ok_or(NotOfModel::Value(op.f, value)),
            _ => Ok(value.0),
        };
        let adapt = |ops: Excerpt<'_>| {
            self.adapt(ops, |op, f| {
                Ok(match (f, op.kind) {
                    ("enqueue" | "push" | "insert" | "offer" | "put" | "add", Kind::Fail) => None,
                    ("enqueue" | "push" | "insert" | "offer" | "put" | "add", _) => {
                        Some(collection::CollectionAction::Insert(name(op, op.argument)?))
                    }
                    ("dequeue" | "pop" | "extract-min" | "delete-min" | "poll" | "take", kind) => match kind {
                        Kind::Fail => None,
                        Kind::Info => Some(collection::CollectionAction::RemoveUnknown),
                        Kind::Ok if op.result.is_nil() => Some(collection::CollectionAction::Empty),
                        Kind::Ok => Some(collection::CollectionAction::Remove(name(op, op.result)?)),
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
        let mut integers: Vec<(i64, ValueId)> = values
            .filter_map(|value| match self.history.datum(value) {
                Datum::Int(number) => Some((number, value)),
                _ => None,
            })
            .collect();
        integers.sort_unstable();
        integers.dedup();
        integers.into_iter().enumerate().map(|(rank, (_, value))| (value, rank as u32)).collect()
    }
}

/// The most bytes that a fast path takes for an operation, besides the operation itself. For a register: 56 for a
/// value, 18 for its number, 2 times 24 for its block, and 16 to find what a violation relies on.
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
        let operations: usize = ruled.iter().map(|object| object.operations).sum();
        let bad = finding.violations;
        let objects = ruled.len();
        let (of, claim) = match property {
            Property::Linearizable(object) => (object.name(), "linearizable"),
            Property::Sequential => ("sequential", "sequentially consistent"),
        };
        let one = objects == 1;
        let (is, plural) = if one { ("is", "") } else { ("are", "s") };
        let headline = match (bad, open.is_empty()) {
            (0, true) if one => format!("{operations} operations on one object ({of}): {claim}"),
            (0, true) => format!("{operations} operations on {objects} objects ({of}): each is {claim}"),
            (_, true) => format!("{bad} of {objects} object{plural} ({of}) {is} not {claim}; {operations} operations"),
            (0, false) if decided == 0 => format!("none of {objects} object{plural} ({of}) decided"),
            (0, false) => format!("{decided} of {objects} object{plural} ({of}) decided, these are {claim}"),
            (_, false) => format!("{decided} of {objects} object{plural} ({of}) decided, {bad} not {claim}"),
        };
        if let Some(first) = open.first() {
            finding.doubt(self.why_open(first));
        }
        finding.headline = headline;
        finding.figure("operations", operations as f64);
        finding.figure("objects", objects as f64);
        finding.figure("objects_decided", decided as f64);
        finding.figure("objects_searched", searched);
        finding
    }

    /// Why an object was not decided.
    fn why_open(&self, object: &Ruled) -> String {
        let of_key =
            if object.key.is_some() { format!(" of key {}", self.history.text(object.key)) } else { String::new() };
        match &object.outcome {
            Outcome::Open { limit, holds_before: 0 } => format!("{limit} before anything{of_key} was decided"),
            Outcome::Open { limit, holds_before } => {
                let holds_before = self.history.event_index(*holds_before);
                format!("{limit}; what completed before event {holds_before}{of_key} is linearizable")
            }
            Outcome::NotOfModel(NotOfModel::Function(f)) => {
                format!("the model has no function `{}`{of_key}", self.history.text(*f))
            }
            Outcome::NotOfModel(NotOfModel::Value(f, value)) => {
                let (f, value) = (self.history.text(*f), self.history.show(*value));
                format!("`{f}` of {value}{of_key} is not what the model knows")
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
        Draft {
            kind,
            key: self.history.text(key),
            process: None,
            explanation: format!("{reason}: {}.", listed.join("; ")),
            proof: Proof::at(self.history, ops),
        }
    }

    /// An operation in words.
    fn describe(&self, at: usize) -> String {
        let op = &self.history.ops[at];
        let (f, from) = (self.history.text(op.f), op.called_ns as f64 / 1e9);
        let argument =
            if op.argument.is_nil() { String::new() } else { format!(" {}", self.history.show(op.argument)) };
        let result = match op.kind {
            Kind::Ok if op.argument == op.result => String::new(),
            Kind::Ok => format!(" -> {}", self.history.show(op.result)),
            Kind::Fail => " (failed)".into(),
            Kind::Info => " (never completed)".into(),
        };
        let when = match op.kind {
            _ if !self.history.timed => String::new(),
            Kind::Info => format!(" from {from:.6} s"),
            _ => format!(" from {from:.6} s to {:.6} s", op.returned_ns as f64 / 1e9),
        };
        format!("process {} {f}{argument}{result}{when}", op.process)
    }
}
