//! Read your writes.

use super::Story;
use crate::CheckName;
use crate::history::EventType;
use crate::verdict::Outcome;

const RYW: CheckName = CheckName::READ_YOUR_WRITES;

#[test]
fn own_writes_are_seen() {
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).read(0, "set-0", &[1]).add(0, "set-0", 2).read(0, "set-0", &[1, 2]);
    let found = story.result(RYW);
    found.is_valid();
    assert_eq!((found.figure("reads-judged"), found.figure("violations")), (2.0, 0.0));
}

#[test]
fn a_stale_read_is_explained() {
    let mut story = Story::new("set");
    story.add(3, "set-0", 1).add(3, "set-0", 2).add(3, "set-0", 3).read(3, "set-0", &[3]);
    let found = story.result(RYW);
    let anomaly = found.sole(Outcome::Invalid, "stale-read");
    assert_eq!(
        anomaly.explanation,
        "process 3 read set-0 through n4 at 0.008 s and did not see its own add 2 to set-0, acknowledged by n4 at 0.004 s, \
         nor 1 of its earlier writes"
    );
    assert_eq!((anomaly.events.as_slice(), anomaly.process.clone()), (&[2, 3, 6, 7][..], Some(3.into())));
}

#[test]
fn others_other_keys_and_other_phases_do_not_count() {
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).read(1, "set-0", &[]).read(0, "set-1", &[]).read(0, "set-0", &[1]).final_read(
        1,
        "set-0",
        &[],
    );
    let found = story.result(RYW);
    found.is_valid();
    assert_eq!(found.figure("reads-judged"), 1.0);
}

#[test]
fn only_acknowledged_writes_must_be_seen() {
    let mut story = Story::new("set");
    story.add(0, "set-0", 1).add_fail(0, "set-0", 2).read(0, "set-0", &[1]).add_info(0, "set-0", 3);
    story.result(RYW).is_valid();
}

#[test]
fn a_read_before_the_write_is_not_judged() {
    let mut story = Story::new("set");
    story.read(0, "set-0", &[]).add(0, "set-0", 1);
    story.result(RYW).is_inconclusive("no process read a key after its own acknowledged write");
}

#[test]
fn something_causally_newer_will_do_for_a_register() {
    let mut story = Story::new("register");
    story.write_ok(0, "register-0", 1, &[]).write_ok(1, "register-0", 2, &[1]).read(0, "register-0", &[2]);
    story.result(RYW).is_valid();
    story.result_one_wins(RYW).is_valid();
}

#[test]
fn something_concurrent_will_do_only_where_one_wins() {
    let mut story = Story::new("register");
    story.write_ok(0, "register-0", 1, &[]).write_ok(1, "register-0", 2, &[]).read(0, "register-0", &[2]);
    story.result(RYW).sole(Outcome::Invalid, "stale-read");
    story.result_one_wins(RYW).is_valid();
}

#[test]
fn something_older_never_will() {
    let mut story = Story::new("register");
    story.write_ok(1, "register-0", 1, &[]).write_ok(0, "register-0", 2, &[1]).read(0, "register-0", &[1]);
    story.result(RYW).sole(Outcome::Invalid, "stale-read");
    story.result_one_wins(RYW).sole(Outcome::Invalid, "stale-read");
    let mut story = Story::new("register");
    story.write_ok(0, "register-0", 1, &[]).read(0, "register-0", &[]);
    story.result_one_wins(RYW).sole(Outcome::Invalid, "stale-read");
}

#[test]
fn an_unknown_past_leaves_the_read_undecided() {
    let mut story = Story::new("register");
    story.write_ok(0, "register-0", 1, &[]).write(1, EventType::Info, "register-0", 2, None);
    story.read(0, "register-0", &[2]);
    let found = story.result(RYW);
    found.is_inconclusive("1 reads returned a write of unknown outcome and causal past");
    assert_eq!(found.figure("undecided"), 1.0);
}

#[test]
fn misses_add_up_over_more_writes_than_fit_a_block() {
    let mut story = Story::new("set");
    for value in 0..200 {
        story.add(0, "set-0", value);
    }
    story.read(0, "set-0", &[7, 70, 190]).read(0, "set-0", &(0..200).collect::<Vec<_>>());
    let found = story.result(RYW);
    let anomaly = found.sole(Outcome::Invalid, "stale-read");
    assert!(anomaly.explanation.contains("its own add 199"), "{}", anomaly.explanation);
    assert!(anomaly.explanation.ends_with("nor 196 of its earlier writes"), "{}", anomaly.explanation);
    assert_eq!(found.figure("reads-judged"), 2.0);
}
