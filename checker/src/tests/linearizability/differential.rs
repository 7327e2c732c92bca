//! Each fast path and the general search against every order.

use std::collections::{BTreeSet, VecDeque};

use crate::checks::linearizable::collection::{Collection, Discipline};
use crate::checks::linearizable::counter::{self, Counter};
use crate::checks::linearizable::machine::{Machine, Relation, Timed};
use crate::checks::linearizable::register::{Register, Zones};
use crate::checks::linearizable::rule::{self, Ruling};
use crate::checks::linearizable::search::{Answer, Bounds, Order, search, search_in_order};
use crate::checks::linearizable::set::Set;
use crate::checks::linearizable::zones::zones;

use super::brute::{linearizable, sequential};
use super::generate::{Shape, history, squeeze};
use crate::tests::random::Random;

/// Histories of each kind, and how many were linearizable.
#[derive(Default)]
struct Tally {
    valid: u64,
    invalid: u64,
    undecided: u64,
}

impl Tally {
    fn count(&mut self, valid: bool) {
        if valid {
            self.valid += 1;
        } else {
            self.invalid += 1;
        }
    }

    /// Prints the counts; both kinds must be among them, or the test shows nothing.
    fn report(&self, what: &str) {
        println!("{what}: {} linearizable, {} not, {} left to the search", self.valid, self.invalid, self.undecided);
        assert!(self.valid * 10 > self.invalid && self.invalid * 10 > self.valid, "one-sided histories");
    }
}

fn histories() -> u64 {
    std::env::var("DISSENSUS_HISTORIES").ok().and_then(|count| count.parse().ok()).unwrap_or(3_000)
}

fn shape(random: &mut Random, operations_max: u64) -> Shape {
    let operations = 2 + random.below(operations_max - 1) as usize;
    Shape { processes: 2 + random.below(3), operations, lost_one_in: [0, 8, 3][random.below(3) as usize] }
}

/// The core of a violation is one by itself, and no larger than the history.
fn assert_core<A: Clone + std::fmt::Debug>(operations: &[Timed<A>], core: &[Timed<A>], legal: &impl Fn(&[A]) -> bool) {
    assert!(core.len() <= operations.len());
    assert!(!linearizable(core, legal), "the explanation of {operations:?} explains nothing: {core:?}");
}

/// The general search agrees, in both orders and with little memory.
fn assert_search<M: Machine>(machine: &M, operations: &[Timed<M::Action>], valid: bool)
where
    M::Action: std::fmt::Debug,
{
    let within = |memory_bytes| search(machine, operations, &Bounds { memory_bytes, ..Bounds::default() });
    let ordered = |order| search_in_order(machine, operations, order, &Bounds::default());
    for (answer, may_end) in [
        (within(1 << 24), false),
        (within(1 << 16), true),
        (ordered(Order::Deep), false),
        (ordered(Order::ByLevel), false),
    ] {
        match answer {
            Answer::Linearizable => assert!(valid, "the search finds an order of {operations:?}"),
            Answer::Violation(_) => assert!(!valid, "the search finds no order of {operations:?}"),
            Answer::Unknown { .. } => assert!(may_end, "the search gives up at {operations:?}"),
        }
    }
}

/// What a machine says of two actions holds in each of these states.
fn assert_relations<M: Machine>(machine: &M, states: &[M::State], actions: &[M::Action])
where
    M::Action: std::fmt::Debug,
    M::State: std::fmt::Debug,
{
    let next = |state: &M::State, action| machine.step(state, action).into_iter().next();
    let mut known = 0;
    for (first, second) in actions.iter().flat_map(|first| actions.iter().map(move |second| (first, second))) {
        let relation = machine.relation(first, second);
        known += u32::from(relation != Relation::Depends);
        for state in states {
            let both = next(state, first).and_then(|state| next(&state, second));
            let what = || format!("{first:?}, {second:?} in {state:?}: {relation:?}");
            match relation {
                Relation::Depends => {}
                _ if both.is_none() => {
                    assert!(relation != Relation::Hides || next(state, first).is_some(), "{}", what())
                }
                Relation::Commutes => {
                    assert_eq!(next(state, second).and_then(|state| next(&state, first)), both, "{}", what());
                }
                Relation::Hides => assert_eq!(next(state, second), both, "{}", what()),
            }
        }
    }
    assert!(M::RELATES && known > 0, "nothing is known");
}

