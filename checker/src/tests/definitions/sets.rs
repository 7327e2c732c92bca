//! `set-full`, `broadcast`: an element is known once an add of it is acknowledged, or a read that shows it is answered.
//! It is lost if some read that was asked for after it was known lacks it, and no read that was asked for later shows
//! it. A list shows no element twice, and none that was not there at first and that no add which did not fail and had
//! been asked for before the read was answered may have brought. With `--linearizable`, no read that was asked for
//! after an element was known lacks it, if later reads show it.

use super::draw::{Call, Done, acknowledged, call, history, shape};
use super::term::Term::{self, Elements, Nil, Thing};
use super::{Case, Says, agree};
use crate::checks::settings::Settings;
use crate::history::EventType::{Fail, Ok};
use crate::tests::random::Random;

fn grown(random: &mut Random, add: &'static str, linearizable: bool) -> Case {
    let (shape, again, mut next) = (shape(random, 10), random.one_in(4), 0);
    let initial: Vec<Term> = if random.one_in(3) { vec![Thing(1), Thing(90)] } else { Vec::new() };
    let ask = |random: &mut Random, _| {
        next = if again { 1 + random.below(3) } else { next + 1 };
        let key = Some(random.below(2));
        if random.one_in(2) { Call { key, ..call("read", Nil) } } else { Call { key, ..call(add, Thing(next)) } }
    };
    let worlds = [initial.clone(), initial.clone()];
    let done = history(random, &shape, worlds, ask, |random, worlds: &mut [Vec<Term>; 2], done| {
        let world = &mut worlds[done.key.unwrap_or(0) as usize];
        if done.f == "read" {
            let mut seen = world.clone();
            if random.one_in(12) && !seen.is_empty() {
                seen.remove(random.below(seen.len() as u64) as usize);
            }
            if random.one_in(30) {
                seen.extend(world.last().cloned().or(Some(Thing(77))));
            }
            if random.one_in(20) {
                // Perhaps it is added later.
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
    let settings = Settings { linearizable_sets: linearizable, ..Settings::default() };
    Case { initial, settings, ..Case::of(done) }
}

/// What became of an element.
#[derive(PartialEq)]
enum Fate {
    /// The last read that was asked for after it was known shows it; none before lacks it.
    Stable,
    /// The last one shows it; an earlier one that was asked for after it was known does not.
    Stale,
    Lost,
    NeverRead,
}

fn fate(element: &Term, of_key: &[&Done], is_initial: bool) -> Fate {
    let reads: Vec<&Done> = of_key.iter().copied().filter(|done| done.f == "read" && done.is_ok()).collect();
    let shows = |read: &Done| read.result.elements().contains(element);
    let makes_known =
        |done: &&&Done| done.is_ok() && if done.f == "read" { shows(done) } else { done.argument == *element };
    let known = of_key.iter().filter(makes_known).map(|done| done.end + 1).min();
    let known = if is_initial { Some(0) } else { known };
    let Some(known) = known else { return Fate::NeverRead };
    let last_shown = reads.iter().filter(|read| shows(read)).map(|read| read.call).max();
    let lacking = || reads.iter().filter(|read| !shows(read));
    let is_after = |call: usize| last_shown.is_none_or(|shown| call > shown);
    if lacking().any(|read| read.call >= known && is_after(read.call)) {
        return Fate::Lost;
    }
    if last_shown.is_none() || lacking().any(|read| is_after(read.call)) {
        return Fate::NeverRead;
    }
    if lacking().any(|read| read.call >= known) { Fate::Stale } else { Fate::Stable }
}

fn elements_stay(case: &Case) -> Says {
    if case.done.iter().any(|done| done.f == "read" && done.is_ok() && done.result == Nil) {
        return Says::Open;
    }
    let (mut violated, mut stable) = (false, false);
    for (key, of_key) in case.by_key() {
        let initial = case.initial(key).map(Term::elements).unwrap_or_default();
        let adds = of_key.iter().filter(|done| done.f != "read" && done.may_have_happened());
        let mut there: Vec<&Term> = adds.map(|done| &done.argument).chain(initial).collect();
        for read in of_key.iter().filter(|done| done.f == "read" && done.is_ok()) {
            let seen = read.result.elements();
            let brings = |add: &Done, element: &Term| {
                add.f != "read" && add.may_have_happened() && add.call < read.end && add.argument == *element
            };
            let can_be = |element: &Term| initial.contains(element) || of_key.iter().any(|add| brings(add, element));
            violated |= (0..seen.len()).any(|at| seen[..at].contains(&seen[at]) || !can_be(&seen[at]));
        }
        there.sort();
        there.dedup();
        for element in there {
            let fate = fate(element, &of_key, initial.contains(element));
            violated |= fate == Fate::Lost || (fate == Fate::Stale && case.settings.linearizable_sets);
            stable |= matches!(fate, Fate::Stable | Fate::Stale);
        }
    }
    if violated || stable { Says::violated_if(violated) } else { Says::Open }
}

#[test]
fn set_full() {
    agree("set-full", 200, |random| grown(random, "add", false), elements_stay);
}

#[test]
fn set_full_linearizable() {
    agree("set-full", 200, |random| grown(random, "add", true), elements_stay);
}

#[test]
fn broadcast() {
    agree("broadcast", 200, |random| grown(random, "broadcast", false), elements_stay);
}
