//! `watch`: the changes that a watch reports have revisions that never go back and are none below the one asked for; no
//! change of a key comes twice, and no revision in two responses. Between the revision asked for (or its first one) and
//! its last one it leaves out no change that an acknowledgement or another watch shows.
//!
//! All that acknowledgements and watches show can be true: each revision is that of one change; each change is that of
//! an operation of its own, which asked for just this before it was shown, did not fail, and was not told another
//! revision (or that there was nothing to delete); and whatever is asked for after a revision was shown has a higher
//! one.

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
    if changes.is_empty() || !random.one_in(6) {
        return;
    }
    let at = random.below(changes.len() as u64) as usize;
    match random.below(9) {
        0 => drop(changes.remove(at)),
        1 => changes.insert(at, changes[at].clone()),
        2 => changes.swap(0, at),
        3 => changes[at].3 = Thing(70),
        4 => changes[at].1 = "delete",
        5 => changes[at].0 += 1,
        // Perhaps it is put later, or failed, or was put already.
        6 | 7 => {
            let last = changes.last().map_or(0, |change| change.0);
            changes.push((last + 1, "put", Thing(random.below(2)), Thing(11 + random.below(9))));
        }
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
    let (shape, again, mut next) = (shape(random, 10), random.one_in(3), 0);
    let ask = |random: &mut Random, _| {
        next = if again { 1 + random.below(3) } else { next + 1 };
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
        let fails = random.one_in(10);
        let (is_known, finds_nothing) = (!random.one_in(30), done.f == "delete" && random.one_in(4));
        let leaves_traces = if fails || finds_nothing { random.one_in(6) } else { !random.one_in(20) };
        let last = changes.last().map_or(0, |change| change.0);
        let revision = if last > 0 && random.one_in(25) { last } else { last + 1 };
        if leaves_traces {
            let (key, value) = of_write(done);
            changes.push((revision, done.f, key, value));
        }
        match (fails, finds_nothing) {
            (true, _) => (Fail, Nil),
            (_, true) => (Ok, Nil),
            _ if is_known => (Ok, Number(if random.one_in(25) { revision + 1 } else { revision })),
            _ => (Ok, [Term::Text("done".into()), Term::Bool(true)][random.below(2) as usize].clone()),
        }
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

/// The highest revision that an answer shows.
fn highest(done: &Done) -> Option<i64> {
    match done.f {
        "watch" => changes_of(done).iter().map(|(_, change)| change.0).max(),
        _ => done.result.number(),
    }
}

fn shows(watch: &Done, change: &Change) -> bool {
    changes_of(watch).iter().any(|(_, other)| other == change)
}

/// Whether a change can be that of this operation.
fn may_be_of(case: &Case, change: &Change, done: &Done) -> bool {
    let (key, value) = of_write(done);
    let is_it = (change.1, &change.2, &change.3) == (done.f, &key, &value) && done.may_have_happened();
    let is_told = match &done.result {
        Number(revision) => *revision == change.0,
        Nil => !(done.is_ok() && done.f == "delete"),
        _ => true,
    };
    let before = || case.done.iter().filter(|other| other.is_before(done));
    is_it && is_told && !before().any(|other| shows(other, change) || highest(other) >= Some(change.0))
}

/// Whether each change can be that of another operation.
fn has_operations(case: &Case, changes: &[Change], used: &mut Vec<usize>) -> bool {
    let Some((change, others)) = changes.split_first() else { return true };
    for (at, done) in case.done.iter().enumerate() {
        if done.f != "watch" && !used.contains(&at) && may_be_of(case, change, done) {
            used.push(at);
            if has_operations(case, others, used) {
                return true;
            }
            used.pop();
        }
    }
    false
}

fn promises_are_kept(case: &Case) -> Says {
    let mut known = known(case);
    let watches = || case.done.iter().filter(|done| done.f == "watch" && done.is_ok());
    let acknowledged = || case.done.iter().filter(|done| done.f != "watch" && done.is_ok());
    let mut revisions: Vec<i64> = acknowledged().filter_map(|done| done.result.number()).collect();
    revisions.sort_unstable();
    let is_doubled = revisions.windows(2).any(|pair| pair[0] == pair[1]);
    let is_out_of_order = watches().any(|watch| breaks_a_promise(watch, &known));
    known.sort();
    known.dedup();
    let is_torn = known.windows(2).any(|pair| pair[0].0 == pair[1].0);
    // Those of fewest operations first, so that the search is short.
    known.sort_by_key(|change| case.done.iter().filter(|done| may_be_of(case, change, done)).count());
    let violated = is_doubled || is_out_of_order || is_torn || !has_operations(case, &known, &mut Vec::new());
    let is_nowhere = |done: &Done| done.result.number().is_none() && !(done.f == "delete" && done.result == Nil);
    let is_known = !acknowledged().any(is_nowhere) && watches().any(|watch| !changes_of(watch).is_empty());
    if violated || is_known { Says::violated_if(violated) } else { Says::Open }
}

#[test]
fn watch() {
    agree("watch", 200, watched, promises_are_kept);
}
