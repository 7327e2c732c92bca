//! What proves an anomaly is a violation by itself, and nothing of it is needless.
//!
//! The operations of an anomaly are judged as a history of their own, with what the nemesis did as far as the anomaly names
//! it: the same property has an anomaly of the same kind, on the same key and of the same process. Without any one of them
//! it has none. Every history that a test of this crate builds as a [`Story`] is tested for this, and random ones of every model.

use std::collections::{BTreeMap, BTreeSet};

use super::check;
use super::{Story, claiming_all, of};
use crate::CheckName;
use crate::history::{Event, Process, ProcessName};
use crate::limits::Limits;
use crate::verdict::{Anomaly, Outcome, PropertyResult, Verdict};
use crate::{Claims, ConcurrentWrites};

mod random;

/// An operation, or an event of the nemesis, by the indices of its events.
type Part = Vec<u64>;

/// The parts of a history that events belong to, with all that they have.
fn parts(history: &[Event], events: &[u64]) -> BTreeSet<Part> {
    let part = |index: &u64| {
        let Process::Client(_) = history[*index as usize].process else { return vec![*index] };
        let whole = of(history);
        let operations = whole.operations();
        let mut all = operations.iter().map(|operation| [Some(operation.invoked()), operation.completed()]);
        all.find(|part| part.contains(&Some(*index))).expect("it is of an operation").into_iter().flatten().collect()
    };
    events.iter().map(part).collect()
}

/// Some parts of a history as a history of their own.
fn alone<'p>(history: &[Event], parts: impl IntoIterator<Item = &'p Part>) -> Vec<Event> {
    let indices: BTreeSet<u64> = parts.into_iter().flatten().copied().collect();
    let events = (0..).zip(indices).map(|(at, index)| Event { index: at, ..history[index as usize].clone() });
    events.collect()
}

/// What distinguishes an anomaly from others. Without the additions before it, a sum that was too low is too high: that is
/// another reason.
fn reason(anomaly: &Anomaly) -> (&str, Option<&str>, Option<&ProcessName>, bool) {
    let is_low = anomaly.explanation.contains("comes to at least");
    (&anomaly.kind, anomaly.key.as_deref(), anomaly.process.as_ref(), is_low)
}

/// Whether a history has an anomaly of the same kind, of the same property, on the same key and of the same process.
fn has(history: &[Event], found: &PropertyResult, anomaly: &Anomaly, options: &Claims) -> bool {
    let verdict = crate::check(&of(history), options, &Limits { anomalies_max: usize::MAX, ..Limits::default() });
    let same = |other: &&PropertyResult| (other.property, &other.workload) == (found.property, &found.workload);
    let mut anomalies = verdict.properties.iter().filter(same).flat_map(|other| &other.anomalies);
    anomalies.any(|other| reason(other) == reason(anomaly))
}

/// What is wrong with the proof of an anomaly.
fn flaw(history: &[Event], found: &PropertyResult, anomaly: &Anomaly, options: &Claims) -> Option<String> {
    let Anomaly { events, context, .. } = anomaly;
    let parts = parts(history, events);
    let closed: Vec<u64> = parts.iter().flatten().copied().collect::<BTreeSet<u64>>().into_iter().collect();
    if closed != *events {
        return Some(format!("{closed:?} belong together"));
    }
    if !context.is_sorted() || context.iter().any(|index| events.contains(index)) {
        return Some("what is beside it proves it".to_owned());
    }
    if !has(&alone(history, &parts), found, anomaly, options) {
        return Some("it is none by itself".to_owned());
    }
    let without = |out: &&Part| alone(history, parts.iter().filter(|part| part != out));
    let needless = parts.iter().find(|out| has(&without(out), found, anomaly, options));
    needless.map(|out| format!("it is one without {out:?}, too"))
}

/// How many anomalies of each kind were looked at, and what is wrong with some.
#[derive(Default)]
struct Looked {
    kinds: BTreeMap<(CheckName, String), u64>,
    flaws: Vec<(CheckName, String, String)>,
}

