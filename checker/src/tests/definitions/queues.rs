//! `total-queue`: nothing comes out that was not there at first and that no enqueue which did not fail, and had been
//! asked for before the answer, may have brought. What was there at first, or acknowledged before a drain or a dequeue
//! that found the queue empty was asked for, came out as often, but for one element for each dequeue of unknown
//! outcome, and any number for a drain of unknown outcome.

use super::draw::{Call, Done, acknowledged, call, history, shape};
use super::term::Term::{self, Elements, Nil, Thing};
use super::{Case, Says, agree};
use crate::history::EventType::{Fail, Ok};
use crate::tests::random::Random;

/// What fails with this found the queue empty.
const EMPTY: &str = "empty";

fn queues(random: &mut Random) -> Case {
    let (shape, again, mut next) = (shape(random, 10), random.one_in(3), 0);
    let keys = 1 + random.below(2);
    let initial: Vec<Term> = if random.one_in(3) { vec![Thing(1), Thing(90)] } else { Vec::new() };
    let ask = |random: &mut Random, _| {
        next = if again { 1 + random.below(2) } else { next + 1 };
        let key = Some(random.below(keys));
        match random.below(8) {
            0..4 => Call { key, ..call("enqueue", if random.one_in(25) { Nil } else { Thing(next) }) },
            4 => Call { key, ..call("drain", Nil) },
            _ => Call { key, ..call("dequeue", Nil) },
        }
    };
    let worlds = [initial.clone(), initial.clone()];
    let done = history(random, &shape, worlds, ask, |random, worlds: &mut [Vec<Term>; 2], done| {
        let world = &mut worlds[done.key.unwrap_or(0) as usize];
        match done.f {
            "enqueue" => {
                let fails = random.one_in(8);
                // Some are lost, and some that failed are there.
                if (!fails && !random.one_in(5)) || random.one_in(5) {
                    world.push(done.argument.clone());
                }
                match &done.argument {
                    _ if fails => (Fail, Nil),
                    Nil => (Ok, Nil),
                    argument => acknowledged(random, argument),
                }
            }
            "drain" if random.one_in(8) => (Fail, Nil),
            // Perhaps it is put in later.
            "dequeue" if random.one_in(20) => (Ok, Thing(1 + random.below(8))),
            "drain" if random.one_in(20) => (Ok, [Nil, Term::Text("1".into())][random.below(2) as usize].clone()),
            "drain" => (Ok, Elements(std::mem::take(world))),
            _ if world.is_empty() => {
                [(Ok, Nil), (Fail, Term::Text(EMPTY.into())), (Fail, Nil)][random.below(3) as usize].clone()
            }
            _ => (Ok, world.remove(random.below(world.len() as u64) as usize)),
        }
    });
    let initial = if initial.is_empty() { Vec::new() } else { vec![(None, Elements(initial))] };
    Case { initial, ..Case::of(done) }
}

/// What an operation took out.
fn taken(done: &Done) -> Vec<&Term> {
    match (done.f, &done.result) {
        ("drain", result) if done.is_ok() => result.elements().iter().collect(),
        ("dequeue", result) if done.is_ok() && *result != Nil => vec![result],
        _ => Vec::new(),
    }
}

/// Whether an operation took something, or nothing, and nobody knows: a drain without a list, or a dequeue of nil, which may be
/// an element.
fn is_unclear(done: &Done, of_key: &[&Done]) -> bool {
    let puts_nil =
        |put: &&Done| put.f == "enqueue" && put.argument == Nil && put.may_have_happened() && put.call < done.end;
    match done.f {
        "drain" => done.is_ok() && !matches!(done.result, Elements(_)),
        "dequeue" => done.is_ok() && done.result == Nil && of_key.iter().any(puts_nil),
        _ => false,
    }
}

fn leaves_nothing(done: &Done, of_key: &[&Done]) -> bool {
    match done.f {
        _ if is_unclear(done, of_key) => false,
        "drain" => done.is_ok(),
        "dequeue" => {
            (done.is_ok() && done.result == Nil) || (done.kind == Fail && done.result == Term::Text(EMPTY.into()))
        }
        _ => false,
    }
}

/// How many elements are certainly lost, and how many perhaps; none if something came out that was never inside.
fn lost(of_key: &[&Done], initial: &[Term]) -> Option<(usize, usize)> {
    let came_out: Vec<&Term> = of_key.iter().flat_map(|done| taken(done)).collect();
    let puts = || of_key.iter().filter(|done| done.f == "enqueue" && done.may_have_happened());
    let was_inside = |value: &Term, taker: &Done| {
        initial.contains(value) || puts().any(|put| put.argument == *value && put.call < taker.end)
    };
    if !of_key.iter().all(|taker| taken(taker).into_iter().all(|value| was_inside(value, taker))) {
        return None;
    }
    let mut values: Vec<&Term> = puts().map(|put| &put.argument).chain(initial).collect();
    values.sort();
    values.dedup();
    let missing = |value: &Term, is_due: &dyn Fn(&Done) -> bool, at_first: bool| {
        let due = of_key.iter().filter(|done| done.f == "enqueue" && done.argument == *value && is_due(done)).count();
        let due = due + if at_first { initial.iter().filter(|element| *element == value).count() } else { 0 };
        due.saturating_sub(came_out.iter().filter(|taken| **taken == value).count())
    };
    let ends: Vec<&Done> = of_key.iter().copied().filter(|done| leaves_nothing(done, of_key)).collect();
    let before_an_end = |put: &Done| ends.iter().any(|end| put.is_before(end));
    let certain = values.iter().map(|value| missing(value, &before_an_end, !ends.is_empty())).sum::<usize>();
    let perhaps = values.iter().map(|value| missing(value, &Done::is_ok, true)).sum::<usize>();
    let is_unknown = |done: &Done| (!done.is_ok() && done.may_have_happened()) || is_unclear(done, of_key);
    let unknown = |f: &str| of_key.iter().filter(|done| done.f == f && is_unknown(done)).count();
    let spared = if unknown("drain") > 0 { certain } else { unknown("dequeue") };
    Some((certain.saturating_sub(spared), perhaps))
}

fn what_goes_in_comes_out(case: &Case) -> Says {
    let (mut open, mut dequeued) = (false, false);
    for (key, of_key) in case.by_key() {
        let initial = case.initial(key).map(Term::elements).unwrap_or_default();
        match lost(&of_key, initial) {
            None | Some((1.., _)) => return Says::Violated,
            Some((0, perhaps)) => open |= perhaps > 0,
        }
        open |= of_key.iter().any(|done| is_unclear(done, &of_key));
        dequeued |= of_key.iter().any(|done| !taken(done).is_empty());
    }
    if open || !dequeued { Says::Open } else { Says::Holds }
}

#[test]
fn total_queue() {
    agree("total-queue", 200, queues, what_goes_in_comes_out);
}
