//! `staleness`: of each key whose written values are unique, a read returns a value that a write which did not fail brought, and
//! which was asked for before the read was answered, or what was there at first. With a bound of versions k, some order that real
//! time allows has each read return one of the last k values; with a bound of time, some order has each return the last one, where
//! reads may have begun so much earlier.

use super::draw::{Call, Done, acknowledged, call, history, shape};
use super::term::Term::{self, Nil, Thing};
use super::{Case, Says, agree};
use crate::checks::settings::{Bounds, Settings};
use crate::history::EventType::{Fail, Ok};
use crate::tests::random::Random;

fn registers(random: &mut Random) -> Case {
    let (shape, mut next) = (shape(random, 9), 0);
    let keys = 1 + random.below(2);
    let again = random.one_in(10);
    let first = [Nil, Thing(90)][random.below(2) as usize].clone();
    let ask = |random: &mut Random, _| {
        next = if again { 1 + random.below(4) } else { next + 1 };
        let key = Some(random.below(keys));
        if random.one_in(2) { Call { key, ..call("read", Nil) } } else { Call { key, ..call("write", Thing(next)) } }
    };
    let worlds = [first.clone(), first.clone()];
    let done = history(random, &shape, worlds, ask, |random, worlds: &mut [Term; 2], done| {
        let world = &mut worlds[done.key.unwrap_or(0) as usize];
        if done.f == "read" {
            let seen = if random.one_in(25) { Thing(1 + random.below(12)) } else { world.clone() };
            return (Ok, seen);
        }
        let fails = random.one_in(12);
        if !fails || random.one_in(4) {
            *world = done.argument.clone();
        }
        if fails { (Fail, Nil) } else { acknowledged(random, &done.argument) }
    });
    let versions_max = [None, Some(1), Some(2)][random.below(3) as usize];
    let time_ns_max = [None, Some(0), Some(2), Some(5)][random.below(4) as usize];
    let settings = Settings { staleness: Bounds { versions_max, time_ns_max }, ..Settings::default() };
    let initial = if first == Nil { Vec::new() } else { vec![(None, first)] };
    Case { initial, settings, ..Case::of(done) }
}

/// When an operation began and ended, where reads may have begun earlier.
fn span(done: &Done, shift: i64) -> (i64, i64) {
    let end = if done.is_ok() { done.end as i64 } else { i64::MAX };
    (done.call as i64 - if done.f == "read" { shift } else { 0 }, end)
}

/// Whether some order has each read return one of the last `versions` values: those in `gone` have been placed.
fn in_order(all: &[&Done], gone: u32, held: &[&Term], versions: usize, shift: i64) -> bool {
    let left = || (0..all.len()).filter(|at| gone & (1 << at) == 0);
    if left().all(|at| !all[at].is_ok()) {
        return true;
    }
    let is_next = |at: usize| !left().any(|other| span(all[other], shift).1 < span(all[at], shift).0);
    left().filter(|at| is_next(*at)).any(|at| {
        let mut after = held.to_vec();
        if all[at].f == "write" {
            after.push(&all[at].argument);
        } else if !held[held.len().saturating_sub(versions)..].contains(&&all[at].result) {
            return false;
        }
        in_order(all, gone | 1 << at, &after, versions, shift)
    })
}

fn reads_are_fresh(case: &Case) -> Says {
    let (mut violated, mut open, mut is_unique) = (false, true, true);
    for (key, of_key) in case.by_key() {
        // What says that it did nothing is not understood, and so its key is not judged.
        if of_key.iter().any(|done| done.is_denied()) {
            continue;
        }
        let initial = case.initial(key).unwrap_or(&Nil);
        let all: Vec<&Done> = of_key
            .iter()
            .copied()
            .filter(|done| done.is_ok() || (done.f == "write" && done.may_have_happened()))
            .collect();
        let writes = || all.iter().filter(|done| done.f == "write");
        if writes().any(|one| writes().filter(|other| other.argument == one.argument).count() > 1) {
            is_unique = false;
            continue;
        }
        let came_from = |read: &Done| {
            read.result == *initial || writes().any(|write| write.argument == read.result && write.call < read.end)
        };
        let Bounds { versions_max, time_ns_max } = case.settings.staleness;
        let fits = |versions, shift| in_order(&all, 0, &[initial], versions, shift);
        violated |= all.iter().any(|read| read.f == "read" && !came_from(read));
        violated |= versions_max.is_some_and(|versions| !fits(versions as usize, 0));
        violated |= time_ns_max.is_some_and(|time| !fits(1, time as i64));
        open &= !all.iter().any(|done| done.f == "read");
    }
    match (violated, open || !is_unique) {
        (false, true) => Says::Open,
        _ => Says::violated_if(violated),
    }
}

#[test]
fn staleness() {
    agree("staleness", 200, registers, reads_are_fresh);
}