mod registers {
    use super::*;
    use crate::checks::linearizable::register::{RegisterAction, RegisterOp, simplified};

    const NIL: u32 = 0;

    fn legal(sequence: &[RegisterAction]) -> bool {
        let mut held = NIL;
        sequence.iter().all(|action| match *action {
            RegisterAction::Write(value) => {
                held = value;
                true
            }
            RegisterAction::Read(value) => value == held,
            RegisterAction::FailedCas(expected) => expected != held,
            RegisterAction::Cas(from, to) => {
                let fits = held == from;
                held = to;
                fits
            }
        })
    }

    #[derive(Clone, Copy)]
    enum Intent {
        Write(u32),
        Read,
        Cas(u32, u32),
    }

    fn unknown(intent: &Intent) -> Option<RegisterAction> {
        match *intent {
            Intent::Write(value) => Some(RegisterAction::Write(value)),
            Intent::Cas(from, to) => Some(RegisterAction::Cas(from, to)),
            Intent::Read => None,
        }
    }

    /// Written values are 1, 2, ...; with `domain` they are drawn below it instead.
    fn run(random: &mut Random, shape: &Shape, domain: Option<u64>) -> Vec<RegisterOp> {
        let (mut next, mut held, mut recent) = (0, NIL, vec![NIL]);
        let mut invoke = |random: &mut Random| {
            next = domain.map_or(next + 1, |domain| random.below(domain) as u32);
            recent.push(next);
            match random.below(4) {
                0 | 1 => Intent::Read,
                2 => Intent::Write(next),
                _ => {
                    let back = random.below(recent.len().min(4) as u64) as usize;
                    let from = recent[recent.len() - 1 - back];
                    Intent::Cas(from, if random.one_in(12) { from } else { next })
                }
            }
        };
        let act = |intent: &Intent| match *intent {
            Intent::Read => RegisterAction::Read(held),
            Intent::Write(value) => {
                held = value;
                RegisterAction::Write(value)
            }
            Intent::Cas(from, _) if from != held => RegisterAction::FailedCas(from),
            Intent::Cas(from, to) => {
                held = to;
                RegisterAction::Cas(from, to)
            }
        };
        history(random, shape, &mut invoke, act, unknown)
    }

    fn spoil(random: &mut Random, operations: &mut [RegisterOp]) {
        for _ in 0..random.below(16) {
            squeeze(random, operations);
        }
        for _ in 0..random.below(2) {
            let at = random.below(operations.len().max(1) as u64) as usize;
            let Some(operation) = operations.get_mut(at) else { continue };
            let value = random.below(6) as u32;
            operation.action = match operation.action {
                RegisterAction::Read(_) => RegisterAction::Read(value),
                RegisterAction::FailedCas(_) => RegisterAction::FailedCas(value),
                RegisterAction::Cas(from, to) if from != to => RegisterAction::Cas(value, to),
                other => other,
            };
        }
    }

    #[test]
    fn zones_agree_with_every_order() {
        let (mut random, mut tally) = (Random(1), Tally::default());
        for _ in 0..histories() {
            let shape = shape(&mut random, 8);
            let mut operations = run(&mut random, &shape, None);
            spoil(&mut random, &mut operations);
            let enforced = random.one_in(2);
            operations.retain(|operation| enforced || !matches!(operation.action, RegisterAction::FailedCas(_)));
            let valid = linearizable(&operations, &legal);
            tally.count(valid);
            match zones(&operations, NIL) {
                Zones::Linearizable => assert!(valid, "zones allow {operations:?}"),
                Zones::Violation(proof) => assert!(!valid, "zones forbid {operations:?}: {proof:?}"),
                Zones::NotUnique => panic!("values are unique in {operations:?}"),
                Zones::OutOfTime => panic!("there is no limit of time"),
                Zones::Undecided => {
                    assert!(enforced, "only failed cas leave it open: {operations:?}");
                    tally.undecided += 1;
                }
            }
            match rule::register(NIL, &operations, &Bounds::default()) {
                Ruling::Violation { core, .. } => assert_core(&operations, &core, &legal),
                other => assert!(valid && matches!(other, Ruling::Holds { .. }), "{other:?} of {operations:?}"),
            }
            assert_search(&Register(NIL), &operations, valid);
        }
        tally.report("register, unique values");
    }

