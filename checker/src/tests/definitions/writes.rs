//! - `causal-reverse`: a read that shows a write (and so every write of its value, and nothing that the list began with, may
//!   explain it) shows every value of which a write had been acknowledged before that one was asked for, and all that was there
//!   at first. What it shows was written, by a write that did not fail and was asked for before the read was answered, or was
//!   there at first.
//! - `causal-register`: the operations of a session have an order, with each write of unknown outcome anywhere after it was asked
//!   for or nowhere, in which each read returns what was written last. Sessions that overlap are not judged.

use super::draw::{Call, Done, acknowledged, call, history, shape};
use super::orders::has_order;
use super::term::Term::{self, Elements, Nil, Number, Thing};
use super::{Case, Says, agree};
use crate::history::EventType::{Fail, Ok};
use crate::tests::random::Random;

fn lists(random: &mut Random) -> Case {
    let (shape, again, mut next) = (shape(random, 9), random.one_in(3), 0);
    let initial: Vec<Term> = if random.one_in(3) { vec![Thing(1), Thing(90)] } else { Vec::new() };
    let ask = |random: &mut Random, _| {
        next = if again { 1 + random.below(3) } else { next + 1 };
        let key = Some(random.below(2));
        let write = ["write", "insert", "add"][random.below(3) as usize];
        if random.one_in(3) { Call { key, ..call("read", Nil) } } else { Call { key, ..call(write, Thing(next)) } }
    };
    let worlds = [initial.clone(), initial.clone()];
    let done = history(random, &shape, worlds, ask, |random, worlds: &mut [Vec<Term>; 2], done| {
        let world = &mut worlds[done.key.unwrap_or(0) as usize];
        if done.f == "read" {
            let mut seen = world.clone();
            if random.one_in(6) && !seen.is_empty() {
                seen.remove(random.below(seen.len() as u64) as usize);
            }
            if random.one_in(30) {
                seen.push(Thing(77));
            }
            if random.one_in(20) {
                // Perhaps it is written later.
                seen.push(Thing(1 + random.below(8)));
            }
            return (Ok, if random.one_in(60) { Nil } else { Elements(seen) });
        }
        let fails = random.one_in(10);
        if (!fails || random.one_in(4)) && !world.contains(&done.argument) {
            world.push(done.argument.clone());
        }
        if fails { (Fail, Nil) } else { acknowledged(random, &done.argument) }
    });
    let initial = if initial.is_empty() { Vec::new() } else { vec![(None, Elements(initial))] };
    Case { initial, ..Case::of(done) }
}

fn shows_an_effect_without_its_cause(read: &Done, of_key: &[&Done], initial: &[Term]) -> bool {
    let seen = read.result.elements();
    let writes_of = |value: &Term| {
        let writes = of_key.iter().filter(|done| done.f != "read" && done.may_have_happened());
        let writes = writes.filter(|done| done.call < read.end);
        writes.copied().filter(|done| done.argument == *value).collect::<Vec<&Done>>()
    };
    seen.iter().any(|value| {
        let explained = |write: &&Done| {
            let due = of_key.iter().filter(|done| done.f != "read" && done.is_before(write)).map(|done| &done.argument);
            due.chain(initial).all(|value| seen.contains(value))
        };
        !initial.contains(value) && !writes_of(value).iter().any(explained)
    })
}

fn causes_are_seen(case: &Case) -> Says {
    let is_read = |done: &&Done| done.f == "read" && done.is_ok();
    let violated = case.by_key().iter().any(|(key, of_key)| {
        let initial = case.initial(*key).map(Term::elements).unwrap_or_default();
        of_key.iter().copied().filter(is_read).any(|read| shows_an_effect_without_its_cause(read, of_key, initial))
    });
    let is_known = !case.done.iter().any(|done| is_read(&done) && done.result == Nil);
    let is_tried = case.done.iter().any(|done| is_read(&done)) && case.done.iter().any(|done| done.f != "read");
    if violated || (is_tried && is_known) { Says::violated_if(violated) } else { Says::Open }
}

#[test]
fn causal_reverse() {
    agree("causal-reverse", 200, lists, causes_are_seen);
}

fn sessions(random: &mut Random) -> Case {
    let (mut shape, mut next, shared) = (shape(random, 9), 0, random.one_in(3));
    shape.processes = 1 + random.below(2);
    let said = random.below(3) == 0;
    let first = if said { Thing(9) } else { [Nil, Number(0)][random.below(2) as usize].clone() };
    let ask = |random: &mut Random, process| {
        next += 1;
        let key = Some(if shared { 0 } else { process % 10 });
        match random.below(3) {
            0 => Call { key, ..call("write", Thing(if random.one_in(4) { 1 } else { next })) },
            _ => Call { key, ..call(["read", "read-init"][random.below(2) as usize], Nil) },
        }
    };
    let worlds = [first.clone(), first];
    let done = history(random, &shape, worlds, ask, |random, worlds: &mut [Term; 2], done| {
        let world = &mut worlds[done.key.unwrap_or(0) as usize];
        match done.f {
            "write" if random.one_in(8) => (Fail, Nil),
            "write" => {
                *world = done.argument.clone();
                acknowledged(random, &done.argument)
            }
            _ => (Ok, world.clone()),
        }
    });
    Case { initial: if said { vec![(None, Thing(9))] } else { Vec::new() }, ..Case::of(done) }
}

fn each_follows_the_one_before(case: &Case) -> Says {
    let ok = |of_key: &[&Done]| of_key.iter().copied().filter(|done| done.is_ok()).cloned().collect::<Vec<Done>>();
    let overlap =
        |all: &[Done]| all.iter().any(|one| all.iter().any(|other| one.call < other.call && other.call < one.end));
    if case.by_key().iter().any(|(_, of_key)| overlap(&ok(of_key))) {
        return Says::Open;
    }
    if !case.done.iter().any(|done| done.is_ok() && done.f != "write") {
        return Says::Open;
    }
    Says::violated_if(case.by_key().iter().any(|(key, of_key)| {
        let initial = case.initial(*key);
        // None: nothing was written yet.
        let step = |held: &Option<Term>, done: &Done| match (done.f, held) {
            ("write", _) => vec![Some(done.argument.clone())],
            (_, None) if initial.is_none() && matches!(done.result, Nil | Number(0)) => vec![None],
            (_, None) if initial == Some(&done.result) => vec![None],
            (_, Some(held)) if *held == done.result => vec![Some(held.clone())],
            _ => Vec::new(),
        };
        let all: Vec<&Done> = of_key.iter().copied().filter(|done| done.f == "write" || done.is_ok()).collect();
        !has_order(&all, None, &step)
    }))
}

#[test]
fn causal_register() {
    agree("causal-register", 200, sessions, each_follows_the_one_before);
}
