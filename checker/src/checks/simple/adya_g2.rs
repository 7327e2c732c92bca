//! Of two transactions that each insert a row if the other's row is not there, at most one commits.
//!
//! Each key has two `insert`s, of `[a nil]` and of `[nil b]`, each of which first reads both rows and inserts only if it
//! finds none. If both commit, each missed the other's write: an anti-dependency cycle, G2 (Adya 1999), which
//! serializability forbids. Workload and condition are those of Jepsen's `adya` g2 test. O(n).

use rustc_hash::FxHashMap;

use crate::checks::by_key::unknown_functions;
use crate::checks::check::{Check, Context, Nature, Scope, View};
use crate::finding::{Draft, Finding};
use crate::history::{Datum, History, Op, ValueId};
use crate::limits::Limits;
use crate::objects::Object;

/// Checks that at most one insert of a key commits.
pub(crate) struct AdyaG2;

impl Check for AdyaG2 {
    fn name(&self) -> &'static str {
        "adya-g2"
    }

    fn about(&self) -> &'static str {
        "insert [k [a nil]] and [k [nil b]], each only where neither row is there: at most one commits for each k (Adya 1999, G2)"
    }

    fn scope(&self) -> Scope {
        Scope::Workload
    }

    fn objects(&self) -> &'static [Object] {
        &[Object::Rows]
    }

    fn nature(&self) -> Nature {
        Nature::LASTING.needing(60)
    }

    fn judge(&self, view: &View<'_>, context: &Context<'_>) -> Finding {
        view.by_records(|records| check(records, &context.limits))
    }
}

/// Checks `insert`, of keys beside the value or inside it.
pub(crate) fn check(records: &History, limits: &Limits<'_>) -> Finding {
    let mut finding = Finding::default();
    let mut first: FxHashMap<String, usize> = FxHashMap::default();
    let mut inserted = 0u64;
    for (at, op) in records.ops.iter().enumerate() {
        if records.text(op.f) != "insert" {
            return Finding::undecided(unknown_functions(records, &["insert"]));
        }
        let Some(key) = key(records, op) else {
            let (index, value) = (records.event_index(op.call), records.show(op.argument));
            return Finding::undecided(format!("the insert at index {index} is of no [k [a b]]: {value}"));
        };
        if !op.is_ok() {
            continue;
        }
        inserted += 1;
        let before = *first.entry(key.clone()).or_insert(at);
        if before != at {
            finding.violated(limits, || {
                let (one, other) = (records.process_of(before), records.process_of(at));
                let explanation = format!(
                    "Processes {one} and {other} both inserted a row of {key}, each because it found none: neither saw the \
                     other's."
                );
                Draft::at(records, "G2", &key, [before, at], explanation)
            });
        }
    }
    if inserted == 0 {
        finding.doubt("no insert committed");
    }
    finding.headline = format!("adya-g2: {inserted} inserts committed, {} of a key that had one", finding.violations);
    finding.figure("inserted", inserted as f64);
    finding.figure("keys", first.len() as f64);
    finding
}

/// The key of an insert: its own, or the first half of its value.
fn key(records: &History, op: &Op) -> Option<String> {
    let is_pair = |value: ValueId| matches!(records.datum(value), Datum::List([_, _]));
    if op.key.is_some() {
        return is_pair(op.argument).then(|| records.text(op.key).to_owned());
    }
    match records.datum(op.argument) {
        Datum::List(&[key, rows]) if is_pair(rows) => Some(records.key_name(key).into_owned()),
        _ => None,
    }
}
