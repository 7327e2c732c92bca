//! Who sees a write sees every write that had completed before it began: no read shows an effect without its cause.
//!
//! Strict serializability forbids that T2 is visible without T1 if T1 had completed before T2 was invoked. It considers,
//! for each key, `write`s of values and `read`s of lists of all values. The condition is that of Jepsen's
//! `causal-reverse`, and of the `comments` test of CockroachDB, where the anomaly was found (Kingsbury 2017). That a
//! value which nobody had written, or whose every write failed, is no part of a read is checked besides. What was there at
//! first counts as written before everything, and a read that shows it shows no later write of the same value.
//!
//! For each read the latest beginning of a write that it shows is compared with the completions of all others, which
//! are sorted: O(n log n + size of all reads).

use rustc_hash::{FxHashMap, FxHashSet};

use crate::checks::by_key::{Denials, Unread, by_key, elements, is, of};
use crate::checks::check::{Check, Context, Nature, Scope, View};
use crate::finding::{Draft, Finding};
use crate::history::{History, Identities, ValueId};
use crate::limits::Limits;
use crate::objects::Object;

/// Checks that a visible write is visible with all that completed before it.
pub(crate) struct CausalReverse;

impl Check for CausalReverse {
    fn name(&self) -> &'static str {
        "causal-reverse"
    }

    fn about(&self) -> &'static str {
        "write v, read [v ...] of all: who sees a write sees every write that had completed before it began"
    }

    fn scope(&self) -> Scope {
        Scope::Key
    }

    fn objects(&self) -> &'static [Object] {
        &[Object::Set]
    }

    fn nature(&self) -> Nature {
        Nature::LASTING.needing(100)
    }

    fn judge(&self, view: &View<'_>, context: &Context<'_>) -> Finding {
        view.by_records(|records| check(records, &context.limits))
    }
}

/// The writes of one value of a key.
#[derive(Clone, Copy, Default)]
struct Writes {
    /// The one invoked first, of those that may have happened.
    first: Option<usize>,
    /// The one acknowledged first.
    acknowledged: Option<usize>,
    /// The one invoked first, of those that failed.
    failed: Option<usize>,
}

/// Checks `write` (`insert`, `add`) of values, and `read` of lists of all of them.
pub(crate) fn check(records: &History, limits: &Limits<'_>) -> Finding {
    const WRITES: [&str; 3] = ["write", "insert", "add"];
    let keys = match by_key(records, &[&WRITES[..], &["read"]].concat()) {
        Ok(keys) => keys,
        Err(why) => return Finding::undecided(why),
    };
    let (mut finding, mut reads, mut written) = (Finding::default(), 0u64, 0usize);
    let (mut denials, mut unread) = (Denials::default(), Unread::default());
    for (key, ops) in &keys {
        let written_ops = ops.iter().copied().filter(|at| !is(records, &records.ops[*at], "read"));
        let mut same = Identities::new(records);
        let initial = ops.first().map_or(ValueId::NIL, |at| records.initial(records.ops[*at].key));
        let Some(initial) = elements(records, initial) else {
            return Finding::undecided(format!("a list of values cannot begin with {}", records.show(initial)));
        };
        let initial = same.of_elements(initial).into_owned();
        let values = Values { initial, ..Values::new(records, written_ops, &mut same, &mut denials) };
        written += values.writes.len();
        for &at in ops.iter().filter(|at| records.ops[**at].is_ok() && is(records, &records.ops[**at], "read")) {
            if unread.is(records, &records.ops[at]) {
                continue;
            }
            let Some(seen) = elements(records, records.ops[at].result) else {
                let value = records.show(records.ops[at].result);
                return Finding::undecided(format!("a read returned no list of values: {value}"));
            };
            reads += 1;
            values.judge(key, at, &same.of_elements(seen), limits, &mut finding);
        }
    }
    denials.doubt(&mut finding);
    unread.doubt(&mut finding);
    if reads == 0 {
        finding.doubt("no read succeeded");
    }
    if written == 0 {
        finding.doubt("nothing was written");
    }
    finding.headline = format!("causal-reverse: {reads} reads of {written} values, {} violations", finding.violations);
    finding.figure("reads", reads as f64);
    finding.figure("values", written as f64);
    finding
}

/// The values of a key.
struct Values<'r> {
    records: &'r History,
    writes: FxHashMap<ValueId, Writes>,
    /// Acknowledged values by the event of their first acknowledgement, ascending.
    by_completion: Vec<(u32, ValueId)>,
    /// What was there at first.
    initial: Vec<ValueId>,
}

