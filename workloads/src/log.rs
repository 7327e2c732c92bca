//! `log`, and `kafka` as Maelstrom calls it: clients send unique records to logs and poll them, as of Kafka: what was
//! acknowledged is read, once, in one order, without gaps.
//!
//! Jepsen's `kafka` test (Kingsbury, "Redpanda 21.10.1", 2022), in its form:
//!
//! | `f` | value | `ok` |
//! |---|---|---|
//! | `assign` | `["log-0", "log-1"]` | the same: from now on the process polls these logs, each from its beginning |
//! | `send` | `[["send", "log-0", 5]]` | `[["send", "log-0", [7, 5]]]`: it is at offset 7 |
//! | `poll` | `[["poll"]]` | `[["poll", {"log-0": [[6, 4], [7, 5]]}]]`: what comes next in each log; `{}` if nothing does |
//!
//! In `kafka` a process that is assigned logs goes on after what has been committed of them, and after the run
//! `{"seek-to-beginning": ["log-0", "log-1"]}` is assigned. A client commits what it has polled.
//!
//! A poll that does not succeed must leave the process where it was, or be `info`: the process then ends.

use std::collections::BTreeMap;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::client::{Completion, Operation, Outcome};
use crate::key_window::KeyWindow;
use crate::workload::{Invocation, Unique, Visit, Workload, probe_key};

/// What names the logs that a process of `kafka` is to poll from their beginning.
pub const SEEK_TO_BEGINNING: &str = "seek-to-beginning";

/// `send` in half of all operations, `poll` in the other half; a process that has not been assigned the logs in use is
/// assigned them instead.
#[derive(Debug)]
pub struct Log {
    name: &'static str,
    window: KeyWindow,
    unique: Unique,
    /// The logs that were assigned to each process.
    assigned: BTreeMap<u64, Vec<String>>,
}

impl Log {
    /// Logs in use at a time, by default.
    pub const KEYS: u64 = 3;
    /// Records after which a log gives way to a new one, by default.
    pub const RECORDS_PER_KEY: u64 = 500;
    const SEND_PERCENT: u32 = 50;

    /// `keys` logs in use at a time, each for `records_per_key` records; at least one of either.
    pub fn new(keys: u64, records_per_key: u64, unique: Unique) -> Self {
        Self::called("log", keys, records_per_key, unique)
    }

    /// Logs whose offsets are committed.
    pub fn kafka(keys: u64, records_per_key: u64, unique: Unique) -> Self {
        Self::called("kafka", keys, records_per_key, unique)
    }

    fn called(name: &'static str, keys: u64, records_per_key: u64, unique: Unique) -> Self {
        Self { name, window: KeyWindow::new("log", keys, records_per_key), unique, assigned: BTreeMap::new() }
    }

    fn send(key: &str, record: u64) -> Invocation {
        Invocation::without_key("send", json!([["send", key, record]]))
    }

    fn poll() -> Invocation {
        Invocation::without_key("poll", json!([["poll"]]))
    }
}

impl Workload for Log {
    fn name(&self) -> &'static str {
        self.name
    }

    fn functions(&self) -> &'static [&'static str] {
        &["send", "poll", "assign"]
    }

    fn keys(&self) -> Vec<String> {
        self.window.keys()
    }

    fn next(&mut self, rng: &mut ChaCha8Rng, process: u64) -> Invocation {
        if rng.random_ratio(Self::SEND_PERCENT, 100) {
            return Self::send(&self.window.key_to_fill(rng), self.unique.next());
        }
        let in_use = self.window.in_use();
        match self.assigned.get(&process) == Some(&in_use) {
            true => Self::poll(),
            false => Invocation::without_key("assign", in_use),
        }
    }

    fn observe(&mut self, operation: &Operation, completion: &Completion) {
        if let ("assign", Outcome::Ok) = (operation.f, completion.outcome) {
            let logs = operation.value.as_array().into_iter().flatten();
            let logs = logs.filter_map(|log| log.as_str().map(str::to_owned)).collect();
            self.assigned.insert(operation.process, logs);
        }
    }

    fn ended(&mut self, process: u64) {
        self.assigned.remove(&process);
    }

    /// All logs, from their beginning to their end.
    fn final_visits(&self) -> Vec<Visit> {
        let logs = match self.name {
            "kafka" => json!({SEEK_TO_BEGINNING: self.keys()}),
            _ => json!(self.keys()),
        };
        let assign = Invocation::without_key("assign", logs);
        vec![Visit { invocations: vec![assign, Self::poll()], until: Some(returned_nothing) }]
    }

    fn probe(&self, node: &str, number: u64) -> Option<Visit> {
        Some(Visit::once(Self::send(&probe_key(node), number)))
    }
}

/// Whether a poll returned no record.
fn returned_nothing(polled: &Value) -> bool {
    let logs = polled[0][1].as_object();
    logs.is_none_or(|logs| logs.values().all(|records| records.as_array().is_none_or(Vec::is_empty)))
}
