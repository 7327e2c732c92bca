//! Checks of arbitrary histories: what the fuzz target `checkers` asserts, on random bytes and on inputs that found something.

#[path = "fuzzed/arbitrary.rs"]
mod arbitrary;

/// splitmix64.
fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// `FUZZED_ROUNDS=100000 cargo test -p dissensus-checker --test fuzzed` for more.
#[test]
fn no_history_makes_a_check_panic() {
    let rounds = std::env::var("FUZZED_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(1_000);
    for seed in 0..rounds {
        let mut state = seed;
        let length = draw(&mut state) % 200;
        let bytes: Vec<u8> = (0..length).map(|_| draw(&mut state) as u8).collect();
        let checked = std::panic::catch_unwind(|| arbitrary::every_model(&bytes));
        assert!(checked.is_ok(), "seed {seed}: {bytes:?}");
    }
}

/// A value that nobody wrote is wrong for each of the four guarantees, and was reported, but not counted, once for each.
#[test]
fn regression_session_guarantees_reported_one_thing_twice() {
    arbitrary::every_model(&[9, 144, 85, 72, 23, 189, 112, 193, 112, 79, 80, 222, 137]);
}

/// Reads and writes without a key could be judged among reads of lists, but not by themselves.
#[test]
fn regression_a_register_without_a_key_was_no_register() {
    arbitrary::every_model(&[65, 0, 10, 0, 4, 0, 0, 0, 1, 128, 0, 0, 0, 0, 255, 127, 247]);
}

/// One of several equal elements was lost, and the events included none of the others.
#[test]
fn regression_a_lost_element_among_equal_ones_was_none_by_itself() {
    arbitrary::every_model(&[211, 26, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 36, 128, 0, 39]);
}

/// A read of three micro-operations among writes of lists is a transaction, and alone a read that shows siblings.
#[test]
fn regression_what_a_list_is_depended_on_writes_that_were_not_reported() {
    arbitrary::every_model(&[
        0x65, 0x63, 0x68, 0x6f, 0x41, 0x28, 0xd9, 0xff, 0x0f, 0x00, 0x00, 0x00, 0x05, 0xff, 0x41, 0x0a, 0xd0, 0x00,
        0xd0,
    ]);
}

/// A transaction missed its own write, and the events reported did not include who wrote what else it had read.
#[test]
fn regression_what_a_transaction_read_besides_was_not_reported() {
    arbitrary::every_model(&[
        0x21, 0x18, 0x00, 0x12, 0x11, 0x2f, 0x02, 0x2f, 0x02, 0x1a, 0x21, 0x1a, 0x21, 0xed, 0xdf, 0xdf, 0xdf, 0x20,
        0x03, 0x00, 0x00, 0x40,
    ]);
}

/// Any transaction made a history one of lists: sessions of transactions of registers were left undecided, and what a
/// mixed history violated was none by itself.
#[test]
fn regression_every_transaction_was_one_of_lists() {
    arbitrary::every_model(&[
        0x26, 0x24, 0x79, 0x6b, 0x65, 0x72, 0x65, 0x61, 0x64, 0x74, 0x61, 0x6c, 0x65, 0x40, 0x06, 0x40, 0x06, 0x40,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xd3, 0x24, 0x27, 0x40, 0x00,
    ]);
}

/// A register of causes began with nil and with 0: a read of nil after one of 0 was right by itself.
#[test]
fn regression_a_register_began_with_two_values() {
    let mut bytes = [0; 68];
    for (at, byte) in [
        (0, 0x68),
        (1, 0x10),
        (4, 0x64),
        (5, 0x65),
        (6, 0x79),
        (10, 0xe8),
        (11, 0x51),
        (12, 0x2c),
        (24, 0x24),
        (28, 0x3b),
        (59, 0xff),
        (60, 0x08),
        (62, 0x0a),
        (63, 0x5d),
        (65, 0xbc),
        (66, 0xd9),
        (67, 0xd0),
    ] {
        bytes[at] = byte;
    }
    arbitrary::every_model(&bytes);
}
