//! What is at each offset of each log, from all acknowledgements and polls together.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use rustc_hash::FxHashMap;

use super::steps::{Polled, Sent, Step};
use crate::checks::by_key::elements;
use crate::finding::{Draft, Finding};
use crate::history::{History, Identities, Kind, ValueId};
use crate::limits::Limits;

/// A record at its place.
#[derive(Clone, Copy, Debug)]
struct Placed {
    value: ValueId,
    /// The operation that showed it first, that is, that completed first: an acknowledged send, or a poll.
    shown_by: usize,
    /// The first poll that returned it.
    polled_by: Option<usize>,
    /// The first acknowledged send of it.
    acknowledged_by: Option<usize>,
}

/// The log of one key.
#[derive(Debug, Default)]
struct Log {
    /// By offset. Where operations contradict one another, the first counts.
    entries: BTreeMap<i64, Placed>,
    /// Operations that show another value at an offset than the first did: offset, value, operation.
    contradictions: Vec<(i64, ValueId, usize)>,
    /// The sends of each value.
    sends: FxHashMap<ValueId, Vec<Sent>>,
    /// How often the log began with a value, at whatever offset.
    initial: FxHashMap<ValueId, usize>,
}

/// The logs of all keys.
pub(super) struct Contents<'r> {
    records: &'r History,
    logs: BTreeMap<ValueId, Log>,
    /// How many sends were acknowledged.
    acknowledged: u64,
    /// How many records were polled, each as often as it was.
    polled: u64,
}

impl<'r> Contents<'r> {
    /// Of a history, whose values stand for all that equal them.
    ///
    /// # Errors
    /// When a log begins with something that is no list of records.
    pub(super) fn new(records: &'r History, steps: &[Step], same: &mut Identities<'_>) -> Result<Self, String> {
        let mut contents = Self { records, logs: BTreeMap::new(), acknowledged: 0, polled: 0 };
        for step in steps {
            match step {
                Step::Sent(sent) => contents.sent(sent, same)?,
                Step::Polled(polled) => contents.polled(polled, same)?,
                Step::Begins { .. } => {}
            }
        }
        Ok(contents)
    }

    fn log(&mut self, key: ValueId, same: &mut Identities<'_>) -> Result<&mut Log, String> {
        match self.logs.entry(key) {
            Entry::Occupied(log) => Ok(log.into_mut()),
            Entry::Vacant(new) => Ok(new.insert(Log::new(self.records, key, same)?)),
        }
    }

    fn sent(&mut self, sent: &Sent, same: &mut Identities<'_>) -> Result<(), String> {
        let is_ok = self.records.ops[sent.op].is_ok();
        self.acknowledged += u64::from(is_ok);
        let records = self.records;
        let log = self.log(sent.key, same)?;
        log.sends.entry(sent.value).or_default().push(*sent);
        if let Some(offset) = sent.offset.filter(|_| is_ok) {
            log.show(records, offset, sent.value, sent.op, false);
        }
        Ok(())
    }

    fn polled(&mut self, polled: &Polled, same: &mut Identities<'_>) -> Result<(), String> {
        self.polled += polled.records.len() as u64;
        let records = self.records;
        let log = self.log(polled.key, same)?;
        for (offset, value) in &polled.records {
            log.show(records, *offset, *value, polled.op, true);
        }
        Ok(())
    }

    /// A record that the log has strictly between two offsets, and an operation that shows it. Records whose every
    /// send failed do not count: to skip them is right.
    pub(super) fn between(&self, key: ValueId, from: i64, to: i64) -> Option<(i64, ValueId, usize)> {
        let log = self.logs.get(&key)?;
        let mut inside = log.entries.range(from.saturating_add(1)..to);
        let (offset, entry) = inside.find(|(_, entry)| !log.is_aborted(self.records, entry.value))?;
        Some((*offset, entry.value, entry.shown_by))
    }

    /// Judges what does not depend on the order of operations.
    pub(super) fn judge(&self, limits: &Limits<'_>, finding: &mut Finding) {
        for (key, log) in &self.logs {
            self.contradictions(*key, log, limits, finding);
            self.writers(*key, log, limits, finding);
            self.lost(*key, log, limits, finding);
        }
    }

