//! Locks and sets against every order of small random histories.

use serde_json::{Value, json};

use super::judged;
use crate::checks::settings::Settings;
use crate::history::{Event, EventType, History, Process};
use crate::tests::random::Random;
use crate::verdict::Outcome;

/// An operation that may have happened: its result is unknown if it never completed.
#[derive(Clone, Debug)]
struct Done {
    process: u64,
    f: &'static str,
    argument: Value,
    result: Option<Value>,
    call: usize,
    ret: usize,
}

/// Who holds a lock, how often, with which token; or what is in a set.
#[derive(Clone, Debug, Default)]
struct State {
    holders: Vec<u64>,
    token: i64,
    elements: Vec<i64>,
}

type Step = fn(&State, &Done) -> Option<State>;

fn mutex(state: &State, done: &Done) -> Option<State> {
    let holders = match (done.f, state.holders.len()) {
        ("acquire", 0) => vec![done.process],
        ("release", 1) => Vec::new(),
        _ => return None,
    };
    Some(State { holders, ..state.clone() })
}

fn owner_mutex(state: &State, done: &Done) -> Option<State> {
    let is_own = done.f == "acquire" || state.holders == [done.process];
    is_own.then(|| mutex(state, done)).flatten()
}

fn reentrant_mutex(state: &State, done: &Done) -> Option<State> {
    let mut holders = state.holders.clone();
    let is_own = holders.iter().all(|holder| *holder == done.process);
    match done.f {
        "acquire" if is_own => holders.push(done.process),
        "release" if is_own && !holders.is_empty() => drop(holders.pop()),
        _ => return None,
    }
    Some(State { holders, ..state.clone() })
}

fn fenced_mutex(state: &State, done: &Done) -> Option<State> {
    let next = owner_mutex(state, done)?;
    match (done.f, done.result.as_ref().and_then(Value::as_i64)) {
        ("acquire", Some(token)) if token <= state.token => None,
        ("acquire", Some(token)) => Some(State { token, ..next }),
        _ => Some(next),
    }
}

fn semaphore(state: &State, done: &Done) -> Option<State> {
    let mut holders = state.holders.clone();
    match done.f {
        "acquire" if holders.len() < 2 => holders.push(done.process),
        "release" if !holders.is_empty() => drop(holders.pop()),
        _ => return None,
    }
    Some(State { holders, ..state.clone() })
}

fn set(state: &State, done: &Done) -> Option<State> {
    let element = done.argument.as_i64().unwrap_or_default();
    let mut elements = state.elements.clone();
    let was_inside = elements.contains(&element);
    elements.retain(|other| *other != element);
    if done.f == "add" || (done.f == "contains" && was_inside) {
        elements.push(element);
    }
    let said = if done.f == "add" { !was_inside } else { was_inside };
    let fits = done.result.as_ref().is_none_or(|result| result.as_bool() == Some(said));
    fits.then(|| State { elements, ..state.clone() })
}

/// Whether the operations have an order: those in `gone` have taken effect.
fn has_order(all: &[Done], gone: u32, state: &State, step: Step) -> bool {
    let left = || (0..all.len()).filter(|at| gone & (1 << at) == 0);
    if left().all(|at| all[at].result.is_none()) {
        return true;
    }
    let first_ret = left().map(|at| all[at].ret).min().unwrap_or_default();
    left()
        .filter(|at| all[*at].call < first_ret)
        .any(|at| step(state, &all[at]).is_some_and(|next| has_order(all, gone | 1 << at, &next, step)))
}

/// Events of two or three processes, and what may have happened.
fn draw(model: &str, random: &mut Random) -> (Vec<Event>, Vec<Done>) {
    let (mut events, mut done): (Vec<Event>, Vec<Done>) = Default::default();
    let mut open: Vec<(u64, Option<usize>)> = (0..2 + random.below(2)).map(|process| (process, None)).collect();
    let (mut token, mut left) = (0, 3 + random.below(5));
    while left > 0 || open.iter().any(|(_, open)| open.is_some()) {
        let at = random.below(open.len() as u64) as usize;
        let (process, begun) = open[at];
        let call = events.len();
        let event = |kind, f: &str, value| Event::new(call as u64, Process::Client(process), kind, f, value);
        match begun {
            None if left > 0 => {
                left -= 1;
                let (f, argument) = match model {
                    "set" => (["add", "remove", "contains"][random.below(3) as usize], json!(random.below(2))),
                    _ => (["acquire", "release"][random.below(2) as usize], Value::Null),
                };
                events.push(event(EventType::Invoke, f, argument.clone()));
                open[at].1 = Some(done.len());
                done.push(Done { process, f, argument, result: None, call, ret: usize::MAX });
            }
            None => {}
            Some(operation) => {
                let Done { f, argument, .. } = done[operation].clone();
                open[at].1 = None;
                if random.below(6) == 0 {
                    events.push(event(EventType::Info, f, argument));
                    open[at].0 += 10;
                    continue;
                }
                token += 1;
                let result = match (model, f) {
                    ("set", _) => json!(random.below(2) == 0),
                    ("fenced-mutex", "acquire") => json!(token + [0, 0, 0, -2][random.below(4) as usize]),
                    _ => Value::Null,
                };
                events.push(event(EventType::Ok, f, result.clone()));
                (done[operation].result, done[operation].ret) = (Some(result), call);
            }
        }
    }
    (events, done)
}

#[test]
fn locks_and_sets_agree_with_every_order() {
    let cases = std::env::var("DISSENSUS_CASES").ok().and_then(|count| count.parse().ok()).unwrap_or(1500);
    let settings = Settings { permits: Some(2), ..Settings::default() };
    let models: [(&str, Step); 6] = [
        ("mutex", mutex),
        ("owner-mutex", owner_mutex),
        ("reentrant-mutex", reentrant_mutex),
        ("fenced-mutex", fenced_mutex),
        ("semaphore", semaphore),
        ("set", set),
    ];
    for (model, step) in models {
        let mut held = [0u64; 2];
        for seed in 0..cases {
            let (events, done) = draw(model, &mut Random(seed));
            if done.iter().all(|done| done.result.is_none()) {
                continue;
            }
            let holds = has_order(&done, 0, &State { token: i64::MIN, ..State::default() }, step);
            let history = History::of_events(&events).expect("the events fit");
            let finding = judged(model, &history, &settings);
            let expected = if holds { Outcome::Valid } else { Outcome::Invalid };
            assert_eq!(finding.outcome(), expected, "{model}, seed {seed}: {done:?}\n{finding:?}");
            held[usize::from(holds)] += 1;
        }
        println!("{model}: {} linearizable, {} not", held[1], held[0]);
        assert!(held.iter().all(|count| count * 50 > cases), "{model}: {held:?} of {cases}");
    }
}
