//! The engine of session guarantees against the plain definitions, on random histories.
//!
//! As a workload of the bench, where concurrent writes are kept and where one wins, and as a history from anywhere: all
//! figures must be those of [`definitions`].

mod definitions;
mod draw;

use std::collections::BTreeMap;

use definitions::{Store, Tally, judge};
use serde_json::Value;

use super::{Story, of};
use crate::checks::check::{Context, View};
use crate::checks::isolation::{check_level, is_of_lists};
use crate::checks::registry::CheckName;
use crate::checks::sessions::Guarantee;
use crate::finding::{Anomaly, Finding};
use crate::history::{Datum, Event, EventType, History, write_line};
use crate::limits::Limits;
use crate::objects::ConcurrentWrites;
use crate::tests::random::{Random, cases};
use crate::verdict::Outcome;
use crate::visibility::Facts;

/// Seeds of histories that show what is rare: a delete that excuses what a read lacks although it cannot have been seen; an
/// unrecorded past that cannot hold what came after it; a failed write in a past; what comes back after a delete; a past
/// that its writer knows.
const RARE: [u64; 5] = [4979, 15240, 1202, 11868, 11561];

fn seeds() -> impl Iterator<Item = u64> {
    (0..cases(1000)).chain(RARE)
}

const CHECKS: [(Guarantee, CheckName); 6] = [
    (Guarantee::ReadYourWrites, CheckName::READ_YOUR_WRITES),
    (Guarantee::MonotonicReads, CheckName::MONOTONIC_READS),
    (Guarantee::MonotonicWrites, CheckName::MONOTONIC_WRITES),
    (Guarantee::WritesFollowReads, CheckName::WRITES_FOLLOW_READS),
    (Guarantee::Pram, CheckName::PRAM),
    (Guarantee::Causal, CheckName::CAUSAL),
];

fn context() -> Context<'static> {
    Context { limits: Limits { anomalies_max: 0, ..Limits::default() }, ..Context::default() }
}

fn tally(found: &Finding) -> Tally {
    let figure = |name: &str| found.figures.get(name).copied().unwrap_or_else(|| panic!("{name}: {found:#?}")) as u64;
    let tally =
        Tally { judged: figure("reads-judged"), undecided: figure("undecided"), violations: figure("violations") };
    assert_eq!(tally.violations, found.violations, "{found:#?}");
    tally
}

/// As a workload; with nothing to judge it is inconclusive.
fn as_workload(history: &History, store: Store) -> BTreeMap<Guarantee, Tally> {
    let concurrent_writes = if store == Store::OneWins { ConcurrentWrites::OneWins } else { ConcurrentWrites::Kept };
    let facts = Facts::new(&history.operations(), None, concurrent_writes);
    let judge = |(guarantee, name): (Guarantee, CheckName)| {
        let found = name.check().judge(&View::of_facts(&facts.workloads[0]), &context());
        let tally = tally(&found);
        let untested = tally.outcome() == Outcome::Valid && tally.judged == 0;
        let expected = if untested { Outcome::Inconclusive } else { tally.outcome() };
        assert_eq!(found.outcome(), expected, "{found:#?}");
        (guarantee, tally)
    };
    CHECKS.map(judge).into()
}

fn lines(events: &[Event]) -> String {
    events.iter().map(write_line).collect()
}

#[test]
fn of_workloads_the_figures_are_those_of_the_definitions() {
    let mut outcomes: BTreeMap<(Store, Guarantee, Outcome), u64> = BTreeMap::new();
    for seed in seeds() {
        for store in [Store::Set, Store::List, Store::Siblings, Store::OneWins] {
            let events = draw::events(seed, store);
            let history = of(&events);
            let expected = judge(&history, store);
            for (guarantee, found) in as_workload(&history, store) {
                assert_eq!(found, expected[&guarantee], "seed {seed}, {store:?}, {guarantee}\n{}", lines(&events));
                *outcomes.entry((store, guarantee, found.outcome())).or_default() += 1;
            }
        }
    }
    print_outcomes(&outcomes);
}

