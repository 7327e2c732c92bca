//! Valid histories of a few hundred transactions in which one thing is changed: what that breaks is known beforehand, and it is
//! found, with the transaction that was changed among those that show it.

use super::draw::{Shape, history};
use crate::checks::isolation::findings::RawFindings;
use crate::checks::isolation::input::{Micro, NEVER, Numbers, Outcome, Transaction, Transactions};
use crate::checks::isolation::saturation::{self, Isolation};
use crate::checks::isolation::versions::Assume;
use crate::checks::isolation::{levels, list_append, rw_register};
use crate::checks::sessions::{Guarantee, registers};
use crate::limits::Limits;
use crate::tests::random::{Random, cases};

const TRANSACTIONS: u32 = 300;
/// A value that nobody wrote.
const NOBODYS: u32 = 1_000_000;

/// A micro-operation with what it shows.
#[derive(Clone, PartialEq)]
enum Body {
    Plain(Micro),
    List(u32, Vec<u32>),
}

impl Body {
    fn key(&self) -> u32 {
        match self {
            Body::Plain(micro) => micro.key(),
            Body::List(key, _) => *key,
        }
    }
}

type Rows = Vec<(Transaction, Vec<Body>)>;

fn unpack(all: &Transactions) -> Rows {
    let body = |micro: &Micro| match *micro {
        Micro::List { key, .. } => Body::List(key, all.list(*micro).to_vec()),
        other => Body::Plain(other),
    };
    (0..all.len() as u32).map(|at| (*all.row(at), all.micros(at).iter().map(body).collect())).collect()
}

fn pack(rows: &Rows) -> Transactions {
    let mut all = Transactions::default();
    for (row, bodies) in rows {
        all.begin(row.process, row.outcome, row.call, row.ret);
        for body in bodies {
            match body {
                Body::Plain(Micro::Append { key, value }) => all.append(*key, *value),
                Body::Plain(Micro::Write { key, value }) => all.write(*key, *value),
                Body::Plain(Micro::Read { key, value }) => all.read(*key, *value),
                Body::Plain(Micro::List { .. }) => {}
                Body::List(key, shown) => all.read_list(*key, shown.iter().copied()),
            }
        }
    }
    all
}

fn valid(seed: u64, lists: bool) -> Rows {
    let shape = Shape {
        transactions: TRANSACTIONS,
        processes: 5,
        keys: 12,
        micros_max: 4,
        stale: 0,
        unsure: 0,
        lists,
        again: 0,
    };
    unpack(&history(&mut Random(seed), shape))
}

/// Where a mutation may be made: a transaction, and a micro-operation of it.
type Place = (usize, usize);

/// One of the places that fit.
fn choose(rows: &Rows, draw: &mut Random, fits: impl Fn(&Rows, Place) -> bool) -> Option<Place> {
    let places: Vec<Place> = (0..rows.len())
        .flat_map(|at| (0..rows[at].1.len()).map(move |micro| (at, micro)))
        .filter(|place| fits(rows, *place))
        .collect();
    (!places.is_empty()).then(|| places[draw.below(places.len() as u64) as usize])
}

fn shown(rows: &Rows, (at, micro): Place) -> &[u32] {
    match &rows[at].1[micro] {
        Body::List(_, shown) => shown,
        _ => &[],
    }
}

/// The first thing that its transaction does with the key.
fn is_first(rows: &Rows, (at, micro): Place) -> bool {
    let key = rows[at].1[micro].key();
    rows[at].1[..micro].iter().all(|body| body.key() != key)
}

/// The only thing.
fn is_only(rows: &Rows, (at, micro): Place) -> bool {
    let key = rows[at].1[micro].key();
    rows[at].1.iter().filter(|body| body.key() == key).count() == 1
}

fn writer(rows: &Rows, key: u32, value: u32) -> Option<usize> {
    let wrote = |body: &Body| {
        [Body::Plain(Micro::Append { key, value }), Body::Plain(Micro::Write { key, value })].contains(body)
    };
    rows.iter().position(|(_, bodies)| bodies.iter().any(wrote))
}

fn change_list(rows: &mut Rows, (at, micro): Place, change: impl FnOnce(&mut Vec<u32>)) {
    if let Body::List(_, shown) = &mut rows[at].1[micro] {
        change(shown);
    }
}

