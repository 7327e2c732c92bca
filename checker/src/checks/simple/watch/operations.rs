//! What each operation did, and what is known of all changes together.

use std::collections::BTreeMap;

use rustc_hash::FxHashSet;

use crate::checks::by_key::unknown_functions;
use crate::history::{Datum, History, Identities, Kind, Op, ValueId};

/// A change as it was reported: revision, key, and the value after it (nil if it was deleted).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Change {
    pub revision: i64,
    pub wrote: Wrote,
}

/// What became of a key. Keys and values stand for all that equal them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Wrote {
    pub key: ValueId,
    /// Nil if it was deleted.
    pub value: ValueId,
    pub deletes: bool,
}

impl Wrote {
    /// With a key and a value that stand for all that equal them.
    fn with(self, same: &mut Identities<'_>) -> Self {
        Self { key: same.of(self.key), value: same.of(self.value), ..self }
    }

    /// `put a = 1`, `delete a`.
    pub(super) fn show(&self, records: &History) -> String {
        let key = records.show(self.key);
        if self.deletes { format!("delete {key}") } else { format!("put {key} = {}", records.show(self.value)) }
    }
}

/// A `put` or a `delete`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    pub op: usize,
    pub wrote: Wrote,
    /// What is known of its revision.
    pub at: Revision,
}

/// What is known of the revision of a `put` or `delete`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Revision {
    /// It was acknowledged with this one.
    Known(i64),
    /// It may have any, or none.
    Unknown,
    /// It changed nothing: it failed.
    Failed,
    /// It changed nothing: there was nothing to delete.
    Nothing,
}

/// What a watch returned, in its order.
pub(super) struct Watched {
    pub op: usize,
    /// The revision from which it was asked to report.
    pub from: Option<i64>,
    /// Each change with the number of its response.
    pub changes: Vec<(usize, Change)>,
}

/// The changes that are known, by revision; each with the operation that showed it first, those that were acknowledged before
/// those that were only reported.
pub(super) type Known = BTreeMap<i64, Vec<(Wrote, usize)>>;

/// All operations of a history.
#[derive(Default)]
pub(super) struct Operations {
    pub writes: Vec<Written>,
    pub watches: Vec<Watched>,
    /// Writes that are acknowledged without a revision: how many, and the first.
    pub without_revision: (u64, Option<usize>),
}

impl Operations {
    /// # Errors
    /// When an operation is none of a watched store.
    pub(super) fn of(records: &History) -> Result<Self, String> {
        let (mut operations, mut same) = (Self::default(), Identities::new(records));
        for (at, op) in records.ops.iter().enumerate() {
            match records.text(op.f) {
                "put" | "delete" => operations.written(records, at, &mut same)?,
                "watch" if op.is_ok() => {
                    let mut watched = watched(records, at)?;
                    watched.changes.iter_mut().for_each(|(_, change)| change.wrote = change.wrote.with(&mut same));
                    operations.watches.push(watched);
                }
                "watch" => {}
                _ => return Err(unknown_functions(records, &["put", "delete", "watch"])),
            }
        }
        Ok(operations)
    }

    fn written(&mut self, records: &History, op: usize, same: &mut Identities<'_>) -> Result<(), String> {
        let Op { kind, argument, result, call, f, .. } = records.ops[op];
        let deletes = records.text(f) == "delete";
        let at = match (kind, records.datum(result)) {
            (Kind::Fail, _) => Revision::Failed,
            (Kind::Ok, Datum::Int(revision)) => Revision::Known(revision),
            (Kind::Ok, Datum::Nil) if deletes => Revision::Nothing,
            (Kind::Ok, _) => {
                self.without_revision.0 += 1;
                self.without_revision.1.get_or_insert(op);
                Revision::Unknown
            }
            (Kind::Info, _) => Revision::Unknown,
        };
        let wrote = match (deletes, records.datum(argument)) {
            (true, _) => Wrote { key: argument, value: ValueId::NIL, deletes },
            (false, Datum::List(&[key, value])) => Wrote { key, value, deletes },
            (false, _) => {
                let (index, value) = (records.event_index(call), records.show(argument));
                return Err(format!("the `put` at index {index} is of no [k v]: {value}"));
            }
        };
        self.writes.push(Written { op, wrote: wrote.with(same), at });
        Ok(())
    }

    /// What acknowledgements and watches show.
    pub(super) fn known(&self) -> Known {
        let (mut known, mut seen) = (Known::new(), FxHashSet::default());
        let acknowledged = self.writes.iter().filter_map(|write| match write.at {
            Revision::Known(revision) => Some((Change { revision, wrote: write.wrote }, write.op)),
            _ => None,
        });
        let reported =
            self.watches.iter().flat_map(|watch| watch.changes.iter().map(|(_, change)| (*change, watch.op)));
        for (change, by) in acknowledged.chain(reported) {
            if seen.insert(change) {
                known.entry(change.revision).or_default().push((change.wrote, by));
            }
        }
        known
    }
}

fn watched(records: &History, at: usize) -> Result<Watched, String> {
    let op = &records.ops[at];
    let wrong = |what: &str| format!("the `watch` at index {} {what}", records.event_index(op.call));
    let from = match records.datum(op.argument) {
        Datum::Int(revision) => Some(revision),
        Datum::Nil => None,
        _ => return Err(wrong("asks for no revision")),
    };
    let Datum::List(responses) = records.datum(op.result) else { return Err(wrong("returned no list of responses")) };
    let mut changes = Vec::new();
    for (number, response) in responses.iter().enumerate() {
        let Datum::List(of_response) = records.datum(*response) else {
            return Err(wrong("has a response that is no list"));
        };
        for reported in of_response {
            let change = change(records, *reported);
            changes.push((number, change.ok_or_else(|| wrong("reports what is no [revision put|delete k v]"))?));
        }
    }
    Ok(Watched { op: at, from, changes })
}

fn change(records: &History, reported: ValueId) -> Option<Change> {
    let Datum::List(&[revision, kind, key, ref value @ ..]) = records.datum(reported) else { return None };
    let Datum::Int(revision) = records.datum(revision) else { return None };
    match (records.datum(kind), value) {
        (Datum::Text("put"), &[value]) => Some(Change { revision, wrote: Wrote { key, value, deletes: false } }),
        (Datum::Text("delete"), [] | [_]) => {
            Some(Change { revision, wrote: Wrote { key, value: ValueId::NIL, deletes: true } })
        }
        _ => None,
    }
}
