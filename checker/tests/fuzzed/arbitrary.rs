//! Any bytes as a history: the events of a few processes on a few keys and values, so few that they get in each other's way.
//!
//! The first byte says what the operations are (registers, sets, queues, transactions, or anything), two more how little a
//! check may spend. Then each event takes a byte for its process and outcome and some for its value. A process does one thing
//! at a time and is gone after an `info`, so that every history is well-formed; what it says may be nonsense: values that
//! nobody wrote, lists instead of numbers, functions that a model does not know.
//!
//! Shared by the fuzz target and the tests: an input that found something is a test as it is.

use std::sync::atomic::{AtomicU64, Ordering};

use dissensus_checker::checks::check::Context;
use dissensus_checker::checks::isolation;
use dissensus_checker::checks::linearizable::FailedCas;
use dissensus_checker::checks::registry::{self, ALIASES, Asked, CheckName, Settings};
use dissensus_checker::finding::Finding;
use dissensus_checker::history::{Event, EventType, Phase, Process};
use dissensus_checker::history::{History, HistoryBuilder};
use dissensus_checker::limits::Limits;
use dissensus_checker::objects::{Object, lists_are_values};
use dissensus_checker::verdict::Outcome;
use serde_json::{Value, json};

/// Events of a history at most: the searches are exponential at worst, and end with their limits, not before.
const EVENTS_MAX: usize = 120;

/// What processes do: the functions of a family, and how their values look.
const FAMILIES: [(&[&str], Shape); 13] = [
    (&["read", "write", "cas", "delete"], Shape::Register),
    (&["add", "read", "remove"], Shape::Collection),
    (&["add", "read", "inc", "dec"], Shape::Number),
    (&["enqueue", "dequeue", "drain"], Shape::Number),
    (&["push", "pop"], Shape::Number),
    (&["insert", "extract-min"], Shape::Number),
    (&["acquire", "release"], Shape::Number),
    (&["txn"], Shape::Lists),
    (&["txn"], Shape::Registers),
    (&["transfer", "read"], Shape::Accounts),
    (&["write", "read"], Shape::Registers),
    (&["generate", "next", "inc", "read"], Shape::Number),
    (&["read", "write", "add", "txn", "enqueue", "cas", "members", "transfer", "pop"], Shape::Anything),
];

/// How the values of a family look.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Register,
    Collection,
    Number,
    Lists,
    Registers,
    Accounts,
    Anything,
}

/// The bytes from the front; zeros once there are no more.
struct Bytes<'b>(&'b [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::from(self.next()) % limit
    }
}

/// A history and the limits within which it is to be checked.
pub struct Case {
    pub events: Vec<Event>,
    pub memory_bytes: u64,
    /// How often a check may ask for the time before it is over.
    pub patience: u64,
    pub settings: Settings,
}

/// The case that bytes stand for.
pub fn case(bytes: &[u8]) -> Case {
    let mut bytes = Bytes(bytes);
    let (functions, shape) = FAMILIES[bytes.below(FAMILIES.len())];
    let spend = bytes.next();
    let memory_bytes = [1 << 26, 1 << 26, 1 << 16, 1 << 10][usize::from(spend & 3)];
    let patience = [20_000, 20_000, 100, 1][usize::from(spend >> 2 & 3)];
    let failed_cas = if spend & 16 == 0 { FailedCas::Drop } else { FailedCas::Enforce };
    let mut settings = Settings { failed_cas, ..Settings::default() };
    settings.transactions.versions.sequential_keys = spend & 32 != 0;
    settings.transactions.versions.linearizable_keys = spend & 64 != 0;
    settings.staleness.versions_max = (spend & 128 != 0).then_some(1);
    let mut clients = Clients { functions, shape, keyed: bytes.next(), open: Vec::new(), events: Vec::new(), time: 0 };
    while !bytes.0.is_empty() && clients.events.len() < EVENTS_MAX {
        clients.step(&mut bytes);
    }
    Case { events: clients.events, memory_bytes, patience, settings }
}

/// What a process has open: function, key and argument.
type Open = Option<(&'static str, Option<String>, Value)>;

struct Clients {
    functions: &'static [&'static str],
    shape: Shape,
    /// Whether operations name keys, a workload, a phase.
    keyed: u8,
    /// By worker: the process that it is now, and what that has open.
    open: Vec<(u64, Open)>,
    events: Vec<Event>,
    time: u64,
}

