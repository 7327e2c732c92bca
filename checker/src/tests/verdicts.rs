//! Claims, models, merging, and what holds of every verdict.

use serde_json::{Value, json};

use super::check;
use super::{Story, claiming_all, of};
use crate::CheckName;
use crate::history::{Event, EventType, History, Process};
use crate::limits::Limits;
use crate::objects::Model;
use crate::verdict::{Outcome, Verdict};
use crate::{Claim, Claims, ConcurrentWrites, On};

/// Loses a write of the set, has nothing to say of convergence, and is otherwise fine.
fn lossy() -> Story {
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).read(0, "set-0", &[1]).final_read(1, "set-0", &[]);
    story
}

fn claiming(claims: &[CheckName]) -> Claims {
    Claims::of_all(claims.iter().copied(), "so it is said")
}

#[test]
fn only_what_is_claimed_counts() {
    let history = lossy().history();
    let verdict = check(&history, &claiming(&[CheckName::READ_YOUR_WRITES, CheckName::DURABILITY]));
    assert_eq!((verdict.outcome, verdict.reasons.as_slice()), (Outcome::Valid, &[][..]));
    let lost = &verdict.properties[0];
    assert_eq!((lost.property, lost.claimed, lost.outcome), (CheckName::NO_LOST_WRITES, false, Outcome::Invalid));
}

#[test]
fn a_claim_that_is_broken_or_undecided_is_a_reason_the_worst_first() {
    let history = lossy().history();
    let verdict = check(&history, &claiming(&[CheckName::CONVERGENCE, CheckName::NO_LOST_WRITES]));
    assert_eq!(verdict.outcome, Outcome::Invalid);
    assert_eq!(
        verdict.reasons,
        [
            "no-lost-writes of set is invalid: 1 of 1 acknowledged writes are lost (100.0 %).",
            "convergence of set is inconclusive: 0 of 1 keys converged; no replica reads.",
        ]
    );
    let verdict = check(&history, &claiming(&[CheckName::CONVERGENCE]));
    assert_eq!((verdict.outcome, verdict.reasons.len()), (Outcome::Inconclusive, 1));
}

#[test]
fn each_workload_is_judged_by_itself() {
    let mut story = lossy();
    story.workload("register").write_ok(0, "register-0", 1, &[]).final_read(1, "register-0", &[1]);
    let verdict = check(&story.history(), &claiming(&[CheckName::NO_LOST_WRITES]));
    let outcomes: Vec<_> = verdict
        .properties
        .iter()
        .filter(|found| found.property == CheckName::NO_LOST_WRITES)
        .map(|found| (found.workload.as_deref().unwrap_or(""), found.outcome))
        .collect();
    assert_eq!(outcomes, [("register", Outcome::Valid), ("set", Outcome::Invalid)]);
}

#[test]
fn a_claim_of_one_model_binds_no_other() {
    let mut story = lossy();
    let lost = |model| Claims {
        claims: vec![Claim::of_object(CheckName::NO_LOST_WRITES, model, "so it is said")],
        ..Claims::default()
    };
    assert_eq!(check(&story.history(), &lost(Model::Set)).outcome, Outcome::Invalid);
    assert_eq!(check(&story.heal().history(), &lost(Model::Register)).outcome, Outcome::Valid);
}

#[test]
fn operations_without_a_workload_need_a_model() {
    let mut events = lossy().events();
    for event in &mut events {
        event.workload = None;
    }
    let history = of(&events);
    let verdict = check(&history, &Claims::default());
    assert_eq!(verdict.outcome, Outcome::Inconclusive);
    assert!(verdict.properties.iter().all(|found| found.workload.is_none()), "{:?}", verdict.properties);
    assert_eq!(
        verdict.reasons,
        ["3 operations name no workload; say by which model they are to be judged: \
          set, register, cart, counter, list-append, rw-register."]
    );
    let verdict =
        check(&history, &Claims { default_object: Some(Model::Set), ..claiming(&[CheckName::NO_LOST_WRITES]) });
    assert_eq!((verdict.outcome, verdict.properties[0].workload.as_deref()), (Outcome::Invalid, Some("set")));
    assert_eq!(verdict.statistics[0].workload, "set");
}

#[test]
fn an_unknown_workload_is_not_judged_silently() {
    let mut story = Story::new("ledger");
    story.add(0, "ledger-0", 1).final_read(1, "ledger-0", &[]);
    let verdict = check(&story.history(), &Claims::default());
    assert_eq!(verdict.outcome, Outcome::Inconclusive);
    assert!(verdict.reasons[0].contains("`ledger` are not judged"), "{:?}", verdict.reasons);
    let verdict = check(&story.history(), &Claims { default_object: Some(Model::Set), ..Claims::default() });
    assert_eq!(verdict.properties[0].workload.as_deref(), Some("ledger"));
}

#[test]
fn keys_may_be_left_out() {
    let mut events = lossy().events();
    for event in &mut events {
        event.key = None;
    }
    let verdict = check(&of(&events), &claiming(&[CheckName::NO_LOST_WRITES]));
    assert_eq!(verdict.properties[0].anomalies[0].key.as_deref(), Some("set"));
}

#[test]
fn events_that_do_not_fit_are_no_history() {
    let error = History::of_events(&lossy().events()[1..]).expect_err("its first invocation is missing").to_string();
    assert_eq!(error, "event 0: process 0 completes `add` that it never invoked");
}

