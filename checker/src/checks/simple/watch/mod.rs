//! A watch reports every change, once, in order: the promises of etcd's watches.
//!
//! Each `put` and `delete` that is acknowledged has a revision of its own, and each `watch` returns responses, each a list of
//! changes. Of every watch is demanded what etcd's documentation and its robustness tests demand:
//!
//! | promise | anomaly |
//! |---|---|
//! | ordered: revisions never go back | `watch-unordered` |
//! | unique: no change comes twice, nor at two revisions what was asked for once | `watch-duplicate` |
//! | atomic: the changes of one revision are in one response | `watch-not-atomic` |
//! | resumable: nothing before the revision that was asked for, and nothing left out after it | `watch-too-early`, `watch-gap` |
//! | reliable: no change between two that are reported is missing | `watch-gap` |
//! | truthful: watches and acknowledgements agree on a change, one for each revision | `watch-contradiction` |
//! | made by somebody: it had been asked for, and did not fail | `never-written`, `aborted-read` |
//!
//! And of revisions, that they follow real time: what is asked for after a revision was acknowledged, or reported, has a higher
//! one (`revision-back`). What changed is known from acknowledgements and from all other watches; of an operation of unknown
//! outcome only that it changes something at most once, after it was asked for. Nothing is there at first. O(n log n).

mod operations;
mod order;
mod truth;

use crate::checks::check::{Check, Context, Nature, Scope, View};
use crate::finding::Finding;
use crate::history::{History, Op};
use crate::limits::Limits;
use crate::objects::Object;

use operations::{Known, Operations};

/// Checks watches.
pub(crate) struct Watch;

impl Check for Watch {
    fn name(&self) -> &'static str {
        "watch"
    }

    fn about(&self) -> &'static str {
        "put [k v] -> revision, delete k -> revision, watch revision -> [[[revision put|delete k v] ...] ...] (responses): \
         ordered, unique, atomic, without gaps (etcd)"
    }

    fn scope(&self) -> Scope {
        Scope::Workload
    }

    fn objects(&self) -> &'static [Object] {
        &[Object::Log]
    }

    fn nature(&self) -> Nature {
        Nature::LASTING.needing(500)
    }

    fn judge(&self, view: &View<'_>, context: &Context<'_>) -> Finding {
        view.by_records(|records| check(records, &context.limits))
    }
}

/// Checks `put`, `delete` and `watch`.
pub(crate) fn check(records: &History, limits: &Limits<'_>) -> Finding {
    let operations = match Operations::of(records) {
        Ok(operations) => operations,
        Err(problem) => return Finding::undecided(problem),
    };
    let (mut finding, known) = (Finding::default(), operations.known());
    truth::judge(records, &operations, &known, limits, &mut finding);
    for watch in &operations.watches {
        watch.order(records, limits, &mut finding);
        watch.gaps(records, &known, limits, &mut finding);
    }
    conclude(records, &operations, &known, &mut finding);
    finding
}

/// Completes a finding with figures and doubts.
fn conclude(records: &History, operations: &Operations, known: &Known, finding: &mut Finding) {
    let changes: usize = operations.watches.iter().map(|watch| watch.changes.len()).sum();
    if changes == 0 {
        finding.doubt("no watch reported a change");
    }
    if let (count, Some(first)) = operations.without_revision {
        let Op { ret, result, .. } = records.ops[first];
        finding.doubt(format!(
            "{count} changes are acknowledged without a revision, so nobody knows where they belong (index {}: {})",
            records.event_index(ret),
            records.show(result)
        ));
    }
    let (watches, violations) = (operations.watches.len(), finding.violations);
    finding.headline = format!("watch: {changes} changes reported by {watches} watches, {violations} violations");
    finding.figure("watches", watches as f64);
    finding.figure("changes_reported", changes as f64);
    finding.figure("changes_known", known.values().map(Vec::len).sum::<usize>() as f64);
}
