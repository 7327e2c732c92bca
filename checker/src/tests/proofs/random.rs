//! Random histories of one workload: a store that forgets, delays and invents, with nodes that are killed and do not serve.
//!
//! What a client sees begins with what was written, of which some is left out, doubled or made up. So most properties break
//! in most histories, and each in all its ways in some hundred.

use serde_json::{Value, json};

use crate::history::{Event, EventType, MemoryRecorder, Phase, Process, Recorder};

const WORKLOADS: [&str; 6] = ["set", "register", "cart", "counter", "list-append", "rw-register"];
const KEYS: [&str; 2] = ["x", "y"];
const NODES: u64 = 3;

/// A small generator, the same on every machine (Marsaglia's xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
}

/// A write that was invoked.
#[derive(Clone)]
struct Written {
    value: i64,
    process: u64,
    failed: bool,
    /// Values of a register that it replaced; a write of unknown outcome may not report them.
    past: Vec<i64>,
}

/// What clients did to a key.
#[derive(Clone, Default)]
struct Key {
    writes: Vec<Written>,
    removed: Vec<i64>,
    /// What a crash took.
    lost: Vec<i64>,
}

struct Teller {
    random: Random,
    recorder: MemoryRecorder,
    workload: &'static str,
    time: u64,
    next: i64,
    keys: [Key; 2],
    /// The processes of the workers, which an `info` ends.
    processes: [u64; 3],
    /// How many in a hundred elements a read leaves out.
    forgets: u64,
}

/// The history of a seed.
pub fn history(seed: u64) -> Vec<Event> {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    (0..8).for_each(|_| {
        random.below(2);
    });
    let forgets = [5, 15, 30][random.below(3) as usize];
    let workload = WORKLOADS[seed as usize % WORKLOADS.len()];
    let recorder = MemoryRecorder::new();
    let (keys, processes) = (Default::default(), [0, 1, 2]);
    let mut teller = Teller { random, recorder, workload, time: 0, next: 1, keys, processes, forgets };
    teller.main();
    teller.end();
    teller.recorder.into_events()
}

impl Teller {
    fn record(&mut self, event: Event) {
        self.time += 1_000_000;
        self.recorder.record(Event { time: self.time, ..event });
    }

    fn client(&self, process: u64, kind: EventType, f: &str, key: usize, value: Value) -> Event {
        let mut event = Event::new(0, Process::Client(process), kind, f, value);
        event.key = Some(KEYS[key].to_owned());
        event.workload = Some(self.workload.to_owned());
        event.node = Some(format!("n{}", process % NODES + 1));
        event
    }

    fn main(&mut self) {
        let steps = 10 + self.random.below(25);
        for _ in 0..steps {
            let (worker, key) = (self.random.below(3) as usize, self.random.below(2) as usize);
            match self.random.below(20) {
                0 => {
                    let value = json!({"fault": self.time, "detail": "", "nodes": ["n1"]});
                    self.record(Event::new(0, Process::Nemesis, EventType::Info, "start-kill", value));
                    if self.random.percent(40) {
                        let lost = &mut self.keys[key];
                        lost.lost = lost.writes.iter().map(|write| write.value).collect();
                    }
                }
                1..=9 => self.write(worker, key),
                10 if self.workload == "register" || self.workload == "cart" => self.remove(worker, key),
                _ => self.read(self.processes[worker], key, Phase::Main, 0),
            }
        }
    }

    /// Ends an operation: it fails or is left open now and then.
    fn outcome(&mut self, worker: usize) -> EventType {
        match self.random.below(12) {
            0 => EventType::Fail,
            1 => {
                self.processes[worker] += 3;
                EventType::Info
            }
            _ => EventType::Ok,
        }
    }

