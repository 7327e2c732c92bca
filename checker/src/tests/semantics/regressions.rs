//! Defects that random histories of `definitions` found: each is the shortest history that showed it.

use super::*;

/// A result of nil, which is no identifier, ended the check: what was given out twice beside it was not reported.
#[test]
fn regression_a_nil_hid_identifiers_that_were_given_out_twice() {
    let twice = "1 generate null => 7; 2 generate null => null; 1 generate null => 7";
    ends("unique-ids", twice, &Settings::default(), Invalid, "7 was given");
    let once = "1 generate null => 7; 2 generate null => null";
    ends("unique-ids", once, &Settings::default(), Inconclusive, "no identifier");
}

/// That a failed write had the value of the beginning made every read of the beginning a dirty one.
#[test]
fn regression_what_a_table_began_with_was_taken_for_what_a_failed_write_wrote() {
    let text = "1 write 0 ! conflict; 2 read null => [0, 0]";
    let judged = |initial: &[&str]| judged("dirty-reads", &beginning(text, initial), &Settings::default()).outcome();
    assert_eq!((judged(&["0"]), judged(&["5"])), (Valid, Invalid));
}
