//! An alarm clock: many alarms, one [`SetTimer`](crate::api::Effect::SetTimer) for the earliest.

use std::collections::BTreeSet;

#[derive(Debug)]
pub(crate) struct Timers<T> {
    alarms: BTreeSet<(u64, T)>,
    announced: Option<u64>,
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Self { alarms: BTreeSet::new(), announced: None }
    }
}

impl<T: Copy + Ord> Timers<T> {
    pub fn set(&mut self, at_ns: u64, timer: T) {
        self.alarms.insert((at_ns, timer));
    }

    pub fn cancel(&mut self, at_ns: u64, timer: T) {
        self.alarms.remove(&(at_ns, timer));
    }

    /// The earliest alarm that is due, taken out.
    pub fn pop_due(&mut self, now_ns: u64) -> Option<T> {
        let &(at, timer) = self.alarms.first()?;
        if at > now_ns {
            return None;
        }
        self.alarms.pop_first();
        Some(timer)
    }

    /// The earliest alarm, if the driver would be late for it. Most alarms are cancelled soon. A driver that calls for a
    /// cancelled one finds nothing to do, which costs less than a new announcement for each.
    pub fn announcement(&mut self) -> Option<u64> {
        let earliest = self.alarms.first().map(|(at, _)| *at)?;
        if self.announced.is_some_and(|announced| announced <= earliest) {
            return None;
        }
        debug_assert!(
            self.announced.is_none_or(|announced| announced > earliest),
            "a later alarm replaces an earlier one"
        );
        self.announced = Some(earliest);
        Some(earliest)
    }

    /// The driver's alarm went off: whatever is next must be announced again.
    pub fn forget_announcement(&mut self) {
        self.announced = None;
    }
}
