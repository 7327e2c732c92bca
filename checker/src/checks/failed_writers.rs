//! Whose failed write a violation shows.
//!
//! Often no store is to blame for a violation, but a client that recorded as failed what it could not know: the request had timed
//! out, and was carried out all the same. So where operations of a violation show a value that only an operation wrote which
//! failed, that one is named, with its error, and stays beside the proof as context. O(n), once, and only if something is violated.

use rustc_hash::FxHashMap;

use crate::finding::{EventSpan, Finding, Kept};
use crate::history::{Datum, History, Identities, Kind, Op, Sym, ValueId};
use crate::run::findings::FaultFinding;

/// Functions that change something, and whose argument is the value.
const WRITES: [&str; 10] = ["write", "w", "add", "enqueue", "push", "insert", "offer", "put", "send", "append"];
/// Functions that change a number by their argument.
const CHANGES: [&str; 5] = ["add", "inc", "increment", "dec", "decrement"];
/// How many values of a violation are looked at.
const VALUES_MAX: usize = 10_000;

/// A key, as operations or transactions have it, and a value.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Shown {
    Of(Sym, ValueId),
    InTransaction(ValueId, ValueId),
}

impl Shown {
    /// The same for all that are equal.
    fn of_equals(self, same: &mut Identities<'_>) -> Self {
        match self {
            Shown::Of(key, value) => Shown::Of(key, same.of(value)),
            Shown::InTransaction(key, value) => Shown::InTransaction(same.of(key), same.of(value)),
        }
    }
}

/// Who wrote a value.
#[derive(Clone, Copy, Default)]
struct Writers {
    failed: Option<usize>,
    others: bool,
}

/// Names them in the explanations.
pub(crate) fn name_them(records: &History, faults: &[FaultFinding], finding: &mut Finding) {
    if finding.anomalies.kept.is_empty() || records.ops.iter().all(|op| op.kind != Kind::Fail) {
        return;
    }
    let mut same = Identities::new(records);
    let kept = finding.anomalies.kept.iter();
    let shown: Vec<Vec<Shown>> = kept
        .map(|kept| shown_by(records, kept).into_iter().map(|place| place.of_equals(&mut same)).collect())
        .collect();
    let mut writers: FxHashMap<Shown, Writers> = FxHashMap::default();
    writers.extend(shown.iter().flatten().map(|place| (*place, Writers::default())));
    for (at, op) in records.ops.iter().enumerate() {
        each_written(records, op, |place| {
            let Some(of_value) = writers.get_mut(&place.of_equals(&mut same)) else { return };
            match op.kind {
                Kind::Fail => drop(of_value.failed.get_or_insert(at)),
                Kind::Ok | Kind::Info => of_value.others = true,
            }
        });
    }
    for (kept, shown) in finding.anomalies.kept.iter_mut().zip(shown) {
        let only_failed = |place: &Shown| writers[place].failed.filter(|_| !writers[place].others);
        let by_value = shown.iter().find_map(|place| Some((only_failed(place)?, Some(*place))));
        if let Some((failed, place)) = by_value.or_else(|| Some((failed_change(records, kept)?, None))) {
            name(records, kept, failed, place);
            kept.settle(faults);
        }
    }
}

fn name(records: &History, kept: &mut Kept, failed: usize, place: Option<Shown>) {
    let op = &records.ops[failed];
    let event = records.events_of(failed).last().unwrap_or_default();
    let error = records.operation(failed).error().map_or_else(String::new, |error| format!(" with `{error}`"));
    let (f, process) = (records.text(op.f), records.process_name(op.process));
    let who = format!("`{f}` (process {process}, event {event}) failed{error}");
    let said = match place {
        Some(Shown::Of(_, value) | Shown::InTransaction(_, value)) => {
            format!("{} was seen, though its {who}", records.show(value))
        }
        None => format!("The {who}, and would explain a sum like this"),
    };
    let explanation = &mut kept.anomaly.explanation;
    let end = if explanation.ends_with('.') { "" } else { "." };
    explanation.push_str(&format!("{end} {said}: if the client cannot know, record `info`."));
    kept.context.push(EventSpan::at(records, failed));
}

/// What the operations of a proof show, of which key.
fn shown_by(records: &History, kept: &Kept) -> Vec<Shown> {
    let mut shown = Vec::new();
    for at in kept.proof.iter().filter_map(|span| records.invoked_at(span.begin.0)) {
        let op = &records.ops[at];
        if op.is_ok() && shown.len() < VALUES_MAX {
            each_shown(records, op, |place| shown.push(place));
        }
    }
    shown
}

fn each_shown(records: &History, op: &Op, mut take: impl FnMut(Shown)) {
    let mut all = |of: &dyn Fn(ValueId) -> Shown, value: ValueId| {
        if let Some(elements) = records.datum(value).elements() {
            elements.iter().for_each(|element| take(of(*element)));
        }
        if !value.is_nil() {
            take(of(value));
        }
    };
    let of_key = |value: ValueId| Shown::Of(op.key, value);
    match records.text(op.f) {
        "cas" => {
            if let Datum::List(&[expected, _]) = records.datum(op.argument) {
                all(&of_key, expected);
            }
        }
        "contains" | "remove" if records.datum(op.result) == Datum::Bool(true) => all(&of_key, op.argument),
        f if WRITES.contains(&f) => {}
        _ => {
            for (f, key, value) in records.micros(op.result).into_iter().flatten() {
                if matches!(f, "r" | "read") {
                    all(&|value| Shown::InTransaction(key, value), value);
                }
            }
            all(&of_key, op.result);
        }
    }
}

fn each_written(records: &History, op: &Op, mut take: impl FnMut(Shown)) {
    match records.text(op.f) {
        "cas" => {
            if let Datum::List(&[_, new]) = records.datum(op.argument) {
                take(Shown::Of(op.key, new));
            }
        }
        f if WRITES.contains(&f) => take(Shown::Of(op.key, op.argument)),
        _ => {}
    }
    for (f, key, value) in records.micros(op.argument).into_iter().flatten() {
        if matches!(f, "w" | "write" | "append") {
            take(Shown::InTransaction(key, value));
        }
    }
}

/// A change of a counter that failed, and would make its sum as high or as low as a read shows.
fn failed_change(records: &History, kept: &Kept) -> Option<usize> {
    let is_high = match kept.anomaly.kind.as_str() {
        "sum-too-high" => true,
        "sum-too-low" => false,
        _ => return None,
    };
    let proof = || kept.proof.iter().filter_map(|span| records.invoked_at(span.begin.0));
    let read = proof().find(|at| records.text(records.ops[*at].f) == "read")?;
    let (key, ended) = (records.ops[read].key, records.ops[read].ret);
    let explains = |op: &&Op| {
        let f = records.text(op.f);
        let amount = match records.datum(op.argument) {
            Datum::Int(amount) => amount,
            _ => 1,
        };
        let raises = (amount > 0) != f.starts_with("dec");
        op.kind == Kind::Fail && op.key == key && CHANGES.contains(&f) && raises == is_high
    };
    let before = records.ops.iter().take_while(|op| op.call < ended);
    before.enumerate().filter(|(_, op)| explains(op)).map(|(at, _)| at).next()
}
