//! The cart: an added item stays unless somebody tried to remove it.

use serde_json::json;

use super::Story;
use crate::CheckName;
use crate::history::EventType::{Fail, Info, Ok};
use crate::verdict::Outcome;

#[test]
fn an_item_that_was_removed_is_not_missed() {
    let mut story = Story::new("cart");
    story.add(0, "cart-0", 1).add(0, "cart-0", 2).remove(1, Ok, "cart-0", 1).read(0, "cart-0", &[2]);
    story.final_read(1, "cart-0", &[2]);
    let found = story.result(CheckName::NO_LOST_WRITES);
    found.is_valid();
    assert_eq!((found.figure("removal-tried"), found.figure("recovered"), found.figure("resurfaced")), (1.0, 1.0, 0.0));
    story.result(CheckName::READ_YOUR_WRITES).is_valid();
}

#[test]
fn a_removed_item_may_resurface() {
    let mut story = Story::new("cart");
    story.add(0, "cart-0", 1).remove(1, Ok, "cart-0", 1).final_read(1, "cart-0", &[1]);
    let found = story.result(CheckName::NO_LOST_WRITES);
    found.is_valid();
    assert_eq!(found.figure("resurfaced"), 1.0);
}

#[test]
fn a_removal_of_unknown_outcome_exempts() {
    let mut story = Story::new("cart");
    story.add(0, "cart-0", 1).add(0, "cart-0", 2).remove(1, Info, "cart-0", 1).remove(3, Fail, "cart-0", 1);
    story.invoke(2, "remove", "cart-0", json!(2)).final_read(1, "cart-0", &[]);
    let found = story.result(CheckName::NO_LOST_WRITES);
    found.is_valid();
    assert_eq!((found.figure("removal-tried"), found.figure("never-read")), (2.0, 0.0));
}

#[test]
fn a_removal_that_certainly_failed_does_not_exempt() {
    let mut story = Story::new("cart");
    story.add(0, "cart-0", 1).remove(1, Fail, "cart-0", 1).read(0, "cart-0", &[]).final_read(1, "cart-0", &[]);
    story.result(CheckName::NO_LOST_WRITES).sole(Outcome::Invalid, "lost-write");
    story.result(CheckName::READ_YOUR_WRITES).sole(Outcome::Invalid, "stale-read");
}

#[test]
fn a_lost_add_is_lost() {
    let mut story = Story::new("cart");
    story.add(0, "cart-0", 1).add(0, "cart-0", 2).remove(1, Ok, "cart-0", 2).final_read(1, "cart-0", &[]);
    let found = story.result(CheckName::NO_LOST_WRITES);
    assert!(found.sole(Outcome::Invalid, "lost-write").explanation.starts_with("add 1 to cart-0"), "{found:#?}");
}
