//! Lists: examples, and agreement with the plain check.

use std::collections::BTreeSet;

use super::brute::{Respect, serializable};
use super::draw::{Shape, history};
use crate::checks::isolation::findings::RawFindings;
use crate::checks::isolation::input::{Numbers, Outcome, Transactions};
use crate::checks::isolation::{levels, list_append};
use crate::tests::random::{Random, cases};

fn kinds(transactions: &Transactions) -> BTreeSet<String> {
    list_append::analyse(transactions, &Numbers).kinds()
}

/// With each model that permutations can decide: exactly the same verdict.
#[test]
fn agrees_with_permutations() {
    let models = [
        ("serializable", Respect::Nothing),
        ("strong-session-serializable", Respect::Sessions),
        ("strict-serializable", Respect::RealTime),
    ];
    let mut invalid = [0; 3];
    let total = cases(4000);
    for seed in 0..total {
        let mut draw = Random(seed);
        let stale = [0, 15, 40][draw.below(3) as usize];
        let (transactions, unsure) = (2 + draw.below(5) as u32, draw.below(2) * 30);
        let again = draw.below(2) * 50;
        let shape = Shape { transactions, processes: 3, keys: 2, micros_max: 3, stale, unsure, lists: true, again };
        let all = history(&mut draw, shape);
        let kinds = kinds(&all);
        for ((model, respect), invalid) in models.iter().zip(&mut invalid) {
            let (ours, plain) = (levels::allows(model, &kinds), serializable(&all, *respect));
            assert_eq!(ours, plain, "{model}, seed {seed}: {kinds:?}\n{all:#?}");
            *invalid += u64::from(!plain);
        }
    }
    println!("{total} histories, of them not serializable, strong-session serializable, strict: {invalid:?}");
    assert!(
        invalid.iter().all(|invalid| *invalid > total / 20 && *invalid < total * 19 / 20),
        "{invalid:?} of {total}"
    );
}

/// What an explanation names is a violation by itself.
#[test]
fn explanations_stand_by_themselves() {
    let mut judged = 0;
    for seed in 0..cases(3000) {
        let mut draw = Random(seed);
        let (transactions, unsure) = (2 + draw.below(30) as u32, draw.below(2) * 20);
        let shape =
            Shape { transactions, processes: 4, keys: 3, micros_max: 4, stale: 10, unsure, lists: true, again: 30 };
        let all = history(&mut draw, shape);
        let findings: RawFindings = list_append::analyse(&all, &Numbers);
        for anomaly in &findings.anomalies {
            let again = kinds(&all.only(&anomaly.transactions));
            assert!(again.contains(anomaly.kind), "seed {seed}: {anomaly:#?}\nalone: {again:?}\n{all:#?}");
            judged += 1;
        }
    }
    assert!(judged > 1000, "{judged} anomalies were looked at");
}

#[test]
fn a_serial_history_has_no_anomaly() {
    let mut all = Transactions::default();
    all.begin(0, Outcome::Ok, 0, 1);
    all.append(0, 1);
    all.begin(1, Outcome::Ok, 2, 3);
    all.read_list(0, [1]);
    all.append(0, 2);
    assert_eq!(kinds(&all), BTreeSet::new());
}
