//! No history makes a check panic, spend more than its limits, or report a violation that is none by itself.
#![no_main]

#[path = "../../checker/tests/fuzzed/arbitrary.rs"]
mod arbitrary;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| arbitrary::every_model(bytes));
