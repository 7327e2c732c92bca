//! Reads that tell what they have seen: examples, the definitions again as sets, and registers without siblings.

use std::collections::{BTreeMap, BTreeSet};

use crate::checks::isolation::tests_draw::{Draw, cases};
use crate::checks::sessions::Guarantee;
use crate::checks::sessions::observed::{Action, Observed, Operation};
use crate::checks::sessions::visible::analyse;
use crate::limits::Limits;

fn broken(observed: &Observed) -> BTreeSet<Guarantee> {
    analyse(observed, &Limits::default()).counts.into_keys().collect()
}

fn operation(process: u32, key: u32, action: Action) -> Operation {
    Operation { process, key, acknowledged: true, action }
}

fn write(past: &[u32]) -> Action {
    Action::Write { past: Some(past.to_vec()), deletes: false }
}

fn read(shows: &[u32]) -> Action {
    Action::Read { shows: shows.to_vec() }
}

/// Random writes with pasts among earlier writes of the key, and reads that show anything.
fn wild(seed: u64, siblings: bool) -> Observed {
    let mut draw = Draw(seed);
    let mut observed = Observed { operations: Vec::new(), keys: 2, ordered: false };
    let mut of_key: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for at in 0..4 + draw.below(8) as u32 {
        let (process, key) = (draw.below(3) as u32, draw.below(2) as u32);
        let known = of_key.entry(key).or_default();
        let action = if draw.chance(50) {
            let past = match (siblings, known.last()) {
                (false, last) => last.copied().into_iter().collect(),
                (true, _) => known.iter().copied().filter(|_| draw.chance(40)).collect(),
            };
            known.push(at);
            Action::Write { past: Some(past), deletes: false }
        } else if siblings {
            read(&known.iter().copied().filter(|_| draw.chance(60)).collect::<Vec<_>>())
        } else {
            // Mostly the newest, at times an old one or nothing.
            let old = draw.chance(25);
            let lot = draw.below(known.len() as u64 + 1) as usize;
            read(
                &known
                    .get(if old { lot } else { known.len().wrapping_sub(1) })
                    .copied()
                    .into_iter()
                    .collect::<Vec<_>>(),
            )
        };
        observed.operations.push(operation(process, key, action));
    }
    observed
}

/// The definitions, word for word, with sets.
fn by_definition(observed: &Observed) -> BTreeSet<Guarantee> {
    let all = &observed.operations;
    let closure = |shows: &[u32]| {
        let (mut seen, mut open) = (BTreeSet::new(), shows.to_vec());
        while let Some(write) = open.pop() {
            if seen.insert(write)
                && let Action::Write { past: Some(past), .. } = &all[write as usize].action
            {
                open.extend(past);
            }
        }
        seen
    };
    let seen: Vec<Option<BTreeSet<u32>>> = all
        .iter()
        .map(|operation| match &operation.action {
            Action::Read { shows } => Some(closure(shows)),
            Action::Write { .. } => None,
        })
        .collect();
    let before = |at: usize| (0..at).filter(move |earlier| all[*earlier].process == all[at].process);
    let mut happened: Vec<BTreeSet<u32>> = vec![BTreeSet::new(); all.len()];
    let mut heard: Vec<BTreeSet<u32>> = vec![BTreeSet::new(); all.len()];
    for _ in 0..all.len() {
        for at in 0..all.len() {
            let mut causes: BTreeSet<u32> = before(at).map(|earlier| earlier as u32).collect();
            causes.extend(seen[at].iter().flatten());
            let known: Vec<u32> = causes.iter().flat_map(|cause| happened[*cause as usize].clone()).collect();
            happened[at].extend(causes.into_iter().chain(known));
            for through in before(at).chain([at]) {
                heard[at].extend(before(through).map(|earlier| earlier as u32));
                for write in seen[through].iter().flatten() {
                    heard[at].extend(before(*write as usize).map(|earlier| earlier as u32).chain([*write]));
                }
            }
        }
    }
    let mut broken = BTreeSet::new();
    for (at, sees) in seen.iter().enumerate().filter_map(|(at, sees)| Some((at, sees.as_ref()?))) {
        let key = all[at].key;
        let owed =
            |write: &u32| all[*write as usize].key == key && seen[*write as usize].is_none() && !sees.contains(write);
        let same = |earlier: &usize| all[*earlier].key == key;
        let mut check = |guarantee, missed: bool| {
            if missed {
                broken.insert(guarantee);
            }
        };
        check(Guarantee::ReadYourWrites, before(at).any(|earlier| owed(&(earlier as u32))));
        let saw = |one: usize| before(one).filter(same).filter_map(|read| seen[read].as_ref()).flatten().any(owed);
        check(Guarantee::MonotonicReads, saw(at));
        let writers = || sees.iter().map(|write| *write as usize);
        check(Guarantee::MonotonicWrites, writers().any(|write| before(write).any(|earlier| owed(&(earlier as u32)))));
        check(Guarantee::WritesFollowReads, writers().any(saw));
        check(Guarantee::Pram, heard[at].iter().any(owed));
        check(Guarantee::Causal, happened[at].iter().any(owed));
    }
    broken
}

#[test]
fn agrees_with_the_definitions() {
    let mut counts: BTreeMap<Guarantee, u64> = BTreeMap::new();
    let total = cases(4000);
    for seed in 0..total {
        let observed = wild(seed, seed.is_multiple_of(2));
        let ours = broken(&observed);
        assert_eq!(ours, by_definition(&observed), "seed {seed}\n{observed:#?}");
        ours.into_iter().for_each(|guarantee| *counts.entry(guarantee).or_default() += 1);
    }
    println!("{total} histories, broken: {counts:?}");
    assert!(Guarantee::ALL.iter().all(|one| counts.get(one).is_some_and(|count| (total / 200..total).contains(count))));
}

