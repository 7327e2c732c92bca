//! Registers with one value against the definitions, by enumerating every order of the writes.

use std::collections::BTreeSet;

use crate::checks::isolation::input::{Micro, Numbers, Outcome, Transactions};
use crate::checks::sessions::Guarantee;
use crate::checks::sessions::registers::{analyse, smallest};
use crate::limits::Limits;
use crate::tests::random::{Random, cases};

/// Single operations, whose reads show anything that is ever written.
fn wild(seed: u64, size: u64) -> Transactions {
    let mut draw = Random(seed);
    let count = 2 + draw.below(size) as u32;
    let plan: Vec<(bool, u32)> = (0..count).map(|_| (draw.chance(40), draw.below(2) as u32)).collect();
    let mut all = Transactions::default();
    for (at, (writes, key)) in (0..).zip(&plan) {
        all.begin(draw.below(3) as u32, Outcome::Ok, 2 * at, 2 * at + 1);
        if *writes {
            all.write(*key, at + 1);
            continue;
        }
        let same = |(_, other): &(u32, &(bool, u32))| **other == (true, *key);
        let values: Vec<u32> = (1..).zip(&plan).filter(same).map(|(value, _)| value).collect();
        let chosen = draw.below(values.len() as u64 * 3 + 1) as usize;
        all.read(*key, if chosen == 0 { 0 } else { values[chosen % values.len()] });
    }
    all
}

/// Whether some order of all writes explains each read as the last of what the guarantees let it see.
fn holds(all: &Transactions, set: &BTreeSet<Guarantee>) -> bool {
    let writes: Vec<u32> =
        (0..all.len() as u32).filter(|at| matches!(all.micros(*at), [Micro::Write { .. }])).collect();
    let mut order = Vec::new();
    permute(all, set, &writes, &mut order)
}

fn permute(all: &Transactions, set: &BTreeSet<Guarantee>, writes: &[u32], order: &mut Vec<u32>) -> bool {
    if order.len() == writes.len() {
        return explains(all, set, order);
    }
    for write in writes {
        if !order.contains(write) {
            order.push(*write);
            if permute(all, set, writes, order) {
                return true;
            }
            order.pop();
        }
    }
    false
}

fn source(all: &Transactions, read: u32) -> Option<u32> {
    let [Micro::Read { key, value }] = *all.micros(read) else { return None };
    (0..all.len() as u32).find(|at| all.micros(*at) == [Micro::Write { key, value }])
}

fn explains(all: &Transactions, set: &BTreeSet<Guarantee>, order: &[u32]) -> bool {
    let before = |at: u32| (0..at).filter(move |earlier| all.row(*earlier).process == all.row(at).process);
    let rank = |write: u32| order.iter().position(|other| *other == write);
    let is_write = |at: &u32| order.contains(at);
    for write in order {
        for earlier in before(*write) {
            let follows = set.contains(&Guarantee::WritesFollowReads).then(|| source(all, earlier)).flatten();
            let own = Some(earlier).filter(|at| set.contains(&Guarantee::MonotonicWrites) && is_write(at));
            if [follows, own].into_iter().flatten().any(|first| rank(first) >= rank(*write)) {
                return false;
            }
        }
    }
    (0..all.len() as u32).filter(|at| !is_write(at)).all(|read| {
        let seen = seen(all, set, read);
        let [Micro::Read { key, .. }] = *all.micros(read) else { return true };
        let of_key = seen.into_iter().filter(|write| all.micros(*write)[0].key() == key);
        of_key.max_by_key(|write| rank(*write)) == source(all, read)
    })
}

/// The least that a read has seen: a fixpoint over the whole definition.
fn seen(all: &Transactions, set: &BTreeSet<Guarantee>, read: u32) -> BTreeSet<u32> {
    let before = |at: u32| (0..at).filter(move |earlier| all.row(*earlier).process == all.row(at).process);
    let is_write = |at: &u32| matches!(all.micros(*at), [Micro::Write { .. }]);
    let mut seen: BTreeSet<u32> = source(all, read).into_iter().collect();
    loop {
        let mut more = seen.clone();
        for earlier in before(read) {
            if set.contains(&Guarantee::ReadYourWrites) && is_write(&earlier) {
                more.insert(earlier);
            }
            if set.contains(&Guarantee::MonotonicReads) && !is_write(&earlier) {
                more.extend(self::seen(all, set, earlier));
            }
        }
        for write in &seen {
            for earlier in before(*write) {
                if set.contains(&Guarantee::MonotonicWrites) && is_write(&earlier) {
                    more.insert(earlier);
                }
                if set.contains(&Guarantee::WritesFollowReads) {
                    more.extend(source(all, earlier));
                }
            }
        }
        if more == seen {
            return seen;
        }
        seen = more;
    }
}

