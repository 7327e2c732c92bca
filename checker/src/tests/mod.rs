//! Tests on handcrafted histories, made with a small builder: each event is a millisecond after the one before.

use serde_json::{Value, json};

use crate::CheckName;
use crate::history::{Event, EventType, History, MemoryRecorder, Phase, Process, Recorder};
use crate::limits::Limits;
use crate::verdict::{Anomaly, Outcome, PropertyResult, Verdict};
use crate::{Claims, ConcurrentWrites};

mod availability;
mod cart;
mod causal;
mod convergence;
mod counter;
mod definitions;
mod durability;
mod faults;
mod foreign_faults;
mod formats;
mod harvest;
mod history;
mod inputs;
mod linearizability;
mod lint;
mod logs;
mod lost_writes;
mod minimal;
mod monotonic_reads;
mod proofs;
mod properties;
pub(crate) mod random;
mod read_your_writes;
mod reading;
mod records;
mod register;
mod registry;
mod resurrection;
mod ring_agreement;
mod semantics;
mod serializability;
mod session_engines;
mod session_order;
mod siblings;
mod values;
mod verdicts;
mod visibility;

/// A history in the making, of one workload at a time.
pub struct Story {
    recorder: MemoryRecorder,
    workload: &'static str,
    time_ms: u64,
}

impl Story {
    pub fn new(workload: &'static str) -> Self {
        Self { recorder: MemoryRecorder::new(), workload, time_ms: 0 }
    }

    pub fn events(&self) -> Vec<Event> {
        self.recorder.events()
    }

    pub fn history(&self) -> History {
        of(&self.events())
    }

    /// Goes on with another workload.
    pub fn workload(&mut self, workload: &'static str) -> &mut Self {
        self.workload = workload;
        self
    }

    /// Jumps to a time, in ms.
    pub fn at(&mut self, time_ms: u64) -> &mut Self {
        self.time_ms = time_ms;
        self
    }

    fn event(&mut self, process: Process, kind: EventType, f: &str, value: Value) -> Event {
        self.time_ms += 1;
        Event::new(self.time_ms * 1_000_000, process, kind, f, value)
    }

    fn client(&mut self, process: u64, kind: EventType, f: &str, key: &str, value: Value) -> Event {
        let mut event = self.event(Process::Client(process), kind, f, value);
        event.key = Some(key.to_owned());
        event.workload = Some(self.workload.to_owned());
        event.node = Some(format!("n{}", process % 5 + 1));
        event
    }

    pub fn invoke(&mut self, process: u64, f: &str, key: &str, value: Value) -> &mut Self {
        let event = self.client(process, EventType::Invoke, f, key, value);
        self.recorder.record(event);
        self
    }

    pub fn complete(&mut self, process: u64, kind: EventType, f: &str, key: &str, value: Value) -> &mut Self {
        let event = self.client(process, kind, f, key, value);
        self.recorder.record(event);
        self
    }

    fn operation(&mut self, process: u64, kind: EventType, f: &str, key: &str, value: i64) -> &mut Self {
        self.invoke(process, f, key, json!(value)).complete(process, kind, f, key, json!(value))
    }

    pub fn add(&mut self, process: u64, key: &str, value: i64) -> &mut Self {
        self.operation(process, EventType::Ok, "add", key, value)
    }

    pub fn add_fail(&mut self, process: u64, key: &str, value: i64) -> &mut Self {
        self.operation(process, EventType::Fail, "add", key, value)
    }

    /// Ends the process.
    pub fn add_info(&mut self, process: u64, key: &str, value: i64) -> &mut Self {
        self.operation(process, EventType::Info, "add", key, value)
    }

    pub fn remove(&mut self, process: u64, kind: EventType, key: &str, value: i64) -> &mut Self {
        self.operation(process, kind, "remove", key, value)
    }

    /// A write of a register that replaced `past`; `None` leaves that unknown.
    pub fn write(&mut self, process: u64, kind: EventType, key: &str, value: i64, past: Option<&[i64]>) -> &mut Self {
        self.invoke(process, "write", key, json!(value));
        let mut event = self.client(process, kind, "write", key, json!(value));
        event.past = past.map(|past| past.iter().map(|value| json!(value)).collect());
        self.recorder.record(event);
        self
    }

