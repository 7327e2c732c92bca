//! No read sees a value that a failed transaction wrote, and a read of many rows sees all of them at one moment.
//!
//! Each writer sets every row of a table to a value of its own in one transaction, and readers read all rows, as in
//! Jepsen's `dirty-reads` for Galera and Percona. The reads alone show what went wrong (Berenson et al., "A critique of
//! ANSI SQL isolation levels", 1995, A1; Adya 1999, G1a and G-single of such transactions):
//!
//! - *dirty-read*: every write of the value that was invoked before the read completed is one that failed, and it
//!   was not said that the table begins with it;
//! - *inconsistent-read*: the rows of one read are not all equal. Jepsen lists these and does not count them;
//! - *unwritten-value*: two reads show two values of which no write was invoked by then. The table may begin with one
//!   value that no write has, but not with two; if it was said what it begins with, with no other.
//!
//! A read is reported once, for the first of these that applies. O(n log n) in operations and rows.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use crate::checks::by_key::{Denials, Unread, by_key, elements, is, of};
use crate::checks::check::{Check, Context, Nature, Scope, View};
use crate::finding::{Draft, Finding};
use crate::history::{History, Identities, Kind, ValueId};
use crate::limits::Limits;
use crate::objects::Object;

/// Checks that no read sees a failed transaction.
pub(crate) struct DirtyReads;

impl Check for DirtyReads {
    fn name(&self) -> &'static str {
        "dirty-reads"
    }

    fn about(&self) -> &'static str {
        "write v of all rows, read [v ...] of all rows: nobody sees what a failed write wrote, and rows are alike"
    }

    fn scope(&self) -> Scope {
        Scope::Key
    }

    fn objects(&self) -> &'static [Object] {
        &[Object::Rows]
    }

    fn nature(&self) -> Nature {
        Nature::LASTING.needing(100)
    }

    fn judge(&self, view: &View<'_>, context: &Context<'_>) -> Finding {
        view.by_records(|records| check(records, &context.limits))
    }
}

/// Checks `write` of a value to all rows and `read` of the list of all rows; each key is a table.
pub(crate) fn check(records: &History, limits: &Limits<'_>) -> Finding {
    let keys = match by_key(records, &["read", "write"]) {
        Ok(keys) => keys,
        Err(why) => return Finding::undecided(why),
    };
    let (mut finding, mut counts, mut denials) = (Finding::default(), ReadCounts::default(), Denials::default());
    for (key, ops) in &keys {
        let mut same = Identities::new(records);
        let writes = writes(records, ops, &mut same, &mut denials);
        let table = Table { records, key, limits, writes };
        if let Err(problem) = table.judge(ops, &mut same, &mut counts, &mut finding) {
            finding.doubt(problem);
            return finding;
        }
    }
    denials.doubt(&mut finding);
    counts.unread.doubt(&mut finding);
    if counts.reads == 0 {
        finding.doubt("no read succeeded");
    }
    finding.headline = format!(
        "dirty-reads: {} reads, {} of a failed write, {} of rows that differ, {} of a value that nobody wrote",
        counts.reads, counts.dirty, counts.inconsistent, counts.unwritten
    );
    let figures = [
        ("reads", counts.reads),
        ("dirty-read", counts.dirty),
        ("inconsistent-read", counts.inconsistent),
        ("unwritten-value", counts.unwritten),
    ];
    assert!(counts.dirty + counts.inconsistent + counts.unwritten <= counts.reads, "a read is reported at most once");
    for (name, count) in figures {
        finding.figure(name, count as f64);
    }
    finding
}

#[derive(Default)]
struct ReadCounts {
    reads: u64,
    dirty: u64,
    inconsistent: u64,
    unwritten: u64,
    unread: Unread,
}

/// The writes of one value: the first that may have happened, and the first that failed.
#[derive(Clone, Copy, Default)]
struct Writes {
    happened: Option<usize>,
    failed: Option<usize>,
}

fn writes(
    records: &History,
    ops: &[usize],
    same: &mut Identities<'_>,
    denials: &mut Denials,
) -> FxHashMap<ValueId, Writes> {
    let mut writes: FxHashMap<ValueId, Writes> = FxHashMap::default();
    for &at in ops.iter().filter(|at| is(records, &records.ops[**at], "write")) {
        let op = &records.ops[at];
        let of_value = writes.entry(same.of(denials.change(records, op).0)).or_default();
        let first = if op.kind == Kind::Fail { &mut of_value.failed } else { &mut of_value.happened };
        first.get_or_insert(at);
    }
    writes
}