    /// Where there are too many operations for every order.
    #[test]
    fn zones_of_failed_cas_agree_with_the_search() {
        let (mut random, mut tally) = (Random(3), Tally::default());
        for _ in 0..histories() {
            let shape =
                Shape { processes: 2 + random.below(5), operations: 20 + random.below(30) as usize, lost_one_in: 0 };
            let mut operations = run(&mut random, &shape, None);
            spoil(&mut random, &mut operations);
            let valid = search(&Register(NIL), &operations, &Bounds::default()) == Answer::Linearizable;
            tally.count(valid);
            match zones(&operations, NIL) {
                Zones::Linearizable => assert!(valid, "zones allow {operations:?}"),
                Zones::Violation(proof) => assert!(!valid, "zones forbid {operations:?}: {proof:?}"),
                Zones::Undecided => tally.undecided += 1,
                other => panic!("{other:?} of {operations:?}"),
            }
        }
        tally.report("register, failed cas enforced");
    }

    /// Neither the earliest nor the latest places of values grant all failed cas of a long history, nor do both together: now
    /// and then a few values have to change places.
    #[test]
    fn long_histories_with_failed_cas_are_not_left_to_the_search() {
        let mut random = Random(4);
        let shape = Shape {
            processes: 20,
            operations: std::env::var("OPS").map_or(5000, |o| o.parse().unwrap()),
            lost_one_in: 0,
        };
        let left = (0..10).filter(|_| {
            let operations = run(&mut random, &shape, None);
            assert!(operations.iter().any(|operation| matches!(operation.action, RegisterAction::FailedCas(_))));
            zones(&operations, NIL) != Zones::Linearizable
        });
        assert_eq!(left.count(), 0);
    }

    #[test]
    fn the_search_agrees_with_every_order() {
        let (mut random, mut tally) = (Random(2), Tally::default());
        for _ in 0..histories() {
            let shape = shape(&mut random, 8);
            let mut operations = run(&mut random, &shape, Some(3));
            spoil(&mut random, &mut operations);
            let valid = linearizable(&operations, &legal);
            tally.count(valid);
            assert_search(&Register(NIL), &operations, valid);
            match rule::register(NIL, &operations, &Bounds::default()) {
                Ruling::Violation { core, .. } => assert_core(&operations, &core, &legal),
                other => assert!(valid && matches!(other, Ruling::Holds { .. }), "{other:?} of {operations:?}"),
            }
        }
        tally.report("register, values below 3");
    }

    /// Where most operations never complete, values are few, and failed compare-and-sets count half of the time.
    #[test]
    fn what_never_completed_agrees_with_every_order() {
        let (mut random, mut tally) = (Random(10), Tally::default());
        for number in 0..histories() {
            let shape = Shape { processes: 4 + random.below(3), operations: 9, lost_one_in: 2 + number % 2 };
            let mut operations = run(&mut random, &shape, Some(2 + number % 4));
            for _ in 0..1 + random.below(3) {
                spoil(&mut random, &mut operations);
            }
            let enforced = random.one_in(2);
            operations.retain(|operation| enforced || !matches!(operation.action, RegisterAction::FailedCas(_)));
            let valid = linearizable(&operations, &legal);
            tally.count(valid);
            assert_search(&Register(NIL), &operations, valid);
            assert_search(&Register(NIL), &simplified(&operations, NIL), valid);
            match rule::register(NIL, &operations, &Bounds::default()) {
                Ruling::Violation { core, .. } => assert_core(&operations, &core, &legal),
                other => assert!(valid && matches!(other, Ruling::Holds { .. }), "{other:?} of {operations:?}"),
            }
        }
        tally.report("register, mostly unknown");
    }

    #[test]
    fn what_is_known_of_two_actions_holds_in_every_state() {
        let mut actions = Vec::new();
        for a in 0..3 {
            actions.extend([RegisterAction::Write(a), RegisterAction::Read(a), RegisterAction::FailedCas(a)]);
            actions.extend((0..3).map(|b| RegisterAction::Cas(a, b)));
        }
        assert_relations(&Register(NIL), &[0, 1, 2, 3], &actions);
    }
}