/// As a history from anywhere; with nothing to judge it is valid, but not if no order of the writes explains a read.
fn as_history(history: &History, unexplained: &BTreeMap<Guarantee, u64>) -> BTreeMap<Guarantee, Tally> {
    let judge = |(guarantee, name): (Guarantee, CheckName)| {
        let mut found = name.check().judge(&View::of_records(history, None), &context());
        let outcome = found.outcome();
        let odd = found.figures.remove("unexplained-reads").unwrap_or_default() as u64;
        assert_eq!(odd, unexplained[&guarantee], "{guarantee}: {found:#?}");
        let by_level = match guarantee == Guarantee::Pram && is_of_lists(None, history) {
            true => check_level(None, history, &context(), "pram"),
            false => Finding::default(),
        };
        // What sessions do not see.
        let missed = by_level.figures.get("missed-own-write").copied().unwrap_or_default() as u64;
        found.violations -= odd + by_level.violations - missed;
        found.figure("violations", found.violations as f64);
        let tally = tally(&found);
        let odd = if odd > 0 { Outcome::Invalid } else { Outcome::Valid };
        assert_eq!(outcome, tally.outcome().merge(odd).merge(by_level.outcome()), "{found:#?}\n{by_level:#?}");
        (guarantee, tally)
    };
    CHECKS.into_iter().filter(|(guarantee, _)| !is_level(history, *guarantee)).map(judge).collect()
}

/// Transactions have a level of isolation of this name; for PRAM if none appends.
fn is_level(history: &History, guarantee: Guarantee) -> bool {
    let is_txn = history.ops.iter().any(|op| history.text(op.f) == "txn");
    is_txn && (guarantee == Guarantee::Causal || guarantee == Guarantee::Pram && !is_of_lists(None, history))
}

/// Without a list a history is taken for one of single values, which is another algorithm.
fn shows_lists(history: &History) -> bool {
    let is_list = |op: &crate::history::Op| {
        history.reads_list(op) || matches!(history.datum(op.argument), Datum::List(_)) && history.text(op.f) == "txn"
    };
    history.ops.iter().any(is_list)
}

#[test]
fn of_histories_from_anywhere_too() {
    let mut outcomes: BTreeMap<(Store, Guarantee, Outcome), u64> = BTreeMap::new();
    for seed in seeds() {
        for store in [Store::Set, Store::List, Store::Siblings] {
            let events = draw::events(seed, store);
            let history = of(&events);
            if !shows_lists(&history) {
                continue;
            }
            let expected = judge(&history, store);
            for (guarantee, found) in as_history(&history, &definitions::unexplained(&history, store)) {
                assert_eq!(found, expected[&guarantee], "seed {seed}, {store:?}, {guarantee}\n{}", lines(&events));
                *outcomes.entry((store, guarantee, found.outcome())).or_default() += 1;
            }
        }
    }
    print_outcomes(&outcomes);
}

/// Joins some operations that a process made one after the other, if both succeeded, into one transaction.
fn joined(seed: u64, events: &[Event]) -> Vec<Event> {
    let mut draw = Random(seed);
    let mut joined: Vec<Event> = Vec::new();
    for event in events {
        let mut event = event.clone();
        let own = |other: &&mut Event| other.process == event.process;
        let last = joined.iter().rposition(|other| other.process == event.process);
        let goes_on = event.kind == EventType::Invoke && draw.chance(50) && will_succeed(events, &event);
        if let Some(last) = last.filter(|last| goes_on && joined[*last].kind == EventType::Ok) {
            let before = joined.remove(last);
            let begun = joined.iter_mut().rev().find(own).expect("what completed was invoked");
            begun.value = both(&begun.value, &event.value);
            begun.extra.insert("shown".to_owned(), before.value);
            continue;
        }
        let begun = joined.iter_mut().rev().find(own);
        if let Some(shown) = begun.filter(|_| event.kind != EventType::Invoke).and_then(|one| one.extra.remove("shown"))
        {
            event.value = both(&shown, &event.value);
        }
        joined.push(event);
    }
    for (event, index) in joined.iter_mut().zip(0..) {
        (event.index, event.key) = (index, None);
    }
    joined
}

fn will_succeed(events: &[Event], invoke: &Event) -> bool {
    let mut later = events.iter().filter(|event| event.index > invoke.index);
    later.find(|event| event.process == invoke.process).is_some_and(|event| event.kind == EventType::Ok)
}

fn both(one: &Value, other: &Value) -> Value {
    [one, other].into_iter().flat_map(|value| value.as_array().into_iter().flatten().cloned()).collect()
}

