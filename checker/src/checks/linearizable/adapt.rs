//! From records to operations of an object, and from rulings to a finding.

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

/// How many operations an explanation spells out.
const OPERATIONS_TOLD: usize = 4;

/// What a check needs to know beside the history.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// How a compare-and-set that failed is read.
    pub failed_cas: FailedCas,
    /// The value that registers begin with; nil unless said otherwise. A counter begins with it if it is a number.
    pub initial: ValueId,
}

/// Whether each object of the history is linearizable: its keys, or all of it for transactions.
pub fn check(object: Object, records: &History, limits: &Limits<'_>, options: &Options) -> Finding {
    let task = Task { records, limits, options };
    let asked = Asked::Linearizable(object);
    match object {
        Object::Register | Object::CasRegister => task.each_key(
            asked,
            |ops| task.registers(ops),
            |ops, bounds| rule::register(options.initial.0, ops, bounds),
        ),
        Object::MultiRegister => task.whole(
            asked,
            |ops| task.transactions(ops),
            |ops, bounds| rule::general(&multi_register::MultiRegister(options.initial.0), ops, bounds),
        ),
        Object::Mutex => {
            task.each_key(asked, |ops| task.mutexes(ops), |ops, bounds| rule::general(&Mutex, ops, bounds))
        }
        Object::Set => task.each_key(asked, |ops| task.sets(ops), rule::set),
        Object::Counter => {
            task.each_key(asked, |ops| task.counters(ops), |ops, bounds| rule::counter(task.initial_sum(), ops, bounds))
        }
        Object::Queue => task.collections(asked, Discipline::Fifo),
        Object::Stack => task.collections(asked, Discipline::Lifo),
        Object::PriorityQueue => task.collections(asked, Discipline::LeastFirst),
        other => Finding::undecided(format!("whether a {other} is linearizable is not known here")),
    }
}

/// Whether the registers of the history, all keys together, are sequentially consistent.
pub fn check_sequential(records: &History, limits: &Limits<'_>, options: &Options) -> Finding {
    let task = Task { records, limits, options };
    task.whole(
        Asked::Sequential,
        |ops| task.keyed_registers(ops),
        |ops, bounds| rule::sequential(options.initial.0, ops, bounds),
    )
}

/// What is asked of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Linearizable(Object),
    Sequential,
}

/// Why the records are not operations of the model.
enum Misfit {
    Function(Sym),
    Value(Sym, ValueId),
}

type Adapted<A> = Result<Vec<Timed<A>>, Misfit>;

/// Operations of an object, as they looked before an event.
#[derive(Clone, Copy)]
struct Part<'a> {
    /// Positions in the records, ascending.
    ops: &'a [u32],
    /// The event's position; [`Op::NEVER`] after all of them.
    before: u32,
}

/// An operation as it looked before an event: what completed later was open then, and may never have completed.
fn seen_before(op: &Op, before: u32) -> Op {
    match op.ret != Op::NEVER && op.ret >= before {
        true => Op { kind: Kind::Info, ret: Op::NEVER, result: ValueId::NIL, ..*op },
        false => *op,
    }
}

/// One object and what was ruled of it.
struct Ruled {
    key: Sym,
    operations: usize,
    outcome: Told,
}

enum Told {
    Holds { searched: bool },
    Violation { kind: &'static str, reason: &'static str, calls: Vec<u32> },
    Open { limit: Limit, holds_before: u32 },
    Misfit(Misfit),
}

struct Task<'a> {
    records: &'a History,
    limits: &'a Limits<'a>,
    options: &'a Options,
}

