//! Small random histories of sets, lists and registers, by a store that forgets, delays and mixes up.
//!
//! A client's view of a key is made of what was written, of which some is left out. It is what a read shows, and what a
//! write of a register has in its past. Operations of three processes overlap.

use serde_json::{Value, json};

use super::definitions::Store;
use crate::history::{Event, EventType, MemoryRecorder, Phase, Process, Recorder};
use crate::tests::random::Random;

/// A write that was invoked.
struct Written {
    /// None for a delete.
    value: Option<i64>,
    /// What it replaces.
    past: Vec<usize>,
    failed: bool,
}

/// What a worker waits for.
enum Open {
    Write { key: usize, at: usize },
    Read { key: usize },
}

struct Worker {
    process: u64,
    open: Option<Open>,
}

struct Generator {
    draw: Random,
    recorder: MemoryRecorder,
    store: Store,
    time: u64,
    next: i64,
    keys: Vec<Vec<Written>>,
    workers: Vec<Worker>,
    /// How many in a hundred writes a view leaves out.
    forgets: u64,
    /// How many in a hundred operations fail or stay unknown.
    unsure: u64,
    /// Whether there are deletes.
    deletes: bool,
}

const KEYS: [&str; 2] = ["x", "y"];

/// The events of a seed's history.
pub fn events(seed: u64, store: Store) -> Vec<Event> {
    let mut draw = Random(seed);
    let keys = 1 + draw.below(2);
    let workers = 1 + draw.below(3);
    let mut generator = Generator {
        recorder: MemoryRecorder::new(),
        store,
        time: 0,
        next: 1,
        keys: (0..keys).map(|_| Vec::new()).collect(),
        workers: (0..workers).map(|process| Worker { process, open: None }).collect(),
        forgets: [0, 10, 35][draw.below(3) as usize],
        unsure: [0, 20, 45][draw.below(3) as usize],
        deletes: draw.chance(50),
        draw,
    };
    generator.main();
    generator.end();
    generator.recorder.events()
}

impl Generator {
    fn record(
        &mut self,
        process: u64,
        kind: EventType,
        f: &str,
        key: usize,
        value: Value,
        change: impl FnOnce(&mut Event),
    ) {
        self.time += 1_000_000;
        let (f, value) = match (self.store, f) {
            (Store::List, "read") => ("txn", json!([["r", KEYS[key], value]])),
            (Store::List, _) => ("txn", json!([["append", KEYS[key], value]])),
            _ => (f, value),
        };
        let mut event = Event::new(self.time, Process::Client(process), kind, f, value);
        event.key = Some(KEYS[key].to_owned());
        event.workload = Some(self.workload().to_owned());
        change(&mut event);
        self.recorder.record(event);
    }