mod transactions {
    use super::*;
    use crate::checks::linearizable::multi_register::{MultiRegister, Part, Transaction, simplified};

    fn legal(sequence: &[Transaction]) -> bool {
        let mut held = [0; 4];
        sequence.iter().flatten().all(|part| match *part {
            Part::Read { key, value } => held[key as usize] == value,
            Part::Write { key, value } => {
                held[key as usize] = value;
                true
            }
        })
    }

    /// Transactions of up to three parts on three registers; what they read is filled in as they are carried out.
    fn run(random: &mut Random, shape: &Shape, domain: Option<u64>) -> Vec<Timed<Transaction>> {
        let (mut next, mut held) = (0, [0; 4]);
        let invoke = |random: &mut Random| -> Transaction {
            let writes = random.one_in(2);
            (0..1 + random.below(3))
                .map(|_| {
                    next = domain.map_or(next + 1, |domain| random.below(domain) as u32);
                    let key = random.below(3) as u32;
                    match writes ^ random.one_in(6) {
                        true => Part::Write { key, value: next },
                        false => Part::Read { key, value: 0 },
                    }
                })
                .collect()
        };
        let act = |asked: &Transaction| -> Transaction {
            let one = |part: &Part| match *part {
                Part::Read { key, .. } => Part::Read { key, value: held[key as usize] },
                Part::Write { key, value } => {
                    held[key as usize] = value;
                    *part
                }
            };
            asked.iter().map(one).collect()
        };
        // Nobody knows what one that never completed read.
        let unknown = |asked: &Transaction| -> Option<Transaction> {
            Some(asked.iter().filter(|part| matches!(part, Part::Write { .. })).copied().collect())
        };
        history(random, shape, invoke, act, unknown)
    }

    #[test]
    fn transactions_agree_with_every_order() {
        let (mut random, mut tally) = (Random(11), Tally::default());
        for number in 0..histories() {
            let mut shape = shape(&mut random, 8);
            shape.lost_one_in = [0, 3, 2][number as usize % 3];
            let domain = [None, Some(2), Some(3)][random.below(3) as usize];
            let mut operations = run(&mut random, &shape, domain);
            for _ in 0..random.below(16) {
                squeeze(&mut random, &mut operations);
            }
            let at = random.below(operations.len().max(1) as u64) as usize;
            for part in operations.get_mut(at).map(|operation| &mut operation.action).into_iter().flatten() {
                if let Part::Read { value, .. } = part {
                    *value = random.below(4) as u32;
                }
            }
            let valid = linearizable(&operations, &legal);
            tally.count(valid);
            assert_search(&MultiRegister(0), &operations, valid);
            assert_search(&MultiRegister(0), &simplified(&operations), valid);
            match rule::multi_register(0, &operations, &Bounds::default()) {
                Ruling::Violation { core, .. } => assert_core(&operations, &core, &legal),
                other => assert!(valid && matches!(other, Ruling::Holds { .. }), "{other:?} of {operations:?}"),
            }
        }
        tally.report("several registers");
    }

    #[test]
    fn what_is_known_of_two_transactions_holds_in_every_state() {
        let mut random = Random(12);
        let shape = Shape { processes: 1, operations: 40, lost_one_in: 0 };
        let actions: Vec<Transaction> =
            run(&mut random, &shape, Some(3)).into_iter().map(|operation| operation.action).collect();
        let held = |number: u32| (0..3).map(|key| (key, number / 3u32.pow(key) % 3)).collect();
        let states: Vec<Box<[(u32, u32)]>> = (0..27).map(held).chain([Box::default()]).collect();
        assert_relations(&MultiRegister(0), &states, &actions);
    }
}

mod collections {
    use super::*;
    use crate::checks::linearizable::collection::{CollectionAction, CollectionOp, Found, judge};

    fn take(discipline: Discipline, inside: &mut VecDeque<u32>) -> Option<u32> {
        match discipline {
            Discipline::Fifo => inside.pop_front(),
            Discipline::Lifo => inside.pop_back(),
            Discipline::LeastFirst => {
                let (at, _) = inside.iter().enumerate().min_by_key(|(_, element)| **element)?;
                inside.remove(at)
            }
        }
    }

