//! One event of a history as it is recorded: one line of JSON, in Jepsen's vocabulary.
//!
//! An operation is an `invoke` and the completion that follows it from the same process: `ok` (it happened), `fail` (it
//! certainly did not), `info` (unknown: it may take effect at any later time, or never). A process that got an `info`
//! never invokes again; its worker continues as a new process.
//!
//! [`Event::phase`] distinguishes the parts of a run: the run itself, `replica` reads of a single node while the healed
//! cluster quiesces, and after that `ring` (each node is asked for the members), `probe` (a write through each node, to
//! a key of its own) and `final` reads through the ordinary client path.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Who did it: a logical single-threaded client (Jepsen's sense), or the nemesis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Process {
    /// A client process; an `info` ends it.
    Client(u64),
    /// The nemesis, which injects the faults. Written as the string `"nemesis"`.
    Nemesis,
}

impl Serialize for Process {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Process::Client(id) => serializer.serialize_u64(*id),
            Process::Nemesis => serializer.serialize_str("nemesis"),
        }
    }
}

impl<'de> Deserialize<'de> for Process {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Process;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a process number or \"nemesis\"")
            }
            fn visit_u64<E: serde::de::Error>(self, id: u64) -> Result<Process, E> {
                Ok(Process::Client(id))
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Process, E> {
                match text {
                    "nemesis" => Ok(Process::Nemesis),
                    other => Err(E::invalid_value(serde::de::Unexpected::Str(other), &self)),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// What an event says about its operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventType {
    /// It begins.
    Invoke,
    /// It happened.
    Ok,
    /// It certainly did not happen.
    Fail,
    /// Unknown; also every nemesis event.
    Info,
}

/// The part of the run an operation belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The workload proper, with faults.
    #[default]
    Main,
    /// A read of a single node after the heal; `value` lists the versions that the node holds.
    Replica,
    /// An ordinary read after the cluster has quiesced (or the time allowed for that is over).
    Final,
    /// After that, one node is asked which members it knows; `f` is `members`, without a workload or a key.
    Ring,
    /// After that, a write to a key of its own shows whether the node serves; without a workload.
    Probe,
}

impl Phase {
    /// Whether this phase belongs to a workload: its main part, and the final reads.
    pub(crate) fn is_of_workload(&self) -> bool {
        matches!(self, Phase::Main | Phase::Final)
    }

    fn is_main(&self) -> bool {
        *self == Phase::Main
    }
}

/// One line of a history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Position in the history, from 0, without gaps.
    pub index: u64,
    /// Nanoseconds since the run began, on the bench's monotonic clock.
    pub time: u64,
    /// The client process, or the nemesis.
    pub process: Process,
    /// Invocation or outcome.
    #[serde(rename = "type")]
    pub kind: EventType,
    /// The function: `read`, `write`, `delete`, `add`, `remove`, `inc`, `dec`, `txn`, `members`;
    /// for the nemesis `plan`, `start-KIND`, `stop-KIND`, `heal`.
    pub f: String,
    /// The key operated on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Argument or result. A read's `ok` carries a list: the elements of a set or cart, the sibling values of a
    /// register (empty = not found), the versions of a `replica` read; of a counter the sum. That of a `txn` is a list
    /// of micro-operations.
    #[serde(default)]
    pub value: Value,
    /// The node that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The workload that the operation belongs to: `set`, `register`, `cart`, `counter`, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// Absent for the run proper.
    #[serde(default, skip_serializing_if = "Phase::is_main")]
    pub phase: Phase,
    /// On the completion of a write: the values that its context covered, that is, the values which its writer had read
    /// and meant to replace. Followed transitively, they are the write's causal past, known without asking the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub past: Option<Vec<Value>>,
    /// Why it was not `ok`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Fields that this version does not know, kept as they were.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Event {
    /// An event with the fields that every event has; `index` is set by the [`Recorder`].
    pub fn new(time: u64, process: Process, kind: EventType, f: impl Into<String>, value: Value) -> Self {
        Self {
            index: 0,
            time,
            process,
            kind,
            f: f.into(),
            key: None,
            value,
            node: None,
            workload: None,
            phase: Phase::Main,
            past: None,
            error: None,
            extra: Map::new(),
        }
    }
}

/// Takes events as they happen, gives them their index, and keeps them (in a file, in memory).
pub trait Recorder {
    /// Records one event; `event.index` is ignored and assigned.
    fn record(&self, event: Event);
}

/// One event as a line of JSON, with its newline.
pub(crate) fn write_line(event: &Event) -> String {
    let mut line =
        serde_json::to_string(event).expect("an event is strings, numbers and JSON values, which always serialise");
    line.push('\n');
    line
}

/// Writes one event as a line, in a single write, so that a kill between two events leaves only whole lines.
///
/// # Errors
/// When the writer fails.
pub fn write_event(to: &mut impl Write, event: &Event) -> io::Result<()> {
    to.write_all(write_line(event).as_bytes())
}