#[test]
fn agrees_with_every_order_of_writes() {
    let total = cases(1500);
    let alone = [Guarantee::ReadYourWrites, Guarantee::MonotonicReads];
    let mut broken = [0; 3];
    for seed in 0..total {
        let all = wild(seed, 7);
        for (guarantee, broken) in alone.iter().zip(&mut broken) {
            let ours = analyse(&all, &Numbers, *guarantee, &Limits::default()).counts.is_empty();
            let plain = holds(&all, &BTreeSet::from([*guarantee]));
            assert_eq!(ours, plain, "{guarantee}, seed {seed}\n{all:#?}");
            *broken += u64::from(!plain);
        }
        let four: BTreeSet<Guarantee> = Guarantee::ALL[..4].iter().copied().collect();
        let ours = analyse(&all, &Numbers, Guarantee::Causal, &Limits::default()).counts.is_empty();
        assert_eq!(ours, holds(&all, &four), "all four, seed {seed}\n{all:#?}");
        broken[2] += u64::from(!ours);
        for set in smallest(&all, &Numbers) {
            assert!(!holds(&all, &set), "{set:?} is kept, seed {seed}\n{all:#?}");
            let less = |out: &Guarantee| set.iter().copied().filter(|one| one != out).collect::<BTreeSet<_>>();
            assert!(set.iter().all(|out| holds(&all, &less(out))), "{set:?} is not smallest, seed {seed}\n{all:#?}");
        }
    }
    println!("{total} histories; broken read-your-writes, monotonic-reads, all four: {broken:?}");
    assert!(broken.iter().all(|broken| *broken > total / 50), "{broken:?}");
}

#[test]
fn explanations_stand_by_themselves() {
    let mut judged = 0;
    for seed in 0..cases(1500) {
        let all = wild(seed, 20);
        for guarantee in Guarantee::ALL {
            for anomaly in analyse(&all, &Numbers, guarantee, &Limits::default()).anomalies {
                let part = all.only(&anomaly.transactions);
                let again = analyse(&part, &Numbers, guarantee, &Limits::default());
                assert!(!again.counts.is_empty(), "{guarantee}, seed {seed}: {anomaly:#?}\n{all:#?}");
                judged += 1;
            }
        }
    }
    assert!(judged > 1000, "{judged}");
}

/// A transaction that writes a key twice came before itself.
#[test]
fn regression_a_key_written_twice_broke_read_your_writes() {
    let mut all = Transactions::default();
    all.begin(0, Outcome::Ok, 0, 1);
    all.write(0, 1);
    all.write(0, 2);
    all.begin(0, Outcome::Ok, 2, 3);
    all.read(0, 2);
    let findings = analyse(&all, &Numbers, Guarantee::ReadYourWrites, &Limits::default());
    assert!(findings.counts.is_empty(), "{findings:?}");
}

/// A cycle of monotonic reads and writes follow reads hid behind a shorter one that needs other guarantees: seed 9433.
#[test]
fn regression_a_guarantee_hid_behind_a_shorter_cycle() {
    let mut all = Transactions::default();
    let operations =
        [(1, true, 1), (0, false, 9), (1, false, 14), (1, false, 1), (2, true, 9), (1, false, 9), (0, true, 14)];
    for ((process, writes, value), at) in operations.into_iter().zip(0..) {
        all.begin(process, Outcome::Ok, 2 * at, 2 * at + 1);
        if writes { all.write(0, value) } else { all.read(0, value) }
    }
    for guarantee in [Guarantee::WritesFollowReads, Guarantee::MonotonicWrites] {
        let set_has_it = smallest(&all, &Numbers).iter().any(|set| set.contains(&guarantee));
        let reported = !analyse(&all, &Numbers, guarantee, &Limits::default()).counts.is_empty();
        assert!(reported || !set_has_it, "{guarantee}: {:?}", smallest(&all, &Numbers));
    }
    let follows = analyse(&all, &Numbers, Guarantee::WritesFollowReads, &Limits::default());
    assert!(!follows.counts.is_empty(), "{follows:?}");
}