    fn contradictions(&self, key: ValueId, log: &Log, limits: &Limits<'_>, finding: &mut Finding) {
        let records = self.records;
        for (offset, value, op) in &log.contradictions {
            let first = log.entries[offset];
            violated(records, key, "inconsistent-offsets", [first.shown_by, *op], limits, finding, || {
                let (one, other) = (records.show(first.value), records.show(*value));
                format!("The log {} has two records at offset {offset}: {one} and {other}.", records.show(key))
            });
        }
    }

    /// Each record that is in the log was sent before it was shown, and is there no more often than it may have been sent by
    /// then. The places of equal records, in the order in which they were shown, are compared with their sends in the order of
    /// invocation: if that pairs no send with a place, nothing does.
    fn writers(&self, key: ValueId, log: &Log, limits: &Limits<'_>, finding: &mut Finding) {
        let records = self.records;
        let mut places: BTreeMap<ValueId, Vec<(i64, usize)>> = BTreeMap::new();
        for (offset, entry) in &log.entries {
            places.entry(entry.value).or_default().push((*offset, entry.shown_by));
        }
        for (value, mut places) in places {
            places.sort_unstable_by_key(|(offset, by)| (records.ops[*by].ret, *offset));
            let sends = log.sends.get(&value).map(Vec::as_slice).unwrap_or_default();
            let possible: Vec<usize> =
                sends.iter().map(|sent| sent.op).filter(|op| records.ops[*op].may_have_happened()).collect();
            let at_first = log.initial.get(&value).copied().unwrap_or_default();
            let is_sent = |(number, (_, by)): &(usize, &(i64, usize))| {
                *number < at_first || possible.get(number - at_first).is_some_and(|sent| records.may_show(*by, *sent))
            };
            let Some((number, (offset, by))) = places.iter().enumerate().find(|place| !is_sent(place)) else {
                continue;
            };
            if number > 0 {
                let (sent, begun) = (&possible[..number - at_first], (at_first, possible.len()));
                self.duplicate((key, value), &places[..=number], sent, begun, limits, finding);
            } else {
                self.not_sent((key, value), (*offset, *by), sends, limits, finding);
            }
        }
    }

    /// A record that was shown when nobody, or only who failed, had sent it.
    fn not_sent(
        &self,
        (key, value): (ValueId, ValueId),
        (offset, by): (i64, usize),
        sends: &[Sent],
        limits: &Limits<'_>,
        finding: &mut Finding,
    ) {
        let records = self.records;
        let has = || format!("The log {} has {} at offset {offset}", records.show(key), records.show(value));
        let failed = |sent: &&Sent| records.ops[sent.op].kind == Kind::Fail && records.may_show(by, sent.op);
        match sends.iter().find(failed) {
            None => violated(records, key, "never-sent", [by], limits, finding, || {
                format!("{}, which nobody had sent{}.", has(), if sends.is_empty() { "" } else { " then" })
            }),
            Some(failed) => violated(records, key, "aborted-read", [failed.op, by], limits, finding, || {
                let event = records.event_index(records.ops[failed.op].ret);
                format!(
                    "{}, but its send failed (index {event}): if the client cannot know that it failed, it has to record \
                     `info`.",
                    has()
                )
            }),
        }
    }

    /// A record that is at more offsets than it had been sent when the last of these was shown.
    fn duplicate(
        &self,
        (key, value): (ValueId, ValueId),
        places: &[(i64, usize)],
        sent: &[usize],
        (at_first, ever_sent): (usize, usize),
        limits: &Limits<'_>,
        finding: &mut Finding,
    ) {
        let records = self.records;
        let proof: Vec<usize> = sent.iter().copied().chain(places.iter().map(|(_, op)| *op)).collect();
        violated(records, key, "duplicate", proof, limits, finding, || {
            let (log, shown) = (records.show(key), records.show(value));
            let mut offsets: Vec<i64> = places.iter().map(|(offset, _)| *offset).collect();
            offsets.sort_unstable();
            let offsets = offsets.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
            let begun = if at_first == 0 { String::new() } else { format!(", and began with {at_first}") };
            let times = match sent.len() {
                0 => "not sent".to_owned(),
                1 => "sent once".to_owned(),
                many => format!("sent {many} times"),
            };
            let then = if ever_sent > sent.len() { " by then" } else { "" };
            format!("The log {log} has {shown} at the offsets {offsets}, though it was {times}{then}{begun}.")
        });
    }

