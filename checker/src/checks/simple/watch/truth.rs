//! Whether the changes of a store can be true: each is that of one operation, has a revision of its own, and revisions
//! follow real time.
//!
//! An acknowledged operation belongs to its revision. The changes that are left belong to operations of unknown
//! outcome, each to one that asked for just this, and whose invocation came before any higher or equal revision was
//! known. That bound grows with the invocation, so the lowest change takes the earliest operation: where that leaves
//! one without, no other choice helps.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::operations::{Known, Operations, Revision, Written, Wrote};
use super::order::violated;
use crate::finding::Finding;
use crate::history::History;
use crate::limits::Limits;

/// A change that a watch reports, and no acknowledgement.
#[derive(Clone, Copy)]
struct Reported {
    revision: i64,
    wrote: Wrote,
    /// The watch that showed it and completed first.
    by: usize,
}

/// The highest revision that was known at each moment: the event at which an operation completed, the revision, and the
/// operation that shows it. Ascending.
struct Floor(Vec<(u32, i64, usize)>);

/// What changes are judged by.
struct Truth<'a> {
    records: &'a History,
    limits: &'a Limits<'a>,
    floor: Floor,
    /// The writes of each kind, in the order of invocation.
    writes: FxHashMap<Wrote, Vec<Written>>,
}

/// Judges acknowledgements and what watches report, all together.
pub(super) fn judge(
    records: &History,
    operations: &Operations,
    known: &Known,
    limits: &Limits<'_>,
    finding: &mut Finding,
) {
    let mut writes: FxHashMap<Wrote, Vec<Written>> = FxHashMap::default();
    for write in &operations.writes {
        writes.entry(write.wrote).or_default().push(*write);
    }
    let truth = Truth { records, limits, floor: Floor::of(records, operations), writes };
    truth.one_of_each_revision(known, finding);
    truth.same_revision_twice(operations, finding);
    operations.writes.iter().for_each(|write| truth.real_time(write, finding));
    let mut of_each: BTreeMap<Wrote, Vec<Reported>> = BTreeMap::new();
    for reported in truth.unacknowledged(operations, known, finding) {
        of_each.entry(reported.wrote).or_default().push(reported);
    }
    of_each.iter().for_each(|(wrote, reported)| truth.somebody_asked(wrote, reported, finding));
}

impl Floor {
    fn of(records: &History, operations: &Operations) -> Self {
        let acknowledged = operations.writes.iter().filter_map(|write| match write.at {
            Revision::Known(revision) => Some((records.ops[write.op].ret, revision, write.op)),
            _ => None,
        });
        let reported = operations.watches.iter().filter_map(|watch| {
            let last = watch.changes.iter().map(|(_, change)| change.revision).max()?;
            Some((records.ops[watch.op].ret, last, watch.op))
        });
        let mut floor: Vec<(u32, i64, usize)> = acknowledged.chain(reported).collect();
        floor.sort_unstable();
        for at in 1..floor.len() {
            let before = floor[at - 1];
            if floor[at].1 <= before.1 {
                (floor[at].1, floor[at].2) = (before.1, before.2);
            }
        }
        Self(floor)
    }

    /// The highest revision that was known at an event, and by which operation.
    fn at(&self, event: u32) -> Option<(i64, usize)> {
        let before = self.0.partition_point(|(completed, ..)| *completed < event);
        let (_, revision, by) = *self.0[..before].last()?;
        Some((revision, by))
    }
}

