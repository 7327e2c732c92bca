//! Orders that only a path forces: what is refuted by them has no serial order, and what has none is found.

use super::brute::{Respect, serializable};
use super::draw::{Shape, history};
use super::lattice;
use super::table::parse;
use crate::checks::isolation::findings::RawAnomaly;
use crate::checks::isolation::input::{Numbers, Transactions};
use crate::checks::isolation::{Options, levels, list_append, registers, rw_register, serial};
use crate::limits::Limits;
use crate::tests::random::{Random, cases};

const MODELS: [(&str, Respect); 3] = [
    ("serializable", Respect::Nothing),
    ("strong-session-serializable", Respect::Sessions),
    ("strict-serializable", Respect::RealTime),
];

fn draw(seed: u64) -> Transactions {
    let mut draw = Random(seed);
    let stale = [0, 20, 40, 70][draw.below(4) as usize];
    let (transactions, unsure, keys) = (3 + draw.below(4) as u32, draw.below(2) * 30, 2 + draw.below(2) as u32);
    let again = draw.below(2) * 50;
    history(&mut draw, Shape { transactions, processes: 4, keys, micros_max: 3, stale, unsure, lists: false, again })
}

fn paths_refute(all: &Transactions, required: &'static str) -> Option<RawAnomaly> {
    let basics = rw_register::basics(all, &Numbers);
    let (_, mut findings) = serial::refuted(&basics, required, &Limits::default())?;
    findings.anomalies.pop()
}

#[test]
fn what_paths_refute_has_no_serial_order() {
    let (mut found, mut by_paths, mut there) = ([0u64; 3], [0u64; 3], [0u64; 3]);
    let total = cases(4000);
    for seed in 0..total {
        let all = draw(seed);
        for (at, (required, respect)) in MODELS.into_iter().enumerate() {
            let options = Options { required, ..Options::default() };
            let (findings, beside) = registers(&all, &Numbers, options, &Limits::default());
            let is_plain = !levels::allows(required, &findings.kinds());
            let is_found = is_plain || !beside.refuted.is_empty();
            let is_broken = !serializable(&all, respect);
            assert!(is_broken || !is_found, "{required}, seed {seed}: {:?}\n{all:#?}", beside.refuted);
            let anomaly = paths_refute(&all, required);
            assert!(is_broken || anomaly.is_none(), "{required}, seed {seed}: {anomaly:#?}\n{all:#?}");
            found[at] += u64::from(is_found);
            by_paths[at] += u64::from(anomaly.is_some());
            there[at] += u64::from(is_broken);
        }
    }
    println!("{total} histories; of them broken {there:?}, found {found:?}, by paths alone {by_paths:?}");
    for at in 0..3 {
        assert!(there[at] > total / 20 && found[at] * 100 >= there[at] * 99, "{} of {} found", found[at], there[at]);
    }
}

#[test]
fn explanations_stand_by_themselves() {
    let mut judged = 0;
    for seed in 0..cases(2000) {
        let all = draw(seed);
        for (required, _) in MODELS {
            let Some(anomaly) = paths_refute(&all, required) else { continue };
            let again = paths_refute(&all.only(&anomaly.transactions), required);
            assert!(again.is_some(), "{required}, seed {seed}: {anomaly:#?}\n{all:#?}");
            judged += 1;
        }
    }
    assert!(judged > 0);
}

/// Why a level of seeing each other has no order.
fn overlooked(all: &Transactions, required: &'static str, lists: bool) -> Option<RawAnomaly> {
    match lists {
        true => Some(list_append::analyse_for(all, &Numbers, required, &Limits::default()).1?.1),
        false => paths_refute(all, required),
    }
}

#[test]
fn explanations_of_writers_that_overlooked_each_other_stand_by_themselves() {
    let levels = [
        "update-atomic",
        "consistent-view",
        "parallel-snapshot-isolation",
        "snapshot-isolation",
        "strong-snapshot-isolation",
    ];
    for lists in [false, true] {
        let mut judged = 0;
        for seed in 0..cases(2000) {
            let all = lattice::draw(seed, lists);
            for required in levels {
                let Some(anomaly) = overlooked(&all, required, lists) else { continue };
                let again = overlooked(&all.only(&anomaly.transactions), required, lists);
                assert!(again.is_some(), "{required}, seed {seed}: {anomaly:#?}\n{all:#?}");
                judged += 1;
            }
        }
        println!("{judged} explanations, lists: {lists}");
        assert!(judged > 10, "{judged} anomalies were looked at");
    }
}

/// Of the four that write x the second read of the first, the others missed it: each pair has an order, together they have none.
#[test]
fn regression_an_order_that_a_path_forces_was_missed() {
    let text = "p0@0-1 r z nil; p1@2-3 w z 1, r x 2; p2@4-5 r x nil, w x 2; p3@6-7 r z nil, w x 3; p4@8-9 w x 4, r x 4";
    let all = parse(text);
    assert!(!serializable(&all, Respect::Nothing));
    let anomaly = paths_refute(&all, "serializable").expect("refuted");
    assert_eq!(anomaly.transactions, [1, 2, 3], "{}", anomaly.explanation);
    assert!(anomaly.explanation.contains("comes before"), "{}", anomaly.explanation);
    assert!(paths_refute(&all, "causal").is_none());
}

/// Two write b, and one of them has not seen a: it commits before the other begins, which has not seen that; but somebody
/// saw a and not the first b.
#[test]
fn regression_writers_of_one_key_overlapped_under_snapshot_isolation() {
    let all = parse("p0@0-1 w a 1; p1@2-3 r b nil, r a 1; p2@4-5 r a nil, w b 2; p3@6-7 r b nil, w b 4");
    let anomaly = paths_refute(&all, "snapshot-isolation").expect("refuted");
    assert_eq!(anomaly.transactions, [0, 1, 2, 3], "{}", anomaly.explanation);
    assert!(anomaly.explanation.contains("is the first of them"), "{}", anomaly.explanation);
    assert!(!super::definitions::holding(&all).contains("snapshot-isolation"));
}
