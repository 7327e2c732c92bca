//! Harvest: the share of what was acknowledged before that a read shows.

use serde_json::{Value, json};

use super::Story;
use crate::history::EventType;
use crate::verdict::OperationStatistics;

fn reads(story: &Story) -> OperationStatistics {
    let verdict = super::check(&story.history(), &crate::Claims::default());
    let reads = verdict.statistics.iter().find(|found| matches!(found.f.as_str(), "read" | "r"));
    reads.cloned().expect("reads were counted")
}

fn harvest(story: &Story) -> Option<f64> {
    reads(story).harvest
}

#[test]
fn a_read_of_a_set_shows_a_share_of_what_was_acknowledged() {
    let mut story = Story::new("set");
    story.read(1, "set-0", &[]);
    assert_eq!(harvest(&story), None, "nothing is expected of it");
    story.add(0, "set-0", 1).add(0, "set-0", 2).add_info(2, "set-0", 3).add_fail(0, "set-0", 4);
    story.invoke(3, "add", "set-0", json!(5)).read(1, "set-0", &[2, 3, 5]);
    assert_eq!(harvest(&story), Some(0.5), "1 of 1 and 2: what was not acknowledged is not expected");
    story.complete(3, EventType::Ok, "add", "set-0", json!(5)).read(1, "set-0", &[1, 2, 5]).read(1, "set-1", &[]);
    assert_eq!(harvest(&story), Some(0.75), "the mean of one half and all");
}

#[test]
fn faults_have_a_harvest_of_their_own() {
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).add(0, "set-0", 2).read(1, "set-0", &[1, 2]);
    story.start(1, "partition", &["n1"]).read(1, "set-0", &[2]).read(1, "set-0", &[]).stop(1, "partition");
    let found = reads(&story);
    assert_eq!((found.harvest_in_faults, found.harvest_outside_faults), (Some(0.25), Some(1.0)));
    assert_eq!(found.harvest, Some(0.5));
    let verdict = super::check(&story.history(), &crate::Claims::default());
    let adds = verdict.statistics.iter().find(|found| found.f == "add").expect("adds were counted");
    assert_eq!((adds.harvest, adds.harvest_outside_faults), (None, None));
}

/// What somebody tried to remove from a cart is not expected in any read.
#[test]
fn what_may_have_been_removed_is_not_expected() {
    let mut story = Story::new("cart");
    story.add(0, "cart-0", 1).add(0, "cart-0", 2);
    story.invoke(0, "remove", "cart-0", json!(1)).complete(0, EventType::Info, "remove", "cart-0", Value::Null);
    story.read(1, "cart-0", &[2]);
    assert_eq!(harvest(&story), Some(1.0));
}

fn write(story: &mut Story, process: u64, value: i64) {
    story.invoke(process, "write", "r", json!(value)).complete(process, EventType::Ok, "write", "r", json!(value));
}

#[test]
fn a_read_of_a_register_shows_the_latest_or_not() {
    let mut story = Story::new("register");
    write(&mut story, 0, 1);
    story.invoke(2, "write", "r", json!(3));
    write(&mut story, 0, 2);
    story.read(1, "r", &[2]);
    assert_eq!(harvest(&story), Some(1.0));
    story.read(1, "r", &[3]);
    assert_eq!(harvest(&story), Some(1.0), "it was under way when 2 was written");
    story.read(1, "r", &[1]).read(1, "r", &[]);
    assert_eq!(harvest(&story), Some(0.5));
    story.read(1, "r", &[1, 2]);
    assert_eq!(harvest(&story), Some(0.6), "the older sibling takes nothing away");
}

#[test]
fn a_register_that_was_deleted_shows_nothing() {
    let mut story = Story::new("register");
    write(&mut story, 0, 1);
    story.invoke(0, "delete", "r", Value::Null).complete(0, EventType::Ok, "delete", "r", Value::Null);
    story.read(1, "r", &[]);
    assert_eq!(harvest(&story), Some(1.0));
    story.read(1, "r", &[1]);
    assert_eq!(harvest(&story), Some(0.5), "deleted before");
    write(&mut story, 0, 2);
    story.read(1, "r", &[]);
    assert_eq!(harvest(&story), Some(1.0 / 3.0), "the delete is the older");
    story.invoke(2, "delete", "r", Value::Null).read(1, "r", &[]);
    assert_eq!(harvest(&story), Some(0.5), "this one may be in time");
}
