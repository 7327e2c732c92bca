//! Registers: whatever is found, permutations find too.

use super::brute::{Respect, serializable};
use super::draw::{Shape, history};
use crate::checks::isolation::input::{NIL, Numbers, Outcome, Transactions};
use crate::checks::isolation::versions::Assume;
use crate::checks::isolation::{levels, rw_register};
use crate::tests::random::{Random, cases};

const MODELS: [(&str, Respect); 3] = [
    ("serializable", Respect::Nothing),
    ("strong-session-serializable", Respect::Sessions),
    ("strict-serializable", Respect::RealTime),
];

fn draw(seed: u64, transactions_max: u64) -> Transactions {
    let mut draw = Random(seed);
    let stale = [0, 15, 40][draw.below(3) as usize];
    let (transactions, unsure) = (2 + draw.below(transactions_max) as u32, draw.below(2) * 30);
    let again = draw.below(2) * 50;
    history(&mut draw, Shape { transactions, processes: 3, keys: 2, micros_max: 3, stale, unsure, lists: false, again })
}

/// A model that is said to be broken is broken. A strictly serializable history is one whose keys are linearizable and
/// sequentially consistent, too, so with these assumptions as well; they let more be found.
#[test]
fn what_is_found_is_found_by_permutations() {
    let (mut found, mut there) = ([0u64; 3], [0u64; 3]);
    let total = cases(4000);
    for seed in 0..total {
        let all = draw(seed, 5);
        for (at, (model, respect)) in MODELS.into_iter().enumerate() {
            let (sequential_keys, linearizable_keys) = (respect != Respect::Nothing, respect == Respect::RealTime);
            let assume = Assume { sequential_keys, linearizable_keys };
            let kinds = rw_register::analyse(&all, &Numbers, assume).kinds();
            let (ours, plain) = (levels::allows(model, &kinds), serializable(&all, respect));
            assert!(ours || !plain, "{model}, seed {seed}: {kinds:?}\n{all:#?}");
            found[at] += u64::from(!ours);
            there[at] += u64::from(!plain);
        }
    }
    println!("{total} histories; of them broken {there:?}, found {found:?}");
    for (found, there) in found.into_iter().zip(there) {
        assert!(there > total / 20 && found * 10 >= there * 8, "{found} of {there} found");
    }
}

#[test]
fn explanations_stand_by_themselves() {
    let mut judged = 0;
    for seed in 0..cases(3000) {
        let all = draw(seed, 25);
        for (sequential_keys, linearizable_keys) in [(false, false), (true, false), (false, true)] {
            let assume = Assume { sequential_keys, linearizable_keys };
            let findings = rw_register::analyse(&all, &Numbers, assume);
            for anomaly in &findings.anomalies {
                let again = rw_register::analyse(&all.only(&anomaly.transactions), &Numbers, assume).kinds();
                // Alone, session order may turn out to be needless: the same cycle then has a graver name.
                let again = levels::implied(&again);
                assert!(again.contains(anomaly.kind), "seed {seed}: {anomaly:#?}\nalone: {again:?}\n{all:#?}");
                judged += 1;
            }
        }
    }
    assert!(judged > 1000, "{judged} anomalies were looked at");
}

/// A transaction that reads the initial version and writes one is not before itself.
#[test]
fn many_who_read_nothing_and_one_who_writes() {
    let mut all = Transactions::default();
    for at in 0..10 {
        all.begin(at, Outcome::Ok, at, 100 + at);
        all.read(0, NIL);
        if at == 5 {
            all.write(0, 1);
        }
    }
    assert!(rw_register::analyse(&all, &Numbers, Assume::default()).kinds().is_empty());
}

/// A value was unique if only one transaction wrote it last, whoever else wrote it and then wrote over it.
#[test]
fn regression_a_value_written_over_was_not_unique() {
    let mut all = Transactions::default();
    all.begin(0, Outcome::Ok, 0, 1);
    all.write(0, 6);
    all.write(0, 7);
    all.begin(1, Outcome::Ok, 2, 3);
    all.write(0, 6);
    all.begin(2, Outcome::Ok, 4, 5);
    all.read(0, 6);
    let findings = rw_register::analyse(&all, &Numbers, Assume::default());
    assert!(findings.malformed.is_some(), "{findings:?}");
}
