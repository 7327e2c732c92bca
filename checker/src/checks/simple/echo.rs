//! An answer repeats what was asked: Maelstrom's first exercise, and a test of clients and networks.
//!
//! The result of each `echo` that succeeded is its argument, or a map in which `echo` is the argument. O(n).

use crate::checks::by_key::unknown_functions;
use crate::checks::check::{Check, Context, Nature, Scope, View};
use crate::finding::{Draft, Finding};
use crate::history::{Datum, History, Op, ValueId};
use crate::limits::Limits;
use crate::objects::Object;

/// Checks that answers repeat what was asked.
pub(crate) struct Echo;

impl Check for Echo {
    fn name(&self) -> &'static str {
        "echo"
    }

    fn about(&self) -> &'static str {
        "echo v -> v, or {echo v}: each answer repeats what was asked"
    }

    fn scope(&self) -> Scope {
        Scope::Workload
    }

    fn objects(&self) -> &'static [Object] {
        &[Object::Ids]
    }

    fn nature(&self) -> Nature {
        Nature::LASTING
    }

    fn judge(&self, view: &View<'_>, context: &Context<'_>) -> Finding {
        view.by_records(|records| check(records, &context.limits))
    }
}

/// Checks `echo`.
pub(crate) fn check(records: &History, limits: &Limits<'_>) -> Finding {
    let (mut finding, mut answers) = (Finding::default(), 0u64);
    for (at, op) in records.ops.iter().enumerate() {
        if records.text(op.f) != "echo" {
            return Finding::undecided(unknown_functions(records, &["echo"]));
        }
        if !op.is_ok() {
            continue;
        }
        answers += 1;
        if !repeats(records, op) {
            finding.violated(limits, || {
                let (asked, answered) = (records.show(op.argument), records.show(op.result));
                let process = records.process_of(at);
                let explanation = format!("Process {process} asked {asked} and was answered {answered}.");
                Draft::at(records, "no-echo", "", [at], explanation)
            });
        }
    }
    if answers == 0 {
        finding.doubt("nothing was answered");
    }
    finding.headline = format!("echo: {answers} answers, {} of something else", finding.violations);
    finding.figure("answers", answers as f64);
    finding
}

fn repeats(records: &History, op: &Op) -> bool {
    let is_asked = |value: ValueId| records.is_equal(op.argument, value);
    let is_inside = |[field, value]: &[ValueId; 2]| {
        matches!(records.datum(*field), Datum::Text("echo" | ":echo")) && is_asked(*value)
    };
    is_asked(op.result) || matches!(records.datum(op.result), Datum::Map(fields) if fields.iter().any(is_inside))
}