impl Task<'_> {
    /// Judges the operations of each key by themselves, keys side by side.
    fn each_key<A>(
        &self,
        asked: Asked,
        adapt: impl Fn(Part<'_>) -> Adapted<A> + Sync,
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
            // A thread that panicked makes the scope panic: nobody sees a poisoned list.
            ruled.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend(mine);
        };
        match threads {
            1 => work(),
            _ => std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work)))),
        }
        let mut ruled = ruled.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        ruled.sort_by_key(|(at, _)| *at);
        self.finding(asked, ruled.into_iter().map(|(_, ruled)| ruled).collect())
    }

    /// Judges all operations together.
    fn whole<A>(
        &self,
        asked: Asked,
        adapt: impl Fn(Part<'_>) -> Adapted<A> + Sync,
        judge: impl Fn(&[Timed<A>], &Bounds<'_>) -> Ruling<A> + Sync,
    ) -> Finding {
        let room = usize::try_from(self.limits.memory_bytes).unwrap_or(usize::MAX);
        // Other than for linearizability, a part of a history may lack an order that the whole has.
        if asked == Asked::Sequential && self.records.ops.len() > room / (size_of::<Timed<A>>() + FAST_PATH_BYTES) {
            let outcome = Told::Open { limit: Limit::Memory, holds_before: 0 };
            return self.finding(asked, vec![Ruled { key: Sym::NONE, operations: self.records.ops.len(), outcome }]);
        }
        let all: Vec<u32> = (0..self.records.ops.len() as u32).collect();
        let ruled = self.one(Sym::NONE, &all, 1, &adapt, &judge);
        self.finding(asked, vec![ruled])
    }

    fn one<A>(
        &self,
        key: Sym,
        ops: &[u32],
        side_by_side: usize,
        adapt: &impl Fn(Part<'_>) -> Adapted<A>,
        judge: &impl Fn(&[Timed<A>], &Bounds<'_>) -> Ruling<A>,
    ) -> Ruled {
        let told = |outcome| Ruled { key, operations: ops.len(), outcome };
        if (self.limits.out_of_time)() {
            return told(Told::Open { limit: Limit::Time, holds_before: 0 });
        }
        let memory_bytes = usize::try_from(self.limits.memory_bytes).unwrap_or(usize::MAX) / side_by_side;
        let part = self.part(ops, memory_bytes / (size_of::<Timed<A>>() + FAST_PATH_BYTES));
        if part.ops.is_empty() {
            return told(Told::Open { limit: Limit::Memory, holds_before: 0 });
        }
        let adapted = match adapt(part) {
            Ok(adapted) => adapted,
            Err(misfit) => return told(Told::Misfit(misfit)),
        };
        let memory_bytes = memory_bytes.saturating_sub(adapted.len() * size_of::<Timed<A>>());
        let bounds = Bounds { memory_bytes, out_of_time: self.limits.out_of_time, ..Bounds::default() };
        told(match judge(&adapted, &bounds) {
            Ruling::Holds { .. } if part.before != Op::NEVER => {
                Told::Open { limit: Limit::Memory, holds_before: part.before }
            }
            Ruling::Holds { searched } => Told::Holds { searched },
            Ruling::Open { limit, holds_before } => Told::Open { limit, holds_before },
            Ruling::Violation { kind, reason, core } => {
                Told::Violation { kind, reason, calls: core.iter().map(|operation| operation.call).collect() }
            }
        })
    }

    /// As many of the operations as there is room for, as they looked before the first that there is none for. What they
    /// violate the whole violates, too.
    fn part<'o>(&self, ops: &'o [u32], room: usize) -> Part<'o> {
        match ops.get(room) {
            None => Part { ops, before: Op::NEVER },
            Some(beyond) => Part { ops: &ops[..room], before: self.records.ops[*beyond as usize].call },
        }
    }

    /// Keys in the order of their names' first use, each with its part of the list of operations.
    fn by_key(&self) -> (Vec<(Sym, std::ops::Range<usize>)>, Vec<u32>) {
        let place = |key: Sym| if key.is_some() { key.index() + 1 } else { 0 };
        let mut ends = vec![0usize; self.records.names() + 2];
        for op in &self.records.ops {
            ends[place(op.key) + 1] += 1;
        }
        for at in 1..ends.len() {
            ends[at] += ends[at - 1];
        }
        let mut fill = ends.clone();
        let mut ops = vec![0u32; self.records.ops.len()];
        for (at, op) in self.records.ops.iter().enumerate() {
            let end = &mut fill[place(op.key)];
            ops[*end] = at as u32;
            *end += 1;
        }
        let key = |at: usize| at.checked_sub(1).map_or(Sym::NONE, |index| Sym(index as u32));
        let part = |at: usize| (key(at), ends[at]..ends[at + 1]);
        ((0..ends.len() - 1).map(part).filter(|(_, part)| !part.is_empty()).collect(), ops)
    }

    /// The operations that may have happened (or failed compare-and-sets), each made an action by `action`.
    fn adapt<A>(&self, ops: Part<'_>, mut action: impl FnMut(&Op, &str) -> Result<Option<A>, Misfit>) -> Adapted<A> {
        let mut adapted = Vec::with_capacity(ops.ops.len());
        for op in ops.ops.iter().map(|at| seen_before(&self.records.ops[*at as usize], ops.before)) {
            if let Some(action) = action(&op, self.records.text(op.f))? {
                adapted.push(Timed { process: op.process, call: op.call, ret: op.ret, action });
            }
        }
        Ok(adapted)
    }

    fn registers(&self, ops: Part<'_>) -> Adapted<register::Action> {
        let enforce = self.options.failed_cas == FailedCas::Enforce;
        self.adapt(ops, |op, f| {
            Ok(match (f, op.kind) {
                ("read" | "r", Kind::Ok) => Some(register::Action::Read(op.result.0)),
                ("read" | "r", _) => None,
                ("write" | "w", Kind::Fail) => None,
                ("write" | "w", _) => Some(register::Action::Write(op.argument.0)),
                ("cas", kind) => {
                    let Datum::List(&[from, to]) = self.records.datum(op.argument) else {
                        return Err(Misfit::Value(op.f, op.argument));
                    };
                    match kind {
                        Kind::Fail => enforce.then_some(register::Action::FailedCas(from.0)),
                        _ => Some(register::Action::Cas(from.0, to.0)),
                    }
                }
                _ => return Err(Misfit::Function(op.f)),
            })
        })
    }

    fn keyed_registers(&self, ops: Part<'_>) -> Adapted<sequential::Action> {
        let keyed = |operation: Timed<register::Action>| {
            let at = self.records.ops.partition_point(|op| op.call < operation.call);
            let action = sequential::Action { key: self.records.ops[at].key.0, action: operation.action };
            Timed { process: operation.process, call: operation.call, ret: operation.ret, action }
        };
        Ok(self.registers(ops)?.into_iter().map(keyed).collect())
    }

    fn transactions(&self, ops: Part<'_>) -> Adapted<multi_register::Action> {
        self.adapt(ops, |op, f| match (f, op.kind) {
            ("txn", Kind::Fail) => Ok(None),
            ("txn", kind) => self.parts(op, if kind == Kind::Ok { op.result } else { op.argument }).map(Some),
            _ => Err(Misfit::Function(op.f)),
        })
    }

    /// The parts of a transaction. What one that never completed would have read is not known.
    fn parts(&self, op: &Op, value: ValueId) -> Result<multi_register::Action, Misfit> {
        let misfit = || Misfit::Value(op.f, value);
        let Datum::List(parts) = self.records.datum(value) else { return Err(misfit()) };
        let mut action = Vec::with_capacity(parts.len());
        for part in parts {
            let Datum::List(&[f, key, value]) = self.records.datum(*part) else { return Err(misfit()) };
            match self.records.datum(f) {
                Datum::Text("r" | "read") if op.kind == Kind::Ok => {
                    action.push(multi_register::Part::Read { key: key.0, value: value.0 });
                }
                Datum::Text("r" | "read") => {}
                Datum::Text("w" | "write") => action.push(multi_register::Part::Write { key: key.0, value: value.0 }),
                _ => return Err(misfit()),
            }
        }
        Ok(action)
    }

    fn mutexes(&self, ops: Part<'_>) -> Adapted<mutex::Action> {
        let mut holds: FxHashMap<u32, u32> = FxHashMap::default();
        let mut next = 0;
        self.adapt(ops, |op, f| {
            let process = op.process;
            Ok(match (f, op.kind) {
                ("acquire" | "release", Kind::Fail) => None,
                ("acquire", _) => {
                    next += 1;
                    holds.insert(process, next);
                    Some(mutex::Action::Acquire { process, hold: next })
                }
                ("release", _) => {
                    let hold = holds.get(&process).copied().unwrap_or(0);
                    Some(mutex::Action::Release { process, hold })
                }
                _ => return Err(Misfit::Function(op.f)),
            })
        })
    }

    fn sets(&self, ops: Part<'_>) -> Adapted<set::Action> {
        self.adapt(ops, |op, f| {
            Ok(match (f, op.kind) {
                ("add" | "remove", Kind::Fail) => None,
                ("add", _) => Some(set::Action::Add(op.argument.0)),
                ("remove", _) => Some(set::Action::Remove(op.argument.0)),
                ("read" | "contains", Kind::Fail | Kind::Info) => None,
                ("contains", Kind::Ok) => match self.records.datum(op.result) {
                    Datum::Bool(found) => Some(set::Action::Contains(op.argument.0, found)),
                    _ => return Err(Misfit::Value(op.f, op.result)),
                },
                ("read", Kind::Ok) => match self.records.datum(op.result) {
                    Datum::List(elements) => {
                        let mut elements: Vec<u32> = elements.iter().map(|element| element.0).collect();
                        elements.sort_unstable();
                        elements.dedup();
                        Some(set::Action::Read(elements.into()))
                    }
                    Datum::Nil => Some(set::Action::Read(Box::default())),
                    _ => return Err(Misfit::Value(op.f, op.result)),
                },
                _ => return Err(Misfit::Function(op.f)),
            })
        })
    }

    fn initial_sum(&self) -> i64 {
        match self.records.datum(self.options.initial) {
            Datum::Int(sum) => sum,
            _ => 0,
        }
    }

    fn counters(&self, ops: Part<'_>) -> Adapted<counter::Action> {
        let number = |op: &Op, value: ValueId, of_nil: i64| match self.records.datum(value) {
            Datum::Int(number) => Ok(number),
            Datum::Nil => Ok(of_nil),
            _ => Err(Misfit::Value(op.f, value)),
        };
        self.adapt(ops, |op, f| {
            Ok(match (f, op.kind) {
                ("add" | "inc" | "increment" | "dec" | "decrement", Kind::Fail) => None,
                ("add" | "inc" | "increment", _) => Some(counter::Action::Add(number(op, op.argument, 1)?)),
                ("dec" | "decrement", _) => Some(counter::Action::Add(
                    number(op, op.argument, 1)?.checked_neg().ok_or(Misfit::Value(op.f, op.argument))?,
                )),
                ("read", Kind::Ok) => Some(counter::Action::Read(number(op, op.result, 0)?)),
                ("read", _) => None,
                _ => return Err(Misfit::Function(op.f)),
            })
        })
    }

    fn collections(&self, asked: Asked, discipline: Discipline) -> Finding {
        let ranks = if discipline == Discipline::LeastFirst { self.priorities() } else { FxHashMap::default() };
        let name = |op: &Op, value: ValueId| match discipline {
            Discipline::LeastFirst => ranks.get(&value).copied().ok_or(Misfit::Value(op.f, value)),
            _ => Ok(value.0),
        };
        let adapt = |ops: Part<'_>| {
            self.adapt(ops, |op, f| {
                Ok(match (f, op.kind) {
                    ("enqueue" | "push" | "insert" | "offer" | "put" | "add", Kind::Fail) => None,
                    ("enqueue" | "push" | "insert" | "offer" | "put" | "add", _) => {
                        Some(collection::Action::Insert(name(op, op.argument)?))
                    }
                    ("dequeue" | "pop" | "extract-min" | "delete-min" | "poll" | "take", kind) => match kind {
                        Kind::Fail => None,
                        Kind::Info => Some(collection::Action::RemoveUnknown),
                        Kind::Ok if op.result.is_nil() => Some(collection::Action::Empty),
                        Kind::Ok => Some(collection::Action::Remove(name(op, op.result)?)),
                    },
                    _ => return Err(Misfit::Function(op.f)),
                })
            })
        };
        self.each_key(asked, adapt, |ops, bounds| rule::collection(discipline, ops, bounds))
    }

    /// Integers of the history by rank: a priority queue compares names.
    fn priorities(&self) -> FxHashMap<ValueId, u32> {
        let values = self.records.ops.iter().flat_map(|op| [op.argument, op.result]);
        let mut integers: Vec<(i64, ValueId)> = values
            .filter_map(|value| match self.records.datum(value) {
                Datum::Int(number) => Some((number, value)),
                _ => None,
            })
            .collect();
        integers.sort_unstable();
        integers.dedup();
        integers.into_iter().enumerate().map(|(rank, (_, value))| (value, rank as u32)).collect()
    }
}