    fn legal(discipline: Discipline) -> impl Fn(&[CollectionAction]) -> bool {
        move |sequence| {
            let mut inside = VecDeque::new();
            sequence.iter().all(|action| match action {
                CollectionAction::Insert(element) => {
                    inside.push_back(*element);
                    true
                }
                CollectionAction::Remove(element) => take(discipline, &mut inside) == Some(*element),
                CollectionAction::Empty => inside.is_empty(),
                CollectionAction::RemoveUnknown => {
                    take(discipline, &mut inside);
                    true
                }
            })
        }
    }

    fn run(random: &mut Random, shape: &Shape, discipline: Discipline) -> Vec<CollectionOp> {
        let (mut inside, mut unused) = (VecDeque::new(), (1..=20u32).collect::<Vec<_>>());
        let inserts = 1 + random.below(2);
        let invoke = |random: &mut Random| {
            let inserts = random.below(3) < inserts;
            inserts.then(|| unused.swap_remove(random.below(unused.len() as u64) as usize))
        };
        let act = |intent: &Option<u32>| match intent {
            Some(element) => {
                inside.push_back(*element);
                CollectionAction::Insert(*element)
            }
            None => take(discipline, &mut inside).map_or(CollectionAction::Empty, CollectionAction::Remove),
        };
        let unknown =
            |intent: &Option<u32>| Some(intent.map_or(CollectionAction::RemoveUnknown, CollectionAction::Insert));
        history(random, shape, invoke, act, unknown)
    }

    fn spoil(random: &mut Random, operations: &mut [CollectionOp]) {
        for _ in 0..random.below(16) {
            squeeze(random, operations);
        }
        let removals: Vec<usize> =
            (0..operations.len()).filter(|at| matches!(operations[*at].action, CollectionAction::Remove(_))).collect();
        if removals.len() > 1 && random.one_in(2) {
            let (one, other) = (random.below(removals.len() as u64), random.below(removals.len() as u64));
            let action = operations[removals[one as usize]].action;
            let swapped = std::mem::replace(&mut operations[removals[other as usize]].action, action);
            operations[removals[one as usize]].action = swapped;
        }
    }

    fn agree(discipline: Discipline, seed: u64, what: &str) {
        let (mut random, mut tally, legal) = (Random(seed), Tally::default(), legal(discipline));
        for _ in 0..histories() {
            let shape = shape(&mut random, 9);
            let mut operations = run(&mut random, &shape, discipline);
            spoil(&mut random, &mut operations);
            let valid = linearizable(&operations, &legal);
            tally.count(valid);
            match judge(discipline, &operations) {
                Found::Linearizable => assert!(valid, "allowed: {operations:?}"),
                Found::Violation(_) => assert!(!valid, "forbidden: {operations:?}"),
                Found::OutOfTime => panic!("there is no limit of time"),
                Found::Undecided => tally.undecided += 1,
                Found::NotUnique => panic!("elements are unique in {operations:?}"),
            }
            assert_search(&Collection(discipline), &operations, valid);
            match rule::collection(discipline, &operations, &Bounds::default()) {
                Ruling::Violation { core, .. } => assert_core(&operations, &core, &legal),
                other => assert!(valid && matches!(other, Ruling::Holds { .. }), "{other:?} of {operations:?}"),
            }
        }
        tally.report(what);
    }

    /// Elements below 3, that are inserted again and again, and many operations that never completed.
    #[test]
    fn elements_that_come_again_agree_with_every_order() {
        let (mut random, mut tally) = (Random(14), Tally::default());
        for number in 0..histories() {
            let discipline = [Discipline::Fifo, Discipline::Lifo, Discipline::LeastFirst][number as usize % 3];
            let legal = legal(discipline);
            let mut shape = shape(&mut random, 8);
            shape.lost_one_in = [0, 6, 3][random.below(3) as usize];
            let mut operations = run(&mut random, &shape, discipline);
            spoil(&mut random, &mut operations);
            for operation in &mut operations {
                let seen = if random.one_in(3) { 1 } else { 0 };
                match &mut operation.action {
                    CollectionAction::Insert(element) => *element %= 3,
                    CollectionAction::Remove(element) => *element = (*element + seen) % 3,
                    _ => {}
                }
            }
            let valid = linearizable(&operations, &legal);
            tally.count(valid);
            match rule::collection(discipline, &operations, &Bounds::default()) {
                Ruling::Violation { core, .. } => assert_core(&operations, &core, &legal),
                other => assert!(valid && matches!(other, Ruling::Holds { .. }), "{other:?} of {operations:?}"),
            }
        }
        tally.report("collections, elements again and again");
    }