impl<'r> Values<'r> {
    fn new(
        records: &'r History,
        ops: impl Iterator<Item = usize>,
        same: &mut Identities<'_>,
        denials: &mut Denials,
    ) -> Self {
        let mut writes: FxHashMap<ValueId, Writes> = FxHashMap::default();
        for at in ops {
            let op = &records.ops[at];
            let (value, acknowledged) = denials.change(records, op);
            let value = same.of(value);
            let known = writes.entry(value).or_default();
            let first = if op.may_have_happened() { &mut known.first } else { &mut known.failed };
            first.get_or_insert(at);
            let earlier = |known: usize| op.ret < records.ops[known].ret;
            if acknowledged && known.acknowledged.is_none_or(earlier) {
                known.acknowledged = Some(at);
            }
        }
        let completion =
            |(value, writes): (&ValueId, &Writes)| writes.acknowledged.map(|at| (records.ops[at].ret, *value));
        let mut by_completion: Vec<(u32, ValueId)> = writes.iter().filter_map(completion).collect();
        by_completion.sort_unstable();
        Self { records, writes, by_completion, initial: Vec::new() }
    }

    fn judge(&self, key: &str, read: usize, seen: &[ValueId], limits: &Limits<'_>, finding: &mut Finding) {
        let mut latest: Option<(u32, ValueId)> = None;
        for value in seen {
            let writes = self.writes.get(value).copied().unwrap_or_default();
            match writes.first.filter(|first| self.records.may_show(read, *first)) {
                // It may be what was there at first, whoever wrote it again.
                _ if self.initial.contains(value) => {}
                Some(first) => latest = latest.max(Some((self.records.ops[first].call, *value))),
                None => self.impossible(key, read, *value, writes, limits, finding),
            }
        }
        let Some((began, shown)) = latest else { return };
        let before = self.by_completion.partition_point(|(completed, _)| *completed < began);
        let seen: FxHashSet<ValueId> = seen.iter().copied().collect();
        if let Some(missing) = self.initial.iter().find(|value| !seen.contains(value)) {
            self.reversed(key, read, (*missing, None), shown, limits, finding);
            return;
        }
        let due = &self.by_completion[..before];
        // Counting first keeps the common case from walking over everything that was ever written.
        let shown_due = seen.iter().filter(|value| self.acknowledged_before(**value, began)).count();
        debug_assert!(shown_due <= due.len(), "what was seen of them is no more than there are");
        if shown_due == due.len() {
            return;
        }
        let Some((_, missing)) = due.iter().find(|(_, value)| !seen.contains(value)) else { return };
        let cause = self.writes[missing].acknowledged;
        self.reversed(key, read, (*missing, cause), shown, limits, finding);
    }

    fn acknowledged_before(&self, value: ValueId, began: u32) -> bool {
        let acknowledged = self.writes.get(&value).and_then(|writes| writes.acknowledged);
        acknowledged.is_some_and(|at| self.records.ops[at].ret < began)
    }

    /// A read that shows a write without what was there before it: a write, or what was there at first.
    fn reversed(
        &self,
        key: &str,
        read: usize,
        (missing, cause): (ValueId, Option<usize>),
        shown: ValueId,
        limits: &Limits<'_>,
        finding: &mut Finding,
    ) {
        let records = self.records;
        let effect = self.writes[&shown].first;
        finding.violated(limits, || {
            let (missing, shown) = (records.show(missing), records.show(shown));
            let why = match cause {
                Some(_) => format!("the write of {missing} had completed before that of {shown} was invoked"),
                None => "it was there at first".to_owned(),
            };
            let process = records.process_of(read);
            let explanation = format!("Process {process} read {shown}{} without {missing}, though {why}.", of(key));
            Draft::at(records, "causal-reverse", key, cause.into_iter().chain(effect).chain([read]), explanation)
        });
    }

    /// A value in a read that cannot be there.
    fn impossible(
        &self,
        key: &str,
        read: usize,
        value: ValueId,
        writes: Writes,
        limits: &Limits<'_>,
        finding: &mut Finding,
    ) {
        let records = self.records;
        finding.violated(limits, || {
            let (process, shown) = (records.process_of(read), records.show(value));
            let failed = writes.failed.filter(|failed| records.may_show(read, *failed));
            let Some(failed) = failed else {
                let then = if writes.first.or(writes.failed).is_some() { " then" } else { "" };
                let explanation = format!("Process {process} read {shown}{}, which nobody had written{then}.", of(key));
                return Draft::at(records, "never-written", key, [read], explanation);
            };
            // Whose it is, and what a client has to record, is added to every finding: see checks/failed_writers.rs.
            let explanation = format!("Process {process} read {shown}{}, but its write failed.", of(key));
            Draft::at(records, "aborted-read", key, [failed, read], explanation)
        });
    }
}