/// The anomaly is there, and the transaction that was changed is among those of one of its kind.
fn shows(findings: &RawFindings, kind: &str, changed: usize) -> bool {
    let is_it = |transactions: &[u32]| transactions.contains(&(changed as u32));
    findings.anomalies.iter().any(|anomaly| anomaly.kind == kind && is_it(&anomaly.transactions))
}

/// A mutation of a history of lists: its name, where it can be made, what it does, and the anomaly that it makes.
type OfLists = (&'static str, fn(&Rows, Place) -> bool, fn(&mut Rows, Place), &'static str);

const OF_LISTS: [OfLists; 5] = [
    (
        "an element that nobody appended",
        |rows, place| !shown(rows, place).is_empty(),
        |rows, place| change_list(rows, place, |shown| *shown.last_mut().expect("it is not empty") = NOBODYS),
        "garbage-read",
    ),
    (
        "an element twice",
        |rows, place| !shown(rows, place).is_empty(),
        |rows, place| change_list(rows, place, |shown| shown.push(shown[0])),
        "duplicate-elements",
    ),
    (
        "two elements in another order than somebody else saw",
        |rows, place| {
            let (mine, key) = (shown(rows, place), rows[place.0].1[place.1].key());
            let others = rows.iter().enumerate().filter(|(at, _)| *at != place.0);
            let seen = |body: &Body| matches!(body, Body::List(of, list) if *of == key && list.len() >= mine.len());
            mine.len() > 1 && others.into_iter().any(|(_, (_, bodies))| bodies.iter().any(seen))
        },
        |rows, place| change_list(rows, place, |shown| shown.swap(0, 1)),
        "incompatible-order",
    ),
    (
        "a read without what was appended before it began",
        |rows, place| {
            let key = rows[place.0].1[place.1].key();
            let last = shown(rows, place).last().and_then(|last| writer(rows, key, *last));
            let over = |at: usize| rows[at].0.ret < rows[place.0].0.call;
            is_first(rows, place) && is_only(rows, place) && last.is_some_and(over) && is_seen_elsewhere(rows, place)
        },
        |rows, place| change_list(rows, place, |shown| shown.truncate(shown.len() - 1)),
        "stale",
    ),
    (
        "a read of a transaction that failed",
        |rows, (at, micro)| match rows[at].1[micro] {
            Body::Plain(Micro::Append { key, value }) => {
                let sees = |body: &Body| matches!(body, Body::List(of, list) if *of == key && list.contains(&value));
                rows.iter().enumerate().any(|(other, (_, bodies))| other != at && bodies.iter().any(sees))
            }
            _ => false,
        },
        |rows, (at, _)| (rows[at].0.outcome, rows[at].0.ret) = (Outcome::Fail, NEVER),
        "G1a",
    ),
];

/// Another transaction saw the last element, too: it stays in the version order.
fn is_seen_elsewhere(rows: &Rows, place: Place) -> bool {
    let (mine, key) = (shown(rows, place), rows[place.0].1[place.1].key());
    let seen = |body: &Body| matches!(body, Body::List(of, list) if *of == key && list.len() >= mine.len());
    rows.iter().enumerate().any(|(at, (_, bodies))| at != place.0 && bodies.iter().any(seen))
}

#[test]
fn of_lists() {
    let mut made = [0u64; OF_LISTS.len()];
    let total = cases(60);
    for seed in 0..total {
        let rows = valid(seed, true);
        assert!(list_append::analyse(&pack(&rows), &Numbers).kinds().is_empty(), "seed {seed}");
        for ((what, fits, mutate, kind), made) in OF_LISTS.iter().zip(&mut made) {
            let mut rows = rows.clone();
            let Some(place) = choose(&rows, &mut Random(seed), fits) else { continue };
            mutate(&mut rows, place);
            *made += 1;
            let findings = list_append::analyse(&pack(&rows), &Numbers);
            let found = match *kind {
                "stale" => {
                    let involved = findings.anomalies.iter().any(|one| one.transactions.contains(&(place.0 as u32)));
                    involved && !levels::allows("strict-serializable", &findings.kinds())
                }
                kind => shows(&findings, kind, place.0),
            };
            assert!(found, "seed {seed}, {what}, transaction {}: {:?}", place.0, findings.anomalies);
        }
    }
    println!("{total} histories of {TRANSACTIONS} transactions; mutations found: {made:?}");
    assert!(made.iter().all(|made| *made > total / 2), "{made:?}");
}

