//! `kafka`: what acknowledged sends and polls show of a log, taken together:
//!
//! - no offset has two records, no record is there that no send which did not fail may have brought, and whenever an answer shows
//!   a record, none is at more offsets than sends of it had been asked for by then (or it was there at first);
//! - what was acknowledged below an offset that was polled was polled, by whomever;
//! - the offsets that a process is given for its sends to a log grow;
//! - the offsets that a process polls of a log grow, and leave out no record that the log has between them, but those whose every
//!   send failed. It begins anew with `assign`, `subscribe` and `crash`; after `subscribe` only within one operation.

use std::collections::BTreeMap;

use super::draw::{Call, Done, call, history, shape};
use super::term::Term::{self, Elements, List, Map, Name, Nil, Number, Thing};
use super::{Case, Says, agree};
use crate::history::EventType::{self, Fail, Ok};
use crate::tests::random::Random;

/// What is in the logs, and where each process is in each.
#[derive(Clone, Default)]
struct World {
    logs: BTreeMap<u64, BTreeMap<i64, u64>>,
    read: BTreeMap<(u64, u64), i64>,
}

fn micro(random: &mut Random, next: &mut u64, again: bool) -> Term {
    *next += 1;
    let value = if again { 1 + random.below(3) } else { *next };
    match random.one_in(2) {
        true => List(vec![Name("send"), Thing(random.below(2)), Thing(value)]),
        false => List(vec![Name("poll")]),
    }
}

fn ask(random: &mut Random, next: &mut u64, again: bool) -> Call {
    match random.below(12) {
        0 => call(["assign", "subscribe"][random.below(2) as usize], List(vec![Thing(0), Thing(1)])),
        1 => call("crash", Nil),
        2 | 3 => call("txn", List((0..1 + random.below(3)).map(|_| micro(random, next, again)).collect())),
        4..8 => call("poll", List(vec![List(vec![Name("poll")])])),
        _ => {
            let send = std::iter::repeat_with(|| micro(random, next, again)).find(|micro| micro.elements().len() == 3);
            call("send", List(send.into_iter().collect()))
        }
    }
}

fn polled(random: &mut Random, world: &mut World, process: u64) -> Term {
    let mut logs = Vec::new();
    for (key, log) in &world.logs {
        let first = world.read.get(&(process, *key)).copied().unwrap_or(if random.one_in(4) { 1 } else { 0 });
        let many = 1 + random.below(3) as usize;
        let mut seen: Vec<(i64, u64)> = log.range(first..).take(many).map(|(at, value)| (*at, *value)).collect();
        if let Some((last, _)) = seen.last() {
            world.read.insert((process, *key), last + 1);
        }
        if random.one_in(40) {
            // Perhaps it is sent later.
            seen.push((seen.last().map_or(first, |(last, _)| last + 1), 1 + random.below(8)));
        }
        if !seen.is_empty() && random.one_in(15) {
            let at = random.below(seen.len() as u64) as usize;
            match random.below(3) {
                0 => drop(seen.remove(at)),
                1 => seen[at].1 = random.below(6),
                _ => seen.swap(0, at),
            }
        }
        let record = |(at, value): (i64, u64)| List(vec![Number(at), Thing(value)]);
        logs.push((Thing(*key), List(seen.into_iter().map(record).collect())));
    }
    List(vec![Name("poll"), Map(logs)])
}