impl Clients {
    fn step(&mut self, bytes: &mut Bytes<'_>) {
        let first = bytes.next();
        let worker = usize::from(first & 3).min(self.open.len());
        if worker == self.open.len() {
            self.open.push((worker as u64, None));
        }
        self.time += u64::from(first >> 4 & 3) * 4_000_000;
        match self.open[worker].1.take() {
            None => self.invoke(worker, bytes),
            Some(open) => self.complete(worker, first >> 2, open, bytes),
        }
    }

    fn invoke(&mut self, worker: usize, bytes: &mut Bytes<'_>) {
        let f = self.functions[bytes.below(self.functions.len())];
        let key = (self.keyed & 1 != 0).then(|| format!("k{}", bytes.below(2)));
        let argument = self.argument(f, bytes);
        self.open[worker].1 = Some((f, key.clone(), argument.clone()));
        self.event(self.open[worker].0, EventType::Invoke, f, key, argument);
    }

    fn complete(
        &mut self,
        worker: usize,
        how: u8,
        (f, key, argument): (&'static str, Option<String>, Value),
        bytes: &mut Bytes<'_>,
    ) {
        let process = self.open[worker].0;
        let kind = [EventType::Ok, EventType::Ok, EventType::Fail, EventType::Info][usize::from(how & 3)];
        let value = if kind == EventType::Ok { self.result(f, argument, bytes) } else { argument };
        if kind == EventType::Info {
            self.open[worker].0 += 4;
        }
        self.event(process, kind, f, key, value);
        if self.keyed & 4 != 0 && kind != EventType::Fail {
            let past = (0..bytes.below(3)).map(|_| json!(bytes.below(6))).collect();
            self.events.last_mut().expect("it was pushed just now").past = Some(past);
        }
    }

    fn event(&mut self, process: u64, kind: EventType, f: &str, key: Option<String>, value: Value) {
        let mut event = Event::new(self.time, Process::Client(process), kind, f, value);
        event.index = self.events.len() as u64;
        event.key = key;
        if self.keyed & 2 != 0 {
            event.workload = Some(["register", "set", "cart"][usize::from(self.keyed >> 3) % 3].to_owned());
            let late = self.events.len() > 40;
            event.phase =
                if late { [Phase::Final, Phase::Replica][usize::from(self.keyed >> 5 & 1)] } else { Phase::Main };
        }
        self.events.push(event);
    }

    fn argument(&self, f: &str, bytes: &mut Bytes<'_>) -> Value {
        match (self.shape, f) {
            (Shape::Anything, _) => anything(bytes, 3),
            (Shape::Lists | Shape::Registers, _) => self.transaction(bytes),
            (Shape::Accounts, "transfer") => {
                json!({"from": bytes.below(3), "to": bytes.below(3), "amount": bytes.below(9)})
            }
            (_, "cas") => json!([bytes.below(5), bytes.below(5)]),
            (_, "read" | "dequeue" | "drain" | "pop" | "extract-min" | "generate" | "acquire" | "release" | "next") => {
                Value::Null
            }
            _ => number(bytes),
        }
    }

    fn result(&self, f: &str, argument: Value, bytes: &mut Bytes<'_>) -> Value {
        match (self.shape, f) {
            (Shape::Anything, _) => anything(bytes, 3),
            (Shape::Lists | Shape::Registers, _) => self.answered(argument, bytes),
            (Shape::Accounts, "read") => json!({"0": bytes.below(20), "1": bytes.below(20)}),
            (Shape::Register, "read") if self.keyed & 2 == 0 => number(bytes),
            (Shape::Collection | Shape::Register, "read") | (_, "drain") => list(bytes),
            _ if argument.is_null() => number(bytes),
            _ => argument,
        }
    }

    /// Micro-operations; those that read have nothing yet.
    fn transaction(&self, bytes: &mut Bytes<'_>) -> Value {
        let micros = (0..bytes.below(4)).map(|_| {
            let what = bytes.next();
            let (key, value) = (what >> 1 & 1, what >> 3);
            match (what & 1 == 0, self.shape) {
                (true, _) => json!(["r", key, null]),
                (false, Shape::Lists) => json!(["append", key, value]),
                (false, _) => json!(["w", key, value]),
            }
        });
        Value::Array(micros.collect())
    }

    fn answered(&self, argument: Value, bytes: &mut Bytes<'_>) -> Value {
        let Value::Array(mut micros) = argument else { return argument };
        for micro in &mut micros {
            if micro[0] == "r" {
                micro[2] = if self.shape == Shape::Lists { list(bytes) } else { number(bytes) };
            }
        }
        Value::Array(micros)
    }
}

/// A small number, or sometimes nothing, or something large.
fn number(bytes: &mut Bytes<'_>) -> Value {
    match bytes.next() {
        255 => Value::Null,
        254 => json!(i64::MIN),
        253 => json!(-1),
        252 => json!(u64::MAX),
        251 => json!("x"),
        other => json!(other % 32),
    }
}

fn list(bytes: &mut Bytes<'_>) -> Value {
    match bytes.next() {
        255 => Value::Null,
        length => Value::Array((0..length % 6).map(|_| number(bytes)).collect()),
    }
}

fn anything(bytes: &mut Bytes<'_>, depth: u8) -> Value {
    match bytes.next() % 12 {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(1.5),
        3 => json!(["r", "w", "append", ":x", "", "k0"][bytes.below(6)]),
        4 => json!({"#edn": "1/3"}),
        5 if depth > 0 => json!({"a": anything(bytes, depth - 1), "1": anything(bytes, depth - 1)}),
        6..9 if depth > 0 => Value::Array((0..bytes.below(5)).map(|_| anything(bytes, depth - 1)).collect()),
        _ => number(bytes),
    }
}

/// Checks the case against every model, and what the bench itself promises of workloads.
///
/// # Panics
/// When a check panics, goes beyond its limits, or says something that does not hold together; that is what is looked for.
pub fn every_model(bytes: &[u8]) {
    let case = case(bytes);
    let records = records(&case.events);
    dissensus_checker::check(&records, &dissensus_checker::Claims::default(), &Limits::default());
    let names = ALIASES.iter().map(|alias| alias.name).chain(CheckName::ALL.iter().map(|name| name.name()));
    for model in names.flat_map(|name| registry::find(name, &case.settings)) {
        let decision = check(&model, &records, &case);
        holds_together(&model, &decision, &case);
    }
}

fn records(events: &[Event]) -> History {
    let mut builder = HistoryBuilder::new();
    for event in events {
        builder.push(event).expect("a process does one thing at a time here");
    }
    builder.finish()
}

fn check(model: &Asked, records: &History, case: &Case) -> Finding {
    let asked = AtomicU64::new(0);
    let out_of_time = || asked.fetch_add(1, Ordering::Relaxed) >= case.patience;
    let limits = Limits { memory_bytes: case.memory_bytes, anomalies_max: 3, out_of_time: &out_of_time, threads: 1 };
    model.check(records, &Context::new(limits, &case.settings))
}

/// The parts of a decision agree, and each violation is one by itself.
fn holds_together(model: &Asked, decision: &Finding, case: &Case) {
    let shown = format!("{}: {decision:?}", model.name);
    assert!(decision.explained().len() <= 3 && decision.explained().len() as u64 <= decision.violations, "{shown}");
    assert_eq!(decision.outcome() == Outcome::Invalid, decision.violations > 0, "{shown}");
    assert!(!decision.summary().is_empty() && decision.figures.values().all(|figure| !figure.is_nan()), "{shown}");
    for violation in decision.explained() {
        assert!(violation.events.is_sorted() && !violation.explanation.is_empty(), "{shown}");
        let alone: Vec<Event> = violation.events.iter().map(|index| case.events[*index as usize].clone()).collect();
        if shows_lists(&alone) != shows_lists(&case.events) || looks_like(&alone) != looks_like(&case.events) {
            // What a list is depends on all writes, and the models of sessions read a history without lists in another way.
            continue;
        }
        let generous =
            Case { memory_bytes: 1 << 30, patience: u64::MAX, events: Vec::new(), settings: case.settings.clone() };
        let again = check(model, &records(&alone), &generous);
        assert_eq!(again.outcome(), Outcome::Invalid, "{} alone is no violation: {shown}\n{alone:#?}", violation.kind);
    }
}

/// What the transactions are of.
fn looks_like(events: &[Event]) -> Option<Object> {
    isolation::looks_like(&records(events))
}

/// As the models of sessions see it: an operation by its completion, or what was asked for if there is none.
fn shows_lists(events: &[Event]) -> bool {
    let shows_list = events.iter().any(|event| {
        let is_list = |micro: &Value| micro[0] == "append" || micro[0] == "r" && micro[2].is_array();
        let micros = event.value.as_array();
        let reads = event.kind == EventType::Ok && event.f == "read" && micros.is_some();
        reads || micros.is_some_and(|micros| micros.iter().any(is_list))
    });
    shows_list && !lists_are_values(&records(events))
}
