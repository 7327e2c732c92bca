//! What each operation did to the logs: the records that it sent and polled.

use crate::checks::by_key::unknown_functions;
use crate::history::{Datum, History, Identities, ValueId};

/// A record that was sent, acknowledged or not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    /// Its place in the history.
    pub op: usize,
    /// The log.
    pub key: ValueId,
    /// The record.
    pub value: ValueId,
    /// Where it was put, if that was answered.
    pub offset: Option<i64>,
}

/// Records of one log that one poll returned, in its order.
#[derive(Clone, Debug)]
pub(super) struct Polled {
    /// Its place in the history.
    pub op: usize,
    /// The log.
    pub key: ValueId,
    /// Offset and value of each record.
    pub records: Vec<(i64, ValueId)>,
}

/// One step of a process.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// It sent a record.
    Sent(Sent),
    /// A poll returned records.
    Polled(Polled),
    /// From here on it may read from any place. After `subscribe`, the logs that it reads may change at any time.
    Begins {
        /// Its place in the history.
        op: usize,
        /// Whether another program decides which logs it reads.
        subscribed: bool,
    },
}

/// What an operator asked of the brokers, or what only says something of them.
const BESIDE: [&str; 4] = ["debug-topic-partitions", "commit", "commit-offsets", "list-committed-offsets"];
/// The functions that are known.
const FUNCTIONS: [&str; 10] =
    ["send", "poll", "txn", "assign", "subscribe", "crash", BESIDE[0], BESIDE[1], BESIDE[2], BESIDE[3]];

/// The steps of all operations, in the order of invocation. Keys and values stand for all that equal them.
///
/// # Errors
/// When an operation is none of a log.
pub(super) fn steps(records: &History, same: &mut Identities<'_>) -> Result<Vec<Step>, String> {
    let mut steps = Vec::with_capacity(records.ops.len());
    for (at, op) in records.ops.iter().enumerate() {
        match records.text(op.f) {
            f @ ("send" | "poll" | "txn") => each_part(records, at, f, &mut steps)?,
            "assign" | "crash" => steps.push(Step::Begins { op: at, subscribed: false }),
            "subscribe" => steps.push(Step::Begins { op: at, subscribed: true }),
            other if BESIDE.contains(&other) => {}
            _ => return Err(unknown_functions(records, &FUNCTIONS)),
        }
    }
    for step in &mut steps {
        match step {
            Step::Sent(sent) => (sent.key, sent.value) = (same.of_name(sent.key), same.of(sent.value)),
            Step::Polled(polled) => {
                polled.key = same.of_name(polled.key);
                polled.records.iter_mut().for_each(|(_, value)| *value = same.of(*value));
            }
            Step::Begins { .. } => {}
        }
    }
    Ok(steps)
}

/// The parts of an operation. Only one that is `ok` has an answer; of another only what it was to send counts.
fn each_part(records: &History, at: usize, f: &str, steps: &mut Vec<Step>) -> Result<(), String> {
    let op = &records.ops[at];
    let value = if op.is_ok() && !op.result.is_nil() { op.result } else { op.argument };
    let wrong = |why: &str| {
        let index = records.event_index(op.call);
        format!("the `{f}` at index {index} {why}: {}", records.show(value))
    };
    if let Datum::List(parts) = records.datum(value)
        && parts.iter().all(|part| micro(records, *part).is_some())
    {
        for (f, arguments) in parts.iter().filter_map(|part| micro(records, *part)) {
            match (f, arguments) {
                ("send", &[key, value]) => steps.push(Step::Sent(sent(records, at, key, value))),
                ("poll", []) => {}
                ("poll", [logs]) if op.is_ok() => polled(records, at, *logs, steps).map_err(|why| wrong(&why))?,
                ("poll", [_]) => {}
                _ => return Err(wrong("is neither [send k v] nor [poll {k [[offset v] ...]}]")),
            }
        }
        return Ok(());
    }
    plain(records, at, f, value, steps).map_err(|why| wrong(&why))
}

/// An operation without micro-operations: `send` of a value with the key beside it, `poll` of a map.
fn plain(records: &History, at: usize, f: &str, value: ValueId, steps: &mut Vec<Step>) -> Result<(), String> {
    let op = &records.ops[at];
    match (f, records.datum(value)) {
        ("poll", Datum::Map(_)) if op.is_ok() => polled(records, at, value, steps),
        ("poll", _) if !op.is_ok() || value.is_nil() => Ok(()),
        // Maelstrom and others write one pair of a log and a record.
        ("send", Datum::List(&[key, value])) => {
            steps.push(Step::Sent(sent(records, at, key, value)));
            Ok(())
        }
        _ => Err("is no list of [send k v] and [poll {k [[offset v] ...]}]".to_owned()),
    }
}

/// `["send" k v]` as its function and arguments.
fn micro(records: &History, part: ValueId) -> Option<(&str, &[ValueId])> {
    match records.datum(part) {
        Datum::List([f, arguments @ ..]) => match records.datum(*f) {
            Datum::Text(f @ ("send" | "poll")) => Some((f, arguments)),
            _ => None,
        },
        _ => None,
    }
}

/// A record that was sent; acknowledged, it is `[offset v]`, or just `v` if the offset is not known.
fn sent(records: &History, op: usize, key: ValueId, value: ValueId) -> Sent {
    let answered = records.ops[op].is_ok() && !records.ops[op].result.is_nil();
    let without_offset = Sent { op, key, value, offset: None };
    let Datum::List(&[offset, record]) = records.datum(value) else { return without_offset };
    match records.datum(offset) {
        Datum::Int(offset) if answered => Sent { value: record, offset: Some(offset), ..without_offset },
        Datum::Nil if answered => Sent { value: record, ..without_offset },
        // A record may itself be a list of two.
        _ => without_offset,
    }
}

fn polled(records: &History, op: usize, logs: ValueId, steps: &mut Vec<Step>) -> Result<(), String> {
    let Datum::Map(logs) = records.datum(logs) else {
        return if logs.is_nil() { Ok(()) } else { Err("has a poll that returned no map".to_owned()) };
    };
    for [key, entries] in logs {
        let Datum::List(entries) = records.datum(*entries) else {
            return Err(format!("returned no list of records for the log {}", records.show(*key)));
        };
        let entry = |entry: &ValueId| match records.datum(*entry) {
            Datum::List(&[offset, value]) => match records.datum(offset) {
                Datum::Int(offset) => Ok((offset, value)),
                _ => Err(format!("returned a record whose offset is no integer: {}", records.show(*entry))),
            },
            _ => Err(format!("returned a record that is no [offset v]: {}", records.show(*entry))),
        };
        let entries = entries.iter().map(entry).collect::<Result<Vec<_>, String>>()?;
        steps.push(Step::Polled(Polled { op, key: *key, records: entries }));
    }
    Ok(())
}