#[test]
fn names_are_read_back() {
    for model in Model::ALL {
        assert_eq!(model.name().parse(), Ok(model));
        assert!(!model.about().is_empty());
    }
    let error = "queue".parse::<Model>().expect_err("there is no queue");
    assert_eq!(
        error.to_string(),
        "unknown model 'queue': known are set, register, cart, counter, list-append, rw-register"
    );
    for property in CheckName::ALL {
        assert_eq!(property.name().parse(), Ok(*property));
    }
}

/// A hundred thousand operations of ten processes on three workloads of five keys, some of them lost.
fn long_history() -> Story {
    let mut story = Story::new("set");
    let mut elements = vec![Vec::new(); 5];
    let mut latest = [None; 5];
    for step in 0..100_000_i64 {
        let (process, key) = (step as u64 % 10, (step / 3) as usize % 5);
        let past: Vec<i64> = latest[key].into_iter().collect();
        match step % 6 {
            0 => drop(story.workload("register").write_ok(process, &format!("register-{key}"), step, &past)),
            1 | 3 => drop(story.workload("register").read(process, &format!("register-{key}"), &past)),
            2 if elements[key].len() < 100 => drop(story.workload("set").add(process, &format!("set-{key}"), step)),
            4 => drop(story.workload("cart").add(process, &format!("cart-{key}"), step)),
            _ => drop(story.workload("set").read(process, &format!("set-{key}"), &elements[key])),
        }
        match step % 6 {
            0 if step % 7 != 0 => latest[key] = Some(step),
            2 if elements[key].len() < 100 && step % 11 != 0 => elements[key].push(step),
            _ => {}
        }
    }
    for key in 0..5 {
        let register: Vec<i64> = latest[key].into_iter().collect();
        story.workload("register").final_read(1, &format!("register-{key}"), &register);
        story.workload("set").final_read(1, &format!("set-{key}"), &elements[key]);
    }
    story
}

#[test]
fn a_hundred_thousand_operations_twice_with_one_verdict() {
    let history = long_history().history();
    assert!(history.operations().len() >= 100_000);
    let verdict = check(&history, &claiming_all(ConcurrentWrites::Kept));
    let text = serde_json::to_string(&verdict).expect("a verdict serialises");
    let again = check(&history, &claiming_all(ConcurrentWrites::Kept));
    assert_eq!(text, serde_json::to_string(&again).expect("a verdict serialises"));
    assert_eq!(verdict.outcome, Outcome::Invalid);
    let lost: Vec<f64> = verdict
        .properties
        .iter()
        .filter(|found| found.property == CheckName::NO_LOST_WRITES)
        .map(|found| found.figures["lost"])
        .collect();
    assert!(lost[1] > 1000.0 && lost[2] > 10.0, "{lost:?}");
}

#[test]
fn a_verdict_is_read_back() {
    let mut story = lossy();
    story.start(1, "kill", &["n1"]).stop(1, "kill");
    let verdict = story.verdict();
    let text = serde_json::to_string_pretty(&verdict).expect("a verdict serialises");
    assert_eq!(serde_json::from_str::<Verdict>(&text).expect("what was written can be read"), verdict);
}

#[test]
fn nothing_is_claimed_by_default() {
    let options = Claims::default();
    assert_eq!((options.claims, Limits::default().anomalies_max), (Vec::new(), 20));
    assert_eq!((options.concurrent_writes, options.default_object), (ConcurrentWrites::Kept, None));
}

/// A queue that lost what it had acknowledged, recorded by the bench's own workload.
fn lossy_queue() -> History {
    let event = |kind, f: &str, value| {
        let mut event = Event::new(0, Process::Client(1), kind, f, value);
        (event.workload, event.key) = (Some("queue".to_owned()), Some("queue-0".to_owned()));
        event
    };
    of(&[
        event(EventType::Invoke, "enqueue", json!(7)),
        event(EventType::Ok, "enqueue", json!(7)),
        event(EventType::Invoke, "drain", Value::Null),
        event(EventType::Ok, "drain", json!([])),
    ])
}

#[test]
fn a_workload_in_the_form_of_a_model_is_measured_by_it_and_counts_where_that_is_claimed() {
    let on = |on| Claims {
        claims: vec![Claim { check: CheckName::TOTAL_QUEUE, on, reason: "it says so".to_owned() }],
        ..Claims::default()
    };
    let judged = |claims: &Claims| {
        let verdict = check(&lossy_queue(), claims);
        let found = verdict.properties.iter().find(|found| found.workload.as_deref() == Some("queue"));
        let found = found.expect("it is measured in every run");
        assert_eq!((found.property, found.outcome), (CheckName::TOTAL_QUEUE, Outcome::Invalid));
        (found.claimed, verdict.outcome)
    };
    assert_eq!(judged(&Claims::default()), (false, Outcome::Valid));
    assert_eq!(judged(&on(On::Workload("queue".to_owned()))), (true, Outcome::Invalid));
    assert_eq!(judged(&on(On::Object(Model::Queue))), (true, Outcome::Invalid));
    assert_eq!(judged(&on(On::Workload("lock".to_owned()))), (false, Outcome::Valid));
    assert_eq!(judged(&Claims::of_measured("nothing else is known")), (true, Outcome::Invalid));
}

/// That no write of a set is lost can be claimed of all, and its own model does not say so: it must not count as fine.
#[test]
fn what_the_model_of_a_workload_does_not_show_is_left_open() {
    let mut events = lossy().events();
    events.iter_mut().for_each(|event| event.workload = Some("kv-set".to_owned()));
    let verdict = check(&of(&events), &claiming(&[CheckName::NO_LOST_WRITES]));
    let found = verdict.properties.iter().find(|found| found.property == CheckName::NO_LOST_WRITES);
    assert_eq!(found.map(|found| (found.claimed, found.outcome)), Some((true, Outcome::Inconclusive)));
}