struct Table<'a> {
    records: &'a History,
    key: &'a str,
    limits: &'a Limits<'a>,
    writes: FxHashMap<ValueId, Writes>,
}

/// Where a value in a read comes from.
enum Origin {
    Written,
    Failed(usize),
    Nobody,
}

impl Table<'_> {
    fn judge(
        &self,
        ops: &[usize],
        same: &mut Identities<'_>,
        counts: &mut ReadCounts,
        finding: &mut Finding,
    ) -> Result<(), String> {
        let said = same.of(ops.first().map_or(ValueId::NIL, |at| self.records.initial(self.records.ops[*at].key)));
        // The initial value, and the read that shows it where nothing else says it.
        let mut initial: Option<(ValueId, Option<usize>)> = Some((said, None)).filter(|_| !said.is_nil());
        for &at in
            ops.iter().filter(|at| self.records.ops[**at].is_ok() && is(self.records, &self.records.ops[**at], "read"))
        {
            let op = &self.records.ops[at];
            if counts.unread.is(self.records, op) {
                continue;
            }
            let Some(rows) = elements(self.records, op.result) else {
                let (index, value) = (self.records.event_index(op.ret), self.records.show(op.result));
                return Err(format!("the read at index {index} shows {value}, which is no list of rows"));
            };
            let rows = same.of_elements(rows);
            counts.reads += 1;
            let values: BTreeSet<ValueId> = rows.iter().copied().collect();
            let failed = values.iter().find_map(|value| match self.origin(*value, at) {
                // What the table began with may be there whatever failed.
                Origin::Failed(write) if *value != said => Some((*value, write)),
                _ => None,
            });
            match (failed, rows.first()) {
                (Some((value, write)), _) => {
                    counts.dirty += 1;
                    self.dirty(at, value, write, finding);
                }
                (None, Some(first)) if values.len() > 1 => {
                    counts.inconsistent += 1;
                    self.inconsistent(at, *first, &rows, finding);
                }
                (None, Some(value)) if matches!(self.origin(*value, at), Origin::Nobody) => {
                    let (known, reader) = *initial.get_or_insert((*value, Some(at)));
                    if known != *value {
                        counts.unwritten += 1;
                        self.unwritten((reader, known), (at, *value), finding);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Where a value that a read shows came from.
    fn origin(&self, value: ValueId, read: usize) -> Origin {
        let writes = self.writes.get(&value).copied().unwrap_or_default();
        let begun = |write: &usize| self.records.may_show(read, *write);
        match (writes.happened.filter(begun), writes.failed.filter(begun)) {
            (Some(_), _) => Origin::Written,
            (None, Some(failed)) => Origin::Failed(failed),
            (None, None) => Origin::Nobody,
        }
    }

    fn dirty(&self, read: usize, value: ValueId, write: usize, finding: &mut Finding) {
        self.violated("dirty-read", &[write, read], finding, || {
            let (reader, writer) = (self.records.process_of(read), self.records.process_of(write));
            let (value, of) = (self.records.show(value), of(self.key));
            format!("Process {reader} read {value}{of}, which process {writer} wrote in a transaction that failed.")
        });
    }

    fn inconsistent(&self, read: usize, first: ValueId, rows: &[ValueId], finding: &mut Finding) {
        self.violated("inconsistent-read", &[read], finding, || {
            let other = rows.iter().position(|row| *row != first).unwrap_or_default();
            let (one, another) = (self.records.show(first), self.records.show(rows[other]));
            let (process, of) = (self.records.process_of(read), of(self.key));
            format!(
                "Process {process} read {one} in the first row{of} and {another} in row {}: all are written together.",
                other + 1
            )
        });
    }

    fn unwritten(
        &self,
        (first, known): (Option<usize>, ValueId),
        (read, value): (usize, ValueId),
        finding: &mut Finding,
    ) {
        let ops: Vec<usize> = first.into_iter().chain([read]).collect();
        self.violated("unwritten-value", &ops, finding, || {
            let other = self.records.process_of(read);
            let (known, value, of) = (self.records.show(known), self.records.show(value), of(self.key));
            match first.map(|first| self.records.process_of(first)) {
                Some(one) => format!(
                    "Process {other} read {value}{of} and process {one} read {known}, which nobody had written then: only one \
                     can be the initial value."
                ),
                None => format!("Process {other} read {value}{of}, which nobody had written then: at first it was {known}."),
            }
        });
    }

    fn violated(&self, kind: &'static str, ops: &[usize], finding: &mut Finding, explain: impl FnOnce() -> String) {
        let ops = ops.iter().copied();
        finding.violated(self.limits, || Draft::at(self.records, kind, self.key, ops, explain()));
    }
}
