//! A watch reports every change, once, in order: the promises of etcd's watches.
//!
//! Each `put` and `delete` that is acknowledged has a revision, and each `watch` returns responses, each a list of
//! changes. Of every watch is demanded what etcd's documentation and its robustness tests demand:
//!
//! | promise | anomaly |
//! |---|---|
//! | ordered: revisions never go back | `watch-unordered` |
//! | unique: no change comes twice | `watch-duplicate` |
//! | atomic: the changes of one revision are in one response | `watch-not-atomic` |
//! | resumable: nothing before the revision that was asked for, and nothing left out after it | `watch-too-early`, `watch-gap` |
//! | reliable: no change between two that are reported is missing | `watch-gap` |
//! | truthful: all watches, and the acknowledgement, agree on a change | `watch-contradiction` |
//!
//! What changed is known from acknowledgements and from all other watches. O(n log n).

use std::collections::{BTreeMap, BTreeSet};

use crate::checks::by_key::unknown_functions;
use crate::checks::check::{Check, Context, Nature, Scope, View};
use crate::finding::{Draft, Finding};
use crate::history::{Datum, History, Identities, Op, ValueId};
use crate::limits::Limits;
use crate::objects::Object;

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
        Nature::LASTING.needing(300)
    }

    fn judge(&self, view: &View<'_>, context: &Context<'_>) -> Finding {
        view.by_records(|records| check(records, &context.limits))
    }
}

/// A change as it was reported: revision, key, and the value after it (nil if it was deleted).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Change {
    revision: i64,
    key: ValueId,
    value: ValueId,
}

impl Change {
    /// With a key and a value that stand for all that equal them.
    fn with(self, same: &mut Identities<'_>) -> Self {
        Self { key: same.of(self.key), value: same.of(self.value), ..self }
    }
}

/// What a watch returned, in its order.
struct Watched {
    op: usize,
    /// The revision from which it was asked to report.
    from: Option<i64>,
    /// Each change with the number of its response.
    changes: Vec<(usize, Change)>,
}

/// The changes that are known: by revision and key, the value and the operation that showed it first.
type Known = BTreeMap<(i64, ValueId), (ValueId, usize)>;

/// Checks `put`, `delete` and `watch`.
pub(crate) fn check(records: &History, limits: &Limits<'_>) -> Finding {
    let (mut watches, mut known, mut finding) = (Vec::new(), Known::new(), Finding::default());
    let mut same = Identities::new(records);
    for (at, op) in records.ops.iter().enumerate() {
        let read = match (records.text(op.f), op.is_ok()) {
            ("put" | "delete" | "watch", false) => Ok(()),
            ("put" | "delete", true) => {
                let change = written(records, op).map(|change| change.map(|change| change.with(&mut same)));
                change.map(|change| learn(records, at, change, &mut known, limits, &mut finding))
            }
            ("watch", true) => watched(records, at).map(|mut watched| {
                watched.changes.iter_mut().for_each(|(_, change)| *change = change.with(&mut same));
                watches.push(watched);
            }),
            _ => Err(unknown_functions(records, &["put", "delete", "watch"])),
        };
        if let Err(problem) = read {
            return Finding::undecided(problem);
        }
    }
    for watch in &watches {
        watch
            .changes
            .iter()
            .for_each(|(_, change)| learn(records, watch.op, Some(*change), &mut known, limits, &mut finding));
    }
    for watch in &watches {
        watch.order(records, limits, &mut finding);
        watch.gaps(records, &known, limits, &mut finding);
    }
    let changes: usize = watches.iter().map(|watch| watch.changes.len()).sum();
    if changes == 0 {
        finding.doubt("no watch reported a change");
    }
    finding.headline =
        format!("watch: {changes} changes reported by {} watches, {} violations", watches.len(), finding.violations);
    finding.figure("watches", watches.len() as f64);
    finding.figure("changes_reported", changes as f64);
    finding.figure("changes_known", known.len() as f64);
    finding
}

/// The change that an acknowledged write made, if its revision was answered.
fn written(records: &History, op: &Op) -> Result<Option<Change>, String> {
    let Datum::Int(revision) = records.datum(op.result) else { return Ok(None) };
    let deletes = records.text(op.f) == "delete";
    match (deletes, records.datum(op.argument)) {
        (true, _) => Ok(Some(Change { revision, key: op.argument, value: ValueId::NIL })),
        (false, Datum::List(&[key, value])) => Ok(Some(Change { revision, key, value })),
        (false, _) => {
            let (index, value) = (records.event_index(op.call), records.show(op.argument));
            Err(format!("the `put` at index {index} is of no [k v]: {value}"))
        }
    }
}