    #[test]
    fn queues_agree_with_every_order() {
        agree(Discipline::Fifo, 3, "queue");
    }

    #[test]
    fn stacks_agree_with_every_order() {
        agree(Discipline::Lifo, 4, "stack");
    }

    #[test]
    fn priority_queues_agree_with_every_order() {
        agree(Discipline::LeastFirst, 5, "priority queue");
    }
}

mod sets {
    use super::*;
    use crate::checks::linearizable::set::{Found, SetAction, SetOp, judge};

    fn legal(sequence: &[SetAction]) -> bool {
        let mut inside = BTreeSet::new();
        sequence.iter().all(|action| match action {
            SetAction::Add(element) => {
                inside.insert(*element);
                true
            }
            SetAction::Remove(element) => {
                inside.remove(element);
                true
            }
            SetAction::AddNew(element) => inside.insert(*element),
            SetAction::TakeOut(element) => inside.remove(element),
            SetAction::Contains(element, found) => inside.contains(element) == *found,
            SetAction::Read(elements) => inside.iter().eq(elements.iter()),
        })
    }

    #[derive(Clone, Copy)]
    enum Intent {
        Add(u32),
        Remove(u32),
        Contains(u32),
        Read,
    }

    fn run(random: &mut Random, shape: &Shape, whole: bool) -> Vec<SetOp> {
        let (mut inside, mut added) = (BTreeSet::new(), 0);
        let mut removable: BTreeSet<u32> = (1..=3).collect();
        let invoke = |random: &mut Random| match (random.below(3), whole) {
            (0, _) => {
                added += 1;
                Intent::Add(added)
            }
            (_, true) => Intent::Read,
            (1, false) if !removable.is_empty() => {
                Intent::Remove(removable.pop_first().expect("there is one: it is not empty"))
            }
            _ => Intent::Contains(1 + random.below(3) as u32),
        };
        let act = |intent: &Intent| match *intent {
            Intent::Add(element) => {
                inside.insert(element);
                SetAction::Add(element)
            }
            Intent::Remove(element) => {
                inside.remove(&element);
                SetAction::Remove(element)
            }
            Intent::Contains(element) => SetAction::Contains(element, inside.contains(&element)),
            Intent::Read => SetAction::Read(inside.iter().copied().collect()),
        };
        let unknown = |intent: &Intent| match *intent {
            Intent::Add(element) => Some(SetAction::Add(element)),
            Intent::Remove(element) => Some(SetAction::Remove(element)),
            Intent::Contains(_) | Intent::Read => None,
        };
        history(random, shape, invoke, act, unknown)
    }

    fn spoil(random: &mut Random, operations: &mut [SetOp]) {
        for _ in 0..random.below(16) {
            squeeze(random, operations);
        }
        let at = random.below(operations.len().max(1) as u64) as usize;
        if random.one_in(3)
            && let Some(operation) = operations.get_mut(at)
        {
            operation.action = match operation.action.clone() {
                SetAction::Contains(element, found) => SetAction::Contains(element, !found),
                SetAction::Read(elements) => {
                    let element = random.below(4) as u32;
                    let rest = elements.iter().copied().filter(|other| *other != element);
                    let more = [element].into_iter().filter(|element| !elements.contains(element) && *element > 0);
                    let mut changed: Vec<u32> = rest.chain(more).collect();
                    changed.sort_unstable();
                    SetAction::Read(changed.into())
                }
                other => other,
            };
        }
    }

    fn agree(whole: bool, seed: u64, what: &str) {
        let (mut random, mut tally) = (Random(seed), Tally::default());
        for _ in 0..histories() {
            let shape = shape(&mut random, 9);
            let mut operations = run(&mut random, &shape, whole);
            spoil(&mut random, &mut operations);
            let valid = linearizable(&operations, &legal);
            tally.count(valid);
            match judge(&operations) {
                Found::Linearizable => assert!(valid, "allowed: {operations:?}"),
                Found::Violation(_) => assert!(!valid, "forbidden: {operations:?}"),
                Found::NotFast => panic!("elements are unique in {operations:?}"),
            }
            assert_search(&Set, &operations, valid);
            for ruling in
                [rule::set(&operations, &Bounds::default()), rule::general(&Set, &operations, &Bounds::default())]
            {
                match ruling {
                    Ruling::Violation { core, .. } => assert_core(&operations, &core, &legal),
                    other => assert!(valid && matches!(other, Ruling::Holds { .. }), "{other:?} of {operations:?}"),
                }
            }
        }
        tally.report(what);
    }