/// Bytes that the fast paths take for an operation, at most, beside the operation itself: of a register 56 for a value and
/// 18 for its number, 2 times 24 for its block, and 16 to find what a violation relies on.
const FAST_PATH_BYTES: usize = 144;

/// The finding of all rulings.
impl Task<'_> {
    fn finding(&self, asked: Asked, ruled: Vec<Ruled>) -> Finding {
        let mut finding = Finding::default();
        let (mut decided, mut searched, mut open) = (0usize, 0u32, Vec::new());
        for object in &ruled {
            match &object.outcome {
                Told::Holds { searched: by_search } => {
                    decided += 1;
                    searched += u32::from(*by_search);
                }
                Told::Violation { kind, reason, calls } => {
                    decided += 1;
                    finding.violated(self.limits, || self.violation(object.key, kind, reason, calls));
                }
                Told::Open { .. } | Told::Misfit(_) => open.push(object),
            }
        }
        let operations: usize = ruled.iter().map(|object| object.operations).sum();
        let bad = finding.violations;
        let objects = ruled.len();
        let (of, claim) = match asked {
            Asked::Linearizable(object) => (object.name(), "linearizable"),
            Asked::Sequential => ("sequential", "sequentially consistent"),
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

    /// What kept the first object from being decided.
    fn why_open(&self, object: &Ruled) -> String {
        let of_key =
            if object.key.is_some() { format!(" of key {}", self.records.text(object.key)) } else { String::new() };
        match &object.outcome {
            Told::Open { limit, holds_before: 0 } => format!("{limit} before anything{of_key} was decided"),
            Told::Open { limit, holds_before } => {
                let holds_before = self.records.event_index(*holds_before);
                format!("{limit}; what completed before event {holds_before}{of_key} is linearizable")
            }
            Told::Misfit(Misfit::Function(f)) => {
                format!("the model has no function `{}`{of_key}", self.records.text(*f))
            }
            Told::Misfit(Misfit::Value(f, value)) => {
                let (f, value) = (self.records.text(*f), self.records.show(*value));
                format!("`{f}` of {value}{of_key} is not what the model knows")
            }
            Told::Holds { .. } | Told::Violation { .. } => String::new(),
        }
    }

    fn violation(&self, key: Sym, kind: &'static str, reason: &str, calls: &[u32]) -> Draft<'_> {
        let at = |call: &u32| self.records.ops.partition_point(|op| op.call < *call);
        let ops: Vec<usize> = calls.iter().map(at).collect();
        let mut told: Vec<String> = ops.iter().take(OPERATIONS_TOLD).map(|op| self.tell(*op)).collect();
        if ops.len() > OPERATIONS_TOLD {
            let rest = ops.len() - OPERATIONS_TOLD;
            told.push(format!("and {rest} more operation{}", if rest == 1 { "" } else { "s" }));
        }
        let mut reason = reason.to_owned();
        reason[..1].make_ascii_uppercase();
        Draft {
            kind,
            key: self.records.text(key),
            process: None,
            explanation: format!("{reason}: {}.", told.join("; ")),
            proof: Proof::at(self.records, ops),
        }
    }

    /// An operation in words.
    fn tell(&self, at: usize) -> String {
        let op = &self.records.ops[at];
        let (f, from) = (self.records.text(op.f), op.called_ns as f64 / 1e9);
        let argument =
            if op.argument.is_nil() { String::new() } else { format!(" {}", self.records.show(op.argument)) };
        let result = match op.kind {
            Kind::Ok if op.argument == op.result => String::new(),
            Kind::Ok => format!(" -> {}", self.records.show(op.result)),
            Kind::Fail => " (failed)".into(),
            Kind::Info => " (never completed)".into(),
        };
        let when = match op.kind {
            _ if !self.records.timed => String::new(),
            Kind::Info => format!(" from {from:.6} s"),
            _ => format!(" from {from:.6} s to {:.6} s", op.returned_ns as f64 / 1e9),
        };
        format!("process {} {f}{argument}{result}{when}", op.process)
    }
}
