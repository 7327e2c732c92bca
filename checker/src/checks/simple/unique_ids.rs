//! Every identifier that was handed out is another one.
//!
//! Decides by the results of all operations that succeeded, whatever their function, as Jepsen's `unique-ids` does: two
//! equal ones are a violation. Keys do not matter: identifiers are unique in the whole history. O(n).

use rustc_hash::FxHashMap;

use crate::history::{Datum, History, ValueId};
use crate::limits::{Decision, Limits, Violation};
use crate::verdict::Outcome;

/// Judges operations that each return an identifier, such as `generate`.
pub fn check(records: &History, limits: &Limits<'_>) -> Decision {
    let mut first: FxHashMap<ValueId, usize> = FxHashMap::default();
    let mut decision = Decision::default();
    let mut acknowledged: u64 = 0;
    for (at, op) in records.ops.iter().enumerate().filter(|(_, op)| op.is_ok()) {
        if matches!(records.datum(op.result), Datum::Nil | Datum::List(_) | Datum::Map(_)) {
            let (index, value) = (records.event_index(op.ret), records.show(op.result));
            return Decision::inconclusive(format!("the result at index {index} is no identifier: {value}"));
        }
        acknowledged += 1;
        let before = *first.entry(op.result).or_insert(at);
        if before != at {
            decision.violated(limits, || {
                let (id, one, other) = (records.show(op.result), records.ops[before].process, op.process);
                let explanation = format!("{id} was given to process {one} and again to process {other}.");
                let events = records.events_of_all([before, at]);
                Violation { kind: "duplicate".into(), key: None, explanation, events }
            });
        }
    }
    if acknowledged == 0 {
        decision.outcome = Outcome::Inconclusive;
    }
    let duplicates = decision.violations_total;
    decision.headline = format!("unique-ids: {acknowledged} identifiers, {duplicates} given out before");
    decision.figure("acknowledged", acknowledged as f64);
    decision.figure("duplicates", duplicates as f64);
    decision
}
