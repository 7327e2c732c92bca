//! `deque`, and `queue` and `stack` with peeks: some order that real time allows explains what was found at each end, where an
//! operation that found nothing found it empty, and one of unknown outcome took what was there, or did nothing.

use std::collections::VecDeque;

use super::draw::{Call, Done, acknowledged, call, history, shape};
use super::orders::has_order;
use super::term::Term::{self, List, Nil, Thing};
use super::{Case, Says, agree};
use crate::history::EventType::{Fail, Ok};
use crate::tests::random::Random;

type Inside = VecDeque<Term>;

/// The functions of an object that puts in, takes, and looks: with the end, which is `front` or `back`.
type Functions = &'static [(&'static str, &'static str, &'static str)];

const DEQUE: Functions = &[
    ("push-front", "push", "front"),
    ("push-back", "push", "back"),
    ("pop-front", "pop", "front"),
    ("pop-back", "pop", "back"),
    ("peek-front", "peek", "front"),
    ("peek-back", "peek", "back"),
];
const QUEUE: Functions =
    &[("enqueue", "push", "back"), ("enqueue", "push", "back"), ("dequeue", "pop", "front"), ("peek", "peek", "front")];
const STACK: Functions =
    &[("push", "push", "back"), ("push", "push", "back"), ("pop", "pop", "back"), ("peek", "peek", "back")];

/// What an operation finds at its end, and what is inside then.
fn at_end(inside: &Inside, functions: Functions, done: &Done) -> (Option<Term>, Inside) {
    let (_, deed, end) = functions.iter().find(|(f, ..)| *f == done.f).expect("it is one of them");
    let mut rest = inside.clone();
    let found = match (*deed, *end) {
        ("push", "front") => {
            rest.push_front(done.argument.clone());
            None
        }
        ("push", _) => {
            rest.push_back(done.argument.clone());
            None
        }
        ("pop", "front") => rest.pop_front(),
        ("pop", _) => rest.pop_back(),
        (_, "front") => rest.front().cloned(),
        _ => rest.back().cloned(),
    };
    (found, rest)
}

fn drawn(random: &mut Random, functions: Functions) -> Case {
    let (mut shape, again, mut next) = (shape(random, 8), random.one_in(3), 0);
    shape.stale_one_in = [1000, 2, 2][random.below(3) as usize];
    let keys = 1 + random.below(2);
    let initial: Vec<Term> = if random.one_in(3) { vec![Thing(1), Thing(90)] } else { Vec::new() };
    let ask = |random: &mut Random, _| {
        next = if again { 1 + random.below(2) } else { next + 1 };
        let (f, deed, _) = functions[random.below(functions.len() as u64) as usize];
        Call { key: Some(random.below(keys)), ..call(f, if deed == "push" { Thing(next) } else { Nil }) }
    };
    let worlds = [Inside::from(initial.clone()), Inside::from(initial.clone())];
    let done = history(random, &shape, worlds, ask, |random, worlds: &mut [Inside; 2], done| {
        let world = &mut worlds[done.key.unwrap_or(0) as usize];
        if random.one_in(15) {
            return (Fail, Nil);
        }
        let (found, rest) = at_end(world, functions, done);
        *world = rest;
        match (&done.argument, found) {
            (Nil, found) => (Ok, found.unwrap_or(Nil)),
            (argument, _) => acknowledged(random, argument),
        }
    });
    // What a stack begins with is given from the bottom to the top, a queue's from the next to the last.
    let initial = match initial.is_empty() {
        true => Vec::new(),
        false => vec![(None, List(initial))],
    };
    Case { initial, ..Case::of(done) }
}

fn ends_are_explained(case: &Case, functions: Functions) -> Says {
    let step = |inside: &Inside, done: &Done| {
        let (found, rest) = at_end(inside, functions, done);
        let fits = !done.is_ok() || done.argument != Nil || found.unwrap_or(Nil) == done.result;
        if fits { vec![rest] } else { Vec::new() }
    };
    Says::violated_if(case.by_key().iter().any(|(key, of_key)| {
        // What says that it did nothing is not understood, and so its object is not judged.
        if of_key.iter().any(|done| done.is_denied()) {
            return false;
        }
        let initial: Inside = case.initial(*key).map(Term::elements).unwrap_or_default().iter().cloned().collect();
        !has_order(of_key, initial, &step)
    }))
}

#[test]
fn deque() {
    agree("deque", 200, |random| drawn(random, DEQUE), |case| ends_are_explained(case, DEQUE));
}

#[test]
fn queue_with_peeks() {
    agree("queue", 200, |random| drawn(random, QUEUE), |case| ends_are_explained(case, QUEUE));
}

#[test]
fn stack_with_peeks() {
    agree("stack", 200, |random| drawn(random, STACK), |case| ends_are_explained(case, STACK));
}
