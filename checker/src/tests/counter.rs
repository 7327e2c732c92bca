//! Counters: changes are seen through the parts of a sum, and sums lie between what is certain and what is possible.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::Story;
use crate::CheckName;
use crate::history::EventType::{Fail, Info, Ok};
use crate::verdict::Outcome;

const KEY: &str = "counter-0";

fn change(story: &mut Story, process: u64, kind: crate::history::EventType, f: &str, by: i64) {
    story.operation(process, kind, f, KEY, by);
}

/// Process 1 adds 3 and 4, process 2 adds 5 and subtracts 2.
fn changed() -> Story {
    let mut story = Story::new("counter");
    for (process, f, by) in [(1, "inc", 3), (2, "inc", 5), (1, "inc", 4), (2, "dec", 2)] {
        change(&mut story, process, Ok, f, by);
    }
    story
}

#[test]
fn a_counter_that_has_every_change_is_right_in_every_way() {
    let mut story = changed();
    for process in [1, 2, 1] {
        story.sum(process, KEY, &[(1, 7, 0), (2, 5, 2)]);
    }
    story.final_sum(1, KEY, &[(1, 7, 0), (2, 5, 2)]);
    for property in [CheckName::NO_LOST_WRITES, CheckName::READ_YOUR_WRITES, CheckName::MONOTONIC_READS] {
        story.result(property).is_valid();
    }
    for property in [CheckName::COUNTER_BOUNDS, CheckName::MONOTONIC_WRITES, CheckName::CAUSAL] {
        story.result(property).is_valid();
    }
    assert_eq!(story.result(CheckName::NO_LOST_WRITES).figure("recovered"), 4.0);
}

#[test]
fn a_change_that_the_parts_lack_at_the_end_is_lost() {
    let mut story = changed();
    story.final_sum(1, KEY, &[(1, 3, 0), (2, 5, 2)]);
    let found = story.result(CheckName::NO_LOST_WRITES);
    let lost = found.sole(Outcome::Invalid, "lost-write");
    assert!(lost.explanation.starts_with("inc 4 to counter-0 was acknowledged by n2"), "{}", lost.explanation);
    let found = story.result(CheckName::COUNTER_BOUNDS);
    let low = found.sole(Outcome::Invalid, "sum-out-of-bounds");
    assert!(low.explanation.contains("shows 6, but what was acknowledged before it comes to at least 10"), "{low:?}");
    assert!(low.explanation.contains("it lacks the inc 4 by process 1"), "{low:?}");
    assert_eq!(low.events, [2, 3, 4, 5, 8, 9], "5 and 4 alone are more than 6");
}

/// A sum alone shows that a change is missing, but not which.
#[test]
fn a_sum_without_parts_is_judged_by_its_bounds_alone() {
    for (sum, outcome) in [(10, Outcome::Valid), (9, Outcome::Invalid), (11, Outcome::Invalid)] {
        let mut story = changed();
        story.invoke(3, "read", KEY, Value::Null).complete(3, Ok, "read", KEY, json!(sum));
        assert_eq!(story.result(CheckName::COUNTER_BOUNDS).outcome, outcome, "{sum}");
        story.result(CheckName::READ_YOUR_WRITES).is_inconclusive("does not list the parts of its sum");
    }
}

#[test]
fn what_is_under_way_may_be_in_a_sum_or_not_and_what_failed_may_not() {
    for (sum, outcome) in [(2, Outcome::Invalid), (3, Outcome::Valid), (8, Outcome::Valid), (9, Outcome::Invalid)] {
        let mut story = Story::new("counter");
        change(&mut story, 0, Ok, "inc", 5);
        change(&mut story, 1, Fail, "inc", 100);
        change(&mut story, 2, Info, "inc", 3);
        story.invoke(4, "read", KEY, Value::Null).invoke(5, "dec", KEY, json!(2));
        story.complete(4, Ok, "read", KEY, json!(sum));
        assert_eq!(story.result(CheckName::COUNTER_BOUNDS).outcome, outcome, "{sum}");
    }
}

#[test]
fn a_process_reads_its_own_changes() {
    let mut story = changed();
    story.sum(1, KEY, &[(1, 3, 0), (2, 5, 2)]).sum(2, KEY, &[(2, 5, 2)]);
    let found = story.result(CheckName::READ_YOUR_WRITES);
    let stale = found.sole(Outcome::Invalid, "stale-read");
    assert!(stale.explanation.contains("did not see its own inc 4 to counter-0"), "{}", stale.explanation);
    assert_eq!(stale.process, Some(1.into()));
}