/// The micro-operations of a transaction are steps of its session, as if each were an operation.
#[test]
fn transactions_are_their_micro_operations() {
    let (mut several, mut violations) = (0, 0);
    for seed in 0..cases(1000) {
        let events = draw::events(seed, Store::List);
        let (apart, together) = (of(&events), joined(seed, &events));
        several += u64::from(together.len() < events.len());
        let expected = judge(&apart, Store::List);
        for (guarantee, found) in as_history(&of(&together), &definitions::unexplained(&apart, Store::List)) {
            assert_eq!(found, expected[&guarantee], "seed {seed}, {guarantee}\n{}", lines(&together));
            violations += found.violations;
        }
    }
    assert!(several > cases(1000) / 2 && violations > cases(1000) / 2, "{several}, {violations}");
}

/// A value that is written twice spoils its key alone.
#[test]
fn a_value_written_twice_is_a_flaw_of_its_key() {
    let mut story = Story::new("set");
    story.add(0, "x", 1).add(0, "x", 1).add(0, "y", 2).read(0, "y", &[]).read(0, "x", &[]);
    let found = CheckName::READ_YOUR_WRITES.check().judge(&View::of_records(&story.history(), None), &context());
    assert_eq!((found.outcome(), found.violations), (Outcome::Invalid, 1), "{found:#?}");
    assert!(found.doubts.iter().any(|doubt| doubt.contains("twice on x")), "{found:#?}");
}

/// A limit that is reached is a doubt.
#[test]
fn limits_are_doubts() {
    let mut story = Story::new("set");
    story.add(0, "x", 1).read(0, "x", &[1]);
    let history = story.history();
    let over = Limits { out_of_time: &|| true, ..Limits::default() };
    let small = Limits { memory_bytes: 10, ..Limits::default() };
    for (limits, (_, name)) in [over, small].into_iter().flat_map(|limits| CHECKS.map(|check| (limits, check))) {
        let found = name.check().judge(&View::of_records(&history, None), &Context { limits, ..Context::default() });
        assert_eq!(found.outcome(), Outcome::Inconclusive, "{name}, {limits:?}: {found:#?}");
    }
}

/// `--nocapture` shows them. Of every store that loses no write rightly each guarantee holds in some histories and is broken
/// in others.
fn print_outcomes(outcomes: &BTreeMap<(Store, Guarantee, Outcome), u64>) {
    for ((store, guarantee, outcome), count) in outcomes {
        println!("{store:?} | {guarantee} | {outcome} | {count}");
    }
    for (store, guarantee, _) in outcomes.keys().filter(|(store, ..)| *store != Store::OneWins) {
        for outcome in [Outcome::Valid, Outcome::Invalid] {
            assert!(outcomes.contains_key(&(*store, *guarantee, outcome)), "{store:?}, {guarantee}: never {outcome}");
        }
    }
}

/// What an explanation names is a violation of the same kind by itself, before anything is taken out of it as needless.
#[test]
fn explanations_stand_by_themselves() {
    let mut judged = 0;
    for seed in (0..cases(300)).chain(RARE) {
        for store in [Store::Set, Store::List, Store::Siblings, Store::OneWins] {
            let events = draw::events(seed, store);
            let history = of(&events);
            for ((guarantee, name), as_workload) in CHECKS.iter().flat_map(|check| [(*check, true), (*check, false)]) {
                let is_foreign = store != Store::OneWins && shows_lists(&history) && !is_level(&history, guarantee);
                if !as_workload && !is_foreign {
                    continue;
                }
                for kept in &explained(&events, store, name, as_workload) {
                    let part: Vec<Event> = (0..)
                        .zip(events.iter().filter(|event| kept.events.contains(&event.index)))
                        .map(|(index, event)| Event { index, ..event.clone() })
                        .collect();
                    let again = explained(&part, store, name, as_workload);
                    let same = again.iter().any(|other| {
                        (&other.kind, &other.key, &other.process) == (&kept.kind, &kept.key, &kept.process)
                    });
                    assert!(same, "seed {seed}, {store:?}, {name}, {as_workload}: {kept:#?}\n{}", lines(&events));
                    judged += 1;
                }
            }
        }
    }
    println!("{judged} explanations");
    assert!(judged > 1000, "{judged}");
}

fn explained(events: &[Event], store: Store, name: CheckName, as_workload: bool) -> Vec<Anomaly> {
    let history = of(events);
    let context = Context::default();
    let concurrent_writes = if store == Store::OneWins { ConcurrentWrites::OneWins } else { ConcurrentWrites::Kept };
    let operations = history.operations();
    let facts = Facts::new(&operations, None, concurrent_writes);
    let found = match as_workload {
        true => name.check().judge(&View::of_facts(&facts.workloads[0]), &context),
        false => name.check().judge(&View::of_records(&history, None), &context),
    };
    found.explained().cloned().collect()
}
