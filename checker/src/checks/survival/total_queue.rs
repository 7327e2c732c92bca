//! What goes into a queue comes out: every acknowledged element is dequeued, and nothing that was not enqueued.
//!
//! It compares multisets, whatever the order, as Jepsen's `total-queue` does. An element is *lost* if it was never
//! dequeued although its enqueue was acknowledged before the invocation of a `drain`, or of a `dequeue` that found the
//! queue empty (`ok` with nil, or `fail` with the value `empty`). A dequeue of unknown outcome may have taken one
//! element, so for each of these one lost element is not certainly lost. Of equal elements those acknowledged last are
//! the missing ones. Without a drain or an empty dequeue, a missing element may still be queued: inconclusive. An
//! element is *unexpected* if it was dequeued and no enqueue of it had been invoked by then; it took nothing of what
//! was enqueued later. An element that was dequeued more often than enqueued is *duplicated*; a queue that delivers at
//! least once may do that, so it is only counted. What a failed enqueue brought is unexpected, too, which Jepsen's
//! checker passes over. What the queue begins with counts as enqueued and acknowledged before everything. A drain
//! without a list, and a dequeue of nil where nil may have been enqueued, may have taken something, and are doubts. O(n
//! log n).

use rustc_hash::FxHashMap;

use crate::checks::by_key::{Denials, by_key, elements, is, of};
use crate::checks::check::{Check, Context, Nature, Scope, View};
use crate::finding::{Draft, Finding, at_time};
use crate::history::{Datum, History, Identities, Kind, ValueId};
use crate::limits::Limits;
use crate::objects::Object;

#[derive(Default)]
struct Element {
    /// The enqueues that may have happened.
    attempts: u64,
    /// How often the queue begins with it.
    at_first: u64,
    /// The first enqueue that may have happened, and the first that failed.
    put_by: Option<usize>,
    failed_by: Option<usize>,
    acknowledged: Vec<usize>,
    dequeued: u64,
    /// How often it was dequeued when nobody can have enqueued it, and the first operation that did.
    unexpected: u64,
    unexpected_by: Option<usize>,
}

impl Element {
    /// Whether it may have been inside when an operation took something out.
    fn is_inside(&self, records: &History, taken_by: usize) -> bool {
        self.at_first > 0 || self.put_by.is_some_and(|put| records.may_show(taken_by, put))
    }
}

#[derive(Default)]
struct QueueCounts {
    acknowledged: u64,
    dequeued: u64,
    lost: u64,
    perhaps_lost: u64,
    unexpected: u64,
    duplicated: u64,
    recovered: u64,
    /// Drains without a list, and dequeues of nil which may be an element: how many, and the index of the first.
    unread: (u64, Option<u64>),
    unclear: (u64, Option<u64>),
}

/// Checks that what goes into a queue comes out.
pub(crate) struct TotalQueue;

impl Check for TotalQueue {
    fn name(&self) -> &'static str {
        "total-queue"
    }

    fn about(&self) -> &'static str {
        "enqueue v, dequeue, drain: what is acknowledged comes out, whatever the order"
    }

    fn scope(&self) -> Scope {
        Scope::Key
    }

    fn objects(&self) -> &'static [Object] {
        &[Object::Queue]
    }

    fn nature(&self) -> Nature {
        Nature::default().needing(200)
    }

    fn judge(&self, view: &View<'_>, context: &Context<'_>) -> Finding {
        view.by_records(|records| check(records, &context.limits))
    }
}

/// Checks `enqueue` of an element, `dequeue` of one, and `drain` of the list of all that are left.
pub(crate) fn check(records: &History, limits: &Limits<'_>) -> Finding {
    let keys = match by_key(records, &["enqueue", "dequeue", "drain"]) {
        Ok(keys) => keys,
        Err(why) => return Finding::undecided(why),
    };
    let (mut counts, mut finding, mut denials) = (QueueCounts::default(), Finding::default(), Denials::default());
    for (key, ops) in &keys {
        match Queue::new(records, ops, &mut denials, &mut counts) {
            Ok(queue) => queue.judge(key, limits, &mut counts, &mut finding),
            Err(why) => finding.doubt(why),
        }
    }
    denials.doubt(&mut finding);
    if let (count, Some(index)) = counts.unread {
        finding.doubt(format!("{count} drains have no list (index {index}): what they took is not recorded"));
    }
    if let (count, Some(index)) = counts.unclear {
        finding.doubt(format!(
            "{count} dequeues returned nil, which had been enqueued (index {index}): the element, or that there was none"
        ));
    }
    if counts.perhaps_lost > 0 {
        finding.doubt("what is missing may still be queued");
    }
    if counts.dequeued == 0 {
        finding.doubt("nothing was dequeued");
    }
    finding.headline = format!(
        "total-queue: {} acknowledged, {} dequeued, {} lost, {} perhaps lost or still queued, {} unexpected, {} duplicated, {} \
         recovered",
        counts.acknowledged,
        counts.dequeued,
        counts.lost,
        counts.perhaps_lost,
        counts.unexpected,
        counts.duplicated,
        counts.recovered
    );
    let figures = [
        ("acknowledged", counts.acknowledged),
        ("dequeued", counts.dequeued),
        ("lost", counts.lost),
        ("perhaps_lost", counts.perhaps_lost),
        ("unexpected", counts.unexpected),
        ("duplicated", counts.duplicated),
        ("recovered", counts.recovered),
    ];
    for (name, count) in figures {
        finding.figure(name, count as f64);
    }
    finding
}

