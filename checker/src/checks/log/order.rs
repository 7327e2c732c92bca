//! What each process saw and did in its own order: a consumer neither skips records nor goes back, and what a producer
//! sends later lies behind.

use rustc_hash::FxHashMap;

use super::contents::{Contents, violated};
use super::steps::{Polled, Sent, Step};
use crate::finding::Finding;
use crate::history::{History, ValueId};
use crate::limits::Limits;

/// An offset and the operation that it comes from.
type Position = (i64, usize);

/// Where the processes are.
#[derive(Default)]
struct Positions {
    /// The last record that each process polled from each log, since it may have begun anywhere.
    polled: FxHashMap<(u32, ValueId), Position>,
    /// The last acknowledged send of each process to each log.
    sent: FxHashMap<(u32, ValueId), Position>,
    /// Processes whose logs another program chooses: it may give them others at any time, and then give them back.
    subscribed: FxHashMap<u32, bool>,
}

/// Judges the order of each process.
pub(super) fn judge(
    records: &History,
    steps: &[Step],
    contents: &Contents<'_>,
    limits: &Limits<'_>,
    finding: &mut Finding,
) {
    let mut positions = Positions::default();
    for step in steps {
        match step {
            Step::Sent(sent) => positions.sent(records, sent, limits, finding),
            Step::Polled(polled) => positions.polled(records, polled, contents, limits, finding),
            Step::Begins { op, subscribed } => {
                let process = records.ops[*op].process;
                positions.polled.retain(|(of, _), _| *of != process);
                positions.subscribed.insert(process, *subscribed);
            }
        }
    }
}

impl Positions {
    fn sent(&mut self, records: &History, sent: &Sent, limits: &Limits<'_>, finding: &mut Finding) {
        let op = &records.ops[sent.op];
        let Some(offset) = sent.offset.filter(|_| op.is_ok()) else { return };
        let before = self.sent.insert((op.process, sent.key), (offset, sent.op));
        let Some((last, by)) = before.filter(|(last, _)| *last >= offset) else { return };
        let kind = if by == sent.op { "int-nonmonotonic-send" } else { "nonmonotonic-send" };
        violated(records, sent.key, kind, [by, sent.op], limits, finding, || {
            format!(
                "Process {} sent to the log {} and was given offset {offset}, after it had been given {last} before.",
                records.process_of(sent.op),
                records.show(sent.key)
            )
        });
    }

    fn polled(
        &mut self,
        records: &History,
        polled: &Polled,
        contents: &Contents<'_>,
        limits: &Limits<'_>,
        finding: &mut Finding,
    ) {
        let process = records.ops[polled.op].process;
        let free = self.subscribed.get(&process).copied().unwrap_or(false);
        for (offset, _) in &polled.records {
            let before = self.polled.insert((process, polled.key), (*offset, polled.op));
            let Some((last, by)) = before.filter(|(_, by)| *by == polled.op || !free) else { continue };
            let within = by == polled.op;
            if *offset <= last {
                let kind = if within { "int-nonmonotonic-poll" } else { "nonmonotonic-poll" };
                violated(records, polled.key, kind, [by, polled.op], limits, finding, || {
                    let (log, name) = (records.show(polled.key), records.process_name(process));
                    format!("Process {name} polled offset {offset} of the log {log} after it had polled {last}.")
                });
            } else if let Some((skipped, value, shown_by)) = contents.between(polled.key, last, *offset) {
                let kind = if within { "int-poll-skip" } else { "poll-skip" };
                violated(records, polled.key, kind, [by, polled.op, shown_by], limits, finding, || {
                    let (log, value) = (records.show(polled.key), records.show(value));
                    let name = records.process_name(process);
                    format!(
                        "Process {name} polled the offsets {last} and then {offset} of the log {log}, and skipped {value} at \
                         offset {skipped}."
                    )
                });
            }
        }
    }
}
