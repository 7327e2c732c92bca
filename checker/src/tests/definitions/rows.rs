//! - `dirty-reads`: a read shows no value that only failed writes wrote before it was answered (unless the table began with it),
//!   no two values, and of the values that nobody wrote before, all reads of a table show the same one: that with which it began.
//! - `long-fork`: there is an order of all writes such that each read shows, of its keys, those before some point of it; and no
//!   read shows what nobody, or only a failed operation, had written.

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
            if random.one_in(20) {
                // Perhaps it is written later.
                seen = vec![Thing(1 + random.below(8)); 3];
            }
            return (Ok, if random.one_in(60) { Nil } else { Elements(seen) });
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
    let violated = case.by_key().iter().any(|(key, of_key)| is_torn(of_key, case.initial(*key)));
    let is_known = !case.done.iter().any(|done| done.f == "read" && done.is_ok() && done.result == Nil);
    if violated || is_known { Says::violated_if(violated) } else { Says::Open }
}

#[test]
fn dirty_reads() {
    agree("dirty-reads", 200, tables, reads_are_clean);
}

/// The values of five keys, in groups some of which share keys, and what they were.
type Registers = Vec<[Term; 5]>;

const GROUPS: [&[u64]; 6] = [&[0, 1, 2], &[3, 4], &[2], &[2, 3], &[0, 4], &[1, 2, 3]];

fn forks(random: &mut Random) -> Case {
    let mut shape = shape(random, 14);
    shape.operations += 10;
    let said = random.one_in(3);
    let first = if said { Thing(90) } else { Nil };
    let mut unwritten = vec![0, 1, 2, 3, 4];
    let ask = |random: &mut Random, _| {
        if random.one_in(2) && !unwritten.is_empty() {
            let key = unwritten.remove(random.below(unwritten.len() as u64) as usize);
            let mut micros = vec![List(vec![Name("w"), Thing(key), Thing(10 + key)])];
            if random.one_in(3) {
                let reads = [key, random.below(5)].map(|key| List(vec![Name("r"), Thing(key), Nil]));
                micros.extend(reads);
            }
            return call("write", List(micros));
        }
        let mut keys = GROUPS[[0, 0, 0, 1, 1, 2, 3, 4, 5][random.below(9) as usize]].to_vec();
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

/// Each key that a read reads, and what it shows of it, but for keys that it has written itself.
fn seen(read: &Done) -> Vec<(&Term, &Term)> {
    let mut own = Vec::new();
    let micro = |micro: &'_ Term| match micro.elements() {
        [Name("w"), key, _] => {
            own.push(key.clone());
            None
        }
        [_, key, _] if own.contains(key) => None,
        [_, _, _] => Some(()),
        _ => None,
    };
    let keep: Vec<bool> = read.result.elements().iter().map(micro).map(|kept| kept.is_some()).collect();
    let parts = read.result.elements().iter().zip(keep).filter(|(_, keep)| *keep);
    parts.map(|(micro, _)| (&micro.elements()[1], &micro.elements()[2])).collect()
}

fn orders(keys: &[Term]) -> Vec<Vec<Term>> {
    if keys.is_empty() {
        return vec![Vec::new()];
    }
    let first = |at: usize| {
        let mut others = keys.to_vec();
        let key = others.remove(at);
        orders(&others).into_iter().map(move |order| [vec![key.clone()], order].concat())
    };
    (0..keys.len()).flat_map(first).collect()
}

fn reads_agree_on_an_order(case: &Case) -> Says {
    let initial = case.initial(None).unwrap_or(&Nil);
    let reads: Vec<(&Done, Vec<(&Term, &Term)>)> =
        case.done.iter().filter(|done| done.is_ok()).map(|done| (done, seen(done))).collect();
    let writes_it = |write: &Done, key: &Term, value: &Term| {
        let micro = if write.is_ok() { &write.result } else { &write.argument };
        micro.elements().iter().any(|micro| *micro == List(vec![Name("w"), key.clone(), value.clone()]))
    };
    let is_written = |read: &Done, key: &Term, value: &Term| {
        case.done.iter().any(|write| write.may_have_happened() && write.call < read.end && writes_it(write, key, value))
    };
    let mut shown = reads.iter().flat_map(|(read, seen)| seen.iter().map(move |(key, value)| (read, *key, *value)));
    if shown.any(|(read, key, value)| value != initial && !is_written(read, key, value)) {
        return Says::violated_if(true);
    }
    let explains = |order: &Vec<Term>| {
        reads.iter().all(|(_, seen)| {
            (0..=order.len())
                .any(|point| seen.iter().all(|(key, value)| order[..point].contains(key) == (*value != initial)))
        })
    };
    if !orders(&(0..5).map(Thing).collect::<Vec<_>>()).iter().any(explains) {
        return Says::violated_if(true);
    }
    if reads.iter().any(|(_, seen)| seen.len() > 1) { Says::violated_if(false) } else { Says::Open }
}

#[test]
fn long_fork() {
    agree("long-fork", 200, forks, reads_agree_on_an_order);
}