    fn write(&mut self, worker: usize, key: usize) {
        let (process, value) = (self.processes[worker], self.next);
        let by = 1 + self.random.below(3) as i64;
        let (f, argument) = match self.workload {
            "set" | "cart" => ("add", json!(value)),
            "register" => ("write", json!(value)),
            "counter" => (["inc", "dec"][self.random.below(2) as usize], json!(by)),
            "list-append" => ("txn", json!([["append", KEYS[key], value]])),
            _ => ("txn", json!([["w", KEYS[key], value]])),
        };
        self.next += 1;
        let past = self.state(key);
        let past: Vec<i64> = past.into_iter().filter(|_| self.random.percent(60)).collect();
        self.record(self.client(process, EventType::Invoke, f, key, argument.clone()));
        if self.random.percent(15) {
            let other = self.processes[(worker + 1) % 3];
            self.read(other, key, Phase::Main, 0);
        }
        let kind = self.outcome(worker);
        let mut event = self.client(process, kind, f, key, argument);
        let has_past = kind == EventType::Ok || self.random.percent(50);
        if self.is_register() && has_past {
            event.past = Some(past.iter().map(|value| json!(value)).collect());
        }
        self.record(event);
        let value = if self.workload == "counter" { by * if f == "inc" { 1 } else { -1 } } else { value };
        let past = if has_past { past } else { Vec::new() };
        self.keys[key].writes.push(Written { value, process, failed: kind == EventType::Fail, past });
    }

    fn is_register(&self) -> bool {
        matches!(self.workload, "register" | "rw-register")
    }

    /// A delete of a register, a removal of an item.
    fn remove(&mut self, worker: usize, key: usize) {
        let process = self.processes[worker];
        let state = self.state(key);
        let Some(first) = state.first().copied() else { return };
        let (f, argument) = if self.workload == "cart" { ("remove", json!(first)) } else { ("delete", Value::Null) };
        self.record(self.client(process, EventType::Invoke, f, key, argument.clone()));
        let kind = self.outcome(worker);
        let mut event = self.client(process, kind, f, key, argument);
        if self.workload == "register" {
            event.past = Some(state.iter().map(|value| json!(value)).collect());
        }
        self.record(event);
        let gone = if self.workload == "register" { state } else { vec![first] };
        self.keys[key].removed.extend(gone);
    }

    /// What a right store would show, or nearly: what later writes have replaced is gone now and then only.
    fn state(&mut self, key: usize) -> Vec<i64> {
        let Key { writes, removed, lost } = self.keys[key].clone();
        let (is_register, back) = (self.is_register(), self.random.percent(12));
        let replaced = |value: &i64| is_register && !back && writes.iter().any(|write| write.past.contains(value));
        let mut state: Vec<i64> = Vec::new();
        for write in writes.iter().filter(|write| !replaced(&write.value)) {
            let gone = lost.contains(&write.value) || (removed.contains(&write.value) && self.random.percent(85));
            let there = if write.failed { 6 } else { 100 - self.forgets };
            if !gone && self.random.percent(there) {
                state.push(write.value);
            }
        }
        state
    }

    /// What a read shows: the state, now and then with a value made up or listed twice.
    fn shown(&mut self, key: usize) -> Vec<i64> {
        let mut shown = self.state(key);
        if self.random.percent(3) {
            shown.push(900 + self.next);
        }
        if let Some(first) = shown.first().copied().filter(|_| self.random.percent(4)) {
            shown.push(first);
        }
        if self.workload == "list-append" && shown.len() > 1 && self.random.percent(8) {
            shown.swap(0, 1);
        }
        shown
    }

    /// By process, what of its changes is in the sum: the first few.
    fn parts(&mut self, key: usize) -> Value {
        let mut parts = serde_json::Map::new();
        let writes = self.keys[key].writes.clone();
        for process in 0..64 {
            let of = |write: &&Written| write.process == process && !write.failed;
            let mut own: Vec<i64> = writes.iter().filter(of).map(|write| write.value).collect();
            if self.random.percent(self.forgets + 10) {
                own.pop();
            }
            if self.random.percent(3) && !own.is_empty() {
                let failed = writes.iter().filter(|write| write.process == process && write.failed);
                own.extend(failed.map(|write| write.value).take(1));
            }
            let (up, down) = own.iter().fold((0, 0), |(up, down), by| (up + by.max(&0), down - by.min(&0)));
            if up + down > 0 {
                parts.insert(process.to_string(), json!([up, down]));
            }
        }
        Value::Object(parts)
    }

