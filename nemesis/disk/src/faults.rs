//! The rules in force, with what they need to know from call to call: how often each has struck, how much space is left,
//! and the seeded chance that decides. Without rules, a call costs one look at a flag.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::rules::{Call, Rules, Strike};

/// The faults of a disk as they are now.
pub(crate) struct Faults {
    /// Whether there are any rules. A call that begins while rules change may meet either.
    active: AtomicBool,
    state: Mutex<State>,
}

struct State {
    rules: Rules,
    struck: [u64; Strike::ALL.len()],
    space_left: u64,
    chance: ChaCha8Rng,
}

/// Why a call is answered later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    Slow(Duration),
    Stalled,
}

impl Faults {
    pub(crate) fn new(seed: u64) -> Faults {
        let state = State {
            rules: Rules::default(),
            struck: [0; Strike::ALL.len()],
            space_left: 0,
            chance: ChaCha8Rng::seed_from_u64(seed),
        };
        Faults { active: AtomicBool::new(false), state: Mutex::new(state) }
    }

    pub(crate) fn rules(&self) -> Rules {
        self.state.lock().rules.clone()
    }

    /// Puts rules in force. A dose or a budget of space that stays the same goes on where it was.
    pub(crate) fn set(&self, rules: Rules) {
        let mut state = self.state.lock();
        for (index, strike) in Strike::ALL.into_iter().enumerate() {
            if rules.dose(strike) != state.rules.dose(strike) {
                state.struck[index] = 0;
            }
        }
        if rules.space_bytes != state.rules.space_bytes {
            state.space_left = rules.space_bytes.unwrap_or(0);
        }
        self.active.store(rules != Rules::default(), Ordering::Release);
        state.rules = rules;
    }

    /// Whether and how much later a call is answered.
    pub(crate) fn wait(&self, call: Call) -> Option<Wait> {
        if !self.active() {
            return None;
        }
        let mut state = self.state.lock();
        if state.rules.stalled {
            return Some(Wait::Stalled);
        }
        let latency = state.rules.latency(call);
        let spread_us = match latency.spread_us {
            0 => 0,
            spread_us => state.chance.random_range(0..=spread_us),
        };
        match latency.base_us + spread_us {
            0 => None,
            us => Some(Wait::Slow(Duration::from_micros(us))),
        }
    }

    /// Whether a fault strikes this call. `path` is asked for only where the rules are for some files.
    pub(crate) fn strikes(&self, strike: Strike, path: impl FnOnce() -> String) -> bool {
        if !self.active() {
            return false;
        }
        let only = match &*self.state.lock() {
            state if state.rules.dose(strike).is_none() => return false,
            state => state.rules.only.clone(),
        };
        only.is_none_or(|part| path().contains(&part)) && self.state.lock().draw(strike)
    }

    /// A seeded number below `end`.
    pub(crate) fn below(&self, end: u64) -> u64 {
        assert!(end > 0, "there is no number below 0");
        self.state.lock().chance.random_range(0..end)
    }

    /// Takes space for files to grow: as much as is left of what is wanted.
    pub(crate) fn take_space(&self, wanted_bytes: u64) -> u64 {
        if !self.active() {
            return wanted_bytes;
        }
        let mut state = self.state.lock();
        if state.rules.space_bytes.is_none() {
            return wanted_bytes;
        }
        let granted_bytes = wanted_bytes.min(state.space_left);
        state.space_left -= granted_bytes;
        granted_bytes
    }

    /// Gives back what was truncated, removed or not used.
    pub(crate) fn give_space(&self, bytes: u64) {
        if self.active() {
            let mut state = self.state.lock();
            state.space_left = state.space_left.saturating_add(bytes);
        }
    }

    /// Bytes by which files may still grow, where that is limited.
    pub(crate) fn space_left(&self) -> Option<u64> {
        let state = self.state.lock();
        state.rules.space_bytes.map(|_| state.space_left)
    }

    fn active(&self) -> bool {
        self.active.load(Ordering::Acquire)
    }
}

impl State {
    fn draw(&mut self, strike: Strike) -> bool {
        let Some(dose) = self.rules.dose(strike) else { return false };
        let struck = &mut self.struck[strike as usize];
        if dose.calls_max.is_some_and(|max| *struck >= max) || !self.chance.random_bool(dose.share) {
            return false;
        }
        *struck += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Dose;

    fn strikes(faults: &Faults, path: &str) -> bool {
        faults.strikes(Strike::SyncError, || path.to_owned())
    }

    fn failing(dose: Dose) -> Rules {
        let mut rules = Rules::default();
        rules.sync.error = Some(dose);
        rules
    }

    #[test]
    fn a_dose_ends_and_stays_ended_when_other_rules_change() {
        let faults = Faults::new(1);
        faults.set(failing(Dose::next(2)));
        let first: Vec<bool> = (0..4).map(|_| strikes(&faults, "")).collect();
        assert_eq!(first, [true, true, false, false]);
        faults.set(Rules { stalled: true, ..failing(Dose::next(2)) });
        assert!(!strikes(&faults, ""), "it is the same dose");
        faults.set(failing(Dose::next(3)));
        assert!(strikes(&faults, ""), "it is a new one");
    }

    #[test]
    fn a_share_is_met_and_other_files_are_spared() {
        let faults = Faults::new(2);
        faults.set(Rules { only: Some("wal".to_owned()), ..failing(Dose::share(0.3)) });
        let struck = (0..10_000).filter(|_| strikes(&faults, "a/wal-1")).count();
        assert!((2_700..3_300).contains(&struck), "{struck} of 10,000 at 30 %");
        assert!((0..1_000).all(|_| !strikes(&faults, "a/data")));
    }

    #[test]
    fn space_is_taken_and_given_back() {
        let faults = Faults::new(3);
        assert_eq!(faults.take_space(1 << 40), 1 << 40, "no limit");
        faults.set(Rules { space_bytes: Some(100), ..Rules::default() });
        assert_eq!([faults.take_space(70), faults.take_space(70), faults.take_space(1)], [70, 30, 0]);
        faults.give_space(5);
        assert_eq!((faults.take_space(70), faults.space_left()), (5, Some(0)));
    }
}
