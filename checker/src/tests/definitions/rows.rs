//! - `dirty-reads`: a read shows no value that only failed writes wrote before it was answered (unless the table began with it),
//!   no two values, and of the values that nobody wrote before, all reads of a table show the same one: that with which it began.
//! - `long-fork`: no two reads of the same keys show two writes in different orders.

use super::draw::{Call, Done, acknowledged, call, history, shape};
use super::term::Term::{self, Elements, List, Name, Nil, Thing};
use super::{Case, Says, agree};
use crate::history::EventType::{Fail, Ok};
use crate::tests::random::Random;

fn tables(random: &mut Random) -> Case {
    let (shape, again, mut next) = (shape(random, 9), random.one_in(3), 0);
    let said = random.one_in(3);
    let first = [Thing(90), Thing(1), Nil][random.below(if said { 2 } else { 3 }) as usize].clone();
    let ask = |random: &mut Random, _| {
        next = if again { 1 + random.below(3) } else { next + 1 };
        let key = Some(random.below(2));
        if random.one_in(2) { Call { key, ..call("read", Nil) } } else { Call { key, ..call("write", Thing(next)) } }
    };
    let worlds = vec![vec![first.clone(); 3]; 2];
    let done = history(random, &shape, worlds, ask, |random, worlds: &mut Vec<Vec<Term>>, done| {
        let world = &mut worlds[done.key.unwrap_or(0) as usize];
        if done.f == "read" {
            let mut seen = world.clone();
            if random.one_in(20) {
                seen[0] = Thing(random.below(4));
            }
            if random.one_in(20) {
                seen = vec![Thing(77); 3];
            }
            return (Ok, Elements(seen));
        }
        let fails = random.one_in(4);
        if !fails || random.one_in(3) {
            *world = vec![done.argument.clone(); 3];
        }
        if fails { (Fail, Nil) } else { acknowledged(random, &done.argument) }
    });
    Case { initial: if said { vec![(None, first)] } else { Vec::new() }, ..Case::of(done) }
}

/// What is wrong with a table: each of its reads is asked.
fn is_torn(of_key: &[&Done], initial: Option<&Term>) -> bool {
    let mut of_nobody: Vec<&Term> = initial.into_iter().collect();
    for read in of_key.iter().filter(|done| done.f == "read" && done.is_ok()) {
        let rows = read.result.elements();
        if rows.iter().any(|row| *row != rows[0]) {
            return true;
        }
        for row in &rows[..rows.len().min(1)] {
            let begun =
                || of_key.iter().filter(|done| done.f == "write" && done.call < read.end && done.argument == *row);
            if begun().any(|write| write.may_have_happened()) || initial == Some(row) {
                continue;
            }
            of_nobody.push(row);
            if begun().count() > 0 || *row != *of_nobody[0] {
                return true;
            }
        }
    }
    false
}

fn reads_are_clean(case: &Case) -> Says {
    if !case.done.iter().any(|done| done.f == "read" && done.is_ok()) {
        return Says::Open;
    }
    Says::violated_if(case.by_key().iter().any(|(key, of_key)| is_torn(of_key, case.initial(*key))))
}

#[test]
fn dirty_reads() {
    agree("dirty-reads", 200, tables, reads_are_clean);
}

/// The values of five keys, in two groups, and what they were.
type Registers = Vec<[Term; 5]>;

const GROUPS: [&[u64]; 3] = [&[0, 1, 2], &[3, 4], &[2]];

fn forks(random: &mut Random) -> Case {
    let mut shape = shape(random, 14);
    shape.operations += 10;
    let said = random.one_in(3);
    let first = if said { Thing(90) } else { Nil };
    let mut unwritten = vec![0, 1, 2, 3, 4];
    let ask = |random: &mut Random, _| {
        if random.one_in(2) && !unwritten.is_empty() {
            let key = unwritten.remove(random.below(unwritten.len() as u64) as usize);
            return call("write", List(vec![List(vec![Name("w"), Thing(key), Thing(10 + key)])]));
        }
        let mut keys = GROUPS[[0, 0, 0, 0, 1, 1, 2][random.below(7) as usize]].to_vec();
        let turned = random.below(keys.len() as u64) as usize;
        keys.rotate_left(turned);
        call("read", List(keys.into_iter().map(|key| List(vec![Name("r"), Thing(key), Nil])).collect()))
    };
    let stale_one_in = [1000, 2][random.below(2) as usize];
    let worlds = vec![std::array::from_fn(|_| first.clone())];
    let done = history(random, &shape, worlds, ask, |random, worlds: &mut Registers, done| {
        let mut now = worlds.last().expect("there is a first one").clone();
        let mut one = |micro: &Term| match micro.elements() {
            [Name("w"), Thing(key), value] => {
                now[*key as usize] = value.clone();
                micro.clone()
            }
            [f, Thing(key), _] => {
                let at = if random.one_in(stale_one_in) {
                    random.below(worlds.len() as u64) as usize
                } else {
                    worlds.len() - 1
                };
                List(vec![f.clone(), Thing(*key), worlds[at][*key as usize].clone()])
            }
            _ => Nil,
        };
        let answer = List(done.argument.elements().iter().map(&mut one).collect());
        if now != *worlds.last().expect("there is a first one") {
            worlds.push(now);
        }
        (if random.one_in(12) { Fail } else { Ok }, answer)
    });
    Case { initial: if said { vec![(None, Thing(90))] } else { Vec::new() }, ..Case::of(done) }
}

/// Each key that a read reads, and whether it shows a write of it.
fn seen(read: &Done, initial: &Term) -> Vec<(Term, bool)> {
    let micro = |micro: &Term| match micro.elements() {
        [Name("r"), key, value] => Some((key.clone(), value != initial)),
        _ => None,
    };
    let mut seen: Vec<(Term, bool)> = read.result.elements().iter().filter_map(micro).collect();
    seen.sort();
    seen
}

fn reads_agree_on_an_order(case: &Case) -> Says {
    let initial = case.initial(None).unwrap_or(&Nil);
    let reads: Vec<Vec<(Term, bool)>> =
        case.done.iter().filter(|done| done.is_ok()).map(|done| seen(done, initial)).collect();
    if !reads.iter().any(|read| read.len() > 1) {
        return Says::Open;
    }
    let keys = |read: &[(Term, bool)]| read.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>();
    let only = |one: &[(Term, bool)], other: &[(Term, bool)]| (0..one.len()).any(|at| one[at].1 && !other[at].1);
    Says::violated_if(
        reads
            .iter()
            .any(|one| reads.iter().any(|other| keys(one) == keys(other) && only(one, other) && only(other, one))),
    )
}

#[test]
fn long_fork() {
    agree("long-fork", 200, forks, reads_agree_on_an_order);
}
