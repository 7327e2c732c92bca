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