#[test]
fn a_failed_change_is_distinguished_from_a_later_one_of_the_same_size() {
    let mut story = Story::new("counter");
    change(&mut story, 0, Ok, "inc", 5);
    change(&mut story, 0, Fail, "inc", 3);
    story.final_sum(1, KEY, &[(0, 8, 0)]);
    story.result(CheckName::NO_LOST_WRITES).sole(Outcome::Invalid, "failed-write-visible");
    let mut story = Story::new("counter");
    change(&mut story, 0, Ok, "inc", 5);
    change(&mut story, 0, Fail, "inc", 3);
    change(&mut story, 0, Ok, "inc", 3);
    story.final_sum(1, KEY, &[(0, 8, 0)]);
    story.result(CheckName::NO_LOST_WRITES).is_valid();
}

#[test]
fn parts_that_no_changes_come_to_were_never_written() {
    let mut story = changed();
    story.sum(3, KEY, &[(1, 4, 0), (7, 1, 0)]).final_sum(1, KEY, &[(1, 7, 0), (2, 5, 2)]);
    let found = story.result(CheckName::NO_LOST_WRITES);
    assert_eq!(found.kinds(), ["never-written", "never-written"]);
    assert!(found.anomalies[0].explanation.contains("+4 -0 by process 1"), "{:?}", found.anomalies);
}

#[test]
fn replicas_are_read_as_the_union_of_their_versions() {
    let mut story = changed();
    let held = [("a", json!({"1": [7, 0], "2": [5, 0]})), ("b", json!({"1": [3, 0], "2": [5, 2]}))];
    story.replica(1, 1, KEY, &held).replica(1, 2, KEY, &held).heal();
    story.result(CheckName::NO_LOST_WRITES).is_valid();
    story.result(CheckName::CONVERGENCE).is_valid();
}

#[test]
fn a_counter_that_only_grows_is_judged_in_the_same_way() {
    let mut story = Story::new("grow-counter");
    change(&mut story, 0, Ok, "inc", 5);
    story.sum(0, KEY, &[]).final_sum(1, KEY, &[(0, 5, 0)]);
    assert_eq!(story.result(CheckName::READ_YOUR_WRITES).outcome, Outcome::Invalid);
    assert_eq!(story.result(CheckName::COUNTER_BOUNDS).outcome, Outcome::Invalid);
}

proptest! {
    /// The bounds are those of the definition: each change is certain, possible or neither.
    #[test]
    fn bounds_are_what_the_definition_says(
        steps in prop::collection::vec((0_u64..4, -9_i64..10, 0_u8..10), 1..60),
    ) {
        let mut story = Story::new("counter");
        let mut open: [Option<(i64, u64)>; 4] = [None; 4];
        let mut generation = [0_u64; 4];
        let mut changes: Vec<(i64, u64, u64, crate::history::EventType)> = Vec::new();
        for (index, (worker, by, chance)) in (0_u64..).zip(steps) {
            let process = worker + 4 * generation[worker as usize];
            match (open[worker as usize].take(), chance) {
                (None, _) => {
                    story.invoke(process, if by < 0 { "dec" } else { "inc" }, KEY, json!(by.abs()));
                    open[worker as usize] = Some((by, index));
                }
                (Some((by, began)), _) => {
                    let kind = match chance { 0 => Info, 1 | 2 => Fail, _ => Ok };
                    story.complete(process, kind, if by < 0 { "dec" } else { "inc" }, KEY, json!(by.abs()));
                    changes.push((by, began, index, kind));
                    generation[worker as usize] += u64::from(kind == Info);
                }
            }
        }
        for (by, began) in open.into_iter().flatten() {
            changes.push((by, began, u64::MAX, Info));
        }
        let certain = |sign: i64| changes.iter().filter(move |c| c.0 * sign > 0 && c.3 == Ok).map(|c| c.0).sum::<i64>();
        let possible = |sign: i64| changes.iter().filter(move |c| c.0 * sign > 0 && c.3 != Fail).map(|c| c.0).sum::<i64>();
        let (least, most) = (certain(1) + possible(-1), possible(1) + certain(-1));
        for (sum, right) in [(least - 1, false), (least, true), (most, true), (most + 1, false)] {
            let mut again = Story::new("counter");
            std::mem::swap(&mut again, &mut story);
            again.invoke(99, "read", KEY, Value::Null).complete(99, Ok, "read", KEY, json!(sum));
            let found = again.result(CheckName::COUNTER_BOUNDS);
            let last = found.figure("violations") > 0.0;
            prop_assert_eq!(!last, right, "{} in {}..={}", sum, least, most);
            story = replay(&again);
        }
    }
}

/// The story without its last operation.
fn replay(story: &Story) -> Story {
    let again = Story::new("counter");
    let events = story.events();
    let kept = events.len() - 2;
    for event in events.into_iter().take(kept) {
        crate::history::Recorder::record(&again.recorder, event);
    }
    again
}