fn is_read(rows: &Rows, (at, micro): Place) -> Option<(u32, u32)> {
    match rows[at].1[micro] {
        Body::Plain(Micro::Read { key, value }) => Some((key, value)),
        _ => None,
    }
}

fn reads_instead(rows: &mut Rows, (at, micro): Place, shown: u32) {
    if let Body::Plain(Micro::Read { value, .. }) = &mut rows[at].1[micro] {
        *value = shown;
    }
}

/// Of the session of a read: the values of its key that it had written before, by transactions that wrote the key once.
fn own_writes(rows: &Rows, place: Place) -> Vec<u32> {
    let Some((key, _)) = is_read(rows, place) else { return Vec::new() };
    let own = rows[..place.0].iter().filter(|(row, _)| row.process == rows[place.0].0.process);
    let last = own.map(|(_, bodies)| {
        bodies.iter().rev().find_map(|body| match body {
            Body::Plain(Micro::Write { key: of, value }) if *of == key => Some(*value),
            _ => None,
        })
    });
    last.flatten().collect()
}

#[test]
fn of_registers() {
    let (mut made, total) = ([0u64; 3], cases(60));
    for seed in 0..total {
        let rows = valid(seed, false);
        let whole = pack(&rows);
        let assume = Assume { sequential_keys: true, linearizable_keys: true };
        assert!(rw_register::analyse(&whole, &Numbers, assume).kinds().is_empty(), "seed {seed}");
        for guarantee in Guarantee::ALL {
            let findings = registers::analyse(&whole, &Numbers, guarantee, &Limits::default());
            assert!(findings.counts.is_empty(), "{guarantee}, seed {seed}: {:?}", findings.anomalies);
        }
        let draw = &mut Random(seed);
        if let Some(place) = choose(&rows, draw, |rows, place| is_read(rows, place).is_some() && is_first(rows, place))
        {
            let mut rows = rows.clone();
            reads_instead(&mut rows, place, NOBODYS);
            made[0] += 1;
            let findings = rw_register::analyse(&pack(&rows), &Numbers, assume);
            assert!(shows(&findings, "garbage-read", place.0), "seed {seed}: {findings:#?}");
        }
        let of_another = |rows: &Rows, place| {
            let read = is_read(rows, place).filter(|(_, value)| *value != 0);
            read.and_then(|(key, value)| writer(rows, key, value)).is_some_and(|writer| writer != place.0)
        };
        if let Some(place) = choose(&rows, draw, of_another) {
            let mut rows = rows.clone();
            let writer = is_read(&rows, place).and_then(|(key, value)| writer(&rows, key, value));
            let writer = writer.expect("somebody else wrote it");
            (rows[writer].0.outcome, rows[writer].0.ret) = (Outcome::Fail, NEVER);
            made[1] += 1;
            let findings = rw_register::analyse(&pack(&rows), &Numbers, assume);
            assert!(shows(&findings, "G1a", writer), "seed {seed}: {findings:#?}");
        }
        if let Some(place) =
            choose(&rows, draw, |rows, place| is_only(rows, place) && own_writes(rows, place).len() > 1)
        {
            let mut rows = rows.clone();
            let own = own_writes(&rows, place);
            reads_instead(&mut rows, place, own[own.len() - 2]);
            made[2] += 1;
            forgets_its_own_write(&pack(&rows), seed, place.0, assume);
        }
    }
    println!("{total} histories of {TRANSACTIONS} transactions; mutations found: {made:?}");
    assert!(made.iter().all(|made| *made > total / 2), "{made:?}");
}

/// A session that wrote a key twice reads the first: whatever looks at sessions sees that.
fn forgets_its_own_write(all: &Transactions, seed: u64, reader: usize, assume: Assume) {
    let looks_at_sessions = |level: &Isolation| {
        let is_view = level.name().ends_with("monotonic-atomic-view");
        !is_view && *level != Isolation::ReadAtomic
    };
    for level in Isolation::ALL.into_iter().filter(looks_at_sessions) {
        let findings = saturation::analyse(all, &Numbers, level, &Limits::default());
        let involved = findings.anomalies.iter().any(|anomaly| anomaly.transactions.contains(&(reader as u32)));
        assert!(involved, "{level:?}, seed {seed}, transaction {reader}: {:?}", findings.anomalies);
    }
    let kinds = rw_register::analyse(all, &Numbers, assume).kinds();
    assert!(!levels::allows("strong-session-serializable", &kinds), "seed {seed}: {kinds:?}");
}