fn act(random: &mut Random, world: &mut World, done: &Done) -> (EventType, Term) {
    if matches!(done.f, "assign" | "subscribe" | "crash") {
        world.read.retain(|(process, _), _| *process != done.process);
        return (Ok, done.argument.clone());
    }
    let fails = random.one_in(12);
    let leaves_traces = !fails || random.one_in(3);
    let mut answer = Vec::new();
    for micro in done.argument.elements() {
        let [_, Thing(key), Thing(value)] = micro.elements() else {
            answer.push(polled(random, world, done.process));
            continue;
        };
        let log = world.logs.entry(*key).or_default();
        let offset = log.last_key_value().map_or(0, |(last, _)| last + 1) + i64::from(random.one_in(5));
        if leaves_traces && !random.one_in(25) {
            log.insert(offset, *value);
        }
        if leaves_traces && random.one_in(30) {
            log.insert(offset + 1, *value);
        }
        // Some brokers do not say where it was put.
        let placed = if random.one_in(15) { Nil } else { Number(offset) };
        answer.push(List(vec![Name("send"), Thing(*key), List(vec![placed, Thing(*value)])]));
    }
    if fails { (Fail, done.argument.clone()) } else { (Ok, List(answer)) }
}

fn logs(random: &mut Random) -> Case {
    let (shape, again, mut next) = (shape(random, 10), random.one_in(5), 0);
    let (mut world, mut initial) = (World::default(), Vec::new());
    if random.one_in(3) {
        world.logs.insert(0, BTreeMap::from([(0, 1), (1, 90)]));
        initial.push((Some(0), Elements(vec![Thing(1), Thing(90)])));
    }
    let done = history(random, &shape, world, |random, _| ask(random, &mut next, again), act);
    Case { initial, ..Case::of(done) }
}

/// One part of an operation that is about a log.
#[derive(Clone)]
struct Part<'d> {
    done: &'d Done,
    key: Term,
    /// Records that were sent have no offset unless it was acknowledged.
    records: Vec<(Option<i64>, Term)>,
    is_send: bool,
}

fn record(record: &Term) -> (Option<i64>, Term) {
    match record.elements() {
        [offset, value] => (offset.number(), value.clone()),
        _ => (None, record.clone()),
    }
}

fn parts(case: &Case) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    for done in case.done.iter().filter(|done| matches!(done.f, "send" | "poll" | "txn")) {
        let value = if done.is_ok() { &done.result } else { &done.argument };
        for micro in value.elements() {
            match micro.elements() {
                [Name("send"), key, sent] => {
                    let records = vec![if done.is_ok() { record(sent) } else { (None, sent.clone()) }];
                    parts.push(Part { done, key: key.clone(), records, is_send: true });
                }
                [_, Map(logs)] if done.is_ok() => {
                    for (key, records) in logs {
                        let records = records.elements().iter().map(record).collect();
                        parts.push(Part { done, key: key.clone(), records, is_send: false });
                    }
                }
                _ => {}
            }
        }
    }
    parts
}

/// What is known of one log.
struct Log<'d> {
    parts: Vec<Part<'d>>,
    initial: &'d [Term],
}