    fn workload(&self) -> &'static str {
        match self.store {
            Store::Set => "set",
            Store::List => "list-append",
            Store::Siblings | Store::OneWins => "register",
        }
    }

    fn is_register(&self) -> bool {
        matches!(self.store, Store::Siblings | Store::OneWins)
    }

    fn main(&mut self) {
        let mut left = 4 + self.draw.below(11);
        loop {
            let worker = self.draw.below(self.workers.len() as u64) as usize;
            match self.workers[worker].open.is_some() {
                true => self.complete(worker),
                false if left > 0 => {
                    left -= 1;
                    self.invoke(worker);
                    // Most operations do not overlap.
                    if self.draw.chance(60) {
                        self.complete(worker);
                    }
                }
                false if self.workers.iter().all(|worker| worker.open.is_none()) || self.draw.chance(10) => return,
                false => {}
            }
        }
    }

    fn invoke(&mut self, worker: usize) {
        let (key, process) = (self.draw.below(self.keys.len() as u64) as usize, self.workers[worker].process);
        if self.draw.chance(50) {
            self.workers[worker].open = Some(Open::Read { key });
            return self.record(process, EventType::Invoke, "read", key, Value::Null, |_| {});
        }
        let deletes = self.is_register() && self.deletes && self.draw.chance(25);
        let value = (!deletes).then_some(self.next);
        self.next += 1;
        let past = if self.is_register() { self.view(key) } else { Vec::new() };
        self.keys[key].push(Written { value, past, failed: false });
        self.workers[worker].open = Some(Open::Write { key, at: self.keys[key].len() - 1 });
        self.record(process, EventType::Invoke, self.verb(deletes), key, json!(value), |_| {});
    }

    fn verb(&self, deletes: bool) -> &'static str {
        match (self.is_register(), deletes) {
            (true, true) => "delete",
            (true, false) => "write",
            (false, _) => "add",
        }
    }

    fn complete(&mut self, worker: usize) {
        let process = self.workers[worker].process;
        let kind = match self.draw.below(100) {
            lot if lot < self.unsure / 3 => EventType::Fail,
            lot if lot < self.unsure => EventType::Info,
            _ => EventType::Ok,
        };
        match self.workers[worker].open.take() {
            Some(Open::Read { key }) if kind == EventType::Ok => self.show(process, key, Phase::Main),
            Some(Open::Read { key }) => self.record(process, kind, "read", key, Value::Null, |_| {}),
            Some(Open::Write { key, at }) => self.written(process, kind, key, at),
            None => return,
        }
        if kind == EventType::Info {
            self.workers[worker].process += 3;
        }
    }

    fn written(&mut self, process: u64, kind: EventType, key: usize, at: usize) {
        // Now and then a past names what came meanwhile.
        if self.is_register() && self.draw.chance(8) {
            let more: Vec<usize> = self.view(key).into_iter().filter(|write| *write != at).collect();
            self.keys[key][at].past.extend(more);
        }
        let recorded = self.is_register() && self.draw.chance(if kind == EventType::Ok { 90 } else { 35 });
        let Written { value, past, failed } = &mut self.keys[key][at];
        *failed = kind == EventType::Fail;
        if kind == EventType::Ok && !recorded {
            // An acknowledged write that names nothing has replaced nothing.
            past.clear();
        }
        let (value, past) = (*value, past.clone());
        let past: Vec<Value> =
            past.iter().filter_map(|write| self.keys[key][*write].value).map(|one| json!(one)).collect();
        let f = self.verb(value.is_none());
        self.record(process, kind, f, key, json!(value), |event| event.past = recorded.then_some(past));
    }

    /// What a right store would hold, or nearly.
    fn view(&mut self, key: usize) -> Vec<usize> {
        let count = self.keys[key].len();
        let has: Vec<usize> = (0..count)
            .filter(|at| {
                let chance = if self.keys[key][*at].failed { 4 } else { 100 - self.forgets };
                self.draw.chance(chance)
            })
            .collect();
        let mut replaced: Vec<usize> = Vec::new();
        let mut open: Vec<usize> = has.iter().flat_map(|at| self.keys[key][*at].past.clone()).collect();
        while let Some(at) = open.pop() {
            if !replaced.contains(&at) {
                replaced.push(at);
                open.extend(&self.keys[key][at].past);
            }
        }
        let back = self.draw.chance(8);
        has.into_iter().filter(|at| (back || !replaced.contains(at)) && self.keys[key][*at].value.is_some()).collect()
    }

    /// Completes a read.
    fn show(&mut self, process: u64, key: usize, phase: Phase) {
        let view = self.view(key);
        let mut shown: Vec<i64> = view.iter().filter_map(|at| self.keys[key][*at].value).collect();
        if self.draw.chance(1) {
            shown.push(900 + self.next);
        }
        if let Some(first) = shown.first().copied().filter(|_| self.draw.chance(3)) {
            shown.push(first);
        }
        if shown.len() > 1 && self.draw.chance(25) {
            let at = self.draw.below(shown.len() as u64 - 1) as usize;
            shown.swap(at, at + 1);
        }
        self.record(process, EventType::Ok, "read", key, json!(shown), |event| event.phase = phase);
    }

    /// Final reads, of each key by processes of their own.
    fn end(&mut self) {
        let finals = if self.draw.chance(30) { 2 } else { 0 };
        for process in 1000..1000 + finals {
            for key in 0..self.keys.len() {
                self.record(process, EventType::Invoke, "read", key, Value::Null, |event| event.phase = Phase::Final);
                self.show(process, key, Phase::Final);
            }
        }
    }
}