struct Queue<'r> {
    records: &'r History,
    ops: &'r [usize],
    elements: FxHashMap<ValueId, Element>,
    same: Identities<'r>,
    /// How many elements dequeues and drains of unknown outcome may have taken.
    unknown: u64,
    /// The latest invoked dequeue or drain that left the queue empty.
    emptied_by: Option<usize>,
}

impl<'r> Queue<'r> {
    fn new(
        records: &'r History,
        ops: &'r [usize],
        denials: &mut Denials,
        counts: &mut QueueCounts,
    ) -> Result<Self, String> {
        let (all, same) = (FxHashMap::default(), Identities::new(records));
        let mut queue = Self { records, ops, elements: all, same, unknown: 0, emptied_by: None };
        let initial = ops.first().map_or(ValueId::NIL, |at| records.initial(records.ops[*at].key));
        let inside = elements(records, initial);
        for element in inside.ok_or_else(|| format!("a queue cannot begin with {}", records.show(initial)))? {
            queue.elements.entry(queue.same.of(*element)).or_default().at_first += 1;
        }
        let (puts, takes): (Vec<usize>, Vec<usize>) =
            ops.iter().partition(|at| is(records, &records.ops[**at], "enqueue"));
        for at in puts {
            let op = &records.ops[at];
            let (element, acknowledged) = denials.change(records, op);
            let element = queue.elements.entry(queue.same.of(element)).or_default();
            element.attempts += u64::from(op.may_have_happened());
            let first = if op.may_have_happened() { &mut element.put_by } else { &mut element.failed_by };
            first.get_or_insert(at);
            element.acknowledged.extend(acknowledged.then_some(at));
        }
        takes.into_iter().for_each(|at| queue.taken(at, counts));
        Ok(queue)
    }

