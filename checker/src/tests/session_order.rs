//! Monotonic writes and writes follow reads: what must be seen because of the order in which others did things.

use crate::CheckName;
use crate::history::EventType::{Fail, Info, Ok};
use crate::tests::Story;
use crate::verdict::Outcome;

#[test]
fn who_sees_the_later_write_of_a_process_sees_the_earlier() {
    let mut story = Story::new("set");
    story.add(1, "set-0", 10).add(1, "set-0", 11).read(2, "set-0", &[11]);
    let found = story.result(CheckName::MONOTONIC_WRITES);
    let anomaly = found.sole(Outcome::Invalid, "non-monotonic-write");
    let reason = "has seen add 11 to set-0 and lacks add 10 to set-0, which process 1 had been acknowledged before";
    assert!(anomaly.explanation.contains(reason), "{}", anomaly.explanation);
    assert_eq!((anomaly.events.as_slice(), anomaly.process.clone()), ([0, 1, 2, 3, 4, 5].as_slice(), Some(2.into())));
    story.result(CheckName::WRITES_FOLLOW_READS).is_inconclusive("no read showed");
}

#[test]
fn what_was_not_acknowledged_is_not_required() {
    for kind in [Fail, Info] {
        let mut story = Story::new("set");
        story.invoke(1, "add", "set-0", serde_json::json!(10)).complete(1, kind, "add", "set-0", serde_json::json!(10));
        story.add(3, "set-0", 11).read(2, "set-0", &[11]);
        assert_eq!(story.result(CheckName::MONOTONIC_WRITES).figure("violations"), 0.0);
    }
}

#[test]
fn who_sees_a_write_sees_what_its_process_had_read_before() {
    let mut story = Story::new("set");
    story.add(1, "set-0", 10).read(2, "set-0", &[10]).add(2, "set-0", 11).read(3, "set-0", &[11]);
    let found = story.result(CheckName::WRITES_FOLLOW_READS);
    let anomaly = found.sole(Outcome::Invalid, "write-before-read");
    let reason = "has seen add 11 to set-0 and lacks add 10 to set-0, which process 2 had been shown by a read through";
    assert!(anomaly.explanation.contains(reason), "{}", anomaly.explanation);
    assert_eq!(anomaly.events, [0, 1, 2, 3, 4, 5, 6, 7]);
    story.result(CheckName::MONOTONIC_WRITES).is_inconclusive("no read showed");
}

/// A register's write is seen where something that replaced it is.
#[test]
fn what_was_replaced_is_seen() {
    let mut story = Story::new("register");
    story.write_ok(1, "register-0", 10, &[]).write_ok(1, "register-0", 11, &[10]).read(2, "register-0", &[11]);
    story.result(CheckName::MONOTONIC_WRITES).is_valid();
    let mut story = Story::new("register");
    story.write_ok(1, "register-0", 10, &[]).write_ok(1, "register-0", 11, &[]).read(2, "register-0", &[11]);
    story.result(CheckName::MONOTONIC_WRITES).sole(Outcome::Invalid, "non-monotonic-write");
    assert_eq!(story.result_one_wins(CheckName::MONOTONIC_WRITES).outcome, Outcome::Valid, "the later one has won");
}

#[test]
fn what_a_delete_may_have_taken_is_not_missed() {
    let mut story = Story::new("register");
    story.write_ok(1, "register-0", 10, &[]).delete_ok(3, "register-0", &[10]).write_ok(1, "register-0", 11, &[]);
    story.read(2, "register-0", &[11]);
    story.result(CheckName::MONOTONIC_WRITES).is_valid();
}

#[test]
fn an_item_that_somebody_removed_is_not_required() {
    let mut story = Story::new("cart");
    story.add(1, "cart-0", 10).add(1, "cart-0", 11).remove(3, Ok, "cart-0", 10).read(2, "cart-0", &[11]);
    assert_eq!(story.result(CheckName::MONOTONIC_WRITES).figure("violations"), 0.0);
}
