//! - `monotonic`: of two operations on a key, one of which was answered before the other was asked for, the later returns no
//!   smaller number, and a larger one if both are increments. Nothing is below what the number begins with.
//! - `pn-counter`, `g-counter`: a final read returns the sum of what the counter begins with, of every acknowledged addition, and
//!   of some of those whose outcome is unknown. Where an addition was acknowledged with another number, or with false, nobody
//!   knows what was added.

use std::collections::BTreeMap;

use super::draw::{Call, Done, acknowledged, call, history, shape};
use super::term::Term::{Bool, Nil, Number};
use super::{Case, Says, agree};
use crate::history::EventType::{Fail, Ok};
use crate::tests::random::Random;

type Sums = BTreeMap<Option<u64>, i64>;

fn key(random: &mut Random) -> Option<u64> {
    Some(random.below(2))
}

/// What each key begins with, if that is said.
fn beginnings(random: &mut Random) -> (Vec<(Option<u64>, super::Term)>, Sums) {
    match random.below(3) {
        0 => (vec![(None, Number(3))], Sums::from([(Some(0), 3), (Some(1), 3)])),
        1 => (vec![(Some(1), Number(-2))], Sums::from([(Some(1), -2)])),
        _ => Default::default(),
    }
}

fn growing(random: &mut Random) -> Case {
    let (shape, (initial, sums)) = (shape(random, 9), beginnings(random));
    let ask = |random: &mut Random, _| {
        let f = ["read", "inc", "next"][random.below(3) as usize];
        Call { key: key(random), ..call(f, Nil) }
    };
    let done = history(random, &shape, sums, ask, |random, sums: &mut Sums, done| {
        let sum = sums.entry(done.key).or_default();
        *sum += i64::from(done.f != "read") * (1 + random.below(2) as i64);
        // Now and then one is told less than there was.
        let seen = *sum - i64::from(random.one_in(15)) * 2;
        if random.one_in(10) { (Fail, Nil) } else { (Ok, Number(seen)) }
    });
    Case { initial, ..Case::of(done) }
}

fn what_is_later_is_not_less(case: &Case) -> Says {
    let adds = |done: &Done| done.f != "read";
    let goes_back = |one: &Done, other: &Done| {
        let (before, after) = (one.result.number(), other.result.number());
        one.is_before(other) && other.is_ok() && (after < before || (after == before && adds(one) && adds(other)))
    };
    let below = |done: &Done| {
        let initial = case.initial(done.key).and_then(super::Term::number);
        let least = initial.map(|initial| initial + i64::from(adds(done)));
        done.is_ok() && least.is_some() && done.result.number() < least
    };
    let pairs = |of_key: &[&Done]| of_key.iter().any(|one| of_key.iter().any(|other| goes_back(one, other)));
    Says::violated_if(case.done.iter().any(below) || case.by_key().iter().any(|(_, of_key)| pairs(of_key)))
}

#[test]
fn monotonic() {
    agree("monotonic", 200, growing, what_is_later_is_not_less);
}

fn counted(random: &mut Random, least: i64) -> Case {
    let (shape, (initial, sums)) = (shape(random, 10), beginnings(random));
    let ask = |random: &mut Random, _| match random.below(5) {
        0 => Call { key: key(random), is_final: false, ..call("read", Nil) },
        1 | 2 => Call { key: key(random), is_final: true, ..call("read", Nil) },
        _ => Call { key: key(random), ..call("add", Number(least + random.below(4) as i64)) },
    };
    // What is read last is often read before all was added: only some of the final reads come at the end.
    let mut done = history(random, &shape, sums, ask, |random, sums: &mut Sums, done| {
        let sum = sums.entry(done.key).or_default();
        match (done.f, done.argument.number()) {
            ("add", _) if random.one_in(8) => (Fail, done.argument.clone()),
            ("add", Some(number)) => {
                *sum += number;
                // It may be the sum, or what was added.
                if random.one_in(30) { (Ok, Number(*sum)) } else { acknowledged(random, &done.argument) }
            }
            _ => (Ok, Number(*sum)),
        }
    });
    let truth = random.one_in(2);
    let all = done.clone();
    for read in done.iter_mut().filter(|done| truth && done.f == "read" && done.is_ok()) {
        let initial = initial.iter().rev().find(|(key, _)| key.is_none() || *key == read.key);
        let initial = initial.and_then(|(_, value)| value.number()).unwrap_or(0);
        let of_key = all.iter().filter(|done| done.f == "add" && done.key == read.key);
        let counts = |done: &&Done| done.is_ok() || (done.may_have_happened() && random.one_in(2));
        let sum: i64 = of_key.filter(counts).filter_map(|done| done.argument.number()).sum();
        read.result = Number(initial + sum);
    }
    Case { initial, ..Case::of(done) }
}

/// Whether a sum is made of all certain numbers and some of the others.
fn is_sum(sum: i64, certain: i64, others: &[i64]) -> bool {
    match others {
        [] => sum == certain,
        [first, rest @ ..] => is_sum(sum, certain, rest) || is_sum(sum, certain + first, rest),
    }
}

fn the_end_is_the_sum(case: &Case) -> Says {
    let is_final = |done: &&Done| done.f == "read" && done.is_final && done.is_ok();
    let is_unclear = |done: &Done| done.is_ok() && done.result.number().is_some() && done.result != done.argument;
    if case.done.iter().any(|done| done.f == "add" && (is_unclear(done) || done.result == Bool(false))) {
        return Says::Open;
    }
    if !case.done.iter().any(|done| is_final(&done)) {
        return Says::Open;
    }
    let mut wrong = false;
    for (key, of_key) in case.by_key() {
        let added = |is_certain: bool| {
            let adds = of_key.iter().filter(move |done| done.f == "add" && done.may_have_happened());
            adds.filter(move |done| done.is_ok() == is_certain).filter_map(|done| done.argument.number())
        };
        let initial = case.initial(key).and_then(super::Term::number).unwrap_or(0);
        let (certain, others) = (initial + added(true).sum::<i64>(), added(false).collect::<Vec<_>>());
        let fits = |done: &&&Done| is_sum(done.result.number().unwrap_or(0), certain, &others);
        wrong |= of_key.iter().filter(|done| is_final(done)).any(|done| !fits(&done));
    }
    Says::violated_if(wrong)
}

#[test]
fn pn_counter() {
    agree("pn-counter", 200, |random| counted(random, -2), the_end_is_the_sum);
}

#[test]
fn g_counter() {
    agree("g-counter", 200, |random| counted(random, 0), the_end_is_the_sum);
}
