//! `watch`: the changes that a watch reports have revisions that never go back and are none below the one asked for; no change of
//! a key comes twice, and no revision in two responses. Between the revision asked for (or its first one) and its last one it
//! leaves out no change that an acknowledgement or another watch shows; and all of these agree on what a key became at a revision:
//! nil where it was deleted.

use super::draw::{Done, call, history, shape};
use super::term::Term::{self, List, Name, Nil, Number, Thing};
use super::{Case, Says, agree};
use crate::history::EventType::{Fail, Ok};
use crate::tests::random::Random;

/// Revision, `put` or `delete`, key, value (nil of a delete).
type Change = (i64, &'static str, Term, Term);

fn reported((revision, f, key, value): &Change) -> Term {
    let mut parts = vec![Number(*revision), Name(f), key.clone()];
    parts.extend((*f == "put").then(|| value.clone()));
    List(parts)
}

fn spoil(random: &mut Random, changes: &mut Vec<Change>) {
    if changes.is_empty() || !random.one_in(5) {
        return;
    }
    let at = random.below(changes.len() as u64) as usize;
    match random.below(6) {
        0 => drop(changes.remove(at)),
        1 => changes.insert(at, changes[at].clone()),
        2 => changes.swap(0, at),
        3 => changes[at].3 = Thing(70),
        4 => changes[at].1 = "delete",
        _ => changes.push((1 + random.below(3) as i64, "put", Thing(1), Thing(71))),
    }
}

/// In responses, each of whole revisions, but for a few.
fn responses(random: &mut Random, changes: &[Change]) -> Term {
    let mut responses: Vec<Vec<Term>> = vec![Vec::new()];
    for at in 0..changes.len() {
        let is_new = at == 0 || changes[at - 1].0 != changes[at].0;
        if if is_new { random.one_in(2) } else { random.one_in(12) } {
            responses.push(Vec::new());
        }
        responses.last_mut().expect("there is a first one").push(reported(&changes[at]));
    }
    List(responses.into_iter().map(List).collect())
}

fn watched(random: &mut Random) -> Case {
    let (shape, mut next) = (shape(random, 10), 0);
    let ask = |random: &mut Random, _| {
        next += 1;
        let key = Thing(random.below(2));
        match random.below(5) {
            0 | 1 => call("put", List(vec![key, if random.one_in(20) { Nil } else { Thing(10 + next) }])),
            2 => call("delete", key),
            _ => call("watch", if random.one_in(4) { Nil } else { Number(1 + random.below(4) as i64) }),
        }
    };
    Case::of(history(random, &shape, Vec::new(), ask, |random, changes: &mut Vec<Change>, done| {
        if done.f == "watch" {
            let from = done.argument.number().unwrap_or(1) - i64::from(random.one_in(15));
            let mut seen: Vec<Change> = changes.iter().filter(|change| change.0 >= from).cloned().collect();
            spoil(random, &mut seen);
            return (Ok, responses(random, &seen));
        }
        if random.one_in(10) {
            return (Fail, Nil);
        }
        let last = changes.last().map_or(0, |change| change.0);
        let (key, value) = of_write(done);
        // Some revisions are of two keys.
        let is_together = changes.iter().all(|change| change.0 < last || change.2 != key) && random.one_in(3);
        let revision = last + i64::from(!is_together || last == 0);
        changes.push((revision, done.f, key, value));
        (Ok, if random.one_in(8) { Nil } else { Number(revision) })
    }))
}

/// The key that is written, and what it becomes.
fn of_write(done: &Done) -> (Term, Term) {
    match done.argument.elements() {
        [key, value] if done.f == "put" => (key.clone(), value.clone()),
        _ => (done.argument.clone(), Nil),
    }
}

/// What a watch reports, each change with the number of its response.
fn changes_of(watch: &Done) -> Vec<(usize, Change)> {
    let mut changes = Vec::new();
    for (number, response) in watch.result.elements().iter().enumerate() {
        for change in response.elements() {
            let change = match change.elements() {
                [Number(revision), Name("put"), key, value] => (*revision, "put", key.clone(), value.clone()),
                [Number(revision), _, key, ..] => (*revision, "delete", key.clone(), Nil),
                _ => continue,
            };
            changes.push((number, change));
        }
    }
    changes
}

/// Every change that is known from acknowledgements and watches.
fn known(case: &Case) -> Vec<Change> {
    let mut known = Vec::new();
    for done in case.done.iter().filter(|done| done.is_ok()) {
        match (done.f, done.result.number()) {
            ("watch", _) => known.extend(changes_of(done).into_iter().map(|(_, change)| change)),
            (f, Some(revision)) => {
                let (key, value) = of_write(done);
                known.push((revision, if f == "put" { "put" } else { "delete" }, key, value));
            }
            _ => {}
        }
    }
    known
}

fn breaks_a_promise(watch: &Done, known: &[Change]) -> bool {
    let all = changes_of(watch);
    let (Some(first), Some(last)) =
        (all.iter().map(|(_, change)| change.0).min(), all.iter().map(|(_, change)| change.0).max())
    else {
        return false;
    };
    let from = watch.argument.number().unwrap_or(first);
    let pairs = || (0..all.len()).flat_map(|one| (one + 1..all.len()).map(move |other| (one, other)));
    let has = |change: &Change| all.iter().any(|(_, other)| (other.0, &other.2) == (change.0, &change.2));
    let is_bad = |(one, other): (usize, usize)| {
        let ((response, one), (other_response, other)) = (&all[one], &all[other]);
        other.0 < one.0 || (one.0 == other.0 && (one.2 == other.2 || response != other_response))
    };
    first < from || pairs().any(is_bad) || known.iter().any(|change| (from..=last).contains(&change.0) && !has(change))
}

fn promises_are_kept(case: &Case) -> Says {
    let known = known(case);
    let contradict = |one: &Change, other: &Change| (one.0, &one.2) == (other.0, &other.2) && one.3 != other.3;
    let watches = || case.done.iter().filter(|done| done.f == "watch" && done.is_ok());
    let violated = known.iter().any(|one| known.iter().any(|other| contradict(one, other)))
        || watches().any(|watch| breaks_a_promise(watch, &known));
    let reported = watches().any(|watch| !changes_of(watch).is_empty());
    if violated || reported { Says::violated_if(violated) } else { Says::Open }
}

#[test]
fn watch() {
    agree("watch", 200, watched, promises_are_kept);
}