/// Without siblings a key has one chain of versions and a read shows one of them: then everything is a comparison of
/// numbers, as for a register with one value and known versions.
#[test]
fn without_siblings_it_is_the_check_of_single_values() {
    let (mut agreed, histories) = (0, cases(4000));
    for seed in 0..histories {
        let observed = wild(seed, false);
        let all = &observed.operations;
        // The number of a version: how many writes of the key came before it; 0 is the initial one.
        let versions: Vec<usize> = (0..all.len())
            .map(|at| match &all[at].action {
                Action::Write { .. } => {
                    1 + all[..at].iter().filter(|other| is_write(other) && other.key == all[at].key).count()
                }
                Action::Read { .. } => 0,
            })
            .collect();
        let version = |at: usize| match &all[at].action {
            Action::Write { .. } => versions[at],
            Action::Read { shows } => shows.first().map_or(0, |write| versions[*write as usize]),
        };
        let before = |at: usize| {
            (0..at).filter(move |earlier| (all[*earlier].process, all[*earlier].key) == (all[at].process, all[at].key))
        };
        let mut expected = BTreeSet::new();
        for at in (0..all.len()).filter(|at| !is_write(&all[*at])) {
            for earlier in before(at).filter(|earlier| version(*earlier) > version(at)) {
                let own = is_write(&all[earlier]);
                expected.insert(if own { Guarantee::ReadYourWrites } else { Guarantee::MonotonicReads });
            }
            let shown = (0..all.len()).filter(|write| is_write(&all[*write]) && all[*write].key == all[at].key);
            for write in shown.filter(|write| version(*write) <= version(at)) {
                for earlier in before(write).filter(|earlier| version(*earlier) > version(at)) {
                    let own = is_write(&all[earlier]);
                    expected.insert(if own { Guarantee::MonotonicWrites } else { Guarantee::WritesFollowReads });
                }
            }
        }
        let mut ours = broken(&observed);
        ours.retain(|guarantee| !matches!(guarantee, Guarantee::Pram | Guarantee::Causal));
        assert_eq!(ours, expected, "seed {seed}\n{observed:#?}");
        agreed += u64::from(!expected.is_empty());
    }
    assert!(agreed > histories / 10, "{agreed} of them were broken");
}

fn is_write(operation: &Operation) -> bool {
    matches!(operation.action, Action::Write { .. })
}

/// What an explanation names is a violation by itself.
#[test]
fn explanations_stand_by_themselves() {
    let mut judged = 0;
    for seed in 0..cases(2000) {
        let observed = wild(seed, seed.is_multiple_of(2));
        for miss in analyse(&observed, &Limits::default()).misses {
            let part = only(&observed, &miss.operations);
            assert!(broken(&part).contains(&miss.guarantee), "seed {seed}: {miss:#?}\n{observed:#?}");
            judged += 1;
        }
    }
    assert!(judged > 1000, "{judged}");
}

fn only(observed: &Observed, chosen: &[u32]) -> Observed {
    let number = |at: &u32| chosen.binary_search(at).ok().map(|number| number as u32);
    let operations = chosen.iter().map(|at| {
        let mut one = observed.operations[*at as usize].clone();
        match &mut one.action {
            Action::Write { past: Some(past), .. } => *past = past.iter().filter_map(number).collect(),
            Action::Write { past: None, .. } => {}
            Action::Read { shows } => *shows = shows.iter().filter_map(number).collect(),
        }
        one
    });
    Observed { operations: operations.collect(), keys: observed.keys, ordered: observed.ordered }
}

/// A value that was replaced by one that is shown is seen.
#[test]
fn replaced_is_not_lost() {
    let operations = vec![operation(0, 0, write(&[])), operation(1, 0, write(&[0])), operation(0, 0, read(&[1]))];
    assert!(broken(&Observed { operations, keys: 1, ordered: false }).is_empty());
    let operations = vec![operation(0, 0, write(&[])), operation(1, 0, write(&[])), operation(0, 0, read(&[1]))];
    let lost = broken(&Observed { operations, keys: 1, ordered: false });
    assert!(lost.contains(&Guarantee::ReadYourWrites) && !lost.contains(&Guarantee::MonotonicReads));
}

/// A write that was not acknowledged and does not tell its past may have replaced what is missing.
#[test]
fn an_untold_past_is_no_violation() {
    let mut operations = vec![operation(0, 0, write(&[])), operation(1, 0, write(&[])), operation(0, 0, read(&[1]))];
    operations[1] = Operation {
        acknowledged: false,
        action: Action::Write { past: None, deletes: false },
        ..operations[1].clone()
    };
    let found = analyse(&Observed { operations, keys: 1, ordered: false }, &Limits::default());
    assert!(found.counts.is_empty() && found.undecided > 0);
}

/// In a list the writes of a session stand in its order.
#[test]
fn lists_keep_the_order_of_sessions() {
    let operations = vec![operation(0, 0, write(&[])), operation(0, 0, write(&[])), operation(1, 0, read(&[1, 0]))];
    let ordered = Observed { operations: operations.clone(), keys: 1, ordered: true };
    assert_eq!(broken(&ordered), BTreeSet::from([Guarantee::MonotonicWrites]));
    assert!(broken(&Observed { operations, keys: 1, ordered: false }).is_empty());
}
