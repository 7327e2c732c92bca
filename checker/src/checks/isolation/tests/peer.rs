//! Beside `adya`, a checker of the same kind: where it disagrees, permutations decide, and they decide for us.

use super::brute::{Respect, serializable};
use super::draw::{Shape, history};
use crate::checks::isolation::input::{Micro, NIL, Numbers, Outcome, Transactions};
use crate::checks::isolation::versions::Assume;
use crate::checks::isolation::{levels, list_append, rw_register};
use crate::tests::random::{Random, cases};

/// The history as lines of JSON. What failed or is unknown completes just before its process goes on.
pub fn lines(all: &Transactions) -> String {
    let mut events: Vec<(u32, u32, String)> = Vec::new();
    for at in 0..all.len() as u32 {
        let row = all.row(at);
        let later = all.rows()[at as usize + 1..].iter().find(|later| later.process == row.process);
        let (kind, end) = match row.outcome {
            Outcome::Ok => ("ok", row.ret),
            Outcome::Fail => ("fail", later.map_or(u32::MAX, |later| later.call)),
            Outcome::Info => ("info", later.map_or(u32::MAX, |later| later.call)),
        };
        events.push((row.call, 1, line(all, at, "invoke")));
        events.push((end, 0, line(all, at, kind)));
    }
    events.sort();
    events.into_iter().zip(0..).map(|((.., line), index)| format!("{{\"index\":{index},{line}\n")).collect()
}

fn line(all: &Transactions, at: u32, kind: &str) -> String {
    let micros: Vec<String> = all.micros(at).iter().map(|micro| show(all, *micro, kind == "ok")).collect();
    let (process, micros) = (all.row(at).process, micros.join(","));
    format!(r#""process":{process},"type":"{kind}","f":"txn","value":[{micros}]}}"#)
}

fn show(all: &Transactions, micro: Micro, shown: bool) -> String {
    match micro {
        Micro::Append { key, value } => format!(r#"["append",{key},{value}]"#),
        Micro::Write { key, value } => format!(r#"["w",{key},{value}]"#),
        Micro::List { key, .. } if shown => format!(r#"["r",{key},{:?}]"#, all.list(micro)),
        Micro::Read { key, value } if shown && value != NIL => format!(r#"["r",{key},{value}]"#),
        other => format!(r#"["r",{},null]"#, other.key()),
    }
}

fn drawn(seed: u64, lists: bool) -> Transactions {
    let mut draw = Random(seed);
    let stale = [0, 15, 40][draw.below(3) as usize];
    let (transactions, unsure) = (2 + draw.below(5) as u32, draw.below(2) * 30);
    history(&mut draw, Shape { transactions, processes: 3, keys: 2, micros_max: 3, stale, unsure, lists, again: 0 })
}

fn peer_allows(all: &Transactions, workload: adya::Workload, model: &str, assume: Assume) -> (bool, String) {
    let history = adya::History::from_json(&lines(all)).expect("the peer reads it");
    let options = adya::Opts {
        models: vec![model.to_owned()],
        wfr_keys: true,
        sequential_keys: assume.sequential_keys,
        linearizable_keys: assume.linearizable_keys,
        ..adya::Opts::default()
    };
    let report = adya::check(&history, workload, &options);
    (report.valid != adya::Valid::False, format!("{:?}", report.anomaly_types))
}

const MODELS: [(&str, Respect); 3] = [
    ("serializable", Respect::Nothing),
    ("strong-session-serializable", Respect::Sessions),
    ("strict-serializable", Respect::RealTime),
];

#[test]
fn lists() {
    let (mut invalid, mut disagreements) = ([0; 3], [0; 3]);
    let total = cases(1500);
    for seed in 0..total {
        let all = drawn(seed, true);
        let kinds = list_append::analyse(&all, &Numbers).kinds();
        for (at, (model, respect)) in MODELS.into_iter().enumerate() {
            let (theirs, types) = peer_allows(&all, adya::Workload::ListAppend, model, Assume::default());
            let ours = levels::allows(model, &kinds);
            invalid[at] += u64::from(!ours);
            if theirs != ours {
                disagreements[at] += 1;
                let right = serializable(&all, respect);
                assert_eq!(ours, right, "seed {seed}, {model}: {kinds:?}, {types}\n{}", lines(&all));
            }
        }
    }
    println!("{total} histories: invalid {invalid:?}; the peer disagrees {disagreements:?} times and is wrong then");
    assert!(invalid.iter().all(|invalid| *invalid > total / 20));
}

/// Of registers neither side claims to find everything: what we find is there, and what the peer finds and is there, we find.
#[test]
fn registers() {
    let mut counts = [[0u64; 4]; 3];
    let total = cases(1500);
    for seed in 0..total {
        let all = drawn(seed, false);
        for ((model, respect), counts) in MODELS.into_iter().zip(&mut counts) {
            let (sequential_keys, linearizable_keys) = (respect != Respect::Nothing, respect == Respect::RealTime);
            let assume = Assume { sequential_keys, linearizable_keys };
            let kinds = rw_register::analyse(&all, &Numbers, assume).kinds();
            let (theirs, types) = peer_allows(&all, adya::Workload::RwRegister, model, assume);
            let (ours, right) = (levels::allows(model, &kinds), serializable(&all, respect));
            assert!(ours || !right, "seed {seed}, {model}: {kinds:?}\n{}", lines(&all));
            assert!(theirs || !ours || right, "seed {seed}, {model}: only the peer finds {types}\n{}", lines(&all));
            for (count, holds) in counts.iter_mut().zip([!right, !ours, !theirs && !right, !theirs && right]) {
                *count += u64::from(holds);
            }
        }
    }
    println!(
        "{total} histories: broken, found by us, found by the peer, called broken by the peer and are not: {counts:?}"
    );
    assert!(counts.iter().all(|[broken, ours, theirs, _]| *broken > total / 20 && ours >= theirs));
}
