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
        let told = std::panic::catch_unwind(|| arbitrary::every_model(&bytes));
        assert!(told.is_ok(), "seed {seed}: {bytes:?}");
    }
}