    #[test]
    fn elements_agree_with_every_order() {
        agree(false, 6, "set, element by element");
    }

    #[test]
    fn whole_reads_agree_with_every_order() {
        agree(true, 7, "set, read as a whole");
    }

    /// Three elements that are added and removed again and again, half of the histories with reads of the whole, a third of
    /// the operations unknown.
    #[test]
    fn elements_that_come_again_agree_with_every_order() {
        let (mut random, mut tally) = (Random(13), Tally::default());
        for number in 0..histories() {
            let mut shape = shape(&mut random, 9);
            shape.lost_one_in = [0, 8, 3][number as usize % 3];
            let mut operations = again(&mut random, &shape, number % 2 == 0);
            spoil(&mut random, &mut operations);
            let valid = linearizable(&operations, &legal);
            tally.count(valid);
            assert_search(&Set, &operations, valid);
            match rule::set(&operations, &Bounds::default()) {
                Ruling::Violation { core, .. } => assert_core(&operations, &core, &legal),
                other => assert!(valid && matches!(other, Ruling::Holds { .. }), "{other:?} of {operations:?}"),
            }
        }
        tally.report("set, elements again and again");
    }

    fn again(random: &mut Random, shape: &Shape, whole: bool) -> Vec<SetOp> {
        let mut inside = BTreeSet::new();
        let invoke = |random: &mut Random| {
            let element = 1 + random.below(3) as u32;
            match random.below(4) {
                0 => Intent::Add(element),
                1 => Intent::Remove(element),
                2 if whole => Intent::Read,
                _ => Intent::Contains(element),
            }
        };
        let act = |intent: &Intent| match *intent {
            Intent::Add(element) => {
                inside.insert(element);
                SetAction::Add(element)
            }
            Intent::Remove(element) => {
                inside.remove(&element);
                SetAction::Remove(element)
            }
            Intent::Contains(element) => SetAction::Contains(element, inside.contains(&element)),
            Intent::Read => SetAction::Read(inside.iter().copied().collect()),
        };
        history(random, shape, invoke, act, |intent| match *intent {
            Intent::Add(element) => Some(SetAction::Add(element)),
            Intent::Remove(element) => Some(SetAction::Remove(element)),
            Intent::Contains(_) | Intent::Read => None,
        })
    }

    #[test]
    fn what_is_known_of_two_actions_holds_in_every_state() {
        let mut actions = vec![SetAction::Read(Box::default()), SetAction::Read([1].into())];
        for element in 1..4 {
            actions.extend([SetAction::Add(element), SetAction::Remove(element)]);
            actions.extend([true, false].map(|found| SetAction::Contains(element, found)));
        }
        let states: Vec<Box<[u32]>> =
            (0..8u32).map(|mask| (1..4).filter(|element| mask >> element & 1 == 1).collect()).collect();
        assert_relations(&Set, &states, &actions);
    }
}

mod counters {
    use super::*;
    use crate::checks::linearizable::counter::{CounterAction, CounterOp};

    fn legal(sequence: &[CounterAction]) -> bool {
        let mut sum = 0;
        sequence.iter().all(|action| match action {
            CounterAction::Add(number) => {
                sum += number;
                true
            }
            CounterAction::Read(seen) => *seen == sum,
        })
    }

    fn run(random: &mut Random, shape: &Shape) -> Vec<CounterOp> {
        let mut sum = 0;
        let invoke = |random: &mut Random| random.one_in(2).then(|| random.below(5) as i64 - 1);
        let act = |intent: &Option<i64>| match intent {
            Some(number) => {
                sum += number;
                CounterAction::Add(*number)
            }
            None => CounterAction::Read(sum),
        };
        history(random, shape, invoke, act, |intent| intent.map(CounterAction::Add))
    }