impl Looked {
    fn at(&mut self, history: &[Event], verdict: &Verdict, options: &Claims) {
        for found in &verdict.properties {
            for anomaly in &found.anomalies {
                *self.kinds.entry((found.property, anomaly.kind.clone())).or_default() += 1;
                if let Some(flaw) = flaw(history, found, anomaly, options) {
                    let described = format!("{flaw}: {anomaly:?}\n{}", listing(history, found, anomaly));
                    self.flaws.push((found.property, anomaly.kind.clone(), described));
                }
            }
        }
    }
}

/// The events of the anomaly's key, a line each, those that prove it marked.
fn listing(history: &[Event], found: &PropertyResult, anomaly: &Anomaly) -> String {
    let of_key = |event: &&Event| event.workload == found.workload && event.key == anomaly.key;
    let line = |event: &Event| {
        let mark = if anomaly.events.contains(&event.index) { "*" } else { " " };
        let Event { index, process, kind, f, value, past, .. } = event;
        format!("{mark} {index}: {process:?} {kind:?} {f} {value} {:?} {past:?}\n", event.phase)
    };
    history.iter().filter(of_key).map(line).collect()
}

/// Every anomaly of a verdict is one by its proof alone, of which nothing is needless.
pub fn assert_proved(history: &[Event], verdict: &Verdict, options: &Claims) {
    let mut looked = Looked::default();
    looked.at(history, verdict, options);
    if let Some((property, kind, flaw)) = looked.flaws.first() {
        panic!("{property}, {kind}: {flaw}");
    }
}

/// Random histories of every model break every property, in every way that it has.
#[test]
fn anomalies_of_random_histories_are_proved() {
    let count = std::env::var("PROOFS_HISTORIES").ok().and_then(|count| count.parse().ok()).unwrap_or(150);
    let mut looked = Looked::default();
    for seed in 0..count {
        let history = random::history(seed);
        for concurrent_writes in [ConcurrentWrites::Kept, ConcurrentWrites::OneWins] {
            let options = claiming_all(concurrent_writes);
            let limits = Limits { anomalies_max: 4, ..Limits::default() };
            looked.at(&history, &crate::check(&of(&history), &options, &limits), &options);
        }
    }
    for ((property, kind), count) in &looked.kinds {
        let flaws = looked.flaws.iter().filter(|flaw| (flaw.0, &flaw.1) == (*property, kind)).count();
        println!("{property}, {kind}: {count} looked at, {flaws} with flaws");
    }
    if let Some((property, kind, flaw)) = looked.flaws.first() {
        panic!("{property}, {kind}: {flaw}");
    }
    let broken: BTreeSet<CheckName> = looked.kinds.keys().map(|(property, _)| *property).collect();
    assert_eq!(broken, CheckName::measured().collect(), "every property breaks");
    assert!(looked.kinds.len() >= KINDS_MIN, "{:?}", looked.kinds);
}

/// How many kinds of anomalies the random histories have at least, of each property counted by itself.
const KINDS_MIN: usize = 35;

/// An anomaly with too many operations to be judged again is reported as it was found, and says so.
#[test]
fn a_proof_of_many_operations_is_not_shrunk() {
    let mut story = Story::new("register");
    story.write_ok(0, "x", 0, &[]);
    for value in 1..120 {
        story.write_ok(0, "x", value, &[value - 1]);
    }
    story.read(0, "x", &[0]);
    let verdict = check(&story.history(), &claiming_all(ConcurrentWrites::OneWins));
    let found = super::result(verdict, CheckName::READ_YOUR_WRITES);
    let anomaly = found.sole(Outcome::Invalid, "stale-read");
    assert_eq!(anomaly.events.len(), 242, "every write is older than the next");
    assert!(
        anomaly.explanation.ends_with("whether fewer than these 121 operations would do was not tried to the end"),
        "{anomaly:?}"
    );
}

#[test]
fn files_of_older_versions_have_no_context() {
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).read(1, "set-0", &[1]).final_read(1, "set-0", &[]);
    let found = story.result(CheckName::NO_LOST_WRITES);
    let anomaly = found.sole(Outcome::Invalid, "lost-write");
    assert_eq!(anomaly.context, [2, 3]);
    let mut old = serde_json::to_value(anomaly).expect("it is JSON");
    old.as_object_mut().expect("it is a map").remove("context").expect("it is there");
    let old: Anomaly = serde_json::from_value(old).expect("it is read");
    assert_eq!(old, Anomaly { context: Vec::new(), ..anomaly.clone() });
}