fn learn(
    records: &History,
    at: usize,
    change: Option<Change>,
    known: &mut Known,
    limits: &Limits<'_>,
    finding: &mut Finding,
) {
    let Some(Change { revision, key, value }) = change else { return };
    let (first, by) = *known.entry((revision, key)).or_insert((value, at));
    if first != value {
        let explain = || {
            let (key, one, other) = (records.show(key), records.show(first), records.show(value));
            format!("At revision {revision} {key} became {one}, and elsewhere {other}.")
        };
        violated(records, "watch-contradiction", [by, at], limits, finding, explain);
    }
}

fn watched(records: &History, at: usize) -> Result<Watched, String> {
    let op = &records.ops[at];
    let wrong = |what: &str| format!("the `watch` at index {} {what}", records.event_index(op.call));
    let from = match records.datum(op.argument) {
        Datum::Int(revision) => Some(revision),
        Datum::Nil => None,
        _ => return Err(wrong("asks for no revision")),
    };
    let Datum::List(responses) = records.datum(op.result) else { return Err(wrong("returned no list of responses")) };
    let mut changes = Vec::new();
    for (number, response) in responses.iter().enumerate() {
        let Datum::List(of_response) = records.datum(*response) else {
            return Err(wrong("has a response that is no list"));
        };
        for reported in of_response {
            let change = change(records, *reported);
            changes.push((number, change.ok_or_else(|| wrong("reports what is no [revision put|delete k v]"))?));
        }
    }
    Ok(Watched { op: at, from, changes })
}

fn change(records: &History, reported: ValueId) -> Option<Change> {
    let Datum::List([revision, kind, key, value @ ..]) = records.datum(reported) else { return None };
    let Datum::Int(revision) = records.datum(*revision) else { return None };
    match (records.datum(*kind), value) {
        (Datum::Text("put"), &[value]) => Some(Change { revision, key: *key, value }),
        (Datum::Text("delete"), [] | [_]) => Some(Change { revision, key: *key, value: ValueId::NIL }),
        _ => None,
    }
}

impl Watched {
    /// What can be seen of a watch alone.
    fn order(&self, records: &History, limits: &Limits<'_>, finding: &mut Finding) {
        let mut seen = BTreeSet::new();
        let mut violated =
            |kind, explain: &dyn Fn() -> String| violated(records, kind, [self.op], limits, finding, explain);
        let process = records.process_of(self.op);
        if let Some((from, first)) =
            self.from.and_then(|from| Some((from, self.changes.iter().map(|(_, change)| change.revision).min()?)))
            && first < from
        {
            violated("watch-too-early", &|| {
                format!("Process {process} asked for changes from revision {from} on, and got one of {first}.")
            });
        }
        for (_, change) in &self.changes {
            if !seen.insert((change.revision, change.key)) {
                let Change { revision, key, .. } = *change;
                violated("watch-duplicate", &|| {
                    format!("Process {process} got the change of {} at revision {revision} twice.", records.show(key))
                });
            }
        }
        for pair in self.changes.windows(2) {
            let [(response, one), (next_response, other)] = pair else { continue };
            let (before, after) = (one.revision, other.revision);
            if after < before {
                violated("watch-unordered", &|| format!("Process {process} got revision {after} after {before}."));
            } else if after == before && response != next_response {
                violated("watch-not-atomic", &|| {
                    format!("Process {process} got the changes of revision {after} in two responses.")
                });
            }
        }
    }

    /// What others know of, and this watch left out between its beginning and its end.
    fn gaps(&self, records: &History, known: &Known, limits: &Limits<'_>, finding: &mut Finding) {
        let revisions = || self.changes.iter().map(|(_, change)| change.revision);
        let (Some(least), Some(last)) = (revisions().min(), revisions().max()) else { return };
        // Without a revision that was asked for it may begin anywhere.
        let from = self.from.unwrap_or(least);
        let reported: BTreeSet<(i64, ValueId)> =
            self.changes.iter().map(|(_, change)| (change.revision, change.key)).collect();
        if from > last {
            return;
        }
        for ((revision, key), (_, by)) in
            known.range((from, ValueId::default())..).take_while(|((revision, _), _)| *revision <= last)
        {
            if !reported.contains(&(*revision, *key)) {
                violated(records, "watch-gap", [*by, self.op], limits, finding, || {
                    format!(
                        "Process {} got changes up to revision {last}, but not that of {} at revision {revision}.",
                        records.process_of(self.op),
                        records.show(*key)
                    )
                });
            }
        }
    }
}

fn violated(
    records: &History,
    kind: &'static str,
    proof: impl IntoIterator<Item = usize>,
    limits: &Limits<'_>,
    finding: &mut Finding,
    explain: impl Fn() -> String,
) {
    finding.violated(limits, || Draft::at(records, kind, "", proof, explain()));
}