impl Truth<'_> {
    /// At a revision there is one change, of one key.
    fn one_of_each_revision(&self, known: &Known, finding: &mut Finding) {
        for (revision, changes) in known {
            let (first, by) = changes[0];
            for (other, at) in &changes[1..] {
                self.violated("watch-contradiction", [by, *at], finding, || {
                    let [one, another] = [first, *other].map(|wrote| wrote.show(self.records));
                    format!("Revision {revision} is that of `{one}`, and elsewhere that of `{another}`.")
                });
            }
        }
    }

    /// No revision was acknowledged to two operations that changed the same.
    fn same_revision_twice(&self, operations: &Operations, finding: &mut Finding) {
        let mut first: FxHashMap<(i64, Wrote), usize> = FxHashMap::default();
        for write in &operations.writes {
            let Revision::Known(revision) = write.at else { continue };
            let by = *first.entry((revision, write.wrote)).or_insert(write.op);
            if by != write.op {
                self.violated("watch-contradiction", [by, write.op], finding, || {
                    let wrote = write.wrote.show(self.records);
                    format!("Revision {revision} was acknowledged to two operations `{wrote}`.")
                });
            }
        }
    }

    /// What is asked for after a revision was known has a higher one.
    fn real_time(&self, write: &Written, finding: &mut Finding) {
        let Revision::Known(revision) = write.at else { return };
        let Some((before, by)) = self.floor.at(self.records.ops[write.op].call) else { return };
        if revision < before {
            self.violated("revision-back", [by, write.op], finding, || {
                format!(
                    "`{}` was acknowledged at revision {revision}, though revision {before} was known before it was invoked.",
                    write.wrote.show(self.records)
                )
            });
        }
    }

    /// What watches report and no acknowledgement says, where nothing contradicts it; reports what was acknowledged, but asked for
    /// after a watch had shown it.
    fn unacknowledged(&self, operations: &Operations, known: &Known, finding: &mut Finding) -> Vec<Reported> {
        let mut first: BTreeMap<(i64, Wrote), usize> = BTreeMap::new();
        for watch in &operations.watches {
            for (_, change) in &watch.changes {
                let by = first.entry((change.revision, change.wrote)).or_insert(watch.op);
                if self.records.ops[watch.op].ret < self.records.ops[*by].ret {
                    *by = watch.op;
                }
            }
        }
        let is_first = |revision: i64, wrote: Wrote| known[&revision][0].0 == wrote;
        let reported = first.into_iter().filter(|((revision, wrote), _)| is_first(*revision, *wrote));
        let mut rest = Vec::new();
        for ((revision, wrote), by) in reported {
            let reported = Reported { revision, wrote, by };
            match self.writes_of(&wrote).iter().find(|write| write.at == Revision::Known(revision)) {
                None => rest.push(reported),
                Some(write) if self.records.may_show(by, write.op) => {}
                Some(_) => self.made_up(&reported, finding),
            }
        }
        rest
    }

    fn writes_of(&self, wrote: &Wrote) -> &[Written] {
        self.writes.get(wrote).map_or(&[], Vec::as_slice)
    }

    /// Finds an operation of unknown outcome for each of the changes that are alike, in the order of their revisions.
    fn somebody_asked(&self, wrote: &Wrote, changes: &[Reported], finding: &mut Finding) {
        let unknown: Vec<&Written> =
            self.writes_of(wrote).iter().filter(|write| write.at == Revision::Unknown).collect();
        let mut taken: Vec<Reported> = Vec::new();
        for change in changes {
            let is_free = |write: &&&Written| {
                self.floor.at(self.records.ops[write.op].call).is_none_or(|(before, _)| before < change.revision)
            };
            // Invocations ascend, and so does what was known before them.
            let possible = unknown.iter().take_while(is_free).count();
            if taken.len() < possible {
                taken.push(*change);
            } else if possible == 0 {
                self.nobody_asked(change, finding);
            } else {
                self.asked_once(change, &taken, &unknown[..possible], finding);
            }
        }
    }

    /// More changes than there are operations that may have made them.
    fn asked_once(&self, change: &Reported, taken: &[Reported], asked: &[&Written], finding: &mut Finding) {
        let shown = || taken.iter().chain([change]);
        let proof = asked.iter().map(|write| write.op).chain(shown().map(|change| change.by));
        self.violated("watch-duplicate", proof, finding, || {
            let revisions = shown().map(|change| change.revision.to_string()).collect::<Vec<_>>().join(", ");
            let times = if asked.len() == 1 { "once".to_owned() } else { format!("{} times", asked.len()) };
            let wrote = change.wrote.show(self.records);
            format!("`{wrote}` is reported at the revisions {revisions}, though it was asked for {times} by then.")
        });
    }

    /// A change that no operation of unknown outcome can have made.
    fn nobody_asked(&self, change: &Reported, finding: &mut Finding) {
        let Reported { revision, by, .. } = *change;
        let had_begun = |write: &&Written| self.records.may_show(by, write.op);
        let begun = || self.writes_of(&change.wrote).iter().filter(had_begun);
        let shown = || {
            let (process, wrote) = (self.records.process_of(by), change.wrote.show(self.records));
            format!("Process {process} got `{wrote}` at revision {revision}")
        };
        if let Some(late) = begun().find(|write| write.at == Revision::Unknown)
            && let Some((before, known_by)) = self.floor.at(self.records.ops[late.op].call)
        {
            self.violated("revision-back", [known_by, late.op, by], finding, || {
                format!("{}, though revision {before} was known before it was invoked.", shown())
            });
        } else if let Some((other, at)) = begun().find_map(|write| match write.at {
            Revision::Known(other) => Some((write, other)),
            _ => None,
        }) {
            self.violated("watch-contradiction", [other.op, by], finding, || {
                format!("{}, but it was acknowledged at revision {at}.", shown())
            });
        } else if let Some(failed) = begun().find(|write| write.at == Revision::Failed) {
            self.violated("aborted-read", [failed.op, by], finding, || format!("{}, but it had failed.", shown()));
        } else if let Some(nothing) = begun().find(|write| write.at == Revision::Nothing) {
            self.violated("watch-contradiction", [nothing.op, by], finding, || {
                format!("{}, but it was acknowledged that there was nothing.", shown())
            });
        } else {
            self.made_up(change, finding);
        }
    }

    /// A change that nobody had asked for when a watch reported it.
    fn made_up(&self, change: &Reported, finding: &mut Finding) {
        let Reported { revision, by, .. } = *change;
        self.violated("never-written", [by], finding, || {
            let (process, wrote) = (self.records.process_of(by), change.wrote.show(self.records));
            let then = if self.writes_of(&change.wrote).is_empty() { "" } else { " then" };
            format!("Process {process} got `{wrote}` at revision {revision}, which nobody had asked for{then}.")
        });
    }

    fn violated(
        &self,
        kind: &'static str,
        proof: impl IntoIterator<Item = usize>,
        finding: &mut Finding,
        explain: impl Fn() -> String,
    ) {
        violated(self.records, kind, proof, self.limits, finding, explain);
    }
}
