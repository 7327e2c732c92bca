//! No history makes a check panic, spend more than its limits, or report a violation that is none by itself.
#![no_main]

// The name under which the module below, which is also a test of the crate, knows it.
extern crate checker as dissensus_checker;

#[path = "../../checker/tests/fuzzed/arbitrary.rs"]
mod arbitrary;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| arbitrary::every_model(bytes));