impl Log<'_> {
    /// Every record that was shown with its offset, and whether a poll showed it.
    fn shown(&self) -> Vec<(i64, &Term, bool)> {
        let of = |part: &'_ Part<'_>| part.is_send;
        let placed = self.parts.iter().flat_map(|part| part.records.iter().map(move |record| (record, !of(part))));
        placed.filter_map(|((offset, value), polled)| Some(((*offset)?, value, polled))).collect()
    }

    fn sends(&self, value: &Term) -> (usize, usize) {
        let sends = self.parts.iter().filter(|part| part.is_send && part.records[0].1 == *value);
        let (all, possible): (Vec<_>, Vec<_>) =
            (sends.clone().collect(), sends.filter(|part| part.done.may_have_happened()).collect());
        (all.len(), possible.len())
    }

    /// At how many offsets answers until some moment show a value, and how many sends that were asked for before may have put it
    /// there.
    fn places_and_sends(&self, value: &Term, end: usize) -> (usize, usize) {
        let is_it = |(offset, other): &&(Option<i64>, Term)| offset.is_some() && other == value;
        let until = self.parts.iter().filter(|part| part.done.end <= end);
        let mut offsets: Vec<Option<i64>> =
            until.flat_map(|part| part.records.iter().filter(is_it).map(|(offset, _)| *offset)).collect();
        offsets.sort_unstable();
        offsets.dedup();
        let may_bring = |part: &&Part<'_>| {
            part.is_send && part.records[0].1 == *value && part.done.may_have_happened() && part.done.call < end
        };
        (offsets.len(), self.parts.iter().filter(may_bring).count())
    }

    fn is_aborted(&self, value: &Term) -> bool {
        !self.initial.contains(value) && self.sends(value).0 > 0 && self.sends(value).1 == 0
    }

    /// What does not depend on who did it when.
    fn is_torn(&self) -> bool {
        let shown = self.shown();
        let contradicts = shown.iter().any(|one| shown.iter().any(|other| one.0 == other.0 && one.1 != other.1));
        let too_often = |value: &Term| {
            let at_first = self.initial.iter().filter(|other| *other == value).count();
            self.parts.iter().any(|part| {
                let (places, sends) = self.places_and_sends(value, part.done.end);
                places > sends + at_first
            })
        };
        let polled = |at: i64| shown.iter().any(|(other, _, polled)| *polled && *other == at);
        let highest = shown.iter().filter(|(.., polled)| *polled).map(|(at, ..)| *at).max();
        let lost = shown.iter().any(|(at, ..)| highest > Some(*at) && !polled(*at));
        contradicts || shown.iter().any(|(_, value, _)| too_often(value)) || lost
    }

    /// Whether a process goes back, or leaves something out.
    fn is_out_of_order(&self, process: u64, beginnings: &[&Done]) -> bool {
        let (mut sent, mut last): (Option<i64>, Option<(i64, &Done)>) = (None, None);
        let shown = self.shown();
        for part in self.parts.iter().filter(|part| part.done.process == process) {
            let begun = beginnings.iter().rfind(|begin| begin.call < part.done.call);
            for offset in part.records.iter().filter_map(|(offset, _)| *offset) {
                if part.is_send {
                    if sent.replace(offset) >= Some(offset) {
                        return true;
                    }
                    continue;
                }
                let is_new = |(_, by): &(i64, &Done)| {
                    let within = by.call == part.done.call;
                    !within && begun.is_some_and(|begin| begin.f == "subscribe" || begin.call > by.call)
                };
                let before = last.replace((offset, part.done)).filter(|before| !is_new(before));
                let Some((before, _)) = before else { continue };
                let skipped =
                    |(at, value, _): &(i64, &Term, bool)| before < *at && *at < offset && !self.is_aborted(value);
                if offset <= before || shown.iter().any(skipped) {
                    return true;
                }
            }
        }
        false
    }
}

fn logs_are_whole(case: &Case) -> Says {
    let all = parts(case);
    let mut keys: Vec<&Term> = all.iter().map(|part| &part.key).collect();
    keys.sort();
    keys.dedup();
    let (mut violated, mut unseen) = (false, false);
    for key in keys {
        let Thing(number) = key else { continue };
        let initial = case.initial(Some(*number)).map(Term::elements).unwrap_or_default();
        let log = Log { parts: all.iter().filter(|part| part.key == *key).cloned().collect(), initial };
        violated |= log.is_torn();
        for process in case.done.iter().map(|done| done.process) {
            let begins = |done: &&Done| done.process == process && matches!(done.f, "assign" | "subscribe" | "crash");
            violated |= log.is_out_of_order(process, &case.done.iter().filter(begins).collect::<Vec<_>>());
        }
        let shown = log.shown();
        let highest = shown.iter().filter(|(.., polled)| *polled).map(|(at, ..)| *at).max();
        unseen |= shown.iter().any(|(at, ..)| highest < Some(*at));
    }
    let polled = all.iter().any(|part| !part.is_send && !part.records.is_empty());
    if violated || (polled && !unseen) { Says::violated_if(violated) } else { Says::Open }
}

#[test]
fn kafka() {
    agree("kafka", 200, logs, logs_are_whole);
}
