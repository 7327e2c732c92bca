//! No identifier is generated twice.
//!
//! It considers the results of every `generate` that succeeded, as Jepsen's `unique-ids` does, or of the one function that
//! there is, whatever its name: two equal results are a violation. An identifier may be any data but nil. Keys do not
//! matter: identifiers are unique in the whole history. O(n).

use rustc_hash::FxHashMap;

use crate::checks::by_key::unknown_functions;
use crate::checks::check::{Check, Context, Nature, Scope, View};
use crate::finding::{Draft, Finding};
use crate::history::{History, Identities, ValueId};
use crate::limits::Limits;
use crate::objects::Object;

/// Checks that identifiers are unique.
pub(crate) struct UniqueIds;

impl Check for UniqueIds {
    fn name(&self) -> &'static str {
        "unique-ids"
    }

    fn about(&self) -> &'static str {
        "generate, or the one function that there is: no two results are equal"
    }

    fn scope(&self) -> Scope {
        Scope::Workload
    }

    fn objects(&self) -> &'static [Object] {
        &[Object::Ids]
    }

    fn nature(&self) -> Nature {
        Nature::LASTING.needing(40)
    }

    fn judge(&self, view: &View<'_>, context: &Context<'_>) -> Finding {
        view.by_records(|records| check(records, &context.limits))
    }
}

/// Checks operations that each return an identifier, such as `generate`.
pub(crate) fn check(records: &History, limits: &Limits<'_>) -> Finding {
    if records.ops.iter().any(|op| op.f != records.ops[0].f) {
        return Finding::undecided(unknown_functions(records, &["generate"]));
    }
    let (mut first, mut same): (FxHashMap<ValueId, usize>, _) = (FxHashMap::default(), Identities::new(records));
    let mut finding = Finding::default();
    let mut acknowledged: u64 = 0;
    for (at, op) in records.ops.iter().enumerate().filter(|(_, op)| op.is_ok()) {
        if op.result.is_nil() {
            if finding.doubts.is_empty() {
                let index = records.event_index(op.ret);
                finding.doubt(format!("the result at index {index} is no identifier: nil"));
            }
            continue;
        }
        acknowledged += 1;
        let before = *first.entry(same.of(op.result)).or_insert(at);
        if before != at {
            finding.violated(limits, || {
                let (id, one, other) = (records.show(op.result), records.process_of(before), records.process_of(at));
                let explanation = format!("{id} was given to process {one} and again to process {other}.");
                Draft::at(records, "duplicate", "", [before, at], explanation)
            });
        }
    }
    if acknowledged == 0 {
        finding.doubt("no identifier was handed out");
    }
    let duplicates = finding.violations;
    finding.headline = format!("unique-ids: {acknowledged} identifiers, {duplicates} given out before");
    finding.figure("acknowledged", acknowledged as f64);
    finding.figure("duplicates", duplicates as f64);
    finding
}