    /// The elements that an operation took out, if it succeeded.
    fn found(&self, at: usize) -> &'r [ValueId] {
        let op = &self.records.ops[at];
        match op.kind {
            Kind::Ok if is(self.records, op, "enqueue") => &[],
            Kind::Ok if is(self.records, op, "drain") => self.records.datum(op.result).elements().unwrap_or(&[]),
            Kind::Ok if !op.result.is_nil() => std::slice::from_ref(&op.result),
            _ => &[],
        }
    }

    /// Every acknowledged enqueue of an element, and every operation that took it out.
    fn about(&self, id: ValueId) -> Vec<usize> {
        let acknowledged = self.elements.get(&id).map_or(&[][..], |element| &element.acknowledged);
        let can_take = |at: &usize| self.elements.get(&id).is_some_and(|element| element.is_inside(self.records, *at));
        let took = self
            .ops
            .iter()
            .copied()
            .filter(|at| can_take(at) && self.found(*at).iter().any(|found| self.records.is_equal(*found, id)));
        took.chain(acknowledged.iter().copied()).collect()
    }

    /// Whether a dequeue that succeeded took nil, or nothing: nobody knows.
    fn is_unclear(&self, at: usize) -> bool {
        let nil = self.elements.get(&ValueId::NIL);
        self.records.ops[at].result.is_nil() && nil.is_some_and(|element| element.is_inside(self.records, at))
    }

    fn taken(&mut self, at: usize, counts: &mut QueueCounts) {
        let op = &self.records.ops[at];
        let drain = is(self.records, op, "drain");
        let is_unread = op.is_ok() && drain && self.records.datum(op.result).elements().is_none();
        if is_unread || op.is_ok() && !drain && self.is_unclear(at) {
            let (count, first) = if drain { &mut counts.unread } else { &mut counts.unclear };
            *count += 1;
            first.get_or_insert(self.records.event_index(op.ret));
            self.unknown = self.unknown.saturating_add(if drain { u64::MAX } else { 1 });
            return;
        }
        let found: &[ValueId] = match op.kind {
            Kind::Info => {
                // A drain may have taken any number of elements.
                self.unknown = self.unknown.saturating_add(if drain { u64::MAX } else { 1 });
                return;
            }
            Kind::Fail => &[],
            Kind::Ok => self.found(at),
        };
        for element in found {
            let element = self.elements.entry(self.same.of(*element)).or_default();
            if element.is_inside(self.records, at) {
                element.dequeued += 1;
            } else {
                element.unexpected += 1;
                element.unexpected_by.get_or_insert(at);
            }
        }
        // Any other failure does not show whether the queue was empty.
        let found_empty = op.is_ok() || self.records.datum(op.result) == Datum::Text("empty");
        let emptied = if drain { op.is_ok() } else { found.is_empty() && found_empty };
        if emptied {
            self.emptied_by = Some(at);
        }
    }

    fn judge(self, key: &str, limits: &Limits<'_>, counts: &mut QueueCounts, finding: &mut Finding) {
        // Where they were put in, the earliest first; those that were there at first before all.
        let mut lost: Vec<(Option<usize>, ValueId)> = Vec::new();
        let mut elements: Vec<(&ValueId, &Element)> = self.elements.iter().collect();
        elements.sort_unstable_by_key(|(id, _)| **id);
        for (id, element) in elements {
            let acknowledged = element.acknowledged.len() as u64;
            let put_in = element.attempts + element.at_first;
            counts.acknowledged += acknowledged;
            counts.dequeued += element.dequeued + element.unexpected;
            counts.duplicated += element.dequeued.saturating_sub(put_in) + element.unexpected.saturating_sub(1);
            counts.recovered += element.dequeued.min(put_in).saturating_sub(acknowledged + element.at_first);
            if let Some(by) = element.unexpected_by {
                counts.unexpected += 1;
                self.unexpected(*id, element, by, key, limits, finding);
            }
            let missing = (acknowledged + element.at_first).saturating_sub(element.dequeued) as usize;
            // Of equal elements those that came out may be the ones that were there first.
            let mut acknowledged = element.acknowledged.clone();
            acknowledged.sort_unstable_by_key(|at| self.records.ops[*at].ret);
            let last_first = acknowledged.into_iter().rev().map(Some);
            let puts = last_first.chain(std::iter::repeat_n(None, element.at_first as usize));
            lost.extend(puts.take(missing).map(|put| (put, *id)));
        }
        lost.sort_unstable();
        let certain = |(put, _): &(Option<usize>, ValueId)| {
            self.emptied_by.filter(|by| put.is_none_or(|at| self.records.is_before(at, *by)))
        };
        let mut spared = self.unknown;
        for entry in lost {
            match certain(&entry) {
                Some(by) if spared == 0 => {
                    counts.lost += 1;
                    self.lost(entry, by, key, limits, finding);
                }
                // What may still be queued needs nobody who took it.
                None => counts.perhaps_lost += 1,
                Some(_) => {
                    counts.perhaps_lost += 1;
                    spared -= 1;
                }
            }
        }
    }

    fn lost(
        &self,
        (put, id): (Option<usize>, ValueId),
        by: usize,
        key: &str,
        limits: &Limits<'_>,
        finding: &mut Finding,
    ) {
        finding.violated(limits, || {
            let end = &self.records.ops[by];
            let came = match put.map(|at| &self.records.ops[at]) {
                None => "inside at first".to_owned(),
                Some(enqueue) => {
                    format!(
                        "acknowledged to process {}{}",
                        self.records.process_name(enqueue.process),
                        at_time(self.records, enqueue.returned_ns)
                    )
                }
            };
            let explanation = format!(
                "{}{} was {came}; the {} that process {} began{} left nothing, and nobody dequeued it.",
                self.records.show(id),
                of(key),
                self.records.text(end.f),
                self.records.process_of(by),
                at_time(self.records, end.called_ns),
            );
            // If equal elements came out, the proof needs all of them: it is their number that is too small.
            let taken = self.elements.get(&id).is_some_and(|element| element.dequeued > 0);
            let counted = if taken { self.about(id) } else { Vec::new() };
            Draft::at(self.records, "lost", key, put.into_iter().chain([by]).chain(counted), explanation)
        });
    }

    fn unexpected(
        &self,
        id: ValueId,
        element: &Element,
        by: usize,
        key: &str,
        limits: &Limits<'_>,
        finding: &mut Finding,
    ) {
        finding.violated(limits, || {
            let (process, shown) = (self.records.process_of(by), self.records.show(id));
            let failed = element.failed_by.is_some_and(|failed| self.records.may_show(by, failed));
            let why = match element.put_by.or(element.failed_by) {
                Some(_) if failed => "whose enqueue had failed",
                Some(_) => "which nobody had enqueued then",
                None => "which nobody had enqueued",
            };
            let explanation = format!("Process {process} dequeued {shown}{}, {why}.", of(key));
            Draft::at(self.records, "unexpected", key, [by], explanation)
        });
    }
}