    /// What was acknowledged below an offset that was polled, and was never polled itself. A first poll may begin
    /// anywhere, so what lies below it was at least in the log; but nobody ever returned it.
    fn lost(&self, key: ValueId, log: &Log, limits: &Limits<'_>, finding: &mut Finding) {
        let records = self.records;
        let polled = log.entries.iter().rev().find_map(|(offset, entry)| entry.polled_by.map(|by| (*offset, by)));
        let Some((highest, by)) = polled else { return };
        for (offset, entry) in log.entries.range(..highest) {
            let Some(send) = entry.acknowledged_by.filter(|_| entry.polled_by.is_none()) else { continue };
            violated(records, key, "lost-write", [send, by], limits, finding, || {
                let (log, value) = (records.show(key), records.show(entry.value));
                format!(
                    "{value} was acknowledged at offset {offset} of the log {log}, and no poll ever returned it, though \
                     offset {highest} was polled."
                )
            });
        }
    }

    /// Completes a finding with figures and doubts.
    pub(super) fn conclude(&self, finding: &mut Finding) {
        let unseen: u64 = self.logs.values().map(Log::unseen).sum();
        if self.polled == 0 {
            finding.doubt("no poll returned a record");
        } else if unseen > 0 {
            finding.doubt(format!(
                "{unseen} acknowledged records lie behind everything that was polled: nobody looked whether they are there"
            ));
        }
        finding.headline = format!(
            "kafka: {} sends acknowledged, {} records polled from {} logs, {} violations",
            self.acknowledged,
            self.polled,
            self.logs.len(),
            finding.violations
        );
        finding.figure("sends_acknowledged", self.acknowledged as f64);
        finding.figure("records_polled", self.polled as f64);
        finding.figure("unseen", unseen as f64);
    }
}

impl Log {
    fn new(records: &History, key: ValueId, same: &mut Identities<'_>) -> Result<Self, String> {
        let initial = records.initial_of_value(key);
        let inside = elements(records, initial);
        let inside = inside.ok_or_else(|| format!("a log cannot begin with {}", records.show(initial)))?;
        let mut log = Self::default();
        for value in same.of_elements(inside).iter().copied() {
            *log.initial.entry(value).or_default() += 1;
        }
        Ok(log)
    }

    fn show(&mut self, records: &History, offset: i64, value: ValueId, op: usize, by_poll: bool) {
        let entry = self.entries.entry(offset).or_insert(Placed {
            value,
            shown_by: op,
            polled_by: None,
            acknowledged_by: None,
        });
        if entry.value != value {
            self.contradictions.push((offset, value, op));
            return;
        }
        if records.ops[op].ret < records.ops[entry.shown_by].ret {
            entry.shown_by = op;
        }
        let by = if by_poll { &mut entry.polled_by } else { &mut entry.acknowledged_by };
        by.get_or_insert(op);
    }

    fn is_aborted(&self, records: &History, value: ValueId) -> bool {
        let sends = self.sends.get(&value).filter(|_| !self.initial.contains_key(&value));
        sends.is_some_and(|sends| sends.iter().all(|sent| records.ops[sent.op].kind == Kind::Fail))
    }

    /// Acknowledged records behind all that were polled.
    fn unseen(&self) -> u64 {
        let behind = self.entries.values().rev().take_while(|entry| entry.polled_by.is_none());
        behind.filter(|entry| entry.acknowledged_by.is_some()).count() as u64
    }
}

/// Counts a violation of a log, and keeps it if there is room.
pub(super) fn violated(
    records: &History,
    key: ValueId,
    kind: &'static str,
    proof: impl IntoIterator<Item = usize>,
    limits: &Limits<'_>,
    finding: &mut Finding,
    explain: impl FnOnce() -> String,
) {
    let key = records.key_name(key);
    finding.violated(limits, || Draft::at(records, kind, &key, proof, explain()));
}