    #[test]
    fn counters_agree_with_every_order() {
        let (mut random, mut tally) = (Random(8), Tally::default());
        for _ in 0..histories() {
            let shape = shape(&mut random, 9);
            let mut operations = run(&mut random, &shape);
            for _ in 0..random.below(16) {
                squeeze(&mut random, &mut operations);
            }
            if let Some(Timed { action: CounterAction::Read(sum), .. }) = operations.last_mut()
                && random.one_in(2)
            {
                *sum += 1;
            }
            let valid = linearizable(&operations, &legal);
            tally.count(valid);
            assert!(!valid || counter::out_of_bounds(&operations, 0).is_none(), "bounds forbid {operations:?}");
            assert_search(&Counter(0), &operations, valid);
            match rule::counter(0, &operations, &Bounds::default()) {
                Ruling::Violation { core, .. } => assert_core(&operations, &core, &legal),
                other => assert!(valid && matches!(other, Ruling::Holds { .. }), "{other:?} of {operations:?}"),
            }
        }
        tally.report("counter");
    }

    #[test]
    fn what_is_known_of_two_actions_holds_in_every_state() {
        let actions: Vec<CounterAction> =
            (-2..3).flat_map(|number| [CounterAction::Add(number), CounterAction::Read(number)]).collect();
        assert_relations(&Counter(0), &[-3, -2, -1, 0, 1, 2], &actions);
    }
}

mod sequences {
    use super::*;
    use crate::checks::linearizable::register::RegisterAction as Register;
    use crate::checks::linearizable::sequential::{KeyedAction, KeyedOp};

    fn legal(sequence: &[KeyedAction]) -> bool {
        let mut held = [0; 2];
        sequence.iter().all(|KeyedAction { key, action }| {
            let held = &mut held[*key as usize];
            match *action {
                Register::Write(value) => {
                    *held = value;
                    true
                }
                Register::Read(value) => value == *held,
                Register::FailedCas(expected) => expected != *held,
                Register::Cas(from, to) => {
                    let fits = *held == from;
                    *held = to;
                    fits
                }
            }
        })
    }

    /// Two registers; a process reads what it could read some time ago, every now and then.
    fn run(random: &mut Random, shape: &Shape, domain: Option<u64>) -> Vec<KeyedOp> {
        let (mut next, mut held) = (0, [vec![0], vec![0]]);
        let invoke = |random: &mut Random| {
            next += 1;
            let value = domain.map_or(next, |domain| random.below(domain) as u32);
            (random.below(2) as u32, random.one_in(2).then_some(value), random.below(6))
        };
        let act = |(key, write, back): &(u32, Option<u32>, u64)| {
            let held = &mut held[*key as usize];
            let current = held[held.len() - 1];
            let action = match write {
                Some(value) if *back == 0 => {
                    held.push(*value);
                    Register::Cas(current, *value)
                }
                Some(value) => {
                    held.push(*value);
                    Register::Write(*value)
                }
                None => Register::Read(held[held.len() - 1 - (*back as usize / 4).min(held.len() - 1)]),
            };
            KeyedAction { key: *key, action }
        };
        let unknown = |(key, write, _): &(u32, Option<u32>, u64)| {
            write.map(|value| KeyedAction { key: *key, action: Register::Write(value) })
        };
        history(random, shape, invoke, act, unknown)
    }

    #[test]
    fn registers_in_sequence_agree_with_every_order() {
        let (mut random, mut tally) = (Random(9), Tally::default());
        for number in 0..histories() {
            let shape = shape(&mut random, 9);
            let mut operations = run(&mut random, &shape, (number % 2 == 0).then_some(3));
            if random.one_in(2)
                && let Some(operation) = operations.last_mut()
                && let Register::Read(_) = operation.action.action
            {
                operation.action.action = Register::Read(random.below(4) as u32);
            }
            let valid = sequential(&operations, &legal);
            tally.count(valid);
            match rule::sequential(0, &operations, &Bounds::default()) {
                Ruling::Violation { core, .. } => {
                    assert!(!sequential(&core, &legal), "the explanation of {operations:?} explains nothing: {core:?}");
                }
                other => assert!(valid && matches!(other, Ruling::Holds { .. }), "{other:?} of {operations:?}"),
            }
        }
        tally.report("registers, sequentially consistent");
    }
}