    pub fn write_ok(&mut self, process: u64, key: &str, value: i64, past: &[i64]) -> &mut Self {
        self.write(process, EventType::Ok, key, value, Some(past))
    }

    /// A delete of a register that replaced `past`; `None` leaves that unknown.
    pub fn delete(&mut self, process: u64, kind: EventType, key: &str, past: Option<&[i64]>) -> &mut Self {
        self.invoke(process, "delete", key, Value::Null);
        let mut event = self.client(process, kind, "delete", key, Value::Null);
        event.past = past.map(|past| past.iter().map(|value| json!(value)).collect());
        self.recorder.record(event);
        self
    }

    pub fn delete_ok(&mut self, process: u64, key: &str, past: &[i64]) -> &mut Self {
        self.delete(process, EventType::Ok, key, Some(past))
    }

    pub fn read(&mut self, process: u64, key: &str, elements: &[i64]) -> &mut Self {
        self.invoke(process, "read", key, Value::Null).complete(process, EventType::Ok, "read", key, json!(elements))
    }

    /// A read of a counter that shows a sum, made of parts: process, what it added, what it subtracted.
    pub fn sum(&mut self, process: u64, key: &str, parts: &[(u64, u64, u64)]) -> &mut Self {
        self.invoke(process, "read", key, Value::Null);
        let event = self.client(process, EventType::Ok, "read", key, Value::Null);
        self.recorder.record(counted(event, parts));
        self
    }

    /// The same, as a final read through node n`node`.
    pub fn final_sum(&mut self, node: u64, key: &str, parts: &[(u64, u64, u64)]) -> &mut Self {
        for kind in [EventType::Invoke, EventType::Ok] {
            let mut event = self.client(1000 + node - 1, kind, "read", key, Value::Null);
            event.phase = Phase::Final;
            self.recorder.record(if kind == EventType::Ok { counted(event, parts) } else { event });
        }
        self
    }

    /// A transaction of one micro-operation: function, argument, result.
    pub fn txn(
        &mut self,
        process: u64,
        kind: EventType,
        key: &str,
        f: &str,
        argument: Value,
        result: Value,
    ) -> &mut Self {
        self.invoke(process, "txn", key, json!([[f, key, argument]]));
        self.complete(process, kind, "txn", key, json!([[f, key, result]]))
    }

    /// A read of the given phase through node n`node`, by a process of its own. `Err` records a `fail`.
    fn phased(&mut self, phase: Phase, round: Option<u64>, node: u64, key: &str, value: Result<Value, &str>) {
        let process = 1000 + node - 1;
        let (kind, value, error) = match value {
            Ok(value) => (EventType::Ok, value, None),
            Err(error) => (EventType::Fail, Value::Null, Some(error.to_owned())),
        };
        for (kind, value) in [(EventType::Invoke, Value::Null), (kind, value)] {
            let mut event = self.client(process, kind, "read", key, value);
            event.phase = phase;
            event.error = error.clone().filter(|_| kind == EventType::Fail);
            event.extra.extend(round.map(|round| ("round".to_owned(), json!(round))));
            self.recorder.record(event);
        }
    }

    pub fn final_read(&mut self, node: u64, key: &str, elements: &[i64]) -> &mut Self {
        self.phased(Phase::Final, None, node, key, Ok(json!(elements)));
        self
    }

    pub fn final_read_fails(&mut self, node: u64, key: &str) -> &mut Self {
        self.phased(Phase::Final, None, node, key, Err("time-out"));
        self
    }

    /// A replica that holds these versions: identity and value.
    pub fn replica(&mut self, round: u64, node: u64, key: &str, versions: &[(&str, Value)]) -> &mut Self {
        let versions: Vec<Value> = versions.iter().map(|(id, value)| json!({"id": id, "value": value})).collect();
        self.phased(Phase::Replica, Some(round), node, key, Ok(json!(versions)));
        self
    }

    pub fn replica_fails(&mut self, round: u64, node: u64, key: &str) -> &mut Self {
        self.phased(Phase::Replica, Some(round), node, key, Err("connection refused"));
        self
    }

