//! - `unique-ids`: no two results are equal, whatever their keys; nil is no identifier.
//! - `echo`: each result is the argument, or a map whose field `echo` is the argument.
//! - `adya-g2`: of the inserts of a key at most one commits.

use super::draw::{Call, Done, call, history, shape};
use super::term::Term::{self, List, Map, Name, Nil, Thing};
use super::{Case, Says, agree};
use crate::history::EventType::{Fail, Ok};
use crate::tests::random::Random;

fn some_key(random: &mut Random) -> Option<u64> {
    [None, Some(1), Some(2)][random.below(3) as usize]
}

fn ids(random: &mut Random) -> Case {
    let (shape, range) = (shape(random, 8), 4 + random.below(60));
    let ask = |random: &mut Random, _| Call { key: some_key(random), ..call("generate", Nil) };
    Case::of(history(random, &shape, (), ask, |random, (), _| match random.below(20) {
        0 => (Fail, Nil),
        1 => (Ok, Nil),
        2 => (Ok, List(vec![Thing(random.below(range)), Nil])),
        _ => (Ok, Thing(random.below(range))),
    }))
}

fn no_two_are_equal(case: &Case) -> Says {
    let ids: Vec<&Term> = case.done.iter().filter(|done| done.is_ok()).map(|done| &done.result).collect();
    let twice = (0..ids.len()).any(|at| *ids[at] != Nil && ids[..at].contains(&ids[at]));
    match ids.contains(&&Nil) && !twice {
        true => Says::NotViolated,
        false => Says::violated_if(twice),
    }
}

#[test]
fn unique_ids() {
    agree("unique-ids", 200, ids, no_two_are_equal);
}

fn echoes(random: &mut Random) -> Case {
    let shape = shape(random, 6);
    let ask = |random: &mut Random, _| {
        let thing = Thing(random.below(4));
        let argument = match random.below(4) {
            0 => List(vec![thing, Nil]),
            1 => Map(vec![(Name("echo"), thing), (Name("type"), Name("echo"))]),
            _ => thing,
        };
        Call { key: some_key(random), ..call("echo", argument) }
    };
    Case::of(history(random, &shape, (), ask, |random, (), done| {
        let asked = done.argument.clone();
        let other = Thing(random.below(8));
        match random.below(24) {
            0 => (Fail, Nil),
            1 => (Ok, other),
            2 => (Ok, Map(vec![(Name("echo"), other)])),
            3 => (Ok, Map(vec![(Name("text"), asked)])),
            4 => (Ok, asked.field(&Name("echo")).cloned().unwrap_or(Nil)),
            5..12 => (Ok, Map(vec![(Name("type"), Name("echo_ok")), (Name("echo"), asked)])),
            _ => (Ok, asked),
        }
    }))
}

fn each_answer_repeats(case: &Case) -> Says {
    let repeats =
        |done: &Done| done.result == done.argument || done.result.field(&Name("echo")) == Some(&done.argument);
    Says::violated_if(!case.done.iter().filter(|done| done.is_ok()).all(repeats))
}

#[test]
fn echo() {
    agree("echo", 200, echoes, each_answer_repeats);
}

fn inserts(random: &mut Random) -> Case {
    let (shape, beside, mut next) = (shape(random, 8), random.one_in(2), 10);
    let ask = |random: &mut Random, _| {
        let (key, row) = (random.below(4), Thing(next));
        next += 1;
        let rows = List(if random.one_in(2) { vec![row, Nil] } else { vec![Nil, row] });
        match beside {
            true => Call { key: Some(key), ..call("insert", rows) },
            false => call("insert", List(vec![Thing(key), rows])),
        }
    };
    Case::of(history(random, &shape, Vec::new(), ask, |_, inserted: &mut Vec<Term>, done| {
        let key = row_key(done);
        let found = inserted.contains(&key);
        inserted.push(key);
        (if found { Fail } else { Ok }, done.argument.clone())
    }))
}

/// The key of an insert, beside its value or in it.
fn row_key(done: &Done) -> Term {
    done.key.map_or_else(|| done.argument.elements()[0].clone(), Thing)
}

fn one_commits(case: &Case) -> Says {
    let committed: Vec<Term> = case.done.iter().filter(|done| done.is_ok()).map(row_key).collect();
    Says::violated_if((0..committed.len()).any(|at| committed[..at].contains(&committed[at])))
}

#[test]
fn adya_g2() {
    agree("adya-g2", 300, inserts, one_commits);
}