    fn read(&mut self, process: u64, key: usize, phase: Phase, round: u64) {
        let is_txn = matches!(self.workload, "list-append" | "rw-register") && phase != Phase::Replica;
        let (f, argument) = match is_txn {
            true => ("txn", json!([["r", KEYS[key], null]])),
            false => ("read", Value::Null),
        };
        let kind = if self.random.percent(4) { EventType::Fail } else { EventType::Ok };
        for kind in [EventType::Invoke, kind] {
            let mut event = self.client(process, kind, f, key, argument.clone());
            event.phase = phase;
            if phase == Phase::Replica {
                event.extra.insert("round".to_owned(), json!(round));
            }
            if kind == EventType::Ok {
                self.fill(&mut event, key);
            }
            self.record(event);
        }
    }

    /// What a read that succeeds returns.
    fn fill(&mut self, event: &mut Event, key: usize) {
        if self.workload == "counter" {
            let parts = self.parts(key);
            let sum = |part: &Value| part[0].as_i64().unwrap_or(0) - part[1].as_i64().unwrap_or(0);
            let wrong = if self.random.percent(6) { self.random.below(15) as i64 - 7 } else { 0 };
            let total = parts.as_object().map_or(0, |parts| parts.values().map(sum).sum::<i64>()) + wrong;
            event.value = match event.phase {
                Phase::Replica => json!([{"id": "a", "value": parts}]),
                _ => json!(total),
            };
            event.extra.insert("parts".to_owned(), parts);
            return;
        }
        let shown = self.shown(key);
        event.value = match (event.phase, self.workload) {
            (Phase::Replica, "register" | "rw-register") => shown.iter().map(|value| self.version(*value)).collect(),
            (Phase::Replica, _) => json!([{"id": format!("{shown:?}"), "value": shown}]),
            (_, "list-append") => json!([["r", KEYS[key], shown]]),
            (_, "rw-register") => match &shown[..] {
                [] => json!([["r", KEYS[key], null]]),
                [value] => json!([["r", KEYS[key], value]]),
                _ => json!([["r", KEYS[key], shown]]),
            },
            _ => json!(shown),
        };
    }

    /// A version that a replica holds; two writes are one now and then, and one is two.
    fn version(&mut self, value: i64) -> Value {
        let id = if self.random.percent(4) { 77 } else { value };
        json!({"id": format!("v{id}"), "value": value})
    }

    /// What is asked after the heal.
    fn end(&mut self) {
        self.record(Event::new(0, Process::Nemesis, EventType::Info, "heal", Value::Null));
        let with_finals = self.random.percent(80);
        self.round(1);
        self.round(2);
        self.after_rest();
        if with_finals {
            for node in 0..NODES {
                (0..2).for_each(|key| self.read(1_000_002 + node, key, Phase::Final, 0));
            }
            self.round(3);
        }
    }

    fn round(&mut self, round: u64) {
        for node in 0..NODES {
            (0..2).for_each(|key| self.read(1_000_002 + node, key, Phase::Replica, round));
        }
    }

    /// Nodes are asked who the members are, and written to.
    fn after_rest(&mut self) {
        for (phase, f) in [(Phase::Ring, "members"), (Phase::Probe, "write"), (Phase::Probe, "write")] {
            for node in 0..NODES {
                let fails = self.random.percent(20);
                let kind = if fails { EventType::Fail } else { EventType::Ok };
                let said = if self.random.percent(20) { json!(["n1"]) } else { json!(["n1", "n2"]) };
                for kind in [EventType::Invoke, kind] {
                    let process = Process::Client(2_000_000 + node);
                    let mut event = Event::new(0, process, kind, f, said.clone());
                    event.phase = phase;
                    event.node = Some(format!("n{node}"));
                    event.key = (phase == Phase::Probe).then(|| format!("probe-n{node}"));
                    self.record(event);
                }
            }
        }
    }
}
