//! Causality over all keys of a workload, against a search for everything that happened before.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::Story;
use crate::CheckName;
use crate::history::{Datum, EventType, Operation};
use crate::verdict::Outcome;

/// Process 1 writes x, then y; process 2 has seen y, and looks for x.
fn two_keys(register: &[i64]) -> Story {
    let mut story = Story::new("register");
    story.write_ok(1, "x", 10, &[]).write_ok(1, "y", 20, &[]);
    story.read(2, "y", &[20]).read(2, "x", register);
    story
}

#[test]
fn what_happened_before_on_another_key_is_seen() {
    two_keys(&[10]).result(CheckName::CAUSAL).is_valid();
    let found = two_keys(&[]).result(CheckName::CAUSAL);
    let anomaly = found.sole(Outcome::Invalid, "causality-broken");
    let chain = "lacks write 10 to x, which happened before it: process 1: write 10 to x, then process 1: write 20 to y, \
                 then process 2: read of y, then process 2: read of x";
    assert!(anomaly.explanation.ends_with(chain), "{}", anomaly.explanation);
    assert_eq!(anomaly.events, [0, 1, 2, 3, 4, 5, 6, 7]);
    for property in [CheckName::READ_YOUR_WRITES, CheckName::MONOTONIC_READS, CheckName::MONOTONIC_WRITES] {
        assert_eq!(two_keys(&[]).result(property).figure("violations"), 0.0, "each key by itself is in order");
    }
}

#[test]
fn what_others_did_meanwhile_is_not_required() {
    let mut story = Story::new("register");
    story.write_ok(1, "x", 10, &[]).write_ok(3, "y", 20, &[]).read(2, "y", &[20]).read(2, "x", &[]);
    assert_eq!(story.result(CheckName::CAUSAL).figure("violations"), 0.0);
}

#[test]
fn a_write_of_unknown_outcome_must_be_seen_once_somebody_has_seen_it() {
    let mut story = Story::new("set");
    story.add_info(1, "x", 10).read(2, "x", &[]).read(2, "x", &[10]).add(2, "y", 20).read(3, "y", &[20]);
    story.read(3, "x", &[]);
    let found = story.result(CheckName::CAUSAL);
    assert_eq!((found.outcome, found.anomalies[0].process.clone()), (Outcome::Invalid, Some(3.into())));
    assert_eq!(found.figure("violations"), 1.0);
}

#[test]
fn clocks_that_would_not_fit_are_a_doubt() {
    let mut story = Story::new("set");
    for process in 0..6_000 {
        story.add(process, "x", process as i64);
    }
    story.result(CheckName::CAUSAL).is_inconclusive("are too many");
}

/// Everything that happened before each operation, by closing the relation.
fn happened_before(operations: &[Operation<'_>]) -> Vec<BTreeSet<usize>> {
    let mut before = vec![BTreeSet::new(); operations.len()];
    loop {
        let mut news = false;
        for (at, operation) in operations.iter().enumerate() {
            let shows = |other: &Operation<'_>| {
                let read = operation.f() == "read" && other.f() == "add" && other.key() == operation.key();
                let history = operation.history();
                let Datum::List(list) = history.datum(operation.result()) else { return false };
                read && list.contains(&other.argument())
            };
            let direct = |other: &usize| {
                let (place, other) = (*other, &operations[*other]);
                (other.process() == operation.process() && place < at) || shows(other)
            };
            let mut all: BTreeSet<usize> = (0..operations.len()).filter(direct).collect();
            for earlier in all.clone() {
                all.extend(before[earlier].iter().copied());
            }
            news |= all.len() > before[at].len();
            before[at].extend(all);
        }
        if !news {
            return before;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn clocks_agree_with_the_closure(
        steps in prop::collection::vec((0_u64..4, 0_usize..3, any::<bool>(), prop::collection::vec(0_usize..8, 0..5)), 1..40),
    ) {
        let mut story = Story::new("set");
        let keys = ["x", "y", "z"];
        let mut elements: [Vec<i64>; 3] = Default::default();
        for (number, (process, key, adds, back)) in steps.iter().enumerate() {
            if *adds {
                elements[*key].push(number as i64);
                story.add(*process, keys[*key], number as i64);
            } else {
                let chosen = back.iter().filter_map(|back| elements[*key].iter().rev().nth(*back).copied());
                let chosen: BTreeSet<i64> = chosen.collect();
                story.read(*process, keys[*key], &chosen.into_iter().collect::<Vec<_>>());
            }
        }
        let history = story.history();
        let operations = history.operations();
        let before = happened_before(&operations);
        let mut expected = 0;
        for (at, read) in operations.iter().enumerate().filter(|(_, operation)| operation.f() == "read") {
            let shown = match history.datum(read.result()) {
                Datum::List(shown) => shown,
                _ => &[],
            };
            let lacks = |other: &&usize| {
                let other = &operations[**other];
                let required = other.f() == "add" && other.key() == read.key() && other.outcome() == EventType::Ok;
                required && !shown.contains(&other.argument())
            };
            expected += usize::from(before[at].iter().any(|other| lacks(&other)));
        }
        prop_assert_eq!(story.result(CheckName::CAUSAL).figure("violations"), expected as f64);
    }
}
