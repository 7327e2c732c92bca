//! Monotonic reads: what a process was shown stays in its sight.

use super::Story;
use crate::CheckName;
use crate::history::EventType;
use crate::verdict::Outcome;

const MR: CheckName = CheckName::MONOTONIC_READS;

#[test]
fn an_element_shown_once_has_to_be_shown_again() {
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).add(0, "set-0", 2).read(3, "set-0", &[1, 2]).read(3, "set-0", &[1]);
    let found = story.result(MR);
    let anomaly = found.sole(Outcome::Invalid, "non-monotonic-read");
    assert_eq!(
        anomaly.explanation,
        "a read through n4 at 0.008 s of set-0 by process 3 does not show add 2 to set-0, which a read through n4 at \
         0.006 s had shown to the same process"
    );
    assert_eq!((anomaly.events.as_slice(), anomaly.process.clone()), (&[2, 3, 4, 5, 6, 7][..], Some(3.into())));
    assert_eq!((found.figure("reads-judged"), found.figure("violations")), (1.0, 1.0));
}

#[test]
fn others_other_keys_and_removed_items_do_not_count() {
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).read(0, "set-0", &[1]).read(1, "set-0", &[]).read(0, "set-1", &[]);
    story.read(0, "set-0", &[1]).final_read(1, "set-0", &[]);
    let found = story.result(MR);
    found.is_valid();
    assert_eq!(found.figure("reads-judged"), 1.0);
    let mut story = Story::new("cart");
    story.add(0, "cart-0", 1).add(0, "cart-0", 2).read(0, "cart-0", &[1, 2]).remove(1, EventType::Ok, "cart-0", 1);
    story.read(0, "cart-0", &[2]).read(0, "cart-0", &[1, 2]);
    story.result(MR).is_valid();
    story.read(0, "cart-0", &[1]);
    story.result(MR).sole(Outcome::Invalid, "non-monotonic-read");
}

#[test]
fn without_a_second_read_there_is_nothing_to_judge() {
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).read(0, "set-0", &[1]).read(1, "set-0", &[1]);
    story.result(MR).is_inconclusive("no process read a key again");
}

#[test]
fn a_register_goes_forward_only() {
    let mut story = Story::new("register");
    story.write_ok(0, "register-0", 1, &[]).write_ok(0, "register-0", 2, &[1]);
    story.read(3, "register-0", &[1]).read(3, "register-0", &[2]);
    story.result(MR).is_valid();
    story.result_one_wins(MR).is_valid();
    story.read(3, "register-0", &[1]);
    story.result(MR).sole(Outcome::Invalid, "non-monotonic-read");
    story.result_one_wins(MR).sole(Outcome::Invalid, "non-monotonic-read");
}

#[test]
fn a_concurrent_write_may_take_its_place_only_where_one_wins() {
    let mut story = Story::new("register");
    story.write_ok(0, "register-0", 1, &[]).write_ok(1, "register-0", 2, &[]);
    story.read(3, "register-0", &[1]).read(3, "register-0", &[2]);
    story.result(MR).sole(Outcome::Invalid, "non-monotonic-read");
    story.result_one_wins(MR).is_valid();
}

#[test]
fn a_delete_takes_a_value_away_and_it_must_not_come_back() {
    let mut story = Story::new("register");
    story.write_ok(0, "register-0", 1, &[]).read(3, "register-0", &[1]).delete_ok(1, "register-0", &[1]);
    story.read(3, "register-0", &[1]).read(3, "register-0", &[]);
    story.result(MR).is_valid();
    story.read(3, "register-0", &[1]);
    let found = story.result(MR);
    let anomaly = found.sole(Outcome::Invalid, "non-monotonic-read");
    assert!(anomaly.explanation.contains("shows again, after it had been deleted in between, write 1"), "{found:#?}");
}

#[test]
fn an_unknown_past_leaves_the_read_undecided() {
    let mut story = Story::new("register");
    story.write_ok(0, "register-0", 1, &[]).read(3, "register-0", &[1]);
    story.write(1, EventType::Info, "register-0", 2, None).read(3, "register-0", &[2]);
    let found = story.result(MR);
    found.is_inconclusive("1 reads returned a write of unknown outcome and causal past");
}