    /// A question of no workload to node n`node`, by a process of its own.
    pub fn after_rest(&mut self, phase: Phase, node: u64, f: &str, value: Result<Value, &str>) -> &mut Self {
        let (kind, value, error) = match value {
            Ok(value) => (EventType::Ok, value, None),
            Err(error) => (EventType::Fail, Value::Null, Some(error.to_owned())),
        };
        for (kind, value) in [(EventType::Invoke, Value::Null), (kind, value)] {
            let mut event = self.event(Process::Client(2000 + node), kind, f, value);
            event.node = Some(format!("n{node}"));
            event.key = (phase == Phase::Probe).then(|| format!("probe-n{node}"));
            event.phase = phase;
            event.error = error.clone().filter(|_| kind == EventType::Fail);
            self.recorder.record(event);
        }
        self
    }

    pub fn nemesis(&mut self, f: &str, value: Value) -> &mut Self {
        let event = self.event(Process::Nemesis, EventType::Info, f, value);
        self.recorder.record(event);
        self
    }

    pub fn start(&mut self, fault: u64, kind: &str, nodes: &[&str]) -> &mut Self {
        self.nemesis(&format!("start-{kind}"), json!({"fault": fault, "detail": nodes.join(" "), "nodes": nodes}))
    }

    pub fn stop(&mut self, fault: u64, kind: &str) -> &mut Self {
        self.nemesis(&format!("stop-{kind}"), json!({"fault": fault, "proved": true, "evidence": "seen"}))
    }

    pub fn heal(&mut self) -> &mut Self {
        self.nemesis("heal", Value::Null)
    }

    /// The verdict where everything is claimed. Its anomalies are proved.
    pub fn verdict(&self) -> Verdict {
        self.judged(ConcurrentWrites::Kept)
    }

    fn judged(&self, concurrent_writes: ConcurrentWrites) -> Verdict {
        let (history, options) = (self.history(), claiming_all(concurrent_writes));
        let verdict = check(&history, &options);
        proofs::assert_proved(&self.events(), &verdict, &options);
        verdict
    }

    /// One property of the only workload.
    pub fn result(&self, property: CheckName) -> PropertyResult {
        result(self.verdict(), property)
    }

    /// One property of the only workload, where one of concurrent writes wins.
    pub fn result_one_wins(&self, property: CheckName) -> PropertyResult {
        result(self.judged(ConcurrentWrites::OneWins), property)
    }
}

/// Judges within the usual limits.
pub fn check(history: &History, claims: &Claims) -> Verdict {
    crate::check(history, claims, &Limits::default())
}

/// The history of events.
pub fn of(events: &[Event]) -> History {
    History::of_events(events).expect("a test has a well-formed history")
}

fn counted(mut event: Event, parts: &[(u64, u64, u64)]) -> Event {
    let part = |(process, up, down): &(u64, u64, u64)| (process.to_string(), json!([up, down]));
    event.value = json!(parts.iter().map(|(_, up, down)| *up as i64 - *down as i64).sum::<i64>());
    event.extra.insert("parts".to_owned(), Value::Object(parts.iter().map(part).collect()));
    event
}

pub fn claiming_all(concurrent_writes: ConcurrentWrites) -> Claims {
    Claims { concurrent_writes, ..Claims::of_all(CheckName::measured(), "all") }
}

fn result(verdict: Verdict, property: CheckName) -> PropertyResult {
    verdict.properties.into_iter().find(|found| found.property == property).expect("every workload has every property")
}

impl PropertyResult {
    pub(super) fn figure(&self, name: &str) -> f64 {
        *self.figures.get(name).unwrap_or_else(|| panic!("no figure {name} in {:?}", self.figures))
    }

    pub(super) fn kinds(&self) -> Vec<&str> {
        self.anomalies.iter().map(|anomaly| anomaly.kind.as_str()).collect()
    }

    /// The outcome is this one, and the only anomaly is of that kind.
    pub(super) fn sole(&self, outcome: Outcome, kind: &str) -> &Anomaly {
        assert_eq!((self.outcome, self.kinds()), (outcome, vec![kind]), "{self:#?}");
        &self.anomalies[0]
    }

    pub(super) fn is_valid(&self) {
        assert_eq!((self.outcome, self.kinds()), (Outcome::Valid, vec![]), "{self:#?}");
    }

    /// Undecided, with a summary that says so.
    pub(super) fn is_inconclusive(&self, because: &str) {
        assert_eq!(self.outcome, Outcome::Inconclusive, "{self:#?}");
        assert!(self.summary.contains(because), "{self:#?}");
    }
}
